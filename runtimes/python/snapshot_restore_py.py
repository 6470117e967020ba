"""What a function registers to run before its environment is snapshot and after it is restored.
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html

The names are those of AWS's package, which its Python runtimes bring; the code is not. It refuses to run anything:
`awslambdaric.bootstrap` does that.
"""

__all__ = ["register_before_snapshot", "register_after_restore"]

_before_snapshot = []
_after_restore = []


def register_before_snapshot(func, *args, **kwargs):
    """Registers `func`, to be called with these arguments before the snapshot; the last registered is called first."""
    _before_snapshot.append((func, args, kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    """Registers `func`, to be called with these arguments after the restore, in the order of registration."""
    _after_restore.append((func, args, kwargs))
    return func


def get_before_snapshot():
    return _before_snapshot


def get_after_restore():
    return _after_restore
