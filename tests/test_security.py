"""SECURITY.md shows for each threat by what it is shown: tests and hostile files that are there."""

import ast
import re
import sys
from fnmatch import fnmatch

import pytest
from support import FIXTURES

ROOT = FIXTURES.parent
sys.path.insert(0, str(ROOT))

from fixtures.hostile import CASES  # noqa: E402 # beside the package, not in it

TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
ROWS = {
    threat: re.findall(r"`([^`]+)`", shown)
    for threat, shown in re.findall(r"^\| (?!a file that|---)(.+?) \|.*\| ([^|]+) \|$", TEXT, re.MULTILINE)
}


def names_in(name: str) -> set[str]:
    """The names of all tests in a module, whatever class they are in."""
    tree = ast.parse((ROOT / "tests" / name).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def is_there(shown: str) -> bool:
    """Whether there is such a test (`test_x.py::test_y`), or a hostile file of such a name."""
    module, is_test, test = shown.partition("::")
    return test in names_in(module) if is_test else any(fnmatch(case, shown) for case in CASES)


@pytest.mark.parametrize("threat", ROWS)
def test_every_threat_is_shown_by_tests_that_are_there(threat: str) -> None:
    assert ROWS[threat]
    assert [shown for shown in ROWS[threat] if not is_there(shown)] == []


def test_no_kind_of_hostile_file_is_left_out() -> None:
    named = [shown for tests in ROWS.values() for shown in tests if "::" not in shown]
    kinds = {case.partition("-")[0] for case in CASES}
    assert kinds == {shown.partition("-")[0] for shown in named}
    assert len(ROWS) >= 15


def test_links_lead_to_files_that_are_there() -> None:
    links = re.findall(r"\]\(([^):]+)\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
