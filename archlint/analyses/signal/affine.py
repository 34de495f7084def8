"""Layers that sum up weighted inputs: dense, convolutions of all kinds, embeddings."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from archlint.analyses import initial
from archlint.analyses.shape_maps import feature_map, kernel_sizes
from archlint.analyses.signal.activations import activated
from archlint.analyses.signal.kernels import Drawn
from archlint.analyses.signal.node import Node, Passed, Rule, Step, scaling, single, turned
from archlint.analyses.signal.norms import batch_normalized
from archlint.analyses.signal.state import Certainty, Gradient, Group, Pairs, State, bounded, least
from archlint.analyses.signal.taps import taps
from archlint.shape_terms import each, known, unknown


def summing(state: State, kernel: Drawn, summed: float, bias: Drawn | None = None) -> Step:
    """Every output is the sum of `summed` products of an input and an element of the kernel."""
    gain = bounded(summed * kernel.square)
    known_all = kernel.known and (bias is None or bias.known)
    certainty = state.certainty if known_all else least((state.certainty, Certainty.partial))
    groups = tuple(_sum(group, kernel, summed, bias) for group in state.groups)
    return Step(State(groups, state.axis, certainty), scaling(state.groups, [gain] * len(groups)))


def _sum(group: Group, kernel: Drawn, summed: float, bias: Drawn | None) -> Group:
    gain, mean = summed * kernel.square, kernel.mean * summed * group.mean
    # Means of the inputs add up only where the elements of the kernel have a mean, too
    square = gain * group.square + mean * mean * (1 - 1 / max(1.0, summed))
    if bias is not None:
        square, mean = square + bias.square + 2 * mean * bias.mean, mean + bias.mean
    texture = group.texture._replace(ripple=0.0, skew=0.0).times(bounded(gain))
    return Group(group.share, bounded(mean), bounded(square), group.pairs.times(bounded(gain)), texture=texture)


def _told(node: Node, kernel: Drawn, summed: float) -> Drawn:
    """The kernel, or the one that is tried out instead."""
    gain = node.changed.gain
    if gain is None or summed <= 0:
        return kernel
    return kernel._replace(mean=0.0, variance=max(0.0, bounded(gain)) / summed, known=True)


def weighted(node: Node, state: State, kernel: Drawn, summed: float) -> Passed:
    """A kernel and a bias, a norm if one is tried out, and the layer's own activation."""
    kernel = _told(node, kernel, summed)
    return _finished(node, summing(state, kernel, summed, node.weights.get("bias")), bounded(summed * kernel.square))


def convolved(node: Node, state: State, kernel: Drawn, channels: int) -> Passed:
    """The same, for a window that slides over places and sums up so many channels."""
    window = taps(node)
    met, profile = window.forwards(state.profile)
    kernel = _told(node, kernel, channels * met)
    step = summing(state, kernel, channels * met, node.weights.get("bias"))

    def back(gradient: Gradient) -> Gradient:
        found, spread = window.backwards(gradient.profile)
        return replace(step.back(gradient).times(found / met if met else 0.0), profile=spread)

    gain = bounded(channels * met * kernel.square)
    sliding = Step(replace(_rippled(node, step.state, channels), profile=profile), back)
    return _finished(node, sliding, gain)


def _finished(node: Node, step: Step, gain: float) -> Passed:
    if node.changed.normed:
        step = step.then(batch_normalized)
    step = step.then(lambda before: activated(node, before))
    return single(step)._replace(gain=gain)


def _rippled(node: Node, state: State, channels: int) -> State:
    """Windows that overlap see the same values with different weights."""
    rank = feature_map(node.use).rank
    window, fewer = prod(kernel_sizes(node.use, rank)), prod(each(node.use.arg("strides", 1), rank))
    ripple = (1 - 1 / window) / channels / fewer

    def one(group: Group) -> Group:
        clump = group.texture.clump / fewer
        return group._replace(texture=group.texture._replace(clump=clump, ripple=ripple))

    return replace(state, groups=tuple(map(one, state.groups)))


