"""What a Keras configuration is read into first: a tree of graphs, with models within models still in place.

`parse` makes it, all dialects alike; `flatten` makes the neutral model of it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from archlint.graph import Shape
from archlint.readers.keras.references import Reference, Use


@dataclass(slots=True)
class Node:
    """A layer in the tree. `inner` is the nested model, if it is one; `cells` are what it runs one after another."""

    name: str
    kind: str
    class_name: str
    args: dict[str, Any] = field(default_factory=dict)
    trainable: bool = True
    uses: list[Use] = field(default_factory=list)
    wrapper: str | None = None
    time_distributed: int = 0
    backward: "Node | None" = None
    inner: "Graph | None" = None
    cells: "list[Node]" = field(default_factory=list)
    input_shape: Shape | None = None


@dataclass(slots=True)
class Graph:
    """A model in the tree: its nodes, and which tensors go in and come out."""

    name: str | None
    nodes: list[Node]
    inputs: list[Reference]
    outputs: list[tuple[str | None, Reference]]
    trainable: bool = True


def distinct(names: Iterable[str]) -> list[str]:
    """The names, the later ones of the same name numbered `_1`, `_2` …, as Keras numbers outputs."""
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    made = []
    for name in names:
        free = name
        while free in taken:
            numbers[name] += 1
            free = f"{name}_{numbers[name]}"
        taken.add(free)
        made.append(free)
    return made
