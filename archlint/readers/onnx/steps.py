"""What a graph does to data, step by step: without what only prepares constants, and without what changes nothing.

Exporters fill graphs with shape arithmetic, casts to the type a value has already, and Transposes around every
convolution of a channels-last model. Here they go; each step remembers the nodes that it stands for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from archlint.graph import Shape
from archlint.readers.onnx.graph import Array, Graph, Node
from archlint.readers.onnx.shapes import Values

RANDOM = frozenset(
    "RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial Bernoulli "
    "StatelessRandomUniformV2 StatelessRandomNormalV2".split()
)
"""Operations that draw numbers; the last two are TensorFlow's, left in by tf2onnx."""

_MEASURES = frozenset({"Shape", "Size"})
_SAME = frozenset({"Identity", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})
_NEUTRAL = {"Mul": 1, "Div": 1, "Add": 0, "Sub": 0}
"""What these change nothing with, as their second input."""

_SIGNED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "BatchNormalization"})
"""Operations after which a ReLU makes sense: quantizers drop it where the quantization cuts off as well."""

_MAPS = frozenset(
    "Conv ConvTranspose ConvInteger QLinearConv FusedConv MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool "
    "BatchNormalization InstanceNormalization GroupNormalization LRN Resize Upsample DepthToSpace SpaceToDepth".split()
)
"""Operations that know feature maps with their channels first only."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on data. `nodes` are the numbers of the graph's nodes that it stands for, its own the first.

    `channels_last`: the Transposes around it are part of it.
    """

    node: Node
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[int, ...]
    channels_last: bool = False

    @property
    def op(self) -> str:
        """The operation's name; with its domain, if that is not one of those known here."""
        known = self.node.standard or self.node.domain == "com.microsoft"
        return self.node.op if known else f"{self.node.domain}.{self.node.op}"

    @property
    def attrs(self) -> Mapping[str, Any]:
        """The operation's attributes."""
        return self.node.attrs


@dataclass(frozen=True, slots=True)
class Program:
    """The steps of a graph in topological order, and who makes and reads which value.

    `static` are the values that no data flows into: constants, and what follows from constants and shapes.
    `idle` are the numbers of the nodes that change nothing; `alias` leads from what they make to what it is.
    """

    graph: Graph
    values: Values
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    static: frozenset[str]
    idle: frozenset[int]
    alias: Mapping[str, str]
    maker: Mapping[str, int]
    readers: Mapping[str, tuple[int, ...]]
    ops: frozenset[str]
    ends: frozenset[str]

    def shape(self, value: str) -> Shape | None:
        """The shape of a value, None if it is not known."""
        return self.values.shapes.get(value)

    def known(self, value: str) -> Array | None:
        """The elements of a small constant."""
        return self.values.known.get(value)

    def scalar(self, value: str) -> float | None:
        """The number that all elements of a small constant are."""
        found = self.known(value)
        if found is None or found.size == 0 or found.dtype == object or found.dtype.kind not in "fiub":
            return None
        first = found.flat[0]
        return float(first) if bool((found == first).all()) else None


def program(graph: Graph, values: Values) -> Program:
    """The steps of a graph."""
    static = _static(graph, values)
    steps, alias, idle = _without_idle(graph, values, static)
    outputs = tuple(alias.get(name, name) for name in graph.outputs)
    steps = _without_layout(steps, outputs)
    steps, more = _without_pairs(steps, outputs)
    alias |= {name: more.get(target, target) for name, target in alias.items()} | more
    outputs = tuple(more.get(name, name) for name in outputs)
    return Program(
        graph=graph,
        values=values,
        steps=tuple(steps),
        outputs=outputs,
        static=frozenset(static),
        idle=frozenset(idle),
        alias=alias,
        maker={name: number for number, step in enumerate(steps) for name in step.outputs if name},
        readers=_readers(steps),
        ops=frozenset(step.op for step in steps),
        ends=frozenset(outputs),
    )


