"""The outputs of nodes that run graphs of their own: If, Loop and Scan."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from archlint.graph import Shape
from archlint.readers.onnx.graph import Graph, Type
from archlint.readers.onnx.shapes.terms import Call, common, merged
from archlint.shape_terms import Dim, axis_of, each, positive, unknown

REPEATED_DEPTH = 2
"""Bodies nested deeper are gone through once: three times each would be too often at a depth of sixty."""


class Walk(Protocol):
    """What goes through the bodies."""

    depth: int

    def body(self, graph: Graph, inputs: Sequence[Type]) -> list[Type]:
        """The types of a body's outputs, from those of its inputs."""


Control = Callable[[Call, Walk], Sequence[Type]]
"""The types of a node's outputs."""


def taken_branch(call: Call) -> Graph | None:
    """The branch that an If always takes."""
    condition = call.known.get(call.name(0))
    if call.node.op != "If" or condition is None or condition.size != 1 or condition.dtype == object:
        return None
    return call.node.bodies.get("then_branch" if condition.item() else "else_branch")


def conditional(call: Call, walk: Walk) -> Sequence[Type]:
    """What both branches have in common."""
    branches = [walk.body(graph, ()) for graph in call.node.bodies.values()]
    if len(branches) != 2:
        return ()
    return [either(*pair) for pair in zip(*branches, strict=False)]


def either(left: Type, right: Type) -> Type:
    """What is true of two values."""
    return Type(left.dtype if left.dtype == right.dtype else None, common(left.shape, right.shape))


def loop(call: Call, walk: Walk) -> Sequence[Type]:
    """States go in and out of every turn; what else a turn puts out is stacked."""
    body = call.node.bodies.get("body") or unknown()
    states = [type_of(call, number) for number in range(2, len(call.node.inputs))]
    counters = (Type("int64", declared_shape(body, 0)), Type("bool", declared_shape(body, 1)))
    states, results = settled(states, walk, lambda given: walk.body(body, (*counters, *given))[1:])
    turns = _turns(call, body)
    return (*states, *(Type(item.dtype, _with(item.shape, 0, turns)) for item in results[len(states) :]))


def declared_shape(body: Graph, number: int) -> Shape:
    """The shape that a body declares for its counter or condition: () or (1,)."""
    declared = body.types.get(body.inputs[number]) if number < len(body.inputs) else None
    return () if declared is None or declared.shape is None else declared.shape


def _turns(call: Call, body: Graph) -> Dim:
    """How often a loop runs that nothing ends early; None where something may."""
    turns = call.scalar(0)
    if turns is None or (call.has(1) and not call.scalar(1)):
        return None
    return max(0, int(turns)) if _goes_on(call, body) else None


def _goes_on(call: Call, body: Graph) -> bool:
    """Whether the condition that a body puts out is always true, or the one that it was given."""
    idle = [node for node in body.nodes if node.op == "Identity" and node.inputs and node.outputs]
    passed = {node.outputs[0]: node.inputs[0] for node in idle}
    condition = passed.get(body.outputs[0], body.outputs[0]) if body.outputs else unknown()
    known = call.known.get(condition)
    return condition in body.inputs[1:2] or (known is not None and known.dtype != object and bool(known.all()))


def scan(call: Call, walk: Walk) -> Sequence[Type]:
    """As a loop over one axis of some inputs; opset 8 had a batch axis in front, too."""
    body, slices = call.node.bodies.get("body") or unknown(), positive(call.whole("num_scan_inputs"))
    count = len(call.node.inputs) - slices
    if call.node.opset < 9 or count < 0:
        walk.body(body, ())
        return ()
    axes = each(call.attr("scan_input_axes", 0), slices, least=-64)
    taken, length = [], None
    for number, axis in enumerate(axes, start=count):
        whole = type_of(call, number)
        size, rest = _without(whole.shape, axis)
        length = merged(length, size)
        taken.append(Type(whole.dtype, rest))
    states = [type_of(call, number) for number in range(count)]
    states, results = settled(states, walk, lambda given: walk.body(body, (*given, *taken)))
    return (*states, *_stacked(call, results[count:], length))


def _without(shape: Shape | None, axis: int) -> tuple[Dim, Shape | None]:
    if shape is None:
        return None, None
    axis = axis_of(axis, len(shape))
    return shape[axis], (*shape[:axis], *shape[axis + 1 :])


def _stacked(call: Call, results: Sequence[Type], length: Dim) -> list[Type]:
    axes = each(call.attr("scan_output_axes", 0), len(results), least=-64) if results else ()
    return [Type(item.dtype, _with(item.shape, axis, length)) for item, axis in zip(results, axes, strict=True)]


def _with(shape: Shape | None, axis: int, size: Dim) -> Shape | None:
    if shape is None:
        return None
    axis = axis_of(axis, len(shape) + 1)
    return (*shape[:axis], size, *shape[axis:])


def settled(
    states: Sequence[Type], walk: Walk, turn: Callable[[Sequence[Type]], Sequence[Type]]
) -> tuple[list[Type], Sequence[Type]]:
    """Types of states that hold before and after every turn, and what a turn then puts out.

    They begin as they come in. What a turn changes is opened, and the turn is tried again.
    """
    begun = list(states)
    for _ in range(2 if walk.depth <= REPEATED_DEPTH else 0):
        results = turn(states)
        held = [either(*pair) for pair in zip(states, results, strict=False)]
        if held == list(states):
            return held, results
        states = held
    results = turn([Type(state.dtype) for state in begun])
    return [either(*pair) for pair in zip(begun, results, strict=False)], results


def type_of(call: Call, number: int) -> Type:
    """What is known of an input."""
    name = call.name(number)
    return Type(call.dtypes.get(name), call.shapes.get(name))


def opaque(call: Call, walk: Walk) -> Sequence[Type]:
    """Bodies of which it is not known what goes in."""
    for graph in call.node.bodies.values():
        walk.body(graph, ())
    return ()


CONTROL: Mapping[str, Control] = {"If": conditional, "Loop": loop, "Scan": scan}
