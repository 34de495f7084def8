"""What those who load a Keras file have to trust: every value of its configuration is looked at, none is followed.

Keras builds whatever objects a configuration names, at any depth: layers, losses, metrics, optimizers, initializers,
and the arguments of calls. So the walk goes by what a value is, not by where Keras would write it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from archlint.errors import ReadError
from archlint.graph import Concern
from archlint.limits import DIGEST_DIGITS, NAME_LENGTH
from archlint.readers.keras import suspects
from archlint.readers.keras.payload import payload, recognised
from archlint.readers.keras.values import class_of
from archlint.readers.protobuf import BYTES, HEADER, header
from archlint.readers.strict_json import Json

_MOST = 1_000
"""Concerns that are listed of one file."""

_SHOWN = 120
"""Characters of a key or a text that are shown."""

_LOOKED_AT = frozenset({str, list, dict})
_LAMBDA = "__lambda__"
_COMPILED = frozenset({"compile_config", "training_config"})
_CALLS = "inbound_nodes"
_PLACING = frozenset({_CALLS, "build_config"})
"""Where a layer is. That changes wherever it is put, so its digest counts only the constants that it is called with;
objects in it have digests of their own."""

_TYPE = "_type"
"""How the settings end that say of others that they are code: Lambda has `function_type` beside `function`."""

_SLOTS = ("function", "output_shape", "mask")
"""The settings of a Lambda that may be functions."""

_CONSTANT, _CONSTANT_AT = "_CONSTANT_VALUE", 2
"""How a list begins that is an argument of a call, and no layer's output; and where in it the argument is."""

_NODE_OP = re.compile(r'\bop: ?"(\w+)"')
_OP_TAG = 2 << 3 | BYTES
"""The field of a NodeDef that says its operation."""


class _Place(NamedTuple):
    """A list or an object in a configuration.

    `owner` is the innermost object around it that Keras would build, models left out; `layer` the path of the layer
    that it is part of; `is_code`: it is code as a whole, and has been reported.
    """

    value: Json
    key: str | int
    parent: "_Place | None" = None
    owner: Json = None
    layer: str | None = None
    is_code: bool = False

    def route(self, *more: str | int) -> str:
        """`model_config.config.layers[2].config`, and on from there."""
        keys = [*more][::-1]
        place: _Place | None = self
        while place is not None:
            keys.append(place.key)
            place = place.parent
        steps = (f"[{key}]" if isinstance(key, int) else f".{_short(key)}" for key in reversed(keys))
        return "".join(steps).removeprefix(".")

    def named_key(self) -> str:
        """The key that it, or the list that it is part of, stands under."""
        place: _Place | None = self
        while place is not None and isinstance(place.key, int):
            place = place.parent
        return str(place.key) if place else ""


def concerns(attributes: Mapping[str, Json]) -> tuple[Concern, ...]:
    """What is not to be trusted unseen in the configurations of a Keras file, by the names of its attributes."""
    if not _is_notable(attributes):
        return ()
    return tuple(islice(_Walk().concerns(attributes), _MOST))


def _is_notable(attributes: Mapping[str, Json]) -> bool:
    """Whether anything in the configurations is worth a closer look, which takes many times as long."""
    seen: set[object] = set()
    pending: list[tuple[str, Json]] = list(attributes.items())
    while pending:
        key, value = pending.pop()
        kind = type(value)
        if kind is str:
            if (key, value) not in seen and _says_something(key, value):
                return True
            seen.add((key, value))
        elif kind is list:
            if key in _SLOTS and _begins_with_text(value):
                return True
            pending += [(key, inner) for inner in value if type(inner) in _LOOKED_AT]
        elif kind is dict:
            if "class_name" in value and (named := _named(value, key)) not in seen:
                if named and named.is_notable():
                    return True
                seen.add(named)
            pending += [item for item in value.items() if type(item[1]) in _LOOKED_AT]
    return False


