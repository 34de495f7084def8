"""From the bytes of an .onnx file to the graph in plain Python: scopes, functions, bodies, order."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np

from archlint.errors import ReadError
from archlint.limits import NAME_LENGTH, NESTING, ONNX_NAMES, ONNX_NODES
from archlint.readers.files import OpenFile
from archlint.readers.onnx.elsewhere import elsewhere
from archlint.readers.onnx.graph import Constant, Graph, Node, Source, Type
from archlint.readers.onnx.operators import is_operator
from archlint.readers.onnx.proto import parse
from archlint.readers.onnx.tensors import NUMPY, Tensors, type_of
from archlint.readers.onnx.wire import slim

GRAPH, GRAPHS = 5, 10  # AttributeProto.AttributeType

_LONG_NAME = 10 * NAME_LENGTH
"""Characters of a name that only stands where it is; rules put several into a sentence."""

_ORDINARY = 4
"""Inputs and outputs of an ordinary node; one that has more counts for several."""


def load(file: OpenFile) -> Source:
    """The model in an .onnx file, of which only the structure and small tensors are read.

    Raises:
        ReadError: the file is damaged, or its graph is none: cycles, values or functions made twice or never.
    """
    slimmed = slim(file)
    proto = parse(slimmed.data)
    if not proto.graph.node:
        raise ReadError("its graph has no nodes, so there is nothing to judge; export the model again")
    opsets = _opsets(proto.opset_import)
    functions = _functions(proto.functions)
    tensors = Tensors(file.path.parent, slimmed.payloads)
    unfolder = _Unfolder(tensors, functions)
    graph = unfolder.graph(proto.graph, _Scope(opsets=opsets))
    return Source(
        file=file,
        name=proto.graph.name or None,
        producer=proto.producer_name or None,
        producer_version=proto.producer_version.removesuffix(" None") or None,  # tf2onnx, outside of its repository
        ir_version=proto.ir_version,
        opsets=opsets,
        graph=graph,
        overridable=frozenset(value.name for value in proto.graph.input if value.name in graph.constants),
        training=bool(proto.training_info),
        elsewhere=tuple(tensors.constant(*item) for item in elsewhere(proto)) if slimmed.is_external else (),
    )


def _functions(listed: Iterable[Any]) -> dict[tuple[str, str, str], Any]:
    """The functions of a model by domain, name and overload."""
    found: dict[tuple[str, str, str], Any] = {}
    for item in listed:
        if is_operator(item.name, _domain(item.domain)):
            raise ReadError(
                f"it defines a function {item.name!r}, which is an operator already, so readers would disagree; "
                "export the model again"
            )
        if found.setdefault((_domain(item.domain), item.name, item.overload), item) is not item:
            raise ReadError(f"it has the function {item.name!r} twice, so readers would disagree; export it again")
    return found


def _opsets(imports: Iterable[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in imports:
        domain = _domain(item.domain)
        if found.setdefault(domain, item.version) != item.version:
            raise ReadError(
                f"it asks for two versions of the operators of {domain or 'ONNX'!r}, so readers would disagree; "
                "export the model again"
            )
    return found


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


@dataclass(slots=True)
class _Scope:
    """Where names are looked up: what they are called in the whole model, and the attributes a function was given."""

    opsets: Mapping[str, int]
    path: str = ""
    depth: int = 0
    names: dict[str, str] = field(default_factory=dict)
    outer: "_Scope | None" = None
    captured: dict[str, None] = field(default_factory=dict)
    given: Mapping[str, Any] | None = None  # None: no function is around

    def unique(self, name: str) -> str:
        """What a name of this scope is called in the whole model, if nothing else is called so."""
        limit = NAME_LENGTH if self.path else _LONG_NAME  # functions repeat theirs at every call
        if len(self.path) + len(name) > limit:
            raise ReadError(f"one of its names is longer than {limit:,} characters; rename it")
        return f"{self.path}{name}"

    def inside(self, path: str, **changes: Any) -> "_Scope":
        """A scope one level further in."""
        if self.depth >= NESTING:
            raise ReadError(f"its functions or loops are nested more than {NESTING} deep; it was not read further")
        return replace(self, path=f"{path}/", depth=self.depth + 1, names={}, captured={}, **changes)

    def find(self, name: str) -> str | None:
        """The unique name of what `name` means here; noted as captured if it comes from outside."""
        if not name or name in self.names:
            return self.names.get(name, "")
        found = self.outer.find(name) if self.outer else None
        if found is not None:
            self.captured[found] = None
        return found


@dataclass(slots=True)
class _Contents:
    """What a graph is made of, while it is read."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Constant] = field(default_factory=dict)
    types: dict[str, Type] = field(default_factory=dict)


