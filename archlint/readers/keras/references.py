"""How layers refer to each other: every form of `inbound_nodes`, `input_layers` and `output_layers`.

Keras 1       [name, node, tensor]
Keras 2       [name, node, tensor, {keyword: …}], several of them in a list, or one alone (operations)
Keras 3       {"args": [… {"class_name": "__keras_tensor__", "config": {"keras_history": […]}} …], "kwargs": …}
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from archlint.errors import ReadError
from archlint.graph import Shape
from archlint.readers.keras.values import plain, shape
from archlint.readers.strict_json import Json

CONSTANT = "_CONSTANT_VALUE"  # Keras 2 names a plain value among the inputs so


class Reference(NamedTuple):
    """Output number `tensor` of the call number `node` of the layer `layer`."""

    layer: str
    node: int
    tensor: int


@dataclass(slots=True)
class Use:
    """One call of a layer: the tensors it takes, its plain arguments, and the shapes the file states for tensors.

    `masks` are tensors given as keyword arguments like `attention_mask`: they say what counts, and carry no data.
    """

    inputs: list[Reference] = field(default_factory=list)
    masks: list[Reference] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    shapes: dict[Reference, Shape] = field(default_factory=dict)


def uses(inbound_nodes: Json, layers: Collection[str]) -> list[Use]:
    """The calls of a layer from its `inbound_nodes`; `layers` are the names that a reference can mean."""
    if not isinstance(inbound_nodes, list):
        return []
    return [_use(node, layers) for node in inbound_nodes]


def has_keras_3_nodes(inbound_nodes: Json) -> bool:
    """Whether the calls of a layer are written as Keras 3 does."""
    return isinstance(inbound_nodes, list) and any(map(_is_keras_3, inbound_nodes))


def references(value: Json, layers: Collection[str]) -> list[tuple[str | None, Reference]]:
    """The references in `input_layers` or `output_layers`, each with its key if they are given by name."""
    if isinstance(value, dict):
        return [(key, reference) for key, inner in _by_key(value) for _, reference in references(inner, layers)]
    if (reference := _listed(value, layers)) is not None:
        return [(None, reference)]
    if isinstance(value, list) and value and isinstance(value[0], str):
        raise ReadError(f"it names {value[0]!r} as an input or output, but has no such layer; save the model again")
    if isinstance(value, list):
        return [found for inner in value for found in references(inner, layers)]
    return []


def _use(node: Json, layers: Collection[str]) -> Use:
    use = Use()
    if _is_keras_3(node):
        for position, argument in enumerate(node["args"] if isinstance(node["args"], list) else []):
            _take(use, str(position), argument, layers)
        keywords = node.get("kwargs") or {}
        if not isinstance(keywords, dict):
            raise ReadError("one of its layers is called with arguments that have no names; save the model again")
        for key, argument in _in_order(keywords):
            _take(use, key, argument, layers)
        return use
    for position, entry in enumerate(_entries(node)):
        _take_listed(use, str(position), entry, layers)
    return use


def _by_key(value: dict[str, Json]) -> list[tuple[str, Json]]:
    # Every version of Keras numbers the tensors of a dict in the order of its keys.
    return sorted(value.items(), key=lambda item: item[0])


def _is_keras_3(node: Json) -> bool:
    return isinstance(node, dict) and "args" in node


def _entries(node: Json) -> Iterator[Json]:
    """The inputs of a Keras 1 or 2 node, which may be one reference alone, a list, or a dict by name."""
    if isinstance(node, dict):
        yield from (inner for _, inner in _by_key(node))
    elif isinstance(node, list):
        alone = bool(node) and isinstance(node[0], str)
        yield from [node] if alone else node


def _take_listed(use: Use, position: str, entry: Json, layers: Collection[str]) -> None:
    if isinstance(entry, list) and entry and entry[0] == CONSTANT:
        use.constants[position] = plain(entry[2]) if len(entry) > 2 else None
    elif (reference := _listed(entry, layers)) is not None:
        use.inputs.append(reference)
    elif isinstance(entry, list):
        for inner in entry:
            _take_listed(use, position, inner, layers)
    if isinstance(entry, list) and len(entry) > 3 and isinstance(entry[3], dict):
        for key, argument in _in_order(entry[3]):
            _take(use, key, argument, layers)


_ROLES = {"query": 0, "value": 1, "key": 2}


def _in_order(keywords: dict[str, Json]) -> list[tuple[str, Json]]:
    """The keyword arguments of a call; those of an attention in the order in which they are positional ones."""
    return sorted(keywords.items(), key=lambda item: _ROLES.get(item[0], len(_ROLES)))


def _take(use: Use, key: str, argument: Json, layers: Collection[str]) -> None:
    """Sort an argument, at any depth, into tensors and plain values."""
    found = list(_tensors(argument, layers))
    for reference, stated in found:
        (use.masks if "mask" in key else use.inputs).append(reference)
        if stated is not None:
            use.shapes[reference] = stated
    if not found and argument is not None:
        use.constants[key] = plain(argument)
    if found and key == "attention_mask":
        use.constants[key] = True  # that there is one: attention's masks are not among its inputs


def _tensors(argument: Json, layers: Collection[str]) -> Iterator[tuple[Reference, Shape | None]]:
    pending = [argument]
    while pending:
        value = pending.pop()
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            config = value.get("config")
            config = config if isinstance(config, dict) else {}
            reference = _listed(config.get("keras_history"), layers)
            if reference is None:
                raise ReadError("one of its layers reads a tensor of a layer that is not there; save the model again")
            yield reference, shape(config.get("shape"))
        elif (reference := _listed(value, layers)) is not None:
            yield reference, None
        elif isinstance(value, dict):
            pending.extend(inner for _, inner in reversed(_by_key(value)))
        elif isinstance(value, list):
            pending.extend(reversed(value))


def _listed(value: Json, layers: Collection[str]) -> Reference | None:
    if not isinstance(value, list) or not 3 <= len(value) <= 4:
        return None
    layer, node, tensor = value[:3]
    if (
        isinstance(layer, str)
        and type(node) is int
        and type(tensor) is int
        and layer in layers
        and min(node, tensor) >= 0
    ):
        return Reference(layer, node, tensor)
    return None
