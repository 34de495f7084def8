"""Decides from few paired runs: a t-interval looked at after each further seed, counts, and Holm's correction.

A sample is the log of one arm's loss over the other's, of two runs with the same seed, so positive means that the
change helps. With equal arms its distribution is symmetric whatever that of the losses is, which is why a t-interval of
three values holds (`benchmarks/lab_null.py`). The percentile bootstrap does not: 15 to 21 % false at these sizes.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from itertools import accumulate
from math import atan, cos, exp, fsum, isfinite, log, log1p, pi, sin, sqrt, tan
from statistics import fmean
from typing import NamedTuple

from archlint.lab.thresholds import COUNTED, EFFECT, FAILING, LEVEL, LOOKS

_HALVINGS = 60


class Decision(StrEnum):
    """What the seeds so far say of "the effect is at least worth it"."""

    confirmed = "confirmed"
    refuted = "refuted"
    more = "more"
    noisy = "noisy"


class Interval(NamedTuple):
    """The mean of `k` log-ratios, its confidence interval, and the p-value of "it is zero" (two-sided)."""

    mean: float
    low: float
    high: float
    k: int
    p: float

    @property
    def effect(self) -> float:
        """The mean as a relative difference: 0.14 is 14 %."""
        return exp(self.mean) - 1

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval as relative differences."""
        return exp(self.low) - 1, exp(self.high) - 1


def log_ratios(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """The log of each loss of one arm over that of the other with the same seed; positive: `after` is lower.

    Raises:
        ValueError: for arms of different lengths, and losses that have no logarithm; those are counted, not averaged.
    """
    pairs = list(zip(before, after, strict=True))
    if odd := [value for pair in pairs for value in pair if not (isfinite(value) and value > 0)]:
        raise ValueError(f"losses must be positive and finite to have a ratio. Received: {odd[0]}")
    return [log(first / second) for first, second in pairs]


def interval(samples: Sequence[float], level: float = LEVEL) -> Interval:
    """Student's interval for the mean of at least two samples."""
    k, mean = len(samples), fmean(samples)
    error = sqrt(fsum((sample - mean) ** 2 for sample in samples) / (k - 1) / k)
    half = student_quantile(level, k - 1) * error
    # Samples that are all the same have no spread; their mean is what it is.
    p = 1 - student(abs(mean) / error, k - 1) if error else float(mean == 0)
    return Interval(mean, mean - half, mean + half, k, p)


def decide(
    samples: Sequence[float],
    *,
    least: float | None = None,
    fewest: int = LOOKS[0],
    most: int = LOOKS[-1],
    level: float = LEVEL,
) -> Decision:
    """What to do after these samples, one per seed.

    Args:
        samples: log-ratios, in the order in which they came.
        least: the least log-ratio that is worth it; that of `EFFECT` if None.
        fewest: seeds before which nothing is decided.
        most: seeds after which it ends as `noisy`.
        level: of the interval.
    """
    least = log1p(EFFECT) if least is None else least
    decision = Decision.more
    for k in looks(fewest, most):
        if k > len(samples) or decision is not Decision.more:
            break
        decision = _look(interval(samples[:k], level), least)
    return Decision.noisy if decision is Decision.more and len(samples) >= most else decision


def looks(fewest: int, most: int) -> tuple[int, ...]:
    """Numbers of seeds after which to look: each of `LOOKS` that is asked for, and the last."""
    return tuple(k for k in range(fewest, most + 1) if k in LOOKS or k == most)


def _look(seen: Interval, least: float) -> Decision:
    # Both conditions: repeated looks at "low > 0" alone confirm small differences that are due to chance.
    if seen.low > 0 and seen.mean >= least:
        return Decision.confirmed
    return Decision.refuted if seen.high < least else Decision.more


def count(failed: Sequence[bool], remedied: Sequence[bool] | None = None, most: int = COUNTED) -> Decision:
    """Counts runs that failed (were not finite, or exploded), one per seed.

    Confirmed if the arm fails in at least half of at least five seeds, and the remedied arm in none; refuted if it
    never fails. What lies between is `noisy` once there are `most` seeds.
    """
    if len(failed) < COUNTED:
        return Decision.more
    if sum(failed) >= FAILING * len(failed) and not any(remedied or ()):
        return Decision.confirmed
    if not any(failed):
        return Decision.refuted
    return Decision.noisy if len(failed) >= most else Decision.more


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for there being several (Holm 1979), in the order given; below 0.05 still counts."""
    order = sorted(range(len(p_values)), key=lambda position: p_values[position])
    scaled = [p_values[position] * (len(p_values) - rank) for rank, position in enumerate(order)]
    corrected = dict(zip(order, accumulate(scaled, max), strict=True))
    return [min(1.0, corrected[position]) for position in range(len(p_values))]


def student(t: float, degrees: int) -> float:
    """The probability of |T| < t for Student's T of so many degrees (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    angle, odd = atan(t / sqrt(degrees)), degrees % 2
    term = cos(angle) if odd else 1.0
    total = 0.0
    for power in range(odd, degrees - 1, 2):
        total += term
        term *= cos(angle) ** 2 * (power + 1) / (power + 2)
    return (angle + sin(angle) * total) * 2 / pi if odd else sin(angle) * total


@cache
def student_quantile(level: float, degrees: int) -> float:
    """The t for which `student` is `level`, found by halving the angle whose tangent it is."""
    low, high = 0.0, pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = student(sqrt(degrees) * tan(middle), degrees) < level
        low, high = (middle, high) if below else (low, middle)
    return sqrt(degrees) * tan((low + high) / 2)
