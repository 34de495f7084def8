"""A signal that is lost on its way through the network."""

from math import isfinite, log

from archlint.lab import probes
from archlint.lab.arms import Arm
from archlint.lab.bench import Bench
from archlint.lab.claims.base import ANSWERS, Claim, Judged, Work, answer, as_it_is, plan_of
from archlint.lab.claims.paired import of_interval, probe_work, step_work, until_decided
from archlint.lab.events import Level
from archlint.lab.statistics import Decision, decide, interval
from archlint.lab.thresholds import (
    INITIALIZATIONS,
    SIGNAL_FAILS,
    SIGNAL_SLOW_SGD,
    SIGNAL_SUSPECT,
    SLOW_AREA,
    SLOW_STEPS,
)
from archlint.lab.trial import Trial
from archlint.lab.verdict import Answer, Effect, Part

METRIC = "spread of the last hidden units (usd)"
AREA = "area under the training loss"


class Slow(Claim):
    """The units of the last hidden layer hardly differ between samples, so that training starts late if at all."""

    name = "slow"
    draws = INITIALIZATIONS
    is_of_signal = True
    harm_steps = SLOW_STEPS

    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """A few draws of the weights of both arms, and the first steps where they are trained."""
        trained = step_work(trial, bench, SLOW_STEPS) if trial.info.level is Level.train else []
        return [*probe_work(trial, bench, INITIALIZATIONS), *trained]

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """The mechanism is the lost signal; whether it matters, training tells."""
        threshold = SIGNAL_SUSPECT if trial.adaptive else SIGNAL_SLOW_SGD
        before = _spread(as_it_is(trial), bench)
        numbers = {"usd": before}
        mechanism = Part(answer=_below(before, threshold), metric=METRIC, value=before, threshold=threshold)
        remedy = Part()
        if trial.after is not None:
            numbers["usd with the change"] = after = _spread(trial.after, bench)
            mended = answer(after >= threshold, after)
            remedy = Part(answer=mended, metric=f"{METRIC} with the change", value=after, threshold=threshold)
        notes = ("So little signal stops Adam, too",) if before < SIGNAL_FAILS else ()
        found = Judged(mechanism=mechanism, remedy=remedy, seeds=INITIALIZATIONS, numbers=numbers, notes=notes)
        harmful = mechanism.answer is Answer.yes and trial.info.level is Level.train and trial.after is not None
        return _trained(trial, bench, found) if harmful else found


def _spread(arm: Arm, bench: Bench) -> float:
    """`usd`; of the weights in the file, where training goes on from them."""
    seeds = None if arm.start == "saved" else probes.DRAWS
    return bench.probe(arm, "usd", lambda model, x: probes.spread(model, x, seeds))


def _below(value: float, threshold: float) -> Answer:
    return answer(value < threshold, value)


def _trained(trial: Trial, bench: Bench, found: Judged) -> Judged:
    areas = _Areas(trial, bench)
    decision = until_decided(trial, bench, areas.one)
    if len(areas.ratios) < 2:
        return found
    seen = interval(areas.ratios)
    part = of_interval(ANSWERS[decision], AREA, seen, SLOW_AREA)
    return Judged(
        mechanism=found.mechanism,
        symptom=part,
        remedy=part if part.answer is Answer.yes else found.remedy,
        effects=(Effect.of(AREA, seen, areas.ratios),),
        seeds=areas.seeds,
        steps=SLOW_STEPS,
        numbers=found.numbers,
        tests={"symptom": seen.p},
        notes=found.notes,
    )


class _Areas:
    """The logs of one arm's area under the loss over that of the other, so far."""

    def __init__(self, trial: Trial, bench: Bench) -> None:
        self.trial, self.bench = trial, bench
        self.ratios: list[float] = []
        self.seeds = 0

    def one(self, seed: int) -> Decision:
        assert self.trial.after is not None
        plan, arms = plan_of(self.trial), (as_it_is(self.trial), self.trial.after)
        before, after = (sum(self.bench.losses(arm, plan, seed, SLOW_STEPS)) for arm in arms)
        self.seeds += 1
        if isfinite(before) and isfinite(after) and min(before, after) > 0:
            self.ratios.append(log(before / after))
        if len(self.ratios) < self.seeds:
            return Decision.noisy
        most = self.trial.info.seeds
        return decide(self.ratios, least=SLOW_AREA, fewest=self.trial.least, most=most, level=self.bench.level)
