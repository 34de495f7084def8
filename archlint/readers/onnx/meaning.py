"""What single operations mean: each becomes a neutral layer with Keras's settings and its weights.

The table at the end says it for every operation that archlint knows. What is not there, or does not fit, means
nothing to it: an opaque `operation`. So does what is malformed: as in `shape_terms`, an attribute that is not what it
should be raises `UnknownError` where it is read, and no operation checks anything twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from math import inf, isfinite, prod
from typing import Any, ParamSpec

from archlint.graph import Shape, Weight
from archlint.readers.onnx.graph import FLOATS, Constant, Graph
from archlint.readers.onnx.notes import was_training
from archlint.readers.onnx.steps import RANDOM, Program, Step, cuts_off
from archlint.shape_terms import UnknownError, axes_of, each, items, positive, unknown, whole, wholes


@dataclass(frozen=True, slots=True)
class Meaning:
    """A layer in the making. `weights` is None where what the file stores does not tell their shapes."""

    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[Weight, ...] | None = ()
    wrapper: str | None = None


Meaner = Callable[[Program, Step], Meaning | None]
"""Gives the meaning of a step, None if it has none that is known."""

P = ParamSpec("P")


def _careful(mean: Callable[P, Meaning | None]) -> Callable[P, Meaning | None]:
    """A meaner that finds no meaning in what is malformed."""

    @wraps(mean)
    def careful(*args: P.args, **kwargs: P.kwargs) -> Meaning | None:
        try:
            return mean(*args, **kwargs)
        except UnknownError:
            return None

    return careful


_DEFINED = frozenset({"", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "com.microsoft"})
"""Domains whose operators are public: ONNX's and onnxruntime's."""


def opaque(prog: Program, step: Step) -> Meaning:
    """An operation whose meaning is not known; what it holds is counted."""
    kind = "operation" if step.node.domain in _DEFINED else "custom"
    if step.op in RANDOM:
        return Meaning(kind, {"op": step.op})  # what it reads is a shape at most
    held = [constant for body in step.node.bodies.values() for constant in _held(body)]
    constants = [prog.graph.constants[name] for name in dict.fromkeys(step.inputs) if name in prog.graph.constants]
    weights = [Weight("stored", item.shape) for item in (*constants, *held) if _is_weight(item)]
    return Meaning(kind, {"op": step.op}, tuple(weights))


def _held(body: Graph) -> list[Constant]:
    inner = [constant for node in body.nodes for deeper in node.bodies.values() for constant in _held(deeper)]
    return [*body.constants.values(), *inner]


def _is_weight(constant: Constant) -> bool:
    return constant.dtype in FLOATS and constant.elements > 1


# --- kernels


_BIASES = {"Gemm": 2, "QGemm": 6, "Conv": 2, "ConvTranspose": 2, "FusedConv": 2, "QLinearConv": 8}
"""Which input is the bias."""


@_careful
def dense(prog: Program, step: Step, added: str = "") -> Meaning | None:
    """MatMul or Gemm of data and a constant matrix; `added` is the constant that is added behind it."""
    kernel = _kernel_of_product(prog, step)
    if kernel is None:
        return None
    inputs, units = kernel
    args = {"units": units, **_fused_activation(prog, step)}
    return _with_bias(prog, "dense", args, Weight("kernel", (inputs, units)), _bias(prog, step, added, units), units)


def _kernel_of_product(prog: Program, step: Step) -> tuple[int, int] | None:
    """(inputs, units) of a product with a constant; None if it is none of a matrix, or of data with data."""
    place = 3 if step.op in ("QLinearMatMul", "QGemm") else 1
    if len(step.inputs) <= place or step.inputs[0] in prog.static or step.inputs[place] not in prog.static:
        return None
    shape = _sizes(prog.shape(step.inputs[place]))
    if shape is None or len(shape) < 2 or prod(shape[:-2]) != 1 or step.attrs.get("transA"):
        return None
    rows, columns = shape[-2:]
    return (columns, rows) if step.attrs.get("transB") else (rows, columns)


def _bias(prog: Program, step: Step, added: str, units: int) -> str:
    """The constant that is the bias; empty if there is none.

    A bias that is data does not go through the kernel, as other inputs of a layer do: what has one is no layer.
    """
    place = _BIASES.get(step.op)
    own = "" if place is None else _input(step, place)
    # One number for all that is added behind is no bias, but keeps what follows from reaching zero.
    fitting = (None, units) if added else (None, 1, units)
    bias = added or own
    return bias if own in prog.static and (not bias or elements(prog, bias) in fitting) else unknown()


def _with_bias(prog: Program, kind: str, args: dict[str, Any], kernel: Weight, bias: str, units: int) -> Meaning:
    # Exporters leave out a bias that is zero, and make one of zeros where there is none: only another one is known.
    bias = "" if prog.scalar(bias) == 0 else bias
    use_bias = {"use_bias": True} if bias else {}
    weights = (kernel, Weight("bias", (units,))) if bias else (kernel,)
    return Meaning(kind, {**args, **use_bias}, weights)


@_careful
def einsum(prog: Program, step: Step, added: str = "") -> Meaning | None:
    """Einsum of data and a constant: a dense layer over any axes; `added` is the constant that is added behind it."""
    if len(step.inputs) != 2 or step.inputs[1] not in prog.static:
        return None
    shape, after = _sizes(prog.shape(step.inputs[1])), prog.shape(step.outputs[0])
    if shape is None or not after or after[-1] is None:
        return None
    equation = {"equation": _text(step, "equation", "")}
    units = elements(prog, added) or after[-1]
    return _with_bias(prog, "einsum_dense", equation, Weight("kernel", shape), added, units)


@_careful
def conv(prog: Program, step: Step, added: str = "") -> Meaning | None:
    """Conv, ConvTranspose and their quantized and fused forms, with a constant kernel.

    `added` is the constant that is added behind it.
    """
    place = 3 if step.op == "QLinearConv" else 1
    shape = _sizes(prog.shape(_input(step, place)))
    if shape is None or len(shape) < 3 or step.inputs[place] not in prog.static or step.inputs[0] in prog.static:
        return None
    if step.op == "FusedConv" and _input(step, 3):
        return None  # a residual connection is part of it
    groups, window = positive(_attr(step, "group", 1)), shape[2:]
    transposed = step.op == "ConvTranspose"
    filters = shape[1] * groups if transposed else shape[0]
    if shape[0] % groups:
        return None
    if transposed:
        kind, kernel = "conv_transpose", (*window, shape[1], shape[0])
    elif groups > 1 and shape[1] == 1:  # every group sees one channel
        kind, kernel = "depthwise_conv", (*window, groups, filters // groups)
    else:
        kind, kernel = "conv", (*window, shape[1], filters)
    args = {
        "filters": filters,
        "kernel_size": list(window),
        "strides": _per_axis(step, "strides", len(window)),
        "dilation_rate": _per_axis(step, "dilations", len(window)),
        "groups": groups,
        "data_format": "channels_last" if step.channels_last else "channels_first",
        **_padding(step, window),
        **_fused_activation(prog, step),
    }
    return _with_bias(prog, kind, args, Weight("kernel", kernel), _bias(prog, step, added, filters), filters)


_ZERO_POINTS = {"QLinearConv": 7, "QLinearMatMul": 7, "QGemm": 8}


def _fused_activation(prog: Program, step: Step) -> dict[str, Any]:
    """The activation that a runtime or a quantizer made part of the kernel's operation."""
    if step.op in _ZERO_POINTS:
        return {"activation": "relu"} if cuts_off(step.node, _ZERO_POINTS[step.op], prog.values) else {}
    fused, limits = step.attrs.get("activation"), step.attrs.get("activation_params")
    if step.op != "FusedConv" or not fused:
        return {}
    relu6 = fused == "Clip" and limits == [0.0, 6.0]
    return {"activation": "relu6" if relu6 else ACTIVATIONS.get(str(fused), "custom")}


