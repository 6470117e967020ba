"""What Python functions may do, as a table: their files, the events they get, and what must be posted for them.

Every case is run through our runtime and compared with what stands here; where AWS's own client can be installed it is
run through that too, and the two must not differ. It refuses to hold code of the runtimes: that is elsewhere.
"""

import json

from runtime_api import REQUEST_ID, Event

RESPONSE = f"invocation/{REQUEST_ID}/response"
ERROR = f"invocation/{REQUEST_ID}/error"
INIT_ERROR = "init/error"


class Case:
    """`posts` are the expected (path, body) pairs: a body as bytes must be the same bytes, as a dict must have these
    fields, and None stands for any. `stdout` are pieces that standard output must contain. `compared` is False where AWS's
    client answers in words that depend on its own code, or on its JSON decoder, which never gets to see bad events."""

    def __init__(self, name, code, posts, events=(Event(),), handler="app.handler", files=None, environment=None,
                 stdout=(), status=None, compared=True):
        self.name = name
        self.files = files if files is not None else {"app.py": code}
        self.posts, self.events, self.handler = list(posts), list(events), handler
        self.environment = {"_HANDLER": handler, **(environment or {})}
        self.stdout, self.status, self.compared = stdout, status, compared


def returns(expression, before=""):
    return f"{before}\ndef handler(event, context):\n    return {expression}\n"


def init_error(error_type, message, **fields):
    return INIT_ERROR, {"errorType": error_type, "errorMessage": message, "requestId": "", **fields}


def error(error_type, message, **fields):
    return ERROR, {"errorType": error_type, "errorMessage": message, "requestId": REQUEST_ID, **fields}


JSON_LOGS = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
UNICODE = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}

