"""The same numbers in another form, and parts of them."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from archlint.analyses.signal.node import Node, Passed, Rule, Step, kept, single
from archlint.analyses.signal.sources import same
from archlint.analyses.signal.state import Gradient, Group, Pairs, State
from archlint.graph import Shape
from archlint.shape_terms import axes_of, unknown


def _as_vector(group: Group) -> Group:
    """Every number a channel: another place is another channel, but the mean of a channel over samples stays."""
    return group._replace(pairs=Pairs(group.pairs.sample, group.variance, group.variance, group.pairs.sample), law=None)


def flatten(node: Node) -> Passed:
    """All numbers of a sample side by side."""
    if len(node.shape) == 2:
        return same(node)
    group = node.input.whole()
    return single(Step(State((_as_vector(group),), -1, node.input.certainty), kept))


def reshape(node: Node) -> Passed:
    """Another form: the channels stay where their axis does."""
    before, after = node.shape, node.made[0] or unknown()
    state = node.input
    if len(after) == 2:
        return flatten(node)
    size = before[state.axis] if -len(before) <= state.axis else None
    if size is None or not before:
        return unknown()
    tail = before[len(before) + state.axis + 1 :]
    for axis in range(-1, -len(after), -1):
        if after[axis] == size and _product(after[len(after) + axis + 1 :]) == _product(tail):
            return single(Step(replace(state, axis=axis), kept))
    return single(Step(_scattered(state), kept))


def _scattered(state: State) -> State:
    """Channels become places, and places channels."""
    group = state.whole()
    pairs = Pairs(group.pairs.sample, group.variance, group.variance, group.variance)
    return State((group._replace(share=1.0, pairs=pairs, law=None),), -1, state.certainty)


def _product(sizes: Shape) -> float:
    """The product of sizes, in which open ones count as -1."""
    return prod(-1.0 if size is None else float(size) for size in sizes)


def permute(node: Node) -> Passed:
    """The channels go along with their axis."""
    rank, order = len(node.shape), _order(node)
    if order is None or sorted(order) != list(range(rank)):
        return unknown()
    return single(Step(replace(node.input, axis=order.index(rank + node.input.axis) - rank), kept))


def _order(node: Node) -> list[int] | None:
    """Which axis of the input each axis of the output is."""
    rank, dims = len(node.shape), node.use.arg("dims")
    if isinstance(dims, list):
        return [0, *dims]
    axes = node.use.option("axes", "perm", position=1)
    op = str(node.use.arg("op", ""))
    if op in ("swapaxes", "moveaxis"):
        return _exchanged(node, rank, op)
    return list(axes_of(axes, rank)) if isinstance(axes, list) else list(reversed(range(rank)))


def _exchanged(node: Node, rank: int, op: str) -> list[int] | None:
    names = (("axis1",), ("axis2",)) if op == "swapaxes" else (("source",), ("destination",))
    one, other = (node.use.option(*name, position=place) for place, name in enumerate(names, 1))
    if not isinstance(one, int) or not isinstance(other, int):
        return None
    (one,), (other,) = axes_of(one, rank), axes_of(other, rank)
    order = list(range(rank))
    if op == "swapaxes":
        order[one], order[other] = other, one
    else:
        order.insert(other, order.pop(one))
    return order


def part(node: Node) -> Passed:
    """A part of the numbers, which are like all others."""
    state, after = _survivor(node), node.made[0]
    share = _share(node.shape, after)
    return single(Step(state, lambda gradient: replace(gradient, coherence=gradient.coherence * share)))


def _share(before: Shape, after: Shape | None) -> float:
    if after is None:
        return 1.0
    sizes = [prod(size or 1 for size in shape[1:]) for shape in (before, after)]
    return min(1.0, sizes[1] / sizes[0]) if sizes[0] else 1.0


def _survivor(node: Node) -> State:
    """The state of a part, told along the axis where its channels are now."""
    state, after = node.input, node.made[0]
    if after is None or len(after) == len(node.shape):
        return state.each(state.whole())
    axis = state.axis if -len(after) < state.axis else -1
    if len(after) == 2:  # one place is left
        group = state.whole()
        pairs = Pairs(group.pairs.sample, 0.0, 0.0, group.pairs.sample)
        return State((group._replace(pairs=pairs, share=1.0),), -1, state.certainty)
    return replace(state.each(state.whole()), axis=axis)


def split(node: Node) -> Passed:
    """Parts side by side, each with its own gradient."""
    state = node.input.each(node.input.whole())
    count = len(node.made)
    return Passed((state,) * count, _alone, (_alone,) * (count - 1))


def _alone(gradient: Gradient) -> list[Gradient | None]:
    return [gradient]


RULES: Mapping[str, Rule] = {
    "flatten": flatten,
    "reshape": reshape,
    "permute": permute,
    "slice": part,
    "split": split,
}
