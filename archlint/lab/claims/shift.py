"""Dropout that shifts the variance which a batch normalization stores."""

from dataclasses import replace
from statistics import median

from archlint.lab import probes
from archlint.lab.arms import Arm
from archlint.lab.bench import Bench
from archlint.lab.claims.base import Claim, Judged, Work, answer, as_it_is, plan_of
from archlint.lab.claims.helps import harm
from archlint.lab.claims.paired import compare, step_work, training_work
from archlint.lab.events import Level
from archlint.lab.splits import split
from archlint.lab.thresholds import FEWEST_SEEDS, VARIANCE_SHIFT
from archlint.lab.training import RECALIBRATION_STEPS
from archlint.lab.trial import Trial
from archlint.lab.verdict import Answer, Part

METRIC = "variance in training over that in use"


class VarianceShift(Claim):
    """Dropout makes the variance larger in training than in use, and the normalization goes by that of training.

    That needs no training to be seen. Whether it does harm is another question, which training answers.
    """

    name = "variance-shift"
    draws = FEWEST_SEEDS
    steps = 0
    harm_epochs = True

    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """The statistics of both arms for a few seeds, and their training."""
        if trial.info.level is Level.train:
            return training_work(trial, bench)
        return step_work(trial, bench, RECALIBRATION_STEPS)

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """The mechanism before training, then the harm."""
        before = _shift(as_it_is(trial), trial, bench)
        numbers = {"variance shift": before}
        mechanism = Part(
            answer=answer(before > VARIANCE_SHIFT, before), metric=METRIC, value=before, threshold=VARIANCE_SHIFT
        )
        remedy = Part()
        if trial.after is not None:
            numbers["variance shift with the change"] = after = _shift(trial.after, trial, bench)
            mended = answer(after <= VARIANCE_SHIFT, after)
            remedy = Part(answer=mended, metric=f"{METRIC} with the change", value=after, threshold=VARIANCE_SHIFT)
        found = Judged(mechanism=mechanism, remedy=remedy, seeds=FEWEST_SEEDS, numbers=numbers)
        return with_harm(trial, bench, found)


def _shift(arm: Arm, trial: Trial, bench: Bench) -> float:
    trainer = bench.trainer(arm, plan_of(trial))
    norm = trainer.model.get_layer(trial.names[str(trial.finding.evidence["norm"])])
    x, found = bench.inputs(trainer.model), []
    for seed in range(FEWEST_SEEDS):
        trainer.reset(seed)
        rows, _ = split(trainer.data, seed, trainer.plan.share)
        trainer.recalibrate(rows)
        found.append(probes.variance_shift(trainer.model, norm, x))
    shift = median(found)
    bench.measured(arm, None, {"variance shift": shift})
    return shift


def with_harm(trial: Trial, bench: Bench, found: Judged) -> Judged:
    """What was found, and whether it does harm, where that is asked and there is a remedy to compare with."""
    looked_for = trial.info.level is Level.train and found.mechanism.answer is Answer.yes
    compared = compare(trial, bench) if looked_for else None
    if compared is None:
        return found
    return replace(harm(trial, compared), mechanism=found.mechanism, numbers=found.numbers)
