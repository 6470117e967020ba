"""Which process runs which tests, when several run them side by side: whole files, so that what a file starts is started once.

It refuses to know of what a test does.
"""

from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

# They take long, so they come first: what is left at the end is short, and no process waits long for the other.
LONG = (
    "test_hostile", "test_aws_cli", "test_cells", "test_limits", "test_official_clients", "test_languages", "test_dotnet", "test_invoke",
    "test_operations", "test_scheduler", "test_sqs", "test_examples", "test_sns_http", "test_failures", "test_eventbridge",
)


def is_one(config):
    """Whether this process runs tests for another one."""
    return hasattr(config, "workerinput")


def sort(items):
    """Puts tests into the order in which their files are handed out."""
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(Path(item.path).stem, len(LONG)))


class Scheduler(LoadScopeScheduling):
    """Hands out file after file, in the order of the tests."""

    def __init__(self, config, log=None):
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid):
        return nodeid.split("::", 1)[0]
