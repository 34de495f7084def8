"""What is trained and what comes out of it, as plain data: it can be sent to any process, and needs no TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archlint.graph import Training
from archlint.lab.thresholds import END

Array = NDArray[Any]
Weights = Mapping[str, Sequence[Array]]
"""Arrays in Keras's order by the path of their layer."""

Watch = Callable[[int, float, float], None]
"""Called after each epoch with its number from 1, and the training and validation loss."""


class Strength(NamedTuple):
    """How strong a signal is: its spread over samples, and the norm of the gradient there; None where not known."""

    spread: float | None
    gradient: float | None


class Expected(NamedTuple):
    """How strong what a layer receives should be before training, with the layer's path."""

    layer: str
    strength: Strength


@dataclass(frozen=True, slots=True)
class Arm:
    """What is trained: a network as Keras serialises it, and how it was compiled.

    `saved` are weights that the file holds. With `start="saved"` training begins from them; with "fresh" only frozen
    layers have them. `expected` is what the layers should receive, by their names; empty if nobody asks.
    """

    name: str
    config: Mapping[str, Any]
    training: Training = field(default_factory=Training)
    saved: Weights = field(default_factory=dict)
    start: Literal["fresh", "saved"] = "fresh"
    expected: Mapping[str, Expected] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Data:
    """Samples along the first axis: one array per input and output of the network.

    Samples of one group are never divided between training and validation. `held_out` marks the samples that the user
    has set apart for validation; without it every seed sets apart its own.
    """

    x: tuple[Array, ...]
    y: tuple[Array, ...]
    groups: Array | None = None
    held_out: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.x[0])


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to train, in batches of which size, and the share of the samples that is for validation."""

    epochs: int = 20
    batch_size: int = 32
    share: float = 0.2


@dataclass(frozen=True, slots=True)
class Curves:
    """What one run showed. Losses are without penalties, so that arms with and without them compare.

    `train` and `val` are of the network in use (no dropout, recalibrated batch normalization), after each epoch;
    `losses` are those of each batch as it was trained on. `assumed` are sentences on what the file does not say.
    """

    seed: int
    train: tuple[float, ...]
    val: tuple[float, ...]
    losses: tuple[float, ...]
    seconds: float
    assumed: tuple[str, ...] = ()

    @property
    def finite(self) -> bool:
        """Whether every loss was a number."""
        return all(map(isfinite, (*self.losses, *self.train, *self.val)))

    @property
    def best(self) -> float:
        """The lowest validation loss."""
        return min(self.val) if self.val and self.finite else inf

    @property
    def end(self) -> float:
        """The validation loss at the end: its mean over the last tenth of the epochs."""
        last = max(1, round(END * len(self.val)))
        return float(np.mean(self.val[-last:])) if self.val and self.finite else inf

    @property
    def rise(self) -> float:
        """By which share the end lies above the best; nan where that has no meaning (a loss that is not positive)."""
        return self.end / self.best - 1 if 0 < self.best < inf else nan

    @property
    def initial(self) -> float:
        """The loss of the first batch, before anything was learned."""
        return self.losses[0]

    @property
    def highest(self) -> float:
        """The highest loss of a batch; infinite if one was not finite."""
        return max(self.losses) if all(map(isfinite, self.losses)) else inf


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that an arm takes: once for tracing, for each step, to evaluate it after an epoch, and to begin anew."""

    tracing: float
    step: float
    evaluation: float
    steps: int
    beginning: float = 0.0

    def seconds(self, epochs: int, seeds: int = 1) -> float:
        """Of so many seeds, once traced."""
        return seeds * (self.beginning + epochs * (self.steps * self.step + self.evaluation))
