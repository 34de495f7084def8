"""The formats for programs: JSON (one document) and JSON lines (one object per file, then the summary)."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from archlint.reports.contract import Report


def encode(value: Any, indent: int | None = None) -> str:
    """Any of archlint's structs as JSON in ASCII: names stay exact, and no raw control character gets out."""
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=True, indent=indent, allow_nan=False, default=str)


def render_json(report: Report) -> str:
    """The report as one JSON document."""
    return encode(report, indent=2) + "\n"


def render_json_lines(report: Report) -> Iterator[str]:
    """A line per file, then one with the rest of the report."""
    for file in report.files:
        yield encode(file) + "\n"
    yield encode({"schema": report.schema, "tool": report.tool, "summary": report.summary}) + "\n"
