"""Where values come from, and how layers in front of a net scale them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt

from archlint.analyses.signal.node import Node, Passed, Rule, Step, kept, scaling, single
from archlint.analyses.signal.state import MOST_GROUPS, STANDARD, State, bounded, independent
from archlint.shape_terms import unknown

RAW_MEAN, RAW_STD = 118.0, 60.0
"""Of the bytes of photographs: what a net is fed that rescales its inputs itself."""


RAW = State((independent(RAW_MEAN, RAW_MEAN**2 + RAW_STD**2),))


def same(node: Node) -> Passed:
    """What comes in goes out."""
    return single(Step(node.input, kept))


def source(node: Node) -> Passed:
    """An input of the model, taken to be standardized."""
    return Passed((node.input,), lambda _gradient: [])


def linear(state: State, scale: float, offset: float) -> Step:
    """A linear function of every number."""
    squared = bounded(scale * scale)
    groups = (group.scaled(scale).shifted(bounded(offset)) for group in state.groups)
    return Step(state.of(groups), lambda gradient: gradient.times(squared))


def by_channel(state: State, scales: Sequence[float], offsets: Sequence[float]) -> Step:
    """A linear function of its own for every channel."""
    count = max(len(scales), len(offsets))
    if count == 1 or len(state.groups) > 1:
        return linear(state, sum(scales) / len(scales), sum(offsets) / len(offsets))
    if count > MOST_GROUPS or {len(scales), len(offsets)} - {1, count}:
        return unknown()
    whole = state.whole()._replace(share=1 / count)
    pairs = list(zip(*(list(one) * (count // len(one)) for one in (scales, offsets)), strict=True))
    groups = tuple(whole.scaled(scale).shifted(bounded(offset)) for scale, offset in pairs)
    back = scaling(groups, [bounded(scale * scale) for scale, _ in pairs])
    return Step(replace(state, groups=groups), lambda gradient: back(gradient.along(groups)))


def rescaling(node: Node) -> Passed:
    """Multiplied and shifted by constants."""
    scale, offset = (_numbers(node.use.arg(name, default)) for name, default in (("scale", 1.0), ("offset", 0.0)))
    return single(by_channel(node.input, scale, offset))


def _numbers(value: object) -> list[float]:
    """A number, or a nested list of numbers, all in a row."""
    if isinstance(value, list) and value:
        return [number for item in value for number in _numbers(item)]
    return [float(value)] if isinstance(value, (int, float)) else unknown()


def normalization(node: Node) -> Passed:
    """It is taken to be adapted to the data, which are not known: what it puts out is standardized.

    Behind a `Rescaling` it is part of a net for photographs, whose statistics come with pretrained weights, and which
    does nothing without them.
    """
    mean, variance = node.use.arg("mean"), node.use.arg("variance")
    stated = mean is not None and variance is not None
    if node.use.arg("invert", False):
        return single(by_channel(node.input, [sqrt(max(1e-14, one)) for one in _numbers(variance)], _numbers(mean)))
    if node.after("rescaling") and not stated and _does_nothing(node):
        return same(node)
    return single(Step(STANDARD, kept))


def _does_nothing(node: Node) -> bool:
    """Whether no statistics are stored, or those that it begins with."""
    stored = [node.weights[name].mean for name in ("mean", "variance") if name in node.weights]
    return stored in ([], [0.0, 1.0])


def preprocessing(node: Node) -> Passed:
    """Pixels stay pixels; what is looked up or encoded is not known."""
    return same(node) if node.use.layer.class_name in ("Resizing", "CenterCrop") else unknown()


def layer_scale(node: Node) -> Passed:
    """Every channel times a constant that is learned."""
    start = node.use.arg("init_values", 1.0)
    if "gamma" in node.weights and "init_values" not in node.use.layer.args:
        start = node.weights["gamma"].mean
    return single(linear(node.input, float(start), 0.0)) if isinstance(start, (int, float)) else unknown()


RULES: Mapping[str, Rule] = {
    "input": source,
    **dict.fromkeys(("identity", "masking", "activity_regularization", "cast", "augmentation"), same),
    "rescaling": rescaling,
    "normalization": normalization,
    "preprocessing": preprocessing,
    "layer_scale": layer_scale,
}
