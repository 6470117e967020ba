"""The coverage list: each operation has a test of its success, of its failure and of a caller that may not call it, or
a reason why not.

It refuses to judge the tests: it sees that they are there, and that their files speak of the operation.
"""

import re
import tomllib

from botocore import xform_name
from hearth import REPOSITORY

CASES = ("success", "error", "denied")
SUITE = REPOSITORY / "suite/python"
TEST = {".py": r"^def {}\(", ".rs": r"^\s*(async )?fn {}\(", ".mjs": r"^test\('{}'"}


def read(path):
    return tomllib.loads((REPOSITORY / path).read_text())


def complaint(operation, test):
    """What is wrong with the test of an operation; none when it is there."""
    name, _, function = test.partition("::")
    path = SUITE / name if "/" not in name else REPOSITORY / name
    if not path.exists():
        return f"there is no file {name}"
    text = path.read_text()
    if not re.search(TEST[path.suffix].format(re.escape(function)), text, re.MULTILINE):
        return f"{name} has no test {function}"
    spoken_of = operation in text or xform_name(operation) in text
    return None if spoken_of else f"{name} does not speak of {operation}"


def test_each_operation_has_its_tests_or_a_reason():
    services = read("crates/api/operations.toml")["service"]
    listed = read("suite/coverage.toml")
    exceptions = listed.pop("exceptions")
    wrong, excused = [], set()
    for service, operations in listed.items():
        known = services.get(service, {}).get("operations", [])
        wrong += [f"{service}.{operation} is no operation" for operation in operations if operation not in known]
    for service, described in services.items():
        for operation in described["operations"]:
            tests = listed.get(service, {}).get(operation, {})
            wrong += [f"{service}.{operation}.{case} is no case" for case in tests if case not in CASES]
            for case in CASES:
                key = f"{service}.{operation}.{case}"
                reasons = {key, f"*.{case}"} & exceptions.keys()
                if case not in tests:
                    wrong += [] if reasons else [f"{key} has neither a test nor a reason"]
                    excused |= reasons
                elif why := complaint(operation, tests[case]):
                    wrong.append(f"{key}: {why}")
                elif key in exceptions:
                    wrong.append(f"{key} has a test and needs no reason")
    wrong += [f"nothing needs the exception {name}" for name in exceptions.keys() - excused]
    wrong += [f"{name} has no reason" for name, reason in exceptions.items() if not reason.strip()]
    assert wrong == []


def test_a_test_that_is_not_there_is_told():
    good = "test_coverage.py::test_a_test_that_is_not_there_is_told"
    assert complaint("Test", good) is None
    assert complaint("Test", good + "_again") == "test_coverage.py has no test test_a_test_that_is_not_there_is_told_again"
    assert complaint("Test", "test_nothing.py::test") == "there is no file test_nothing.py"
    assert complaint("Wri" + "teLetter", good) == "test_coverage.py does not speak of Wri" + "teLetter"
