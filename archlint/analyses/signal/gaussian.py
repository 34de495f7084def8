"""What a function makes of normally distributed numbers, by quadrature."""

from functools import lru_cache
from math import asin, cos, erf, pi, sin, sqrt
from typing import NamedTuple

import numpy as np

from archlint.analyses.signal.functions import LINEAR, Function, Numbers
from archlint.analyses.signal.state import HUGE, Group, Pairs, Texture, bounded

_STEP = 1 / 16
_GRID = np.arange(-8 + _STEP / 2, 8, _STEP)
"""Points that lie evenly on both sides of zero, so that a bend there costs no accuracy."""
_WEIGHTS = np.exp(-_GRID * _GRID / 2) * (_STEP / sqrt(2 * pi))

_OFFSETS, _OFFSET_WEIGHTS = (half[4:] for half in np.polynomial.hermite_e.hermegauss(8))
_OFFSET_WEIGHTS = _OFFSET_WEIGHTS / _OFFSET_WEIGHTS.sum()
"""Half of the nodes: what is integrated over them is even."""

_BENDS = np.arange(-10 + _STEP / 2, 10, _STEP)
"""Where functions are anything but straight."""

_WIDE = 2.0
"""Standard deviations above this need points there as well."""


class Moments(NamedTuple):
    """Of f(x): E[f], E[f²], E[f'²], and the third central moment."""

    mean: float
    square: float
    slope: float
    skew: float


def _points(mean: float, std: float) -> tuple[Numbers, Numbers]:
    """Standardized points and their weights, for numbers with this mean and standard deviation."""
    if std <= _WIDE:
        return _GRID, _WEIGHTS
    inner = (_BENDS - mean) / std
    points = np.sort(np.concatenate((_GRID, inner[np.abs(inner) < 8])))
    ends = np.concatenate(([-8.0], (points[1:] + points[:-1]) / 2, [8.0]))
    weights: Numbers = np.exp(-points * points / 2) * np.diff(ends)
    return points, weights / weights.sum()


@lru_cache(maxsize=4096)
def moments(function: Function, mean: float, variance: float, skew: float = 0.0) -> Moments:
    """Moments of the function of a normal number, or of one that is skewed (to first order, by Edgeworth)."""
    if function == LINEAR:
        return Moments(mean, bounded(mean * mean + variance), 1.0, bounded(skew * bounded(variance**1.5)))
    if function.name == "relu" and mean == 0 and not skew:
        return _rectified(function.first, variance)
    std = sqrt(variance)
    points, weights = _points(mean, std)
    if skew:
        weights = weights * np.maximum(0.0, 1 + skew / 6 * points * (points * points - 3))
        weights /= weights.sum()
    step = max(1e-4 * std, 1e-7 * (1 + abs(mean)))
    with np.errstate(all="ignore"):
        x = mean + std * points
        values = function(x)
        slopes = (function(x + step) - function(x - step)) / (2 * step)
        middle = weights @ values
        found = (middle, weights @ (values * values), weights @ (slopes * slopes), weights @ (values - middle) ** 3)
    return Moments(*(bounded(float(value)) for value in found))


def _rectified(slope: float, variance: float) -> Moments:
    """Of a ReLU around zero, with this slope below it."""
    square = bounded((1 + slope * slope) / 2)
    mean = (1 - slope) / sqrt(2 * pi)
    third = (1 - slope**3) * sqrt(2 / pi) - 3 * mean * square + 2 * mean**3
    cube = bounded(variance**1.5)
    return Moments(bounded(mean * sqrt(variance)), bounded(variance * square), square, bounded(third * cube))


def _rectified_apart(slope: float, ratio: float) -> float:
    """Half the mean square difference of a ReLU of two normal numbers of variance 1 (Cho & Saul 2009).

    Its odd part is linear; its even part, |x|, is (2/π)(sin θ + (π/2 - θ) cos θ) correlated if x is cos θ.
    """
    angle = 2 * asin(sqrt(ratio / 2))
    # sin θ - θ cos θ, without cancellation
    bend = sin(angle) - angle * cos(angle) if angle > 0.05 else angle**3 / 3 - angle**5 / 30
    even = max(0.0, ratio - bend * 2 / pi)
    return bounded(((1 + slope) / 2) ** 2 * ratio + ((1 - slope) / 2) ** 2 * even)


@lru_cache(maxsize=8192)
def apart(function: Function, mean: float, variance: float, pair: float) -> float:
    """Half the mean square difference of the function of two normal numbers for which it is `pair`."""
    if function == LINEAR or pair <= 0 or variance <= 0:
        return max(0.0, pair) if function == LINEAR else 0.0
    std, ratio = sqrt(variance), min(2.0, pair / variance)
    if function.name == "relu" and mean == 0:
        return bounded(variance * _rectified_apart(function.first, ratio))
    points, weights = _points(mean, std)
    along = mean + std * sqrt(1 - ratio / 2) * points[:, None]
    across = std * sqrt(ratio / 2) * _OFFSETS
    with np.errstate(all="ignore"):
        differences = function(along + across) - function(along - across)
        found = weights @ (differences * differences) @ _OFFSET_WEIGHTS
    return bounded(float(found) / 2)


def together(function: Function, group: Group, coherent: float) -> float:
    """E[f'(x) f'(x')] over E[f'²] for two numbers that are this far apart; 0 where it is less."""
    if function == LINEAR or group.variance <= 0 or group.variance >= HUGE:
        return 1.0
    return _together(function, group.mean, group.variance, min(2.0, max(0.0, coherent / group.variance)))


