"""Layers that make one tensor of several, element by element."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import exp, pi, sqrt

from archlint.analyses.signal.gaussian import normal_share
from archlint.analyses.signal.node import Node, Passed, Rule, elements, places, turned
from archlint.analyses.signal.state import (
    SMOOTH,
    Certainty,
    Gradient,
    Group,
    Pairs,
    State,
    Texture,
    bounded,
    condensed,
    least,
    mixed,
)
from archlint.analyses.signal.taps import common
from archlint.shape_terms import unknown


def aligned(states: Sequence[State]) -> list[tuple[Group, ...]]:
    """For every part of the channels that is one group in each of the states, these groups."""
    if all(len(state.groups) == 1 for state in states):
        return [tuple(state.groups[0] for state in states)]
    found, at = [], [0] * len(states)
    left = [state.groups[0].share for state in states]
    while all(place < len(state.groups) for place, state in zip(at, states, strict=True)):
        share = min(left)
        if share > 1e-9:
            found.append(
                tuple(state.groups[place]._replace(share=share) for place, state in zip(at, states, strict=True))
            )
        for number, state in enumerate(states):
            left[number] -= share
            if left[number] <= 1e-9:
                at[number] += 1
                left[number] = state.groups[at[number]].share if at[number] < len(state.groups) else 0.0
    return found


def _inputs(node: Node) -> list[State]:
    """The inputs with their channels along the axis that the largest of them has them on."""
    sizes = [elements(shape) or 0.0 for shape in node.use.inputs]
    axis = node.inputs[max(range(len(sizes)), key=sizes.__getitem__)].axis
    return [_broadcast(node, number, turned(state, axis)) for number, state in enumerate(node.inputs)]


def _repeats(node: Node, number: int) -> float:
    """How many values of the output one value of the input takes part in."""
    before, after = elements(node.use.inputs[number]), elements(node.made[0])
    return max(1.0, after / before) if before and after else 1.0


def _broadcast(node: Node, number: int, state: State) -> State:
    """Spread over places, a value is the same at all of them."""
    shape = node.use.inputs[number] or ()
    if _repeats(node, number) <= 1 or places(shape, state.axis) != 1 or shape[state.axis :][:1] == (1,):
        return state
    groups = (group._replace(pairs=Pairs(group.pairs.sample, 0.0, 0.0, group.pairs.sample)) for group in state.groups)
    return replace(state, groups=tuple(groups))


def _merged(
    node: Node,
    groups: Iterable[Group],
    states: Sequence[State],
    factors: Sequence[Sequence[float]],
    alike: Sequence[float] = (),
) -> Passed:
    """`factors`: for every input, and each part of the channels, what the gradient's square is multiplied by.

    `alike`: for every input, the correlation over places of the numbers that the gradient is multiplied by.
    """
    made = tuple(groups)
    certainty = least(state.certainty for state in states)

    def back(gradient: Gradient) -> list[Gradient | None]:
        told, found = gradient.along(made), []
        for number, own in enumerate(factors):
            coherence = gradient.coherence * (alike[number] if alike else 1.0)
            # A value that is used at several places gets the sum of their gradients
            several = 1 + (_repeats(node, number) - 1) * coherence
            found.append(replace(told.per_group(own).times(several), coherence=coherence))
        return [*found]

    profile = common([state.profile for state in states])
    return Passed((State(condensed(made), states[0].axis, certainty, profile),), back)


def _common(node: Node, groups: Sequence[Group], one: int, other: int) -> float:
    """E[x y]; what one layer made of two inputs has its weights in common."""
    a, b = groups[one], groups[other]
    if node.twins(one, other):
        return sqrt(max(0.0, a.square - a.pairs.sample) * max(0.0, b.square - b.pairs.sample))
    return a.mean * b.mean


def _sum(node: Node, weights: Sequence[float]) -> Passed:
    """Inputs times constants, added up."""
    if len(set(node.values)) == 1 and len(node.values) > 1:
        return _multiple(node, weights)
    states = _inputs(node)
    parts = aligned(states)
    squares = [bounded(weight * weight) for weight in weights]
    made = [_added(node, groups, weights) for groups in parts]
    return _merged(node, made, states, [[square] * len(parts) for square in squares])


def _multiple(node: Node, weights: Sequence[float]) -> Passed:
    """A value added to itself."""
    groups = [group.scaled(sum(weights)) for group in node.input.groups]
    squares = [bounded(weight * weight) for weight in weights]
    if len(set(node.tensors)) == 1:  # then its gradients are the same, and add up before they are squared
        squares = [bounded(sum(weights) ** 2 / len(weights))] * len(weights)
    return _merged(node, groups, [node.input], [[square] * len(groups) for square in squares])


def _added(node: Node, groups: Sequence[Group], weights: Sequence[float]) -> Group:
    scaled = [group.scaled(weight) for group, weight in zip(groups, weights, strict=True)]
    mean = bounded(sum(group.mean for group in scaled))
    square = sum(group.square for group in scaled)
    # 2 Σ m_i m_j over pairs, in one pass
    square += mean * mean - sum(group.mean * group.mean for group in scaled)
    for one in range(1, len(groups)):
        if node.twins(0, one):
            extra = _common(node, groups, 0, one) - groups[0].mean * groups[one].mean
            square += 2 * weights[0] * weights[one] * extra
    pairs = Pairs(*(bounded(sum(values)) for values in zip(*(group.pairs for group in scaled), strict=True)))
    texture = _texture_of_sum(scaled)
    return Group(groups[0].share, mean, max(0.0, bounded(square)), pairs, texture=texture)


def _texture_of_sum(groups: Sequence[Group]) -> Texture:
    total = sum(group.square for group in groups)
    if total <= 0:
        return SMOOTH
    clump = bounded(sum(group.texture.clump for group in groups))
    ripple, swing = (
        bounded(sum((group.square / total) ** 2 * group.texture[place] for group in groups)) for place in (1, 2)
    )
    return Texture(clump, ripple, swing, bounded(sum(group.texture.skew for group in groups)))


def add(node: Node) -> Passed:
    """The sum; of a scaled residual, the second input counts less."""
    scale = node.use.arg("scale", 1.0)
    behind = float(scale) if isinstance(scale, (int, float)) else unknown()
    return _sum(node, [1.0, *[behind] * (len(node.inputs) - 1)])


def subtract(node: Node) -> Passed:
    """The first input less the second."""
    return _sum(node, [1.0, *[-1.0] * (len(node.inputs) - 1)])


def average(node: Node) -> Passed:
    """The mean."""
    return _sum(node, [1 / len(node.inputs)] * len(node.inputs))


def multiply(node: Node) -> Passed:
    """The product, of which each factor's gradient is multiplied by the others."""
    states = _inputs(node)
    parts = aligned(states)
    made = [_product(groups) for groups in parts]
    factors = [[_others(groups, number) for groups in parts] for number in range(len(states))]
    return _merged(node, made, states, factors, [_alike(states, number) for number in range(len(states))])


