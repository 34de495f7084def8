"""Layers that put places together, and those that make more of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod, sqrt

from archlint.analyses.shape_layers import margins
from archlint.analyses.shape_maps import feature_map
from archlint.analyses.signal.highest import highest
from archlint.analyses.signal.node import Node, Passed, Rule, Step, places, single
from archlint.analyses.signal.state import Gradient, Group, Pairs, State, Texture
from archlint.analyses.signal.taps import framed, pooled, unframed
from archlint.analyses.windows import Window, windows
from archlint.graph import Shape
from archlint.shape_terms import each, natural, positive, unknown

_ALL = 10**6
"""Places of a map of any size."""

_FEW = 64
"""Of larger maps the edges do not count much."""


def _window(node: Node) -> tuple[int, float, int]:
    """How many places a window holds, which part of them the next one along an axis holds, too, and how many windows
    there are fewer than places."""
    found = windows(node.use)
    after = feature_map(node.use, node.made[0] or unknown()).places
    overlaps = [max(0.0, 1 - window.stride / window.kernel) for window in found]
    inside = [
        _inside(window, left, node.use.arg("padding", "valid")) for window, left in zip(found, after, strict=True)
    ]
    count = max(1, round(prod(inside)))
    return count, sum(overlaps) / len(overlaps), prod(window.stride for window in found)


def _inside(window: Window, made: int | None, padding: str) -> float:
    """Taps of a window that meet the map: the harmonic mean over where it stands, as means of them are what counts."""
    if padding != "same" or not window.places or not made or max(made, window.kernel) > _FEW:
        return float(window.kernel)
    before = max(0, (made - 1) * window.stride + window.kernel - window.places) // 2
    first = [number * window.stride - before for number in range(made)]
    met = [min(start + window.kernel, window.places) - max(start, 0) for start in first]
    return made / sum(1 / max(1, taps) for taps in met)


def max_pool(node: Node) -> Passed:
    """The largest of a window; the gradient goes to where it was."""
    count, overlap, fewer = _window(node)
    return single(_pooled(_largest(node.along_channels(), count, overlap, fewer), node, max))


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _pooled(step: Step, node: Node, of_window: Callable[[Sequence[float]], float]) -> Step:
    """What is strong at one place is strong in its window."""
    inside = node.use.arg("padding", "valid") == "valid"
    gain, profile = pooled(step.state.profile, windows(node.use), of_window, inside=inside)
    whole = node.input.whole()
    # Of places that are alike but for their strength, the strongest is picked; of others, any
    alike = max(0.0, 1 - whole.pairs.near / whole.square) if whole.square > 0 else 0.0
    stronger = 1 + (gain - 1) * alike
    groups = step.state.groups if stronger == 1 else tuple(one.scaled(sqrt(stronger)) for one in step.state.groups)
    return Step(replace(step.state, groups=groups, profile=profile), step.back)


def _largest(state: State, count: int, overlap: float, fewer: float) -> Step:
    found = state.of(highest(group, count, overlap, count / fewer) for group in state.groups)

    def back(gradient: Gradient) -> Gradient:
        return replace(gradient, picked=1.0, window=count, coherence=gradient.coherence / count)

    return Step(found, back)


def global_max_pool(node: Node) -> Passed:
    """The largest of all places."""
    state = node.along_channels()
    count = places(node.shape, state.axis) or _ALL
    return single(_without_places(_largest(state.of(map(_far_as_near, state.groups)), count, 0.0, count), node))


def _far_as_near(group: Group) -> Group:
    """The same, if all places are neighbours."""
    found = group._replace(pairs=group.pairs._replace(near=group.pairs.far))
    return found._replace(law=(group.law[0], _far_as_near(group.law[1]))) if group.law else found


def averaged(state: State, count: float, overlap: float = 0.0, fewer: float = 1.0, *, far: bool = False) -> Step:
    """The mean of so many neighbouring places; `far`: of all places."""
    found = [_mean(group, count, overlap, fewer, far=far) for group in state.groups]

    def back(gradient: Gradient) -> Gradient:
        # Where windows overlap, a place gets the gradients of several of them
        several = overlap * (count - 1) * gradient.coherence
        closer = max(gradient.coherence, 1.0 if far else 1 / count)
        return replace(
            gradient.times((1 + several) / count), coherence=closer if far else gradient.coherence, picked=0.0
        )

    return Step(state.of(found), back)


def _mean(group: Group, count: float, overlap: float, fewer: float, *, far: bool) -> Group:
    between = group.pairs.far if far else group.pairs.near
    lost = between * (1 - 1 / count)
    clump = group.texture.clump / count if far else 0.0
    square = max(0.0, group.square - lost + clump)
    sample = (group.pairs.sample + (count - 1) * (group.pairs.both - between)) / count + clump
    far_pair = max(0.0, group.pairs.far - lost)
    pairs = Pairs(max(0.0, sample), far_pair * (1 - overlap), far_pair, max(0.0, group.pairs.both - lost))
    # Means of all windows add up to as much as the values did
    left = 0.0 if far else max(0.0, (group.pairs.far + group.texture.clump) / fewer - far_pair)
    return Group(
        group.share,
        group.mean,
        square,
        pairs,
        texture=Texture(left, 0.0, group.texture.swing, group.texture.skew / count**2),
    )


def avg_pool(node: Node) -> Passed:
    """The mean of a window."""
    count, overlap, fewer = _window(node)
    return single(_pooled(averaged(node.along_channels(), count, overlap, fewer), node, _average))


def global_avg_pool(node: Node) -> Passed:
    """The mean of all places."""
    state = node.along_channels()
    count = places(node.shape, state.axis) or _ALL
    return single(_without_places(averaged(state, count, far=True), node))


def _without_places(step: Step, node: Node) -> Step:
    """One place is left, so another place is another sample."""
    if node.use.layer.time_distributed:  # the steps are places still
        return step
    groups = (
        group._replace(pairs=Pairs(group.pairs.sample, 0.0, 0.0, group.pairs.sample)) for group in step.state.groups
    )
    kept = node.use.arg("keepdims", False) or len(node.made[0] or ()) == len(node.shape)
    return Step(step.state.of(groups, step.state.axis if kept else -1), step.back)


def diluted(state: State, share: float) -> Step:
    """Zeros put between the values, of which this share is left."""
    found = []
    for group in state.groups:
        square, both = share * group.square, share * share
        pairs = Pairs(
            share * group.pairs.sample,
            share * group.pairs.near,
            max(0.0, square - both * (group.square - group.pairs.far)),
            max(0.0, square - both * (group.square - group.pairs.both)),
        )
        found.append(Group(group.share, share * group.mean, square, pairs, group.law, group.texture.times(share)))
    return Step(state.of(found), lambda gradient: gradient.times(share))


def zero_padding(node: Node) -> Passed:
    """Places of zeros around the map."""
    if node.use.arg("op") is not None:
        inside, all_places = prod_of(node.shape), prod_of(node.made[0] or unknown())
        return single(diluted(node.input, inside / all_places if all_places else unknown()))
    before = feature_map(node.use)
    sides = _sides(node.use.arg("padding", 1), before.rank)
    share = prod(
        size / (size + front + behind) if size else 1.0
        for size, (front, behind) in zip(before.places, sides, strict=True)
    )
    step = diluted(node.along_channels(), share)
    profile = framed(step.state.profile, before.places, sides)

    def back(gradient: Gradient) -> Gradient:
        inside, left = unframed(gradient.profile, before.places, sides)
        return replace(gradient.times(inside if left else share), profile=left)

    return single(Step(replace(step.state, profile=profile), back))


def _sides(value: object, rank: int) -> list[tuple[int, int]]:
    """The margins in front and behind along each axis."""
    if isinstance(value, list) and len(value) == rank and all(isinstance(side, list) for side in value):
        return [(natural(front), natural(behind)) for front, behind in value]
    sums = margins(value, rank)
    return [(total // 2, total - total // 2) for total in sums]


def prod_of(shape: Shape) -> float:
    """The numbers in a sample, open dimensions left out."""
    return float(prod(size or 1 for size in shape[1:]))


def cropping(node: Node) -> Passed:
    """Fewer places of the same kind, and the part of the gradient that they get."""
    return single(Step(node.input, lambda gradient: gradient))


def upsampling(node: Node) -> Passed:
    """Every place several times, or something between neighbours."""
    state, rank = node.along_channels(), feature_map(node.use).rank
    times = prod(each(node.use.arg("size", 2), rank))
    blended = node.use.arg("interpolation", "nearest") != "nearest"
    kept = 0.65 ** sum(size > 1 for size in each(node.use.arg("size", 2), rank)) if blended else 1.0

    def one(group: Group) -> Group:
        less = _mean(group, 1 / kept, 0.0, 1 / times, far=False)
        return less._replace(pairs=less.pairs._replace(near=less.pairs.near / times))

    def back(gradient: Gradient) -> Gradient:
        return gradient.times(kept * (1 + (times - 1) * gradient.coherence))

    return single(Step(state.of(map(one, state.groups)), back))


def repeat_vector(node: Node) -> Passed:
    """The same vector at every place."""
    count = positive(node.use.arg("n"))
    return single(repeated(node.input, count))


def repeated(state: State, count: float) -> Step:
    """Every value at so many places."""
    groups = (group._replace(pairs=Pairs(group.pairs.sample, 0.0, 0.0, group.pairs.sample)) for group in state.groups)
    return Step(state.of(groups), lambda gradient: gradient.times(1 + (count - 1) * gradient.coherence))


RULES: Mapping[str, Rule] = {
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "global_max_pool": global_max_pool,
    "global_avg_pool": global_avg_pool,
    "zero_padding": zero_padding,
    "cropping": cropping,
    "upsampling": upsampling,
    "repeat_vector": repeat_vector,
}
