"""Batch normalization over batches of a few samples."""

from dataclasses import replace

from archlint.lab.bench import Bench
from archlint.lab.claims.base import Claim, Judged, Work, as_it_is, plan_of
from archlint.lab.claims.helps import harm
from archlint.lab.claims.paired import compare, training_work
from archlint.lab.trial import Trial

USUAL_BATCH = 32


class TinyBatches(Claim):
    """Statistics over a few samples are too noisy to train by: larger batches reach a lower loss.

    The arms differ in the size of their batches, and in nothing else.
    """

    name = "tiny-batches"
    harm_epochs = True

    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """The larger batches take no longer than the small ones."""
        return [*training_work(trial, bench)] * 2

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """Compares with the usual size."""
        larger = replace(as_it_is(trial), name=f"batches of {USUAL_BATCH}")
        compared = compare(trial, bench, (larger, replace(plan_of(trial), batch_size=USUAL_BATCH)))
        return Judged() if compared is None else harm(trial, compared)
