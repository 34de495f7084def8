"""Which layer a stored weight belongs to, and what it is called, in the two ways Keras lays weights out in HDF5.

The old way (`.h5`) is a group for each layer of the top model, in which each weight has the path of its variable:
`encoder/dense_1/kernel:0`. The new way (`.keras`) is the tree of the objects themselves, in which layers are called
after their classes, in order, and variables have numbers: `layers/functional/layers/dense_1/vars/0`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archlint.graph import Layer, StoredWeight
from archlint.readers.keras.tree import Graph, Node
from archlint.readers.keras.variables import NAMES, unit_axis, variable

if TYPE_CHECKING:
    from archlint.readers.hdf5 import Dataset

_ROOTS = ("layers", "_layer_checkpoint_dependencies", "model_weights")
"""Where the weights of layers are; `_layer_checkpoint_dependencies` is what Keras 2.12 and 2.13 call `layers`."""

_STATES = ("seed_generator", "random_generator")
"""What holds the states of random generators."""


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A node of the tree and the path of the layer it becomes; `inside` are those of a model that is stored as one."""

    node: Node
    path: str
    inside: "tuple[_Place, ...]" = ()


_Item = tuple["Dataset", list[str]]
"""A dataset, and its path below the group of its layer."""


def stored_weights(
    datasets: "Iterable[Dataset]", top: Graph, layers: Sequence[Layer], version: int
) -> tuple[StoredWeight, ...]:
    """The weights among the datasets of a file, in the order of the layers; `version` is Keras's major one.

    The state of an optimizer, of metrics and of random generators is no weight of the model.
    """
    places = dict(_by_group(top))
    numbers = {layer.name: number for number, layer in enumerate(layers)}
    by_group: dict[_Place | None, list[_Item]] = {}
    for dataset in datasets:
        parts = [_ROOTS[0] if part == _ROOTS[1] else part for part in dataset.path.replace("\\", "/").split("/")]
        if parts[0] in _ROOTS and not any(state in part for state in _STATES for part in parts):
            place, rest = _place(parts, places)
            by_group.setdefault(place, []).append((dataset, rest))
    found = [
        weight
        for group, items in by_group.items()
        for place, (dataset, rest) in zip(_owners(group, [rest for _, rest in items]), items, strict=True)
        if (weight := _weight(dataset, rest, place, version)) is not None
    ]
    placed = [replace(weight, layer=numbers.get(weight.path)) for weight in found]
    return tuple(sorted(placed, key=lambda weight: (weight.layer is None, weight.layer or 0, _rank(weight.name))))


_ORDER = {
    part: rank
    for rank, part in enumerate(
        "forward backward query key gate value attention_output gamma beta moving_mean moving_variance "
        "depthwise_kernel pointwise_kernel kernel recurrent_kernel bias mean variance count".split()
    )
}


def _rank(name: str) -> list[tuple[int, str]]:
    """Where a weight comes among those of its layer."""
    return [(_ORDER.get(part, len(_ORDER)), part) for part in name.split("/")]


def _weight(dataset: "Dataset", rest: list[str], place: _Place | None, version: int) -> StoredWeight | None:
    """The weight that a dataset is, its layer not yet numbered; None if it is none."""
    node = place.node if place else None
    name = rest[-1].removesuffix(":0") if node is None else _name(node, rest, dataset.shape, version)
    if name is None:
        return None
    axis = unit_axis(_direction(node, name), name, dataset.shape, version) if node else None
    path = place.path if place else "/".join(rest[:-1])
    numbers = (dataset.shape, dataset.dtype, dataset.nbytes, dataset.read)
    return StoredWeight(None, path, name, *numbers, axis, dataset.unreadable)


def _by_group(top: Graph) -> Iterator[tuple[str, _Place]]:
    """The places by the group that their weights are in, whichever way the file is laid out."""
    yield from _new(top.nodes, "layers", "")
    for node in top.nodes:
        leaves = tuple(_leaves(node, ""))
        if node.class_name == "Merge":  # of Keras 1, which stores the layers of its branches like all others
            yield from ((f"model_weights/{leaf.node.name}", leaf) for leaf in leaves)
        yield f"model_weights/{node.name}", _Place(node, node.name, leaves)


def _new(nodes: Iterable[Node], group: str, prefix: str) -> Iterator[tuple[str, _Place]]:
    """The new way: layers are called after their classes, and numbered if there are more of one."""
    taken: Counter[str] = Counter()
    for node in nodes:
        name = _snake_case(_outermost(node))
        own = f"{group}/{name}_{taken[name]}" if taken[name] else f"{group}/{name}"
        taken[name] += 1
        path = f"{prefix}{node.name}"
        if node.inner is not None:
            inside = "/layer" * _depth(node.wrapper)
            yield from _new(node.inner.nodes, f"{own}{inside}/layers", f"{path}/")
        elif node.cells:
            yield from _new([_bare(cell) for cell in node.cells], f"{own}/cell/cells", f"{path}/")
        else:
            yield own, _Place(node, path)


def _bare(cell: Node) -> Node:
    return replace(cell, wrapper=None)


def _outermost(node: Node) -> str:
    """The class of a layer, or of the wrapper around it."""
    name = (node.wrapper or node.class_name).partition("(")[0].rpartition(">")[2]
    return _OWN_NAMES.get(name, name)