_AUTO_PADS = {"VALID": "valid", "SAME_UPPER": "same", "SAME_LOWER": "same"}


def _padding(step: Step, window: Sequence[int]) -> dict[str, Any]:
    """Keras's word for the padding where it has one, else the pads as ONNX has them."""
    auto, rank = _text(step, "auto_pad", ""), len(window)
    if auto not in ("", "NOTSET"):
        return {"padding": _AUTO_PADS[auto]} if auto in _AUTO_PADS else unknown()
    pads = _wholes(step, "pads") or [0] * 2 * rank
    if not any(pads):
        return {"padding": "valid"}
    if len(pads) != 2 * rank:
        return unknown()
    both = [before + after for before, after in zip(pads[:rank], pads[rank:], strict=True)]
    return {"padding": "same"} if both == _overlap(step, window) else {"padding": "explicit", "pads": pads}


def _overlap(step: Step, window: Sequence[int]) -> list[int]:
    """Per axis the pads before and after with which the output is as large as Keras's "same" makes it.

    That is as far as the kernel reaches over the edge; of a transposed one, as far as it reaches over a stride.
    """
    rank = len(window)
    reach = [rate * (size - 1) for size, rate in zip(window, _per_axis(step, "dilations", rank), strict=True)]
    if step.op != "ConvTranspose":
        return reach
    strides, ends = _per_axis(step, "strides", rank), each(_wholes(step, "output_padding") or 0, rank, least=0)
    return [far + 1 - stride + end for far, stride, end in zip(reach, strides, ends, strict=True)]


