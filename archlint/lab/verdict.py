"""What the lab found out about a finding.

A claim has three parts, judged apart: the *mechanism* (is the described thing happening?), the *symptom* (does it
hurt?) and the *remedy* (does the change help?). A part that a claim does not have, or that was not reached, is
untested; the outcome follows from the others.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

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
    noisy = "noisy"
    unmeasurable = "cannot be measured"
    unbuildable = "cannot be built"


_WOULD_HELP = {
    Reason.data: "it takes training data; give it with --data",
    Reason.training: "only trained networks show it; ask for training with --level train",
    Reason.budget: "the budget does not allow for three seeds of each arm",
    Reason.seeds: "more seeds are needed, of this or of the other claims that were tested with it",
    Reason.noisy: "the runs differ more from each other than the arms do",
    Reason.unmeasurable: "what it goes by cannot be measured on this network, where it is no number",
    Reason.unbuildable: "the network cannot be built from this file",
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a claim: the answer, what was measured, and the value that decides.

    `low` and `high` bound `value` with 95 %, where it is a mean over seeds.
    """

    answer: Answer = Answer.untested
    metric: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """How much lower the loss with the remedy is, as a share (0.14: without it the loss is 14 % higher).

    `p` is corrected for the number of claims that were tested together.
    """

    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    p: float

    @classmethod
    def of(cls, metric: str, found: Interval, p: float | None = None) -> "Effect":
        """From an interval of log-ratios."""
        low, high = found.bounds
        corrected = found.p if p is None else p
        return cls(metric=metric, mean=found.effect, low=low, high=high, seeds=found.k, p=corrected)

    def __str__(self) -> str:
        return f"{self.metric} {self.mean:+.1%} [{self.low:+.1%}, {self.high:+.1%}]"


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
    where = f" for {verdict.layer}" if verdict.layer else ""
    claim, remedy = f"{verdict.claim}{where}", verdict.remedy_name or "the remedy"
    found = "; ".join(map(str, verdict.effects)) or _measured(verdict)
    scope = f"{verdict.scope} and {verdict.seeds} {'seed' if verdict.seeds == 1 else 'seeds'}"
    match verdict.outcome:
        case Outcome.confirmed:
            helps = f", and {remedy} helps" if verdict.remedy.answer is Answer.yes else ""
            text = f"{claim} is confirmed{helps}, {scope}"
        case Outcome.mechanism_only:
            text = f"{claim}: what it describes happens, but does no harm, {scope}"
        case Outcome.remedy_refuted:
            text = f"{claim}: what it describes happens, but {remedy} does not help, {scope}"
        case Outcome.refuted:
            text = f"{claim} is refuted, {scope}"
        case Outcome.inconclusive:
            text = f"{claim} is undecided: {_WOULD_HELP[verdict.reason or Reason.noisy]}"
    return ". ".join(part for part in (f"{text}: {found}" if found else text, verdict.note) if part)


def _measured(verdict: Verdict) -> str:
    parts = (verdict.symptom, verdict.mechanism, verdict.remedy)
    return "; ".join(f"{part.metric} {part.value:.3g}" for part in parts if part.metric and part.value is not None)
