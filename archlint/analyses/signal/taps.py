"""Which taps of a convolution's window meet the map: at the edges some do not, so places there are weaker than others.

How strong the places are is told for each axis alone: what is not at an edge of one axis may be at that of another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from archlint.analyses.shape_maps import feature_map, kernel_sizes
from archlint.analyses.signal.node import Node
from archlint.analyses.windows import Window
from archlint.graph import Shape
from archlint.shape_terms import UnknownError, each, unknown

Profile = tuple[tuple[float, ...], ...]
"""For each axis of places the mean square at each of them, over that of all; () where places are alike."""

_MOST_TAPS = 4096
_MOST_PLACES = 128
"""Of larger maps the edges do not count much."""


@dataclass(frozen=True)
class Axis:
    """A window along one axis: `came` places in, `left` places out, the first window `before` places before the map.

    Of a transposed convolution the window is on the side of the output.
    """

    came: int | None
    left: int | None
    kernel: int
    stride: int
    rate: int
    before: int
    transposed: bool

    @property
    def total(self) -> float:
        """How many taps meet a place of the input, for one place of the output, on average."""
        if self.came is None or self.left is None or min(self.came, self.left) < 1:
            return self.kernel / self.stride if self.transposed else float(self.kernel)
        wide, narrow = (self.left, self.came) if self.transposed else (self.came, self.left)
        return self._met(wide, narrow) / self.left

    def _met(self, wide: int, narrow: int) -> int:
        if self.kernel > _MOST_TAPS:
            raise UnknownError
        found = 0
        for tap in range(self.kernel):
            offset = tap * self.rate - self.before
            first = max(0, -(offset // self.stride))
            last = min(narrow - 1, (wide - 1 - offset) // self.stride)
            found += max(0, last - first + 1)
        return found

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Places of the input and of the output that a tap joins; None where they need not be told apart."""
        if self.transposed or not (0 < (self.came or 0) <= _MOST_PLACES and 0 < (self.left or 0) <= _MOST_PLACES):
            return None
        if max(self.kernel, self.stride, self.rate, abs(self.before)) > _MOST_PLACES:
            return None
        outputs = np.arange(self.left or 0)[:, None]
        places = outputs * self.stride + np.arange(self.kernel) * self.rate - self.before
        valid = (places >= 0) & (places < (self.came or 0))
        return places[valid], np.broadcast_to(outputs, places.shape)[valid]

    def forwards(self, strength: Sequence[float]) -> tuple[float, tuple[float, ...]]:
        """How many taps' worth of input an output gets on average, and how it is spread over the outputs."""
        return self._joined(strength, self.came, self.left, 0)

    def backwards(self, strength: Sequence[float]) -> tuple[float, tuple[float, ...]]:
        """The same for gradients: for one place of the output, and spread over the inputs."""
        found, spread = self._joined(strength, self.left, self.came, 1)
        if self._pairs is None:
            return self.total, ()
        return found * (self.came or 0) / (self.left or 1), spread

    def _joined(
        self, strength: Sequence[float], many: int | None, made: int | None, side: int
    ) -> tuple[float, tuple[float, ...]]:
        if self._pairs is None:
            return self.total, ()
        own = np.asarray(strength) if len(strength) == many else np.ones(many or 0)
        sums = np.bincount(self._pairs[1 - side], own[self._pairs[side]], made or 0)
        mean = float(sums.mean())
        return mean, tuple((sums / mean).tolist()) if mean > 0 else ()


@dataclass(frozen=True, slots=True)
class Taps:
    """The window of a convolution along all axes of places."""

    axes: tuple[Axis, ...]

    def forwards(self, profile: Profile) -> tuple[float, Profile]:
        """Taps that one place of the output gets values from, counted by their strength; how strong outputs are."""
        return _product([axis.forwards(own) for axis, own in self._each(profile)])

    def backwards(self, profile: Profile) -> tuple[float, Profile]:
        """The same for gradients."""
        return _product([axis.backwards(own) for axis, own in self._each(profile)])

    def _each(self, profile: Profile) -> list[tuple[Axis, tuple[float, ...]]]:
        told = profile if len(profile) == len(self.axes) else ((),) * len(self.axes)
        return list(zip(self.axes, told, strict=True))


