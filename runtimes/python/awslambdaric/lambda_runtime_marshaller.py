"""JSON as AWS's Python runtime reads and writes it: events into values, returned values into bytes.

AWS encodes with simplejson, which knows more types than the standard library: a Decimal keeps all its digits, a
named tuple (or anything with `_asdict`) is an object, bytes are UTF-8 text. Responses made of plain types, which is
nearly all of them, go straight to the C encoder; the others are first rewritten into plain types. It refuses
everything else, with simplejson's words.
"""

import json
import os
import sys

from .lambda_runtime_exception import FaultException

_SCALARS = frozenset((str, int, float, bool, type(None)))
_CONTAINERS = frozenset((dict, list, tuple))


class _RawNumber(str):
    """The digits of a Decimal, to be written without quotes."""


def _writes_unicode():
    # AWS: the runtimes before Python 3.12 escape everything that is not ASCII.
    # https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
    name, _, minor = os.environ.get("AWS_EXECUTION_ENV", "").rpartition("python3.")
    return name == "AWS_Lambda_" and minor.isdigit() and int(minor) >= 12


def _is_plain(value):
    pending, seen = [value], set()
    while pending:
        node = pending.pop()
        kind = type(node)
        if kind in _SCALARS:
            continue
        if kind not in _CONTAINERS:
            return False
        if id(node) in seen:
            continue
        seen.add(id(node))
        if kind is dict:
            if not _SCALARS.issuperset(map(type, node)):
                return False
            node = node.values()
        nested = set(map(type, node)) - _SCALARS
        if nested:
            if not _CONTAINERS.issuperset(nested):
                return False
            pending.extend(item for item in node if type(item) in _CONTAINERS)
    return True


def _into_plain(value, ancestors):
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if id(value) in ancestors:
        raise ValueError("Circular reference detected")
    ancestors = ancestors | {id(value)}
    as_dict = getattr(value, "_asdict", None)
    if callable(as_dict):
        value = as_dict()
        if not isinstance(value, dict):
            raise TypeError(f"_asdict() must return a dict, not {type(value).__name__}")
    if isinstance(value, (list, tuple)):
        return [_into_plain(item, ancestors) for item in value]
    if isinstance(value, dict):
        return {_into_key(key): _into_plain(item, ancestors) for key, item in value.items()}
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return float("nan") if value.is_nan() else _RawNumber(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _into_key(key):
    if isinstance(key, bytes):
        return key.decode("utf-8")
    if key is None or isinstance(key, (str, int, float)):
        return key
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


class _Encoder:
    def __init__(self):
        ensure_ascii = not _writes_unicode()
        self._encode_plain = json.JSONEncoder(ensure_ascii=ensure_ascii).encode
        self._quote = json.encoder.encode_basestring_ascii if ensure_ascii else json.encoder.encode_basestring

    def encode(self, value):
        if _is_plain(value):
            return self._encode_plain(value)
        return "".join(self._pieces(_into_plain(value, frozenset())))

    def _pieces(self, value):
        """Writes rewritten values; it exists for raw numbers, which the standard library cannot be told to write."""
        if isinstance(value, _RawNumber):
            yield str.__str__(value)
        elif isinstance(value, dict):
            separator = "{"
            for key, item in value.items():
                # The standard library turns a key that is no string into one; so its own encoding of {key: 0} is used.
                name = self._quote(key) if isinstance(key, str) else self._encode_plain({key: 0})[1:-4]
                yield f"{separator}{name}: "
                yield from self._pieces(item)
                separator = ", "
            yield "}" if value else "{}"
        elif isinstance(value, list):
            separator = "["
            for item in value:
                yield separator
                yield from self._pieces(item)
                separator = ", "
            yield "]" if value else "[]"
        else:
            yield self._encode_plain(value)


def to_json(value):
    return _Encoder().encode(value)


def _refuse_constant(name):
    raise ValueError(f"Out of range float values are not JSON compliant: {name}")


class LambdaMarshaller:
    """Turns the bytes of an event into a value, and what the handler returned into bytes."""

    def __init__(self):
        self._encoder = _Encoder()
        self._decode = json.JSONDecoder(parse_constant=_refuse_constant).decode

    def unmarshal_request(self, request, content_type="application/json"):
        if content_type != "application/json":
            return request
        try:
            return self._decode(str(request, "utf-8"))
        except Exception as error:
            raise FaultException("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}")

    def marshal_response(self, response):
        if isinstance(response, bytes):
            return response, "application/unknown"
        try:
            return self._encoder.encode(response), "application/json"
        except Exception as error:
            raise FaultException("Runtime.MarshalError", f"Unable to marshal response: {error}")
