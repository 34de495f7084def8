"""From a Keras configuration, of whatever version, to the tree of its graphs."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeGuard

from archlint.errors import ReadError
from archlint.graph import Shape
from archlint.limits import NESTING
from archlint.readers.keras import values
from archlint.readers.keras.arguments import arguments
from archlint.readers.keras.classes import (
    MODEL_CLASSES,
    RECURRENT_WRAPPERS,
    STACKED_CELLS,
    is_operation,
    kind_of_class,
    kind_of_operation,
    operation_name,
)
from archlint.readers.keras.numbering import count_calls_from_zero
from archlint.readers.keras.references import Reference, Use, has_keras_3_nodes, references, uses
from archlint.readers.keras.tree import Graph, Node, distinct
from archlint.readers.strict_json import Json

_MERGE_MODES = {  # Keras 1's Merge(mode=…)
    "sum": "add",
    "mul": "multiply",
    "concat": "concat",
    "ave": "average",
    "max": "maximum",
    "dot": "dot",
    "cos": "dot",
}
_WRAPPERS = frozenset({"Bidirectional", "TimeDistributed", "SpectralNormalization", "WeightNormalization"})
_OF_WRAPPERS = {"Bidirectional": "merge_mode", "SpectralNormalization": "power_iterations"}
"""What a wrapper says beside what is inside it."""

_OF_TWO_NAMES = frozenset({"TensorFlowOpLayer"})
"""Layers that put something before the name they are given, and store both; as a custom class may do."""

_BATCH_SHAPES = ("batch_shape", "batch_input_shape")
"""What Keras 3, and what Keras before it, call the shape of an input."""


def graph(config: Json, depth: int = 0) -> Graph:
    """The tree of a serialised model (`{"class_name": …, "config": …}`).

    Raises:
        ReadError: it is nested beyond reason, or holds no layers.
    """
    if depth > NESTING:
        raise ReadError(f"its models are nested more than {NESTING} deep; it was not read")
    class_name, inner = values.class_of(config)
    listed = config.get("config") if isinstance(config, dict) else None
    if isinstance(listed, list):  # Keras before 2.2.3: the configuration of a Sequential is the bare list of layers
        inner = {"layers": listed}
    layers = inner.get("layers")
    if not isinstance(layers, list):
        raise ReadError(_no_graph(class_name, inner))
    if not all(isinstance(layer, dict) for layer in layers):
        raise ReadError("its list of layers holds something that is no layer; the file is damaged: save it again")
    if class_name == "Sequential" or not _has_references(layers):
        return _sequential(inner, layers, depth)
    return _functional(inner, layers, depth)


def _no_graph(class_name: str | None, config: Mapping[str, Any]) -> str:
    kind = config.get("name") or class_name or "the model"
    return (
        f"it holds no layer graph: {kind} is a subclassed model, and of those Keras stores only the constructor's "
        "arguments; build it as a Functional or Sequential model"
    )


def _has_references(layers: list[Json]) -> bool:
    return any("inbound_nodes" in layer for layer in layers)


def _sequential(config: Mapping[str, Json], layers: list[Json], depth: int) -> Graph:
    nodes = _unique([_node(layer, (), depth) for layer in layers])
    has_own_inputs = bool(nodes) and nodes[0].inner is not None and not nodes[0].inner.inputs
    if nodes and nodes[0].kind != "input" and not has_own_inputs:
        shape = _stated_shape(nodes[0]) or values.shape(config.get("build_input_shape"))
        name = distinct([*(node.name for node in nodes), "input"])[-1]
        nodes.insert(0, Node(name, "input", "InputLayer", {"batch_shape": shape}, input_shape=shape))
    for before, node in pairwise(nodes):
        tensor = Reference(before.name, 0, 0)
        node.uses = [Use([tensor], shapes={tensor: node.input_shape} if node.input_shape else {})]
    if not nodes:
        return Graph(_name(config), [], [], [])
    return Graph(
        _name(config),
        nodes,
        [] if has_own_inputs else [Reference(nodes[0].name, 0, 0)],
        [(None, Reference(nodes[-1].name, 0, 0))],
        config.get("trainable") is not False,
    )


def _stated_shape(node: Node) -> Shape | None:
    """The input shape of a layer, or of the model that it is, as far as the file states one."""
    while node.inner is not None and node.input_shape is None and node.inner.nodes:
        first = {inner.name: inner for inner in node.inner.nodes}
        node = first[node.inner.inputs[0].layer] if node.inner.inputs else node.inner.nodes[0]
    return node.input_shape


def _functional(config: Mapping[str, Json], layers: list[Json], depth: int) -> Graph:
    names = {name for layer in layers if (name := _name_of_layer(layer))}
    nodes = [_node(layer, names, depth) for layer in layers]
    if len(names) < len(nodes):
        raise ReadError(
            "two of its layers have the same name, so it is unclear which one a connection means; rename one"
        )
    made = Graph(
        _name(config),
        nodes,
        [reference for _, reference in references(config.get("input_layers"), names)],
        references(config.get("output_layers"), names),
        config.get("trainable") is not False,
    )
    count_calls_from_zero(made, any(has_keras_3_nodes(layer.get("inbound_nodes")) for layer in layers))
    return made


def _node(entry: Mapping[str, Json], names: Collection[str], depth: int) -> Node:
    class_name, config = values.class_of(entry)
    class_name = class_name or "?"
    module = entry.get("module") if isinstance(entry.get("module"), str) else None
    node = Node(_name_of_layer(entry) or class_name.lower(), "custom", class_name)
    node.uses = uses(entry.get("inbound_nodes"), names)
    node.trainable = config.get("trainable") is not False
    node.input_shape = _input_shape(entry, config)
    if _is_model(class_name, entry):
        node.inner = graph(entry, depth + 1)
        node.kind = "model"
    elif is_operation(class_name, module, config):
        _operation(node, config)
    else:
        _layer(node, module, entry, config, depth)
    _refuse_two_names(node, entry, config)
    return node


def _refuse_two_names(node: Node, entry: Mapping[str, Json], config: Mapping[str, Json]) -> None:
    """Keras calls a layer as `config` has it, connections go by the name beside that."""
    name, inner = _name(entry), _name(config)
    if node.kind in ("custom", "model") or node.class_name in _OF_TWO_NAMES or None in (name, inner) or name == inner:
        return
    raise ReadError(
        f"one of its layers has two names, {name!r} and {inner!r}, so readers would disagree; save the model again"
    )


def _is_model(class_name: str, entry: Mapping[str, Json]) -> bool:
    config = entry.get("config")
    has_layers = isinstance(config, list) or (isinstance(config, dict) and isinstance(config.get("layers"), list))
    return has_layers and (class_name in MODEL_CLASSES or (isinstance(config, dict) and "input_layers" in config))


def _operation(node: Node, config: Mapping[str, Json]) -> None:
    name = operation_name(node.class_name, config)
    tensors = max((len(use.inputs) for use in node.uses), default=1)
    node.kind = kind_of_operation(name, tensors)
    node.args = {"op": name, **({"activation": values.activation(name)} if node.kind == "activation" else {})}
    settings = {
        key: values.plain(value)
        for key, value in config.items()
        if key not in ("name", "dtype", "function", "trainable")
    }
    for use in node.uses:
        use.constants = {**settings, **use.constants}


def _layer(node: Node, module: str | None, entry: Mapping[str, Json], config: Mapping[str, Json], depth: int) -> None:
    wrapped = config.get("layer")
    if node.class_name in _WRAPPERS and _is_object(wrapped):
        _unwrap(node, wrapped, config, depth)
        return
    if node.class_name in RECURRENT_WRAPPERS and _is_object(config.get("cell")):
        _cells(node, config, depth)
        return
    registered = entry.get("registered_name")
    node.kind = kind_of_class(node.class_name, module, registered if isinstance(registered, str) else None)
    if node.class_name == "Merge":
        node.kind = _MERGE_MODES.get(str(config.get("mode")), "custom")
        config = {**config, "axis": config.get("concat_axis", -1)}
    node.args = arguments(node.kind, node.class_name, config) if node.kind != "custom" else {}
    if node.kind == "input":
        node.args["batch_shape"] = node.input_shape
    if node.class_name == "Merge" and isinstance(config.get("layers"), list):
        node.inner, node.kind = _towers(node, config["layers"], depth), "model"


def _towers(merge: Node, branches: list[Json], depth: int) -> Graph:
    """What a Keras 1 Merge at the start of a Sequential is: models with inputs of their own, and the merge of them."""
    listed = [branch for branch in branches if isinstance(branch, dict)]
    models = [branch if _is_model("Sequential", branch) else {"config": [branch]} for branch in listed]
    towers = _unique([_node({"class_name": "Sequential", **model}, (), depth + 1) for model in models])
    joined = replace(merge, uses=[Use([Reference(tower.name, 0, 0) for tower in towers])])
    return Graph(merge.name, [*towers, joined], [], [(None, Reference(merge.name, 0, 0))])


def _is_object(value: Json) -> TypeGuard[dict[str, Json]]:
    return isinstance(value, dict) and "class_name" in value


def _unwrap(node: Node, wrapped: dict[str, Json], config: Mapping[str, Json], depth: int) -> None:
    """Take the wrapper off: the node becomes what is inside, and remembers the wrapper."""
    wrapper, inner = node.class_name, _node(wrapped, (), depth + 1)
    if depth > NESTING:
        raise ReadError(f"its wrappers are nested more than {NESTING} deep; it was not read")
    node.kind, node.class_name, node.inner, node.cells = inner.kind, inner.class_name, inner.inner, inner.cells
    own = _OF_WRAPPERS.get(wrapper)
    node.args = {**inner.args, **({own: config.get(own)} if own else {})}
    node.wrapper = wrapper if inner.wrapper is None else f"{wrapper}({inner.wrapper})"
    node.time_distributed = inner.time_distributed + (wrapper == "TimeDistributed")
    node.trainable = node.trainable and inner.trainable
    node.backward = inner.backward
    if wrapper == "Bidirectional" and node.cells:
        node.kind, node.cells = "rnn", []  # each direction runs all its cells, so they are no chain of layers
    if wrapper == "Bidirectional" and _is_object(config.get("backward_layer")):
        node.backward = _node(config["backward_layer"], (), depth + 1)


def _cells(node: Node, config: Mapping[str, Json], depth: int) -> None:
    """`RNN(cell)` and `RNN(StackedRNNCells)`: one layer for each cell, all but the last returning sequences."""
    cell = config["cell"]
    listed = values.class_of(cell)[1].get("cells") if cell.get("class_name") == STACKED_CELLS else [cell]
    listed = listed if isinstance(listed, list) else []
    cells = [_node(inner, (), depth + 1) for inner in listed if _is_object(inner)]
    run = {key: config.get(key) for key in ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")}
    for position, inner in enumerate(cells):
        last = position == len(cells) - 1
        inner.kind = "rnn" if inner.kind == "custom" else inner.kind
        inner.args = {**inner.args, **run, "return_sequences": bool(run["return_sequences"]) or not last}
        # The first one turns the sequence round, for all.
        inner.args["go_backwards"] = bool(run["go_backwards"]) and position == 0
        inner.trainable = inner.trainable and node.trainable
        inner.wrapper = node.class_name
    if len(cells) == 1:
        node.kind, node.class_name, node.args = cells[0].kind, cells[0].class_name, cells[0].args
        node.wrapper = cells[0].wrapper
    elif cells:
        node.cells = _unique(cells)
        node.wrapper = node.class_name


def _name(config: Mapping[str, Json]) -> str | None:
    name = config.get("name")
    return name if isinstance(name, str) else None


def _name_of_layer(entry: Mapping[str, Json]) -> str | None:
    _, config = values.class_of(entry)
    return _name(entry) or _name(config)


def _input_shape(entry: Mapping[str, Json], config: Mapping[str, Json]) -> Shape | None:
    """The shape of the first input, batch included, wherever this dialect states it."""
    stated = {shape for key in _BATCH_SHAPES if (shape := values.shape(config.get(key))) is not None}
    if len(stated) > 1:
        raise ReadError(
            f"its layer {_name_of_layer(entry)!r} states two different shapes of its input, so readers would disagree; "
            "save the model again"
        )
    built = entry.get("build_config")
    for shape in (*stated, values.shape(built.get("input_shape")) if isinstance(built, dict) else None):
        if shape is not None:
            return shape
    if (shape := values.shape(config.get("input_shape"))) is not None:
        return (None, *shape)
    return _shape_of_dimensions(values.class_of(entry)[0], config)


def _shape_of_dimensions(class_name: str | None, config: Mapping[str, Json]) -> Shape | None:
    """The input shape as Keras 1 may spell it: `input_dim` features, at `input_length` steps of a sequence."""
    if class_name == "Embedding":  # its input_dim is the size of the vocabulary
        return values.shape([None, config["input_length"]]) if isinstance(config.get("input_length"), int) else None
    if not isinstance(config.get("input_dim"), int):
        return None
    steps = [config["input_length"]] if "input_length" in config else []
    return values.shape([None, *steps, config["input_dim"]])


def _unique(nodes: list[Node]) -> list[Node]:
    """The nodes of a Sequential with distinct names: old files have unnamed layers."""
    for node, name in zip(nodes, distinct(node.name for node in nodes), strict=True):
        node.name = name
    return nodes
