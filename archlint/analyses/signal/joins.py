"""Layers that put tensors side by side: as groups of channels, or as places."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archlint.analyses.signal.node import Node, Passed, Rule, turned
from archlint.analyses.signal.state import Gradient, Group, State, condensed, least, mixed
from archlint.analyses.signal.taps import common
from archlint.shape_terms import axis_of, unknown


def concat(node: Node) -> Passed:
    """Side by side: as groups of channels, or as places."""
    axis = node.use.option("axis", "concat_axis", position=1)
    if axis is None:
        axis = -1 if node.use.arg("op") is None else 0
    shapes = node.use.all_inputs()
    rank = len(shapes[0])
    place = axis_of(axis, rank) - rank
    return joined(node, place, [shape[place] for shape in shapes])


def joined(node: Node, place: int, sizes: Sequence[int | None]) -> Passed:
    """`sizes`: of the inputs along the axis `place`, counted from the end."""
    known = [float(size or 0) for size in sizes] if None not in sizes else [1.0] * len(sizes)
    total = sum(known) or unknown()
    shares = [size / total for size in known]
    channels = node.inputs[0].axis if place != -1 or len(node.shape) > 2 else -1
    states = [turned(state, channels) for state in node.inputs]
    certainty = least(state.certainty for state in states)
    if place != channels:
        whole = _side_by_side([state.whole() for state in states], shares)
        back = [[share] for share in shares]
        return _shared_out(State((whole,), channels, certainty), back)
    groups = tuple(
        group._replace(share=group.share * share)
        for state, share in zip(states, shares, strict=True)
        for group in state.groups
    )
    return _parted(
        State(condensed(groups), channels, certainty, common([one.profile for one in states])), states, shares
    )


def _shared_out(state: State, parts: Sequence[Sequence[float]]) -> Passed:
    return Passed((state,), lambda gradient: [gradient.along(state.groups).per_group(part) for part in parts])


def _parted(state: State, states: Sequence[State], shares: Sequence[float]) -> Passed:
    """Every input gets the gradient of its own channels."""
    laid = [
        group._replace(share=group.share * share)
        for one, share in zip(states, shares, strict=True)
        for group in one.groups
    ]

    def back(gradient: Gradient) -> list[Gradient | None]:
        squares = iter(gradient.along(laid).squares)
        return [
            replace(
                gradient,
                squares=tuple(next(squares) for _ in one.groups),
                shares=tuple(group.share for group in one.groups),
            )
            for one in states
        ]

    return Passed((state,), back)


def _side_by_side(groups: Sequence[Group], shares: Sequence[float]) -> Group:
    """Places of several kinds."""
    found = mixed([group._replace(share=share) for group, share in zip(groups, shares, strict=True)])
    products = {
        name: sum(
            share * share * (getattr(group.pairs, name) - group.variance)
            for group, share in zip(groups, shares, strict=True)
        )
        for name in ("far", "both")
    }
    apart = {name: max(0.0, found.square - found.mean**2 + value) for name, value in products.items()}
    return found._replace(share=1.0, pairs=found.pairs._replace(**apart), law=None)


def stack(node: Node) -> Passed:
    """Side by side along a new axis of places."""
    shares = [1 / len(node.inputs)] * len(node.inputs)
    states = [turned(state, -1) for state in node.inputs]
    certainty = least(state.certainty for state in states)
    whole = _side_by_side([state.whole() for state in states], shares)
    return _shared_out(State((whole,), -1, certainty), [[share] for share in shares])


RULES: Mapping[str, Rule] = {"concat": concat, "stack": stack}
