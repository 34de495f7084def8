"""The shapes of all tensors of a model, from the settings of its layers alone.

The rules are in `shape_layers` (by kind) and `shape_ops` (operations, by name). This module takes wrappers off, and
walks the model once.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from archlint.analyses.shape_layers import LAYERS, Shapes
from archlint.analyses.shape_ops import OPERATIONS
from archlint.graph import Layer, Model, Shape, Tensor
from archlint.shape_terms import UnknownError, Use, believable, broadcast, last, total, unknown

KNOWN_WRAPPERS = frozenset({"Bidirectional", "RNN", "SpectralNormalization", "TimeDistributed"})
"""Wrappers that this package sees through; any other one may do anything."""

ELEMENTWISE = frozenset(
    "add subtract multiply divide average maximum minimum where arithmetic activation cast identity".split()
)
"""Kinds whose rule holds for operations as well as for layers."""

RAW_OPERATIONS = frozenset({"transpose", "reshape", "expand_dims", "tile", "pad"})
"""Operations of a TensorFlow graph whose inputs say all; others have attributes in a `node_def`, which is not read."""


def output_shapes(
    layer: Layer, inputs: Sequence[Shape | None], constants: Mapping[str, Any]
) -> tuple[Shape | None, ...]:
    """One shape for each output of the call; None where it cannot be known."""
    try:
        shapes = _per_step(Use(layer, tuple(inputs), constants))
    except UnknownError:
        return (None,)
    return tuple(shape if believable(shape) else None for shape in shapes)


def infer(model: Model) -> dict[Tensor, Shape]:
    """The shapes of all tensors that are known; a tensor without a key is not.

    Where computing gives nothing, what the file itself records of the call is taken. Of a call's further outputs only
    those that are read are kept, so that the result is never larger than the file.
    """
    if model.shapes is not None:
        return dict(model.shapes)
    read = {tensor for call in model.calls for tensor in call.inputs} | {output.tensor for output in model.outputs}
    shapes: dict[Tensor, Shape] = {}
    for number, call in enumerate(model.calls):
        inputs = [shapes.get(tensor) for tensor in call.inputs]
        computed = output_shapes(model.layers[call.layer], inputs, call.constants)
        known = {**call.recorded, **{output: shape for output, shape in enumerate(computed) if shape is not None}}
        made = {Tensor(number, output): shape for output, shape in known.items()}
        shapes |= {tensor: shape for tensor, shape in made.items() if tensor.output == 0 or tensor in read}
    return shapes


def wrappers(layer: Layer) -> set[str]:
    """The classes around a layer, which may be nested: `TimeDistributed(Bidirectional)`."""
    return set(re.findall(r"\w+", layer.wrapper or ""))


def without_time(use: Use) -> Use:
    """The layer as it is called on one step: the axes that it is mapped over are taken off its inputs."""
    axes = use.layer.time_distributed
    inputs = tuple(None if shape is None or len(shape) <= axes else _cut(shape, axes) for shape in use.inputs)
    return replace(use, inputs=inputs)


def _cut(shape: Shape, axes: int) -> Shape:
    return (*shape[:1], *shape[1 + axes :])


def _per_step(use: Use) -> Shapes:
    axes = use.layer.time_distributed
    if not axes:
        return _either_way(use)
    time = use.input()[1 : 1 + axes]
    return tuple((*shape[:1], *time, *shape[1:]) for shape in _either_way(without_time(use)))


def _either_way(use: Use) -> Shapes:
    around = wrappers(use.layer)
    if not around <= KNOWN_WRAPPERS:
        raise UnknownError
    return _both_ways(use) if "Bidirectional" in around else _rule(use)


def _both_ways(use: Use) -> Shapes:
    forward = _rule(use)
    backward = _rule(replace(use, layer=use.layer.backward or use.layer))
    states = forward[1:] + backward[1:]
    mode = use.layer.args.get("merge_mode", "concat")
    if mode is None:
        return (forward[0], backward[0], *states)
    if mode == "concat":
        width = total((last(forward[0]), last(backward[0])))
        return ((*forward[0][:-1], width), *states)
    return (broadcast((forward[0], backward[0])), *states)


def _rule(use: Use) -> Shapes:
    kind, operation = use.layer.kind, use.arg("op")
    if kind in ("custom", "lambda"):
        raise UnknownError
    if operation is not None:
        return _operation(use, str(operation))
    return LAYERS[kind](use) if kind in LAYERS else unknown()


def _operation(use: Use, name: str) -> Shapes:
    raw = use.layer.class_name == "TensorFlowOpLayer"
    if raw:
        use = replace(use, constants=_raw_constants(use.constants))
    if name in OPERATIONS and (not raw or name in RAW_OPERATIONS):
        return OPERATIONS[name](use)
    return LAYERS[use.layer.kind](use) if use.layer.kind in ELEMENTWISE else unknown()


def _raw_constants(constants: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = constants.get("constants")
    return {**constants, **inner} if isinstance(inner, Mapping) else constants