_OWN_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""What a class calls itself, where that is not the name under which it is saved."""


def _depth(wrapper: str | None) -> int:
    return wrapper.count("(") + 1 if wrapper else 0


def _snake_case(name: str) -> str:
    """As `keras.src.utils.naming` has it."""
    partly = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", partly).lower()


def _leaves(node: Node, prefix: str) -> Iterator[_Place]:
    """The layers that a model, or a layer of several cells, consists of; none if it is a plain layer."""
    path = f"{prefix}{node.name}"
    for inner in node.inner.nodes if node.inner is not None else node.cells:
        deeper = list(_leaves(inner, f"{path}/"))
        yield from deeper or [_Place(inner, f"{path}/{inner.name}")]


def _place(parts: list[str], places: Mapping[str, _Place]) -> tuple[_Place | None, list[str]]:
    """Whose weight a dataset with this path is, and the rest of the path; all of it, if it is nobody's."""
    for cut in range(len(parts) - 1, 0, -1):
        place = places.get("/".join(parts[:cut]))
        if place is not None:
            return place, parts[cut:]
    return None, parts


def _owners(group: _Place | None, rests: list[list[str]]) -> list[_Place | None]:
    """The layers that the variables in a group belong to, by their paths."""
    if group is None or not group.inside:
        return [group] * len(rests)
    leaves: dict[str, list[_Place]] = {}
    for place in group.inside:
        leaves.setdefault(place.node.name, []).append(place)
    plain = [_leaf(leaves, _scopes(rest)) for rest in rests]
    if _is_sound(plain, rests):
        return plain
    # TensorFlow 1 numbers the scope of a layer that is made again: `dense_1_1` is that of `dense_1`.
    numbered = [_leaf(leaves, [re.sub(r"_\d+$", "", scope) for scope in _scopes(rest)]) for rest in rests]
    return numbered if _is_sound(numbered, rests) else plain


def _scopes(rest: list[str]) -> list[str]:
    """What a variable is in: `dense_1` for `dense_1/kernel`, and for Keras 1's `dense_1_W`."""
    *scopes, own = rest
    words = own.split("_")
    return scopes or ["_".join(words[:count]) for count in range(1, len(words))]


def _leaf(leaves: Mapping[str, Sequence[_Place]], scopes: Sequence[str]) -> _Place | None:
    """The layer that is meant: it, and as many of the models around it as possible, are among the scopes."""
    fitting = [
        (len(set(scopes).intersection(place.path.split("/"))), place)
        for scope in dict.fromkeys(scopes)
        for place in leaves.get(scope, ())
    ]
    most = max((count for count, _ in fitting), default=0)
    chosen = [place for count, place in fitting if count == most]
    return chosen[0] if len(chosen) == 1 else None


def _is_sound(owners: list[_Place | None], rests: list[list[str]]) -> bool:
    """Whether all have an owner, and no owner has two of the same name."""
    named = {(owner, *rest[-2:]) for owner, rest in zip(owners, rests, strict=True)}
    return None not in owners and len(named) == len(rests)


_PARTS = {
    "forward_layer": "forward",
    "backward_layer": "backward",
    **{f"{private}{part}_dense": part for private in ("", "_") for part in ("query", "key", "value", "gate")},
    **dict.fromkeys(("output_dense", "_output_dense"), "attention_output"),
}
"""What the layers within a layer are called, by the attribute that holds them."""


def _direction(node: Node, name: str) -> Node:
    return node.backward if node.backward is not None and name.startswith("backward/") else node


def _name(node: Node, rest: list[str], shape: tuple[int, ...], version: int) -> str | None:
    """Keras's name of a weight, from its path below the layer; None if it is a table, or repeats another one."""
    if node.kind == "preprocessing":
        return None
    return _numbered(node, rest, shape, version) if "vars" in rest else _named(node, rest, version)


def _numbered(node: Node, rest: list[str], shape: tuple[int, ...], version: int) -> str | None:
    *held, last = (part for part in rest if part != "vars")
    if "SpectralNormalization" in str(node.wrapper) and not held:
        # It also holds the kernel of its layer, which is stored there as well.
        return "vector_u" if len(shape) == 2 and shape[0] == 1 else None
    parts = [_PARTS.get(part, part) for part in held if part not in ("cell", "layer")]
    own = None
    if _is_number(last) and (not parts or parts[-1] in _PARTS.values()):
        own = variable(_direction(node, "/".join((*parts, ""))), int(last), version)
    return "/".join((*parts, own or last))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6


_PROJECTIONS = ("query", "key", "value", "gate", "attention_output")
_KERAS_1 = {"W": "kernel", "U": "recurrent_kernel", "b": "bias", "running_mean": "moving_mean"}
_KERAS_1 |= {"running_std": "moving_variance", "alphas": "alpha"}


def _named(node: Node, rest: list[str], version: int) -> str:
    *route, own = rest
    own = own.removesuffix(":0")
    if version < 2:
        own = _of_keras_1(node, own.removeprefix(f"{node.name}_"))
    elif (stem := re.sub(r"_\d+$", "", own)) in NAMES:  # TensorFlow 1 numbers a variable that is made again
        own = stem
    if "Bidirectional" in str(node.wrapper):
        way = "forward" if any(part.startswith("forward") for part in rest) else "backward"
        cells = route[-1:] if node.kind == "rnn" else ()
        return "/".join((way, *cells, own))
    if node.kind == "multi_head_attention" and route and route[-1] in _PROJECTIONS:
        return f"{route[-1]}/{own}"
    if node.kind in ("custom", "rnn"):
        last = max((place for place, part in enumerate(route) if part == node.name), default=-1)
        return "/".join((*route[last + 1 :], own))
    return own


def _of_keras_1(node: Node, name: str) -> str:
    """`W` to `kernel`, and `forward_lstm_1_W_i` to `kernel_i`: there a gate has arrays of its own."""
    found = re.search(r"(?:^|_)(W|U|b|running_mean|running_std|alphas)(_[a-z])?$", name)
    if found and found[1] == "W" and node.kind == "embedding":
        return "embeddings"
    return f"{_KERAS_1[found[1]]}{found[2] or ''}" if found else name
