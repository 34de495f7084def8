"""Findings in an ONNX file put to the test: which of their claims its weights and a forward pass can show, and how."""

from dataclasses import replace
from math import isfinite, isnan
from pathlib import Path

from msgspec.structs import replace as replaced

from archlint.errors import ArchlintError
from archlint.graph import Model
from archlint.lab.bench import Bench
from archlint.lab.claims.base import Claim, Judged, Work, answer
from archlint.lab.events import Level, Measured
from archlint.lab.traced.looks import LOOKS, Look
from archlint.lab.traced.running import Running
from archlint.lab.traced.trace import ExchangeError
from archlint.lab.trial import AS_IT_IS, Trial
from archlint.lab.verdict import Part

NOTE = "Harm and remedy were not looked at: an ONNX file is the trace of a model, which cannot be trained"


class OnTrace(Claim):
    """A claim that is tested by a look into a trace, which takes so many seconds."""

    def __init__(self, look: Look, seconds: float) -> None:
        self._look, self._seconds = look, seconds

    def work(self, trial: Trial, bench: Bench) -> list[Work]:  # noqa: ARG002
        """A run or two."""
        return [Work(f"look {trial.info.number}", self._look.runs * self._seconds)]

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """The mechanism, in the weights that are in the file."""
        look, value = self._look, self._look.measure(trial.finding)
        if isnan(value):
            raise ExchangeError("on these samples there is nothing to measure: what would have to vary does not")
        known = value if isfinite(value) else None
        bench.tell(Measured(number=trial.info.number, arm=AS_IT_IS, seed=None, numbers={look.number: known}))
        shown = answer(look.shows(value))
        part = Part(answer=shown, metric=look.metric, value=value, threshold=look.threshold)
        return Judged(mechanism=part, numbers={look.number: value}, stored=True)


class Traces:
    """Makes trials of the findings in one file; what they have in common is found out once.

    Args:
        path: of the file.
        checked: the model in it, as it was checked.
        bench: has the user's data, and is told of what is measured.
    """

    def __init__(self, path: Path, checked: Model, bench: Bench) -> None:
        self._bench = bench
        self._running = Running(path, checked, bench)
        self._fault: ArchlintError | None = None

    def trial(self, trial: Trial) -> Trial:
        """A finding's trial, run on the trace.

        Raises:
            ExchangeError: onnxruntime is missing, or must not or cannot run the file.
            ReadError: it cannot be read any more.
        """
        claim = OnTrace(LOOKS[trial.info.claim](self._running), self._cost())
        info = replaced(trial.info, level=Level.probe, arms=(AS_IT_IS,), seeds=1, epochs=None, steps=None)
        return replace(trial, info=info, claim=claim, plan=None, optimizer="none", assumed=self._assumed, note=NOTE)

    def _cost(self) -> float:
        """Seconds of a look. What stands against one look stands against all, so that it is found out once."""
        if self._fault is not None:
            raise self._fault
        try:
            return self._running.seconds
        except ArchlintError as error:
            self._fault = error
            raise

    @property
    def _assumed(self) -> tuple[str, ...]:
        weights = "the weights in the file were looked at, and no others"
        if self._bench.samples is None:
            return weights, "standardized random inputs stand in for the data"
        return weights, "the network is fed with the data as they are in the file", *self._bench.samples.assumed
