"""Operators that do more than compute: they run an engine or Python, open a file, or ask a server."""

import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice

from archlint.graph import Concern
from archlint.limits import DIGEST_DIGITS
from archlint.readers.onnx.external import path_fault
from archlint.readers.onnx.graph import Graph, Node

_MOST = 1_000
"""Concerns that are told of one file."""

_SHOWN = 120
"""Characters that are shown of what a node names."""

_RUNTIME = "com.microsoft"
_EXTENSIONS = frozenset({"com.microsoft.extensions", "ai.onnx.contrib"})
"""The domains of onnxruntime-extensions, some operators of which send what they get to a server."""

_OPENING = re.compile("file|save|load|pickle")
"""What the names of PyTorch's operators have in them that open files."""

_Found = tuple[str, str, str]
"""Category and kind of a concern, and what a node names."""


def concerns(graph: Graph) -> tuple[Concern, ...]:
    """What the nodes of a graph and of the bodies in it name, besides tensors, that runtimes run, open or ask."""
    return tuple(islice(_concerns(graph), _MOST))


def _concerns(graph: Graph) -> Iterator[Concern]:
    others = (node for inner in graph.graphs() for node in inner.nodes if not node.standard)
    for node in others:
        for category, kind, named in filter(None, (look(node) for look in (_engine, _server, _python, _aten))):
            content = f"{node.domain} {node.op} {kind} {named}".encode("utf-8", "backslashreplace")
            found = named if len(named) <= _SHOWN else f"{named[:_SHOWN]}…"
            yield Concern(category, kind, node.path, found, sha256(content).hexdigest()[:DIGEST_DIGITS], node.path)


def _engine(node: Node) -> _Found | None:
    """A model that was compiled for one device; only with `embed_mode` it is in the file itself."""
    path = _text(node, "ep_cache_context")
    if (node.domain, node.op) != (_RUNTIME, "EPContext") or node.attrs.get("embed_mode", 1) != 0 or not path:
        return None
    return "outside", "place" if path_fault(path) else "engine", path


def _server(node: Node) -> _Found | None:
    address = _text(node, "model_uri")
    return ("outside", "place", address) if node.domain in _EXTENSIONS and address else None


def _python(node: Node) -> _Found | None:
    """What onnxruntime calls where it was built to train (PythonOp), or for the interop of languages (PyOp)."""
    if node.op == "PyOp":
        return "foreign", "python", f"{_text(node, 'module')}.{_text(node, 'class_name')}"
    if node.domain == _RUNTIME and node.op in ("PythonOp", "PythonOpGrad"):
        return "foreign", "python", _text(node, "func_name") or _text(node, "name") or node.op
    return None


def _aten(node: Node) -> _Found | None:
    """An operator of PyTorch, which onnxruntime hands on to it."""
    named = _text(node, "operator")
    return ("foreign", "tool", named) if node.op == "ATen" and _OPENING.search(named) else None


def _text(node: Node, key: str) -> str:
    found = node.attrs.get(key)
    return found if isinstance(found, str) else ""
