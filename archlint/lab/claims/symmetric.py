"""Units that began alike and stay alike."""

from dataclasses import replace
from typing import Any

import numpy as np

from archlint.lab.arms import Arm, Array
from archlint.lab.bench import Bench
from archlint.lab.claims.base import Claim, Judged, Work, answer, as_it_is, plan_of
from archlint.lab.claims.paired import step_work
from archlint.lab.claims.redundant import inner
from archlint.lab.thresholds import ALIKE, STEPS
from archlint.lab.trial import Trial
from archlint.lab.verdict import Part

METRIC = "difference between the units over how far they have moved"


class Symmetric(Claim):
    """All units of a layer compute the same, and training does not pull them apart."""

    name = "symmetric"
    steps = STEPS
    looks_at_saved = True

    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """The first steps of both arms."""
        return step_work(trial, bench, STEPS)

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """The mechanism, with the weights in the file if those that are drawn do not begin alike."""
        arm = as_it_is(trial)
        drawn = _difference(arm, trial, bench)
        apart = drawn is None and bool(arm.saved)
        before = _difference(replace(arm, start="saved"), trial, bench) if apart else drawn
        if before is None:
            return Judged(mechanism=Part(answer=answer(False)), steps=STEPS)
        numbers = {"difference": before}
        mechanism = Part(answer=answer(before < ALIKE, before), metric=METRIC, value=before, threshold=ALIKE)
        remedy = Part()
        if trial.after is not None:
            after = _difference(trial.after, trial, bench)
            remedy = Part(answer=answer(after is None or after >= ALIKE))
        return Judged(mechanism=mechanism, remedy=remedy, steps=STEPS, stored=apart, numbers=numbers)


def _difference(arm: Arm, trial: Trial, bench: Bench) -> float | None:
    """How far training pulls units apart that begin alike; None if they do not begin so."""
    trainer = bench.trainer(arm, plan_of(trial))
    layer = inner(trainer.model.get_layer(trial.names[trial.info.layer or ""]))
    trainer.reset(0)
    start = _units(layer)
    if _apart(start) > 0:
        return None
    trainer.first_losses(0, STEPS)
    end = _units(layer)
    moved = float(np.sqrt(np.mean((end - start) ** 2)))
    found = _apart(end) / moved if moved else 0.0
    bench.measured(arm, 0, {"difference": found})
    return found


def _units(layer: Any) -> Array:
    """The kernel, a row for each unit."""
    kernel: Array = layer.kernel.numpy()
    return np.moveaxis(kernel, _unit_axis(layer), 0).reshape(kernel.shape[_unit_axis(layer)], -1)


def _unit_axis(layer: Any) -> int:
    return -2 if "Transpose" in type(layer).__name__ else -1


def _apart(units: Array) -> float:
    """How far units lie from their mean."""
    return float(np.sqrt(np.mean((units - units.mean(axis=0)) ** 2)))
