"""Attention: each place's mean of the values, weighted by a softmax over how well keys fit its query."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import exp, log, prod

from archlint.analyses.signal.activations import softmax
from archlint.analyses.signal.affine import summing
from archlint.analyses.signal.functions import TANH
from archlint.analyses.signal.gaussian import moments
from archlint.analyses.signal.kernels import Drawn
from archlint.analyses.signal.node import Node, Passed, Rule, Step, turned
from archlint.analyses.signal.state import (
    Gradient,
    Group,
    Pairs,
    State,
    bounded,
    independent,
    least,
    summed,
)
from archlint.shape_terms import axes_of, known, positive, unknown

_ASSUMED = 64
"""Places of a sequence of any length."""
_EULER = 0.5772


def _scores(variance: float, count: int) -> tuple[float, float]:
    """Σ α² of the softmax over so many scores of this variance; and what it is for scores that are all alike."""
    if count < 2:
        return 1.0, 1.0
    scores = State((independent(0.0, bounded(variance)),))
    shares = softmax(scores, count).state.whole()
    return min(1.0, count * shares.square), 1 / count


def _common(query: Group, key: Group, scale: float, count: int) -> float:
    """Σ α α' of two places that attend to the same keys."""
    alike = scale * max(0.0, query.square - query.pairs.far) * min(key.pairs.far, key.square)
    return min(1.0, exp(min(50.0, alike)) / count)


class _Weighing:
    """A softmax over keys: how unevenly one place, and how alike two places, weigh."""

    def __init__(self, query: Group, key: Group, scale: float, count: int) -> None:
        # What all keys have in common shifts all scores alike, which a softmax does not see
        self.variance = bounded(scale * query.square * min(key.pairs.far, key.square))
        self.own, least_own = _scores(self.variance, count)
        self.shared = min(self.own, max(least_own, _common(query, key, scale, count)))
        self.count = count

    def values(self, value: Group) -> Group:
        """The weighted mean of values."""
        square = value.square - value.pairs.far * (1 - self.own)
        lost = value.pairs.far * (1 - self.shared)
        sample = value.square - (value.pairs.sample + (self.count - 1) * value.pairs.both) / self.count
        far = max(0.0, square - (value.square - lost))
        apart = max(0.0, square - sample)
        return Group(1.0, value.mean, max(0.0, square), Pairs(apart, far, far, apart))

    def to_values(self, places: int, coherence: float) -> float:
        """What the square of a gradient is multiplied by on its way to the values."""
        return self.own + (places - 1) * coherence * self.shared


def _axis_of_places(node: Node, number: int) -> int:
    """Places that attend, or are attended to."""
    shape = node.use.input(number)
    stated = node.use.arg("attention_axes")
    axes = tuple(range(1, len(shape) - 1)) if stated is None else axes_of(stated, len(shape))
    if node.use.layer.kind != "multi_head_attention":
        axes = (len(shape) - 2,)
    return max(1, prod(_ASSUMED if shape[axis] is None else shape[axis] or 1 for axis in axes))


def _attended(node: Node, number: int) -> int:
    """Places that one place attends to, on average: behind a causal mask itself and those before it."""
    count = _axis_of_places(node, number)
    if not node.use.constants.get("use_causal_mask"):
        return count
    harmonic = log(count) + _EULER + 1 / (2 * count)  # place p weighs p values alike; the mean of 1/p over all places
    return max(1, round(count / harmonic))


def _projected(node: Node, number: int, name: str) -> Step:
    kernel = node.weights.get(f"{name}/kernel") or unknown()
    state = turned(node.inputs[number], -1)
    state = state.each(state.whole())
    return summing(state, kernel, float(known(kernel.shape[0])), node.weights.get(f"{name}/bias"))


def multi_head_attention(node: Node) -> Passed:
    """Projections of query, key and value; attention within each head; a projection of the heads."""
    if node.use.arg("use_gate", False):
        return unknown()
    key_input = 2 if len(node.inputs) > 2 else 1
    query, key, value = (
        _projected(node, number, name) for number, name in ((0, "query"), (key_input, "key"), (1, "value"))
    )
    out = node.weights.get("attention_output/kernel") or unknown()
    places, count = _axis_of_places(node, 0), _attended(node, 1)
    groups = [step.state.whole() for step in (query, key, value)]
    # The scores are divided by the square root of the size of a head, over which they are summed up
    weighing = _Weighing(groups[0], groups[1], 1.0, count)
    middle = _after_dropout(node, query.state.each(weighing.values(groups[2])), weighing)
    last = summing(
        middle, out, float(known(out.shape[0]) * known(out.shape[1])), node.weights.get("attention_output/bias")
    )
    certainty = least(state.certainty for state in (*node.inputs, query.state, key.state, value.state, last.state))
    back = _back(groups, weighing, places, [query, key, value], last)

    def to_inputs(gradient: Gradient) -> Sequence[Gradient | None]:
        to_query, to_key, to_value = back(gradient)
        if key_input == 1:
            return [to_query, summed([to_key, to_value])]
        return [to_query, to_value, to_key]

    return Passed((replace(last.state, certainty=certainty),), to_inputs)


