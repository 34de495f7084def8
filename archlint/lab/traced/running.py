"""An ONNX file, run with the samples of the bench as often as somebody wants to look into it."""

from collections.abc import Callable, Mapping
from functools import cached_property
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any

from archlint.graph import Model
from archlint.lab.arms import Array
from archlint.lab.bench import FEWEST_SAMPLES, PROBED_VALUES, Bench
from archlint.lab.thresholds import PROBE_SAMPLES
from archlint.lab.traced.session import Batch, Session
from archlint.lab.traced.trace import Trace


class Running:
    """A trace that can be run.

    Args:
        path: of the file.
        checked: the model in it, as it was checked.
        bench: has the user's data.
    """

    def __init__(self, path: Path, checked: Model, bench: Bench) -> None:
        self._path, self._checked, self._bench = path, checked, bench

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

    @cached_property
    def seconds(self) -> float:
        """How long a run takes, by the time of a small one."""
        began = perf_counter()
        session = self.session()
        small, whole = self.batch(session, FEWEST_SAMPLES), self.batch(session)
        started = perf_counter()
        session.values(self.trace.outputs, small)
        return started - began + (perf_counter() - started) * whole.samples / small.samples

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
