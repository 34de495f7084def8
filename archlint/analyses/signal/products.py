"""Values multiplied with each other and summed up: dot products, matrices of data."""

from collections.abc import Mapping
from math import prod, sqrt

from archlint.analyses.signal.node import Node, Passed, Rule
from archlint.analyses.signal.state import Gradient, Group, Pairs, State, bounded, least
from archlint.graph import Shape
from archlint.shape_terms import axes_of, unknown


def dot(node: Node) -> Passed:
    """Products summed up over an axis of each: over channels, or over places."""
    shapes = node.use.input(0), node.use.input(1)
    axes = _contracted(node, *shapes)
    size = shapes[0][axes[0]] or shapes[1][axes[1]] or unknown()
    one, other = (_normalized(node, state.whole(), size) for state in node.inputs[:2])
    along = [node.inputs[number].axis == axes[number] for number in (0, 1)]
    found = _contraction(one, other, along[0], along[1], size)
    rows, columns = (_free(node, shape, axis) for shape, axis in zip(shapes, axes, strict=True))

    def back(gradient: Gradient) -> list[Gradient | None]:
        to_left = size * other.square * (1 + (columns - 1) * gradient.coherence * _alike(other))
        to_right = size * one.square * (1 + (rows - 1) * gradient.coherence * _alike(one))
        return [gradient.times(bounded(to_left)), gradient.times(bounded(to_right))]

    return Passed((State((found,), -1, least(state.certainty for state in node.inputs)),), back)


def _normalized(node: Node, group: Group, size: int) -> Group:
    if not node.use.arg("normalize", False) or group.square <= 0:
        return group
    return group.scaled(1 / sqrt(size * group.square))


def _free(node: Node, shape: Shape, axis: int) -> float:
    """How many entries an operand has for each one along the axis that is summed over."""
    matrices = shape[1:] if node.use.layer.class_name == "Dot" else shape[-2:]
    return prod(size or 1 for size in matrices) / (shape[axis] or 1)


def _alike(group: Group) -> float:
    """Correlation of two places."""
    return max(0.0, 1 - group.pairs.far / group.square) if group.square > 0 else 0.0


def _contracted(node: Node, left: Shape, right: Shape) -> tuple[int, int]:
    """The axes that are summed over, counted from the end."""
    axes = node.use.arg("axes")
    if node.use.layer.class_name == "Dot":
        pair = axes if isinstance(axes, list) and len(axes) == 2 else [axes, axes]
        (one,), (other,) = axes_of(pair[0], len(left)), axes_of(pair[1], len(right))
        return one - len(left), other - len(right)
    if str(node.use.arg("op", "matmul")) not in ("matmul", "mat_mul", "batch_mat_mul", "batch_mat_mul_v2", "MatMul"):
        return unknown()
    return -1, -2 if len(right) > 1 else -1


def _contraction(x: Group, y: Group, x_channels: bool, y_channels: bool, size: int) -> Group:
    cross = [_crossing(x, x_channels), _crossing(y, y_channels)]
    square = size * x.square * y.square + size * (size - 1) * cross[0][0] * cross[1][0]
    mean = size * x.mean * y.mean
    alike = size * (x.square - x.pairs.sample) * (y.square - y.pairs.sample)
    alike += size * (size - 1) * cross[0][1] * cross[1][1]
    elsewhere = size * (x.square - x.pairs.far) * y.square + size * (size - 1) * _far(x, x_channels) * cross[1][0]
    apart = [max(0.0, bounded(square - value)) for value in (alike, elsewhere)]
    return Group(1.0, bounded(mean), bounded(square), Pairs(apart[0], apart[1], apart[1], max(apart)))


def _crossing(group: Group, channels: bool) -> tuple[float, float]:
    """E[x x'] of two entries along the axis summed over: in the same sample, and in two."""
    if channels:
        return group.mean**2, group.mean**2
    return max(0.0, group.square - group.pairs.far), max(0.0, group.square - group.pairs.both)


def _far(group: Group, channels: bool) -> float:
    return group.mean**2 if channels else max(0.0, group.square - group.pairs.far)


RULES: Mapping[str, Rule] = {"dot": dot}
