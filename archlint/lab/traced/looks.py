"""Claims as far as a trace can show them: with its weights and a forward pass, without gradients or training.

The weights in the file are the only draw there is. So it is whether the mechanism is at work in *this* network that is
found out; whether it does harm, and whether the remedy helps, stays untested.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import inf, log2, nan
from typing import Any, ClassVar

import numpy as np

from archlint.graph import Layer
from archlint.lab.arms import Array
from archlint.lab.claims import drift, shift
from archlint.lab.thresholds import DRIFT_OCTAVES, TRACE_ALIKE, TRACE_REMAINS, VARIANCE_SHIFT
from archlint.lab.traced.running import Running
from archlint.lab.traced.trace import ExchangeError
from archlint.rules.finding import Finding

_PUT_IN = "archlint/put-in"
_FLOATS = {"float": 1, "float16": 10, "double": 11}
_BOOL = 9  # as those above, of TensorProto.DataType

_SWITCHED = 12
"""The opset since which an input of Dropout says whether it is at work."""


class Look(ABC):
    """What to look at in a trace, and what it takes to call the claim true.

    `number` is what reports call the result, `metric` the same in words. The graph is run `runs` times.
    """

    number: ClassVar[str]
    metric: ClassVar[str]
    threshold: ClassVar[float]
    runs: ClassVar[int] = 2

    def __init__(self, running: Running) -> None:
        self.running, self.trace = running, running.trace

    @abstractmethod
    def measure(self, finding: Finding) -> float:
        """The number; nan if these samples do not give it.

        Raises:
            ExchangeError: the value to look at is not in the graph, or onnxruntime cannot run it.
        """

    def shows(self, value: float) -> bool:
        """Whether what was measured is what the claim says."""
        return value < self.threshold

    def read_by_norm(self, finding: Finding) -> tuple[str, int, Layer]:
        """What the normalization reads that a finding is about, the axis of its units in that, and itself."""
        name = str(finding.evidence["norm"])
        norm = self.trace.layer(name)
        core = next((node for node in self.trace.nodes(name) if node.op == "BatchNormalization"), None)
        if core is not None:
            return self.trace.seen(core.inputs[0], name), 1, norm
        return self.trace.received(name), int(norm.args.get("axis", -1)), norm


class Drift(Look):
    """Doublings of the spread, from what the first layer with weights receives to what the last does."""

    number, metric, threshold, runs = "drift", drift.METRIC, DRIFT_OCTAVES, 1

    def measure(self, finding: Finding) -> float:  # noqa: ARG002
        """Of the whole network, whichever layer the finding is about."""
        model = self.trace.model
        layers = [layer.name for layer in model.layers if layer.traits.weighted and layer.kind != "embedding"]
        if len(layers) < 2:
            return nan
        ends = (self.trace.received(name) for name in (layers[0], layers[-1]))
        first, last = (float(np.std(array, dtype=np.float64)) for array in self.running.values(*ends))
        if not first:
            return nan
        return log2(last / first) if last else -inf

    def shows(self, value: float) -> bool:
        """It drifts, up or down."""
        return abs(value) > self.threshold


class Alike(Look):
    """How much the units of a layer differ, over how much they vary."""

    number, metric, threshold, runs = "difference", "difference between the units over their spread", TRACE_ALIKE, 1

    def measure(self, finding: Finding) -> float:
        """Of the layer's values; nan if they are all the same."""
        name = finding.layer or ""
        (array,) = self.running.values(self.trace.made(name))
        axis = 1 if self.trace.layer(name).args.get("data_format") == "channels_first" else -1
        units = _by_unit(array, axis)
        spread = float(units.std())
        return float(np.sqrt(np.mean((units - units.mean(axis=1, keepdims=True)) ** 2))) / spread if spread else nan


