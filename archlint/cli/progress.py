"""The bar that shows how far the weights are read: on standard error, in a terminal, after the first second."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 1.0
"""Seconds before there is a bar."""


class _Bar:
    """Called with the bytes read so far and in all, of one file after the other."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._shown: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        self._start = now if self._start is None else self._start
        if self._shown is None and now - self._start > PATIENCE and done < total:
            self._shown = _begun(total)
        if self._shown:
            # the total, too: a file that failed half-way leaves its bar to the next one
            self._shown.update(self._shown.task_ids[0], completed=done, total=total)
        if done >= total:
            self.end()

    def end(self) -> None:
        """Take the bar away; the next file begins anew."""
        if self._shown:
            self._shown.stop()
        self._start, self._shown = None, None


def _begun(total: int) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = ("reading weights", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task("", total=total)
    bar.start()
    return bar


@contextmanager
def weight_bar() -> Iterator[Callable[[int, int], None] | None]:
    """The bar, for `Evidence.progress`; None where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    bar = _Bar()
    try:
        yield bar
    finally:
        bar.end()
