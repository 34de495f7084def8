"""What tests of the command line share."""

import sys

import pytest
from support import Archlint, Ran

from archlint import cli

_FIRST = frozenset({"test_ci", "test_pre_commit", "test_mutants", "test_onnx_backend"})
"""Modules with tests that take most of a minute each, or install archlint for all tests of theirs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: at the end one worker would do it alone, and several would install the same."""
    items.sort(key=lambda item: item.path.stem not in _FIRST)


@pytest.fixture
def archlint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Archlint:
    """Runs a command in this process."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["archlint", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run