def _per_axis(step: Step, name: str, rank: int) -> list[int]:
    return list(each(_wholes(step, name) or 1, rank))


def embedding(prog: Program, step: Step) -> Meaning | None:
    """Gather of rows of a constant table, or of parts of data at constant places."""
    table = step.inputs[0]
    if table not in prog.static:
        return picked(prog, step)
    shape = _sizes(prog.shape(table))
    if shape is None or len(shape) < 2 or step.attrs.get("axis") or prog.values.dtypes.get(table) not in FLOATS:
        return None
    args = {"input_dim": shape[0], "output_dim": shape[-1]}
    return Meaning("embedding", args, (Weight("embeddings", shape),))


def picked(prog: Program, step: Step) -> Meaning | None:
    """Parts of data at constant places."""
    return Meaning("slice") if len(step.inputs) > 1 and step.inputs[1] in prog.static else None


_RECURRENT = {"LSTM": ("lstm", 4), "GRU": ("gru", 3), "RNN": ("simple_rnn", 1)}
_GATES = {"LSTM": ("Sigmoid", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("", "Tanh")}


def recurrent(prog: Program, step: Step) -> Meaning | None:
    """LSTM, GRU and RNN, one way or both."""
    kind, gates = _RECURRENT[step.op]
    shapes = [_sizes(prog.shape(name)) if name in prog.static else None for name in step.inputs[1:3]]
    if len(shapes) < 2 or shapes[0] is None or shapes[1] is None or len(shapes[0]) != 3 or len(shapes[1]) != 3:
        return None
    (ways, _, features), units = shapes[0], shapes[1][2]
    named = [str(name) for name in items(_attr(step, "activations", []))]
    gate, own = (named[0], named[1]) if kind != "simple_rnn" and len(named) > 1 else _GATES[step.op]
    own = named[0] if kind == "simple_rnn" and named else own
    biased = bool(_input(step, 3)) and step.inputs[3] in prog.static
    every = step.outputs[0]
    args = {
        "units": units,
        "activation": ACTIVATIONS.get(own, "custom"),
        "return_sequences": bool(every) and (every in prog.readers or every in prog.outputs),
        "time_major": not _attr(step, "layout", 0),
        **({"recurrent_activation": ACTIVATIONS.get(gate, "custom")} if gate else {}),
        **({"use_bias": True} if biased else {}),
    }
    weights = [Weight("kernel", (features, gates * units)), Weight("recurrent_kernel", (units, gates * units))]
    weights += [Weight("bias", (2 * gates * units,))] if biased else []
    if ways == 1:
        return Meaning(kind, args, tuple(weights))
    both = [Weight(f"{way}/{item.name}", item.shape) for way in ("forward", "backward") for item in weights]
    return Meaning(kind, {**args, "merge_mode": "concat"}, tuple(both), wrapper="Bidirectional")


# --- norms


def batch_norm(prog: Program, step: Step) -> Meaning | None:
    """BatchNormalization with constant statistics."""
    channels = elements(prog, step.inputs[1]) if len(step.inputs) > 4 else None
    if channels is None:
        return None
    args: dict[str, Any] = {"axis": -1 if step.channels_last else 1, "epsilon": number(step, "epsilon", 1e-5)}
    # If it does not train, the momentum is whatever the exporter's default is; 0 is PyTorch's None, a plain average.
    if (trains(prog, step) or was_training(step.node)) and (momentum := number(step, "momentum", 0.9)):
        args["momentum"] = momentum
    return Meaning("batch_norm", args, batch_norm_weights(channels))


def batch_norm_weights(channels: int) -> tuple[Weight, ...]:
    """Scale and shift, and the statistics, which training does not change."""
    fixed = ("moving_mean", "moving_variance")
    return tuple(Weight(name, (channels,), name not in fixed) for name in ("gamma", "beta", *fixed))


def trains(prog: Program, step: Step) -> bool:
    """Whether a dropout or batch norm does what it does in training."""
    if step.op == "BatchNormalization":
        # Before opset 14, it is the further outputs that say so: mean, var, saved_mean, saved_var.
        return bool(step.attrs.get("training_mode")) or len([name for name in step.outputs if name]) > 1
    if step.op == "Dropout" and len(step.inputs) > 2:
        return prog.scalar(step.inputs[2]) == 1.0
    return False


def norm(kind: str, first: int = 1) -> Meaner:
    """A norm that is one operation, with scale and shift among its inputs, the `first` of which is the scale."""

    def mean(prog: Program, step: Step) -> Meaning:
        weights = _stored(prog, step, {"gamma": first, "beta": first + 1, "bias": first + 2})
        args: dict[str, Any] = {"epsilon": number(step, "epsilon", 1e-5)}
        if kind == "layer_norm" or kind == "rms_norm":
            args["axis"] = whole(_attr(step, "axis", -1))
        elif kind == "group_norm":
            args["groups"] = positive(_attr(step, "num_groups", None))
        return Meaning(kind, args, weights)

    return mean


# --- activations

ACTIVATIONS = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Elu": "elu",
    "Selu": "selu",
    "Celu": "celu",
    "LeakyRelu": "leaky_relu",
    "PRelu": "prelu",
    "ThresholdedRelu": "threshold",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_silu",
    "Mish": "mish",
    "Swish": "silu",
    "Gelu": "gelu",
    "FastGelu": "gelu",
    "BiasGelu": "gelu",
    "QuickGelu": "gelu",
    "QLinearSoftmax": "softmax",
    "QLinearSigmoid": "sigmoid",
    "QLinearLeakyRelu": "leaky_relu",
    "QuantizeLinear": "relu",  # only those that cut off at zero are steps at all
    "Affine": "linear",
}
"""ONNX's (and onnxruntime's) activations under Keras's names."""