def _says_something(key: str, text: str) -> bool:
    is_code = text == "lambda" or recognised(text)
    names = suspects.FUNCTION_KEY.search(key) and (suspects.named_function(text) or suspects.operation(text))
    return bool(is_code or names or suspects.location(key, text))


class _Named(NamedTuple):
    """What an object says of the class or function that it is made by."""

    class_name: str
    called: str
    module: str | None
    registered: str | None
    is_function: bool

    @property
    def bare(self) -> str:
        """The class without the package that it is registered under, or the modules that it is in."""
        return _last(self.class_name)

    def full(self, name: str) -> str:
        """A name with the module before it, as a message shows it."""
        return f"{_short(self.module)}.{_short(name)}" if self.module else _short(name)

    def is_notable(self) -> bool:
        """Whether anything is to be said of it."""
        if self.class_name == _LAMBDA or self.bare in suspects.LOADERS or self.bare in _WITH_OPERATION:
            return True
        return self.foreign() is not None or self.disagrees()

    def foreign(self) -> tuple[str, str] | None:
        """How it is none of Keras's parts (`suspects.origin`), and by which name."""
        if kind := suspects.origin(self.module, self.called, self.is_function):
            return kind, self.called
        if not self.registered or ">" in self.registered:
            return None
        # Keras before 3.9 takes what goes by the registered name if a module has nothing by the other
        kind = suspects.origin(self.module, self.registered, is_function=False)
        return (kind, self.registered) if kind else None

    def disagrees(self) -> bool:
        """As `suspects.disagrees`."""
        return suspects.disagrees(self.module, self.called, self.registered)


def _named(value: Mapping[str, Json], key: str) -> _Named | None:
    """What an object under a key is made by; None: it is no object that Keras would build.

    Keras takes a function where it says that it is a class, too: what is written small in the place of one is one.
    """
    name = value.get("class_name")
    if not isinstance(name, str):
        return None
    called = str(class_of(value)[0]) if name == "function" else name
    is_function = name == "function" or (name[:1].islower() and bool(suspects.FUNCTION_KEY.search(key)))
    module, registered = value.get("module"), value.get("registered_name")
    return _Named(name, called, _text(module), _text(registered), is_function)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


