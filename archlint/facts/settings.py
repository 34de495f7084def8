"""What the settings of a layer say, as columns of the table `layer`."""

from collections.abc import Mapping
from typing import Any

from archlint.analyses import initial
from archlint.analyses.trails import rate
from archlint.graph import Layer


def settings(layer: Layer) -> dict[str, Any]:
    """The columns that need nothing but the layer's own settings; a value of the wrong type is unknown."""
    args = layer.args
    initializer = args.get("kernel_initializer", args.get("depthwise_initializer", args.get("embeddings_initializer")))
    regularizers = (args.get("kernel_regularizer"), args.get("depthwise_regularizer"))
    regularizer = next((found for found in regularizers if found is not None), None)
    return {
        "kernel": _sizes(args.get("kernel_size", args.get("pool_size"))),
        "strides": _sizes(args.get("strides")),
        "dilation": _sizes(args.get("dilation_rate")),
        "groups": integer(args.get("groups")),
        "padding": _text(args.get("padding")),
        "data_format": _text(args.get("data_format")),
        "axis": _axis(args.get("axis")),
        "activation": layer.activation,
        "recurrent_activation": _text(args.get("recurrent_activation")),
        "negative_slope": _slope(layer),
        "use_bias": _boolean(args.get("use_bias")),
        "initializer": initializer["name"] if isinstance(initializer, dict) else None,
        "initializer_family": initial.family(initializer),
        "recurrent_initializer": (args.get("recurrent_initializer") or {}).get("name"),
        "recurrent_gain": _recurrent_gain(layer),
        "forget_bias": _forget_bias(args),
        "l1": _factor(regularizer, "l1"),
        "l2": _factor(regularizer, "l2"),
        "regularized": ", ".join(name for name in _OTHERS if _penalized(args, name)) or None,
        "rate": rate(layer) if layer.traits.stochastic else None,
        "whole_samples": args.get("noise_shape") is not None if layer.traits.stochastic else None,
        "recurrent_rate": _real(args.get("recurrent_dropout")),
        "unroll": _boolean(args.get("unroll")),
        "reset_after": _boolean(args.get("reset_after")),
        "momentum": _real(args.get("momentum")) if layer.traits.norm else None,
        "epsilon": _real(args.get("epsilon")),
        "return_sequences": bool(args.get("return_sequences")) if layer.traits.recurrent else None,
    }


def _factor(regularizer: Mapping[str, float] | None, name: str) -> float | None:
    if regularizer is None:
        return 0.0
    return regularizer.get(name, 0.0) if regularizer else None  # an empty one is of another kind


_OTHERS = ("bias", "gamma", "beta", "alpha", "recurrent")
"""Parameters besides the kernel that Keras's layers can regularize."""


def _penalized(args: Mapping[str, Any], name: str) -> bool:
    regularizer = args.get(f"{name}_regularizer")
    return regularizer is not None and (not regularizer or any(regularizer.values()))


def _slope(layer: Layer) -> float | None:
    if not layer.traits.activation or layer.activation != "leaky_relu":
        return None
    return _real(layer.args.get("negative_slope", layer.args.get("alpha")))  # alpha: before Keras 3


_GATES = {"simple_rnn": 1, "gru": 3, "lstm": 4}
"""Kernels of (units, units) that lie side by side in a recurrent kernel."""


def _recurrent_gain(layer: Layer) -> float | None:
    units, gates = integer(layer.args.get("units")), _GATES.get(layer.kind)
    if not units or gates is None:
        return None
    shape = (units, gates * units)
    variance = initial.variance(layer.args.get("recurrent_initializer"), shape, shape)
    return None if variance is None else variance * units


def _forget_bias(args: Mapping[str, Any]) -> float | None:
    """What the bias of a forget gate starts at; `unit_forget_bias` goes before the bias initializer."""
    if args.get("use_bias") is not True or "unit_forget_bias" not in args:
        return None
    if args["unit_forget_bias"] is True:
        return 1.0
    initializer = args.get("bias_initializer") or {}
    stated = {"zeros": 0.0, "ones": 1.0, "constant": _real(initializer.get("value"))}
    return stated.get(str(initializer.get("name"))) if args["unit_forget_bias"] is False else None


def _sizes(value: Any) -> str | None:
    sizes = value if isinstance(value, list) else [value]
    return "x".join(map(str, sizes)) if all(integer(size) is not None for size in sizes) else None


def _axis(value: Any) -> int | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return integer(value)


def integer(value: Any) -> int | None:
    """The value if it is an integer that SQLite can hold."""
    # SQLite's integers have 64 bits; a larger number in a model file means nothing
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _real(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