_PARAMETERS = {"PRelu": {"alpha": 1}, "BiasGelu": {"bias": 1}, "FastGelu": {"bias": 1}}
"""The inputs of activations that are weights where they are constant."""


def activation(prog: Program, step: Step) -> Meaning:
    """An activation that is one operation."""
    args: dict[str, Any] = {"activation": ACTIVATIONS[step.op]}
    if step.op.endswith("Softmax"):
        args["axis"] = _softmax_axis(prog, step)
    elif step.op == "LeakyRelu":
        args["negative_slope"] = number(step, "alpha", 0.01)
    return Meaning("activation", args, _stored(prog, step, _PARAMETERS.get(step.op, {})))


def _softmax_axis(prog: Program, step: Step) -> int | None:
    """The axis of a softmax; None if it runs over several: up to opset 12 over all from the given one on."""
    axis, shape = whole(_attr(step, "axis", -1 if step.node.opset >= 13 else 1)), prog.shape(step.inputs[0])
    if step.node.opset >= 13 or not shape:
        return axis
    wide = [place for place in range(axis % len(shape), len(shape)) if shape[place] != 1]
    return wide[0] if len(wide) == 1 else None if wide else axis


def clip(prog: Program, step: Step) -> Meaning:
    """Clip is a ReLU if it cuts off at zero, a ReLU6 if at six, too."""
    low, high = setting(prog, step, "min", 1, -inf), setting(prog, step, "max", 2, inf)
    if low == 0 and high is not None and high > 1e30:
        return Meaning("activation", {"activation": "relu"})
    if low == 0 and high == 6:
        return Meaning("activation", {"activation": "relu6"})
    limits = [limit if limit is not None and isfinite(limit) else None for limit in (low, high)]
    return Meaning("arithmetic", {"op": step.op, "range": limits})


