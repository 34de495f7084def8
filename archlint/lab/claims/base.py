"""What all claims have in common: what they are asked, and what they answer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isnan
from typing import ClassVar, NamedTuple

from archlint.lab.arms import Arm, Plan
from archlint.lab.bench import Bench
from archlint.lab.statistics import Decision
from archlint.lab.trial import Trial
from archlint.lab.verdict import Answer, Effect, Part, Reason

ANSWERS: Mapping[Decision, Answer] = {
    Decision.confirmed: Answer.yes,
    Decision.refuted: Answer.no,
    Decision.more: Answer.unclear,
    Decision.noisy: Answer.unclear,
}


class Work(NamedTuple):
    """What a trial costs, in seconds: once, and for each seed. Work with the same key is done once for all trials.

    `apart`: other processes can do it, each seed in another.
    """

    key: str
    fixed: float
    per_seed: float = 0.0
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The parts of a verdict that a claim has found.

    `tests` are the p-values of the parts that an interval decides, by the part's name. `epochs` and `steps` say how
    long was trained; both None: what was measured needs no training. `stored`: it was measured with the weights in the
    file. With a `reason` it is undecided, whatever the parts say.
    """

    mechanism: Part = field(default_factory=Part)
    symptom: Part = field(default_factory=Part)
    remedy: Part = field(default_factory=Part)
    effects: tuple[Effect, ...] = ()
    seeds: int = 1
    epochs: int | None = None
    steps: int | None = None
    stored: bool = False
    numbers: Mapping[str, float] = field(default_factory=dict)
    tests: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reason: Reason | None = None

    def settled(self) -> "Judged":
        """Without a remedy for what does not happen."""
        return replace(self, remedy=Part()) if self.mechanism.answer is Answer.no else self


class Claim(ABC):
    """One thing that findings say happens, and how to find out whether it does.

    `name` is what pages call it; `archlint.lab.untried` says which take data or training. `draws` are the seeds of its
    probe, `steps` how long that trains. At the level of training, harm is looked for over whole epochs (`harm_epochs`)
    or so many steps (`harm_steps`), with as many seeds as it takes. `looks_at_saved`: it may be about the weights in
    the file. `compares`: the model with the remedy is looked at, too. `is_of_signal`: what the layers receive shows it,
    so that is told layer by layer.
    """

    name: ClassVar[str]
    draws: ClassVar[int] = 1
    steps: ClassVar[int | None] = None
    harm_epochs: ClassVar[bool] = False
    harm_steps: ClassVar[int | None] = None
    looks_at_saved: ClassVar[bool] = False
    compares: ClassVar[bool] = True
    is_of_signal: ClassVar[bool] = False

    @abstractmethod
    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """What it will cost, by timing a little of it."""

    @abstractmethod
    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """Find out.

        Args:
            trial: the arms and the plan.
            bench: runs them, and says at which level intervals have to decide.
        """


def arms(trial: Trial) -> list[Arm]:
    """Those that can be run: the model as it is, and with the remedy."""
    return [arm for arm in (trial.before, trial.after) if arm is not None]


def as_it_is(trial: Trial) -> Arm:
    """The arm that every trial has which is run at all."""
    assert trial.before is not None
    return trial.before


def plan_of(trial: Trial) -> Plan:
    """How a trial that is run at all is trained."""
    assert trial.plan is not None
    return trial.plan


def answer(holds: bool, measured: float = 0.0) -> Answer:
    """Of a part that was measured without doubt; unclear where what was measured is not a number."""
    if isnan(measured):
        return Answer.unclear
    return Answer.yes if holds else Answer.no
