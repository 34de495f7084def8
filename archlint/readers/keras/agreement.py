"""What a Keras configuration says twice has to agree.

Keras takes an object that it has met before for the same, by its number, and a function by one of two names: which one
depends on the version. Keras itself writes the same in both places; any other file means different models to readers.
"""

from collections.abc import Mapping

from archlint.errors import ReadError
from archlint.readers.strict_json import Json

_SHARED = "shared_object_id"
_CONTENT = ("module", "class_name", "registered_name", "config")
_ANY_FUNCTION = "function"
"""What Keras 3 gives as the registered name of a function that is not registered."""


def refuse_contradictions(configurations: Json) -> None:
    """Look at every object in the parsed configurations of one file, which share the numbers of objects.

    Raises:
        ReadError: one number is that of two objects, or a function has two names.
    """
    contents, shared = _Contents(), dict[Json, tuple[int, ...]]()
    pending = [configurations]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if isinstance(value.get("class_name"), str):
                _refuse_two_functions(value)
                _refuse_two_objects(value, shared, contents)
            pending += [inner for inner in value.values() if isinstance(inner, (dict, list))]
        else:
            pending += [inner for inner in value if isinstance(inner, (dict, list))]


def _refuse_two_functions(value: Mapping[str, Json]) -> None:
    """Keras 3 goes by `config`, before it by `registered_name`; one with a package is of the author's own functions."""
    name, registered = value.get("config"), value.get("registered_name")
    if value["class_name"] != _ANY_FUNCTION or not isinstance(name, str) or not isinstance(registered, str):
        return
    if registered not in (name, _ANY_FUNCTION) and ">" not in registered:
        raise ReadError(
            f"it names a function twice, as {name!r} and as {registered!r}, so readers would disagree; "
            "save the model again"
        )


def _refuse_two_objects(value: Mapping[str, Json], shared: dict[Json, tuple[int, ...]], contents: "_Contents") -> None:
    number = value.get(_SHARED)
    if _SHARED not in value or isinstance(number, (dict, list)):
        return
    content = tuple(contents.number(value.get(key)) for key in _CONTENT)
    if shared.setdefault(number, content) != content:
        raise ReadError(
            f"two different objects in it have the same {_SHARED}, so readers would disagree; save the model again"
        )


class _Contents:
    """Numbers for JSON values: the same for those that say the same, whatever the numbers of shared objects in them."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._known: dict[int, int] = {}

    def number(self, value: Json) -> int:
        """The number of a value. Values are told from each other by `id`, so they have to outlive this object."""
        if not isinstance(value, (dict, list)):
            return self._numbers.setdefault((type(value), value), len(self._numbers))
        if id(value) not in self._known:
            said = (
                frozenset((key, self.number(inner)) for key, inner in value.items() if key != _SHARED)
                if isinstance(value, dict)
                else tuple(map(self.number, value))
            )
            self._known[id(value)] = self._numbers.setdefault(said, len(self._numbers))
        return self._known[id(value)]
