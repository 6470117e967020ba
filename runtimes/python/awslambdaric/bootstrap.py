"""Loads a function's handler and runs it for each event, reporting what it returns or raises as AWS's runtime does.

It refuses to know who started it: the address of the Runtime API and everything about the function come from the
environment variables that AWS documents; limits, time-outs and log storage are the business of the other side.

`LambdaRuntimeClient` (with its three `post_` methods) and `handle_event_request` have the names that monitoring agents
replace in AWS's own runtime, and are looked up anew at every use, so that those agents work here too.
"""

import importlib
import json
import logging
import os
import sys
import traceback

from .lambda_context import LambdaContext
from .lambda_runtime_client import LambdaRuntimeClient
from .lambda_runtime_exception import FaultException
from .lambda_runtime_log_utils import (
    CurrentInvocation,
    LogFormat,
    create_log_sink,
    json_timestamp,
    set_up_logging,
    set_up_streams,
)
from .lambda_runtime_marshaller import to_json

SDK_DIRECTORY = "/var/lang-sdk/python"
SDK_MODULES = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"}
SDK_HINT = (
    "The AWS SDK for Python is not installed on this server: run `hearth runtimes install python`, "
    "or add the package to the function or to one of its layers."
)

# AWS: the notice that precedes every failed initialisation in a function's log.
# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html
UNHANDLED_EXCEPTION_WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare "
    "cases, a Lambda runtime update can cause unexpected function behavior. For functions using managed runtimes, "
    "runtime updates can be triggered by a function change, or can be applied automatically. To determine if the "
    "runtime has been updated, check the runtime version in the INIT_START log entry. If this error correlates with a "
    "change in the runtime version, you may be able to mitigate this error by temporarily rolling back to the previous "
    "runtime version. For more information, see "
    "https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)


def make_error(error_message, error_type, stack_trace, invoke_id=None):
    return {
        "errorMessage": error_message or "",
        "errorType": error_type or "",
        "requestId": invoke_id if invoke_id is not None else "",
        "stackTrace": stack_trace or [],
    }


def _user_frames(tb):
    """The frames of a traceback from the first that is not the runtime's, as (file, line, function, source)."""
    frames = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(tb)]
    for index, frame in enumerate(frames):
        if "/bootstrap.py" not in frame[0]:
            return frames[index:]
    return frames


def _make_xray_fault(error_type, message, frames):
    stack = [{"label": name, "path": path, "line": line} for path, line, name, _ in frames]
    return {
        "working_directory": os.getcwd(),
        "exceptions": [{"message": message, "type": error_type, "stack": stack}],
        "paths": list({path for path, _, _, _ in frames}),
    }


def _error_of(exception, invoke_id=None):
    """The error to report for an exception, and its X-Ray fault."""
    if isinstance(exception, FaultException):
        error = make_error(exception.msg, exception.exception_type, exception.trace, invoke_id)
        return error, _make_xray_fault("LambdaValidationError", exception.msg, [])
    frames = _user_frames(exception.__traceback__)
    name = type(exception).__name__
    error = make_error(str(exception), name, traceback.format_list(frames), invoke_id)
    return error, _make_xray_fault(name, str(exception), frames)


def _log_error(error, log_sink):
    if LogFormat.is_json:
        log_sink.log_error([to_json({"timestamp": json_timestamp(), "level": "ERROR", **error})])
        return
    description = ": ".join(part for part in (error["errorType"], error["errorMessage"]) if part)
    lines = ["[ERROR] " + description if description else "[ERROR]", "Traceback (most recent call last):"]
    for element in error["stackTrace"]:
        for line in element.splitlines() or [""]:
            # AWS: indentation is made of no-break spaces, which log viewers do not collapse.
            # https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
            text = line.lstrip(" ")
            lines.append("\u00a0" * (len(line) - len(text)) + text)
    log_sink.log_error(lines)


def _hint_at_missing_sdk(exception, log_sink):
    """Says how to install the AWS SDK, when it was for want of it that an import failed."""
    cause = exception.__cause__ if isinstance(exception, FaultException) else exception
    if not isinstance(cause, ModuleNotFoundError) or os.path.isdir(SDK_DIRECTORY):
        return
    if (cause.name or "").split(".")[0] in SDK_MODULES:
        if LogFormat.is_json:
            log_sink.log_error([to_json({"timestamp": json_timestamp(), "level": "ERROR", "message": SDK_HINT})])
        else:
            log_sink.log_error([f"[ERROR] {SDK_HINT}"])


