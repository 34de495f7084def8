"""Arithmetic on intervals that remember whether their ends are really reached.

An interval that is merely wide enough proves that an operation is safe, never that it is not: `x - mean(x)` lies
between the sums of the ends, and gets nowhere near them. So each end says what is known of it. Two intervals meet in an
end of their sum only if they vary freely; those that come from the same source may not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import reduce
from math import inf, isinf
from typing import NamedTuple


class Reach(IntEnum):
    """Whether values come to an end of their interval, or as near as no matter."""

    UNPROVEN = 0
    ALONE = 1
    """Some elements of a tensor do, not all at once: one output of a softmax is 0 only if another one is not."""
    TOGETHER = 2
    """All of a tensor's elements can at once: a layer of ReLUs that are all off."""


class End(NamedTuple):
    """One end of an interval."""

    value: float
    reach: Reach = Reach.UNPROVEN

    @property
    def flipped(self) -> "End":
        """The end of the negated values."""
        return End(-self.value, self.reach)

    def together(self) -> "End":
        """This end as a mean or sum of many elements has it: only if all of them are there."""
        return self if self.reach is Reach.TOGETHER else End(self.value)


_LOWEST, _HIGHEST = End(-inf), End(inf)
_MOST_SOURCES = 64
_EVERYTHING = frozenset({-1})
"""Sources too many to tell apart: nothing varies freely of them."""


@dataclass(frozen=True, slots=True)
class Range:
    """The values of a tensor, and the calls that they come from, as far as these vary freely."""

    low: End = _LOWEST
    high: End = _HIGHEST
    sources: frozenset[int] = frozenset()

    @property
    def signed(self) -> bool:
        """Whether values of both signs occur for sure."""
        return self.low.value < 0 < self.high.value and bool(self.low.reach and self.high.reach)

    @property
    def bounded(self) -> bool:
        """Whether both ends are numbers."""
        return not (isinf(self.low.value) or isinf(self.high.value))

    def at(self, value: float) -> Reach:
        """Whether the values end at this one and come there."""
        return max(end.reach if end.value == value else Reach.UNPROVEN for end in (self.low, self.high))

    def through(self, rising: Callable[[float], float]) -> "Range":
        """The values of a function that never falls."""
        return replace(self, low=_applied(rising, self.low), high=_applied(rising, self.high))

    def unproven(self) -> "Range":
        """The same interval, of which nobody knows whether its ends are reached."""
        return replace(self, low=End(self.low.value), high=End(self.high.value))

    def together(self) -> "Range":
        """The interval of means over many elements."""
        return replace(self, low=self.low.together(), high=self.high.together())


def _applied(rising: Callable[[float], float], end: End) -> End:
    try:
        return End(rising(end.value), end.reach)
    except OverflowError:
        return End(inf, end.reach)


def constant(low: float, high: float) -> Range:
    """A constant tensor, by its least and largest element."""
    reach = Reach.TOGETHER if low == high else Reach.ALONE
    return Range(End(low, reach), End(high, reach))


def free(source: int) -> Range:
    """Values of both signs and any size."""
    return Range(End(-inf, Reach.TOGETHER), End(inf, Reach.TOGETHER), frozenset({source}))


def unknown(*operands: Range) -> Range:
    """Values that nothing is known of but where they come from."""
    return Range(sources=reduce(_merged, (operand.sources for operand in operands), frozenset()))


def _merged(some: frozenset[int], others: frozenset[int]) -> frozenset[int]:
    both = some | others
    return _EVERYTHING if len(both) > _MOST_SOURCES or both >= _EVERYTHING else both


def _both(a: Range, b: Range, one: End, other: End) -> Reach:
    """Whether two values are at these ends at the same time."""
    independent = a.sources.isdisjoint(b.sources) and not (a.sources | b.sources) >= _EVERYTHING
    return min(one.reach, other.reach) if independent else Reach.UNPROVEN


def negated(x: Range) -> Range:
    """-x."""
    return replace(x, low=x.high.flipped, high=x.low.flipped)


def absolute(x: Range) -> Range:
    """|x|. Where x passes zero from one sign to the other, it need not stop there."""
    if x.low.value >= 0:
        return x
    if x.high.value <= 0:
        return negated(x)
    return replace(x, low=End(0.0), high=max(x.high, x.low.flipped))


def square(x: Range) -> Range:
    """x * x."""
    return absolute(x).through(lambda value: value * value)


def added(a: Range, b: Range) -> Range:
    """a + b."""
    low, high = (_sum(a, b, one, other) for one, other in ((a.low, b.low), (a.high, b.high)))
    return Range(low, high, _merged(a.sources, b.sources))


def _sum(a: Range, b: Range, one: End, other: End) -> End:
    for unbounded, rest in ((one, b), (other, a)):
        if isinf(unbounded.value) and rest.bounded:  # what has limits keeps nothing from infinity
            return unbounded
    return End(one.value + other.value, _both(a, b, one, other))


def multiplied(a: Range, b: Range) -> Range:
    """a * b."""
    corners = [
        End(_product(one.value, other.value), _both(a, b, one, other))
        for one in (a.low, a.high)
        for other in (b.low, b.high)
    ]
    low, high = min(corners, key=lambda end: (end.value, -end.reach)), max(corners)
    if a.low.value >= 0 and b.low.value >= 0 and low.value == 0:  # one factor is enough
        low = End(0.0, max(end.reach for end in (a.low, b.low) if end.value == 0))
    return Range(low, high, _merged(a.sources, b.sources))


def _product(a: float, b: float) -> float:
    return a * b if a and b else 0.0


def divided(a: Range, b: Range) -> Range:
    """a / b, where b has one sign."""
    if b.low.value <= 0 <= b.high.value:
        return unknown(a, b)
    return multiplied(a, Range(_inverse(b.high), _inverse(b.low), b.sources))


def _inverse(end: End) -> End:
    return End(0.0) if isinf(end.value) else End(1 / end.value, end.reach)  # zero is neared, never reached


def larger(a: Range, b: Range) -> Range:
    """max(a, b)."""
    low = End(max(a.low.value, b.low.value), _both(a, b, a.low, b.low))
    return Range(low, max(a.high, b.high), _merged(a.sources, b.sources))


def smaller(a: Range, b: Range) -> Range:
    """min(a, b)."""
    return negated(larger(negated(a), negated(b)))


def united(a: Range, b: Range) -> Range:
    """Values of which each comes from one of the two: an end is proven where both have it."""
    return Range(_lower(a.low, b.low), _lower(a.high.flipped, b.high.flipped).flipped, _merged(a.sources, b.sources))


def _lower(a: End, b: End) -> End:
    return End(min(a.value, b.value), min(a.reach, b.reach) if a.value == b.value else Reach.UNPROVEN)
