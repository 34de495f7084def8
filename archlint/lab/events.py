"""What a command asks of the lab, and what the lab tells while it works: the words between the two processes.

Both sides write them as JSON, a line for each event. First comes `Planned`; then for each trial that is run `Began`,
events of its arms, and `Ended` with the verdict; trials that were decided in planning are `Ended` at once. A trial that
does not hold beside the others begins once more, with more seeds. At the end comes `Done` with all verdicts, whose
p-values are by then corrected for each other; or, wherever it happens, `Failed`.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from math import fsum
from typing import Annotated

import msgspec

from archlint.evidence import Reading
from archlint.lab.thresholds import END
from archlint.lab.verdict import Verdict
from archlint.rules.rule import Rule


class Level(StrEnum):
    """How much is tried: `probe` takes seconds; `train` trains every arm, and needs data."""

    probe = "probe"
    train = "train"


class Backend(StrEnum):
    """Which processes train besides the lab's own: those of this machine (loky), or of a cluster."""

    loky = "loky"
    dask = "dask"
    ray = "ray"


Seeds = Annotated[int, msgspec.Meta(ge=3, le=8)]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the command asks for.

    `rules` are those to judge by, chosen and configured. Findings whose rule has a claim are tested; with `only` (code
    and layer of each) no others. `seeds` are the fewest and the most. `budget` is in seconds. `epochs` and `batch_size`
    of None are chosen by the size of the data. `columns` are the targets in a table. `backend` and `jobs` (processes at
    most) of None: those of this machine, if they pay.
    """

    path: str
    rules: tuple[Rule, ...]
    level: Level = Level.probe
    only: tuple[tuple[str, str | None], ...] | None = None
    seeds: tuple[Seeds, Seeds] = (3, 6)
    thorough: bool = False
    budget: float = 120.0
    epochs: Annotated[int, msgspec.Meta(ge=1)] | None = None
    batch_size: Annotated[int, msgspec.Meta(ge=1)] | None = None
    data: str | None = None
    columns: tuple[str, ...] = ()
    weights: Reading = Reading.auto
    backend: Backend | None = None
    jobs: Annotated[int, msgspec.Meta(ge=1)] | None = None

    @property
    def most_seeds(self) -> int:
        """The most seeds of an arm: a thorough run looks once more."""
        return 8 if self.thorough else self.seeds[1]


class TrialInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A trial as planned: which claim it tests, with which arms, and how long that will take at most.

    `arms` are "as it is" and, where the remedy can be tried, its name. `seeds` are the most that may be run. `why` is a
    sentence on why it is undecided already, and None where it is run.
    """

    number: int
    code: str
    rule: str
    claim: str
    layer: str | None
    remedy: str | None
    level: Level
    arms: tuple[str, ...]
    seeds: int
    epochs: int | None = None
    steps: int | None = None
    seconds: float = 0.0
    why: str | None = None


class Planned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All trials, and how long they will take together at most. `assumed` is what the plan takes for granted.

    So many `processes` of a `backend` train; without one, the lab's own does.
    """

    trials: tuple[TrialInfo, ...]
    seconds: float
    assumed: tuple[str, ...] = ()
    processes: int = 1
    backend: Backend | None = None


class Began(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A trial has begun."""

    number: int


class Measured(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A probe of one arm has measured something, of all its initializations (seed None) or of one."""

    number: int
    arm: str
    seed: int | None
    numbers: Mapping[str, float | None]


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What a layer with a kernel receives before training: measured, and as it was predicted.

    `spread` is that over samples (of what the last layer receives, it is `usd`), `gradient` the norm of the gradient
    there, relative to that at the outputs. None: it is not known, or not finite.
    """

    layer: str
    spread: float | None
    gradient: float | None
    predicted_spread: float | None
    predicted_gradient: float | None


class Profiled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How signal and gradient run through an arm, layer by layer in the order of the network."""

    number: int
    arm: str
    layers: tuple[Received, ...]


class Epoch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An arm has been trained for one more epoch; a loss of None is not finite."""

    number: int
    arm: str
    seed: int
    epoch: int
    train: float | None
    val: float | None


class Ran(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An arm has been trained to the end with one seed. Curves have a loss per epoch, None where it is not finite.

    `end` and `rise` are of the run's own last epochs; two runs are compared by `common_ends`.
    """

    number: int
    arm: str
    seed: int
    best: float | None
    end: float | None
    rise: float | None
    finite: bool
    seconds: float
    train: tuple[float | None, ...]
    val: tuple[float | None, ...]


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A trial has its verdict, before it is corrected for those tested with it."""

    number: int
    verdict: Verdict


class Done(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All verdicts, in the order of the trials, as they are in the end."""

    verdicts: tuple[Verdict, ...]


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nothing can be tried, or no more; one sentence says why."""

    sentence: str


def common_ends(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """The ends of two curves over the epochs that both have: one that only overfits is cut short before the other.

    Raises:
        ValueError: a curve is empty.
    """
    epochs = min(len(before), len(after))
    if not epochs:
        raise ValueError("a curve without an epoch has no end")
    last = max(1, round(END * epochs))
    first, second = (fsum(curve[epochs - last : epochs]) / last for curve in (before, after))
    return first, second


Event = Planned | Began | Measured | Profiled | Epoch | Ran | Ended | Done | Failed

Tell = Callable[[Event], None]
"""Whoever listens to a run."""
