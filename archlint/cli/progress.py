"""Bars that show how far a check is: on standard error, in a terminal, after the first second."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

PATIENCE = 1.0
"""Seconds before there is a bar."""

Weights = Callable[[int, int], None]
"""Called with the bytes of weights read so far and in all, of one file after the other."""

Files = Callable[[int, str], None]
"""Called with how many files are done, and the path of one that is in hand."""


class Bars(NamedTuple):
    """Whom to tell how far a check is; None where nobody looks."""

    weights: Weights | None
    files: Files | None


@contextmanager
def bars(files: int) -> Iterator[Bars]:
    """A bar of the weights for one file, of the files for several: a terminal shows one at a time."""
    if files > 1:
        with file_bar(files) as told:
            yield Bars(None, told)
    else:
        with weight_bar() as progress:
            yield Bars(progress, None)


@contextmanager
def weight_bar() -> Iterator[Weights | None]:
    """The bar for `Evidence.progress`; None where nobody looks."""
    with _bar(_begun) as bar:
        yield bar.show if bar else None


@contextmanager
def file_bar(files: int) -> Iterator[Files | None]:
    """The bar for `archlint.pool.check_all` on so many files; None where nobody looks."""
    start = time.monotonic()

    def show(done: int, path: str) -> None:
        from archlint.reports.text import safe_text

        rate = done / max(time.monotonic() - start, 0.001)
        if bar:
            bar.show(done, files, name=safe_text(PurePath(path).name), rate=rate)

    with _bar(_begun_files) as bar:
        yield show if bar else None


class _Bar:
    """A bar that `begun` makes for so many steps once it is time."""

    def __init__(self, begun: "Callable[[int], Progress]") -> None:
        self._begun = begun
        self._start: float | None = None
        self._shown: Progress | None = None

    def show(self, done: int, total: int, **fields: Any) -> None:
        """Show how many steps are done, if it is time."""
        now = time.monotonic()
        self._start = now if self._start is None else self._start
        if self._shown is None and now - self._start > PATIENCE and done < total:
            self._shown = self._begun(total)
        if self._shown:
            # the total, too: a file that failed half-way leaves its bar to the next one
            self._shown.update(self._shown.task_ids[0], completed=done, total=total, **fields)
        if done >= total:
            self.end()

    def end(self) -> None:
        """Take the bar away; the next file begins anew."""
        if self._shown:
            self._shown.stop()
        self._start, self._shown = None, None


@contextmanager
def _bar(begun: "Callable[[int], Progress]") -> Iterator[_Bar | None]:
    if not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(begun)
    try:
        yield bar
    finally:
        bar.end()


def _begun(total: int) -> "Progress":
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn

    columns = ("reading weights", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return _drawn(columns, total)


def _begun_files(total: int) -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.table import Column

    rate = TextColumn("{task.fields[rate]:,.1f}/s")
    name = TextColumn("{task.fields[name]}", markup=False, table_column=Column(ratio=1, no_wrap=True))  # what is left
    return _drawn(("checking", BarColumn(20), MofNCompleteColumn(), rate, name), total, rate=0.0, name="")


def _drawn(columns: "Iterable[str | ProgressColumn]", total: int, **fields: Any) -> "Progress":
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(*columns, console=Console(stderr=True), transient=True, expand=bool(fields))
    bar.add_task("", total=total, **fields)
    bar.start()
    return bar