RESPONSES = [
    Case("none", returns("None"), [(RESPONSE, b"null")]),
    Case("event", returns("event"), [(RESPONSE, b'{"a": [1, 2.5, null, true, "x"]}')],
         [Event('{"a":[1,2.5,null,true,"x"]}')]),
    Case("string", returns("'plain \"quoted\" \\\\ \\x7f \\x01'"), [(RESPONSE, b'"plain \\"quoted\\" \\\\ \\u007f \\u0001"')]),
    Case("escapes", returns("'\\u00e9\\u2028\\U0001f600'"), [(RESPONSE, b'"\\u00e9\\u2028\\ud83d\\ude00"')]),
    Case("unicode", returns("'\\u00e9\\u2028\\U0001f600'"), [(RESPONSE, '"é\u2028😀"'.encode())], environment=UNICODE),
    Case("unicode_event", returns("event"), [(RESPONSE, '"é😀"'.encode())], [Event('"é😀"')], environment=UNICODE),
    Case("bytes", returns("b'\\x00\\xffraw'"), [(RESPONSE, b"\x00\xffraw")]),
    Case("bytes_inside", returns("{'a': b'text', b'k': 1}"), [(RESPONSE, b'{"a": "text", "k": 1}')]),
    Case("bad_bytes_inside", returns("{'a': b'\\xff'}"), [(ERROR, {"errorType": "Runtime.MarshalError"})]),
    Case("nan", returns("[float('nan'), float('inf'), -float('inf')]"), [(RESPONSE, b"[NaN, Infinity, -Infinity]")]),
    Case("floats", returns("[1e22, 0.1, -0.0, 1e-7, 12345678901234567890]"),
         [(RESPONSE, b"[1e+22, 0.1, -0.0, 1e-07, 12345678901234567890]")]),
    Case("decimals", returns("{'a': [D('1.10'), D('NaN'), D('1E+3'), D('-Infinity')], 'b': D('12345678901234567890.123')}",
                             "from decimal import Decimal as D"),
         [(RESPONSE, b'{"a": [1.10, NaN, 1E+3, -Infinity], "b": 12345678901234567890.123}')]),
    Case("decimal_alone", returns("Decimal('3.14')", "from decimal import Decimal"), [(RESPONSE, b"3.14")]),
    Case("decimal_key", returns("{Decimal('1'): 1}", "from decimal import Decimal"),
         [error("Runtime.MarshalError",
                "Unable to marshal response: keys must be str, int, float, bool or None, not Decimal")]),
    Case("decimal_beside_text", returns("{'t': '\\u00e9\"', 'd': Decimal('1'), 1: None, 2.5: {}, None: ()}",
                                        "from decimal import Decimal"),
         [(RESPONSE, b'{"t": "\\u00e9\\"", "d": 1, "1": null, "2.5": {}, "null": []}')]),
    Case("keys", returns("{1: 'a', 2.5: 'b', None: 'c', False: 'd', 'e': 'f'}"),
         [(RESPONSE, b'{"1": "a", "2.5": "b", "null": "c", "false": "d", "e": "f"}')]),
    Case("named_tuple", returns("[P(1, P(2, None)), (3, 4)]", "import collections\nP = collections.namedtuple('P', 'x y')"),
         [(RESPONSE, b'[{"x": 1, "y": {"x": 2, "y": null}}, [3, 4]]')]),
    Case("as_dict", returns("T()", "class T:\n    def _asdict(self): return {'k': 'v'}"), [(RESPONSE, b'{"k": "v"}')]),
    Case("as_dict_of_no_dict", returns("[T()]", "class T:\n    def _asdict(self): return 1"),
         [error("Runtime.MarshalError", "Unable to marshal response: _asdict() must return a dict, not int")]),
    Case("enums", returns("[Colour.RED, {Colour.RED: Text.A}]",
                          "import enum\nclass Colour(enum.IntEnum):\n    RED = 1\nclass Text(str, enum.Enum):\n    A = 'a'"),
         [(RESPONSE, b'[1, {"1": "a"}]')]),
    Case("subclasses", returns("[S('s'), L([1]), D(a=1), F(1.5), O(a=1)]",
                               "import collections\nclass S(str): pass\nclass L(list): pass\nclass D(dict): pass\n"
                               "class F(float):\n    def __repr__(self): return 'x'\nO = collections.OrderedDict"),
         [(RESPONSE, b'["s", [1], {"a": 1}, 1.5, {"a": 1}]')]),
    Case("a_set", returns("{'s': {1}}"),
         [error("Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable")]),
    Case("a_date", returns("datetime.date(2026, 1, 1)", "import datetime"),
         [error("Runtime.MarshalError", "Unable to marshal response: Object of type date is not JSON serializable",
                stackTrace=[])]),
    Case("a_tuple_key", returns("{(1, 2): 3}"),
         [error("Runtime.MarshalError",
                "Unable to marshal response: keys must be str, int, float, bool or None, not tuple")]),
    Case("a_circle", "def handler(event, context):\n    a = [[]]\n    a[0].append(a)\n    return a\n",
         [error("Runtime.MarshalError", "Unable to marshal response: Circular reference detected")]),
    Case("a_circle_of_odd_types",
         "import decimal\ndef handler(event, context):\n    a = [decimal.Decimal(1)]\n    a.append({'a': a})\n    return a\n",
         [error("Runtime.MarshalError", "Unable to marshal response: Circular reference detected")]),
    Case("a_generator", returns("(x for x in [1])"), [(ERROR, {"errorType": "Runtime.MarshalError"})]),
    Case("shared", "def handler(event, context):\n    a = [1]\n    return [a, a, {'b': a}]\n",
         [(RESPONSE, b'[[1], [1], {"b": [1]}]')]),
    Case("large", returns("'x' * 1000000"), [(RESPONSE, b'"' + b"x" * 1000000 + b'"')]),
    Case("large_event", returns("len(event)"), [(RESPONSE, b"3000000")], [Event('"' + "x" * 3000000 + '"')]),
]

