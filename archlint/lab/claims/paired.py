"""Two arms trained with the same seeds, until their difference is decided."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, isfinite, log

from archlint.lab.arms import Arm, Curves, Plan
from archlint.lab.bench import Bench
from archlint.lab.claims.base import ANSWERS, Work, arms, as_it_is, plan_of
from archlint.lab.events import common_ends
from archlint.lab.statistics import Decision, Interval, count, decide, interval
from archlint.lab.thresholds import COUNTED, EFFECT, FEWEST_SEEDS, PROFILED_DRAWS
from archlint.lab.trial import Trial
from archlint.lab.verdict import Answer, Effect, Part

BEST, END = "best validation loss", "final validation loss"

EARLY_STOPPING = "Only the end of the curve is lower with the change, not its best point: early stopping is as good"
NO_RATIO = "The loss is not positive, so that the arms have no ratio"


@dataclass(slots=True)
class Compared:
    """The log-ratios of two arms so far, one for each seed that ended well in both, and the seeds that did not.

    At least `fewest` and at most `most` seeds are run, and intervals of this `level` decide.
    """

    fewest: int
    most: int
    level: float
    best: list[float] = field(default_factory=list)
    end: list[float] = field(default_factory=list)
    failed: list[bool] = field(default_factory=list)
    failed_after: list[bool] = field(default_factory=list)
    no_ratio: bool = False

    @property
    def seeds(self) -> int:
        """How many have been run."""
        return len(self.failed)

    def add(self, before: Curves, after: Curves) -> None:
        """Count in one more seed."""
        self.failed.append(not before.finite)
        self.failed_after.append(not after.finite)
        ends = common_ends(before.val, after.val) if before.finite and after.finite else (inf, inf)
        losses = (before.best, after.best, *ends)
        self.no_ratio |= min(losses) <= 0
        if all(isfinite(loss) and loss > 0 for loss in losses):
            self.best.append(log(before.best / after.best))
            self.end.append(log(ends[0] / ends[1]))

    def decision(self) -> Decision:
        """Whether the second arm is better."""
        if any(self.failed) or any(self.failed_after):
            return count(self.failed, self.failed_after, max(self.most, COUNTED))
        if self.no_ratio:
            return Decision.noisy
        return decide(self.best, fewest=self.fewest, most=self.most, level=self.level)

    def effects(self) -> tuple[Effect, ...]:
        """The differences with their intervals, as far as there are some."""
        if len(self.best) < 2:
            return ()
        return Effect.of(BEST, interval(self.best), self.best), Effect.of(END, interval(self.end), self.end)

    def notes(self) -> tuple[str, ...]:
        """What a person should know besides."""
        if self.no_ratio:
            return (NO_RATIO,)
        if any(self.failed) or any(self.failed_after):
            lost, lost_after = sum(self.failed), sum(self.failed_after)
            return (f"The loss was not finite in {lost} of {self.seeds} seeds, with the change in {lost_after}",)
        ends = self.seeds > 1 and interval(self.end, self.level)
        lower = ends and ends.low > 0 and ends.effect >= EFFECT
        return (EARLY_STOPPING,) if lower and self.decision() is Decision.refuted else ()

    def part(self) -> Part:
        """As an answer to "is the loss lower with the change?"."""
        found = ANSWERS[self.decision()]
        if len(self.best) < 2:
            return Part(answer=found)
        return of_interval(found, BEST, interval(self.best), EFFECT)

    def tests(self, part: str) -> dict[str, float]:
        """The p-value of this part, if an interval decides it."""
        counted = any(self.failed) or any(self.failed_after) or len(self.best) < 2
        return {} if counted else {part: interval(self.best).p}


def of_interval(found: Answer, metric: str, seen: Interval, threshold: float) -> Part:
    """A part that was decided by an interval of logs."""
    low, high = seen.bounds
    return Part(answer=found, metric=metric, value=seen.effect, low=low, high=high, threshold=threshold)


def compare(trial: Trial, bench: Bench, after: tuple[Arm, Plan] | None = None) -> Compared | None:
    """Trains both arms seed by seed until their difference is decided; None if there is no second arm.

    Args:
        after: the second arm and its plan, if they are not those of the trial.
    """
    plan = plan_of(trial)
    other = after or (trial.after and (trial.after, plan))
    if not other:
        return None
    compared = Compared(trial.least, trial.info.seeds, bench.level)

    def one(seed: int) -> Decision:
        compared.add(*bench.together([(as_it_is(trial), plan), other], seed))
        return compared.decision()

    until_decided(trial, bench, one)
    return compared


def until_decided(trial: Trial, bench: Bench, one: Callable[[int], Decision]) -> Decision:
    """Runs seed after seed, as many as the trial may have, until they have decided or time is up."""
    decision = Decision.more
    for seed in range(trial.info.seeds):
        decision = one(seed)
        decided = decision is not Decision.more and seed + 1 >= trial.least
        if decided or (seed + 1 >= FEWEST_SEEDS and bench.is_late()):
            break
    return decision


def training_work(trial: Trial, bench: Bench) -> list[Work]:
    """The costs of training all arms over all epochs."""
    plan, works = plan_of(trial), []
    for arm in arms(trial):
        cost = bench.cost(arm, plan)
        works.append(Work(bench.key(arm, plan), cost.tracing, cost.seconds(plan.epochs), apart=True))
    return works


def step_work(trial: Trial, bench: Bench, steps: int) -> list[Work]:
    """The costs of training all arms for some steps."""
    plan, works = plan_of(trial), []
    for arm in arms(trial):
        cost = bench.cost(arm, plan)
        works.append(Work(f"{steps} steps of {bench.key(arm, plan)}", cost.tracing, cost.beginning + steps * cost.step))
    return works


def probe_work(trial: Trial, bench: Bench, looks: int) -> list[Work]:
    """The costs of so many looks at all arms before training, and at their profiles."""
    times = looks + PROFILED_DRAWS
    return [Work(f"{trial.info.claim} {bench.key(arm)}", times * sum(bench.look_cost(arm))) for arm in arms(trial)]
