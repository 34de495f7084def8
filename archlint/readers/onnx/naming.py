"""What lifted layers are called: by the module they were in the framework, as far as the file still tells."""

import ast
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from archlint.readers.onnx.graph import Node
from archlint.readers.onnx.notes import SCOPES

_MADE = re.compile(r"[A-Za-z]+__\d+")
"""The name of a node that tf2onnx put in the place of several."""

_LONGEST_NOTE = 4_096
"""Longest note of scopes that is taken apart, which takes five hundred times its length of memory."""

_FRAMES = ("StatefulPartitionedCall/", "PartitionedCall/")
_PARTS = ("/batchnorm", "/Tensordot")
"""What TensorFlow calls what it takes a layer apart into."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where a layer's node stands: the path of its module (empty if none) and its own full path."""

    module: str
    path: str
    weighted: bool


def candidate(node: Node, weighted: bool, producer: str | None) -> Candidate:
    """The names that a layer could have, after the node that is its core."""
    scopes = _scopes(node)
    if scopes:
        return Candidate(scopes[-2] if len(scopes) > 1 else "", scopes[-1] or node.path, weighted)
    if producer == "pytorch":
        *modules, call = node.path.split("/")
        return Candidate(_submodule(modules), call, weighted)
    path = _path(node, weighted)
    for frame in _FRAMES:
        path = path.removeprefix(frame)
    module = path.rpartition("/")[0]
    for part in _PARTS:
        module = module.removesuffix(part)
    return Candidate(module, path, weighted)


def _submodule(modules: Sequence[str]) -> str:
    """`layer1/layer1.0/conv1`, as PyTorch's first exporter has it, as `get_submodule` takes it: `layer1.0.conv1`."""
    parts: list[str] = []
    for module in modules:
        if parts and module.startswith(f"{parts[-1]}."):
            parts[-1] = module
        else:
            parts.append(module)
    return ".".join(parts)


def _path(node: Node, weighted: bool) -> str:
    """The node's own path; that of its kernel where tf2onnx made the node itself."""
    kernel = node.inputs[1].rpartition("/")[0] if weighted and len(node.inputs) > 1 else ""
    return kernel if kernel and _MADE.fullmatch(node.path) else node.path


def names(candidates: Sequence[Candidate]) -> list[str]:
    """A name for each layer, all different.

    A layer is called after its module if it is the only one there, or the only one with a kernel. Others keep the
    path of their node.
    """
    layers = Counter(item.module for item in candidates)
    kernels = Counter(item.module for item in candidates if item.weighted)
    taken: Counter[str] = Counter()
    found = []
    for item in candidates:
        alone = layers[item.module] == 1 or (item.weighted and kernels[item.module] == 1)
        wanted = (
            item.module if item.module and alone else f"{item.module}/{item.path}" if _is_scoped(item) else item.path
        )
        name = wanted
        while name in taken:
            name = f"{wanted}_{taken[wanted]}"
            taken[wanted] += 1
        taken[name] += 1
        found.append(name)
    return found


def _is_scoped(item: Candidate) -> bool:
    """Whether the path is only the last part: PyTorch's scopes name the call without its module."""
    return bool(item.module) and not item.path.startswith(item.module)


def _scopes(node: Node) -> list[str]:
    """`['', 'layer1', 'layer1.0.conv1', 'conv2d']`, as PyTorch's exporter notes it."""
    noted = node.metadata.get(SCOPES, "")
    if not 0 < len(noted) <= _LONGEST_NOTE:
        return []
    try:
        with warnings.catch_warnings(action="ignore"):  # Python warns of what reads oddly, with the text
            found = ast.literal_eval(noted)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    named = isinstance(found, list) and all(isinstance(item, str) for item in found)
    return found if named else []
