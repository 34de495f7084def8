"""What is known of the numbers in a tensor, and of the gradient there.

All are expectations over initializations and data. A tensor has *channels* (the axis whose entries have weights of
their own), *places* (all other axes but the batch) and *samples*.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite, sqrt
from typing import NamedTuple

from archlint.analyses.signal.functions import Function

HUGE = 1e60
"""Larger numbers are not told apart; so nothing overflows, however often numbers are multiplied."""

MOST_GROUPS = 96
"""More groups of channels are put together two by two, so that a chain of concatenations does not cost its square."""


class Certainty(StrEnum):
    """How far a prediction can be relied on, as in the columns `certainty` of the table `signal`."""

    exact = "exact"
    partial = "partial"
    unknown = "unknown"


_BY_DOUBT = {certainty: doubt for doubt, certainty in enumerate(Certainty)}


def least(certainties: Iterable[Certainty]) -> Certainty:
    """The least certain one: what is made of several values is known no better than any of them."""
    return max(certainties, key=_BY_DOUBT.__getitem__)


class Pairs(NamedTuple):
    """Half the mean square difference between two values of the same channel, by what else they differ in.

    With equal second moments q and correlation c it is q(1 - c), computed without cancellation where c is near 1.
    `sample`: same place in another sample. `near`, `far`: neighbouring, or any other, place in the same sample.
    `both`: another place in another sample; it is the variance that a batch norm finds.
    """

    sample: float
    near: float
    far: float
    both: float

    def times(self, factor: float) -> "Pairs":
        """All of them scaled."""
        return Pairs(*(bounded(factor * value) for value in self))


class Texture(NamedTuple):
    """Finer traits: what places of one sample have in common by chance, which on average they have not, and skewness.

    `clump`: the covariance with all other places, summed up, beyond what `Pairs` says of far ones. `ripple`: the
    squares of the correlations with all other places, summed up; they are of either sign, and become a clump where a
    function bends. `swing`: half the relative variance, from sample to sample, of a sample's mean square. `skew`: the
    third central moment, E[(x - E[x])³].
    """

    clump: float = 0.0
    ripple: float = 0.0
    swing: float = 0.0
    skew: float = 0.0

    def times(self, factor: float) -> "Texture":
        """Of values whose squares are scaled."""
        skew = bounded(self.skew * bounded(factor * sqrt(max(0.0, factor))))
        return self._replace(clump=bounded(self.clump * factor), skew=skew)


SMOOTH = Texture()


class Group(NamedTuple):
    """Channels with the same statistics: E[x], E[x²], and the pairs. `share` of the tensor's channels are in it.

    `law`, where it is known, says that the values are what a function makes of normal ones: that of another group.
    """

    share: float
    mean: float
    square: float
    pairs: Pairs
    law: "tuple[Function, Group] | None" = None
    texture: Texture = SMOOTH

    @property
    def variance(self) -> float:
        """Over everything: samples, places, channels, initializations."""
        return max(0.0, self.square - self.mean * self.mean)

    def times(self, factor: float) -> "Group":
        """Multiplied by a constant, whose square is `factor`, with a random sign."""
        square = bounded(self.square * factor)
        return Group(self.share, 0.0, square, self.pairs.times(factor), texture=self.texture.times(factor))

    def scaled(self, factor: float) -> "Group":
        """Multiplied by a constant."""
        squared = bounded(factor * factor)
        mean = bounded(self.mean * factor)
        square, texture = bounded(self.square * squared), self.texture.times(squared)
        if factor < 0:
            texture = texture._replace(skew=-texture.skew)
        return Group(self.share, mean, square, self.pairs.times(squared), texture=texture)

    def shifted(self, by: float) -> "Group":
        """With a constant added."""
        return self._replace(
            mean=bounded(self.mean + by), square=bounded(self.square + by * (2 * self.mean + by)), law=None
        )


def bounded(value: float) -> float:
    """The value if it can be counted on with; NaN, which comes of infinities, is as large as can be."""
    if isfinite(value):
        return max(-HUGE, min(HUGE, value))
    return -HUGE if value < 0 else HUGE


def independent(mean: float, square: float) -> Group:
    """All channels with these moments, nothing in common between samples or places but the mean."""
    variance = max(0.0, square - mean * mean)
    return Group(1.0, mean, square, Pairs(variance, variance, variance, variance))


@dataclass(frozen=True, slots=True)
class State:
    """The signal in a tensor: groups of channels in their order along `axis`, which is counted from the end.

    `profile`: how strong single places are, as in `taps`; () where they are alike, or have changed since.
    """

    groups: tuple[Group, ...]
    axis: int = -1
    certainty: Certainty = Certainty.exact
    profile: tuple[tuple[float, ...], ...] = ()

    @property
    def mean(self) -> float:
        """E[x]."""
        return sum(group.share * group.mean for group in self.groups)

    @property
    def square(self) -> float:
        """E[x²]."""
        return sum(group.share * group.square for group in self.groups)

    @property
    def rms(self) -> float:
        """Square root of E[x²]."""
        return sqrt(max(0.0, self.square))

    @property
    def std(self) -> float:
        """Standard deviation over samples, places and channels."""
        return sqrt(max(0.0, self.square - self.mean**2))

    @property
    def input_std(self) -> float:
        """Standard deviation of one unit over samples."""
        return sqrt(max(0.0, sum(group.share * group.pairs.sample for group in self.groups)))

    def doubted(self, certainty: Certainty) -> "State":
        """The same, no more certain than this."""
        return replace(self, certainty=least((certainty, self.certainty)))

    def whole(self) -> Group:
        """All channels as one group."""
        return self.groups[0] if len(self.groups) == 1 else mixed(self.groups)

    def of(self, groups: Iterable[Group], axis: int | None = None) -> "State":
        """Other groups, as certain as these; neighbours that hardly differ are put together."""
        return State(condensed(tuple(groups)), self.axis if axis is None else axis, self.certainty, self.profile)

    def each(self, group: Group) -> "State":
        """One group for all channels."""
        return replace(self, groups=(group._replace(share=1.0),))


STANDARD = State((independent(0.0, 1.0),))
"""What is taken to arrive where nothing is known: mean 0, mean square 1."""


def mixed(groups: Sequence[Group]) -> Group:
    """The average over groups by their shares."""
    total = sum(group.share for group in groups) or 1.0
    weights = [group.share / total for group in groups]

    def average(values: Iterable[float]) -> float:
        return bounded(sum(weight * value for weight, value in zip(weights, values, strict=True)))

    pairs = Pairs(*(average(values) for values in zip(*(group.pairs for group in groups), strict=True)))
    law = groups[0].law if all(group.law == groups[0].law for group in groups) else None
    texture = Texture(*(average(values) for values in zip(*(group.texture for group in groups), strict=True)))
    return Group(
        total, average(group.mean for group in groups), average(group.square for group in groups), pairs, law, texture
    )


def condensed(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Neighbouring groups put together that hardly differ; two by two while there are too many."""
    if len(groups) == 1:
        return groups
    found: list[Group] = []
    for group in groups:
        if found and _alike(found[-1], group):
            found[-1] = mixed((found[-1], group))
        else:
            found.append(group)
    while len(found) > MOST_GROUPS:
        found = [mixed(found[start : start + 2]) for start in range(0, len(found), 2)]
    return tuple(found)


