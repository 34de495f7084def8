"""Layers that rescale to a variance of one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import NamedTuple

from archlint.analyses.signal.kernels import Drawn
from archlint.analyses.signal.node import Node, Passed, Rule, Step, places, scaling, single, turned
from archlint.analyses.signal.state import Certainty, Gradient, Group, State, bounded
from archlint.shape_terms import positive, unknown

_ONE = Drawn((), 1.0, 0.0)
_ZERO = Drawn((), 0.0, 0.0)

_ALL = 10**6
"""Places of a map of any size."""

_BATCH = 32
"""Samples in a batch: what Keras takes if nothing is said."""


class Centred(NamedTuple):
    """What is left of a group when its mean is taken away, and the variance that it is divided by."""

    mean: float
    square: float
    variance: float


def _epsilon(node: Node, default: float = 1e-3) -> float:
    value = node.use.arg("epsilon", default)
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e9 else default


def _divided(state: State, found: Sequence[Centred], weights: Mapping[str, Drawn]) -> Step:
    """Every group as it is left, over the standard deviation, scaled and shifted."""
    scale, shift = weights.get("gamma", weights.get("scale", _ONE)), weights.get("beta", _ZERO)
    factors = [bounded(scale.square / max(left.variance, 1e-30)) for left in found]
    groups = []
    for group, left, factor in zip(state.groups, found, factors, strict=True):
        mean = left.mean * scale.mean / sqrt(max(left.variance, 1e-30))
        square = left.square * factor + shift.square + 2 * mean * shift.mean
        pairs = group.pairs.times(factor)
        texture = group.texture.times(factor)
        groups.append(Group(group.share, bounded(mean + shift.mean), bounded(square), pairs, texture=texture))
    certain = all(weight.known for weight in weights.values())
    known = state if certain else state.doubted(Certainty.partial)
    return Step(known.of(groups), scaling(state.groups, factors))


def batch_normalized(state: State, epsilon: float = 1e-3, weights: Mapping[str, Drawn] | None = None) -> Step:
    """Each channel less its mean over samples and places, over its standard deviation there."""
    found = [Centred(0.0, group.pairs.both, group.pairs.both + epsilon) for group in state.groups]
    return _divided(state, found, weights or {})


def batch_norm(node: Node) -> Passed:
    """Over the batch in training; by stored statistics otherwise."""
    axis, rank = node.use.arg("axis", -1), len(node.shape)
    if isinstance(axis, list):
        axis = axis[0] if len(axis) == 1 else unknown()
    if not isinstance(axis, int) or not -rank <= axis < rank:
        return unknown()
    state = turned(node.input, axis - rank if axis >= 0 else axis)
    if not node.training:
        return single(_by_statistics(state, node))
    if places(node.shape, state.axis) == 1:  # then another sample is all that differs
        vectors = (group._replace(pairs=group.pairs._replace(both=group.pairs.sample)) for group in state.groups)
        state = replace(state, groups=tuple(vectors))
    return single(_of_a_batch(batch_normalized(state, _epsilon(node), node.weights), node))


def _of_a_batch(step: Step, node: Node) -> Step:
    """The statistics are those of a batch: on their way back they take away what its gradients have in common."""
    count = places(node.shape, step.state.axis) or _ALL
    whole = step.state.whole()
    alike = max(0.0, 1 - whole.pairs.far / whole.square) if whole.square > 0 and count > 1 else 0.0

    def back(gradient: Gradient) -> Gradient:
        in_common = [1 + (count - 1) * gradient.coherence * part for part in (1.0, alike)]
        # 3 / n: the mean of 1 / variance is larger than 1 over that of the variance
        return step.back(gradient).times(max(0.0, 1 + (3 - sum(in_common)) / (_BATCH * count)))

    return Step(step.state, back)


def _by_statistics(state: State, node: Node) -> Step:
    mean = node.weights.get("moving_mean", _ZERO)
    variance = max(0.0, node.weights.get("moving_variance", _ONE).mean) + _epsilon(node)
    found = [
        Centred(group.mean - mean.mean, group.square - 2 * group.mean * mean.mean + mean.square, variance)
        for group in state.groups
    ]
    return _divided(state, found, node.weights)


def layer_norm(node: Node) -> Passed:
    """Over the channels of each place: all groups share one mean and variance."""
    state, epsilon = node.along_channels(), _epsilon(node)
    state = replace(state, groups=tuple(map(_steady, state.groups)))
    whole = state.whole()
    if node.use.layer.kind == "rms_norm" or node.use.arg("rms_scaling", False):
        found = [Centred(group.mean, group.square, whole.square + epsilon) for group in state.groups]
        return single(_divided(state, found, node.weights))
    found = [
        Centred(group.mean - whole.mean, group.shifted(-whole.mean).square, whole.variance + epsilon)
        for group in state.groups
    ]
    return single(_divided(state, found, node.weights))


def _steady(group: Group) -> Group:
    """Each sample by itself: none is stronger than others."""
    return group._replace(texture=group.texture._replace(swing=0.0))


def group_norm(node: Node) -> Passed:
    """Over the places and some neighbouring channels of each sample."""
    axis, rank = node.use.arg("axis", -1), len(node.shape)
    if node.use.layer.args.get("data_format") == "channels_first" or not isinstance(axis, int):
        axis = 1
    state = turned(node.input, axis - rank if 0 <= axis < rank else -1)
    channels, groups = node.shape[state.axis] if node.shape else None, node.use.arg("groups", 32)
    if channels is None or not isinstance(groups, int):
        return unknown()
    return single(_by_places(node, state, max(1.0, channels / (channels if groups == -1 else positive(groups)))))


def instance_norm(node: Node) -> Passed:
    """Over the places of each sample and channel."""
    first = node.use.layer.args.get("data_format") is None and "axis" not in node.use.layer.args and node.shape
    axis, rank = (1 if first else node.use.arg("axis", -1)), len(node.shape)
    return single(_by_places(node, turned(node.input, axis - rank if 0 <= axis < rank else -1), 1.0))


def _by_places(node: Node, state: State, together: float) -> Step:
    """Over all places of `together` channels."""
    count = places(node.shape, state.axis) or _ALL
    found, groups = [], []
    for group in state.groups:
        of_channel = group.square - group.pairs.far * (1 - 1 / count)  # square of a channel's mean over the places
        removed = group.mean**2 + (of_channel - group.mean**2) / together
        left = min(max(0.0, group.square - removed), group.square)
        found.append(Centred(0.0, left, left + _epsilon(node)))
        shared = max(0.0, group.pairs.both - group.pairs.far) / together
        pairs = group.pairs._replace(
            sample=max(0.0, group.pairs.sample - shared), both=max(0.0, group.pairs.both - shared)
        )
        groups.append(_steady(group)._replace(pairs=pairs, law=None))
    step = _divided(replace(state, groups=tuple(groups)), found, node.weights)

    def back(gradient: Gradient) -> Gradient:
        # The mean's way back takes away what the gradients of these places have in common
        lost = (gradient.coherence + (1 - gradient.coherence) / count) / together
        coherence = gradient.coherence * (1 - 1 / together)
        return replace(step.back(gradient).times(max(0.0, 1 - lost)), coherence=coherence)

    return Step(step.state, back)


def unit_norm(node: Node) -> Passed:
    """Divided by the length along the last axis."""
    state, size = turned(node.input, -1), node.shape[-1] if node.shape else None
    if not size:
        return unknown()
    length = max(1e-12, state.square * size)
    return single(_divided(state, [Centred(group.mean, group.square, length) for group in state.groups], {}))


RULES: Mapping[str, Rule] = {
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "unit_norm": unit_norm,
}
