"""The weights that an ONNX file stores: which layer reads them, in which role, and how their numbers are read.

A weight may be brought into form before a layer reads it: transposed, cast, taken from its quantized form. It is found
behind that. What is computed in other ways from stored tensors tells whose they are, but not what they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, NoReturn

import numpy as np

from archlint.errors import ReadError
from archlint.graph import KINDS, Layer, Shape, StoredWeight
from archlint.limits import INTEGER_BYTES, TENSOR_BYTES
from archlint.readers.files import OpenFile
from archlint.readers.onnx.graph import FLOATS, Array, Constant, Graph, Node, Source
from archlint.readers.onnx.meaning.terms import elements, known_sizes
from archlint.readers.onnx.steps import Program, Step
from archlint.readers.onnx.tensors import NUMPY, as_float


@dataclass(frozen=True, slots=True)
class Part:
    """A use of a layer: the layer's number and kind, and the numbers of the steps that it is."""

    layer: int
    kind: str
    steps: tuple[int, ...]


class _Role(NamedTuple):
    """What a stored tensor is to the layer that reads it.

    It has no name if only the layer is known, and an empty one if it only helps to put the layer into operations. Of
    tensors that several layers read, `also` holds the further layers, and what it is to them.
    """

    layer: int
    name: str | None = None
    unit_axis: int | None = None
    also: tuple[tuple[int, str], ...] = ()


def stored_weights(
    source: Source, prog: Program, parts: Sequence[Part], layers: Sequence[Layer]
) -> tuple[StoredWeight, ...]:
    """The weights in a file, in the order of the layers; constants that only steer the computation are none."""
    roles = _roles(prog, parts)
    found = [
        _weight(source.file, constant, roles.get(name), layers)
        for graph in source.graph.graphs()
        for name, constant in graph.constants.items()
        if _is_weight(constant, roles.get(name), layers)
    ]
    return tuple(sorted(found, key=lambda weight: (weight.layer is None, weight.layer or 0)))


def _is_weight(constant: Constant, role: _Role | None, layers: Sequence[Layer]) -> bool:
    """Whether a constant is a weight: it has a role, or numbers that a layer has as weights, or that nothing reads."""
    if role is not None and (role.name is not None or layers[role.layer].weights == ()):
        return bool(role.name)
    return constant.dtype in FLOATS and constant.elements > 1


def _weight(file: OpenFile, constant: Constant, role: _Role | None, layers: Sequence[Layer]) -> StoredWeight:
    fault = _fault(constant)
    dtype = np.dtype(NUMPY.get(constant.dtype, "u1"))
    return StoredWeight(
        layer=role.layer if role else None,
        path=layers[role.layer].name if role else "",
        name=role.name if role and role.name else constant.name,
        shape=constant.shape,
        dtype=dtype.name if constant.dtype in NUMPY else constant.dtype,
        nbytes=constant.elements * (4 if constant.dtype == "bfloat16" else dtype.itemsize),
        read=partial(_refused, constant.name, fault) if fault else partial(_numbers, file, constant),
        unit_axis=role.unit_axis if role else None,
        unreadable=fault,
        also=role.also if role else (),
    )


_INPUTS: Mapping[str, str] = {
    "Conv ConvTranspose FusedConv Gemm": "- kernel bias",
    "MatMul FusedMatMul MatMulInteger ConvInteger Einsum": "- kernel",
    "QLinearConv": "- - - kernel - - - - bias",
    "QLinearMatMul": "- - - kernel",
    "QGemm": "- - - kernel - - bias",
    "LSTM GRU RNN": "- kernel recurrent_kernel bias",
    "BatchNormalization": "- gamma beta moving_mean moving_variance",
    "LayerNormalization InstanceNormalization GroupNormalization RMSNormalization": "- gamma beta",
    "SimplifiedLayerNormalization": "- gamma",
    "SkipLayerNormalization": "- - gamma beta bias",
    "PRelu": "- alpha",
    "Gather": "embeddings",
}
"""What the inputs of operations are, in their order; `-` is data, or nothing that is a weight."""

