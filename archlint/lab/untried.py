"""Findings that cannot be tried, whatever the network: told without TensorFlow, whose start takes seconds."""

from collections.abc import Sequence
from math import isfinite

from msgspec.structs import replace

from archlint.graph import Model
from archlint.lab.events import Done, Ended, Level, Planned, Request, Tell, TrialInfo
from archlint.lab.statements import statement
from archlint.lab.trial import AS_IT_IS
from archlint.lab.verdict import Reason, Scope, Verdict
from archlint.rules.finding import Finding
from archlint.rules.rule import Rule

NEEDS_DATA = frozenset({"dying-relu", "explodes", "helps", "overfits", "tiny-batches", "unstable"})
"""Claims that random inputs cannot show, by their names."""

TRAINS = frozenset({"helps", "overfits", "tiny-batches"})
"""Claims that only trained networks show."""

TRACES = frozenset({"redundant-bias", "selu-drift", "symmetric", "variance-shift"})
"""Claims that the trace of a model can show, those that `archlint.lab.traced` looks for."""

NOT_TRACES = (
    "it takes gradients or training, and an ONNX file is the trace of a model; if Keras exported it, "
    "verify the .h5 or .keras file that it was exported from"
)
NO_TRAINING = "only trained networks show it; ask for training with --level train"
NO_DATA = "it takes training data; give it with --data"


def told(model: Model, found: Sequence[tuple[Rule, Finding]], request: Request, data: str | None, tell: Tell) -> bool:
    """Tells why each of the findings is undecided, if none of them can be tried; whether that was so.

    Args:
        model: the model that they are about.
        found: findings with their rules, each of which makes a claim.
        request: what was asked for.
        data: what the training data are called, if there are any.
        tell: is told of the plan and of the verdicts.
    """
    reasons = [hindered(rule.claim or "", model, request.level, has_data=data is not None) for rule, _ in found]
    known = [reason for reason in reasons if reason is not None]
    if len(known) < len(reasons):
        return False
    scope = Scope(data=data or "random inputs", optimizer=trained_with(model))
    infos = [probe(number, *one, why) for number, (one, (_, why)) in enumerate(zip(found, known, strict=True))]
    verdicts = tuple(_verdict(info, reason, scope) for info, (reason, _) in zip(infos, known, strict=True))
    tell(Planned(trials=tuple(infos), seconds=0.0))
    for info, verdict in zip(infos, verdicts, strict=True):
        tell(Ended(number=info.number, verdict=verdict))
    tell(Done(verdicts=verdicts))
    return True


def trained_with(model: Model) -> str:
    """The optimizer of a model in words."""
    optimizer = model.training and model.training.optimizer
    if not optimizer:
        return "Adam (assumed)"
    name, rate = optimizer.name.replace("_", " "), optimizer.learning_rate
    return f"{name} at a learning rate of {rate:.3g}" if rate is not None and isfinite(rate) else name


def hindered(claim: str, model: Model, level: Level, *, has_data: bool) -> tuple[Reason, str] | None:
    """Why a claim is undecided from the start; None if it can be tried."""
    if model.exchange is not None:
        return None if claim in TRACES else (Reason.unbuildable, NOT_TRACES)
    if claim in NEEDS_DATA and not has_data:
        return Reason.data, NO_DATA
    return (Reason.training, NO_TRAINING) if claim in TRAINS and level is Level.probe else None


def probe(number: int, rule: Rule, finding: Finding, why: str | None = None) -> TrialInfo:
    """What is known of a trial from its finding; `why` it is not run, if that is so."""
    return TrialInfo(
        number=number,
        code=rule.code,
        rule=rule.name,
        claim=rule.claim or "",
        layer=finding.layer,
        remedy=rule.remedy,
        level=Level.probe,
        arms=(AS_IT_IS,),
        seeds=1,
        why=why,
    )


def undecided(info: TrialInfo, why: str | None) -> str:
    """The sentence for a trial that was not run, or broke off."""
    return f"whether {statement(info.claim, info.layer)} is undecided: {why}"


def _verdict(info: TrialInfo, reason: Reason, scope: Scope) -> Verdict:
    verdict = Verdict(rule=info.code, claim=info.claim, layer=info.layer, scope=scope, reason=reason).concluded()
    return replace(verdict, sentence=undecided(info, info.why))
