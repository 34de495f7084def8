"""What becomes of a value further on, and what it depends on: roles, gates, residuals, the next activation.

Each is one pass over the calls, forwards or backwards.
"""

from dataclasses import dataclass

from archlint.analyses.wiring import Wiring, is_transparent
from archlint.graph import Call

_GATES = frozenset({"multiply", "dot"})
_SUMS = frozenset({"add", "subtract", "average"})
_CROSSED = frozenset({"zero_padding", "cropping", "upsampling"})
"""Layers that an activation may stand behind as well as in front of; pools, norms and pass_through count, too."""


@dataclass(slots=True)
class Flow:
    """Facts of each call, by its number."""

    feeds_kernel: list[bool]
    gate: list[bool]
    residual: list[bool]
    next_activation: list[str | None]
    trainable_before: list[bool]
    frozen_before: list[bool]
    depth: int


def flow(wiring: Wiring) -> Flow:
    """Where values go and where they come from, for every call of the model."""
    calls = wiring.model.calls
    feeds, gate, residual = ([False] * len(calls) for _ in range(3))
    upcoming: list[str | None] = [None] * len(calls)
    for number in reversed(range(len(calls))):
        readers = wiring.readers[number]
        feeds[number] = any(feeds[reader] or wiring.layer_of(reader).traits.weighted for reader in readers)
        gate[number] = any(_ends_in(_GATES, wiring, reader, gate) for reader in readers)
        residual[number] = any(_ends_in(_SUMS, wiring, reader, residual) for reader in readers)
        upcoming[number] = _next_activation(wiring, number, upcoming)
    before = _before(wiring)
    return Flow(feeds, gate, residual, upcoming, *before, _depth(wiring))


def _ends_in(kinds: frozenset[str], wiring: Wiring, reader: int, known: list[bool]) -> bool:
    layer, call = wiring.layer_of(reader), wiring.model.calls[reader]
    if layer.kind in kinds and len(call.inputs) > 1:
        return True
    return is_transparent(layer, len(call.inputs)) and known[reader]


def _next_activation(wiring: Wiring, number: int, upcoming: list[str | None]) -> str | None:
    """The activation that the value of a call meets first; None where its readers disagree or it cannot be known."""
    met = {_met(wiring, reader, upcoming) for reader in wiring.readers[number]}
    if number in wiring.end_calls:
        met.add("linear")
    return met.pop() if len(met) == 1 else None


def _met(wiring: Wiring, reader: int, upcoming: list[str | None]) -> str | None:
    layer, call = wiring.layer_of(reader), wiring.model.calls[reader]
    traits = layer.traits
    if traits.activation:
        own = layer.args.get("activation")
        return upcoming[reader] if own == "linear" else own
    if traits.weighted:
        return "linear"
    crossed = traits.norm or traits.pass_through or traits.pool or layer.kind in _CROSSED
    return upcoming[reader] if crossed and len(call.inputs) == 1 else None


def _before(wiring: Wiring) -> tuple[list[bool], list[bool]]:
    """Whether the input of each call depends on a trainable, and on a frozen, layer with a kernel."""
    calls = wiring.model.calls
    trainable, frozen = ([False] * len(calls) for _ in range(2))
    for number, call in enumerate(calls):
        for tensor in call.inputs:
            layer = wiring.layer_of(tensor.call)
            trainable[number] |= trainable[tensor.call] or (layer.traits.weighted and layer.trainable)
            frozen[number] |= frozen[tensor.call] or (layer.traits.weighted and not layer.trainable)
    return trainable, frozen


def _depth(wiring: Wiring) -> int:
    """Layers with a kernel on the longest path to an output."""
    depths: list[int] = []
    for number, call in enumerate(wiring.model.calls):
        before = max((depths[tensor.call] for tensor in call.inputs), default=0)
        depths.append(before + wiring.layer_of(number).traits.weighted)
    return max((depth for depth, live in zip(depths, wiring.live, strict=True) if live), default=0)


def is_plain_stack(wiring: Wiring) -> bool:
    """Whether the model is one chain: one input, one output, every layer called once and read once."""
    model = wiring.model

    def single(number: int, call: Call) -> bool:
        return len(call.inputs) <= 1 and len(wiring.readers[number]) <= 1

    sources = sum(not call.inputs for call in model.calls)
    return (
        len(model.layers) == len(model.calls)
        and len(model.outputs) == 1
        and sources == 1
        and all(single(number, call) for number, call in enumerate(model.calls))
    )
