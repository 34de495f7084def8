"""All operations without a kernel, a norm, an activation or a window."""

from math import prod
from typing import Any

from archlint.readers.onnx.meaning.kernels import dense, einsum
from archlint.readers.onnx.meaning.terms import (
    Meaner,
    Meaning,
    attribute,
    constant_weights,
    known_sizes,
    setting,
    text_of,
    wholes_of,
)
from archlint.readers.onnx.steps import Program, Step
from archlint.shape_terms import whole


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
        return Meaning("arithmetic", {"op": step.op, **_operand(prog, step)}, constant_weights(prog, step))

    return mean


def concat(prog: Program, step: Step) -> Meaning:
    """Concat, also with constants (a class token)."""
    weights = constant_weights(prog, step)
    data = [name for name in step.inputs if name not in prog.static]
    args = {"axis": whole(attribute(step, "axis", 1))}  # opset 1 has a default
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
    return Meaning("permute", {"perm": wholes_of(step, "perm")} if "perm" in step.attrs else {})


_INTERPOLATIONS = {"nearest": "nearest", "linear": "bilinear", "bilinear": "bilinear", "cubic": "bicubic"}


def resize(prog: Program, step: Step) -> Meaning:
    """Resize and Upsample; how many times larger a map becomes, where these are whole numbers."""
    places = slice(1, -1) if step.channels_last else slice(2, None)
    before, after = (
        known_sizes((prog.shape(name) or (None,) * 3)[places]) for name in (step.inputs[0], step.outputs[0])
    )
    if not before or not after or len(before) != len(after) or 0 in before:
        return Meaning("upsampling")
    if any(large % small for small, large in zip(before, after, strict=True)):
        return Meaning("upsampling")
    interpolation = _INTERPOLATIONS.get(text_of(step, "mode", "nearest"), "custom")
    size = [large // small for small, large in zip(before, after, strict=True)]
    layout = "channels_last" if step.channels_last else "channels_first"
    return Meaning("upsampling", {"size": size, "interpolation": interpolation, "data_format": layout})


def plain(kind: str) -> Meaner:
    """An operation that is a kind, with no settings that matter."""

    def mean(prog: Program, step: Step) -> Meaning:
        return Meaning(kind, {"op": step.op}, constant_weights(prog, step))

    return mean


def _operand(prog: Program, step: Step) -> dict[str, Any]:
    """The constant of a binary operation: which of the two inputs it is, its least and its largest element."""
    places = [place for place, name in enumerate(step.inputs) if name in prog.static]
    known = prog.known(step.inputs[places[0]]) if len(step.inputs) == 2 and len(places) == 1 else None
    if known is None or not known.size or known.dtype.kind not in "fiu":
        return {}
    return {"operand": places[0], "operand_range": [float(known.min()), float(known.max())]}
