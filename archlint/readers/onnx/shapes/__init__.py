"""The shapes and element types of all values of an ONNX graph, and the elements of small ones, node by node.

The rules are in the modules of this package, by kind of operation. What they give is preferred to what the file
declares; what they leave open is taken from there, dimension by dimension.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from archlint.graph import Shape
from archlint.readers.onnx.graph import Array, Constant, Graph, Node, Type
from archlint.readers.onnx.shapes import (
    attention,
    elementwise,
    images,
    layout,
    products,
    recurrent,
    reductions,
    runtime,
    selection,
    windows,
)
from archlint.readers.onnx.shapes.control import CONTROL, opaque, taken_branch
from archlint.readers.onnx.shapes.dtypes import output_dtypes
from archlint.readers.onnx.shapes.terms import Call, Rule, Rules, Shapes
from archlint.readers.onnx.shapes.values import EVALUATIONS
from archlint.readers.onnx.tensors import NUMPY
from archlint.shape_terms import UnknownError, believable, known, unknown

MOST_ELEMENTS = 1_024
"""Elements of a tensor that is worth computing."""

ALL_ELEMENTS = 2**20
"""Elements that are computed of one model in all: many small tensors, too, would fill the memory."""

RULES: Mapping[str, Rule] = {
    **elementwise.RULES,
    **images.RULES,
    **layout.RULES,
    **products.RULES,
    **reductions.RULES,
    **selection.RULES,
    **windows.RULES,
}

MANY: Mapping[str, Rules] = {
    **attention.MANY,
    **layout.MANY,
    **recurrent.MANY,
    **reductions.MANY,
    **windows.MANY,
}

DOMAINS: Mapping[str, tuple[Mapping[str, Rule], Mapping[str, Rules]]] = {
    "": (RULES, MANY),
    "com.microsoft": (runtime.RULES, runtime.MANY),
}

RANDOM = frozenset(
    "Bernoulli BiasDropout BitmaskDropout Dropout Multinomial RandomNormal RandomNormalLike RandomUniform "
    "RandomUniformLike".split()
)

NUMPY_ERRORS = (ArithmeticError, IndexError, MemoryError, TypeError, ValueError)
"""What NumPy says of arguments that do not fit."""


@dataclass(slots=True)
class Values:
    """What is known of values, by name; a value without an entry is unknown. Names of bodies are among them.

    `known` are the elements of small tensors; None, in an array of objects, stands for those that depend on open
    dimensions. `fixed` are values computed from constants alone, and these themselves, of whatever size.
    """

    shapes: dict[str, Shape] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)
    known: dict[str, Array] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)


def infer(graph: Graph) -> Values:
    """Go through the graph once, and through the bodies of its nodes where these are run."""
    walk = _Walk()
    with np.errstate(all="ignore"):
        walk.body(graph, ())
    return walk.values


class _Walk:
    """Goes through a graph and fills in the values."""

    def __init__(self) -> None:
        self.values = Values()
        self.depth = 0
        self._left = ALL_ELEMENTS

    def body(self, graph: Graph, inputs: Sequence[Type]) -> list[Type]:
        """The types of the graph's outputs, from those of its inputs as far as they are given."""
        self.depth += 1
        self._forget(graph)
        for constant in graph.constants.values():
            self._constant(constant)
        given = (*inputs, *(Type(),) * len(graph.inputs))
        for name, stated in zip(graph.inputs, given, strict=False):
            self._put(name, stated.shape, stated.dtype, graph.types.get(name))
        for node in graph.nodes:
            self._node(node, graph.types)
        self.depth -= 1
        return self._types_of(graph.outputs)

    def _constant(self, constant: Constant) -> None:
        self._put(constant.name, constant.shape, constant.dtype, None)
        self.values.fixed.add(constant.name)
        if constant.value is not None and constant.value.size <= MOST_ELEMENTS:
            self.values.known[constant.name] = constant.value

    def _forget(self, graph: Graph) -> None:
        """Take out what a former turn of a loop said of its body."""
        values = self.values
        if self.depth > 1:
            for name in (*graph.inputs, *(name for node in graph.nodes for name in node.outputs)):
                for noted in (values.shapes, values.dtypes, values.known):
                    noted.pop(name, None)
                values.fixed.discard(name)

    def _put(self, name: str, shape: Shape | None, dtype: str | None, declared: Type | None) -> None:
        """Note what is known of a value."""
        if declared is not None:
            shape, dtype = _completed(shape, declared.shape), dtype or declared.dtype
        if shape is not None and believable(shape):
            self.values.shapes[name] = shape
        if dtype is not None and dtype != "undefined":
            self.values.dtypes[name] = dtype

    def _node(self, node: Node, types: Mapping[str, Type]) -> None:
        values = self.values
        call = Call(node, values.shapes, values.dtypes, values.known)
        if node.bodies:
            self._control(call, types)
            return
        shapes, dtypes = _output_types(call)
        for number, name in enumerate(node.outputs):
            if name:
                shape = shapes[number] if number < len(shapes) else None
                dtype = dtypes[number] if number < len(dtypes) else None
                self._put(name, shape, dtype, types.get(name))
        if shapes:
            self._evaluate(call)
            self._fix(node)

    def _control(self, call: Call, types: Mapping[str, Type]) -> None:
        taken = taken_branch(call)
        try:
            made = CONTROL.get(call.node.op, opaque)(call, self)
        except UnknownError:
            made = ()
        if taken is not None:
            made = self._types_of(taken.outputs)
        outputs = call.node.outputs
        for name, result in zip(outputs, (*made, *(Type(),) * len(outputs)), strict=False):
            self._put(name, result.shape, result.dtype, types.get(name))
        for name, origin in zip(outputs, taken.outputs if taken else (), strict=False):
            self._same(name, origin)

    def _types_of(self, names: Sequence[str]) -> list[Type]:
        return [Type(self.values.dtypes.get(name), self.values.shapes.get(name)) for name in names]

    def _same(self, name: str, origin: str) -> None:
        """Note that a value is another one."""
        known, fixed = self.values.known, self.values.fixed
        if origin in known:
            known[name] = known[origin]
        if origin in fixed:
            fixed.add(name)

    def _evaluate(self, call: Call) -> None:
        """Compute the outputs if they are small and the inputs known."""
        evaluation = EVALUATIONS.get(call.node.op)
        if evaluation is None or not call.node.standard:
            return
        shapes = [shape for name in call.node.outputs if (shape := self._small(name)) is not None]
        if len(shapes) < len(call.node.outputs):
            return
        try:
            arrays = [self._settled(*pair) for pair in zip(call.node.outputs, evaluation(call, shapes), strict=False)]
        except (UnknownError, *NUMPY_ERRORS):
            return
        self.values.known.update(zip(call.node.outputs, arrays, strict=False))
        self._left -= sum(array.size for array in arrays)

    def _small(self, name: str) -> tuple[int, ...] | None:
        """The shape of an output if it is worth computing."""
        shape = self.values.shapes.get(name)
        if shape is None or None in shape:
            return None
        sizes = tuple(map(known, shape))
        return sizes if math.prod(sizes) <= min(MOST_ELEMENTS, self._left) else None

    def _settled(self, name: str, array: Array) -> Array:
        """The elements of an output, if they are of the type and shape that it has."""
        kind = np.dtype(NUMPY.get(self.values.dtypes.get(name, "")) or unknown())
        if array.dtype == object and None not in array.ravel().tolist():
            array = array.astype(kind)
        return array if array.shape == self.values.shapes[name] and array.dtype in (kind, object) else unknown()

    def _fix(self, node: Node) -> None:
        fixed, known = self.values.fixed, self.values.known
        for name in node.inputs:
            if name and name not in fixed and (name not in known or known[name].dtype == object):
                return
        if node.op not in RANDOM:
            fixed.update(name for name in node.outputs if name)


def _output_types(call: Call) -> tuple[Shapes, Sequence[str | None]]:
    """The shapes and types of a node's outputs; nothing if no rule can tell."""
    node = call.node
    one, many = DOMAINS.get(node.domain, ({}, {}))
    rule, rules = one.get(node.op), many.get(node.op)
    try:
        if rule is not None:
            return (rule(call),) * len(node.outputs), output_dtypes(call)
        return (rules(call), output_dtypes(call)) if rules is not None else ((), ())
    except UnknownError:
        return (), ()


def _completed(shape: Shape | None, declared: Shape | None) -> Shape | None:
    """An inferred shape with its open dimensions as they are declared."""
    if shape is None or declared is None:
        return declared if shape is None else shape
    if None not in shape or len(shape) != len(declared):
        return shape
    return tuple(other if dim is None else dim for dim, other in zip(shape, declared, strict=True))
