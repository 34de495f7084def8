"""The largest of several numbers."""

from functools import lru_cache
from math import pi, sqrt

import numpy as np

from archlint.analyses.signal.functions import LINEAR
from archlint.analyses.signal.gaussian import applied
from archlint.analyses.signal.state import Group, Pairs, Texture, bounded

_GRID = np.linspace(-8, 8, 1025)
_DENSITY = np.exp(-_GRID * _GRID / 2) / sqrt(2 * pi)
_BELOW = np.cumsum(_DENSITY) * (_GRID[1] - _GRID[0])


@lru_cache(maxsize=512)
def largest_normal(count: int) -> tuple[float, float, float]:
    """Mean, variance and third central moment of the largest of so many independent standard normal numbers."""
    if count <= 1:
        return 0.0, 1.0, 0.0
    with np.errstate(all="ignore"):
        density = _DENSITY * np.power(np.minimum(_BELOW, 1.0), min(count, 10**7) - 1)
    density = density / density.sum()
    mean = float(density @ _GRID)
    return mean, float(density @ (_GRID - mean) ** 2), float(density @ (_GRID - mean) ** 3)


def highest(group: Group, count: int, overlap: float, shared: float = 1.0) -> Group:
    """The largest of `count` neighbouring places, which are exchangeable normal numbers, or a rising function of such.

    `overlap` is the part of its window that one place shares with the next one; `shared`: in how many windows each is.
    """
    function, base = group.law or (LINEAR, group)
    own = min(base.pairs.near, base.variance)
    mean, variance, skew = largest_normal(count)

    def left(pair: float) -> float:
        return max(0.0, pair - own) + min(pair, own) * variance

    pairs = Pairs(*map(left, base.pairs))
    pairs = pairs._replace(near=pairs.far * (1 - overlap))
    texture = Texture(pairs.far * (shared - 1) / 2, 0.0, base.texture.swing, bounded(skew * bounded(own**1.5)))
    middle = bounded(base.mean + sqrt(own) * mean)
    square = middle * middle + max(0.0, base.variance - own) + own * variance
    return applied(function, Group(group.share, middle, bounded(square), pairs, texture=texture))._replace(
        share=group.share
    )
