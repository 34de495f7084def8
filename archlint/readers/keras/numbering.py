"""Which call of a layer a reference means: every version of Keras counts in a way of its own."""

from collections.abc import Iterable, Mapping, Sequence

from archlint.errors import ReadError
from archlint.readers.keras.references import Reference
from archlint.readers.keras.tree import Graph, Node


def count_calls_from_zero(made: Graph, is_keras_3: bool) -> None:
    """Renumber references to the calls of nested models, so that the first stored call is number 0.

    Keras counts the call that built a nested model as its call 0 but does not store it. Keras 3 counts it only where
    it lists the model's inputs and outputs. Keras 1 and 2 count it everywhere, except for some Sequential models; but
    every stored call is used by something, hence the largest number tells which it is.

    Raises:
        ReadError: by these rules a reference means no call, or another call to each version.
    """
    used = [reference for node in made.nodes for use in node.uses for reference in (*use.inputs, *use.masks)]
    listed = [*made.inputs, *(reference for _, reference in made.outputs)]
    if is_keras_3:
        in_calls, in_lists = {}, {node.name: 1 for node in made.nodes if _is_functional(node)}
        _refuse_unstored(listed, in_lists)
    else:
        in_calls = in_lists = _first_numbers(made.nodes, used, listed)
    for node in made.nodes:
        for use in node.uses:
            use.inputs = [_moved(reference, in_calls) for reference in use.inputs]
            use.masks = [_moved(reference, in_calls) for reference in use.masks]
            use.shapes = {_moved(reference, in_calls): shape for reference, shape in use.shapes.items()}
    made.inputs = [_moved(reference, in_lists) for reference in made.inputs]
    made.outputs = [(key, _moved(reference, in_lists)) for key, reference in made.outputs]


def _is_model(node: Node) -> bool:
    return node.inner is not None and node.wrapper is None and node.class_name != "Merge"


def _is_functional(node: Node) -> bool:
    return _is_model(node) and node.class_name != "Sequential"


def _refuse_unstored(listed: Iterable[Reference], first: Mapping[str, int]) -> None:
    for reference in listed:
        if reference.node < first.get(reference.layer, 0):
            raise _disagree(reference.layer)


def _first_numbers(nodes: Iterable[Node], used: Iterable[Reference], listed: Sequence[Reference]) -> dict[str, int]:
    """The number of the first stored call of each nested model, in Keras 1 and 2."""
    numbers: dict[str, set[int]] = {}
    for reference in (*used, *listed):
        numbers.setdefault(reference.layer, set()).add(reference.node)
    in_lists = {reference.layer for reference in listed}
    first = {node.name: min(1, *numbers[node.name]) for node in nodes if _is_model(node) and node.name in numbers}
    for node in nodes:
        if node.name in first and _is_ambiguous(node, numbers[node.name], first[node.name], node.name in in_lists):
            raise _disagree(node.name)
    return first


def _is_ambiguous(node: Node, numbers: set[int], first: int, is_listed: bool) -> bool:
    """Whether Keras 3, which loads these files as well, takes other calls than the version that counts from `first`."""
    count = max(1, len(node.uses))
    if first:
        return max(numbers) != count
    return is_listed and count > 1 and _is_functional(node)


def _disagree(name: str) -> ReadError:
    return ReadError(
        f"it is unclear which calls of its nested model {name!r} are meant, so readers would disagree; "
        "save the model again"
    )


def _moved(reference: Reference, first: Mapping[str, int]) -> Reference:
    return reference._replace(node=reference.node - first.get(reference.layer, 0))
