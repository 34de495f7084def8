"""The laws that initializers draw from, and whether numbers may have been drawn from one.

The test is Kolmogorov's and Smirnov's, with the asymptotic distribution of Stephens 1970; the normal distribution is
computed by Abramowitz & Stegun 7.1.26 (error below 2e-7), as NumPy has none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from archlint.analyses.initial import TRUNCATION
from archlint.analyses.weighing.blocks import Array

_CUT = math.erf(math.sqrt(2))
"""Share of a normal distribution within two standard deviations, where Keras's truncated ones end."""

_HALF_WAY = math.sqrt(2 / math.pi)
"""Mean magnitude of a standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Law:
    """A distribution of single numbers: mean of the magnitudes (None: not worked out), the greatest magnitude that it
    gives, the probability of numbers up to x, and that of one of magnitude x or more beyond the bound."""

    std: float
    magnitude: float | None
    bound: float
    cdf: Callable[[Array], Array]
    beyond: Callable[[float], float] = lambda _magnitude: 0.0


def uniform(low: float, high: float) -> Law | None:
    """All numbers from low to high alike."""
    width = high - low
    if not 0 < width < math.inf:
        return None
    magnitude = (low * low + high * high) / (2 * width) if low < 0 < high else abs(low + high) / 2
    return Law(width / math.sqrt(12), magnitude, max(abs(low), abs(high)), lambda x: np.clip((x - low) / width, 0, 1))


def normal(mean: float, std: float) -> Law | None:
    """The whole bell."""
    if not 0 < std < math.inf:
        return None
    magnitude = None if mean else std * _HALF_WAY
    return Law(std, magnitude, math.inf, lambda x: _bell((x - mean) / std))


def truncated(mean: float, scale: float) -> Law | None:
    """The bell up to two of its standard deviations `scale`; its own is smaller."""
    if not 0 < scale < math.inf:
        return None
    magnitude = None if mean else scale * _HALF_WAY * (1 - math.exp(-2)) / _CUT
    below = (1 - _CUT) / 2
    return Law(
        scale * TRUNCATION,
        magnitude,
        abs(mean) + 2 * scale,
        lambda x: np.clip((_bell((x - mean) / scale) - below) / _CUT, 0, 1),
        # Keras on PyTorch draws four times, and keeps the first number if all four lie beyond
        lambda x: (2 * below) ** 3 * math.erfc((x - abs(mean)) / (scale * math.sqrt(2))),
    )


def _bell(x: Array) -> Array:
    """The standard normal distribution function."""
    z = np.abs(x) / math.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    upper = series * np.exp(-z * z) / 2
    return np.asarray(np.where(x < 0, upper, 1 - upper))


def fit(law: Law, ordered: Array) -> float:
    """The p-value of numbers, in order, under a law."""
    n = ordered.size
    expected = law.cdf(ordered)
    steps = np.arange(n + 1) / n
    distance = max(float((steps[1:] - expected).max()), float((expected - steps[:-1]).max()))
    return _kolmogorov((math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * distance)


def _kolmogorov(distance: float) -> float:
    """The probability of a greater distance, in units of 1/√n."""
    if distance < 0.2:
        return 1.0
    terms = (-((-1.0) ** k) * math.exp(-2 * (k * distance) ** 2) for k in range(1, 20))
    return min(1.0, max(0.0, 2 * math.fsum(terms)))
