"""A change that makes the validation loss lower, whatever the reason."""

from archlint.lab.bench import Bench
from archlint.lab.claims.base import Claim, Judged, Work, plan_of
from archlint.lab.claims.paired import Compared, compare, training_work
from archlint.lab.trial import Trial


class Helps(Claim):
    """With the remedy the network reaches a lower validation loss: dropout, L2, a learning rate, another order."""

    name = "helps"
    harm_epochs = True

    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """Both arms over all epochs."""
        return training_work(trial, bench)

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """That the loss is higher without the change is symptom and remedy in one."""
        compared = compare(trial, bench)
        return Judged() if compared is None else harm(trial, compared)


def harm(trial: Trial, compared: Compared) -> Judged:
    """The symptom is what the remedy takes away."""
    part = compared.part()
    return Judged(
        symptom=part,
        remedy=part,
        effects=compared.effects(),
        seeds=compared.seeds,
        epochs=plan_of(trial).epochs,
        tests=compared.tests("symptom"),
        notes=compared.notes(),
    )