_PLACES = {op: names.split() for ops, names in _INPUTS.items() for op in ops.split()}


def _roles(prog: Program, parts: Sequence[Part]) -> dict[str, _Role]:
    """The role of each stored tensor that a layer reads: one with a name if it has one anywhere, else the first."""
    makers = {name: node for node in prog.graph.nodes for name in node.outputs if name}
    roles: dict[str, _Role] = {}
    seen: set[str] = set()
    uses = [(part, prog.steps[number]) for part in parts for number in part.steps]
    for part, step in uses:
        for place, value in enumerate(step.inputs):
            if value and value in prog.static:
                name = _name(prog, part.kind, step, place)
                origin, axis = _origin(prog, makers, value, _unit_axis(prog, step, place, name))
                if name is not None and origin:
                    roles[origin] = _together(roles.get(origin), _Role(part.layer, name, axis))
                for held in _sources(prog.graph, makers, value, seen):
                    roles.setdefault(held, _Role(part.layer))
        for body in step.node.bodies.values():
            roles.update((held, _Role(part.layer)) for graph in body.graphs() for held in graph.constants)
    return roles


def _together(known: _Role | None, further: _Role) -> _Role:
    """The first role that has a name, with what it is to others."""
    if known is None or not known.name:
        return further
    if not further.name or further.layer == known.layer:
        return known
    return known._replace(also=tuple(dict.fromkeys((*known.also, (further.layer, further.name)))))


def _name(prog: Program, kind: str, step: Step, place: int) -> str | None:
    """What a constant input of a step is called in a layer of this kind."""
    traits = KINDS[kind]
    if step.op == "InstanceNormalization" and kind == "group_norm":
        return ""
    if step.op in _PLACES:
        fits = traits.affine or traits.recurrent or traits.norm or kind in ("embedding", "activation")
        named = _PLACES[step.op][place : place + 1] if fits else []
        return next((name for name in named if name != "-"), None)
    if elements(prog, step.inputs[place]) == 1:
        return None
    if step.op == "Add" and traits.affine:
        return "bias"
    if step.op == "Mul" or (step.op == "Div" and place == 0):
        return "gamma" if traits.norm or kind == "layer_scale" else "alpha" if kind == "activation" else None
    if step.op in ("Add", "Sub") and traits.norm:
        return "moving_mean" if step.op == "Sub" and place == 1 else "beta"
    return None


def _unit_axis(prog: Program, step: Step, place: int, name: str | None) -> int | None:
    """The axis of the layer's units in a constant input; None if it has none, or the units are not known."""
    shape = known_sizes(prog.shape(step.inputs[place]))
    if name is None or not shape or step.op in ("LSTM", "GRU", "RNN"):
        return None
    if name not in ("kernel", "embeddings"):
        long = [axis for axis, size in enumerate(shape) if size > 1]
        return long[0] if len(long) == 1 else 0 if len(shape) == 1 else None
    if step.op == "ConvTranspose":
        return 1 if step.attrs.get("group", 1) == 1 else None
    if step.op in ("Gemm", "QGemm"):
        return 0 if step.attrs.get("transB") else 1
    if step.op == "Einsum":
        return None
    return 0 if "Conv" in step.op else len(shape) - 1


_UNCHANGING = frozenset({"Identity", "Cast", "CastLike", "DequantizeLinear"})
_RESHAPING = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten"})


def _origin(prog: Program, makers: Mapping[str, Node], value: str, axis: int | None) -> tuple[str | None, int | None]:
    """The stored tensor that a value is, brought into another form, and what an axis of the value is in it."""
    for _ in range(_FARTHEST):
        if value in prog.graph.constants:
            return value, _believed(axis, prog.graph.constants[value])
        node = makers.get(value)
        if node is None or not node.standard or not node.inputs:
            break
        if node.op == "Transpose":
            axis = _axis_before(node, axis, prog.shape(value))
        elif node.op in _RESHAPING:
            axis = None if axis is None else _LOST
        elif node.op not in _UNCHANGING:
            break
        value = node.inputs[0]
    return None, None


