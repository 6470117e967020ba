"""The context object that a handler gets beside its event.

It refuses to fetch anything: all of it comes from the invocation's headers and the environment variables.
"""

import logging
import os
import sys
import time


def _described(instance, fields):
    values = ",".join(f"{field}={getattr(instance, field)}" for field in fields)
    return f"{type(instance).__name__}([{values}])"


class _Record:
    """An object with fixed fields, filled from a JSON object; fields that this lacks are None."""

    __slots__ = ()

    def __repr__(self):
        return _described(self, self.__slots__)

    @classmethod
    def from_json(cls, values):
        if values is None:
            return None
        record = cls()
        for field in cls.__slots__:
            setattr(record, field, values.get(field))
        return record


class CognitoIdentity(_Record):
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client(_Record):
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]


class ClientContext(_Record):
    __slots__ = ["custom", "env", "client"]


class LambdaContext(object):
    """What a handler is told about its invocation.
    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""

    _SHOWN = (
        "aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb function_version "
        "invoked_function_arn client_context identity tenant_id"
    ).split()

    def __init__(
        self,
        invoke_id,
        client_context,
        cognito_identity,
        epoch_deadline_time_in_ms,
        invoked_function_arn=None,
        tenant_id=None,
    ):
        self.aws_request_id = invoke_id
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = invoked_function_arn
        self.tenant_id = tenant_id
        self._w3c_fields = {}
        if isinstance(client_context, dict):
            w3c = client_context.pop("w3c", None)
            if isinstance(w3c, dict):
                fields = ("traceparent", "tracestate", "baggage")
                self._w3c_fields = {name: w3c[name] for name in fields if isinstance(w3c.get(name), str)}
        self.client_context = ClientContext.from_json(client_context)
        if self.client_context is not None:
            self.client_context.client = Client.from_json(self.client_context.client)
        self.identity = CognitoIdentity.from_json({})
        if cognito_identity is not None:
            self.identity.cognito_identity_id = cognito_identity.get("cognitoIdentityId")
            self.identity.cognito_identity_pool_id = cognito_identity.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = epoch_deadline_time_in_ms

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def w3c(self):
        """The W3C trace context of the invocation, as far as the caller sent one."""
        return dict(self._w3c_fields)

    def log(self, msg):
        for handler in logging.getLogger().handlers:
            if hasattr(handler, "log_sink"):
                handler.log_sink.log(str(msg))
                return
        sys.stdout.write(str(msg))

    def __repr__(self):
        return _described(self, self._SHOWN)
