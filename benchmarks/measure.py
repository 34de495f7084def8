"""Whole processes, measured: seconds on the wall and peak memory, as the operating system accounts for them."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Run:
    """One finished process: seconds on the wall, peak resident memory in MB."""

    seconds: float
    megabytes: float


def run(command: Sequence[str]) -> Run:
    """Run a command to its end, its output thrown away. Exit codes above 1 are an error."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1):
        sys.exit(f"{' '.join(command)} ended with {code}")
    return Run(seconds, usage.ru_maxrss / 1024)


def in_turn(commands: Sequence[Sequence[str]], times: int) -> list[Run]:
    """The median run of each command, run in turn so that all see the same machine; a first round is not counted."""
    rounds = [[run(command) for command in commands] for _ in range(times + 1)][1:]
    return [
        Run(median(done.seconds for done in runs), median(done.megabytes for done in runs))
        for runs in zip(*rounds, strict=True)
    ]
