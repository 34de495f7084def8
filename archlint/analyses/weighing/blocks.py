"""A large array as parts that fit into the processor's cache, so that no statistic needs a copy of the whole."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Part = tuple[slice, slice, slice]

BYTES = 2**18
"""Of one part. With the two buffers that go with it, it stays within the second-level cache of any processor in use."""


def by_units(array: Array, unit_axis: int | None) -> Array:
    """The array as (before, units, after), without a copy where its memory is in order; no units: (all, 1, 1)."""
    if unit_axis is None or not array.ndim:
        return np.ascontiguousarray(array).reshape(-1, 1, 1)
    axis = unit_axis % array.ndim
    before, after = array.shape[:axis], array.shape[axis + 1 :]
    sizes = (int(np.prod(before, dtype=np.int64)), array.shape[axis], int(np.prod(after, dtype=np.int64)))
    return np.ascontiguousarray(array).reshape(sizes)


def parts(cube: Array, itemsize: int) -> Iterator[tuple[Part, Array]]:
    """Where each part lies, and the part: contiguous, in order, none larger than BYTES at this size of element."""
    most = BYTES // itemsize
    for place in _places(cube.shape, most):
        yield place, cube[place]


def _places(shape: tuple[int, ...], most: int) -> Iterator[Part]:
    before, units, after = shape
    if not before * units * after:
        return
    rows = max(1, most // (units * after))
    columns = max(1, most // after) if units * after > most else units
    depth = most if after > most else after
    for i in range(0, before, rows):
        for j in range(0, units, columns):
            for k in range(0, after, depth):
                yield slice(i, i + rows), slice(j, j + columns), slice(k, k + depth)
