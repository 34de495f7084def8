"""Layers that belong together: chains of affine layers, stacks of dense ones, the ways that end in a softmax."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archlint.analyses.trails import Link
from archlint.analyses.wiring import Wiring
from archlint.graph import Model, Shape, Tensor


@dataclass(frozen=True, slots=True)
class Runs:
    """For each layer by index: first layer of its run and length of the run; None where it is in none."""

    first: dict[int, int]
    length: Counter[int]

    def of(self, layer: int) -> tuple[int | None, int | None]:
        """First layer and length of the run of `layer`."""
        first = self.first.get(layer)
        return first, None if first is None else self.length[first]


def chains(wiring: Wiring, links: Sequence[Link]) -> Runs:
    """Runs of affine layers with nothing that rescales the signal between them: no norm, merge, fork or recurrence."""

    def continues(link: Link) -> bool:
        trail = link.trail
        unshared = len(wiring.calls_of[link.dst]) == len(wiring.calls_of[trail.src]) == 1
        return trail.sole and trail.norms == 0 and unshared

    return _runs(links, lambda layer: wiring.model.layers[layer].traits.affine, continues)


def stacks(model: Model, links: Sequence[Link], shapes: dict[Tensor, Shape]) -> Runs:
    """Runs of dense layers over plain vectors, seen through every layer without a kernel.

    A dense layer over a map or a sequence works on each position alone, like a 1x1 convolution, and is no member.
    """
    flat = {
        call.layer
        for number, call in enumerate(model.calls)
        if model.layers[call.layer].kind == "dense" and len(shapes.get(Tensor(number), (None, None))) == 2
    }
    return _runs(links, flat.__contains__, lambda _: True)


def _runs(links: Sequence[Link], member: Callable[[int], bool], continues: Callable[[Link], bool]) -> Runs:
    first: dict[int, int] = {}
    for link in links:  # in topological order, so the layer before is known first
        if member(link.dst):
            joined = first.get(link.trail.src) if member(link.trail.src) and continues(link) else None
            first.setdefault(link.dst, link.dst if joined is None else joined)
    return Runs(first, Counter(first.values()))


def classes(wiring: Wiring, links: Sequence[Link], heads: dict[int, int | None]) -> dict[int, int]:
    """The width of the softmax output that the only way from a layer leads to, by layer; `heads` are those outputs'."""
    found = {layer: width for layer, width in heads.items() if width is not None}
    for link in reversed(links):
        src, dst = link.trail.src, link.dst
        only = link.trail.sole and len(wiring.calls_of[src]) == 1
        if only and dst in found and wiring.model.layers[dst].traits.affine:
            found.setdefault(src, found[dst])
    return found
