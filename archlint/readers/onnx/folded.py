"""Batch norms that PyTorch's exporter folded into a kernel, and noted so in the node's metadata.

The note tells the norm's epsilon and momentum, and whether the kernel had a bias of its own.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from archlint.readers.onnx.graph import Node
from archlint.readers.onnx.meaning.terms import Meaning
from archlint.readers.onnx.notes import CALL, RULES, was_training

_FUSED = re.compile(r"FuseBatchNormInto(Conv|Gemm|ConvTranspose)\b")
_SETTINGS = re.compile(r".*?,\s*(?P<momentum>[\d.eE+-]+),\s*(?P<epsilon>[\d.eE+-]+)\)")


@dataclass(frozen=True, slots=True)
class Folded:
    """A batch norm that is part of a kernel now. `had_bias`: whether the kernel had a bias before; None: not told."""

    settings: dict[str, Any]
    had_bias: bool | None


def folded(node: Node) -> Folded | None:
    """The batch norm folded into this node, if its metadata tells of one."""
    rules, call = node.metadata.get(RULES, ""), node.metadata.get(CALL, "")
    if not _FUSED.search(rules):
        return None
    found = _SETTINGS.match(call.rpartition("batch_norm")[2])
    # PyTorch's momentum is the share of the new value, Keras's and ONNX's that of the old one.
    settings = {} if found is None else _numbers(found["momentum"], found["epsilon"])
    if not was_training(node):
        settings.pop("momentum", None)  # it does nothing
    return Folded(settings, _had_bias(node, rules))


def _numbers(momentum: str, epsilon: str) -> dict[str, Any]:
    try:
        return {"momentum": round(1 - float(momentum), 9), "epsilon": float(epsilon)}
    except ValueError:
        return {}


def _had_bias(node: Node, rules: str) -> bool | None:
    """The exporter calls a bias it had to invent `X.weight_bias`, one that was there `X.bias`."""
    name = node.inputs[2] if len(node.inputs) > 2 else ""
    if "RemoveOptionalBias" in rules or name.endswith("weight_bias"):
        return False
    return True if name.endswith(".bias") else None


def without_norm(kernel: Meaning, norm: Folded) -> Meaning:
    """The kernel as it was before the norm was folded into it."""
    args = {key: value for key, value in kernel.args.items() if key != "use_bias"}
    if norm.had_bias is not None:
        args["use_bias"] = norm.had_bias
    weights = kernel.weights
    if weights is not None and norm.had_bias is False:
        weights = tuple(weight for weight in weights if weight.name != "bias")
    return replace(kernel, args=args, weights=weights)
