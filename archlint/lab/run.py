"""Runs trials to their verdicts."""

from collections.abc import Sequence
from contextlib import suppress
from math import isfinite, isnan
from time import perf_counter

from msgspec.structs import replace

from archlint.errors import ArchlintError
from archlint.graph import Model
from archlint.lab.bench import Bench
from archlint.lab.budget import USED_UP
from archlint.lab.claims import Judged
from archlint.lab.claims.base import arms
from archlint.lab.engines import Engine
from archlint.lab.events import Began, Done, Ended, Planned, Request, Tell
from archlint.lab.planning import Finds, plan
from archlint.lab.runs import brief
from archlint.lab.samples import Samples
from archlint.lab.statistics import holm
from archlint.lab.thresholds import LEVEL
from archlint.lab.trial import Trial
from archlint.lab.untried import undecided
from archlint.lab.verdict import Answer, Effect, Reason, Scope, Verdict


def prove(
    model: Model,
    found: Finds,
    samples: Samples | None,
    request: Request,
    tell: Tell,
    *,
    trained: bool | None = None,
    engine: Engine | None = None,
) -> tuple[Verdict, ...]:
    """A verdict for each finding whose rule has a claim.

    Args:
        model: the model, its file still open.
        found: what the rules said of it.
        samples: the user's data, if there are any.
        request: what was asked for.
        tell: is told of the plan, and of all that happens.
        trained: whether the stored weights have left their initialization; None if that is not known.
        engine: other processes that may train.
    """
    bench = Bench(samples, tell, engine)
    trials = plan(model, found, bench, request, trained=trained)
    tell(_planned(trials, bench))
    verdicts = run(trials, bench, request)
    tell(Done(verdicts=verdicts))
    return verdicts


def _planned(trials: Sequence[Trial], bench: Bench) -> Planned:
    engine = bench.engine if bench.processes else None
    return Planned(
        trials=tuple(trial.info for trial in trials),
        seconds=(engine.starting if engine else 0.0) + sum(trial.info.seconds for trial in trials),
        assumed=tuple(dict.fromkeys(note for trial in trials for note in trial.assumed)),
        processes=max(1, bench.processes),
        backend=engine.backend if engine else None,
    )


def run(trials: Sequence[Trial], bench: Bench, request: Request) -> tuple[Verdict, ...]:
    """Runs the trials one after another; what several of them confirm is corrected for there being several."""
    bench.ends = perf_counter() + request.budget
    bench.expect(trials)
    results = [_Result(trial, bench) for trial in trials]
    for result in results:
        result.find_out()
        bench.tell(Ended(number=result.trial.info.number, verdict=result.verdict()))
    _correct(results, bench)
    return tuple(result.verdict() for result in results)


