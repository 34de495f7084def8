"""SELU networks whose values do not keep their spread."""

from archlint.lab import probes
from archlint.lab.arms import Arm
from archlint.lab.bench import Bench
from archlint.lab.claims.base import Claim, Judged, Work, answer, as_it_is
from archlint.lab.claims.paired import probe_work
from archlint.lab.thresholds import DRIFT_OCTAVES, INITIALIZATIONS
from archlint.lab.trial import Trial
from archlint.lab.verdict import Part

METRIC = "drift of the spread in octaves"


class SeluDrift(Claim):
    """The network does not normalize itself: its values drift away from the spread that they come with."""

    name = "selu-drift"
    draws = INITIALIZATIONS
    is_of_signal = True

    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """A few draws of the weights of both arms."""
        return probe_work(trial, bench, INITIALIZATIONS)

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """Drift is the same for nearly every draw, so that medians decide."""
        before = _drift(as_it_is(trial), bench)
        numbers = {"drift": before}
        remedy = Part()
        if trial.after is not None:
            numbers["drift with the change"] = after = _drift(trial.after, bench)
            remedy = _part(f"{METRIC} with the change", after, abs(after) <= DRIFT_OCTAVES)
        mechanism = _part(METRIC, before, abs(before) > DRIFT_OCTAVES)
        return Judged(mechanism=mechanism, remedy=remedy, seeds=INITIALIZATIONS, numbers=numbers)


def _part(metric: str, value: float, holds: bool) -> Part:
    found = answer(holds, value)
    return Part(answer=found, metric=metric, value=value, threshold=DRIFT_OCTAVES)


def _drift(arm: Arm, bench: Bench) -> float:
    seeds = None if arm.start == "saved" else probes.DRAWS
    return bench.probe(arm, "drift", lambda model, x: probes.drift(model, x, seeds))