class Redundant(Look):
    """What a normalization leaves of a bias: in training it subtracts each unit's mean over the batch.

    That is done here: the bias is changed, and what that changes in front of the normalization is compared with its
    mean. It is the same as asking whether a gradient reaches the bias, and takes none.
    """

    number, metric, threshold = "share", "share of a change of the bias that the normalization leaves", TRACE_REMAINS

    def measure(self, finding: Finding) -> float:
        """Of a random change as large as the values are."""
        value, axis, _ = self.read_by_norm(finding)
        maker, place, dtype, shape = self._bias(finding.layer or "")

        def change(graph: Any) -> None:
            _shift(graph, maker, place, dtype)

        session = self.running.session(value, change=change)
        batch = self.running.batch(session)
        nothing = np.zeros(shape, "float32" if dtype == "float" else dtype)
        (before,) = session.values([value], batch, {_PUT_IN: nothing})
        scale = float(np.sqrt(np.mean(np.square(before, dtype=np.float64)))) or 1.0
        moved = (scale * np.random.default_rng(0).normal(size=shape)).astype(nothing.dtype)
        (after,) = session.values([value], batch, {_PUT_IN: moved})
        changed = _by_unit(after, axis) - _by_unit(before, axis)
        left = changed - changed.mean(axis=0)
        whole = float(np.linalg.norm(changed))
        return float(np.linalg.norm(left)) / whole if whole else nan

    def _bias(self, name: str) -> tuple[str, int, str, tuple[int, ...]]:
        """The value that is made with the bias of a layer, which input of its node the bias is, its type and shape."""
        for node in self.trace.nodes(name):
            for place in _PLACES.get(node.op, ()):
                constant = self.trace.stored(node.inputs[place]) if place < len(node.inputs) else None
                if constant is not None and constant.dtype in _FLOATS:
                    return self.trace.seen(node.outputs[0], name), place, constant.dtype, constant.shape
        raise ExchangeError(f"the bias of {name} is not stored as such")


_PLACES: Mapping[str, tuple[int, ...]] = {**dict.fromkeys(("Conv", "ConvTranspose", "Gemm"), (2,)), "Add": (0, 1)}
"""The inputs of a node that can be a bias."""


class Shift(Look):
    """The variance that a normalization sees with dropout over the one that it sees without."""

    number, metric, threshold = "variance shift", shift.METRIC, VARIANCE_SHIFT

    def measure(self, finding: Finding) -> float:
        """The median over its units; nan if none varies."""
        name = finding.layer or ""
        opset = self.trace.model.exchange.opset if self.trace.model.exchange else 0
        if opset < _SWITCHED or all(node.op != "Dropout" for node in self.trace.nodes(name)):
            raise ExchangeError(f"{name} is written in a way that does not let it be switched on and off")
        value, axis, norm = self.read_by_norm(finding)
        session = self.running.session(value, change=_switch)
        batch = self.running.batch(session)
        with_it, without = (
            _by_unit(session.values([value], batch, {_PUT_IN: np.array(on)})[0], axis).var(axis=0)
            for on in (True, False)
        )
        varying = without > float(norm.args.get("epsilon", 0.0))
        return float(np.median(with_it[varying] / without[varying])) if varying.any() else nan

    def shows(self, value: float) -> bool:
        """It is larger in training."""
        return value > self.threshold


LOOKS: Mapping[str, type[Look]] = {
    "redundant-bias": Redundant,
    "selu-drift": Drift,
    "symmetric": Alike,
    "variance-shift": Shift,
}
"""What a trace can show, by the claim."""


def _by_unit(array: Array, axis: int) -> Array:
    """A row for each sample and position, a column for each unit; in double precision."""
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis]).astype(np.float64)


def _shift(graph: Any, maker: str, place: int, dtype: str) -> None:
    """Add what is put in to an input of the node that makes a value."""
    number = next(number for number, node in enumerate(graph.node) if maker in node.output)
    node, moved = graph.node[number], f"{_PUT_IN}/sum"
    adding = type(node)(op_type="Add", input=[node.input[place], _PUT_IN], output=[moved])
    node.input[place] = moved
    graph.node.insert(number, adding)
    _open(graph, _FLOATS[dtype])


def _switch(graph: Any) -> None:
    """Let what is put in say whether dropout is at work."""
    for node in graph.node:
        if node.op_type == "Dropout" and node.domain in ("", "ai.onnx"):
            ratio = node.input[1] if len(node.input) > 1 else ""
            node.input[1:] = [ratio, _PUT_IN]
    _open(graph, _BOOL)


def _open(graph: Any, dtype: int) -> None:
    further = graph.input.add()
    further.name = _PUT_IN
    further.type.tensor_type.elem_type = dtype
