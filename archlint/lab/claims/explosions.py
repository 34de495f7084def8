"""A loss that explodes within the first steps."""

from math import isfinite
from statistics import median
from typing import ClassVar

from archlint.lab.arms import Arm
from archlint.lab.bench import Bench
from archlint.lab.claims.base import ANSWERS, Claim, Judged, Work, as_it_is, plan_of
from archlint.lab.claims.paired import step_work
from archlint.lab.probes import explosion
from archlint.lab.statistics import count
from archlint.lab.thresholds import COUNTED, FAILING, LOSS_RATIO, RECURRENT_STEPS, STEPS
from archlint.lab.trial import Trial
from archlint.lab.verdict import Answer, Part

METRIC = "the loss explodes"


class _Explosion(Claim):
    """The loss becomes infinite, or many times what it was, in at least half of the seeds."""

    draws = COUNTED
    steps: ClassVar[int]

    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """The first steps of both arms."""
        return step_work(trial, bench, self.steps)

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """Counts seeds; there is no mean of what is infinite."""
        ratios = self._ratios(as_it_is(trial), trial, bench)
        failed = [_explodes(ratio) for ratio in ratios]
        symptom = _counted(ANSWERS[count(failed)], METRIC, failed, FAILING)
        numbers = {"highest loss over the first": median(ratios), "exploded": float(sum(failed))}
        remedy = Part()
        if trial.after is not None and symptom.answer is Answer.yes:
            after = [_explodes(ratio) for ratio in self._ratios(trial.after, trial, bench)]
            remedy = _counted(_mended(after), f"{METRIC} with the change", after, 0.0)
            numbers["exploded with the change"] = float(sum(after))
        return Judged(symptom=symptom, remedy=remedy, seeds=len(failed), steps=self.steps, numbers=numbers)

    def _ratios(self, arm: Arm, trial: Trial, bench: Bench) -> list[float]:
        ratios = []
        for seed in range(self.draws):
            ratios.append(explosion(bench.losses(arm, plan_of(trial), seed, self.steps)))
            bench.measured(arm, seed, {"highest loss over the first": ratios[-1]})
        return ratios


class Unstable(_Explosion):
    """Inputs that were not scaled throw the weights away in the first steps."""

    name = "unstable"
    steps = STEPS


class Explodes(_Explosion):
    """The gradient through many steps of a recurrent network explodes."""

    name = "explodes"
    steps = RECURRENT_STEPS


def _explodes(ratio: float) -> bool:
    return not isfinite(ratio) or ratio > LOSS_RATIO


def _counted(found: Answer, metric: str, failed: list[bool], threshold: float) -> Part:
    return Part(answer=found, metric=metric, value=_share(failed), threshold=threshold, seeds=len(failed))


def _share(failed: list[bool]) -> float:
    return sum(failed) / len(failed)


def _mended(failed: list[bool]) -> Answer:
    if not any(failed):
        return Answer.yes
    return Answer.no if _share(failed) >= FAILING else Answer.unclear