@lru_cache(maxsize=4096)
def _together(function: Function, mean: float, variance: float, ratio: float) -> float:
    if function.name == "relu" and mean == 0:
        odd, even = ((1 + function.first) / 2) ** 2, ((1 - function.first) / 2) ** 2
        return max(0.0, (odd + even * asin(1 - ratio) * 2 / pi) / (odd + even)) if odd + even else 0.0
    std = sqrt(variance)
    points, weights = _points(mean, std)
    step = 1e-3 * std
    along = mean + std * sqrt(1 - ratio / 2) * points[:, None]
    across = std * sqrt(ratio / 2) * _OFFSETS
    with np.errstate(all="ignore"):
        slopes = [(function(x + step) - function(x - step)) / (2 * step) for x in (along + across, along - across)]
        product = float(weights @ (slopes[0] * slopes[1]) @ _OFFSET_WEIGHTS)
    whole = moments(function, mean, variance).slope
    return max(0.0, min(1.0, product / whole)) if 0 < whole < HUGE and abs(product) < HUGE else 0.0


def applied(function: Function, group: Group) -> Group:
    """The function of every number of a group, which is taken to be normal but for its skewness."""
    if function == LINEAR:
        return group
    mean, variance = rounded(group.mean), rounded(group.variance)
    plain, after = moments(function, mean, variance), moments(function, mean, variance, skewness(group))
    pairs = [apart(function, mean, variance, rounded(pair)) for pair in group.pairs]
    if plain is not after:
        pairs = [_corrected(group, *pair, plain, after) for pair in zip(pairs, group.pairs, strict=True)]
    straight, bent = shape(function, mean, variance)
    alike = bent * group.texture.swing
    sample, near, far, both = pairs
    found = Pairs(sample, max(0.0, near - alike), max(0.0, far - alike), both)
    clump = bounded(straight * group.texture.clump + bent * group.texture.ripple)
    texture = Texture(clump, 0.0, group.texture.swing, after.skew)
    return Group(group.share, after.mean, after.square, found, (function, group._replace(law=None)), texture)


def _corrected(group: Group, made: float, pair: float, plain: Moments, skewed: Moments) -> float:
    """A pair made of normal numbers, for skewed ones: far apart it is the variance, close by it goes with the slope."""
    far = min(1.0, pair / group.variance) if group.variance > 0 else 0.0
    variances = [found.square - found.mean * found.mean for found in (plain, skewed)]
    by_variance = variances[1] / variances[0] if variances[0] > 0 else 1.0
    by_slope = skewed.slope / plain.slope if plain.slope > 0 else 1.0
    return bounded(made * max(0.0, far * by_variance + (1 - far) * by_slope))


def skewness(group: Group) -> float:
    """Third central moment over the cube of the standard deviation, as far as the expansion below holds."""
    if not group.texture.skew or group.variance <= 0:
        return 0.0
    return round(max(-1.0, min(1.0, group.texture.skew / bounded(group.variance**1.5))), 3)


@lru_cache(maxsize=2048)
def shape(function: Function, mean: float, variance: float) -> tuple[float, float]:
    """What becomes of a small covariance of two normal numbers, and of the square of their correlation.

    These are the first two coefficients of the function in Hermite polynomials, squared.
    """
    if function == LINEAR or variance <= 0:
        return 1.0, 0.0
    if function.name == "relu" and mean == 0:
        slopes = 1 + function.first, 1 - function.first
        return bounded(slopes[0] ** 2 / 4), bounded(variance * slopes[1] ** 2 / (4 * pi))
    std = sqrt(variance)
    points, weights = _points(mean, std)
    with np.errstate(all="ignore"):
        values = function(mean + std * points) * weights
        first, second = float(values @ points), float(values @ (points * points - 1))
    return bounded(first * first / variance), bounded(second * second / 2)


def slope(function: Function, group: Group) -> float:
    """E[f'²]."""
    return moments(function, rounded(group.mean), rounded(group.variance), skewness(group)).slope


def rounded(value: float) -> float:
    """To six digits, so that what was computed for a value serves for those that differ by less."""
    return float(f"{value:.6g}")


def normal_share(z: float) -> float:
    """The part of normal numbers that is below z standard deviations."""
    return 0.5 * (1 + erf(z / sqrt(2)))


_LOGS = np.arange(-60, 60, 0.25)


@lru_cache(maxsize=256)
def share_square(classes: int, variance: float) -> float:
    """E[p²] of a share of a softmax over so many normal numbers of this variance.

    1/S² is the integral of t exp(-tS) over t, and under it the numbers are independent. Points are spaced by the
    logarithm of t, which is counted from 1/n.
    """
    z, weights = sqrt(variance) * _GRID[::2], 2 * _WEIGHTS[::2]
    t = np.exp(_LOGS - np.log(classes) - variance / 2)[:, None]
    with np.errstate(all="ignore"):
        inside = np.exp(-t * np.exp(z))
        others = np.log(np.maximum(inside @ weights, 1e-300)) * (classes - 1)
        own = (inside * np.exp(2 * z)) @ weights
        found = float(np.sum(t[:, 0] ** 2 * own * np.exp(others)) * (_LOGS[1] - _LOGS[0]))
    return min(1 / classes, max(1 / classes**2, found)) if found == found else 1 / classes
