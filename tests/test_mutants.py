"""Real files that were changed at random: each is read, or refused in a sentence, in time and in memory."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import FIXTURES

sys.path.insert(0, str(FIXTURES.parent))

from fixtures.mutants import FORMATS, mutant  # beside the package, not in it
from fixtures.mutants.trial import Trial, faults

ROOT = FIXTURES.parent

MUTANTS, SHARE = 20_000, 10_000
"""Of each format; and those that one test tries, so that several tests can run at once."""


@pytest.mark.parametrize("first", range(0, MUTANTS, SHARE))
@pytest.mark.parametrize("kind", FORMATS)
def test_a_mutant_is_read_or_refused(kind: str, first: int) -> None:
    """`python -m fixtures.mutants FORMAT NUMBER` shows again what the output names."""
    ran = tried(kind, first, first + SHARE)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def tried(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "fixtures.mutants", *map(str, arguments)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)


def test_a_mutant_is_made_again_from_its_number(tmp_path: Path) -> None:
    file = tmp_path / "m.h5"
    assert tried("h5", 7, "--write", file).returncode == 0
    assert file.read_bytes() == mutant("h5", 7)


class Failing(Trial):
    """A reader that fails on every third file, in some way."""

    def __init__(self, how: str) -> None:
        self._how = how
        self._count = 0
        self.seconds = 0.1

    def read(self, _path: Path) -> None:
        self._count += 1
        if self._count % 3 == 0:
            {"raises": self._raise, "dies": self._die, "fills": self._fill, "stays": self._stay}[self._how]()

    judge = read

    def _raise(self) -> None:
        raise KeyError("there is none")

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _fill(self) -> None:
        bytearray(2**40)

    def _stay(self) -> None:
        while True:
            pass


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raises", "KeyError: 'there is none'"),
        ("dies", "its process ended with -9"),
        ("fills", "MemoryError"),
        ("stays", "it took more than 0.1 s"),
    ],
)
def test_a_fault_is_told_with_the_number_of_its_mutant(how: str, said: str) -> None:
    found = list(faults(Failing(how), "onnx", range(10, 20), judged=1))
    assert [fault.number for fault in found] == [12, 15, 18]
    assert all(said in fault.story for fault in found)


def test_a_mutant_that_cannot_be_made_is_told_with_the_reason() -> None:
    found = list(faults(Failing("raises"), "h6", range(2), judged=1))
    assert [fault.number for fault in found] == [0, 1]
    assert all("KeyError: 'h6'" in fault.story for fault in found)
