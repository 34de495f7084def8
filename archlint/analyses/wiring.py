"""Who reads whose value: the graph turned round."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from archlint.graph import Layer, Model, Tensor


@dataclass(frozen=True, slots=True)
class Wiring:
    """The calls of every layer, the readers of every tensor, and which calls the model's outputs depend on.

    `readers[call]` are the calls that read any output of `call`, once per tensor read. What no output depends on is
    never computed, so it counts as a reader only of what is not computed either.
    """

    model: Model
    calls_of: tuple[tuple[int, ...], ...]
    readers: tuple[tuple[int, ...], ...]
    readers_of: Mapping[Tensor, int]
    ends: frozenset[Tensor]
    end_calls: frozenset[int]
    live: tuple[bool, ...]

    def layer_of(self, call: int) -> Layer:
        """The layer that a call calls."""
        return self.model.layers[self.model.calls[call].layer]

    def sole(self, tensor: Tensor) -> bool:
        """Whether exactly one call reads the tensor, and it is no output of the model."""
        return self.readers_of.get(tensor, 0) == 1 and tensor not in self.ends


def wire(model: Model) -> Wiring:
    """The wiring of a model."""
    ends = frozenset(output.tensor for output in model.outputs)
    live = _live(model, ends)
    calls_of: list[list[int]] = [[] for _ in model.layers]
    readers: list[list[int]] = [[] for _ in model.calls]
    readers_of: Counter[Tensor] = Counter()
    for number, call in enumerate(model.calls):
        calls_of[call.layer].append(number)
        for tensor in call.inputs:
            if live[number] or not live[tensor.call]:
                readers[tensor.call].append(number)
                readers_of[tensor] += 1
    end_calls = frozenset(tensor.call for tensor in ends)
    return Wiring(model, _frozen(calls_of), _frozen(readers), readers_of, ends, end_calls, live)


def _frozen(listed: list[list[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, listed))


def _live(model: Model, ends: Iterable[Tensor]) -> tuple[bool, ...]:
    live = [False] * len(model.calls)
    for tensor in ends:
        live[tensor.call] = True
    for number in reversed(range(len(model.calls))):
        if live[number]:
            for tensor in model.calls[number].inputs:
                live[tensor.call] = True
    return tuple(live)


def is_transparent(layer: Layer, inputs: int) -> bool:
    """Whether a call is a station on the way of one value: one input, no kernel, and known to archlint."""
    traits = layer.traits
    return inputs == 1 and not (traits.weighted or traits.opaque)
