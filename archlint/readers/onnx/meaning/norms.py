"""Norms that are one operation."""

from typing import Any

from archlint.graph import Weight
from archlint.readers.onnx.meaning.terms import Meaner, Meaning, attribute, elements, number, stored_weights
from archlint.readers.onnx.notes import was_training
from archlint.readers.onnx.steps import Program, Step
from archlint.shape_terms import positive, whole


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
        weights = stored_weights(prog, step, {"gamma": first, "beta": first + 1, "bias": first + 2})
        args: dict[str, Any] = {"epsilon": number(step, "epsilon", 1e-5)}
        if kind == "layer_norm" or kind == "rms_norm":
            args["axis"] = whole(attribute(step, "axis", -1))
        elif kind == "group_norm":
            args["groups"] = positive(attribute(step, "num_groups", None))
        return Meaning(kind, args, weights)

    return mean