def _after_dropout(node: Node, state: State, weighing: _Weighing) -> State:
    """Weights dropped are values that are not counted."""
    rate = node.use.arg("dropout", 0.0)
    if not (node.training and isinstance(rate, float) and 0 < rate < 1):
        return state
    group = state.whole()
    more = rate / (1 - rate) * weighing.own * group.square
    pairs = Pairs(*(pair + more for pair in group.pairs))
    return state.each(Group(1.0, group.mean, bounded(group.square + more), pairs))


def _back(
    groups: Sequence[Group], weighing: _Weighing, places: int, steps: Sequence[Step], last: Step
) -> Callable[[Gradient], list[Gradient]]:
    query, key, value = groups

    def back(gradient: Gradient) -> list[Gradient]:
        inner = last.back(gradient)
        to_value = inner.times(weighing.to_values(places, inner.coherence))
        # A score's gradient is its weight times how far its value stands out
        score = weighing.own * min(value.pairs.far, value.square) * (1 - weighing.own)
        to_query = replace(inner.times(score * min(key.pairs.far, key.square)), coherence=0.0)
        to_key = replace(inner.times(score * query.square), coherence=0.0)
        found = [to_query, to_key, to_value]
        return [step.back(one) for step, one in zip(steps, found, strict=True)]

    return back


def attention(node: Node) -> Passed:
    """Keras's layer without projections: the scores are products of queries and keys, or tanh of their sum."""
    if len(node.inputs) < 2:
        return unknown()
    key_input, value_input = _key_and_value(node)
    query, key, value = (turned(node.inputs[number], -1).whole() for number in (0, key_input, value_input))
    places, count, size = _axis_of_places(node, 0), _attended(node, value_input), positive(node.use.input(0)[-1])
    scale = _score_scale(node, query, key, size)
    weighing = _Weighing(query, key, scale, count)
    state = State((weighing.values(value),), -1, least(one.certainty for one in node.inputs))
    kept = Step(state, lambda gradient: gradient)

    def to_inputs(gradient: Gradient) -> Sequence[Gradient | None]:
        score = weighing.own * min(value.pairs.far, value.square) * (1 - weighing.own) * scale
        to_value = kept.back(gradient).times(weighing.to_values(places, gradient.coherence))
        to_query = gradient.times(score * min(key.pairs.far, key.square))
        to_key = gradient.times(score * query.square)
        if key_input == value_input:
            return [to_query, summed([to_key, to_value])]
        by_input = {0: to_query, key_input: to_key, value_input: to_value}
        return [by_input.get(number) for number in range(len(node.inputs))]

    return Passed((state,), to_inputs)


def _key_and_value(node: Node) -> tuple[int, int]:
    """Which inputs they are: of Keras's layer 2 and 1, or one for both; of an exported one, where the keys come
    transposed, 1 and the last, behind a mask if there is one."""
    last = len(node.inputs) - 1
    if last < 2:
        return 1, 1
    query, keys, values = (node.use.inputs[number] or () for number in (0, 1, last))
    if min(map(len, (query, keys, values))) > 2 and (keys[-2], keys[-1]) == (query[-1], values[-2]):
        return 1, last
    return 2, 1


def _score_scale(node: Node, query: Group, key: Group, size: int) -> float:
    """The variance of a score over the product of those of a query's and a key's entries."""
    scale = node.weights.get("scale", Drawn((), 1.0, 0.0)).square
    both = query.square * key.square
    if node.use.layer.kind == "attention" and node.use.arg("score_mode", "dot") == "dot":
        return bounded(size * scale)
    bent = moments(TANH, query.mean + key.mean, bounded(query.variance + key.variance)).square
    return bounded(size * scale * bent / both) if both > 0 else 0.0


RULES: Mapping[str, Rule] = {
    "multi_head_attention": multi_head_attention,
    "attention": attention,
    "additive_attention": attention,
}
