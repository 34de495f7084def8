"""Windows that layers slide over maps: convolutions, pools and their relatives, along each axis of places."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd, inf

from archlint.analyses.shape_maps import channels_first, feature_map, spatial_rank
from archlint.graph import Model, Shape, Tensor
from archlint.shape_terms import Dim, UnknownError, Use, each, unknown

POOLS = frozenset({"max_pool", "avg_pool"})
SLIDING = POOLS | {"conv", "depthwise_conv", "separable_conv", "locally_connected", "conv_transpose", "conv_lstm"}
"""Kinds that have a window."""

MOST_PLACES = 2**53
"""Longer stretches are not believed: no honest map has them, and counting on with them would take for ever."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window along one axis: `kernel` taps, `dilation` places apart, moved on by `stride`, over a map of `places`.

    Of a transposed convolution all of it is meant on the side of the output, but for `places`.
    """

    kernel: int
    stride: int
    dilation: int
    places: Dim

    @property
    def reach(self) -> int:
        """Places from the first tap to the last one, both included."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def period(self) -> int:
        """After so many taps the next one meets a place again that the first tap of another step meets."""
        return self.stride // gcd(self.stride, self.dilation)

    @property
    def covered(self) -> int:
        """How many of `stride` neighbouring places some tap meets."""
        return min(self.kernel, self.period)


def of_layers(model: Model, shapes: Mapping[Tensor, Shape]) -> dict[int, tuple[Window, ...]]:
    """The windows along all axes, by the layer's index: over the smallest of the maps that the layer is called on."""
    found: dict[int, list[tuple[Window, ...]]] = {}
    for call in model.calls:
        use = Use(model.layers[call.layer], tuple(map(shapes.get, call.inputs)), call.constants)
        if use.layer.kind in SLIDING:
            try:
                found.setdefault(call.layer, []).append(windows(use))
            except UnknownError:
                continue
    return {layer: tuple(map(_smallest, zip(*calls, strict=False))) for layer, calls in found.items()}


def _smallest(along_one_axis: Sequence[Window]) -> Window:
    return min(along_one_axis, key=lambda window: inf if window.places is None else window.places)


def windows(use: Use) -> tuple[Window, ...]:
    """The layer's window along each axis of places; UnknownError where it cannot be known."""
    if use.arg("output_size") is not None:  # an adaptive pool
        return unknown()
    pools = use.layer.kind in POOLS
    kernel = use.arg("pool_size", 2) if pools else use.arg("kernel_size")
    strides = use.arg("strides", kernel if pools else 1)
    places = _places(use)
    sizes = (each(value, len(places)) for value in (kernel, strides, use.arg("dilation_rate", 1)))
    found = tuple(map(Window, *sizes, places))
    return found if all(max(window.reach, window.stride) <= MOST_PLACES for window in found) else unknown()


def map_shape(use: Use) -> Shape:
    """The shape that the layer takes for one map: of a convolutional LSTM, that of a step."""
    shape = use.input()
    return (*shape[:1], *shape[2:]) if use.layer.kind == "conv_lstm" else shape


def place_axes(use: Use) -> range:
    """The axes of the first input that hold its places."""
    rank, axes = feature_map(use, map_shape(use)).rank, len(use.input())
    return range(axes - rank, axes) if channels_first(use) else range(axes - rank - 1, axes - 1)


def _places(use: Use) -> tuple[Dim, ...]:
    if use.inputs and use.inputs[0] is not None:
        return feature_map(use, map_shape(use)).places
    rank = spatial_rank(use, ())
    return (None,) * rank if rank > 0 else unknown()
