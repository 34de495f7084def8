"""Which weights Keras reads from an `.h5` file: those that attributes list, group by group in the order of the layers.

archlint goes by the names of the groups. In a file that Keras wrote that is the same; any other file is refused, as it
may show archlint other weights than Keras.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from archlint.errors import ReadError
from archlint.readers.keras.tree import Graph

ROOT = "model_weights"


def refuse_other_weights(listed: Mapping[str, Sequence[str]], stored: Iterable[str], top: Graph) -> None:
    """Compare what is listed with what lies where archlint looks.

    Args:
        listed: the names of weights by the groups that are listed, in their order.
        stored: the paths of the datasets.
        top: the model, whose layers the groups belong to.

    Raises:
        ReadError: Keras would give some layer the weights of another group.
    """
    named = [group for group, weights in listed.items() if weights]
    places = {node.name: place for place, node in enumerate(top.nodes)}
    order = [places[group] for group in named if group in places]
    is_ordered = order == sorted(order) or any(node.class_name == "Merge" for node in top.nodes)
    # Where the file gives layers no names their groups have others, but then all of them.
    has_own = bool(order) or any(group in places for path in stored for group in _groups(path))
    is_foreign = has_own and not places.keys() | set(_inside(top)) >= set(named)
    if is_foreign or not is_ordered or any(map(_leads_out, (*listed, *chain(*listed.values())))):
        raise ReadError(
            "it lists other weights than are stored under the names of its layers, so readers would disagree; "
            "save the model again"
        )


def _leads_out(name: str) -> bool:
    """Whether HDF5 takes a name for a path from the root of the file, or for one with detours."""
    return not {"", "."}.isdisjoint(name.split("/"))


def _inside(graph: Graph) -> Iterator[str]:
    """The names of the layers of nested models; Keras 1 stores those of a Sequential like the layers around it."""
    for node in graph.nodes:
        if node.inner is not None:
            yield from (inner.name for inner in node.inner.nodes)
            yield from _inside(node.inner)


def _groups(path: str) -> Iterator[str]:
    """What may be the group of a layer in a path: the names of layers may have slashes."""
    root, *parts = path.split("/")
    if root == ROOT:
        yield from ("/".join(parts[:count]) for count in range(1, len(parts)))
