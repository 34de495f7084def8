"""The formats for programs: JSON (one document) and JSON lines (one object per file, then the summary)."""

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any

import msgspec

from archlint.characters import ORDER
from archlint.reports.contract import Report


def encode(value: Any, indent: int | None = None) -> str:
    """Any of archlint's structs as JSON in ASCII: names stay exact, and no raw control character gets out.

    Nor does `##[` or `##word[`, which give orders to the runners of CI wherever they stand in a log.
    """
    plain = _finite(msgspec.to_builtins(value))
    text = json.dumps(plain, ensure_ascii=True, indent=indent, allow_nan=False, default=str)
    return re.sub(ORDER, r"#\\u0023", text)


def _finite(value: Any) -> Any:
    """The value with null for each number that JSON has no word for."""
    match value:
        case dict():
            return {key: _finite(held) for key, held in value.items()}
        case list() | tuple():
            return [_finite(held) for held in value]
        case float() if not isfinite(value):
            return None
    return value


def render_json(report: Report) -> str:
    """The report as one JSON document."""
    return encode(report, indent=2) + "\n"


def render_json_lines(report: Report) -> Iterator[str]:
    """A line per file, then one with the rest of the report."""
    for file in report.files:
        yield encode(file) + "\n"
    rest = msgspec.to_builtins(report)
    del rest["files"]
    yield encode(rest) + "\n"
