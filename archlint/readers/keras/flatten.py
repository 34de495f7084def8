"""From the tree of a Keras model to the neutral one: nested models become paths, uses become calls in order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from archlint.errors import ReadError
from archlint.graph import Call, Layer, Output, Shape, Tensor
from archlint.limits import LAYERS
from archlint.readers.keras.references import Reference, Use
from archlint.readers.keras.tree import Graph, Node

_Made = dict[tuple[str, int], tuple[Tensor, ...]]


@dataclass(slots=True)
class Flat:
    """The flattened model while it grows."""

    layers: list[Layer] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)

    def call(self, layer: Layer, inputs: Sequence[Tensor], use: Use, recorded: dict[int, Shape]) -> tuple[Tensor, ...]:
        """Add a call of `layer`, which is added itself if this is its first; the tensors that it makes so far."""
        if len(self.calls) >= LAYERS:
            raise ReadError(f"it has more than {LAYERS:,} layers once its nested models are unfolded; it was not read")
        index = self._index.setdefault(layer.name, len(self.layers))
        if index == len(self.layers):
            self.layers.append(layer)
        self.calls.append(Call(index, tuple(inputs), use.constants, recorded))
        return (Tensor(len(self.calls) - 1),)


def flatten(top: Graph) -> Flat:
    """The neutral layers, calls and outputs of a tree.

    Raises:
        ReadError: the layers refer to each other in a circle, or to calls that do not exist.
    """
    flat = Flat()
    made = _expand(flat, top, None, "", top.trainable, 0)
    for key, reference in top.outputs:
        flat.outputs.append(Output(key or reference.layer, _tensor(made, reference)))
    if not flat.outputs:
        raise ReadError("it states no outputs, so there is nothing to judge; save the model again")
    return flat


def _expand(
    flat: Flat, graph: Graph, inputs: Sequence[Tensor] | None, prefix: str, trainable: bool, time_distributed: int
) -> _Made:
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
        stated = {} if time_distributed else recorded.get((name, number), {})
        made[(name, number)] = _call(flat, node, tensors, use, stated, prefix, trainable, time_distributed)
    return made


def _read(node: Node, use: Use) -> list[Reference]:
    """What a call reads; an attention's inputs are told apart by their number, so its masks are left out."""
    return use.inputs if "attention" in node.kind else [*use.inputs, *use.masks]


def _call(
    flat: Flat,
    node: Node,
    inputs: Sequence[Tensor],
    use: Use,
    recorded: dict[int, Shape],
    prefix: str,
    trainable: bool,
    time_distributed: int,
) -> tuple[Tensor, ...]:
    path = f"{prefix}{node.name}"
    trainable = trainable and node.trainable
    depth = time_distributed + node.time_distributed
    if node.inner is not None:
        inner = _expand(flat, node.inner, inputs, f"{path}/", trainable and node.inner.trainable, depth)
        return tuple(_tensor(inner, reference) for _, reference in node.inner.outputs)
    for cell in node.cells:
        layer = _layer(cell, f"{path}/{cell.name}", trainable and cell.trainable, depth)
        inputs = flat.call(layer, inputs, Use(), {})
    if node.cells:
        return tuple(inputs)
    return flat.call(_layer(node, path, trainable, depth), inputs, use, recorded)


def _layer(node: Node, path: str, trainable: bool, time_distributed: int) -> Layer:
    backward = _layer(node.backward, path, trainable, time_distributed) if node.backward else None
    return Layer(path, node.kind, node.class_name, node.args, node.wrapper, time_distributed, backward, trainable)


def _tensor(made: _Made, reference: Reference) -> Tensor:
    tensors = made.get((reference.layer, reference.node))
    if tensors is None:
        raise ReadError(
            f"its layer {reference.layer!r} is referred to by a call that is not in the file; save the model again"
        )
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
    """All calls of a graph, each after those that it reads; the order of the file where there is a choice."""
    known = {(node.name, number) for node in graph.nodes for number in range(max(1, len(node.uses)))}
    sorter: TopologicalSorter[tuple[str, int]] = TopologicalSorter()
    for node in graph.nodes:
        for number in range(max(1, len(node.uses))):
            use = node.uses[number] if node.uses else Use()
            needed = {(reference.layer, reference.node) for reference in (*use.inputs, *use.masks)}
            sorter.add((node.name, number), *sorted(needed & known))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        names = " -> ".join(dict.fromkeys(name for name, _ in error.args[1]))
        raise ReadError(f"its layers refer to each other in a circle ({names}); no data can flow through it") from error
