"""The way that a signal takes through a network: from its first kernel that learns to an output layer.

Where ways meet, the one that carries the others is taken: the shortcut and not the residual branch beside it, the
features and not the gate that is made of them; otherwise the longest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from archlint.analyses.flow import Flow
from archlint.analyses.wiring import Wiring
from archlint.graph import Layer, Tensor

_AVERAGES = frozenset({"global_avg_pool", "reduce"})


@dataclass(frozen=True, slots=True)
class Way:
    """Calls in their order, from the `first` trainable one with a kernel to the `head` that makes an output.

    `read` is the tensor of the way that the head reads. `heads` are the calls that make the outputs which depend on
    `first`.
    """

    wiring: Wiring
    calls: tuple[int, ...]
    read: Tensor
    heads: tuple[int, ...]

    @property
    def first(self) -> int:
        """The call that it begins with."""
        return self.calls[0]

    @property
    def head(self) -> int:
        """The call that it ends with."""
        return self.calls[-1]

    @property
    def layers(self) -> list[Layer]:
        """The layers called on it, without the head's."""
        return [self.wiring.layer_of(call) for call in self.calls[:-1]]

    @property
    def averages(self) -> Iterator[tuple[Tensor, Tensor]]:
        """What goes into and comes out of each global average."""
        for call in self.calls:
            if self.wiring.layer_of(call).kind in _AVERAGES:
                yield self.wiring.model.calls[call].inputs[0], Tensor(call)


def longest(wiring: Wiring, flow: Flow) -> Way | None:
    """The way to the deepest output; None if no kernel learns on it before the head, or a frozen one lies before."""
    depths = _depths(wiring)
    if not wiring.ends:
        return None
    end = max(sorted(wiring.ends), key=lambda tensor: depths[tensor.call])
    passed = list(_passed(wiring, end, depths))
    kernels = [tensor.call for tensor in passed if wiring.layer_of(tensor.call).traits.weighted]
    if not kernels or flow.frozen_before[kernels[0]] or not wiring.layer_of(kernels[0]).trainable:
        return None
    first, head = kernels[-1], kernels[0]
    calls = tuple(tensor.call for tensor in reversed(passed) if first <= tensor.call <= head)
    read = next(tensor for tensor in passed if tensor.call < head) if first < head else None
    return Way(wiring, calls, read, _heads(wiring, first)) if read else None


def _depths(wiring: Wiring) -> list[int]:
    """Layers with a kernel on the longest path to each call, its own included."""
    depths: list[int] = []
    for number, call in enumerate(wiring.model.calls):
        before = max((depths[tensor.call] for tensor in call.inputs), default=0)
        depths.append(before + wiring.layer_of(number).traits.weighted)
    return depths


def _passed(wiring: Wiring, end: Tensor, depths: Sequence[int]) -> Iterator[Tensor]:
    """The tensors on the way, from its end back to an input of the model."""
    yield end
    while inputs := wiring.model.calls[end.call].inputs:
        end = _trunk(wiring, inputs, depths)
        yield end


def _trunk(wiring: Wiring, inputs: Sequence[Tensor], depths: Sequence[int]) -> Tensor:
    """Of the tensors that meet in a call, the one that carries the others, or the one of the deepest call."""
    if len(inputs) == 1:
        return inputs[0]
    origin = min(inputs).call
    made_of_it = _behind(wiring, origin, max(inputs).call)
    rest = [tensor for tensor in inputs if tensor.call not in made_of_it]
    return max(rest, key=lambda tensor: depths[tensor.call])


def _behind(wiring: Wiring, origin: int, last: int) -> set[int]:
    """The calls up to number `last` that depend on `origin`, itself left out."""
    found: set[int] = set()
    left = [origin]
    while left:
        new = {reader for reader in wiring.readers[left.pop()] if reader <= last} - found
        found |= new
        left.extend(new)
    return found


def _heads(wiring: Wiring, first: int) -> tuple[int, ...]:
    """The calls that make the outputs which depend on `first`, seen back through what has one input and no kernel."""
    behind = _behind(wiring, first, len(wiring.model.calls) - 1)
    return tuple(sorted({_maker(wiring, tensor.call) for tensor in wiring.ends if tensor.call in behind}))


def _maker(wiring: Wiring, call: int) -> int:
    while len(inputs := wiring.model.calls[call].inputs) == 1 and not wiring.layer_of(call).traits.weighted:
        call = inputs[0].call
    return call
