"""What one pass over the numbers of a weight shows.

Each part of the array is read once from memory and looked at several times in the cache. Sums are dot products: the
fastest way NumPy has, and exact to about 1e-6 for parts of this size. Where that is not enough, because something is
not finite or the numbers barely differ, the part or the array is looked at again with care.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce

import numpy as np

from archlint.analyses.weighing.blocks import BYTES, Array, by_units, parts

DEAD = 1e-6
"""Magnitude that no weight of a dead unit reaches."""

_NEARLY_CONSTANT = 1e-3
"""Variance relative to the squared mean below which a difference of single-precision sums says nothing of it."""

_FOLD = 128
"""Numbers side by side from which on NumPy's maximum over rows is fast."""

_SHORT = 32
"""Numbers of a row up to which the maximum within rows is faster by columns."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one weight, as in the table `weight`; what is not finite is left out of all but the counts of it."""

    elements: int
    nans: int
    infinities: int
    absmax: float | None
    mean: float | None
    std: float | None
    magnitude: float | None
    zeros: float | None
    constant: float | None
    units: int | None = None
    dead_units: int | None = None
    alike: bool | None = None


def statistics(array: Array, unit_axis: int | None) -> Statistics | None:
    """The statistics of a weight; None for what is not numbers."""
    if array.dtype.kind not in "fiub":
        return None
    return _Pass(by_units(array, unit_axis)).result(unit_axis is not None)


class _Pass:
    """One pass over an array (before, units, after): sums, and the greatest magnitude of each unit."""

    def __init__(self, cube: Array) -> None:
        self.cube = cube
        self.maxima = np.zeros(cube.shape[1])
        self.nans = self.infinities = self.zeros = 0
        self.total = self.squares = self.magnitudes = 0.0
        wide = _computed_in(cube.dtype)
        self.buffer = np.empty(min(cube.size, BYTES // wide.itemsize), wide)
        self.equal = np.empty(self.buffer.size, np.bool_)
        self.ones = np.ones(self.buffer.size, wide)
        for place, part in parts(cube, wide.itemsize):
            self._add(place[1], widened(part))

    def _add(self, columns: slice, part: Array) -> None:
        flat, size = part.reshape(-1), part.size
        magnitudes, ones = np.abs(flat, out=self.buffer[:size]), self.ones[:size]
        squares = float(np.dot(flat, flat))
        if not np.isfinite(squares):
            self._add_with_care(columns, part)
            return
        self.squares += squares
        self.total += float(np.dot(flat, ones))
        self.magnitudes += float(np.dot(magnitudes, ones))
        self.zeros += int(np.count_nonzero(np.equal(flat, 0, out=self.equal[:size])))
        self._raise_maxima(columns, magnitudes.reshape(part.shape))

    def _add_with_care(self, columns: slice, part: Array) -> None:
        """A part with something in it that is not finite, or whose square is not."""
        nans, finite = np.isnan(part), np.isfinite(part)
        values = part[finite].astype(np.float64)
        self.nans += int(np.count_nonzero(nans))
        self.infinities += int(part.size - values.size - np.count_nonzero(nans))
        self.squares += float(np.dot(values, values))
        self.total += float(values.sum())
        self.magnitudes += float(np.abs(values).sum())
        self.zeros += int(np.count_nonzero(values == 0))
        self._raise_maxima(columns, np.where(finite, np.abs(part), 0))

    def _raise_maxima(self, columns: slice, magnitudes: Array) -> None:
        maxima = self.maxima[columns]
        np.maximum(maxima, _greatest(magnitudes), out=maxima)

    @cached_property
    def finite(self) -> int:
        return self.cube.size - self.nans - self.infinities

    @property
    def sound(self) -> bool:
        """Whether all elements are finite."""
        return self.finite == self.cube.size

    @cached_property
    def mean(self) -> float:
        return self.total / self.finite

    @cached_property
    def variance(self) -> float:
        mean_squared = self.mean * self.mean  # unlike ** 2, this gives infinity where it overflows
        quick = self.squares / self.finite - mean_squared
        if quick > _NEARLY_CONSTANT * mean_squared or not self.sound:
            return max(0.0, quick)
        return sum(float(np.square(part.astype(np.float64) - self.mean).sum()) for part in self._again()) / self.finite

    def _again(self) -> Iterator[Array]:
        return (widened(part) for _, part in parts(self.cube, self.buffer.itemsize))

    @cached_property
    def constant(self) -> float | None:
        """The number that all elements are."""
        if not self.sound or self.variance > 1e-9 * self.mean * self.mean:
            return None
        first = self.cube[0, 0, 0]
        return float(first) if all((part == first).all() for _, part in parts(self.cube, self.cube.itemsize)) else None

    def alike(self) -> bool:
        """Whether all units have the same numbers."""
        if self.maxima.size < 2 or np.ptp(self.maxima):
            return False
        return all(
            (part == self.cube[rows, :1, after]).all()
            for (rows, _, after), part in parts(self.cube, self.cube.itemsize)
        )

    def result(self, has_units: bool) -> Statistics:
        """The statistics; those that are no finite numbers (no element is, or their sums are not) are None."""
        size, some = self.cube.size, self.finite > 0
        known = has_units and self.sound and some
        exact = self.constant if some else None
        return Statistics(
            elements=size,
            nans=self.nans,
            infinities=self.infinities,
            absmax=float(self.maxima.max()) if some else None,
            mean=_finite(exact if exact is not None else self.mean) if some else None,
            std=0.0 if exact is not None else _finite(self.variance**0.5) if some else None,
            magnitude=_finite(abs(exact) if exact is not None else self.magnitudes / self.finite) if some else None,
            zeros=self.zeros / size if size else None,
            constant=exact,
            units=self.cube.shape[1] if has_units else None,
            dead_units=int(np.count_nonzero(self.maxima < DEAD)) if known else None,
            alike=self.alike() if known else None,
        )


def _finite(number: float) -> float | None:
    return number if np.isfinite(number) else None


def _greatest(magnitudes: Array) -> Array:
    """The greatest of (before, units, after) for each unit."""
    before, units, after = magnitudes.shape
    if after > 1:
        rows = magnitudes.max(axis=0) if before > 1 else magnitudes[0]
        return rows.max(axis=1) if after > _SHORT else reduce(np.maximum, rows.T)
    # a row of few units is folded with the next ones to rows that are long enough for vector instructions
    times = max(1, min(before, _FOLD // units))
    whole = before // times * times
    folded = magnitudes[:whole].reshape(-1, times * units).max(axis=0).reshape(times, units).max(axis=0)
    rest = magnitudes[whole:].reshape(-1, units)
    return np.asarray(np.maximum(folded, rest.max(axis=0)) if len(rest) else folded)


def _computed_in(dtype: "np.dtype[np.generic]") -> "np.dtype[np.generic]":
    """Halves in single precision, whole numbers in double."""
    if dtype.kind != "f":
        return np.dtype(np.float64)
    return np.dtype(np.float32) if dtype.itemsize <= 4 else np.dtype(np.float64)


def widened(part: Array) -> Array:
    """The part in the type that it is computed in; only parts of other types are copied."""
    if part.dtype == np.float16:
        return np.asarray(np.take(_halves(), part.view(np.uint16)))
    return np.asarray(part, _computed_in(part.dtype))


@lru_cache(maxsize=1)
def _halves() -> Array:
    """Every half-precision number, by its bits: looking them up is four times as fast as NumPy's conversion."""
    return np.asarray(np.arange(2**16, dtype=np.uint16).view(np.float16), np.float32)