EVENTS = [
    Case("no_json", returns("1"), [(ERROR, {"errorType": "Runtime.UnmarshalError"})], [Event("{")], compared=False),
    Case("trailing", returns("1"), [(ERROR, {"errorType": "Runtime.UnmarshalError"})], [Event("{} x")], compared=False),
    Case("empty", returns("1"), [(ERROR, {"errorType": "Runtime.UnmarshalError"})], [Event("")]),
    Case("white_space", returns("event"), [(RESPONSE, b"1")], [Event(" \n1 ")]),
    Case("nan_event", returns("event"), [(ERROR, {"errorType": "Runtime.UnmarshalError"})], [Event("NaN")], compared=False),
    Case("content_type", returns("type(event).__name__ + ' ' + repr(event)"), [(RESPONSE, b'"bytes b\'{}\'"')],
         [Event(headers={"Content-Type": "text/plain"})]),
    Case("several", "n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return n\n",
         [(RESPONSE, b"1"), (RESPONSE, b"2"), (RESPONSE, b"3")], [Event()] * 3),
    Case("trace_id", returns("os.environ.get('_X_AMZN_TRACE_ID')", "import os"),
         [(RESPONSE, b'"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"'), (RESPONSE, b"null")],
         [Event(), Event(headers={"Lambda-Runtime-Trace-Id": None})]),
]

