"""The one exception type of the runtime's own failures. It refuses to format them: `bootstrap` does."""


class FaultException(Exception):
    """A failure that the runtime itself names, such as `Runtime.ImportModuleError`."""

    def __init__(self, exception_type, msg, trace=None):
        super().__init__(msg)
        self.exception_type = exception_type
        self.msg = msg
        self.trace = trace
