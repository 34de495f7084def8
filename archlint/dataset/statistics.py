"""What one pass over an array shows: statistics that can be put together from those of its blocks."""

from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

LABELS = 100_000
"""Different labels that are told apart; with more, a column is no class but a number."""

_TOLERANCE = 1e-3
"""How far from 1 a row of shares may sum up: half-precision numbers round as much."""

Block = NDArray[np.float64]
"""Values of some samples; the last axis is that of the features."""


@dataclass(frozen=True, slots=True)
class Features:
    """Of each place on the last axis: how many values are finite, their mean, sum of squared deviations and extremes.

    `missing` counts what is not finite; `whole`: all finite values are whole numbers.
    """

    count: NDArray[np.int64]
    mean: Block
    squares: Block
    low: Block
    high: Block
    missing: NDArray[np.int64]
    whole: NDArray[np.bool_]

    @classmethod
    def of(cls, block: Block) -> "Features":
        """The statistics of a block; all axes but the last are samples or places."""
        # Turned round, so that sums run over long stretches of memory: ten times as fast for the channels of images.
        values = np.ascontiguousarray(block.reshape(-1, block.shape[-1]).T)
        finite = np.isfinite(values)
        everywhere = bool(finite.all())
        known = values if everywhere else np.where(finite, values, 0.0)
        count = finite.sum(axis=1)
        mean = known.sum(axis=1) / np.maximum(count, 1)
        deviation = known - mean[:, None]
        if not everywhere:
            deviation[~finite] = 0.0
        return cls(
            count=count,
            mean=mean,
            squares=np.einsum("ij,ij->i", deviation, deviation),
            low=(values if everywhere else np.where(finite, values, np.inf)).min(axis=1),
            high=(values if everywhere else np.where(finite, values, -np.inf)).max(axis=1),
            missing=values.shape[1] - count,
            whole=np.logical_and.reduce(known == np.floor(known), axis=1),
        )

    @property
    def width(self) -> int:
        """Places on the last axis."""
        return len(self.count)

    @property
    def std(self) -> Block:
        """The standard deviations."""
        deviation: Block = np.sqrt(self.squares / np.maximum(self.count, 1))
        return deviation

    def merged(self, other: "Features") -> "Features":
        """The statistics of two blocks together."""
        return _pooled(Features(*(np.stack([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self))))

    def folded(self, width: int) -> "Features":
        """Those of the same values where only the last `width` places count as features: pixels become channels."""
        return _pooled(Features(*(getattr(self, f.name).reshape(-1, width) for f in fields(self))))

    def only(self, place: int) -> "Features":
        """Those of one place."""
        return Features(*(getattr(self, f.name)[place : place + 1] for f in fields(self)))


def _pooled(parts: Features) -> Features:
    """The parts along the first axis as one (Chan, Golub & LeVeque 1979: stable, unlike a sum of squares)."""
    count = parts.count.sum(axis=0)
    mean = (parts.mean * parts.count).sum(axis=0) / np.maximum(count, 1)
    return Features(
        count=count,
        mean=mean,
        squares=(parts.squares + parts.count * (parts.mean - mean) ** 2).sum(axis=0),
        low=parts.low.min(axis=0),
        high=parts.high.max(axis=0),
        missing=parts.missing.sum(axis=0),
        whole=np.logical_and.reduce(parts.whole, axis=0),
    )


@dataclass(frozen=True, slots=True)
class Targets:
    """What a model is to put out: `low` and `high` are finite extremes, `missing` counts what is not finite.

    `whole`: only whole numbers; `binary`: only 0 and 1; `shares`: rows of the last axis sum to 1 and none is negative.
    `present`: the places on the last axis that are anywhere but 0. `labels`: the different numbers, or hashes of
    texts; None where they are not whole or too many.
    """

    low: float
    high: float
    missing: int
    whole: bool
    binary: bool
    shares: bool
    present: NDArray[np.bool_]
    labels: frozenset[Any] | None

    @classmethod
    def of(cls, block: Block) -> "Targets":
        """The statistics of a block, of which the last axis is that of the values for one place."""
        rows = block.reshape(-1, block.shape[-1])
        finite = np.isfinite(rows)
        values = rows[finite]
        complete = rows[finite.all(axis=1)]
        whole = bool((values == np.floor(values)).all())
        return cls(
            low=float(values.min(initial=np.inf)),
            high=float(values.max(initial=-np.inf)),
            missing=rows.size - values.size,
            whole=whole,
            binary=bool(((values == 0) | (values == 1)).all()),
            shares=bool((complete >= 0).all() and (abs(complete.sum(axis=1) - 1) <= _TOLERANCE).all()),
            present=(complete != 0).any(axis=0),
            labels=_labels(frozenset(np.unique(values).tolist())) if whole else None,
        )

    def merged(self, other: "Targets") -> "Targets":
        """The statistics of two blocks together."""
        known = None if self.labels is None or other.labels is None else _labels(self.labels | other.labels)
        return Targets(
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            missing=self.missing + other.missing,
            whole=self.whole and other.whole,
            binary=self.binary and other.binary,
            shares=self.shares and other.shares,
            present=self.present | other.present,
            labels=known,
        )

    @classmethod
    def of_texts(cls, texts: frozenset[int], missing: int) -> "Targets":
        """Texts, by their hashes, that name classes, counted from 0 as a label encoder does."""
        last = float(len(texts) - 1)
        return cls(0.0, last, missing, True, last <= 1, False, np.ones(1, bool), _labels(texts))


Statistics = TypeVar("Statistics", Features, Targets)


def together(known: Statistics | None, found: Statistics) -> Statistics:
    """The statistics of one more block with those of the blocks before, if there were any."""
    return found if known is None else known.merged(found)


def few(texts: frozenset[int]) -> frozenset[int]:
    """The hashes of texts; of too many to be labels only so many that this shows."""
    return frozenset(islice(texts, LABELS + 1))


def _labels(different: frozenset[Any]) -> frozenset[Any] | None:
    return different if len(different) <= LABELS else None
