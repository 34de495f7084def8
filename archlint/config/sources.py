"""The files that hold settings: found, read with limits, and put on top of those that they extend."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archlint.config.origin import Origin
from archlint.config.parsing import Table, parse
from archlint.errors import UsageError
from archlint.limits import SETTINGS_BYTES, SETTINGS_DOTS
from archlint.paths import as_named

_OWN, _SHARED = "archlint.toml", "pyproject.toml"
_TABLE = ("tool", "archlint")


@dataclass(frozen=True, slots=True)
class Source:
    """A file and the settings in it, valid by themselves, with absolute paths."""

    path: Path
    table: Table


def found_in(folder: str) -> Source | None:
    """The settings that a folder holds, if any: those in `archlint.toml`, or in a `pyproject.toml` that has some.

    Raises:
        UsageError: there is such a file, but it cannot be used.
    """
    for name in (_OWN, _SHARED):
        path = Path(folder, name)
        if os.path.lexists(path) and (source := _read(path)):
            return source
    return None


def read(path: Path) -> Source:
    """The settings in a file that the user named.

    Raises:
        UsageError: there are none, or they cannot be used.
    """
    source = _read(path)
    if source is None:
        raise UsageError(f"{as_named(path)} has no table [tool.archlint]; add one, or name another configuration")
    return source


def with_bases(source: Source) -> tuple[Source, ...]:
    """The source and those that it extends, the closest first.

    Raises:
        UsageError: one cannot be used, or they go round in a circle.
    """
    chain = [source]
    while "extend" in chain[-1].table:
        base = Path(chain[-1].table["extend"])
        chain.append(_extended(base, chain))
    return tuple(chain)


def _extended(base: Path, chain: Sequence[Source]) -> Source:
    if any(_is_same(base, source.path) for source in chain):
        circle = " extends ".join(as_named(path) for path in (*(source.path for source in chain), base))
        raise UsageError(f"the configurations go round in a circle: {circle}; take one `extend` out")
    try:
        return read(base)
    except UsageError as error:
        raise UsageError(f"{error} ({as_named(chain[-1].path)} extends it)") from error


def _is_same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def merged(base: Table, own: Table) -> dict[str, Any]:
    """A table on top of another: tables within are put together entry by entry, everything else is replaced.

    Own entries come last, as of two that are about the same rule the later counts.
    """
    kept = {key: value for key, value in base.items() if key not in own}
    return kept | {key: _on_top(base.get(key), value) for key, value in own.items()}


def _on_top(base: object, own: object) -> object:
    return merged(base, own) if isinstance(base, dict) and isinstance(own, dict) else own


def resolved(table: Table, folder: Path) -> dict[str, Any]:
    """The table with its paths made absolute, from the folder that they are named from."""
    paths = {key: os.path.normpath(folder / table[key]) for key in ("extend", "baseline") if key in table}
    if "rules" in table:
        return {**table, **paths, "rules": [os.path.normpath(folder / path) for path in table["rules"]]}
    return {**table, **paths}


def _read(path: Path) -> Source | None:
    name = as_named(path)
    content = _content(path, name)
    shared = path.name == _SHARED
    if shared and b"archlint" not in content:  # without parsing what is not ours, and may be long or broken
        return None
    text = _text(content, name)
    table = _own_table(loaded(text, name), name) if shared else loaded(text, name)
    if table is None:
        return None
    parse(table, Origin(name, text, _TABLE if shared else ()))
    return Source(path, resolved(table, path.parent))


def _own_table(table: Table, name: str) -> Table | None:
    tools = table.get("tool")
    if not isinstance(tools, dict) or "archlint" not in tools:
        return None
    own = tools["archlint"]
    if not isinstance(own, dict):
        raise UsageError(f"{name}: [tool.archlint] is no table; write its settings below it, as key = value")
    return own


def _content(path: Path, name: str) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{name} is no regular file, so no settings are read from it; move it, or name a file")
        with path.open("rb") as stream:
            content = stream.read(SETTINGS_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{name} cannot be read ({reason}); check the path and its permissions") from error
    if len(content) > SETTINGS_BYTES:
        raise UsageError(f"{name} is longer than any honest configuration ({SETTINGS_BYTES:,} bytes); it was not read")
    return content


def _text(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}, line {number}: it is not UTF-8; save it again as UTF-8") from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > SETTINGS_DOTS:
            raise UsageError(f"{name}, line {number}: it has more dots than any honest line; it was not read")
    return text


def loaded(text: str, name: str) -> dict[str, Any]:
    """The table that a TOML text is; UsageError if it is none."""
    import tomllib  # here: most runs have no configuration

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name} is not valid TOML: {error}; {_hint(str(error))}") from error
    except ValueError as error:
        raise UsageError(f"{name} has a number of more digits than any honest setting; it was not read") from error
    except RecursionError as error:
        raise UsageError(f"{name} is nested deeper than any honest configuration; it was not read") from error


def _hint(error: str) -> str:
    """What to do about a fault in TOML."""
    hints = {
        "namespace ('ignore'": 'an entry beside a list goes into the list: ignore = ["NRM", { rule = …, why = … }]',
        "Invalid value": "mend it; texts stand in quotes",
        "overwrite": "a key is set twice: take one out",
    }
    return next((hint for sign, hint in hints.items() if sign in error), "mend it")
