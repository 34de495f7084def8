"""The JSON contract, and what every other format is made from.

Schema 1. Fields may be added; none is renamed, removed or given another meaning without a new number.

    {"schema": 1, "tool": {"name", "version"}, "files": [FILE …], "summary": SUMMARY}

FILE: `path` as given or found, `status` ("checked" or "failed"), `format` ("keras_h5", "keras_zip", "onnx"; null if
failed), `error` (a sentence; null if checked), `model` (name, producer, producer_version, layers, stage; of ONNX also
opset, nodes, and how many of these were lifted, that is understood; null if failed), how many `rules` could judge it,
`findings` and `not_checked`, whose fields are those of `archlint.rules.finding`.
SUMMARY: how many `files` were `checked` and `failed`, `rules` run, and `errors`, `warnings`, `advice` found.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from archlint.graph import Model
from archlint.rules.finding import Finding, NotChecked
from archlint.rules.finding import Report as Verdicts
from archlint.rules.rule import SEVERITIES

SCHEMA = 1


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote the report."""

    name: str
    version: str


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of model a file holds."""

    name: str | None
    producer: str | None
    producer_version: str | None
    layers: int
    stage: str
    opset: int | None = None
    nodes: int | None = None
    lifted: int | None = None


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One file and what was found in it."""

    path: str
    status: Literal["checked", "failed"]
    format: str | None = None
    error: str | None = None
    model: About | None = None
    rules: int = 0
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[NotChecked, ...] = ()

    @classmethod
    def of(cls, path: str, model: Model, verdicts: Verdicts) -> "Checked":
        """A file that was read and judged."""
        about = About(
            name=model.name,
            producer=model.producer,
            producer_version=model.producer_version,
            layers=len(model.layers),
            stage=model.stage,
            opset=model.exchange.opset if model.exchange else None,
            nodes=len(model.exchange.nodes) if model.exchange else None,
            lifted=model.exchange.lifted if model.exchange else None,
        )
        return cls(
            path=path,
            status="checked",
            format=model.format,
            model=about,
            rules=verdicts.judged,
            findings=verdicts.findings,
            not_checked=verdicts.not_checked,
        )

    @classmethod
    def failed(cls, path: str, error: str) -> "Checked":
        """A file that could not be read; `error` is the sentence that says why, and what to do."""
        return cls(path=path, status="failed", error=error)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over all files."""

    files: int
    checked: int
    failed: int
    rules: int
    errors: int
    warnings: int
    advice: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one run of `archlint check` says."""

    schema: int
    tool: Tool
    files: tuple[Checked, ...]
    summary: Summary


def summarise(files: Sequence[Checked], rules: int, version: str) -> Report:
    """The report on these files, checked by so many rules."""
    severities = Counter(finding.severity for file in files for finding in file.findings)
    errors, warnings, advice = (severities[severity] for severity in SEVERITIES)
    failed = sum(file.status == "failed" for file in files)
    summary = Summary(
        files=len(files),
        checked=len(files) - failed,
        failed=failed,
        rules=rules,
        errors=errors,
        warnings=warnings,
        advice=advice,
    )
    return Report(schema=SCHEMA, tool=Tool(name="archlint", version=version), files=tuple(files), summary=summary)