def _all_channels(node: Node) -> State:
    state = node.along_channels()
    return state.each(state.whole())


def kernel_of(node: Node, *names: str) -> Drawn:
    """The first weight by these names that is a kernel."""
    found = (node.weights[name] for name in names or ("kernel",) if name in node.weights)
    return next((weight for weight in found if len(weight.shape) > 1), None) or unknown()


def dense(node: Node) -> Passed:
    """kernel (n, units)."""
    kernel = kernel_of(node)
    return weighted(node, turned_whole(node.input, -1), kernel, float(known(kernel.shape[0])))


def turned_whole(state: State, axis: int) -> State:
    """The state with the channels along that axis, all in one group."""
    state = turned(state, axis)
    return state.each(state.whole())


def einsum_dense(node: Node) -> Passed:
    """A kernel over the axes that its equation names."""
    kernel = kernel_of(node)
    axes = initial.summed_axes(str(node.use.arg("equation")), len(kernel.shape))
    summed = prod(known(kernel.shape[axis]) for axis in axes if axis < len(kernel.shape)) if axes else unknown()
    return weighted(node, _all_channels(node), kernel, float(summed))


def conv(node: Node) -> Passed:
    """kernel (window…, channels / groups, filters)."""
    kernel = kernel_of(node)
    return convolved(node, _all_channels(node), kernel, known(kernel.shape[-2]))


def conv_transpose(node: Node) -> Passed:
    """kernel (window…, filters, channels)."""
    kernel = kernel_of(node)
    return weighted(node, _all_channels(node), kernel, known(kernel.shape[-1]) * taps(node).forwards(())[0])


def depthwise_conv(node: Node) -> Passed:
    """kernel (window…, channels, multiplier): every channel by itself, so groups of channels stay."""
    kernel = kernel_of(node, "kernel", "depthwise_kernel")
    return convolved(node, node.along_channels(), kernel, 1)


def separable_conv(node: Node) -> Passed:
    """A depthwise convolution, then a pointwise one."""
    deep, point = kernel_of(node, "depthwise_kernel"), kernel_of(node, "pointwise_kernel")
    met, channels = taps(node).forwards(())[0], float(prod(known(size) for size in point.shape[:-1]))
    step = summing(node.along_channels(), _told(node, deep, met), met)
    step = step.then(lambda state: Step(state.each(state.whole()), lambda gradient: gradient))
    step = step.then(lambda state: summing(state, _told(node, point, channels), channels, node.weights.get("bias")))
    if node.changed.normed:
        step = step.then(batch_normalized)
    return single(step.then(lambda state: activated(node, state)))


def locally_connected(node: Node) -> Passed:
    """A kernel for every place, so that other places are other channels."""
    before = feature_map(node.use)
    summed = known(before.channels) * prod(kernel_sizes(node.use, before.rank))
    found = weighted(node, _all_channels(node), kernel_of(node), float(summed))
    group = found.states[0].whole()
    pairs = Pairs(group.pairs.sample, group.variance, group.variance, group.variance)
    return found._replace(states=(found.states[0].each(group._replace(pairs=pairs, law=None)),))


def embedding(node: Node) -> Passed:
    """A row for each word: words differ between samples and places, as far as there are several."""
    if node.use.constants.get("reverse") is True:
        return unknown()
    table = kernel_of(node, "embeddings")
    words = max(1, known(table.shape[0]))
    apart = table.variance * (1 - 1 / words)
    group = Group(1.0, table.mean, table.square, Pairs(apart, apart, apart, apart))
    state = State((group,), -1, node.input.certainty)
    return Passed((state if table.known else state.doubted(Certainty.partial),), lambda _gradient: [None])


RULES: Mapping[str, Rule] = {
    "dense": dense,
    "einsum_dense": einsum_dense,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "depthwise_conv": depthwise_conv,
    "separable_conv": separable_conv,
    "locally_connected": locally_connected,
    "embedding": embedding,
}
