"""ReLU units that are 0 for every sample."""

from statistics import median

from archlint.lab import probes
from archlint.lab.arms import Arm
from archlint.lab.bench import Bench
from archlint.lab.claims.base import Claim, Judged, Work, answer, as_it_is, plan_of
from archlint.lab.claims.paired import step_work, training_work
from archlint.lab.claims.shift import with_harm
from archlint.lab.events import Level
from archlint.lab.thresholds import COUNTED, INACTIVE, STEPS
from archlint.lab.trial import Trial
from archlint.lab.verdict import Part

METRIC = "share of units in the worst layer that no sample activates"


class DyingRelu(Claim):
    """After a few steps, at least half of the units of some layer are 0 for all samples."""

    name = "dying-relu"
    draws = COUNTED
    steps = STEPS
    harm_epochs = True

    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """The first steps of both arms, and their training."""
        trained = training_work(trial, bench) if trial.info.level is Level.train else []
        return [*step_work(trial, bench, STEPS), *trained]

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """The mechanism is the share of dead units; the remedy has an answer only where it leaves ReLUs."""
        before = _share(as_it_is(trial), trial, bench)
        numbers = {"inactive": before}
        mechanism = Part(answer=answer(before >= INACTIVE, before), metric=METRIC, value=before, threshold=INACTIVE)
        remedy = Part()
        if trial.after is not None and _has_relu(trial.after, trial, bench):
            numbers["inactive with the change"] = after = _share(trial.after, trial, bench)
            mended = answer(after < INACTIVE, after)
            remedy = Part(answer=mended, metric=f"{METRIC} with the change", value=after, threshold=INACTIVE)
        found = Judged(mechanism=mechanism, remedy=remedy, seeds=COUNTED, steps=STEPS, numbers=numbers)
        return with_harm(trial, bench, found)


def _has_relu(arm: Arm, trial: Trial, bench: Bench) -> bool:
    model = bench.trainer(arm, plan_of(trial)).model
    return bool(probes.inactive(model, bench.inputs(model)))


def _share(arm: Arm, trial: Trial, bench: Bench) -> float:
    trainer = bench.trainer(arm, plan_of(trial))
    x, shares = bench.inputs(trainer.model), []
    for seed in range(COUNTED):
        shares.append(probes.inactive_after(trainer, x, seed, STEPS))
        bench.measured(arm, seed, {"inactive": shares[-1]})
    return median(shares)