class _Result:
    """What a trial has come to so far."""

    def __init__(self, trial: Trial, bench: Bench) -> None:
        self.trial, self._bench = trial, bench
        self.judged = Judged(seeds=0)
        self.reason = trial.reason
        self.failure: str | None = None
        self.factor = 1.0
        self.seconds = 0.0

    def find_out(self) -> None:
        """Runs the trial, or goes on with it at a stricter level."""
        if self.reason is not None or self.trial.claim is None:
            return
        bench, began = self._bench, perf_counter()
        if bench.is_late():
            self.reason, self.failure = Reason.budget, USED_UP
            return
        bench.begin(self.trial)
        bench.tell(Began(number=self.trial.info.number))
        try:
            self.judged = self.trial.claim.judge(self.trial, bench).settled()
            self.reason = self.judged.reason
            self._tell_profiles()
        except ArchlintError as error:
            self.reason, self.failure = Reason.unbuildable, str(error)
        except Exception as error:  # whatever TensorFlow says of an operation, of shapes or of memory
            self.reason, self.failure = Reason.unbuildable, f"TensorFlow cannot run it: {brief(error)}"
        if self.reason is None and _is_unmeasured(self.judged):
            self.reason = Reason.unmeasurable
        self.seconds += perf_counter() - began
        if bench.cut and self.is_open():
            self.reason = self.reason or Reason.budget

    def _tell_profiles(self) -> None:
        for arm in arms(self.trial):
            with suppress(Exception):  # no verdict depends on it, so whatever TensorFlow says is no reason to have none
                self._bench.profile(arm)

    def is_open(self) -> bool:
        """Whether what was found decides nothing."""
        parts = (self.judged.mechanism, self.judged.symptom, self.judged.remedy)
        answers = [part.answer for part in parts]
        return Answer.unclear in answers or all(answer is Answer.untested for answer in answers)

    def p_value(self) -> float | None:
        """Of all that was confirmed together, so the largest; of all tests, if none was; None without tests."""
        tests = self.judged.tests
        confirmed = [p for part, p in tests.items() if getattr(self.judged, part).answer is Answer.yes]
        return max(confirmed or tests.values(), default=None)

    def is_confirmed(self) -> bool:
        """Whether an interval has confirmed a part."""
        return any(getattr(self.judged, part).answer is Answer.yes for part in self.judged.tests)

    def verdict(self) -> Verdict:
        """In words and numbers."""
        trial, judged, info = self.trial, self.judged, self.trial.info
        scope = Scope(
            data=self._bench.data_name,
            optimizer=trial.optimizer,
            epochs=judged.epochs,
            steps=judged.steps,
            stored=judged.stored or (trial.before is not None and trial.before.start == "saved"),
        )
        why = self.failure or info.why
        notes = (trial.note, *judged.notes)
        verdict = Verdict(
            rule=info.code,
            claim=info.claim,
            layer=info.layer,
            scope=scope,
            mechanism=judged.mechanism,
            symptom=judged.symptom,
            remedy=judged.remedy,
            remedy_name=info.remedy if trial.after else None,
            reason=self.reason,
            effects=self._effects(),
            seeds=judged.seeds,
            seconds=self.seconds,
            numbers={name: value for name, value in judged.numbers.items() if isfinite(value)},
            assumed=tuple(dict.fromkeys((*trial.assumed, *self._bench.assumed(trial)))),
            note=". ".join(note for note in notes if note) or None,
        ).concluded()
        return replace(verdict, sentence=undecided(info, why)) if why else verdict

    def _effects(self) -> tuple[Effect, ...]:
        return tuple(replace(effect, p=min(1.0, effect.p * self.factor)) for effect in self.judged.effects)


def _is_unmeasured(judged: Judged) -> bool:
    """Whether a part is unclear because what it goes by is no number."""
    parts = (judged.mechanism, judged.symptom, judged.remedy)
    return any(part.answer is Answer.unclear and part.value is not None and isnan(part.value) for part in parts)


def _correct(results: Sequence[_Result], bench: Bench) -> None:
    """Holm's correction; what does not hold against it gets more seeds, at the level that so many tests ask for."""
    tests = sum(bool(result.judged.tests) for result in results)
    for result in [] if bench.is_late() else _weak(results):
        bench.level = 1 - (1 - LEVEL) / tests
        result.find_out()
        if not result.is_confirmed():
            result.reason = result.reason or Reason.seeds
    for result in _weak(results):
        result.reason = result.reason or Reason.seeds


def _weak(results: Sequence[_Result]) -> list[_Result]:
    """Those that were confirmed by a p-value which, corrected for the other findings, no longer counts."""
    tested = [(result, p) for result in results if (p := result.p_value()) is not None]
    corrected = holm([p for _, p in tested])
    for (result, p), together in zip(tested, corrected, strict=True):
        result.factor = together / p if p else 1.0
    beyond = 1 - LEVEL
    return [result for (result, _), p in zip(tested, corrected, strict=True) if p > beyond and result.is_confirmed()]
