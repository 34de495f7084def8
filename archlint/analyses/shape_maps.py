"""Shapes seen as feature maps: batch, places, channels, in whichever order the data format has them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from archlint.graph import Shape
from archlint.shape_terms import Dim, UnknownError, Use, each, positive, unknown

_RANK_IN_NAME = re.compile(r"([123])D")


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """A shape (lead…, places…, channels) taken apart, wherever its data format puts the channels."""

    lead: Shape
    places: Shape
    channels: Dim
    channels_first: bool

    @property
    def rank(self) -> int:
        """How many axes of places there are."""
        return len(self.places)

    @property
    def shape(self) -> Shape:
        """The shape, put together again."""
        if self.channels_first:
            return (*self.lead, self.channels, *self.places)
        return (*self.lead, *self.places, self.channels)

    def over(self, places: Iterable[Dim]) -> "FeatureMap":
        """The same map with other places."""
        return replace(self, places=tuple(places))

    def with_channels(self, channels: Dim) -> "FeatureMap":
        """The same map with another number of channels."""
        return replace(self, channels=channels)


def channels_first(use: Use) -> bool:
    """Whether the layer's data format puts the channels before the places."""
    data_format = use.arg("data_format", "channels_last")
    if data_format not in ("channels_first", "channels_last"):
        raise UnknownError
    return bool(data_format == "channels_first")


def spatial_rank(use: Use, shape: Shape) -> int:
    """1, 2 or 3: from the class name (`Conv2D`), else the kernel's length, else the input."""
    in_name = _RANK_IN_NAME.search(use.layer.class_name)
    if in_name:
        return int(in_name[1])
    sizes = use.arg("kernel_size", use.arg("pool_size"))
    return len(sizes) if isinstance(sizes, (list, tuple)) else len(shape) - 2


def feature_map(use: Use, shape: Shape | None = None) -> FeatureMap:
    """The layer's first input (or `shape`) as a feature map.

    Keras 2 convolutions allow further batch axes in front, hence a lead of one *or more* axes.
    """
    shape = use.input() if shape is None else shape
    rank = spatial_rank(use, shape)
    if rank < 1 or len(shape) < rank + 2:
        raise UnknownError
    lead, rest = shape[: -rank - 1], shape[-rank - 1 :]
    first = channels_first(use)
    channels, places = (rest[0], rest[1:]) if first else (rest[-1], rest[:-1])
    return FeatureMap(lead, places, channels, first)


def kernel_sizes(use: Use, rank: int) -> tuple[int, ...]:
    """The kernel's size along each axis of places."""
    return each(use.arg("kernel_size"), rank)


def strided(sizes: Sequence[Dim], kernel: Sequence[int], use: Use) -> Shape:
    """The places that a window of that size visits, by the layer's strides, padding and dilation."""
    rank = len(sizes)
    strides = each(use.arg("strides", 1), rank)
    dilation = each(use.arg("dilation_rate", 1), rank)
    padding = padding_of(use)
    return tuple(
        None if size is None else visited(size, window, step, gap, padding)
        for size, window, step, gap in zip(sizes, kernel, strides, dilation, strict=True)
    )


def padding_of(use: Use) -> str:
    """`valid`, `same` or `causal`."""
    padding = str(use.arg("padding", "valid")).lower()
    return padding if padding in ("valid", "same", "causal") else unknown()


def visited(size: int, window: int, step: int, gap: int, padding: str) -> int:
    """How many places a window visits along one axis, at least one."""
    reach = gap * (window - 1) if padding == "valid" else 0
    return positive((size - reach - 1) // step + 1)
