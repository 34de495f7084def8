"""A validation loss that rises again."""

from collections.abc import Sequence
from math import inf, isfinite, log1p

from archlint.lab.bench import Bench
from archlint.lab.claims.base import ANSWERS, Claim, Judged, Work, as_it_is, plan_of
from archlint.lab.claims.paired import compare, of_interval, training_work, until_decided
from archlint.lab.statistics import Decision, decide, interval
from archlint.lab.thresholds import FALLING, LATE, RISE
from archlint.lab.trial import Trial
from archlint.lab.verdict import Answer, Part, Reason

METRIC = "rise of the validation loss after its best"


class Overfits(Claim):
    """Trained for long, the network gets worse on samples that it does not train on.

    The gap between training and validation loss is no sign of it: healthy networks have one, too.
    """

    name = "overfits"
    harm_epochs = True

    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """Both arms over all epochs."""
        return training_work(trial, bench)

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """The symptom is the rise; the remedy is tried where there is one."""
        rises = _Rises(trial, bench)
        until_decided(trial, bench, rises.one)
        found = Judged(
            symptom=rises.part(),
            seeds=rises.seeds,
            epochs=plan_of(trial).epochs,
            tests=rises.tests(),
            reason=Reason.epochs if rises.are_untested() else None,
        )
        compared = compare(trial, bench) if found.symptom.answer is Answer.yes else None
        if compared is None:
            return found
        return Judged(
            symptom=found.symptom,
            remedy=compared.part(),
            effects=compared.effects(),
            seeds=max(found.seeds, compared.seeds),
            epochs=found.epochs,
            tests={**found.tests, **compared.tests("remedy")},
            notes=compared.notes(),
        )


class _Rises:
    """The rises so far, as logs of how far each lies above the one that counts."""

    def __init__(self, trial: Trial, bench: Bench) -> None:
        self.trial, self.bench = trial, bench
        self.found: list[float] = []
        self.seeds = self.falling = 0

    def one(self, seed: int) -> Decision:
        plan = plan_of(self.trial)
        ran = self.bench.curves(as_it_is(self.trial), plan, seed)
        self.seeds += 1
        if isfinite(ran.rise):
            self.found.append(log1p(ran.rise))
            self.falling += len(ran.val) == plan.epochs and still_falls(ran.val)
        return self._decision()

    def _decision(self) -> Decision:
        if len(self.found) < self.seeds:  # a loss that is not finite or not positive has no rise
            return Decision.noisy
        most = self.trial.info.seeds
        return decide(self._above(), least=0.0, fewest=self.trial.least, most=most, level=self.bench.level)

    def _above(self) -> list[float]:
        return [rise - log1p(RISE) for rise in self.found]

    def are_untested(self) -> bool:
        """Whether the loss had no time to rise, in half of the seeds or more."""
        return self._decision() is not Decision.confirmed and 2 * self.falling >= self.seeds

    def part(self) -> Part:
        found = Answer.unclear if self.are_untested() else ANSWERS[self._decision()]
        return Part(answer=found) if len(self.found) < 2 else of_interval(found, METRIC, interval(self.found), RISE)

    def tests(self) -> dict[str, float]:
        usable = len(self.found) == self.seeds > 1
        return {"symptom": interval(self._above()).p} if usable else {}


def still_falls(val: Sequence[float]) -> bool:
    """Whether a curve has its lowest point near its end, and well below what half of the epochs came to."""
    lowest = min(val)
    is_late = val.index(lowest) + 1 > (1 - LATE) * len(val)
    return is_late and min(val[: len(val) // 2], default=inf) >= (1 + FALLING) * lowest