_FARTHEST = 8
"""Operations that are seen through in a row."""

_LOST = -1
"""An axis, but which one a reshaping has hidden; of a vector it is clear."""


def _believed(axis: int | None, constant: Constant) -> int | None:
    if axis == _LOST:
        return 0 if len(constant.shape) == 1 else None
    return axis


def _axis_before(node: Node, axis: int | None, shape: Shape | None) -> int | None:
    """Where an axis of what a Transpose makes was before."""
    if axis is None or axis == _LOST:
        return axis
    perm = node.attrs.get("perm", list(range(len(shape or ())))[::-1])
    return perm[axis] if isinstance(perm, list) and axis in range(len(perm)) and axis in perm else None


def _sources(graph: Graph, makers: Mapping[str, Node], value: str, seen: set[str]) -> Iterator[str]:
    """The stored tensors that a value is computed from, without those that were `seen` before."""
    pending = [value]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in graph.constants:
            yield name
        elif name in makers:
            pending += (*makers[name].inputs, *makers[name].captured)


_RAW, _VARINTS = 9, frozenset({5, 7, 11})
_FLAT = {"float": 4, "double": 10}
"""Fields of a TensorProto: raw bytes; lists of integers, which are of varying length; lists of floats."""


def _fault(constant: Constant) -> str | None:
    """Why the numbers of a tensor cannot be read, None if they can."""
    if constant.external is not None:
        return "its numbers are in another file, which is never opened"
    if constant.value is not None:
        return None
    payload = constant.payload
    if constant.nbytes > TENSOR_BYTES or (payload is not None and payload.length > TENSOR_BYTES):
        return "its numbers are more than are read of one tensor"
    if payload is None or payload.offset is None or constant.dtype not in (*NUMPY, "bfloat16"):
        return "its numbers are stored in a form that is not read"
    if payload.field in _VARINTS and payload.length > INTEGER_BYTES:
        return "its numbers are written as a list of integers too long to be read"
    return None


def _refused(name: str, fault: str) -> NoReturn:
    raise ReadError(f"the tensor {name!r} cannot be read: {fault}; export the model again")


def _numbers(file: OpenFile, constant: Constant) -> Array:
    """The numbers of a tensor, read now."""
    payload = constant.payload
    if constant.value is not None or payload is None or payload.offset is None:
        return np.asarray(constant.value)
    raw = np.empty(payload.length, np.uint8)
    file.fill(raw.data, payload.offset)
    found = _decoded(raw, constant.dtype, payload.field)
    if found.size != constant.elements:
        _refused(constant.name, f"it holds {found.size:,} numbers, but is declared to have {constant.elements:,}")
    return found.reshape(constant.shape)


def _decoded(raw: Array, dtype: str, field: int) -> Array:
    """The numbers that the bytes of a field stand for."""
    if field in _VARINTS:
        whole = _integers(raw)
        bits = dtype in ("float16", "bfloat16")
        raw = whole.astype("<u2" if bits else NUMPY[dtype]).view(np.uint8)
    elif field != _RAW and field != _FLAT.get(dtype):
        return np.empty(0)
    kind = np.dtype("<u2" if dtype == "bfloat16" else NUMPY[dtype])
    found = raw[: raw.size - raw.size % kind.itemsize].view(kind)
    return as_float(found) if dtype == "bfloat16" else found


def _integers(raw: Array) -> Array:
    """The integers of a packed list: seven bits in each byte, the lowest first, the top bit set if more follow."""
    ends = np.flatnonzero(raw < 128)
    if not ends.size or ends[-1] != raw.size - 1:
        return np.empty(0, np.uint64)
    starts = np.concatenate(([0], ends[:-1] + 1))
    place = np.arange(raw.size) - np.repeat(starts, ends - starts + 1)
    bits = (raw & 127).astype(np.uint64) << np.minimum(7 * place, 63).astype(np.uint64)
    return np.bitwise_or.reduceat(bits, starts)
