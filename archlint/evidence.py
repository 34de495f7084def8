"""What a check may go by besides the architecture: the runtime, the stored weights, training data."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from archlint.limits import WEIGHT_BYTES
from archlint.targets import Target

if TYPE_CHECKING:
    from archlint.dataset import Dataset

NO_DATA = "no training data was given; name it with --data"
"""Why rules about the data are not checked."""


class Reading(StrEnum):
    """Whether the numbers of the stored weights are read; `auto`: up to a budget."""

    auto = "auto"
    always = "always"
    never = "never"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the user gave, and allows to be read.

    `progress` is called with the bytes of weights read so far and in all. `budget` is up to how many bytes of weights
    are read where `weights` is `auto`.
    """

    target: Target | None = None
    weights: Reading = Reading.auto
    data: "Dataset | None" = None
    progress: Callable[[int, int], None] | None = None
    budget: int = WEIGHT_BYTES
