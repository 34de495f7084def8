"""What the lab found out about a finding.

A claim has three parts, judged apart: the *mechanism* (is the described thing happening?), the *symptom* (does it
hurt?) and the *remedy* (does the change help?). A part that a claim does not have, or that was not reached, is
untested; the outcome follows from the others.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import expm1

import msgspec

from archlint.lab.statements import statement
from archlint.lab.statistics import Interval


class Answer(StrEnum):
    """What was found out about one part of a claim."""

    yes = "yes"
    no = "no"
    unclear = "unclear"
    untested = "untested"


class Outcome(StrEnum):
    """What was found out about the claim as a whole."""

    confirmed = "confirmed"
    mechanism_only = "mechanism only"
    remedy_refuted = "remedy refuted"
    refuted = "refuted"
    inconclusive = "inconclusive"


class Reason(StrEnum):
    """Why a claim is undecided, each with what would decide it."""

    data = "needs data"
    training = "needs training"
    budget = "budget"
    seeds = "seeds"
    epochs = "epochs"
    noisy = "noisy"
    unmeasurable = "cannot be measured"
    unbuildable = "cannot be built"


_WOULD_HELP = {
    Reason.data: "it takes training data; give it with --data",
    Reason.training: "only trained networks show it; ask for training with --level train",
    Reason.budget: "the budget does not allow for three seeds of each arm",
    Reason.seeds: "more seeds are needed, of this or of the other claims that were tested with it",
    Reason.epochs: "the validation loss was still falling; give more --epochs",
    Reason.noisy: "the runs differ more from each other than the arms do",
    Reason.unmeasurable: "what it goes by cannot be measured on this network, where it is no number",
    Reason.unbuildable: "the network cannot be built from this file",
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a claim: the answer, what was measured, and the value that decides.

    `low` and `high` bound `value` with 95 %, where it is a mean over seeds, as a share. `seeds` is of how many seeds
    `value` is the share, where they were counted.
    """

    answer: Answer = Answer.untested
    metric: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    seeds: int | None = None

    def amount(self) -> str:
        """What was measured: `5 of 5 seeds`, `+9.8% [-1.2%, +22.0%]`, `0.0017`; empty if nothing was."""
        if self.value is None:
            return ""
        if self.seeds is not None:
            return f"{round(self.value * self.seeds)} of {_seeds(self.seeds)}"
        if self.low is None or self.high is None:
            return f"{self.value:.3g}"
        return _bounded(self.value, self.low, self.high)

    def __str__(self) -> str:
        return f"{self.metric} {'in ' if self.seeds is not None else ''}{self.amount()}"


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """How much lower the loss with the remedy is, as a share (0.14: without it the loss is 14 % higher).

    `p` is corrected for the number of claims that were tested together. `differences` are those of the single seeds.
    """

    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    p: float
    differences: tuple[float, ...] = ()

    @classmethod
    def of(cls, metric: str, found: Interval, samples: Sequence[float] = ()) -> "Effect":
        """From an interval of log-ratios, and these."""
        low, high = found.bounds
        differences = tuple(map(expm1, samples))
        return cls(
            metric=metric, mean=found.effect, low=low, high=high, seeds=found.k, p=found.p, differences=differences
        )

    def __str__(self) -> str:
        return f"{self.metric} {_bounded(self.mean, self.low, self.high)}"


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a verdict holds for.

    `data` names it ("train.npz", "random inputs"), `optimizer` says how it was trained. `stored`: with the weights that
    are in the file, not with drawn ones.
    """

    data: str
    optimizer: str
    epochs: int | None = None
    steps: int | None = None
    stored: bool = False

    def __str__(self) -> str:
        length = f"{self.epochs} epochs" if self.epochs is not None else f"{self.steps or 0} steps"
        if not self.epochs and not self.steps:
            return f"{'with the weights in the file' if self.stored else 'before training'}, on {self.data}"
        origin = ", from the weights in the file" if self.stored else ""
        return f"within {length}{origin}, on {self.data}, with {self.optimizer}"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about one finding.

    `effects` are by metric, what decides first (best, then end); `numbers` is all else that was measured. `assumed` are
    sentences on what the file does not say. `note` is what else a person should know ("early stopping is as good").
    """

    rule: str
    claim: str
    layer: str | None
    scope: Scope
    mechanism: Part = Part()
    symptom: Part = Part()
    remedy: Part = Part()
    remedy_name: str | None = None
    reason: Reason | None = None
    effects: tuple[Effect, ...] = ()
    seeds: int = 0
    seconds: float = 0.0
    numbers: Mapping[str, float] = {}
    assumed: tuple[str, ...] = ()
    note: str | None = None
    outcome: Outcome = Outcome.inconclusive
    sentence: str = ""

    def concluded(self) -> "Verdict":
        """With the outcome that follows from its parts, and the sentence for it."""
        verdict = msgspec.structs.replace(self, outcome=_outcome(self))
        if verdict.outcome is Outcome.inconclusive and self.reason is None:
            verdict = msgspec.structs.replace(verdict, reason=Reason.noisy)
        return msgspec.structs.replace(verdict, sentence=_sentence(verdict))