def _alike(one: Group, other: Group) -> bool:
    near = 0.01 * max(one.square, other.square)
    differences = [one.square - other.square, *(a - b for a, b in zip(one.pairs, other.pairs, strict=True))]
    shifted = (one.mean - other.mean) * max(abs(one.mean), abs(other.mean))
    return all(abs(value) <= near for value in (*differences, shifted))


@dataclass(frozen=True, slots=True)
class Gradient:
    """E‖∂L/∂x‖² of a sample, in all, for each of the groups of channels, whose shares are `shares`.

    `coherence` is the correlation between two places, `near` that of neighbouring ones if it is larger. `picked` is the
    part that arrives only where a value is the largest of `window`, as behind a max pool.
    """

    squares: tuple[float, ...]
    shares: tuple[float, ...] = (1.0,)
    coherence: float = 0.0
    picked: float = 0.0
    window: int = 1
    near: float = 0.0
    profile: tuple[tuple[float, ...], ...] = ()
    certainty: Certainty = Certainty.exact

    @property
    def square(self) -> float:
        """E‖∂L/∂x‖² over all channels."""
        return sum(self.squares)

    @property
    def norm(self) -> float:
        """Its square root."""
        return sqrt(max(0.0, self.square))

    def times(self, factor: float) -> "Gradient":
        """All of it scaled."""
        return replace(self, squares=tuple(bounded(factor * square) for square in self.squares))

    def doubted(self, certainty: Certainty) -> "Gradient":
        """The same, no more certain than this."""
        return replace(self, certainty=least((certainty, self.certainty)))

    def along(self, groups: Sequence[Group]) -> "Gradient":
        """The same gradient, told for these groups of the channels instead."""
        shares = tuple(group.share for group in groups)
        if shares == self.shares:
            return self
        return replace(self, squares=_spread(self.squares, self.shares, shares), shares=shares)

    def per_group(self, factors: Sequence[float]) -> "Gradient":
        """Scaled differently in each group."""
        return replace(self, squares=tuple(bounded(a * b) for a, b in zip(self.squares, factors, strict=True)))


def _spread(squares: Sequence[float], shares: Sequence[float], wanted: Sequence[float]) -> tuple[float, ...]:
    """Amounts laid out evenly over intervals of these lengths, counted in other intervals."""
    found, number, left = [], 0, shares[0]
    for share in wanted:
        amount, open_share = 0.0, share
        while open_share > 1e-12 and number < len(shares):
            taken = min(open_share, left)
            amount += squares[number] * taken / shares[number] if shares[number] else 0.0
            open_share, left = open_share - taken, left - taken
            if left <= 1e-12:
                number += 1
                left = shares[number] if number < len(shares) else 0.0
        found.append(amount)
    return tuple(found)


def summed(gradients: Sequence[Gradient]) -> Gradient:
    """What arrives at a value that several layers read: independent of each other, so squares add up."""
    if len(gradients) == 1:
        return gradients[0]
    first = max(gradients, key=lambda gradient: len(gradient.shares))
    groups = [Group(share, 0.0, 0.0, Pairs(0.0, 0.0, 0.0, 0.0)) for share in first.shares]
    told = [gradient.along(groups) for gradient in gradients]
    total = sum(gradient.square for gradient in told)

    def average(values: Iterable[float]) -> float:
        return sum(v * g.square for v, g in zip(values, told, strict=True)) / total if 0 < total < HUGE else 0.0

    return Gradient(
        tuple(bounded(sum(column)) for column in zip(*(gradient.squares for gradient in told), strict=True)),
        first.shares,
        average(gradient.coherence for gradient in told),
        average(gradient.picked for gradient in told),
        max(gradient.window for gradient in told),
        average(gradient.near for gradient in told),
        max(told, key=lambda gradient: gradient.square).profile,
        least(gradient.certainty for gradient in told),
    )
