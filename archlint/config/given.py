"""`--config`: a file that holds for everything, or a setting as KEY=VALUE."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import fields

from archlint.config import toml
from archlint.config.origin import Origin
from archlint.config.parsing import parse
from archlint.config.settings import Settings
from archlint.config.sources import loaded, merged, resolved
from archlint.errors import UsageError

_WORD = re.compile(r"\s*([^=\s]+)\s*=\s*([^\s\"'\[\]{}=]+)\s*")
_LISTS = frozenset(field.encode_name for field in fields(Settings) if isinstance(field.default, tuple))


def given(config: Iterable[str]) -> tuple[Path | None, dict[str, Any]]:
    """The file among the values of `--config`, if there is one, and the settings that the others state together.

    Raises:
        UsageError: there are two files, or a value is neither a file nor a setting.
    """
    file, table = None, dict[str, Any]()
    for text in config:
        if not os.path.lexists(text):
            table = merged(table, _setting(text))
        elif file is None:
            file = Path(os.path.normpath(Path.cwd() / text))
        else:
            raise UsageError(f"--config names two files ({file.name} and {text}); let one extend the other")
    return file, table


def _setting(text: str) -> dict[str, Any]:
    if "=" not in text:
        raise UsageError(f"--config {text} is neither an existing file nor a setting; write KEY=VALUE for a setting")
    table, name = _table(text), f"--config {text}"
    parse(table, Origin(name))
    if "extend" in table:
        raise UsageError(f"{name}: a setting extends nothing; name the configuration itself: --config FILE")
    return resolved(table, Path.cwd())


def _table(text: str) -> dict[str, Any]:
    """The table that KEY=VALUE is; a word that is no value in TOML is a text, or words of a list between commas."""
    try:
        return loaded(text, f"--config {text}")
    except UsageError:
        word = _WORD.fullmatch(text)
        if word is None:
            raise
        value = word[2].split(",") if word[1] in _LISTS else word[2]
        return loaded(f"{word[1]} = {toml.value(value)}", f"--config {text}")