class _Unfolder:
    """Reads the graphs of one file; counts what it unfolds, as functions may call functions many times over."""

    def __init__(self, tensors: Tensors, functions: Mapping[tuple[str, str, str], Any]) -> None:
        self._tensors = tensors
        self._functions = functions
        self._paths: dict[str, int] = {}
        self._made: set[str] = set()
        self._declared: set[str] = set()
        self._decoded: dict[int, tuple[Any, Any]] = {}
        self._left = ONNX_NODES
        self._letters = ONNX_NAMES

    def graph(self, proto: Any, scope: _Scope) -> Graph:
        """The graph of a GraphProto, its nodes in topological order."""
        contents = _Contents()
        sparse = [item.values.name for item in proto.sparse_initializer]
        stored = [tensor.name for tensor in proto.initializer]
        passed_over = {"", *stored, *sparse}
        inputs = [value.name for value in proto.input if value.name not in passed_over]
        self._declare(scope, (*inputs, *stored, *sparse, *(name for node in proto.node for name in node.output)))
        constants = [self._tensors.constant(item, scope.names.get(item.name, ""), True) for item in proto.initializer]
        constants += [
            self._tensors.sparse(item, scope.names.get(item.values.name, "")) for item in proto.sparse_initializer
        ]
        contents.constants.update((constant.name, constant) for constant in constants if constant.name)
        for name in (*(constant.name for constant in constants), *(scope.names[name] for name in inputs)):
            self._make(name)
        for value in (*proto.value_info, *proto.input, *proto.output):
            if value.name in scope.names:
                contents.types[scope.names[value.name]] = type_of(value.type)
        self._read(proto.node, scope, contents)
        outputs = tuple(self._known(scope, value.name, "the graph's outputs") for value in proto.output)
        return Graph(
            tuple(scope.names[name] for name in inputs),
            outputs,
            _sorted(contents.nodes),
            contents.constants,
            contents.types,
        )

    def _read(self, nodes: Iterable[Any], scope: _Scope, contents: _Contents) -> None:
        for proto in nodes:
            self._left -= 1 + (len(proto.input) + len(proto.output)) // _ORDINARY
            if self._left < 0:
                raise ReadError(
                    f"its graph, functions unfolded, is larger than {ONNX_NODES:,} ordinary nodes; "
                    "it was not read further"
                )
            node = self._node(proto, scope)
            function = self._functions.get((node.domain, node.op, getattr(proto, "overload", "")))
            if function is not None:
                self._unfold(function, proto, node, scope, contents)
            elif node.standard and node.op == "Constant" and any(node.outputs[:1]) and (constant := _constant(node)):
                self._make(constant.name)
                contents.constants[constant.name] = constant
            else:
                for name in node.outputs:
                    self._make(name)
                contents.nodes.append(node)

    def _node(self, proto: Any, scope: _Scope) -> Node:
        op, domain, metadata = self._once(_words, proto)
        path = self._path(scope, proto.name.strip("/") or op)
        attributes = _bound(proto.attribute, f"node {proto.name or op!r}", scope.given)
        bodies = {
            key: (scope.inside(f"{path}/{key}", outer=scope), graph)
            for name, item in attributes.items()
            for number, graph in enumerate(_graphs(item))
            for key in (f"{name}{number or ''}",)
        }
        read = {name: self.graph(graph, inner) for name, (inner, graph) in bodies.items()}
        return Node(
            path=path,
            op=op,
            domain=domain,
            opset=scope.opsets.get(domain, 1),
            inputs=tuple(self._known(scope, name, path) for name in proto.input),
            outputs=tuple(scope.names.get(name, "") for name in proto.output),
            attrs={
                name: self._once(self._tensors.attribute, item)
                for name, item in attributes.items()
                if not _graphs(item)
            },
            metadata=metadata,
            bodies=read,
            captured=tuple(dict.fromkeys(name for inner, _ in bodies.values() for name in inner.captured)),
        )

    def _once(self, read: Callable[[Any], Any], proto: Any) -> Any:
        """What a part of the file says, read once: a function is called many times over.

        The part is kept with it, as long as which nothing else has its id.
        """
        if id(proto) not in self._decoded:
            self._decoded[id(proto)] = proto, read(proto)
        return self._decoded[id(proto)][1]

    def _path(self, scope: _Scope, name: str) -> str:
        """A path that no other node has: names are optional in ONNX, and may repeat."""
        wanted = path = self._unique(scope, name)
        while path in self._paths:
            self._paths[wanted] += 1
            path = f"{wanted}_{self._paths[wanted]}"
        self._paths[path] = 0
        return path

    def _declare(self, scope: _Scope, names: Iterable[str]) -> None:
        """Give the names of a scope names in the whole model; `block/h` may be one of the file's own already."""
        for name in filter(None, names):
            unique = self._unique(scope, name)
            while name not in scope.names and unique in self._declared:
                unique += "_"
            self._declared.add(scope.names.setdefault(name, unique))

    def _unique(self, scope: _Scope, name: str) -> str:
        """As the scope's; counts what all names take."""
        unique = scope.unique(name)
        self._letters -= len(unique)
        if self._letters < 0:
            raise ReadError(
                f"the names in it, functions unfolded, are longer than {ONNX_NAMES:,} characters in all; rename them"
            )
        return unique

    def _known(self, scope: _Scope, name: str, reader: str) -> str:
        found = scope.find(name)
        if found is None:
            raise ReadError(f"nothing in the file makes {name!r}, which {reader} reads; export the model again")
        return found

    def _make(self, name: str) -> None:
        if name and name in self._made:
            raise ReadError(f"the value {name!r} is made twice, so the graph is ambiguous; export the model again")
        self._made.add(name)

    def _unfold(self, function: Any, proto: Any, node: Node, scope: _Scope, contents: _Contents) -> None:
        """Put the nodes of a function where it is called."""
        given = _bound(function.attribute_proto, f"function {function.name!r}", None)
        given |= _bound(proto.attribute, f"node {proto.name or node.op!r}", scope.given)
        inner = scope.inside(node.path, outer=None, given=given, opsets=_opsets(function.opset_import) or scope.opsets)
        self._declare(inner, (name for item in function.node for name in item.output))
        results = dict(zip(function.output, node.outputs, strict=False))
        made = {name for item in function.node for name in item.output}
        inner.names.update((name, outer) for name, outer in results.items() if name in made and outer)
        inner.names.update((name, "") for name in function.input)  # left out by the caller
        inner.names.update(zip(function.input, node.inputs, strict=False))
        contents.types.update(
            (inner.names.get(value.name, ""), type_of(value.type)) for value in getattr(function, "value_info", ())
        )
        self._read(function.node, inner, contents)
        for name, outer in results.items():
            if name not in made and outer:  # a result that is one of the function's own inputs
                self._make(outer)
                passed = self._known(inner, name, node.path)
                path = self._path(inner, name)
                contents.nodes.append(Node(path, "Identity", "", node.opset, (passed,), (outer,)))


