"""What is predicted, and what may be taken to be different."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from archlint.analyses.signal.node import Changed
from archlint.analyses.signal.state import Gradient, State
from archlint.graph import Tensor


@dataclass(frozen=True, slots=True)
class Changes:
    """What if: by layer, another gain of its kernel (variance of an element times the products that an output sums up),
    another activation, a batch norm straight behind the kernel.
    """

    gains: Mapping[int, float] = field(default_factory=dict)
    activations: Mapping[int, str] = field(default_factory=dict)
    normed: frozenset[int] = frozenset()

    def of(self, layer: int) -> Changed:
        """What is different about one layer."""
        return Changed(self.gains.get(layer), self.activations.get(layer), layer in self.normed)


@dataclass(slots=True)
class Signals:
    """The signal of every tensor, and the gradient at every tensor that an output depends on.

    `gains`: of layers with one kernel, the variance of an element times the products summed up for an output.
    `horizons`: of recurrent layers, steps after which 1/e of a state is left.
    """

    forward: dict[Tensor, State] = field(default_factory=dict)
    backward: dict[Tensor, Gradient] = field(default_factory=dict)
    gains: dict[int, float] = field(default_factory=dict)
    horizons: dict[int, float] = field(default_factory=dict)
