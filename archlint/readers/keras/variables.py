"""What the variables of a Keras layer are called, where a file only numbers them, and which of their axes is the units.

Numbers count the variables in the order in which the layer's `build` makes them, those that are trained first.
"""

from collections.abc import Mapping, Sequence

from archlint.readers.keras.tree import Node

_KERNEL = ("kernel", "bias")
_RECURRENT = ("kernel", "recurrent_kernel", "bias")
_AFFINE = ("gamma", "beta")
_VARIABLES: Mapping[str, Sequence[str]] = {
    **dict.fromkeys("dense einsum_dense conv conv_transpose depthwise_conv locally_connected".split(), _KERNEL),
    **dict.fromkeys("lstm gru simple_rnn conv_lstm".split(), _RECURRENT),
    **dict.fromkeys("layer_norm group_norm instance_norm".split(), _AFFINE),
    "separable_conv": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "embedding": ("embeddings", "reverse_embeddings"),
    "multi_head_attention": _KERNEL,  # of each of the projections in it
    "batch_norm": (*_AFFINE, "moving_mean", "moving_variance", "moving_stddev", "renorm_mean", "renorm_stddev"),
    "rms_norm": ("scale",),
    "normalization": ("mean", "variance", "count"),
    "activation": ("alpha",),
    "layer_scale": ("gamma",),
    "attention": ("scale", "concat_score_weight"),
    "additive_attention": ("scale",),
}

NAMES = frozenset(name for names in _VARIABLES.values() for name in names)
"""What Keras calls variables."""

_SETTING = {"bias": "use_bias", "gamma": "scale", "beta": "center", "scale": "use_scale"}
"""The setting without which there is no such variable."""


def variable(node: Node, number: int, version: int) -> str | None:
    """The name of a layer's variable of that number, None if it is not known."""
    if "quantized" in str(node.args.get("dtype")).lower():
        return None  # it keeps its kernel in other ways
    names = [name for name in _VARIABLES.get(node.kind, ()) if _is_made(node, name)]
    return _in_version(names[number], node, version) if number < len(names) else None


def _is_made(node: Node, name: str) -> bool:
    if name == "scale" and node.kind == "rms_norm":
        return True
    return node.args.get(_SETTING.get(name, "")) is not False


def _in_version(name: str, node: Node, version: int) -> str:
    """Keras 2 calls the kernel of a depthwise convolution by its full name."""
    return "depthwise_kernel" if node.kind == "depthwise_conv" and name == "kernel" and version < 3 else name


_UNITS_LAST = frozenset({"dense", "conv", "separable_conv", "simple_rnn", "embedding"})


def unit_axis(node: Node, name: str, shape: tuple[int, ...], version: int) -> int | None:
    """The axis of a weight along which the layer's units are; None if it has none, or units of several numbers.

    The gates of a recurrent layer lie side by side, so there a column is no unit, nor is one head of an attention.
    """
    own = name.rpartition("/")[2]
    if not shape or node.kind in ("lstm", "gru", "conv_lstm", "rnn", "locally_connected", "custom"):
        return None
    if len(shape) == 1:
        return 0 if max(shape) > 1 or own == "bias" else None
    last = len(shape) - 1
    if own == "depthwise_kernel" or node.kind == "depthwise_conv":
        return last - 1 if shape[-1] == 1 else None
    if node.kind == "conv_transpose":
        return last - 1
    if node.kind == "activation":
        return last if max(shape[:-1]) == 1 else None
    if node.kind == "einsum_dense":
        return _unit_of_equation(str(node.args.get("equation", "")), shape)
    if node.kind == "multi_head_attention":
        return last if name == "attention_output/kernel" and len(shape) == 3 else None
    if node.kind == "conv" and version == 1 and node.args.get("data_format") == "channels_first":
        return 0
    return last if node.kind in _UNITS_LAST else None


def _unit_of_equation(equation: str, shape: tuple[int, ...]) -> int | None:
    """Of an einsum: the axis of the kernel that no input has, if there is just one."""
    operands, _, _ = equation.replace(" ", "").partition("->")
    data, _, kernel = operands.partition(",")
    made = [axis for axis, letter in enumerate(kernel) if letter not in data]
    return made[0] if len(made) == 1 and len(kernel) == len(shape) else None
