"""Which call of a layer a reference means: every version of Keras counts in a way of its own."""

from collections.abc import Mapping

from archlint.readers.keras.references import Reference
from archlint.readers.keras.tree import Graph, Node


def count_calls_from_zero(made: Graph, is_keras_3: bool) -> None:
    """Renumber references to a layer's calls, so that the first stored call is number 0.

    Keras counts the call that built a nested model as its call 0 but does not store it. Keras 3 counts it only where
    it lists the model's inputs and outputs. Keras 1 and 2 count it everywhere, except for some Sequential models; but
    every stored call is used by something, hence the smallest number referred to is the first stored one.
    """
    used = [reference for node in made.nodes for use in node.uses for reference in (*use.inputs, *use.masks)]
    listed = [*made.inputs, *(reference for _, reference in made.outputs)]
    if is_keras_3:
        in_calls, in_lists = {}, {node.name: 1 for node in made.nodes if _is_functional(node)}
    else:
        in_calls = in_lists = _smallest_numbers([*used, *listed])
    for node in made.nodes:
        for use in node.uses:
            use.inputs = [_moved(reference, in_calls) for reference in use.inputs]
            use.masks = [_moved(reference, in_calls) for reference in use.masks]
            use.shapes = {_moved(reference, in_calls): shape for reference, shape in use.shapes.items()}
    made.inputs = [_moved(reference, in_lists) for reference in made.inputs]
    made.outputs = [(key, _moved(reference, in_lists)) for key, reference in made.outputs]


def _is_functional(node: Node) -> bool:
    return node.inner is not None and node.wrapper is None and node.class_name != "Sequential"


def _smallest_numbers(listed: list[Reference]) -> dict[str, int]:
    smallest: dict[str, int] = {}
    for reference in listed:
        smallest[reference.layer] = min(smallest.get(reference.layer, reference.node), reference.node)
    return smallest


def _moved(reference: Reference, first: Mapping[str, int]) -> Reference:
    return reference._replace(node=max(0, reference.node - first.get(reference.layer, 0)))
