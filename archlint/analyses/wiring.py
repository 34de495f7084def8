"""Who reads whose value: the graph turned round."""

from collections.abc import Iterator
from dataclasses import dataclass

from archlint.graph import Layer, Model, Tensor


@dataclass(frozen=True, slots=True)
class Wiring:
    """The readers of every tensor, and which calls the model's outputs depend on.

    `readers[call]` are the calls that read any output of `call`, once per tensor read.
    """

    model: Model
    readers: tuple[tuple[int, ...], ...]
    readers_of: dict[Tensor, int]
    ends: frozenset[Tensor]
    live: tuple[bool, ...]

    def layer_of(self, call: int) -> Layer:
        """The layer that a call calls."""
        return self.model.layers[self.model.calls[call].layer]

    def sole(self, tensor: Tensor) -> bool:
        """Whether exactly one call reads the tensor, and it is no output of the model."""
        return self.readers_of.get(tensor, 0) == 1 and tensor not in self.ends

    def is_end(self, call: int) -> bool:
        """Whether an output of the call is an output of the model."""
        return any(tensor.call == call for tensor in self.ends)

    def backwards(self) -> Iterator[int]:
        """All calls, each before those that it reads."""
        return iter(range(len(self.model.calls) - 1, -1, -1))


def wire(model: Model) -> Wiring:
    """The wiring of a model."""
    readers: list[list[int]] = [[] for _ in model.calls]
    readers_of: dict[Tensor, int] = {}
    for number, call in enumerate(model.calls):
        for tensor in call.inputs:
            readers[tensor.call].append(number)
            readers_of[tensor] = readers_of.get(tensor, 0) + 1
    ends = frozenset(output.tensor for output in model.outputs)
    live = [False] * len(model.calls)
    for tensor in ends:
        live[tensor.call] = True
    for number in range(len(model.calls) - 1, -1, -1):
        if live[number]:
            for tensor in model.calls[number].inputs:
                live[tensor.call] = True
    return Wiring(model, tuple(map(tuple, readers)), readers_of, ends, tuple(live))


def is_transparent(layer: Layer, inputs: int) -> bool:
    """Whether a call is a station on the way of one value: one input, no kernel, and known to archlint."""
    traits = layer.traits
    return inputs == 1 and not (traits.weighted or traits.opaque)