# --- pools and reductions


def pool(kind: str) -> Meaner:
    """A pool with a window."""

    def mean(_prog: Program, step: Step) -> Meaning | None:
        window = [positive(size) for size in _wholes(step, "kernel_shape")]
        if not window:
            return None
        args = {
            "pool_size": window,
            "strides": _per_axis(step, "strides", len(window)),
            "data_format": "channels_last" if step.channels_last else "channels_first",
            **_padding(step, window),
        }
        return Meaning(kind, args)

    return mean


def global_pool(kind: str) -> Meaner:
    """A pool over the whole map, whose size of 1 stays."""

    def mean(_prog: Program, step: Step) -> Meaning:
        return Meaning(kind, {"data_format": "channels_last" if step.channels_last else "channels_first"})

    return mean


def reduction(prog: Program, step: Step) -> Meaning:
    """A mean or maximum over all places of a map or sequence is a global pool."""
    shape, axes = prog.shape(step.inputs[0]), reduced_axes(prog, step)
    kinds = {"ReduceMean": "global_avg_pool", "ReduceMax": "global_max_pool"}
    if shape is not None and axes is not None and step.op in kinds and len(shape) > 2:
        places = set(axes_of(axes, len(shape)))
        if places == set(range(2, len(shape))) and len(shape) > 3:
            return Meaning(kinds[step.op], {"data_format": "channels_first"})
        if places == set(range(1, len(shape) - 1)):
            return Meaning(kinds[step.op], {"data_format": "channels_last"})
    return Meaning("reduce", {"op": step.op, **({} if axes is None else {"axes": axes})})


def reduced_axes(prog: Program, step: Step) -> list[int] | None:
    """The axes of a reduction, an attribute or an input; None where not known, UnknownError where they are nonsense."""
    given = prog.known(_input(step, 1))
    if given is None:
        return _wholes(step, "axes") if "axes" in step.attrs else None
    return [int(axis) for axis in given.flat] if given.dtype.kind in "iu" else None


# --- everything else


def dropout(prog: Program, step: Step) -> Meaning:
    """Dropout, with its rate where that is known."""
    rate = setting(prog, step, "ratio", 1, 0.5)
    return Meaning("dropout", {} if rate is None else {"rate": round(rate, 6)})


def merge(kind: str) -> Meaner:
    """An element by element operation: a merge of several values, arithmetic on one."""

    def mean(prog: Program, step: Step) -> Meaning:
        data = [name for name in step.inputs if name not in prog.static]
        if len(data) > 1:
            return Meaning(kind, {"op": step.op} if len(data) == len(step.inputs) else {})
        return Meaning("arithmetic", {"op": step.op, **_operand(prog, step)}, _constants(prog, step))

    return mean


def concat(prog: Program, step: Step) -> Meaning:
    """Concat, also with constants (a class token)."""
    weights = _constants(prog, step)
    data = [name for name in step.inputs if name not in prog.static]
    args = {"axis": whole(_attr(step, "axis", 1))}  # opset 1 has a default
    return Meaning("concat", args, weights) if len(data) > 1 else Meaning("arithmetic", {}, weights)


def product(prog: Program, step: Step) -> Meaning | None:
    """MatMul, Gemm or Einsum: a dense layer, or two values multiplied."""
    if len([name for name in step.inputs[:2] if name and name not in prog.static]) > 1:
        return Meaning("dot")
    if step.op == "Einsum":
        return einsum(prog, step)
    return dense(prog, step)