CLIENT_CONTEXT = json.dumps({
    "client": {"installation_id": "i", "app_title": "t", "extra": 1}, "custom": {"é": [1]}, "env": {"locale": "de"},
    "w3c": {"traceparent": "00-1", "baggage": 5},
})
CONTEXT = [
    Case("context", returns("repr(context) + str(type(context)) + str(sorted(k for k in vars(context) if k[0] != '_'))"),
         [(RESPONSE, None)]),
    Case("client_context", returns("[repr(context), context.client_context.custom, context.client_context.env['locale'], "
                                   "context.client_context.client.app_title]"),
         [(RESPONSE, None)], [Event(headers={"Lambda-Runtime-Client-Context": CLIENT_CONTEXT})], environment=UNICODE),
    Case("identity", returns("[context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]"),
         [(RESPONSE, b'["a", "b"]')],
         [Event(headers={"Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"a","cognitoIdentityPoolId":"b"}'})]),
    Case("tenant", returns("context.tenant_id"), [(RESPONSE, b'"blue"')],
         [Event(headers={"Lambda-Runtime-Aws-Tenant-Id": "blue"})]),
    Case("remaining", returns("[type(context.get_remaining_time_in_millis()).__name__, context.get_remaining_time_in_millis() > 0]"),
         [(RESPONSE, b'["int", true]')]),
    Case("over_time", returns("context.get_remaining_time_in_millis()"), [(RESPONSE, b"0")],
         [Event(headers={"Lambda-Runtime-Deadline-Ms": "1000"})]),
    Case("context_log", "def handler(event, context):\n    context.log('one\\n')\n    context.log(2)\n", [(RESPONSE, b"null")],
         stdout=["one\n2"]),
    Case("bad_client_context", returns("1"), [(ERROR, {"errorType": "Runtime.LambdaContextUnmarshalError"})],
         [Event(headers={"Lambda-Runtime-Client-Context": "{"})]),
    Case("context_import", returns("isinstance(context, LambdaContext)",
                                   "from awslambdaric.lambda_context import LambdaContext"), [(RESPONSE, b"true")]),
]

ERRORS = [
    Case("raises", "def inner():\n    raise ValueError('no\\ngood')\n\ndef handler(event, context):\n    inner()\n",
         [error("ValueError", "no\ngood")], stdout=["[ERROR] ValueError: no\ngood\rTraceback (most recent call last):\r"]),
    Case("raises_twice", "def handler(event, context):\n    raise KeyError('k')\n",
         [error("KeyError", "'k'")] * 2, [Event()] * 2),
    Case("raises_own", "class Own(Exception):\n    pass\n\ndef handler(event, context):\n    raise Own()\n", [error("Own", "")]),
    Case("raises_delete", "def handler(event, context):\n    raise ValueError('\\x7f')\n", [error("ValueError", "\x7f")],
         environment=UNICODE),
    Case("raises_unicode", "def handler(event, context):\n    raise ValueError('\\u00e9')\n", [error("ValueError", "é")],
         environment=UNICODE),
    Case("chained", "def handler(event, context):\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n"
         "        raise RuntimeError('second') from e\n", [error("RuntimeError", "second")]),
    Case("recursion", "def f(n):\n    return f(n + 1)\n\ndef handler(event, context):\n    return len(str(f(0)))\n",
         [(ERROR, {"errorType": "RecursionError"})], compared=False),
    Case("wrong_signature", "def handler(event):\n    return 1\n",
         [error("TypeError", "handler() takes 1 positional argument but 2 were given")], compared=False),
    Case("not_callable", "handler = 5\n", [error("TypeError", "'int' object is not callable")], compared=False),
    Case("json_error_log", "def handler(event, context):\n    raise ValueError('no')\n", [error("ValueError", "no")],
         environment=JSON_LOGS, stdout=['"level": "ERROR", "errorMessage": "no", "errorType": "ValueError"']),
    Case("exits", "import sys\ndef handler(event, context):\n    sys.exit(7)\n", [], status=7),
    Case("exits_at_once", "import os\ndef handler(event, context):\n    print('bye')\n    os._exit(3)\n", [], status=3,
         stdout=["bye\n"]),
    Case("interrupts", "def handler(event, context):\n    raise KeyboardInterrupt\n", [], status=-2),
    Case("late_import", "def handler(event, context):\n    import nowhere\n",
         [error("ModuleNotFoundError", "No module named 'nowhere'")]),
    Case("error_refused", "def handler(event, context):\n    raise ValueError('no')\n", [(ERROR, None)],
         [Event(answer_status=500)], status=1),
    Case("too_large", returns("'x'"), [(RESPONSE, b'"x"')], [Event(answer_status=413)], status=1),
]

INIT = [
    Case("no_module", "", [init_error("Runtime.ImportModuleError", "Unable to import module 'nope': No module named 'nope'")],
         handler="nope.handler", status=1,
         stdout=["LAMBDA_WARNING: Unhandled exception.", "[ERROR] Runtime.ImportModuleError: Unable to import module 'nope'"]),
    Case("no_dependency", "import nowhere.at.all\n",
         [init_error("Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nowhere'")], status=1),
    Case("no_name", "from os import nothing_such\n", [(INIT_ERROR, {"errorType": "Runtime.ImportModuleError"})], status=1),
    Case("no_handler", "", [init_error("Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'")], status=1),
    Case("malformed", "", [init_error("Runtime.MalformedHandlerName",
                                      "Bad handler 'app': not enough values to unpack (expected 2, got 1)")],
         handler="app", status=1),
    Case("built_in", "", [init_error("Runtime.BuiltInModuleConflict",
                                     "Cannot use built-in module sys as a handler module")], handler="sys.exit", status=1),
    Case("syntax", "def handler(event, context)\n    return 1\n", [(INIT_ERROR, {"errorType": "Runtime.UserCodeSyntaxError"})],
         status=1),
    Case("tabs", "def handler(event, context):\n\treturn 1\n        return 2\n",
         [(INIT_ERROR, {"errorType": "Runtime.UserCodeSyntaxError"})], status=1),
    Case("raises_at_import", "def f():\n    raise ValueError('early')\n\nf()\n",
         [init_error("ValueError", "early")], status=1),
    Case("exits_at_import", "import sys\nsys.exit(5)\n", [], status=5),
    Case("json_init_error", "1 / 0\n", [init_error("ZeroDivisionError", "division by zero")], environment=JSON_LOGS, status=1),
    Case("init_error_refused", "1 / 0\n", [(INIT_ERROR, None)], status=1),
    Case("in_package", "", [(RESPONSE, b"2")], handler="pkg.mod.run",
         files={"pkg/__init__.py": "", "pkg/mod.py": "def run(e, c): return 2\n"}),
    Case("in_folder", "", [(RESPONSE, b"3")], handler="src/deep/mod.run", files={"src/deep/mod.py": "def run(e, c): return 3\n"}),
    Case("dashes", "", [(RESPONSE, b"4")], handler="my-app.run", files={"my-app.py": "def run(e, c): return 4\n"}),
    Case("callable_object", "class H:\n    def __call__(self, e, c): return 5\nhandler = H()\n", [(RESPONSE, b"5")]),
]

LOGGING_CODE = """
import logging
log = logging.getLogger("my.logger")
def handler(event, context):
    logging.debug("debug")
    logging.info("info")
    logging.warning("warning %s", 1)
    log.error("error\\nof two lines", extra={"order": 7, "odd": {1}})
    log.critical({"a": "dict"})
    log.log(35, "between")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("oops")
    return [logging.getLogger().level, type(logging.getLogger().handlers[0]).__name__]
"""
LOGGING = [
    Case("print", "import sys\ndef handler(event, context):\n    print('a', 'b')\n    print('c', end='')\n    print()\n"
         "    sys.stdout.writelines(['d', 'e\\n'])\n    print('\\u00e9')\n    print('err', file=sys.stderr)\n", [(RESPONSE, b"null")],
         stdout=["a b\nc\nde\né\n"]),
    Case("unbuffered", "import os, sys\nsys.stdout.write('half')\ndef handler(event, context):\n    os._exit(0)\n", [],
         stdout=["half"], status=0),
    Case("logs", LOGGING_CODE, [(RESPONSE, b'[30, "LambdaLoggerHandler"]')],
         stdout=[f"[WARNING]\tTIME\t{REQUEST_ID}\twarning 1\n", f"[ERROR]\tTIME\t{REQUEST_ID}\terror\nof two lines\n"]),
    Case("logs_level", LOGGING_CODE, [(RESPONSE, b'[10, "LambdaLoggerHandlerWithFrameType"]')],
         environment={"AWS_LAMBDA_LOG_LEVEL": "TRACE"}),
    Case("logs_json", LOGGING_CODE, [(RESPONSE, b'[30, "LambdaLoggerHandlerWithFrameType"]')], environment=JSON_LOGS,
         stdout=['{"timestamp": "TIME", "level": "WARNING", "message": "warning 1", "logger": "root", '
                 f'"requestId": "{REQUEST_ID}"}}\n']),
    Case("logs_json_level", LOGGING_CODE, [(RESPONSE, b'[40, "LambdaLoggerHandlerWithFrameType"]')],
         environment={**JSON_LOGS, "AWS_LAMBDA_LOG_LEVEL": "ERROR"}),
    Case("logs_json_tenant", LOGGING_CODE, [(RESPONSE, None)], [Event(headers={"Lambda-Runtime-Aws-Tenant-Id": "blue"})],
         environment=JSON_LOGS, stdout=['"tenantId": "blue"']),
    Case("logs_in_init", "import logging\nlogging.error('early')\n" + returns("1"), [(RESPONSE, b"1")],
         stdout=["[ERROR]\tTIME\t\tearly\n"]),
    Case("log_of_several_lines", "def handler(event, context):\n    raise ValueError('one\\n  two')\n", [(ERROR, None)]),
]

HOOKS = """
from snapshot_restore_py import register_after_restore, register_before_snapshot

@register_before_snapshot
def first():
    print("first before")

register_before_snapshot(print, "second", "before", sep="-")
register_after_restore(print, "after")

def handler(event, context):
    return 1
"""
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
RESTORE_NEXT = "restore/next"
SNAPSHOTS = [
    Case("hooks", HOOKS, [(RESTORE_NEXT, b""), (RESPONSE, b"1")], environment=SNAP_START,
         stdout=["second-before\nfirst before\nafter\n"]),
    Case("hooks_without_snapshot", HOOKS, [(RESPONSE, b"1")]),
    Case("failing_before", HOOKS + "register_before_snapshot(int, 'x')\n",
         [(INIT_ERROR, {"errorType": "ValueError"})], environment=SNAP_START, status=64),
    Case("failing_after", HOOKS + "register_after_restore(int, 'x')\n",
         [(RESTORE_NEXT, b""), ("restore/error", {"errorType": "ValueError"})], environment=SNAP_START, status=65),
    Case("exiting_before", HOOKS + "register_before_snapshot(exit, 3)\n",
         [(INIT_ERROR, {"errorType": "SystemExit"})], environment=SNAP_START, status=64),
]

CASES = [*RESPONSES, *EVENTS, *CONTEXT, *ERRORS, *INIT, *LOGGING, *SNAPSHOTS]