def _words(node: Any) -> tuple[str, str, dict[str, str]]:
    """The operator of a NodeProto, its domain, and what is noted on it."""
    return node.op_type, _domain(node.domain), {entry.key: entry.value for entry in node.metadata_props}


def _bound(listed: Sequence[Any], owner: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The attributes of a node or function by name.

    One that a function's node takes from the function's caller is looked up among those `given` there.
    """
    found = {sys.intern(item.name): item for item in listed}
    if len(found) < len(listed):
        raise ReadError(f"the {owner} has an attribute twice, so readers would disagree; export the model again")
    meant = {name: _given(item, owner, given) if item.ref_attr_name else item for name, item in found.items()}
    return {name: item for name, item in meant.items() if item is not None}


_REFERENCE = frozenset({"name", "ref_attr_name", "type"})
"""Fields of an attribute that says no more than where it is to be taken from."""


def _given(attribute: Any, owner: str, given: Mapping[str, Any] | None) -> Any:
    """The attribute of the caller that another one refers to; None if the caller left it out."""
    is_value = not _REFERENCE.issuperset(field.name for field, _ in attribute.ListFields())
    if given is None or is_value:
        refers = "has a value and refers to another one" if is_value else "refers to another one, where there is none"
        raise ReadError(
            f"the attribute {attribute.name!r} of the {owner} {refers}, so readers would disagree; "
            "export the model again"
        )
    return given.get(attribute.ref_attr_name)


def _graphs(attribute: Any) -> list[Any]:
    if attribute.type == GRAPHS:
        return list(attribute.graphs)
    return [attribute.g] if attribute.type == GRAPH or (not attribute.type and attribute.HasField("g")) else []


_VALUES = frozenset(
    "value sparse_value value_float value_floats value_int value_ints value_string value_strings".split()
)
"""The attributes of a Constant node, of which it has one."""


def _constant(node: Node) -> Constant | None:
    """What a Constant node stands for: a tensor, or a plain number or list; None if that was too long to be read."""
    name = node.outputs[0]
    if len(_VALUES & node.attrs.keys()) > 1:
        raise ReadError(f"the constant {name!r} has two values, so readers would disagree; export the model again")
    for key in ("value", "sparse_value"):
        if isinstance(found := node.attrs.get(key), Constant):
            return replace(found, name=name)
    for key, dtype, kind in (("value_float", "float", float), ("value_int", "int64", int)):
        for attribute in (key, f"{key}s"):
            found = node.attrs.get(attribute)
            numbers = found if isinstance(found, list) else [found]
            if all(isinstance(number, kind) for number in numbers):
                value = np.array(found, NUMPY[dtype])
                return Constant(name, dtype, value.shape, value)
    if node.attrs.get("value_string") is not None:
        return Constant(name, "string", ())
    texts = node.attrs.get("value_strings")
    return Constant(name, "string", (len(texts),)) if isinstance(texts, list) else None


def _sorted(nodes: list[Node]) -> tuple[Node, ...]:
    """The nodes in topological order: as they are if they are so already."""
    maker = {name: number for number, node in enumerate(nodes) for name in node.outputs if name}
    before = [{maker[name] for name in (*node.inputs, *node.captured) if name in maker} for node in nodes]
    if all(max(numbers, default=-1) < number for number, numbers in enumerate(before)):
        return tuple(nodes)
    try:
        order = TopologicalSorter(dict(enumerate(before))).static_order()
        return tuple(nodes[number] for number in order)
    except CycleError as error:
        around = ", ".join(nodes[number].path for number in dict.fromkeys(error.args[1][:5]))
        raise ReadError(f"its nodes read each other in a circle ({around}); export the model again") from error
