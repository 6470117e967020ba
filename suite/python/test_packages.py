"""Deployment packages that lie, escape or explode are refused with AWS's error, and leave nothing behind."""

import io
import os
import struct
import zipfile

import pytest
from botocore.exceptions import ClientError
from functions import PYTHON, ROLE, name_of
from package import Executable, Link, zip_of

GOOD = {"app.py": "def handler(event, context):\n    return 1\n"}
MEBIBYTE = 1 << 20


def bomb():
    """251 MiB of zeros in a few hundred kilobytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("zeros", "w") as entry:
            for _ in range(251):
                entry.write(bytes(MEBIBYTE))
    return buffer.getvalue()


def lying_bomb():
    """The same, with headers that claim one byte."""
    return bomb().replace(struct.pack("<I", 251 * MEBIBYTE), struct.pack("<I", 1))


def oversize():
    """51 MiB that do not shrink."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("noise", os.urandom(51 * MEBIBYTE))
    return buffer.getvalue()


HOSTILE = {
    "no zip": lambda: b"this is no zip",
    "a cut zip": lambda: zip_of(GOOD)[:-30],
    "a slip": lambda: zip_of(GOOD | {"../../evil": "x"}),
    "an absolute name": lambda: zip_of(GOOD | {"/etc/evil": "x"}),
    "a link to the host": lambda: zip_of(GOOD | {"passwd": Link("/etc/passwd")}),
    "a link upwards": lambda: zip_of(GOOD | {"up": Link("../../..")}),
    "a file through a link": lambda: zip_of({"d": Link("/tmp")} | {"d/evil": "x"} | GOOD),
    "a bomb": bomb,
    "a lying bomb": lying_bomb,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_is_refused(server, lambda_client, what):
    name = name_of("hostile")
    request = {"FunctionName": name, "Runtime": PYTHON, "Handler": "app.handler", "Role": ROLE}
    try:
        lambda_client.create_function(Code={"ZipFile": HOSTILE[what]()}, **request)
    except ClientError as error:
        answer = error.response
        assert answer["Error"]["Code"] in ("InvalidParameterValueException", "InvalidZipFileException"), answer
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
        with pytest.raises(lambda_client.exceptions.ResourceNotFoundException):
            lambda_client.get_function(FunctionName=name)
        return
    # What only unpacking can show is told by the state.
    waiter = lambda_client.get_waiter("function_active_v2")
    with pytest.raises(Exception, match="Failed"):
        waiter.wait(FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 1500})
    configuration = lambda_client.get_function_configuration(FunctionName=name)
    assert configuration["StateReasonCode"] == "InvalidZipFileException", configuration
    lambda_client.delete_function(FunctionName=name)


def test_over_50_megabytes_is_refused(lambda_client):
    request = {"FunctionName": name_of("big"), "Runtime": PYTHON, "Handler": "app.handler", "Role": ROLE}
    with pytest.raises(ClientError) as caught:
        lambda_client.create_function(Code={"ZipFile": oversize()}, **request)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 413)
    assert caught.value.response["Error"]["Code"] in (
        "RequestEntityTooLargeException",
        "InvalidParameterValueException",
        "RequestTooLargeException",
    )


def test_modes_and_inner_links_are_kept(deploy):
    source = """
import os, subprocess
def handler(event, context):
    return [subprocess.check_output(['./tool'], text=True), open('data').read(), oct(os.stat('data').st_mode & 0o777)]
"""
    files = {"app.py": source, "tool": Executable("#!/bin/sh\necho ran\n"), "lib/data": "inside", "data": Link("lib/data")}
    assert deploy(PYTHON, zip_of(files)).invoke().value == ["ran\n", "inside", "0o644"]


def test_the_package_is_read_only_for_the_function(deploy):
    source = """
import os
def handler(event, context):
    refused = []
    for path in ('/var/task/new', '/var/task/app.py', '/opt/new', '/etc/new', '/usr/new', '/new'):
        try:
            open(path, 'a').close()
        except OSError as error:
            refused.append(path)
    return refused
"""
    assert len(deploy(PYTHON, source).invoke().value) == 6
