"""The nodes and tensors of the file itself, with the layers they became part of."""

from collections.abc import Iterator, Mapping, Sequence

from archlint.graph import Exchange, Layer, StoredTensor
from archlint.graph import Node as NodeFact
from archlint.readers.onnx.graph import Constant, Graph, Node, Source
from archlint.readers.onnx.meaning.norms import trains
from archlint.readers.onnx.operators import defined
from archlint.readers.onnx.steps import RANDOM, Program

_GRADIENTS = "ai.onnx.preview.training"


def exchange(source: Source, prog: Program, layer_of: Mapping[int, int], layers: Sequence[Layer]) -> Exchange:
    """What only an exchange format has; `layer_of` is the layer of each of the graph's nodes that is part of one."""
    nodes = source.graph.nodes
    return Exchange(
        ir_version=source.ir_version,
        opset=source.opsets.get("", 0),
        nodes=tuple(_nodes(prog, layer_of)),
        tensors=(*_tensors(source, layer_of), *_elsewhere(source)),
        lifted=sum(n not in layer_of or not layers[layer_of[n]].traits.opaque for n in range(len(nodes))),
        gradients=source.training or any(node.domain == _GRADIENTS for node in nodes),
    )


def _nodes(prog: Program, layer_of: Mapping[int, int]) -> Iterator[NodeFact]:
    """All nodes, those in the bodies of loops included."""
    live = _live(prog.graph)
    training = {step.nodes[0] for step in prog.steps if trains(prog, step)}
    for number, node in enumerate(prog.graph.nodes):
        idle = number in prog.idle and node.op not in ("QuantizeLinear", "DequantizeLinear")
        layer = layer_of.get(number)
        yield _fact(node, layer, number in live, idle=idle, training=number in training)
        for inner in _inside(node):
            yield _fact(inner, layer, number in live)


def _fact(node: Node, layer: int | None, live: bool, *, idle: bool = False, training: bool = False) -> NodeFact:
    return NodeFact(
        node.path,
        node.op,
        node.domain,
        layer,
        live,
        idle=idle,
        training=training,
        random=node.op in RANDOM,
        defined=defined(node.op, node.domain, node.opset),
    )


def _tensors(source: Source, layer_of: Mapping[int, int]) -> tuple[StoredTensor, ...]:
    """All initializers, those in the bodies of loops included."""
    graph = source.graph
    readers: dict[str, list[int]] = {}
    for number, node in enumerate(graph.nodes):
        inner = [name for deeper in _inside(node) for name in deeper.inputs]
        for name in dict.fromkeys([*node.inputs, *node.captured, *inner]):
            readers.setdefault(name, []).append(number)
    outputs = set(graph.outputs)
    return tuple(
        _stored(
            constant,
            len(readers.get(name, ())) + (name in outputs),
            next((layer_of[number] for number in readers.get(name, ()) if number in layer_of), None),
            name in source.overridable,
        )
        for held in graph.graphs()
        for name, constant in held.constants.items()
        if constant.initializer
    )


def _elsewhere(source: Source) -> Iterator[StoredTensor]:
    """The tensors in other files that are no initializers, each read by what it is part of."""
    constants = (constant for graph in source.graph.graphs() for constant in graph.constants.values())
    listed = {constant.external for constant in constants if constant.initializer}
    return (_stored(constant, 1) for constant in source.elsewhere if constant.external not in listed)


def _stored(constant: Constant, readers: int, layer: int | None = None, is_input: bool = False) -> StoredTensor:
    external = constant.external
    return StoredTensor(
        constant.name,
        constant.dtype,
        constant.shape,
        constant.nbytes,
        readers,
        layer,
        is_input,
        external is not None,
        external.path if external else None,
        external.fault if external else None,
    )


def _inside(node: Node) -> Iterator[Node]:
    for body in node.bodies.values():
        for inner in body.nodes:
            yield inner
            yield from _inside(inner)


def _live(graph: Graph) -> set[int]:
    """The nodes that an output depends on."""
    wanted, live = set(graph.outputs), set()
    for number in reversed(range(len(graph.nodes))):
        node = graph.nodes[number]
        if any(name in wanted for name in node.outputs if name):
            live.add(number)
            wanted.update(node.inputs, node.captured)
    return live
