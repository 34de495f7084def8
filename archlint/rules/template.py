"""The templates of messages: `{column}`, `{column:FORMATSPEC}` or `{column:# thing}`, and nothing else.

`# layer` counts things: `1 layer`, `2 layers`.

A subset of `str.format` on purpose: attribute and index access, conversions and field widths have no place in a page
that may come from a stranger.
"""

import re
from collections.abc import Iterator, Mapping
from string import Formatter

from archlint.rules.finding import Value

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SPEC = re.compile(r"\+?,?(\.[0-9])?[defgs%]?|# [a-z0-9 ]+")
_UNKNOWN = "?"
_NUMBERED = re.compile(r"\d+([./]\d+)*")
"""A layer without a name of its own, as in PyTorch's Sequential: in a sentence, 2 must not look like a number."""


def columns(template: str) -> tuple[str, ...]:
    """The columns that a template names; ValueError, with the piece at fault, if it is not well formed."""
    return tuple(_column(name, spec, conversion) for _, name, spec, conversion in _fields(template))


def fill(template: str, row: Mapping[str, Value]) -> str:
    """The template with a row's values in it; ValueError if a value does not go with its format."""
    return "".join(_pieces(template, row))


def plural(number: Value, thing: str) -> str:
    """`1 file`, `2 files`; ValueError if it is no number."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _fields(template: str) -> Iterator[tuple[str, str, str, str | None]]:
    for literal, name, spec, conversion in Formatter().parse(template):
        if name is not None:
            yield literal, name, spec or "", conversion


def _column(name: str, spec: str, conversion: str | None) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{{{name}}} is no column name")
    if conversion:
        raise ValueError(f"{{{name}!{conversion}}} has a conversion: write {{{name}}}")
    if not _SPEC.fullmatch(spec):
        raise ValueError(f"{{{name}:{spec}}} has an unknown format: use one like `,` `.2g` `.1f` `.0%` `# layer`")
    return name


def _pieces(template: str, row: Mapping[str, Value]) -> Iterator[str]:
    for literal, name, spec, _ in Formatter().parse(template):
        yield literal
        if name is not None:
            yield _shown(name, row[name], spec or "")


def _shown(name: str, value: Value, spec: str) -> str:
    if value is None:
        return _UNKNOWN
    if isinstance(value, str) and not spec and _NUMBERED.fullmatch(value):
        return f"'{value}'"
    try:
        if spec.startswith("#"):
            return plural(value, spec[2:])
        return format(value, spec)
    except ValueError as error:
        raise ValueError(f"{{{name}:{spec}}} cannot show {value!r} ({error})") from error
