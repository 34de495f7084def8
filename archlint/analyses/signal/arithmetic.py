"""Functions of single numbers, and sums over some."""

from collections.abc import Callable, Mapping
from math import prod

from archlint.analyses.signal.activations import by_function
from archlint.analyses.signal.functions import Function
from archlint.analyses.signal.kernels import Drawn
from archlint.analyses.signal.node import Node, Passed, Rule, Step, kept, places, scaling, single
from archlint.analyses.signal.pooling import averaged
from archlint.analyses.signal.sources import linear
from archlint.analyses.signal.state import Certainty, Group, Pairs, State, bounded
from archlint.shape_terms import axes_of, unknown

_UNARY = {
    "abs": "absolute",
    "absolute": "absolute",
    "square": "square",
    "sqrt": "sqrt",
    "exp": "exponential",
    "log": "log",
    "expm1": "expm1",
    "sign": "sign",
    "erf": "erf",
    "sin": "sin",
    "cos": "cos",
}


def arithmetic(node: Node) -> Passed:
    """A function of every number, or a constant added, multiplied or the like."""
    op = str(node.use.arg("op", "")).lower().removesuffix("_v2")
    if op in _UNARY:
        return single(by_function(Function(_UNARY[op]), node.input))
    if op in ("neg", "negative"):
        return single(linear(node.input, -1.0, 0.0))
    if op in ("clip", "clip_by_value"):
        low, high = _limits(node)
        return single(by_function(Function("clip", low, high), node.input))
    if node.weights and op in ("add", "mul", "sub"):
        return single(_with_weights(node.input, next(iter(node.weights.values())), product=op == "mul"))
    if op in _WITH_CONSTANT:
        return single(_WITH_CONSTANT[op](node.input, *_constant(node)))
    return unknown()


def _with_weights(state: State, constant: Drawn, *, product: bool) -> Step:
    """Numbers that are stored, added or multiplied: one for each channel or place, the same for all samples."""
    state = state if constant.known else state.doubted(Certainty.partial)
    if product:
        groups = [_multiplied_by(group, constant) for group in state.groups]
        return Step(state.of(groups), scaling(state.groups, [constant.square] * len(groups)))
    moved = (group.shifted(constant.mean) for group in state.groups)
    return Step(state.of(group._replace(square=bounded(group.square + constant.variance)) for group in moved), kept)


def _multiplied_by(group: Group, constant: Drawn) -> Group:
    pairs = group.pairs.times(constant.square)
    return Group(group.share, bounded(group.mean * constant.mean), bounded(group.square * constant.square), pairs)


def _limits(node: Node) -> tuple[float, float]:
    stated = node.use.arg("range")
    if isinstance(stated, list) and len(stated) == 2:
        low, high = (default if limit is None else limit for limit, default in zip(stated, (-1e30, 1e30), strict=True))
    else:
        low = node.use.option("x_min", "clip_value_min", "a_min", position=1)
        high = node.use.option("x_max", "clip_value_max", "a_max", position=2)
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)) or low > high:
        return unknown()
    return float(low), float(high)


def _constant(node: Node) -> tuple[float, bool]:
    """The constant among the operands, and whether it is the first of the two."""
    bounds = node.use.arg("operand_range")
    if isinstance(bounds, list) and len(bounds) == 2:
        if bounds[0] != bounds[1]:
            return unknown()
        return float(bounds[0]), node.use.arg("operand") == 0
    found = [
        (name, value)
        for name, value in node.use.constants.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    if len(found) != 1:
        return unknown()
    name, value = found[0]
    return float(value), name in ("0", "x1", "x")


def _added(state: State, value: float, _first: bool) -> Step:
    return linear(state, 1.0, value)


def _subtracted(state: State, value: float, first: bool) -> Step:
    return linear(state, -1.0, value) if first else linear(state, 1.0, -value)


def _multiplied(state: State, value: float, _first: bool) -> Step:
    return linear(state, value, 0.0)


def _divided(state: State, value: float, first: bool) -> Step:
    return unknown() if first or not value else linear(state, 1 / value, 0.0)


def _raised(state: State, value: float, first: bool) -> Step:
    if not first and value == 2:
        return by_function(Function("square"), state)
    return by_function(Function("sqrt"), state) if not first and value == 0.5 else unknown()


def _at_least(state: State, value: float, _first: bool) -> Step:
    return by_function(Function("clip", value, 1e30), state)


def _at_most(state: State, value: float, _first: bool) -> Step:
    return by_function(Function("clip", -1e30, value), state)


_WITH_CONSTANT: Mapping[str, Callable[[State, float, bool], Step]] = {
    "add": _added,
    "subtract": _subtracted,
    "sub": _subtracted,
    "multiply": _multiplied,
    "mul": _multiplied,
    "divide": _divided,
    "div": _divided,
    "true_divide": _divided,
    "truediv": _divided,
    "real_div": _divided,
    "pow": _raised,
    "power": _raised,
    "maximum": _at_least,
    "max": _at_least,
    "minimum": _at_most,
    "min": _at_most,
}


def reduce(node: Node) -> Passed:
    """Means and sums over places are pools; over channels, many become one."""
    op = str(node.use.arg("op", "")).lower().removeprefix("reduce").removeprefix("_")
    if op not in ("mean", "sum", "average"):
        return unknown()
    rank, axis = len(node.shape), node.use.option("axis", "axes", position=1)
    axes = tuple(range(rank)) if axis is None else axes_of(axis, rank)
    state = node.input
    sizes = [node.shape[one] for one in axes]
    if 0 in axes or None in sizes:
        return unknown()
    count = float(prod(size or 1 for size in sizes))
    over_channels = rank + state.axis in axes
    step = _over_channels(state, count) if over_channels else averaged(state, count, far=True)
    if op == "sum":
        step = step.then(lambda before: linear(before, count, 0.0))
    return single(_reduced(step, node, axes))


def _over_channels(state: State, count: float) -> Step:
    group = state.whole()
    square = group.mean**2 + group.variance / count
    pairs = group.pairs.times(1 / count)
    return Step(state.each(Group(1.0, group.mean, square, pairs)), lambda gradient: gradient.times(1 / count))


def _reduced(step: Step, node: Node, axes: tuple[int, ...]) -> Step:
    """With the axes gone, and one place if there are no others."""
    state, rank = step.state, len(node.shape)
    after = node.made[0] or unknown()
    dropped = len(after) < rank
    axis = state.axis + sum(one > rank + state.axis for one in axes) if dropped else state.axis
    axis = axis if rank + state.axis not in axes else -1
    group = state.groups
    if places(after, axis) == 1:
        group = tuple(one._replace(pairs=Pairs(one.pairs.sample, 0.0, 0.0, one.pairs.sample)) for one in state.groups)
    return Step(state.of(group, axis), step.back)


RULES: Mapping[str, Rule] = {"arithmetic": arithmetic, "reduce": reduce}
