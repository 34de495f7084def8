"""What the lab is doing, while it does it: on standard error, live in a terminal, only the plan elsewhere."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING

from archlint.lab.events import Began, Ended, Epoch, Event, Measured, Planned, Ran, Request, TrialInfo
from archlint.reports import Checked
from archlint.reports.full import OUTCOMES
from archlint.reports.text import Span, cells, joined, line, safe_text, width_of, write
from archlint.reports.verdicts import Attempt, Cells, duration, plan

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from archlint.reports.text import Line

_BLOCKS = "▁▂▃▄▅▆▇█"
_SPARK = 24
"""Columns of a curve, where there is room."""
_BESIDE = 52
"""Columns of the numbers beside it."""
_FELL = 6
"""Verdicts that are shown while others are still to come."""
_NAME = 22
"""Columns of the name of an arm at most."""
_BAR = 24


@contextmanager
def watched(file: Checked, request: Request, *, quiet: bool = False) -> "Iterator[Callable[[Event], None]]":
    """Whom to tell of the trials of a file that were asked for.

    In a terminal there is a picture of what goes on, which leaves nothing behind but the plan.
    """
    watch = Watch(file, request)
    if quiet:
        yield watch.hear
    elif not sys.stderr.isatty():
        yield watch.printed
    else:
        with _live(watch) as hear:
            yield hear


@contextmanager
def _live(watch: "Watch") -> "Iterator[Callable[[Event], None]]":
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, highlight=False)
    with Live(watch, console=console, transient=True, refresh_per_second=8) as live:

        def hear(event: Event) -> None:
            if isinstance(event, Planned):
                live.console.print(joined(watch.plan(event)), soft_wrap=True)
            watch.hear(event)

        yield hear


@dataclass
class Arm:
    """The newest run of an arm: the losses as they come, or what a probe has measured."""

    name: str
    seed: int | None = None
    train: list[float | None] = field(default_factory=list)
    val: list[float | None] = field(default_factory=list)
    numbers: dict[str, float | None] = field(default_factory=dict)


class Watch:
    """What has happened so far, and a picture of it."""

    def __init__(self, file: Checked, request: Request | None = None) -> None:
        self.file, self.request = file, request
        self.draws = _can_draw()  # now: while the picture is live, standard error is rich's, which has no encoding
        self.began = time.monotonic()
        self.planned: Planned | None = None
        self.current: TrialInfo | None = None
        self.since = self.began
        self.arms: dict[str, Arm] = {}
        self.done = 0.0
        self.fell: list[Line] = []

    def plan(self, planned: Planned) -> "Iterator[Line]":
        """What will be tried."""
        return plan(planned, self.file.path, len(self.file.findings), width_of(sys.stderr), self.request)

    def printed(self, event: Event) -> None:
        """Tells the plan, where a picture cannot be."""
        if isinstance(event, Planned):
            write(self.plan(event), sys.stderr)

    def hear(self, event: Event) -> None:
        """Takes note of what happened."""
        match event:
            case Planned():
                self.planned, self.began = event, time.monotonic()
            case Began():
                self.current, self.since = self._info(event.number), time.monotonic()
                self.arms = {}
            case Measured():
                self._arm(event.arm, event.seed).numbers.update(event.numbers)
            case Epoch():
                arm = self._arm(event.arm, event.seed)
                arm.train.append(event.train)
                arm.val.append(event.val)
            case Ran():
                arm = self._arm(event.arm, event.seed)
                arm.train, arm.val = list(event.train), list(event.val)
            case Ended():
                self._ended(event)

    def _info(self, number: int) -> TrialInfo | None:
        infos = self.planned.trials if self.planned else ()
        return next((info for info in infos if info.number == number), None)

    def _arm(self, name: str, seed: int | None) -> Arm:
        arm = self.arms.get(name)
        if arm is None or arm.seed != seed:
            arm = Arm(name, seed, numbers=arm.numbers if arm else {})
            self.arms = {**self.arms, name: arm}  # anew: the picture may be drawn at this moment
        return arm

    def _ended(self, event: Ended) -> None:
        info = self._info(event.number)
        if info is None:
            return
        self.done += info.seconds
        self.current = None
        if info.why is None:
            verdict = Cells.of([Attempt(info=info, verdict=event.verdict)]).verdict
            told = line(Span(f"  {verdict:<14}  ", OUTCOMES[verdict]), _where(info))
            self.fell = [*self.fell[1 - _FELL :], told]

    def __rich__(self) -> "RenderableType":
        from rich.console import Group

        return Group(*self._parts())

    def _parts(self) -> "Iterator[RenderableType]":
        if self.planned is None:
            elapsed = time.monotonic() - self.began
            yield _dim(f"starting TensorFlow and timing a few steps … {elapsed:.0f} s")
            return
        yield from map(_text, self.fell)
        if self.current is not None:
            yield _text(line(Span(f"  {self.current.claim:<14}  ", "bold"), _where(self.current)))
            yield from map(_text, self._drawn(self.current))
        yield self._progress(self.planned)

    def _drawn(self, info: TrialInfo) -> "Iterator[Line]":
        arms = list(self.arms.values())
        longest = min(_NAME, max((cells(safe_text(arm.name)) for arm in arms), default=0))
        room = min(_SPARK, shutil.get_terminal_size().columns - longest - _BESIDE) if self.draws else 0
        for arm in arms:
            yield line(Span(f"    {_padded(arm.name, longest)}  ", "cyan"), *_state(arm, info, room))

    def _progress(self, planned: Planned) -> "RenderableType":
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        now = time.monotonic()
        running = min(now - self.since, self.current.seconds) if self.current else 0.0
        grid = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(planned.seconds, 1e-9), completed=self.done + running, width=_BAR)
        elapsed = f"{now - self.began:.0f} s of about {duration(planned.seconds)}; Ctrl-C stops it"
        grid.add_row(" ", bar, _dim(elapsed))
        return grid


def _where(info: TrialInfo) -> Span:
    place = f" at {safe_text(info.layer)}" if info.layer else ""
    return Span(f"{info.rule}{place}")


def _padded(name: str, width: int) -> str:
    text = safe_text(name)
    text = text if cells(text) <= width else f"{text[: width - 1]}…"
    return f"{text}{' ' * (width - cells(text))}"


def _state(arm: Arm, info: TrialInfo, room: int) -> "Iterator[Span]":
    """Where an arm is: losses with their curve, or numbers."""
    if not arm.val:
        yield Span(", ".join(f"{safe_text(name)} {_number(value)}" for name, value in arm.numbers.items()))
        return
    if arm.seed is not None:
        yield Span(f"seed {arm.seed + 1}/{info.seeds}  ", "dim")
    yield Span(f"epoch {len(arm.val)}/{info.epochs or '?'}  ", "dim")
    yield Span(f"train {_number(arm.train[-1])} val {_number(arm.val[-1])} ")
    yield Span(spark(arm.val, room), "blue")


def _number(value: float | None) -> str:
    return f"{'inf' if value is None else format(value, '.3g'):<6}"


def _can_draw() -> bool:
    """Whether the terminal has the letters for curves."""
    try:
        _BLOCKS.encode(sys.stderr.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def spark(losses: Sequence[float | None], width: int) -> str:
    """The curve in a row of at most so many blocks, logarithmic where it can be."""
    if width < 1:
        return ""
    step = max(1, -(-len(losses) // width))
    known = [loss for loss in losses[::step] if loss is not None]
    if not known:
        return ""
    scaled = [log(loss) for loss in known] if min(known) > 0 else known
    low, span = min(scaled), (max(scaled) - min(scaled)) or 1.0
    return "".join(_BLOCKS[round((value - low) / span * (len(_BLOCKS) - 1))] for value in scaled)


def _text(spans: "Line") -> "Text":
    return joined([spans])


def _dim(text: str) -> "Text":
    return joined([line(Span(f"  {text}", "dim"))])