def _alike(states: Sequence[State], number: int) -> float:
    """Correlation over places of what a factor's gradient is multiplied by."""
    others = [state.whole() for other, state in enumerate(states) if other != number]
    found = 1.0
    for group in others:
        found *= max(0.0, 1 - group.pairs.far / group.square) if group.square > 0 else 0.0
    return found


def _others(groups: Sequence[Group], number: int) -> float:
    found = 1.0
    for other, group in enumerate(groups):
        found = bounded(found * (group.square if other != number else 1.0))
    return found


def _product(groups: Sequence[Group]) -> Group:
    found = groups[0]
    for group in groups[1:]:
        pairs = Pairs(
            *(
                bounded(found.square * b + group.square * a - a * b)
                for a, b in zip(found.pairs, group.pairs, strict=True)
            )
        )
        clump = found.texture.clump * (group.square - group.pairs.far)
        clump += group.texture.clump * (found.square - found.pairs.far)
        texture = Texture(bounded(max(0.0, clump)), 0.0, found.texture.swing + group.texture.swing)
        square = bounded(found.square * group.square)
        found = Group(found.share, bounded(found.mean * group.mean), square, pairs, texture=texture)
    return found


def largest(node: Node) -> Passed:
    """The larger one, of values that are taken to be normal; the gradient goes to it."""
    states = _inputs(node)
    sign = -1.0 if node.use.layer.kind == "minimum" else 1.0
    parts = aligned(states)
    made = [_largest([group.scaled(sign) for group in groups]).scaled(sign) for groups in parts]
    return _merged(node, made, states, [[1 / len(states)] * len(parts)] * len(states))


def _largest(groups: Sequence[Group]) -> Group:
    found = groups[0]
    for group in groups[1:]:
        found = _larger(found, group)
    return found


def _larger(a: Group, b: Group) -> Group:
    """Clark 1961."""
    spread = sqrt(a.variance + b.variance)
    if spread <= 0:
        return a if a.mean >= b.mean else b
    gap = (a.mean - b.mean) / spread
    density, first = exp(-gap * gap / 2) / sqrt(2 * pi), normal_share(gap)
    mean = a.mean * first + b.mean * (1 - first) + spread * density
    square = a.square * first + b.square * (1 - first) + (a.mean + b.mean) * spread * density
    left = max(0.0, square - mean * mean) / (spread * spread)
    pairs = Pairs(*((one + other) * left for one, other in zip(a.pairs, b.pairs, strict=True)))
    return Group(a.share, bounded(mean), bounded(square), pairs)


def where(node: Node) -> Passed:
    """Some of one, some of the other."""
    states = _inputs(node)[-2:]
    parts = aligned(states)
    made = [mixed(groups)._replace(share=groups[0].share, law=None) for groups in parts]
    passed = _merged(node, made, [*states, *node.inputs], [[1 / len(states)] * len(parts)] * len(states))
    idle: list[Gradient | None] = [None] * (len(node.inputs) - len(states))
    return passed._replace(back=lambda gradient: [*idle, *passed.back(gradient)])


def divide(node: Node) -> Passed:
    """One value over another one, which may be anything near zero: known only where the divisor hardly differs."""
    if len(node.inputs) != 2:
        return unknown()
    states = _inputs(node)
    below = states[1].whole()
    if below.variance > 0.1 * below.square or below.square <= 0:
        return unknown()
    made = [group.scaled(1 / sqrt(below.square)) for group in states[0].groups]
    part = [bounded(1 / below.square)] * len(made)
    passed = _merged(node, made, [states[0], states[1]], [part, [0.0] * len(made)])
    return passed._replace(states=(passed.states[0].doubted(Certainty.partial),))


RULES: Mapping[str, Rule] = {
    "add": add,
    "subtract": subtract,
    "average": average,
    "multiply": multiply,
    "divide": divide,
    "maximum": largest,
    "minimum": largest,
    "where": where,
}
