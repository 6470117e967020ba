"""Runs what the function registered with `snapshot_restore_py`. It refuses to handle failures: `bootstrap` does."""

from snapshot_restore_py import get_after_restore, get_before_snapshot


def run_before_snapshot():
    """Calls the hooks, the last registered first."""
    hooks = get_before_snapshot()
    while hooks:
        func, args, kwargs = hooks.pop()
        func(*args, **kwargs)


def run_after_restore():
    """Calls the hooks in the order of their registration."""
    for func, args, kwargs in get_after_restore():
        func(*args, **kwargs)