def _readers(steps: Iterable[Step]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = defaultdict(list)
    for number, step in enumerate(steps):
        for name in dict.fromkeys(step.inputs):
            found[name].append(number)
    return {name: tuple(numbers) for name, numbers in found.items()}


def _static(graph: Graph, values: Values) -> set[str]:
    """Values that are the same whatever data comes in, the sizes of the data aside."""
    static = {*graph.constants, *values.fixed, ""}
    for node in graph.nodes:
        read = [*node.inputs, *node.captured]
        drawn = not any(read) or (node.standard and node.op in RANDOM)
        measured = node.standard and node.op in _MEASURES
        if measured or (not drawn and all(name in static for name in read)):
            static.update(node.outputs)
        elif node.op == "DynamicQuantizeLinear":  # its scale and zero point are measures of the data, too
            static.update(node.outputs[1:])
    return static


def _without_idle(graph: Graph, values: Values, static: set[str]) -> tuple[list[Step], dict[str, str], set[int]]:
    steps: list[Step] = []
    alias: dict[str, str] = {}
    idle: set[int] = set()
    makers: dict[str, str] = {}
    for number, node in enumerate(graph.nodes):
        if all(name in static for name in node.outputs):
            continue
        read = tuple(alias.get(name, name) for name in (*node.inputs, *node.captured))
        if _changes_nothing(node, values) and not (makers.get(read[0]) in _SIGNED and cuts_off(node, 2, values)):
            idle.add(number)
            alias[node.outputs[0]] = read[0]
        else:
            steps.append(Step(node, read, node.outputs, (number,)))
            makers.update((name, node.op) for name in node.outputs)
    return steps, alias, idle


def cuts_off(node: Node, place: int, values: Values) -> bool:
    """Whether a quantization, whose zero point is that input, has no numbers below zero: it is a ReLU then."""
    if not node.op.startswith("Q") or len(node.inputs) <= place:
        return False
    zero, dtype = values.known.get(node.inputs[place]), values.dtypes.get(node.inputs[place])
    lowest = {"uint8": 0, "int8": -128, "uint16": 0, "int16": -32768}.get(dtype or "")
    return zero is not None and lowest is not None and zero.size > 0 and bool((zero == lowest).all())


def _changes_nothing(node: Node, values: Values) -> bool:
    if not (node.standard and node.inputs and node.inputs[0]):
        return False
    if node.op in _SAME:
        return True
    if len([name for name in node.outputs if name]) != 1:
        return False
    if node.op == "Cast":
        dtype = values.dtypes.get(node.inputs[0])
        return dtype is not None and dtype == values.dtypes.get(node.outputs[0])
    if node.op == "Transpose":
        perm = node.attrs.get("perm")
        return isinstance(perm, list) and bool(perm) and perm == list(range(len(perm)))
    if node.op in ("Concat", "Sum", "Max", "Min", "Mean"):
        return len(node.inputs) == 1
    if node.op in _NEUTRAL and len(node.inputs) == 2:
        operand = values.known.get(node.inputs[1])
        if operand is None or operand.shape not in ((), (1,)) or operand.dtype == np.float16:
            return False  # a zero in half may be an epsilon that was too small: a hazard, not idle
        return bool(operand.item() == _NEUTRAL[node.op])
    if node.op not in ("Reshape", "Flatten", "Expand"):
        return False
    before, after = values.shapes.get(node.inputs[0]), values.shapes.get(node.outputs[0])
    most = 0 if node.op == "Expand" else 1  # as many elements as before: one open dimension cannot have changed alone
    return before is not None and before == after and before.count(None) <= most


def to_first(rank: int) -> list[int]:
    """The permutation that puts the channels first."""
    return [0, rank - 1, *range(1, rank - 1)]


def to_last(rank: int) -> list[int]:
    """The permutation that puts the channels last."""
    return [0, *range(2, rank), 1]


def _perm(step: Step) -> list[int]:
    perm = step.attrs.get("perm")
    return perm if step.op == "Transpose" and isinstance(perm, list) else []


def _undoes(second: list[int], first: list[int]) -> bool:
    """Whether a permutation after another one leaves the axes as they were; either may be none at all."""
    axes = list(range(len(first)))
    return sorted(second) == axes and sorted(axes, key=second.__getitem__) == first


def _without_layout(steps: list[Step], outputs: tuple[str, ...]) -> list[Step]:
    """A map operation between two Transposes that bring the channels to the front and back is channels-last."""
    maker = {name: number for number, step in enumerate(steps) for name in step.outputs if name}
    readers = _readers(steps)
    folded: dict[int, Step] = {}
    befores: set[int] = set()
    afters: set[int] = set()
    for number, step in enumerate(steps):
        if step.op not in _MAPS or not step.inputs or step.outputs[0] in outputs:
            continue
        before, readings = maker.get(step.inputs[0]), readers.get(step.outputs[0], ())
        if before is None or len(readings) != 1:
            continue
        after = readings[0]
        there, back = _perm(steps[before]), _perm(steps[after])
        rank = len(there)
        if rank < 3 or there != to_first(rank) or back != to_last(rank):
            continue
        nodes = (*step.nodes, *steps[after].nodes, *(() if before in befores else steps[before].nodes))
        inputs = (steps[before].inputs[0], *step.inputs[1:])
        folded[number] = replace(step, inputs=inputs, outputs=steps[after].outputs, nodes=nodes, channels_last=True)
        befores.add(before)
        afters.add(after)
    left = [folded.get(number, step) for number, step in enumerate(steps) if number not in afters]
    read = {*outputs, *(name for step in left for name in step.inputs)}
    unused = {steps[number].outputs for number in befores if steps[number].outputs[0] not in read}
    return [step for step in left if step.outputs not in unused]


def _without_pairs(steps: list[Step], outputs: tuple[str, ...]) -> tuple[list[Step], dict[str, str]]:
    """Two Transposes in a row that undo each other go; so does the first, if nothing else reads it."""
    alias: dict[str, str] = {}
    made: dict[str, Step] = {}
    kept: list[Step] = []
    for original in steps:
        step = replace(original, inputs=tuple(alias.get(name, name) for name in original.inputs))
        first, second = made.get(step.inputs[0]) if step.inputs else None, _perm(step)
        if first is not None and second and _undoes(second, _perm(first)):
            alias[step.outputs[0]] = first.inputs[0]
            continue
        if _perm(step):
            made[step.outputs[0]] = step
        kept.append(step)
    read = {name for step in kept for name in step.inputs} | {alias.get(name, name) for name in outputs}
    return [step for step in kept if step.op != "Transpose" or step.outputs[0] in read], alias