def _outcome(verdict: Verdict) -> Outcome:
    mechanism, symptom, remedy = verdict.mechanism.answer, verdict.symptom.answer, verdict.remedy.answer
    if verdict.reason is not None:
        return Outcome.inconclusive
    if mechanism is Answer.no:
        return Outcome.refuted
    if symptom is Answer.no:
        return Outcome.mechanism_only if mechanism is Answer.yes else Outcome.refuted
    shown = Answer.yes in (mechanism, symptom)
    if shown and remedy is Answer.no:
        return Outcome.remedy_refuted
    unclear = Answer.unclear in (mechanism, symptom, remedy)
    return Outcome.inconclusive if unclear or not shown else Outcome.confirmed


def _sentence(verdict: Verdict) -> str:
    said, remedy = statement(verdict.claim, verdict.layer), verdict.remedy_name or "the remedy"
    found = "; ".join(map(str, verdict.effects)) or _measured(verdict)
    scope = f"{verdict.scope} and {_seeds(verdict.seeds)}"
    match verdict.outcome:
        case Outcome.confirmed:
            helps = f", and {remedy} helps" if verdict.remedy.answer is Answer.yes else ""
            text = f"{said}: confirmed{helps}, {scope}"
        case Outcome.mechanism_only:
            text = f"{said}: shown, but it does no harm, {scope}"
        case Outcome.remedy_refuted:
            text = f"{said}: shown, but {remedy} does not help, {scope}"
        case Outcome.refuted:
            text = f"{said}: refuted, {scope}"
        case Outcome.inconclusive if _only_remedy_is_open(verdict):
            shown = f"{said}: shown, {scope}{_shown(verdict)}"
            text = f"{shown}; whether {remedy} helps is undecided: {_why(verdict)}"
        case Outcome.inconclusive:
            text = f"whether {said} is undecided: {_why(verdict)}"
    return ". ".join(part for part in (f"{text}: {found}" if found else text, verdict.note) if part)


def _only_remedy_is_open(verdict: Verdict) -> bool:
    """Whether the rest is shown, and still is once it is corrected for other claims."""
    rest = (verdict.mechanism.answer, verdict.symptom.answer)
    shown = Answer.yes in rest and not {Answer.no, Answer.unclear} & set(rest)
    return shown and verdict.remedy.answer is Answer.unclear and verdict.reason is not Reason.seeds


def _shown(verdict: Verdict) -> str:
    """What was measured of what happens, if the effects of the remedy do not say it."""
    first = verdict.mechanism if verdict.symptom.answer is Answer.untested else verdict.symptom
    return f": {first}" if verdict.effects and first.metric and first.value is not None else ""


def _why(verdict: Verdict) -> str:
    if verdict.reason is Reason.noisy and not verdict.effects:  # no arms were compared
        return "the seeds do not agree"
    return _WOULD_HELP[verdict.reason or Reason.noisy]


def _measured(verdict: Verdict) -> str:
    parts = (verdict.symptom, verdict.mechanism, verdict.remedy)
    return "; ".join(str(part) for part in parts if part.metric and part.value is not None)


def _bounded(value: float, low: float, high: float) -> str:
    return f"{value:+.1%} [{low:+.1%}, {high:+.1%}]"


def _seeds(number: int) -> str:
    return f"{number} {'seed' if number == 1 else 'seeds'}"
