"""Layers with a kernel: dense, convolution, embedding, recurrence."""

from math import prod
from typing import Any

from archlint.graph import Weight
from archlint.readers.onnx.graph import FLOATS
from archlint.readers.onnx.meaning.activations import ACTIVATIONS
from archlint.readers.onnx.meaning.terms import (
    Meaning,
    attribute,
    careful,
    elements,
    input_of,
    known_sizes,
    padding_of,
    per_axis,
    text_of,
)
from archlint.readers.onnx.steps import Program, Step, cuts_off
from archlint.shape_terms import items, positive, unknown

_BIASES = {"Gemm": 2, "QGemm": 6, "Conv": 2, "ConvTranspose": 2, "FusedConv": 2, "QLinearConv": 8}
"""Which input is the bias."""


@careful
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
    shape = known_sizes(prog.shape(step.inputs[place]))
    if shape is None or len(shape) < 2 or prod(shape[:-2]) != 1 or step.attrs.get("transA"):
        return None
    rows, columns = shape[-2:]
    return (columns, rows) if step.attrs.get("transB") else (rows, columns)


def _bias(prog: Program, step: Step, added: str, units: int) -> str:
    """The constant that is the bias; empty if there is none.

    A bias that is data does not go through the kernel, as other inputs of a layer do: what has one is no layer.
    """
    place = _BIASES.get(step.op)
    own = "" if place is None else input_of(step, place)
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


@careful
def einsum(prog: Program, step: Step, added: str = "") -> Meaning | None:
    """Einsum of data and a constant: a dense layer over any axes; `added` is the constant that is added behind it."""
    if len(step.inputs) != 2 or step.inputs[1] not in prog.static:
        return None
    shape, after = known_sizes(prog.shape(step.inputs[1])), prog.shape(step.outputs[0])
    if shape is None or not after or after[-1] is None:
        return None
    equation = {"equation": text_of(step, "equation", "")}
    units = elements(prog, added) or after[-1]
    return _with_bias(prog, "einsum_dense", equation, Weight("kernel", shape), added, units)


@careful
def conv(prog: Program, step: Step, added: str = "") -> Meaning | None:
    """Conv, ConvTranspose and their quantized and fused forms, with a constant kernel.

    `added` is the constant that is added behind it.
    """
    place = 3 if step.op == "QLinearConv" else 1
    shape = known_sizes(prog.shape(input_of(step, place)))
    if shape is None or len(shape) < 3 or step.inputs[place] not in prog.static or step.inputs[0] in prog.static:
        return None
    if step.op == "FusedConv" and input_of(step, 3):
        return None  # a residual connection is part of it
    groups, window = positive(attribute(step, "group", 1)), shape[2:]
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
        "strides": per_axis(step, "strides", len(window)),
        "dilation_rate": per_axis(step, "dilations", len(window)),
        "groups": groups,
        "data_format": "channels_last" if step.channels_last else "channels_first",
        **padding_of(step, window),
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


def embedding(prog: Program, step: Step) -> Meaning | None:
    """Gather of rows of a constant table, or of parts of data at constant places."""
    table = step.inputs[0]
    if table not in prog.static:
        return picked(prog, step)
    shape = known_sizes(prog.shape(table))
    if shape is None or len(shape) < 2 or step.attrs.get("axis") or prog.values.dtypes.get(table) not in FLOATS:
        return None
    args = {"input_dim": shape[0], "output_dim": shape[-1]}
    return Meaning("embedding", args, (Weight("embeddings", shape),))


def picked(prog: Program, step: Step) -> Meaning | None:
    """Parts of data at constant places."""
    return Meaning("slice") if len(step.inputs) > 1 and step.inputs[1] in prog.static else None


RECURRENT = {"LSTM": ("lstm", 4), "GRU": ("gru", 3), "RNN": ("simple_rnn", 1)}
_GATES = {"LSTM": ("Sigmoid", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("", "Tanh")}


def recurrent(prog: Program, step: Step) -> Meaning | None:
    """LSTM, GRU and RNN, one way or both."""
    kind, gates = RECURRENT[step.op]
    shapes = [known_sizes(prog.shape(name)) if name in prog.static else None for name in step.inputs[1:3]]
    if len(shapes) < 2 or shapes[0] is None or shapes[1] is None or len(shapes[0]) != 3 or len(shapes[1]) != 3:
        return None
    (ways, _, features), units = shapes[0], shapes[1][2]
    named = [str(name) for name in items(attribute(step, "activations", []))]
    gate, own = (named[0], named[1]) if kind != "simple_rnn" and len(named) > 1 else _GATES[step.op]
    own = named[0] if kind == "simple_rnn" and named else own
    biased = bool(input_of(step, 3)) and step.inputs[3] in prog.static
    every = step.outputs[0]
    args = {
        "units": units,
        "activation": ACTIVATIONS.get(own, "custom"),
        "return_sequences": bool(every) and (every in prog.readers or every in prog.outputs),
        "time_major": not attribute(step, "layout", 0),
        **({"recurrent_activation": ACTIVATIONS.get(gate, "custom")} if gate else {}),
        **({"use_bias": True} if biased else {}),
    }
    weights = [Weight("kernel", (features, gates * units)), Weight("recurrent_kernel", (units, gates * units))]
    weights += [Weight("bias", (2 * gates * units,))] if biased else []
    if ways == 1:
        return Meaning(kind, args, tuple(weights))
    both = [Weight(f"{way}/{item.name}", item.shape) for way in ("forward", "backward") for item in weights]
    return Meaning(kind, {**args, "merge_mode": "concat"}, tuple(both), wrapper="Bidirectional")