def reshape(prog: Program, step: Step) -> Meaning:
    """Reshape and its relatives; `flatten` if all axes behind the batch become one."""
    before, after = prog.shape(step.inputs[0]), prog.shape(step.outputs[0])
    if before is None or after is None or len(before) < 3 or len(after) != 2:
        return Meaning("reshape")
    all_features = None if None in before[1:] else prod(size or 0 for size in before[1:])
    flat = step.op == "Flatten" if all_features is None else after[1] == all_features
    return Meaning("flatten" if flat else "reshape")


def transpose(_prog: Program, step: Step) -> Meaning:
    """Transpose, with the order of the axes."""
    return Meaning("permute", {"perm": _wholes(step, "perm")} if "perm" in step.attrs else {})


_INTERPOLATIONS = {"nearest": "nearest", "linear": "bilinear", "bilinear": "bilinear", "cubic": "bicubic"}


def resize(prog: Program, step: Step) -> Meaning:
    """Resize and Upsample; how many times larger a map becomes, where these are whole numbers."""
    places = slice(1, -1) if step.channels_last else slice(2, None)
    before, after = (_sizes((prog.shape(name) or (None,) * 3)[places]) for name in (step.inputs[0], step.outputs[0]))
    if not before or not after or len(before) != len(after) or 0 in before:
        return Meaning("upsampling")
    if any(large % small for small, large in zip(before, after, strict=True)):
        return Meaning("upsampling")
    interpolation = _INTERPOLATIONS.get(_text(step, "mode", "nearest"), "custom")
    size = [large // small for small, large in zip(before, after, strict=True)]
    layout = "channels_last" if step.channels_last else "channels_first"
    return Meaning("upsampling", {"size": size, "interpolation": interpolation, "data_format": layout})


def plain(kind: str) -> Meaner:
    """An operation that is a kind, with no settings that matter."""

    def mean(prog: Program, step: Step) -> Meaning:
        return Meaning(kind, {"op": step.op}, _constants(prog, step))

    return mean


def _operand(prog: Program, step: Step) -> dict[str, Any]:
    """The constant of a binary operation: which of the two inputs it is, its least and its largest element."""
    places = [place for place, name in enumerate(step.inputs) if name in prog.static]
    known = prog.known(step.inputs[places[0]]) if len(step.inputs) == 2 and len(places) == 1 else None
    if known is None or not known.size or known.dtype.kind not in "fiu":
        return {}
    return {"operand": places[0], "operand_range": [float(known.min()), float(known.max())]}


def _constants(prog: Program, step: Step) -> tuple[Weight, ...]:
    """Constants of several numbers that a plain operation works with: a positional embedding, a layer scale."""
    return tuple(
        Weight("stored", shape)
        for name in dict.fromkeys(step.inputs)
        if name in prog.static and prog.values.dtypes.get(name) in FLOATS
        if (shape := _sizes(prog.shape(name))) is not None and prod(shape) > 1
    )


def _stored(prog: Program, step: Step, places: Mapping[str, int]) -> tuple[Weight, ...]:
    """The weights among the inputs, by name and place: those that are constant."""
    return tuple(
        Weight(name, shape)
        for name, place in places.items()
        if (value := _input(step, place)) and value in prog.static and (shape := _sizes(prog.shape(value)))
    )


def setting(prog: Program, step: Step, name: str, place: int, default: float) -> float | None:
    """A number that older opsets give as an attribute, newer ones as an input; None where it is not known."""
    if name in step.attrs:
        return number(step, name, default)
    value = _input(step, place)
    return prog.scalar(value) if value else default


def _input(step: Step, place: int) -> str:
    """The name of an input, empty where it is left out."""
    return step.inputs[place] if place < len(step.inputs) else ""


def _attr(step: Step, name: str, default: Any) -> Any:
    value = step.attrs.get(name)
    return default if value is None else value


def number(step: Step, name: str, default: float) -> float:
    """An attribute that is a number; UnknownError if it is none."""
    value = _attr(step, name, default)
    return float(value) if isinstance(value, (int, float)) else unknown()


def _text(step: Step, name: str, default: str) -> str:
    value = _attr(step, name, default)
    return value if isinstance(value, str) else unknown()


def _wholes(step: Step, name: str) -> list[int]:
    """A list of integers, empty where it is left out."""
    return list(wholes(_attr(step, name, [])))


def elements(prog: Program, value: str) -> int | None:
    """How many elements a value has."""
    sizes = _sizes(prog.shape(value))
    return None if sizes is None else prod(sizes)


def _sizes(shape: Shape | None) -> tuple[int, ...] | None:
    if shape is None:
        return None
    sizes = tuple(size for size in shape if size is not None)
    return sizes if len(sizes) == len(shape) else None


_PLAIN = {
    "slice": "Slice",
    "split": "Split",
    "zero_padding": "Pad",
    "cast": "Cast CastLike",
    "repeat_vector": "Tile",
    "attention": "Attention MultiHeadAttention GroupQueryAttention",
    "unit_norm": "LpNormalization",
    "instance_norm": "MeanVarianceNormalization",
    "arithmetic": "Abs Acos Acosh Asin Asinh Atan Atanh BitShift BitwiseNot Ceil Cos Cosh CumSum Erf Exp Floor IsInf "
    "IsNaN Log LRN Neg Not Reciprocal Round Shrink Sign Sin Sinh Sqrt Tan Trilu",
}
_MERGES = {
    "add": "Add Sum QLinearAdd",
    "subtract": "Sub",
    "multiply": "Mul QLinearMul And",
    "divide": "Div",
    "maximum": "Max Or",
    "minimum": "Min",
    "average": "Mean",
    "where": "Where",
    "operation": "Pow Mod Equal Greater GreaterOrEqual Less LessOrEqual Xor",
}
_REDUCTIONS = (
    "ReduceMean ReduceMax ReduceMin ReduceSum ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp "
    "ReduceSumSquare ArgMax ArgMin"
)

MEANINGS: Mapping[str, Meaner] = {
    **{op: plain(kind) for kind, ops in _PLAIN.items() for op in ops.split()},
    **{op: merge(kind) for kind, ops in _MERGES.items() for op in ops.split()},
    **dict.fromkeys(ACTIVATIONS.keys() - {"Affine"}, activation),
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv"), conv),
    **dict.fromkeys(("MatMul", "Gemm", "Einsum", "MatMulInteger", "QLinearMatMul", "QGemm", "FusedMatMul"), product),
    **dict.fromkeys(_RECURRENT, recurrent),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "DepthToSpace", "SpaceToDepth"), reshape),
    **dict.fromkeys(_REDUCTIONS.split(), reduction),
    "BatchNormalization": batch_norm,
    "LayerNormalization": norm("layer_norm"),
    "SkipLayerNormalization": norm("layer_norm", first=2),
    "InstanceNormalization": norm("instance_norm"),
    "GroupNormalization": norm("group_norm"),
    "RMSNormalization": norm("rms_norm"),
    "SimplifiedLayerNormalization": norm("rms_norm"),
    "Clip": clip,
    "Transpose": transpose,
    "Resize": resize,
    "Upsample": resize,
    "Concat": concat,
    "Dropout": dropout,
    "Gather": embedding,
    "GatherElements": picked,
    "GatherND": picked,
    "MaxPool": pool("max_pool"),
    "AveragePool": pool("avg_pool"),
    "QLinearAveragePool": pool("avg_pool"),
    "QLinearConcat": concat,
    "LpPool": pool("avg_pool"),
    "GlobalMaxPool": global_pool("global_max_pool"),
    "GlobalAveragePool": global_pool("global_avg_pool"),
    "QLinearGlobalAveragePool": global_pool("global_avg_pool"),
    "GlobalLpPool": global_pool("global_avg_pool"),
}


@_careful
def _known(prog: Program, step: Step) -> Meaning | None:
    known = step.node.standard or step.node.domain == "com.microsoft"
    return MEANINGS[step.op](prog, step) if known and step.op in MEANINGS and _input(step, 0) else None


def meaning(prog: Program, step: Step) -> Meaning:
    """What a step means; opaque if nothing that is known."""
    return _known(prog, step) or opaque(prog, step)
