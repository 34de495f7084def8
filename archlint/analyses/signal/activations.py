"""Activations, as layers and as the last step of other layers."""

from collections.abc import Mapping
from dataclasses import replace
from math import exp, log, log1p

from archlint.analyses.signal.functions import SIGMOID, Function
from archlint.analyses.signal.gaussian import applied, moments, rounded, share_square, slope, together
from archlint.analyses.signal.highest import highest
from archlint.analyses.signal.node import Node, Passed, Rule, Step, kept, single
from archlint.analyses.signal.state import Gradient, Group, Pairs, State, bounded
from archlint.shape_terms import known, unknown

_SOFTMAXES = ("softmax", "log_softmax")


def by_function(function: Function, state: State) -> Step:
    """A function of every number."""

    def back(gradient: Gradient) -> Gradient:
        gradient = gradient.along(state.groups)
        factors = [_slope(function, group, gradient) for group in state.groups]
        whole = state.whole()
        coherence = gradient.coherence * together(function, whole, whole.pairs.far) if gradient.coherence else 0.0
        return replace(gradient.per_group(factors), coherence=coherence, picked=0.0)

    return Step(state.of(applied(function, group) for group in state.groups), back)


def _slope(function: Function, group: Group, gradient: Gradient) -> float:
    """E[f'²] where the gradient arrives."""
    everywhere = slope(function, group)
    if not gradient.picked:
        return everywhere
    largest = slope(function, highest(group._replace(law=None), gradient.window, 0.0))
    return gradient.picked * largest + (1 - gradient.picked) * everywhere


def activated(node: Node, state: State) -> Step:
    """The layer's own activation."""
    changed, own = node.changed.activation, node.use.layer.args.get("activation")
    name = changed or (own if isinstance(own, str) else "linear")
    if name in _SOFTMAXES:
        return softmax(state, _classes(node), logarithm=name == "log_softmax")
    function = node.function()
    return unknown() if function is None else by_function(function, state)


def _classes(node: Node) -> int:
    shape, axis = node.made[0] or unknown(), node.use.arg("axis", -1)
    if node.use.layer.kind != "activation" or not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
        axis = -1
    return known(shape[axis])


def softmax(state: State, classes: int, *, logarithm: bool = False) -> Step:
    """A share of each class.

    How far shares lie apart is that of the logistic function of a logit less the logarithm of the sum over the others,
    which is taken to be lognormal itself (Fenton & Wilkinson).
    """
    group, others = state.whole(), max(1, classes - 1)
    if classes < 2:
        return Step(state.each(Group(1.0, 1.0, 1.0, Pairs(0.0, 0.0, 0.0, 0.0))), lambda gradient: gradient.times(0.0))
    variance = min(group.variance, 50.0)
    spread = log1p((exp(variance) - 1) / others)
    middle = spread / 2 - variance / 2 - log(others)
    ratio = (variance + spread) / group.variance if group.variance > 0 else 1.0
    base = Group(1.0, middle, middle * middle + variance + spread, group.pairs.times(ratio))
    if logarithm:
        return Step(state.each(applied(Function("log_sigmoid"), base)), kept)
    square = share_square(classes, rounded(variance))
    found = applied(SIGMOID, base)
    pairs = found.pairs.times(square / found.square if found.square > 0 else 0.0)
    most = max(0.0, square - 1 / classes**2)
    share = Group(1.0, 1 / classes, square, Pairs(*(min(pair, most) for pair in pairs)))
    return Step(state.each(share), lambda gradient: gradient.times(square * (1 - 1 / classes)))


def activation(node: Node) -> Passed:
    """An activation layer."""
    if node.use.arg("activation") == "prelu" and "alpha" in node.weights:
        alpha = node.weights["alpha"]
        if alpha.mean or alpha.variance:
            return single(by_function(Function("relu", alpha.mean), node.input))
    if node.use.arg("activation") == "glu":
        return single(_gated(node.input))
    return single(activated(node, node.input))


def _gated(state: State) -> Step:
    """Half of the channels times the sigmoid of the other half."""
    group = state.whole()
    gate = applied(SIGMOID, group)
    pairs = Pairs(
        *(
            group.square * gate.square - max(0.0, group.square - a) * max(0.0, gate.square - b)
            for a, b in zip(group.pairs, gate.pairs, strict=True)
        )
    )
    found = Group(1.0, group.mean * gate.mean, bounded(group.square * gate.square), pairs)
    steep = moments(SIGMOID, group.mean, group.variance).slope
    return Step(state.each(found), lambda gradient: gradient.times(gate.square + group.square * steep))


RULES: Mapping[str, Rule] = {"activation": activation}
