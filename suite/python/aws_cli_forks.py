"""Runs commands of the AWS CLI 1, each in a fork of this process, which has loaded the CLI already.

Started by the CLI's own interpreter with the path of its script and the seconds that a command may take. A line of
standard input is a command, a line of standard output its outcome, both as JSON. It refuses to change what the CLI
does: a fork runs the script itself, and all that it finds done already is the making of the CLI's driver.
"""

import gc
import json
import os
import runpy
import signal
import sys
import tempfile


def load():
    """Imports and reads what every command needs. Each fork has a copy of its own of the driver that is made here."""
    import awscli.clidriver

    driver = awscli.clidriver.create_clidriver()
    driver.session.create_client("sqs")
    awscli.clidriver.create_clidriver = lambda: driver
    gc.collect()
    gc.freeze()


def run(script, seconds, command, outputs):
    """Becomes the CLI, and ends with its exit code."""
    signal.alarm(seconds)
    os.chdir(command["directory"])
    for descriptor, output in enumerate(outputs, 1):
        os.dup2(output.fileno(), descriptor)
    sys.argv = [script, *command["arguments"]]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        # Without taking the interpreter down object by object, which takes as long as the command.
        os._exit(ended.code or 0)


def read(output):
    output.seek(0)
    return output.read().decode()


def main(script, seconds):
    # The commands have this process's standard streams, and must not find the lines for it there.
    commands, outcomes = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    load()
    for line in commands:
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            child = os.fork()
            if child == 0:
                return run(script, int(seconds), json.loads(line), (stdout, stderr))
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            outcomes.write(json.dumps({"code": code, "stdout": read(stdout), "stderr": read(stderr)}) + "\n")
            outcomes.flush()


main(*sys.argv[1:])
