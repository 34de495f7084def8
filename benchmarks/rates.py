"""How often something happened, and between which bounds that leaves its probability."""

from math import sqrt
from typing import NamedTuple


class Rate(NamedTuple):
    """How many of how many, with Wilson's 95 % interval."""

    hits: int
    trials: int

    @property
    def share(self) -> float:
        return self.hits / self.trials

    @property
    def bounds(self) -> tuple[float, float]:
        z2 = 1.96**2 / self.trials
        centre, half = self.share + z2 / 2, sqrt(z2 * (self.share * (1 - self.share) + z2 / 4))
        return max(0.0, centre - half) / (1 + z2), min(1 + z2, centre + half) / (1 + z2)

    def __str__(self) -> str:
        low, high = self.bounds
        return f"{self.share:.1%} [{low:.1%}, {high:.1%}]"
