"""Activations that are one operation."""

from math import inf, isfinite
from typing import Any

from archlint.readers.onnx.meaning.terms import Meaning, attribute, number, setting, stored_weights
from archlint.readers.onnx.steps import Program, Step
from archlint.shape_terms import whole

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
    return Meaning("activation", args, stored_weights(prog, step, _PARAMETERS.get(step.op, {})))


def _softmax_axis(prog: Program, step: Step) -> int | None:
    """The axis of a softmax; None if it runs over several: up to opset 12 over all from the given one on."""
    axis, shape = whole(attribute(step, "axis", -1 if step.node.opset >= 13 else 1)), prog.shape(step.inputs[0])
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