def _parse_json_header(value, name):
    if not value:
        return None
    try:
        return json.loads(value)
    except Exception as error:
        raise FaultException("Runtime.LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}")


def _get_handler(handler):
    module_name, dot, function_name = handler.rpartition(".")
    if not dot:
        raise FaultException(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
        )
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise FaultException(
            "Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module"
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise FaultException("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        trace = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)]
        raise FaultException("Runtime.UserCodeSyntaxError", message, trace) from error
    try:
        return getattr(module, function_name)
    except AttributeError:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise FaultException("Runtime.HandlerNotFound", message)


def handle_event_request(lambda_runtime_client, request_handler, invoke_id, event_body, headers, log_sink):
    invocation_id = headers.get("lambda-runtime-invocation-id")
    try:
        lambda_context = LambdaContext(
            invoke_id,
            _parse_json_header(headers.get("lambda-runtime-client-context"), "Client Context"),
            _parse_json_header(headers.get("lambda-runtime-cognito-identity"), "Cognito Identity"),
            int(headers["lambda-runtime-deadline-ms"]),
            headers.get("lambda-runtime-invoked-function-arn"),
            headers.get("lambda-runtime-aws-tenant-id"),
        )
        marshaller = lambda_runtime_client.marshaller
        event = marshaller.unmarshal_request(event_body, headers.get("content-type"))
        response = request_handler(event, lambda_context)
        result, content_type = marshaller.marshal_response(response)
    except Exception as exception:
        error, xray_fault = _error_of(exception, invoke_id)
        _log_error(error, log_sink)
        _hint_at_missing_sdk(exception, log_sink)
        lambda_runtime_client.post_invocation_error(invoke_id, to_json(error), to_json(xray_fault), invocation_id)
    else:
        lambda_runtime_client.post_invocation_result(invoke_id, result, content_type, invocation_id)


def _what_tools_replace():
    """What tools that watch functions put their own in the place of, which may have more to do once an outcome is posted."""
    client = LambdaRuntimeClient
    return handle_event_request, client.post_invocation_result, client.post_invocation_error


_UNTOUCHED = _what_tools_replace()


def _load_handler(lambda_runtime_client, log_sink):
    """Imports the function's module; when that fails, reports it and ends the process, as AWS does."""
    try:
        return _get_handler(os.environ["_HANDLER"])
    except Exception as exception:
        error, _ = _error_of(exception)
        logging.warning(UNHANDLED_EXCEPTION_WARNING)
        _log_error(error, log_sink)
        _hint_at_missing_sdk(exception, log_sink)
        lambda_runtime_client.post_init_error(error)
        sys.exit(1)


def _pass_snapshot(lambda_runtime_client, log_sink):
    """Runs the function's hooks around the snapshot of its environment; a hook that fails ends the process."""
    from . import lambda_runtime_hooks_runner

    try:
        lambda_runtime_hooks_runner.run_before_snapshot()
        lambda_runtime_client.restore_next()
    except BaseException as exception:
        error, _ = _error_of(exception)
        _log_error(error, log_sink)
        lambda_runtime_client.post_init_error(error, "Runtime.BeforeSnapshotError")
        sys.exit(64)
    try:
        lambda_runtime_hooks_runner.run_after_restore()
    except BaseException as exception:
        error, _ = _error_of(exception)
        _log_error(error, log_sink)
        lambda_runtime_client.report_restore_error(error)
        sys.exit(65)


def main():
    set_up_streams()
    log_sink = create_log_sink()
    set_up_logging(log_sink)
    client = LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"])
    request_handler = _load_handler(client, log_sink)
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        _pass_snapshot(client, log_sink)
    while True:
        headers, body = client.next_invocation()
        CurrentInvocation.request_id = headers["lambda-runtime-aws-request-id"]
        CurrentInvocation.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        trace_id = headers.get("lambda-runtime-trace-id")
        if trace_id is not None:
            os.environ["_X_AMZN_TRACE_ID"] = trace_id
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        client.goes_on = _what_tools_replace() == _UNTOUCHED
        handle_event_request(client, request_handler, CurrentInvocation.request_id, body, headers, log_sink)