class _Walk:
    """One walk over the configurations of a file."""

    def __init__(self) -> None:
        self._digests: dict[int, str] = {}
        self._seen: set[int] = set()

    def concerns(self, attributes: Mapping[str, Json]) -> Iterator[Concern]:
        """All concerns, in the order of the file."""
        pending = [_Place(value, key) for key, value in attributes.items() if isinstance(value, (dict, list))][::-1]
        while pending:
            place = pending.pop()
            if id(place.value) in self._seen:  # the compilation of a .keras file is a part of its configuration
                continue
            self._seen.add(id(place.value))
            if isinstance(place.value, dict):
                yield from self._object(place)
            yield from self._texts(place)
            pending.extend(reversed([*_inside(place)]))

    def _object(self, place: _Place) -> Iterator[Concern]:
        """What is to be said of an object as a whole."""
        value, named = place.value, _named(place.value, place.named_key())
        for slot in _executed(value):
            yield self._code(place, (slot,), value[slot])
        if named is None:
            return
        if named.class_name == _LAMBDA and not place.is_code:
            yield self._code(place, (), _code_of(value))
        if named.bare in suspects.LOADERS:
            yield self._concern("foreign", "loader", place, f"{named.bare}, which {suspects.LOADERS[named.bare]}")
        if foreign := named.foreign():
            yield self._concern("foreign", foreign[0], place, named.full(foreign[1]))
        if named.disagrees():
            says = f"{named.full(named.called)}, registered as {_short(named.registered or '')}"
            yield self._concern("ambiguous", "registered", place, says)
        if (telling := _WITH_OPERATION.get(named.bare)) and (text := telling(value.get("config"))):
            yield from self._operation(place, text)

    def _texts(self, place: _Place) -> Iterator[Concern]:
        """What is to be said of the texts of an object or a list."""
        value, executed = place.value, _executed(place.value)
        around = place.named_key() if isinstance(value, list) else None
        items: Iterable[tuple[str | int, Json]] = value.items() if around is None else enumerate(value)
        for key, text in items:
            if not isinstance(text, str) or not text or key in executed:
                continue
            if not place.is_code and recognised(text):
                yield self._code(place, (key,), text)
                continue
            if suspects.FUNCTION_KEY.search(str(key) if around is None else around):
                yield from self._function(place, key, text)
            named = str(key) if around is None else "" if _is_constant(value) and key == _CONSTANT_AT else None
            if named is not None and (kind := suspects.location(named, text)) and not _is_loader(place.owner):
                yield self._concern("outside", kind, place, _short(text), key)

    def _function(self, place: _Place, key: str | int, text: str) -> Iterator[Concern]:
        """What is to be said of a function that is named by a text."""
        if _bare(place.owner) in _OPERATIONS:
            yield from self._operation(place, text, key)
        elif kind := suspects.named_function(text):
            yield self._concern("foreign", kind, place, _short(text), key)

    def _operation(self, place: _Place, text: str, *key: str | int) -> Iterator[Concern]:
        found = suspects.operation(text)
        if found == "calls":
            yield self._concern("foreign", "tool", place, f"tf.{_short(text)}", *key)
        elif found == "opens":
            yield self._concern("outside", "operation", place, f"tf.{_short(text)}", *key)

    def _code(self, place: _Place, keys: tuple[str | int, ...], value: Json) -> Concern:
        found = payload(value)
        return self._concern("code", found.kind, place, found.kind, *keys, size=found.size)

    def _concern(
        self, category: str, kind: str, place: _Place, found: str, *keys: str | int, size: int | None = None
    ) -> Concern:
        whole = place.value if place.owner is None else place.owner
        return Concern(category, kind, place.route(*keys), found, self._digest(whole), place.layer, size)

    def _digest(self, whole: Json) -> str:
        """Digits that change with any setting of an object; where it is in the graph does not count."""
        if id(whole) not in self._digests:
            text = json.dumps(_counted(whole), sort_keys=True, separators=(",", ":"))
            self._digests[id(whole)] = sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]
        return self._digests[id(whole)]


def _inside(place: _Place) -> Iterator[_Place]:
    """The lists and objects in a place."""
    value = place.value
    executed = _executed(value)
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if not isinstance(inner, (dict, list)):
            continue
        is_code = place.is_code or key in executed or (isinstance(value, dict) and value.get("class_name") == _LAMBDA)
        layer, owner = place.layer, _owner(place, key, inner)
        if isinstance(inner, dict) and isinstance(inner.get("class_name"), str):
            if isinstance(value, list) and _lists_layers(place):
                layer = _path(place.layer, inner)
            if not _is_part(inner["class_name"]):
                owner = None if _is_model(inner) else inner
        yield _Place(inner, key, place, owner, layer, is_code)


def _owner(place: _Place, key: str | int, inner: Json) -> Json:
    """What the digest of something in a place is about, unless that is an object itself."""
    if key in _PLACING and isinstance(place.value, dict) and "class_name" in place.value:
        return inner
    return None if key in _COMPILED else place.owner


def _counted(whole: Json) -> Json:
    """As much of an object as its digest is about."""
    if not isinstance(whole, dict) or "class_name" not in whole:
        return whole
    counted = {key: inner for key, inner in whole.items() if key not in _PLACING or not isinstance(inner, (dict, list))}
    constants = _constants(whole.get(_CALLS))
    return {**counted, _CALLS: constants} if constants and _CALLS not in counted else counted


def _constants(calls: Json) -> Json:
    """What a layer is called with, without the outputs of layers and the objects that are built for it."""
    if isinstance(calls, dict):
        if isinstance(name := calls.get("class_name"), str) and (name in _TOLD_APART or not _is_part(name)):
            return None
        found = {key: _constants(inner) for key, inner in calls.items()}
        return {key: inner for key, inner in found.items() if inner not in _NOTHING}
    if not isinstance(calls, list):
        return calls
    is_output = [type(item) for item in calls[:3]] == [str, int, int] and not _is_constant(calls)
    return [found for found in map(_constants, calls[3:] if is_output else calls) if found not in _NOTHING]


