"""From the tree of a Keras model to the neutral one: nested models become paths, uses become calls in order."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from archlint.errors import ReadError
from archlint.graph import Call, Layer, Output, Shape, Tensor
from archlint.limits import CALLS, NAME_LENGTH
from archlint.readers.keras.references import Reference, Use
from archlint.readers.keras.tree import Graph, Node, distinct

_Made = dict[tuple[str, int], tuple[Tensor, ...]]


@dataclass(slots=True)
class Flat:
    """The flattened model while it grows."""

    layers: list[Layer] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)

    def call(self, layer: Layer, call: Call) -> tuple[Tensor, ...]:
        """Add a call of `layer`, which is added itself if this is its first; the tensors that it makes so far."""
        index = self._index.setdefault(layer.name, len(self.layers))
        if index == len(self.layers):
            self.layers.append(layer)
        self.calls.append(replace(call, layer=index))
        return (Tensor(len(self.calls) - 1),)


def flatten(top: Graph) -> Flat:
    """The neutral layers, calls and outputs of a tree.

    Raises:
        ReadError: the layers refer to each other in a circle, or to calls that do not exist, or are too many.
    """
    if _size(top) > CALLS:
        raise ReadError(f"it has more than {CALLS:,} layers once its nested models are unfolded; it was not read")
    flat = Flat()
    made = _expand(flat, top, None, _Place("", top.trainable))
    names = distinct(key or reference.layer for key, reference in top.outputs)
    flat.outputs += [
        Output(name, _tensor(made, reference)) for name, (_, reference) in zip(names, top.outputs, strict=True)
    ]
    if not flat.outputs:
        raise ReadError("it states no outputs, so there is nothing to judge; save the model again")
    return flat


def _size(graph: Graph) -> int:
    """How many calls unfolding visits: nested models count each time they are called, so few bytes can mean many."""
    return sum(
        max(1, len(node.uses)) * (1 + len(node.cells) + (_size(node.inner) if node.inner else 0))
        for node in graph.nodes
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the tree unfolding is: the path so far, and what the models around pass on to the layers inside."""

    prefix: str
    trainable: bool
    time_distributed: int = 0

    def inside(self, node: Node, trainable: bool = True) -> "_Place":
        """The place inside a node of this one."""
        return _Place(
            f"{self.prefix}{node.name}/",
            self.trainable and node.trainable and trainable,
            self.time_distributed + node.time_distributed,
        )

    def layer(self, node: Node) -> Layer:
        """The neutral layer of a node at this place."""
        trainable = self.trainable and node.trainable
        backward = self.layer(node.backward) if node.backward else None
        depth = self.time_distributed + node.time_distributed
        path = f"{self.prefix}{node.name}"
        if max(len(path), len(node.class_name)) > NAME_LENGTH:
            raise ReadError(f"the name of one of its layers is longer than {NAME_LENGTH:,} characters; rename it")
        return Layer(path, node.kind, node.class_name, node.args, node.wrapper, depth, backward, trainable)


def _expand(flat: Flat, graph: Graph, inputs: Sequence[Tensor] | None, place: _Place) -> _Made:
    """Add the calls of `graph`; `inputs` are the tensors it is called on, None for the top model."""
    made: _Made = {}
    if inputs is not None:
        for reference, tensor in zip(graph.inputs, inputs, strict=False):
            made[(reference.layer, reference.node)] = (tensor,)
    recorded = _recorded(graph)
    nodes = {node.name: node for node in graph.nodes}
    for name, number in _order(graph):
        if (name, number) in made:
            continue
        node = nodes[name]
        use = node.uses[number] if node.uses else Use()
        tensors = [_tensor(made, reference) for reference in _read(node, use)]
        # Inside a time-distributed model the file states shapes of one step, not of the tensor.
        stated = {} if place.time_distributed else recorded.get((name, number), {})
        made[(name, number)] = _call(flat, node, tensors, place, Call(0, (), use.constants, stated))
    return made


def _read(node: Node, use: Use) -> list[Reference]:
    """What a call reads; an attention's inputs are told apart by their number, so its masks are left out."""
    return use.inputs if "attention" in node.kind else [*use.inputs, *use.masks]


def _call(flat: Flat, node: Node, inputs: Sequence[Tensor], place: _Place, call: Call) -> tuple[Tensor, ...]:
    """Add one call of a node, which may be a model or several cells; `call` has its constants and recorded shapes."""
    if node.inner is not None:
        made = _expand(flat, node.inner, inputs, place.inside(node, node.inner.trainable))
        return tuple(_tensor(made, reference) for _, reference in node.inner.outputs)
    if not node.cells:
        return flat.call(place.layer(node), replace(call, inputs=tuple(inputs)))
    for cell in node.cells:
        inputs = flat.call(place.inside(node).layer(cell), Call(0, tuple(inputs)))
    return tuple(inputs)


def _tensor(made: _Made, reference: Reference) -> Tensor:
    tensors = made.get((reference.layer, reference.node))
    if not tensors:
        lack = "by a call that is not in the file" if tensors is None else "for what it makes, which is nothing"
        raise ReadError(f"its layer {reference.layer!r} is referred to {lack}; save the model again")
    if reference.tensor < len(tensors):
        return tensors[reference.tensor]
    return tensors[0]._replace(output=reference.tensor)


def _recorded(graph: Graph) -> dict[tuple[str, int], dict[int, Shape]]:
    """The shapes that Keras 3 states beside each reference, by the call that made the tensor."""
    recorded: dict[tuple[str, int], dict[int, Shape]] = {}
    for node in graph.nodes:
        for use in node.uses:
            for reference, shape in use.shapes.items():
                recorded.setdefault((reference.layer, reference.node), {})[reference.tensor] = shape
    return recorded


def _order(graph: Graph) -> list[tuple[str, int]]:
    """All calls of a graph, each after those that it reads; the order of the file where there is a choice.

    The inputs come as the model takes them, which is not always the order of the layers.
    """
    places = {reference.layer: place for place, reference in enumerate(graph.inputs)}
    nodes = sorted(graph.nodes, key=lambda node: places.get(node.name, len(places)))
    known = {(node.name, number) for node in graph.nodes for number in range(max(1, len(node.uses)))}
    sorter: TopologicalSorter[tuple[str, int]] = TopologicalSorter()
    for node in nodes:
        for number in range(max(1, len(node.uses))):
            use = node.uses[number] if node.uses else Use()
            needed = {(reference.layer, reference.node) for reference in (*use.inputs, *use.masks)}
            sorter.add((node.name, number), *sorted(needed & known))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        names = " -> ".join(dict.fromkeys(name for name, _ in error.args[1]))
        raise ReadError(
            f"its layers refer to each other in a circle ({names}), so no data can flow; save the model again"
        ) from error
