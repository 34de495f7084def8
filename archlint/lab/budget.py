"""What trials cost, in how many processes they are worth doing, and how many seeds the budget allows."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from time import perf_counter
from typing import NamedTuple

from msgspec.structs import replace as changed

from archlint.errors import ArchlintError
from archlint.lab.bench import Bench
from archlint.lab.claims.base import Work
from archlint.lab.engines import Engine
from archlint.lab.events import Level, Request
from archlint.lab.runs import brief
from archlint.lab.thresholds import FEWEST_SEEDS
from archlint.lab.trial import Trial
from archlint.lab.verdict import Reason

USED_UP = "the trials before it take all of the budget; give more with --budget"


class Costed(NamedTuple):
    """A trial, and what there is to do for it."""

    trial: Trial
    works: Sequence[Work]


class Staff(NamedTuple):
    """Who does the work: so many other processes, or this one alone (0), and the seconds until they have begun."""

    processes: int = 0
    start: float = 0.0

    def seconds(self, works: Sequence[Work], seeds: int, paid: set[str]) -> float:
        """How long it takes, without what is paid for already."""
        return sum(self._seconds(work, seeds) for work in works if work.key not in paid)

    def _seconds(self, work: Work, seeds: int) -> float:
        # Each process traces for itself, all at the same time
        return work.fixed + seeds * work.per_seed / (self.processes if work.apart and self.processes else 1)


def within_budget(trials: Sequence[Trial], bench: Bench, request: Request) -> list[Trial]:
    """The trials with the seeds that the budget allows; what does not fit with the fewest is left undecided."""
    ends = perf_counter() + request.budget
    costed = [_costed(trial, bench, ends) for trial in trials]
    staff = staffed(costed, bench.engine, request)
    left = _affordable(costed, staff, request)
    if not any(work.apart for _, works in left for work in works):
        staff = Staff()
    bench.processes = staff.processes
    return _with_seeds(left, staff, request)


def staffed(costed: Sequence[Costed], engine: Engine | None, request: Request) -> Staff:
    """As many processes as there are runs that are surely needed, if the user wants them or they pay."""
    works = {work.key: (work, _fewest(trial, request)) for trial, works in costed for work in works if work.apart}
    if engine is None or not works:
        return Staff()
    alone, staff = Staff(), Staff(min(engine.most, sum(seeds for _, seeds in works.values())), engine.starting)
    costs = [
        who.start + sum(who.seconds([work], seeds, set()) for work, seeds in works.values()) for who in (alone, staff)
    ]
    asked = engine.is_wanted and (engine.most > 1 or request.backend is not None)
    return staff if asked or costs[1] < costs[0] else alone


def _costed(trial: Trial, bench: Bench, ends: float) -> Costed:
    if trial.reason is not None or trial.claim is None:
        return Costed(trial, ())
    if perf_counter() > ends:
        return Costed(undecided(trial, Reason.budget, USED_UP), ())
    try:
        return Costed(trial, trial.claim.work(trial, bench))
    except ArchlintError as error:
        return Costed(undecided(trial, Reason.unbuildable, str(error)), ())
    except Exception as error:  # whatever TensorFlow says of an operation, of shapes or of memory
        return Costed(undecided(trial, Reason.unbuildable, f"TensorFlow cannot run it: {brief(error)}"), ())


def undecided(trial: Trial, reason: Reason, why: str) -> Trial:
    """The trial, which will not be run, and why."""
    return replace(trial, reason=reason, info=changed(trial.info, why=why))


def _affordable(costed: Sequence[Costed], staff: Staff, request: Request) -> list[Costed]:
    paid: set[str] = set()
    spent = staff.start
    left = []
    for trial, works in costed:
        cost = staff.seconds(works, _fewest(trial, request), paid)
        if trial.reason is None and spent + cost > request.budget:
            why = f"it would take a budget of {ceil(spent + cost)} s; give it with --budget"
            left.append(Costed(undecided(trial, Reason.budget, why), ()))
            continue
        spent += cost
        paid |= {work.key for work in works}
        left.append(Costed(trial, works))
    return left


def _fewest(trial: Trial, request: Request) -> int:
    return max(FEWEST_SEEDS, request.seeds[0]) if trial.info.level is Level.train else trial.info.seeds


def _with_seeds(costed: Sequence[Costed], staff: Staff, request: Request) -> list[Trial]:
    """As many seeds for all as fit into the budget."""
    fewest = max(FEWEST_SEEDS, request.seeds[0])
    for most in range(max(fewest, request.most_seeds), fewest - 1, -1):
        trials = _at_most(costed, staff, most)
        if _seconds(trials, staff) <= request.budget:
            break
    if most >= request.most_seeds:
        return trials
    needed = _seconds(_at_most(costed, staff, request.most_seeds), staff)
    note = f"the budget allows {most} of {request.most_seeds} seeds, one of {ceil(needed)} s would allow all"
    return [replace(trial, assumed=(*trial.assumed, note)) if _is_cut(trial) else trial for trial in trials]


def _seconds(trials: Sequence[Trial], staff: Staff) -> float:
    return staff.start + sum(trial.info.seconds for trial in trials)


def _is_cut(trial: Trial) -> bool:
    return trial.reason is None and trial.info.level is Level.train


def _at_most(costed: Sequence[Costed], staff: Staff, most: int) -> list[Trial]:
    paid: set[str] = set()
    trials = []
    for trial, works in costed:
        seeds = most if trial.info.level is Level.train else trial.info.seeds
        seconds = staff.seconds(works, seeds, paid)
        paid |= {work.key for work in works}
        trials.append(replace(trial, info=changed(trial.info, seeds=seeds, seconds=seconds)))
    return trials
