"""Initializers: how a layer's kernel is drawn."""

from collections.abc import Mapping
from typing import Any

from archlint.analyses.prospect import RECTIFIERS
from archlint.graph import Layer
from archlint.remedies.case import RemedyError
from archlint.remedies.surgery import with_args

_ONE_KERNEL = frozenset({"dense", "einsum_dense", "conv", "conv_transpose", "locally_connected"})

_AXES = ("input_axes", "output_axes")
"""What Keras since 3.15 tells an initializer about the kernel: not how it draws, but what it draws for."""


def drawn(layer: Layer, family: str) -> Layer:
    """The layer with a kernel drawn as a family (he, glorot, lecun) does it; normal kernels stay normal.

    Raises:
        RemedyError: it has several kernels, or one that this family counts wrongly.
    """
    if layer.kind not in _ONE_KERNEL:
        raise RemedyError(f"{layer.name} has no kernel that a {family} initializer fits")
    before = layer.args.get("kernel_initializer") or {}
    fans = {key: before[key] for key in _AXES if key in before}
    return with_args(layer, kernel_initializer={"name": f"{family}_{_distribution(before)}", **fans})


def _distribution(initializer: Mapping[str, Any]) -> str:
    """`uniform` or `normal`, of which Keras's default is the first."""
    stated = (initializer.get("name"), initializer.get("distribution", "normal" if "scale" in initializer else None))
    return "normal" if any(str(word).endswith("normal") for word in stated) else "uniform"


def fitted(layer: Layer, activation: str | None) -> Layer:
    """The layer with a kernel that keeps the signal: He in front of ReLU and its relatives, else LeCun.

    Layers with several kernels stay as they are.
    """
    if layer.kind == "depthwise_conv":
        return _depthwise(layer, 2.0 if activation in RECTIFIERS else 1.0)
    if layer.kind not in _ONE_KERNEL:
        return layer
    return drawn(layer, "he" if activation in RECTIFIERS else "lecun")


def _depthwise(layer: Layer, gain: float) -> Layer:
    """Keras's fan-in of a depthwise kernel counts all channels; its fan-out the taps of one, for each output of it."""
    outputs = layer.args.get("depth_multiplier")
    scale = gain * outputs if isinstance(outputs, int) else gain
    settings = {"name": "variance_scaling", "scale": scale, "mode": "fan_out", "distribution": "truncated_normal"}
    return with_args(layer, depthwise_initializer=settings)
