"""Functions as the tests see them: deployed, invoked, and the outcome read.

It refuses to know what a particular test expects.
"""

import base64
import itertools
import json
from dataclasses import dataclass

import roles
from package import Executable, zip_of

# Every server of the suite has it.
ROLE = roles.of()
# The versions that machines most likely have; where they have another, Hearth takes the nearest.
PYTHON, NODE, CUSTOM = "python3.12", "nodejs22.x", "provided.al2023"
HANDLERS = {PYTHON: "app.handler", NODE: "index.handler", CUSTOM: "any"}
FILES = {PYTHON: "app.py", NODE: "index.mjs", CUSTOM: "bootstrap"}
_numbers = itertools.count(1)

# What every bootstrap in bash begins with: one HTTP request over a connection that bash itself opens.
BASH_PRELUDE = r"""#!/bin/bash
call() {
  local LC_ALL=C line length=0
  exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API##*:}"
  printf '%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: runtime\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
    "$1" "$2" "${#3}" "$3" >&3
  IFS= read -r _ <&3
  while IFS= read -r line <&3 && line=${line%$'\r'} && [[ -n $line ]]; do
    case ${line,,} in
      lambda-runtime-aws-request-id:*) id=${line#*: } ;;
      content-length:*) length=${line#*: } ;;
    esac
  done
  body=
  if ((length > 0)); then IFS= read -r -d '' -N "$length" body <&3; fi
  exec 3>&-
}
"""


def name_of(purpose):
    """A name that no other function of this run has."""
    return f"{purpose}-{next(_numbers)}"


def code(runtime, source):
    """The package of a function of one file."""
    text = Executable(BASH_PRELUDE + source) if runtime == CUSTOM else source
    return zip_of({FILES[runtime]: text})


@dataclass
class Outcome:
    """One answered invocation."""

    status: int
    error: str | None
    body: bytes
    log: str
    version: str | None
    request_id: str

    @property
    def value(self):
        """The body as JSON."""
        return json.loads(self.body)


class Function:
    """A function on a server."""

    def __init__(self, lambda_client, name):
        self.client = lambda_client
        self.name = name

    def wait(self, waiter="function_active_v2"):
        """Waits with the SDK's own waiter, which looks every few milliseconds here instead of every second."""
        self.client.get_waiter(waiter).wait(FunctionName=self.name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 1500})
        return self

    def invoke(self, payload=None, **options):
        """Invokes and reads the whole answer. `payload` is bytes, or a value that becomes JSON."""
        if not isinstance(payload, bytes):
            payload = json.dumps(payload if payload is not None else {}).encode()
        return read(self.client.invoke(FunctionName=self.name, **{"LogType": "Tail"} | options, Payload=payload))

    def configure(self, **changes):
        """Updates the configuration and waits until it holds."""
        if "Role" in changes:
            roles.ensure(self.client.meta.endpoint_url, changes["Role"])
        self.client.update_function_configuration(FunctionName=self.name, **changes)
        return self.wait("function_updated_v2")


def read(answer):
    """The outcome in an answer of Invoke."""
    return Outcome(
        status=answer["StatusCode"],
        error=answer.get("FunctionError"),
        body=answer["Payload"].read(),
        log=base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"),
        version=answer.get("ExecutedVersion"),
        request_id=answer["ResponseMetadata"]["RequestId"],
    )


def create(lambda_client, runtime, package, name=None, **settings):
    """Creates a function of this package, and waits until it can be invoked."""
    function = Function(lambda_client, name or name_of("function"))
    role = roles.of(roles.account_of(lambda_client))
    settings = {"Runtime": runtime, "Handler": HANDLERS.get(runtime, "app.handler"), "Role": role} | settings
    roles.ensure(lambda_client.meta.endpoint_url, settings["Role"])
    lambda_client.create_function(FunctionName=function.name, Code={"ZipFile": package}, **settings)
    return function.wait()
