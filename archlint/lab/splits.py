"""Which samples a seed trains on, and in which order."""

import numpy as np
from numpy.typing import NDArray

from archlint.errors import UsageError
from archlint.lab.arms import Array, Data


def split(data: Data, seed: int, share: float) -> tuple[Array, Array]:
    """The rows for training and for validation.

    Raises:
        UsageError: nothing would be left for one of them.
    """
    held_out = data.held_out if data.held_out is not None else _drawn(data, seed, share)
    train, val = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    if not len(train) or not len(val):
        raise UsageError(f"{len(data)} samples cannot be split into training and validation; give more, or more groups")
    return train, val


def _drawn(data: Data, seed: int, share: float) -> NDArray[np.bool_]:
    """Which samples are held out: whole groups in random order, as many as come closest to the share."""
    groups = np.arange(len(data)) if data.groups is None else np.unique(data.groups, return_inverse=True)[1].ravel()
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    taken = 1 + np.argmin(np.abs(np.cumsum(sizes[order]) - share * len(data)))
    return np.isin(groups, order[:taken])


def shuffled(rows: Array, seed: int, epoch: int) -> Array:
    """The rows in the order of this epoch."""
    return np.random.default_rng((seed, epoch)).permutation(rows)
