"""From a TOML table to settings, or to one sentence that says which of them is wrong, where, and what it takes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import FieldInfo, fields

from archlint.config import toml
from archlint.config.origin import Origin, Route
from archlint.config.settings import Ignored, Settings
from archlint.errors import UsageError

Table = Mapping[str, Any]


def parse(table: Table, origin: Origin) -> Settings:
    """The settings that a table states.

    Raises:
        UsageError: a key is none, or its value is not what it takes.
    """
    try:
        return msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise next(_faults(table, Settings, origin), UsageError(f"{origin.name}: {error}")) from error


def takes(field: FieldInfo) -> str:
    """What a key takes, in words."""
    return str(_said(field, "extra")["takes"])


def described(field: FieldInfo) -> str:
    """What a key does."""
    return str(_said(field, "description"))


def example(field: FieldInfo) -> Any:
    """A value of a key."""
    return _said(field, "examples")[0]


def _said(field: FieldInfo, what: str) -> Any:
    return next(said for meta in field.type.__metadata__ if (said := getattr(meta, what)) is not None)


def _faults(table: Table, struct: type[Ignored | Settings], origin: Origin, route: Route = ()) -> Iterator[UsageError]:
    known = {field.encode_name: field for field in fields(struct)}
    for key, value in table.items():
        where = (*route, key)
        if key not in known:
            yield UsageError(f"{origin.at(where)}: {unknown(key, known, 'an entry of ignore' if route else None)}")
        elif struct is Settings and key == "ignore":
            for number, entry in enumerate(value) if isinstance(value, list) else ():
                if isinstance(entry, dict):
                    yield from _faults(entry, Ignored, origin, (*where, number))
        yield from _misfits(known[key], value, origin, where) if key in known else ()
    for key, field in known.items():
        if field.required and key not in table:
            yield UsageError(f"{origin.at(route)}: an entry of ignore has no {key}; {_request(field)}")


def unknown(key: str, known: Iterable[str], owner: str | None = None) -> UsageError:
    """The error for a key that is none, of all the settings or of the table that owns it."""
    close = get_close_matches(key.lower().replace("_", "-"), known, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    if key == "tool" and not owner:
        hint = " (the table [tool.archlint] is for pyproject.toml; here its keys stand at the top)"
    has = f"{owner} has no key" if owner else "there is no setting"
    return UsageError(f"{has} {_short(toml.key(key))}{hint}; there are {', '.join(known)}")


def _misfits(field: FieldInfo, value: object, origin: Origin, route: Route) -> Iterator[UsageError]:
    fits = partial(_fits, field.type)
    if fits(value):
        return
    keys, culprit = _culprit(value, fits)
    place = (*route, *keys)
    shown = ".".join(toml.key(step) for step in place if isinstance(step, str))
    yield UsageError(f"{origin.at(place)}: {_short(f'{shown} = {_shown(culprit)}')} does not fit; {_request(field)}")


def _fits(type_: Any, value: object) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True


def _culprit(value: object, fits: Callable[[object], bool], depth: int = 2) -> tuple[Route, object]:
    """The smallest part of a value that does not fit, and the keys that lead to it; no setting has tables more deep."""
    if depth and isinstance(value, dict):
        for key, part in value.items():
            if not fits({key: part}):
                keys, culprit = _culprit(part, partial(_fits_in, fits, key), depth - 1)
                return (key, *keys), culprit
    if isinstance(value, list):
        for part in value:
            if not fits([part]):
                return (), [part]
    return (), value


def _fits_in(fits: Callable[[object], bool], key: str, part: object) -> bool:
    return fits({key: part})


def _request(field: FieldInfo) -> str:
    name = field.encode_name
    return f"{name} takes {takes(field)}, for example {name} = {toml.value(example(field))}"


def _shown(value: object) -> str:
    match value:
        case dict():
            return "{ … }" if value else "{}"
        case [part]:
            return f"[{_shown(part)}]"
        case list():
            return "[ … ]" if value else "[]"
    return toml.value(value)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
