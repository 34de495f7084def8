"""Findings in an ONNX file put to the test: which of their claims its weights and a forward pass can show, and how."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

from msgspec.structs import replace as replaced

from archlint.errors import ArchlintError
from archlint.graph import Model
from archlint.lab.arms import Array
from archlint.lab.bench import FEWEST_SAMPLES, PROBED_VALUES, Bench
from archlint.lab.claims.traced import LOOKS, OnTrace
from archlint.lab.events import Level
from archlint.lab.exchange import Trace
from archlint.lab.runtime import Batch, Session
from archlint.lab.thresholds import PROBE_SAMPLES
from archlint.lab.trial import AS_IT_IS, Trial

NOTE = "Harm and remedy were not looked at: an ONNX file is the trace of a model, which cannot be trained"


class Traces:
    """Makes trials of the findings in one file; what they have in common is found out once.

    Args:
        path: of the file.
        checked: the model in it, as it was checked.
        bench: has the user's data, and is told of what is measured.
    """

    def __init__(self, path: Path, checked: Model, bench: Bench) -> None:
        self._path, self._checked, self._bench = path, checked, bench
        self._fault: ArchlintError | None = None

    def trial(self, trial: Trial) -> Trial:
        """A finding's trial, run on the trace.

        Raises:
            ExchangeError: onnxruntime is missing, or must not or cannot run the file.
            ReadError: it cannot be read any more.
        """
        claim = OnTrace(LOOKS[trial.info.claim](self), self._cost())
        info = replaced(trial.info, level=Level.probe, arms=(AS_IT_IS,), seeds=1, epochs=None, steps=None)
        return replace(trial, info=info, claim=claim, plan=None, optimizer="none", assumed=self._assumed, note=NOTE)

    @cached_property
    def trace(self) -> Trace:
        """The graph in the file."""
        return Trace.read(self._path, self._checked)

    def session(self, *values: str, change: Callable[[Any], None] | None = None) -> Session:
        """The graph, ready for a look at these values, after it was changed."""
        return Session(self.trace.written(values, change), self.trace.inputs)

    def values(self, *names: str) -> list[Array]:
        """Values of the graph as it is, for all samples."""
        session = self.session(*names)
        return session.values(names, self.batch(session))

    def batch(self, session: Session, most: int = PROBE_SAMPLES) -> Batch:
        """The samples to look at: fewer for a network whose layers are large."""
        shapes = (self._checked.shapes or {}).values()
        values = sum(prod(size or 1 for size in shape[1:]) for shape in shapes)
        many = max(FEWEST_SAMPLES, min(most, PROBED_VALUES // max(1, values)))
        samples = self._bench.samples
        return session.batch(many, samples.data.x if samples else None, self._rows)

    def _cost(self) -> float:
        """Seconds of a look. What stands against one look stands against all, so that it is found out once."""
        if self._fault is not None:
            raise self._fault
        try:
            return self._seconds
        except ArchlintError as error:
            self._fault = error
            raise

    @cached_property
    def _seconds(self) -> float:
        """By the time of a small one."""
        began = perf_counter()
        session = self.session()
        small, whole = self.batch(session, FEWEST_SAMPLES), self.batch(session)
        started = perf_counter()
        session.values(self.trace.outputs, small)
        return started - began + (perf_counter() - started) * whole.samples / small.samples

    @property
    def _assumed(self) -> tuple[str, ...]:
        weights = "the weights in the file were looked at, and no others"
        if self._bench.samples is None:
            return weights, "standardized random inputs stand in for the data"
        return weights, "the network is fed with the data as they are in the file", *self._bench.samples.assumed

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        """How many rows an embedding has, by the input that looks them up."""
        layers, calls = self._checked.layers, self._checked.calls
        read = [number for number, call in enumerate(calls) if layers[call.layer].kind == "input"]
        names = dict(zip(read, self.trace.inputs, strict=True))
        return {
            names[tensor.call]: rows
            for call in calls
            for tensor in call.inputs
            if tensor.call in names and (rows := layers[call.layer].args.get("input_dim"))
        }
