"""Operations: calls of bare functions, which Keras 3 keeps as objects like layers.

A Keras 2 file has TensorFlow's functions instead; those that Keras 3 has a counterpart of are written as that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archlint.graph import Call, Layer
from archlint.readers.keras.classes import snake_case
from archlint.writers import values
from archlint.writers.errors import refuse

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of Keras 3: where it is, what it is called on, and what its constructor takes.

    `listed`: it is called on one list of tensors.
    """

    module: str
    class_name: str
    operands: tuple[str, ...]
    settings: tuple[str, ...] = ()
    listed: bool = False


_BINARY = (
    "Add Subtract Multiply Divide TrueDivide Maximum Minimum Power Mod FloorDivide Matmul Dot Greater GreaterEqual "
    "Less LessEqual Equal NotEqual LogicalAnd LogicalOr"
)
_UNARY = (
    "Negative Absolute Abs Square Sqrt Exp Log Log1p Expm1 Sign Floor Ceil Sin Cos Tanh Reciprocal LogicalNot Copy "
    "Ravel"
)
_REDUCING = "Mean Sum Max Min Prod Std Var Any All Amax Amin Argmax Argmin"
_ACTIVATIONS = (
    "Relu Relu6 Sigmoid Softplus Softsign Silu LogSigmoid HardSigmoid HardSilu Selu TanhShrink HardTanh SparsePlus "
    "SparseSigmoid"
)
_WITH_SETTINGS = {
    "numpy": "Reshape:newshape Squeeze:axis ExpandDims:axis Transpose:axes Swapaxes:axis1,axis2 "
    "Moveaxis:source,destination Clip:x_min,x_max",
    "nn": "LeakyRelu:negative_slope Elu:alpha Celu:alpha Gelu:approximate Glu:axis Softmax:axis LogSoftmax:axis "
    "Sparsemax:axis SoftShrink:threshold HardShrink:threshold Squareplus:b Threshold:threshold,default_value",
    "math": "Logsumexp:axis,keepdims Rsqrt: Erf:",
    "core": "Cast:dtype StopGradient:",
}


def _table() -> Mapping[str, Operation]:
    made = [
        *(Operation("numpy", name, ("x1", "x2")) for name in _BINARY.split()),
        *(Operation("numpy", name, ("x",)) for name in _UNARY.split()),
        *(Operation("numpy", name, ("x",), ("axis", "keepdims")) for name in _REDUCING.split()),
        *(Operation("nn", name, ("x",)) for name in _ACTIVATIONS.split()),
        *(
            Operation(module, name, ("x",), tuple(filter(None, stated.split(","))))
            for module, entries in _WITH_SETTINGS.items()
            for name, _, stated in (entry.partition(":") for entry in entries.split())
        ),
        Operation("numpy", "Where", ("condition", "x1", "x2")),
        Operation("numpy", "GetItem", ("x", "key")),
        Operation("numpy", "Take", ("x", "indices"), ("axis",)),
        Operation("numpy", "Concatenate", ("xs",), ("axis",), listed=True),
        Operation("numpy", "Stack", ("xs",), ("axis",), listed=True),
    ]
    return {snake_case(operation.class_name): operation for operation in made}


_OPERATIONS = _table()

_ALIASES = {
    **dict.fromkeys("add_v2 bias_add".split(), "add"),
    "sub": "subtract",
    "mul": "multiply",
    **dict.fromkeys("div truediv real_div".split(), "divide"),
    **dict.fromkeys("mat_mul batch_mat_mul batch_mat_mul_v2".split(), "matmul"),
    **dict.fromkeys("concat concat_v2".split(), "concatenate"),
    "pack": "stack",
    **dict.fromkeys("select select_v2".split(), "where"),
    **{f"reduce_{name}": name for name in "mean sum max min prod any all std logsumexp".split()},
    "reduce_variance": "var",
    "neg": "negative",
    "pow": "power",
    "floordiv": "floor_divide",
    "clip_by_value": "clip",
    "swish": "silu",
    "hard_swish": "hard_silu",
    "identity": "copy",
    "getitem": "get_item",
}
_ARGUMENTS = {
    "keep_dims": "keepdims",
    "perm": "axes",
    "shape": "newshape",
    "clip_value_min": "x_min",
    "clip_value_max": "x_max",
    "slice_spec": "key",
    "a": "x1",
    "b": "x2",
    "y": "x2",
}
_RAW = frozenset({*map(snake_case, (*_BINARY.split(), *_UNARY.split(), *_ACTIVATIONS.split())), "transpose", "reshape"})
"""What is all in its inputs, so that the `node_def` of a TensorFlow graph says nothing more."""


def operation(layer: Layer) -> Operation:
    """The operation of Keras 3 that a layer is.

    Raises:
        WriteError: there is none.
    """
    name = str(layer.args["op"])
    found = _OPERATIONS.get(_ALIASES.get(name, name))
    if found is None or layer.traits.opaque:
        refuse(layer, f"the operation {name!r} is not known well enough")
    if layer.class_name == "TensorFlowOpLayer" and _ALIASES.get(name, name) not in _RAW:
        refuse(layer, f"the operation {name!r} has settings in TensorFlow's own form")
    return found


def stated(layer: Layer, call: Call) -> tuple[Config, dict[str, Any]]:
    """The constants of a call: settings of the operation, and operands that are no tensors."""
    known, config, operands = operation(layer), {}, {}
    for key, value in _constants(layer, call).items():
        name = _argument(known, key)
        if name in known.settings:
            config[name] = values.plain(layer, value)
        elif name in known.operands:
            operands[name] = _key(layer, value) if name == "key" else values.plain(layer, value)
        elif value not in (None, False):
            refuse(layer, f"its argument {key}={value!r} is not known")
    return config, operands


def _constants(layer: Layer, call: Call) -> dict[str, Any]:
    given = {key: value for key, value in call.constants.items() if key not in ("name", "node_def")}
    if layer.class_name == "TensorFlowOpLayer":
        inner = given.pop("constants", None)
        given |= inner if isinstance(inner, Mapping) else {}
    return given


def _argument(known: Operation, key: str) -> str:
    """What Keras 3 calls an argument, which may be the number of its place."""
    if key.isdigit():
        names = known.operands + known.settings
        return names[int(key)] if int(key) < len(names) else key
    if key == "x" and "x1" in known.operands:
        return "x1"
    if key == "alpha" and known.class_name == "LeakyRelu":
        return "negative_slope"
    return key if key in known.settings else _ARGUMENTS.get(key, key)


def _key(layer: Layer, value: Any) -> Any:
    """What is taken of a tensor: numbers and slices; Keras 2 wrote slices without saying that they are."""
    if isinstance(value, list):
        return [_key(layer, part) for part in value]
    if not isinstance(value, Mapping):
        return value
    found = value["config"] if value.get("class_name") == "__slice__" else value
    if not isinstance(found, Mapping) or set(found) != {"start", "stop", "step"}:
        refuse(layer, f"what it takes of its input is not known: {value!r}")
    return {"class_name": "__slice__", "config": values.plain(layer, dict(found))}


def arguments(layer: Layer, operands: Mapping[str, Any], tensors: Sequence[Any]) -> list[Any]:
    """The arguments of a call in order: constants at their places, tensors at the others."""
    known = operation(layer)
    if known.listed:
        return [list(tensors)]
    left = list(tensors)
    placed = [operands[name] if name in operands else left.pop(0) if left else None for name in known.operands]
    if left or any(value is None for value in placed):
        refuse(layer, f"it has {len(tensors)} inputs, and {len(known.operands) - len(operands)} were expected")
    return placed
