"""One call on its way through the net: what arrives, what the layer is, and what its rule gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

from archlint.analyses.signal.functions import Function, named
from archlint.analyses.signal.kernels import Drawn
from archlint.analyses.signal.state import Gradient, Group, Pairs, State, mixed
from archlint.graph import Shape, Tensor
from archlint.shape_terms import UnknownError, Use

Back = Callable[[Gradient], Gradient]
"""The gradient behind a step → the one in front of it."""

Backs = Callable[[Gradient], Sequence[Gradient | None]]
"""The gradient at an output → those at the inputs; None where none arrives."""


class Step(NamedTuple):
    """What becomes of one value, and the way back."""

    state: State
    back: Back

    def then(self, following: "Callable[[State], Step]") -> "Step":
        """This step and another one behind it."""
        after = following(self.state)
        return Step(after.state, lambda gradient: self.back(after.back(gradient)))


class Passed(NamedTuple):
    """What comes out of a call: a state for each output, and the way back from the first one.

    `others` are the ways back from further outputs. `horizon`, `gain`: as in `Signals`.
    """

    states: tuple[State, ...]
    back: Backs
    others: tuple[Backs, ...] = ()
    horizon: float | None = None
    gain: float | None = None


def single(step: Step) -> Passed:
    """A layer that is one step."""
    return Passed((step.state,), lambda gradient: [step.back(gradient)])


@dataclass(frozen=True, slots=True)
class Changed:
    """What is taken to be different about a layer."""

    gain: float | None = None
    activation: str | None = None
    normed: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A layer in use, the states of its inputs, the shapes of its outputs, its weights by name as they are drawn.

    `training`: norms take statistics of the batch, and dropout drops. `tensors` are the inputs, `makers` the layers
    that made them, of these `kinds`; inputs whose `values` are the same are copies of each other.
    """

    use: Use
    inputs: tuple[State, ...]
    made: tuple[Shape | None, ...]
    weights: Mapping[str, Drawn] = field(default_factory=dict)
    changed: Changed = field(default_factory=Changed)
    version: tuple[int, ...] = ()
    training: bool = True
    tensors: tuple[Tensor, ...] = ()
    values: tuple[Tensor, ...] = ()
    makers: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()

    def twins(self, one: int, other: int) -> bool:
        """Whether two inputs are what the same layer made in different calls."""
        return self.makers[one] == self.makers[other] and self.tensors[one].call != self.tensors[other].call

    def after(self, kind: str) -> bool:
        """Whether its first input comes from a layer of that kind."""
        return self.kinds[:1] == (kind,)

    @property
    def input(self) -> State:
        """The first input."""
        return self.inputs[0]

    @property
    def shape(self) -> Shape:
        """The shape of the first input; () if it is not known."""
        return (self.use.inputs[0] or ()) if self.use.inputs else ()

    @property
    def channel_axis(self) -> int:
        """Where the layer looks for channels in its first input, counted from the end."""
        layer, rank = self.use.layer, len(self.shape)
        if layer.args.get("data_format") == "channels_first" and rank > 2 + layer.time_distributed:
            return 1 + layer.time_distributed - rank
        return -1

    def along_channels(self, number: int = 0) -> State:
        """An input, its groups of channels told along the axis where the layer looks for channels."""
        return turned(self.inputs[number], self.channel_axis)

    def function(self, key: str = "activation") -> Function | None:
        """The layer's activation; `linear` where it has none, None for one that does not work on single numbers."""
        own = self.use.layer.args.get(key)
        name = self.changed.activation if key == "activation" and self.changed.activation else own
        return named(name if isinstance(name, str) else "linear", self.use.layer.args, self.version)


def turned(state: State, axis: int) -> State:
    """The state if the channels lie along another axis: what were channels are places now."""
    if axis == state.axis:
        return state
    group = mixed(state.groups)
    variance = group.variance
    pairs = Pairs(group.pairs.sample, variance, variance, variance)
    return State((group._replace(share=1.0, pairs=pairs, law=None),), axis, state.certainty)


def places(shape: Shape, axis: int) -> int | None:
    """How many places a tensor of this shape has whose channels lie along the axis; None: any number."""
    sizes = [size for number, size in enumerate(shape) if number not in (0, axis % len(shape) if shape else 0)]
    return None if None in sizes else prod(size or 0 for size in sizes)


def elements(shape: Shape | None) -> float | None:
    """How many numbers a tensor has for each sample, any open dimension counted once; None: not known."""
    return None if shape is None else float(prod(size or 1 for size in shape[1:]))


def kept(gradient: Gradient) -> Gradient:
    """The way back through a step that changes no gradient."""
    return gradient


def scaling(groups: Sequence[Group], factors: Sequence[float]) -> Back:
    """The way back through a step that multiplies every group by a number of its own, the square of which this is."""
    return lambda gradient: gradient.along(groups).per_group(factors)


MISFITS = (UnknownError, ArithmeticError, LookupError, TypeError, ValueError)
"""What a rule may end in: a hostile file has anything anywhere, and whatever does not fit is not known."""

Rule = Callable[[Node], Passed]
"""A call → what comes out of it; UnknownError where that cannot be known."""
