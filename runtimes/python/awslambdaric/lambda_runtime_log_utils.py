"""A function's log as AWS's Python runtime writes it: the root logger's handler and formats, and where the lines go.

It refuses to store or ship anything: lines go to standard output, or framed to the descriptor that the platform names.
"""

import json
import logging
import os
import sys
import time
import traceback

_TIMESTAMP_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

# What a JSON log line does not repeat of a record, because it has a name of its own there or says nothing to a reader.
_RECORD_FIELDS = frozenset(
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created "
    "msecs relativeCreated thread threadName processName process aws_request_id tenant_id _frame_type".split()
)


class CurrentInvocation:
    """The invocation that log lines belong to; one at a time, for the whole process."""

    request_id = None
    tenant_id = None


class LogFormat:
    """How lines are written; read from the environment variables once, by `set_up_logging`."""

    is_json = False


def _frame_type(level, is_json=None):
    """The first four bytes of a frame: a magic number with the log level, in tens up to 50, and the format in it."""
    if is_json is None:
        is_json = LogFormat.is_json
    step = {10: 2, 20: 3, 30: 4, 40: 5, 50: 6}.get(level, 0)
    return ((0xA55A0002 if is_json else 0xA55A0003) + 4 * step).to_bytes(4, "big")


def json_timestamp():
    return time.strftime(_TIMESTAMP_FORMAT, time.gmtime())


def _tens(record):
    return min(50, max(0, record.levelno)) // 10 * 10


class StandardLogSink(object):
    """Log lines on standard output, where a message of several lines stays together by carriage returns."""

    def log(self, msg, frame_type=None):
        sys.stdout.write(msg)

    def log_error(self, message_lines):
        sys.stdout.write("\r".join(message_lines) + "\n")


class FramedTelemetryLogSink(object):
    """Log messages on a file descriptor of their own, each in a frame, so that their ends and levels are known.

    A frame is its type (4 bytes), the message's length (4), the time in microseconds (8), all big-endian, and
    the message."""

    def __init__(self, fd):
        self._file = os.fdopen(fd, "wb", 0)

    def log(self, msg, frame_type=None):
        message = msg.encode("utf8")
        head = (frame_type or _frame_type(0, False)) + len(message).to_bytes(4, "big")
        self._file.write(head + (time.time_ns() // 1000).to_bytes(8, "big") + message)

    def log_error(self, message_lines):
        self.log("\n".join(message_lines), _frame_type(logging.ERROR))


def create_log_sink():
    fd = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
    return StandardLogSink() if fd is None else FramedTelemetryLogSink(int(fd))


class Unbuffered(object):
    """A text stream that is flushed at every write, since a frozen process flushes nothing."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, exc_tb):
        pass

    def __getattr__(self, attr):
        return getattr(self.stream, attr)

    def write(self, msg):
        self.stream.write(msg)
        self.stream.flush()

    def writelines(self, msgs):
        self.stream.writelines(msgs)
        self.stream.flush()


class LambdaLoggerHandler(logging.Handler):
    def __init__(self, log_sink):
        super().__init__()
        self.log_sink = log_sink

    def emit(self, record):
        self.log_sink.log(self.format(record))


class LambdaLoggerHandlerWithFrameType(LambdaLoggerHandler):
    def emit(self, record):
        message = self.format(record)
        self.log_sink.log(message, getattr(record, "_frame_type", None) or _frame_type(_tens(record), False))


class LambdaLoggerFilter(logging.Filter):
    def filter(self, record):
        record.aws_request_id = CurrentInvocation.request_id or ""
        record.tenant_id = CurrentInvocation.tenant_id
        return True


class JsonFormatter(logging.Formatter):
    _encode = json.JSONEncoder(ensure_ascii=False, default=str).encode

    def __init__(self):
        super().__init__(datefmt=_TIMESTAMP_FORMAT)

    def format(self, record):
        record.levelno = _tens(record)
        record.levelname = logging.getLevelName(record.levelno)
        record._frame_type = _frame_type(record.levelno, True)
        failed = record.exc_info or None
        as_object = isinstance(record.msg, dict) and not record.args
        line = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if as_object else record.getMessage(),
            "logger": record.name,
            "stackTrace": failed and traceback.format_tb(failed[2]),
            "errorType": failed and failed[0].__name__,
            "errorMessage": failed and str(failed[1]),
            "requestId": getattr(record, "aws_request_id", None),
            "location": failed and f"{record.pathname}:{record.funcName}:{record.lineno}",
        }
        if getattr(record, "tenant_id", None) is not None:
            line["tenantId"] = record.tenant_id
        for name, value in record.__dict__.items():
            if name not in _RECORD_FIELDS and name not in line:
                line[name] = value
        return self._encode({name: value for name, value in line.items() if value is not None}) + "\n"


def set_up_logging(log_sink):
    LogFormat.is_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "")
    level = "DEBUG" if level == "TRACE" else level.upper()
    logging.Formatter.converter = time.gmtime
    handler = (LambdaLoggerHandlerWithFrameType if LogFormat.is_json or level else LambdaLoggerHandler)(log_sink)
    handler.setFormatter(
        JsonFormatter()
        if LogFormat.is_json
        else logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"
        )
    )
    handler.addFilter(LambdaLoggerFilter())
    logger = logging.getLogger()
    if level in logging._nameToLevel:
        logger.setLevel(level)
    logger.addHandler(handler)


def set_up_streams():
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream.encoding.lower() != "utf-8":
            # Without the locale that LANG names, Python would write ASCII; AWS's runtimes always write UTF-8.
            stream.reconfigure(encoding="utf-8")
        setattr(sys, name, Unbuffered(stream))