def _begins_with_text(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


def _is_constant(value: Json) -> bool:
    return isinstance(value, list) and value[:1] == [_CONSTANT]


_TOLD_APART = frozenset({_LAMBDA, "__keras_tensor__"})
_NOTHING: tuple[Json, ...] = (None, [], {})


def _is_part(class_name: str) -> bool:
    """Whether an object belongs to the one around it: a function, or one of Keras's boxes for values."""
    return class_name == "function" or class_name.startswith("__")


def _is_model(value: Mapping[str, Json]) -> bool:
    config = value.get("config")
    return isinstance(config, list) or (isinstance(config, dict) and isinstance(config.get("layers"), list))


def _lists_layers(place: _Place) -> bool:
    """Whether a list is that of a model's layers; Keras before 2.2.3 had the list itself for a configuration."""
    return place.key == "layers" or place.key == "config"


def _path(around: str | None, layer: Mapping[str, Json]) -> str | None:
    class_name, config = class_of(layer)
    name = layer.get("name") or config.get("name") or str(class_name).lower()
    path = f"{around}/{name}" if around else str(name)
    return path if len(path) <= NAME_LENGTH else around


def _executed(value: Json) -> tuple[str, ...]:
    """The settings of a Lambda, or of a Merge, that some Keras loads as bytecode, whatever they look like.

    Keras 1 and 2 go by the type that is stated; Keras 3 takes lists that begin with a text for bytecode without it.
    """
    if not isinstance(value, dict):
        return ()
    stated = (key.removesuffix(_TYPE) for key, kind in value.items() if kind == "lambda" and key.endswith(_TYPE))
    listed = (slot for slot in _SLOTS if _begins_with_text(value.get(slot)))
    return tuple(dict.fromkeys(slot for slot in (*stated, *listed) if slot in value))


def _code_of(value: Mapping[str, Json]) -> Json:
    config = value.get("config")
    return config.get("code", config.get("value")) if isinstance(config, dict) else config


def _node_op(config: Json) -> str | None:
    """The operation of a TensorFlowOpLayer, whose node is an object, or a message as text."""
    node = config.get("node_def") if isinstance(config, dict) else None
    if isinstance(node, dict):
        return str(node.get("op"))
    if not isinstance(node, str):
        return None
    found = _NODE_OP.search(node)
    return found[1] if found else _op_in(node.encode("utf-8", "replace"))


def _op_in(message: bytes) -> str | None:
    """The operation in a NodeDef as protobuf writes it, which TensorFlow from 2.1 on puts into a text."""
    position, window = 0, message + bytes(HEADER)
    while position < len(message):
        try:
            tag, _, body, position = header(window, position, 0)
        except ReadError:
            return None
        if tag == _OP_TAG:
            return message[body:position].decode("utf-8", "replace")
    return None


def _method(config: Json) -> str | None:
    """The method of a class of TensorFlow that a ClassMethod calls."""
    return f"{config.get('cls_symbol')}.{config.get('method_name')}" if isinstance(config, dict) else None


_WITH_OPERATION = {"TensorFlowOpLayer": _node_op, "ClassMethod": _method}
"""Layers whose settings say in several places which operation of TensorFlow they are, and how."""


_OPERATIONS = frozenset({"TFOpLambda", "SlicingOpLambda"})
"""Layers that are an operation of TensorFlow, which a text names."""


def _is_loader(owner: Json) -> bool:
    return _bare(owner) in suspects.LOADERS


def _bare(value: Json) -> str:
    """The class of an object without package and module; empty for what is none."""
    name = value.get("class_name") if isinstance(value, dict) else None
    return _last(name) if isinstance(name, str) else ""


def _last(class_name: str) -> str:
    return class_name.rpartition(">")[2].rpartition(".")[2]


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
