"""Layers that are random in training."""

from collections.abc import Callable, Mapping

from archlint.analyses.signal.node import Node, Passed, Rule, Step, kept, single
from archlint.analyses.signal.state import Group, Pairs, State, bounded
from archlint.shape_terms import unknown


def _rate(node: Node, key: str = "rate") -> float:
    value = node.use.arg(key, 0.0)
    return float(value) if isinstance(value, (int, float)) and value >= 0 else unknown()


def dropped(state: State, rate: float, *, maps: bool = False, samples: bool = False) -> Step:
    """A part of the values zeroed, the others enlarged by as much; `maps`: all places of a channel together.

    `samples`: all of a sample together.
    """
    if not 0 <= rate < 1:
        return Step(state, kept) if rate == 0 else unknown()
    factor = 1 / (1 - rate)

    def one(group: Group) -> Group:
        square = bounded(group.square * factor)
        more = square - group.square  # values that were dropped apart from each other keep their products
        pairs = Pairs(*(bounded(pair + more) for pair in group.pairs))
        if maps:
            pairs = pairs._replace(near=group.pairs.near * factor, far=group.pairs.far * factor)
        swing = group.texture.swing + (factor - 1) / 2 if samples else group.texture.swing
        texture = group.texture._replace(swing=swing).times(factor if maps else 1.0)
        return Group(group.share, group.mean, square, pairs, texture=texture)

    return Step(state.of(map(one, state.groups)), lambda gradient: gradient.times(factor))


def dropout(node: Node) -> Passed:
    """Values dropped one by one, or as the noise's shape says."""
    shape = node.use.arg("noise_shape")
    maps = isinstance(shape, list) and len(shape) > 2 and all(size == 1 for size in shape[1:-1])
    whole = maps and shape[-1] == 1
    return _while_training(node, lambda: dropped(node.along_channels(), _rate(node), maps=maps, samples=whole))


def spatial_dropout(node: Node) -> Passed:
    """Whole maps dropped."""
    return _while_training(node, lambda: dropped(node.along_channels(), _rate(node), maps=True))


def _while_training(node: Node, step: Callable[[], Step]) -> Passed:
    return single(step() if node.training else Step(node.input, kept))


def alpha_dropout(node: Node) -> Passed:
    """Values set to SELU's lower end, then rescaled: the moments stay."""
    rate = _rate(node)
    if not node.training or not 0 < rate < 1:
        return single(Step(node.input, kept))

    def one(group: Group) -> Group:
        end = -1.7580993408473766
        scale = ((1 - rate) * (1 + rate * end * end)) ** -0.5
        shift = -scale * end * rate
        joint = (1 - rate) * scale
        mean = joint * group.mean + scale * rate * end + shift
        square = (1 - rate) * (scale * scale * group.square + 2 * scale * shift * group.mean) + shift * shift
        square += rate * (scale * scale * end * end + 2 * scale * shift * end)
        pairs = (square - mean * mean - joint * joint * (group.variance - pair) for pair in group.pairs)
        return Group(group.share, bounded(mean), bounded(square), Pairs(*(max(0.0, bounded(pair)) for pair in pairs)))

    kept_part = (1 - rate) / ((1 - rate) * (1 + rate * 1.7580993408473766**2))
    return single(Step(node.input.of(map(one, node.input.groups)), lambda gradient: gradient.times(kept_part)))


def gaussian_dropout(node: Node) -> Passed:
    """Multiplied by noise around 1 of variance rate / (1 - rate)."""
    return _while_training(node, lambda: dropped(node.along_channels(), _rate(node)))


def gaussian_noise(node: Node) -> Passed:
    """Noise added."""
    stddev = _rate(node, "stddev")
    more = bounded(stddev * stddev)

    def one(group: Group) -> Group:
        pairs = Pairs(*(bounded(pair + more) for pair in group.pairs))
        return Group(group.share, group.mean, bounded(group.square + more), pairs)

    return _while_training(node, lambda: Step(node.input.of(map(one, node.input.groups)), kept))


def stochastic_depth(node: Node) -> Passed:
    """Whole samples dropped, the others enlarged."""
    rate = _rate(node, "drop_path_rate" if "drop_path_rate" in node.use.layer.args else "rate")
    return _while_training(node, lambda: dropped(node.along_channels(), rate, maps=True, samples=True))


RULES: Mapping[str, Rule] = {
    "dropout": dropout,
    "spatial_dropout": spatial_dropout,
    "alpha_dropout": alpha_dropout,
    "gaussian_dropout": gaussian_dropout,
    "gaussian_noise": gaussian_noise,
    "stochastic_depth": stochastic_depth,
}