def _product(found: Sequence[tuple[float, tuple[float, ...]]]) -> tuple[float, Profile]:
    profile = tuple(spread for _, spread in found)
    return prod(taps for taps, _ in found), profile if any(profile) else ()


def taps(node: Node) -> Taps:
    """The window of a convolution on its map."""
    before, transposed = feature_map(node.use), node.use.layer.kind == "conv_transpose"
    rank = before.rank
    strides, rates = (each(node.use.arg(name, 1), rank) for name in ("strides", "dilation_rate"))
    after = feature_map(node.use, node.made[0] or unknown()).places
    sizes = zip(before.places, after, kernel_sizes(node.use, rank), strides, rates, strict=True)
    return Taps(tuple(_axis(node, number, *one, transposed) for number, one in enumerate(sizes)))


def _axis(
    node: Node, number: int, came: int | None, left: int | None, kernel: int, stride: int, rate: int, transposed: bool
) -> Axis:
    wide, narrow = (left, came) if transposed else (came, left)
    reach = (kernel - 1) * rate + 1
    before = _margin(node, number, (wide or 0), (narrow or 0), reach, stride)
    return Axis(came, left, kernel, stride, rate, before, transposed)


def _margin(node: Node, number: int, wide: int, narrow: int, reach: int, stride: int) -> int:
    """Places by which the first window reaches over the front edge of the wider map."""
    padding, pads = node.use.arg("padding", "valid"), node.use.arg("pads")
    if isinstance(pads, list) and len(pads) > number and isinstance(pads[number], int):
        return int(pads[number])
    if padding == "causal":
        return reach - 1
    return max(0, (narrow - 1) * stride + reach - wide) // 2 if padding == "same" else 0


def common(profiles: Sequence[Profile]) -> Profile:
    """The profile of values made of several: the mean, where it is told alike."""
    told = [profile for profile in profiles if profile]
    if not told or any([*map(len, one)] != [*map(len, told[0])] for one in told):
        return ()
    return tuple(
        tuple((sum(values) + len(profiles) - len(told)) / len(profiles) for values in zip(*axes, strict=True))
        for axes in zip(*told, strict=True)
    )


def framed(profile: Profile, places: Shape, sides: Sequence[tuple[int, int]]) -> Profile:
    """The profile of a map with margins of zeros."""
    if None in places or any(
        (size or 0) + sum(margin) > _MOST_PLACES for size, margin in zip(places, sides, strict=True)
    ):
        return ()
    sizes = [size or 0 for size in places]
    own = profile if [*map(len, profile)] == sizes else tuple((1.0,) * size for size in sizes)
    return tuple(
        (*(0.0,) * front, *(value * (size + front + behind) / size for value in axis), *(0.0,) * behind)
        for axis, size, (front, behind) in zip(own, sizes, sides, strict=True)
    )


def unframed(profile: Profile, places: Shape, sides: Sequence[tuple[int, int]]) -> tuple[float, Profile]:
    """Which part of a gradient falls inside the margins, and its profile there; () where that is not known."""
    if len(profile) != len(places):
        return 1.0, ()
    share, found = 1.0, []
    for axis, size, (front, behind) in zip(profile, places, sides, strict=True):
        inner = axis[front : len(axis) - behind]
        total = sum(axis)
        if size != len(inner) or len(axis) != size + front + behind or min(total, sum(inner)) <= 0:
            return 1.0, ()
        share *= sum(inner) / total
        found.append(tuple(value * size / sum(inner) for value in inner))
    return share, tuple(found)


def pooled(
    profile: Profile, windows: Sequence[Window], of_window: Callable[[Sequence[float]], float], *, inside: bool
) -> tuple[float, Profile]:
    """How strong a pooled map is because places differ, and its profile; `inside`: no window reaches over an edge."""
    if [*map(len, profile)] != [window.places for window in windows]:
        return 1.0, ()
    gain, found = 1.0, []
    for axis, window in zip(profile, windows, strict=True):
        starts = range(0, len(axis) - (window.kernel - 1 if inside else 0), window.stride)
        left = [of_window(axis[start : start + window.kernel]) for start in starts]
        if not left or sum(left) <= 0:
            return 1.0, ()
        gain *= sum(left) / len(left)
        found.append(tuple(value * len(left) / sum(left) for value in left))
    return gain, tuple(found)
