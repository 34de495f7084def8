"""The JSON contract, and what every other format is made from.

Schema 1. Fields may be added; none is renamed, removed or given another meaning without a new number.

    {"schema": 1, "tool": {"name", "version"}, "data": DATA, "files": [FILE …], "summary": SUMMARY}

DATA, only if training data was given: the `name` of its file, the `samples` in it, how many of them were `seen` (the
first ones, where there are more than archlint looks at), and those for `validation` (null: none).

FILE: `path` as given or found, `status` ("checked" or "failed"), `format` ("keras_h5", "keras_zip", "onnx", or "keras"
of a model in memory; null if failed), `error` (a sentence; null if checked), `model` (name, producer, producer_version,
layers, stage, whether it is trained, null where that is not known; of ONNX also opset, nodes, and how many of these
were lifted, that is understood; null if failed), how many `rules` could judge it,
`findings` and `not_checked`, whose fields are those of `archlint.rules.finding`, and `suppressed`: findings that the
user asked not to hear of, each with `by` ("ignore": an entry of the configuration; "baseline") and, of an entry, `why`.
A finding that was put to the test (`--verify`) has a `verdict`; its severity is what it is after that.
SUMMARY: how many `files` were `checked` and `failed`, `rules` run, `errors`, `warnings` and `advice` found, and how
many findings are `suppressed`.

Only where there are any: `unused`, entries of a configuration (`config`, `rule`, `file`, `layer`, `why`) that hid
nothing in the files that were checked; `stale`, entries of a baseline (`baseline`, `rule`, its `name`, `file`, `layer`)
of which the model is cured, with `count`, how many of its findings are gone, `renamed`, the file or layer that now has
the same fault, if there is just one, and `gone`, if more is gone than the fault ("file" or "rule"; else null).
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from archlint.graph import Model
from archlint.rules.finding import Finding, NotChecked
from archlint.rules.finding import Report as Verdicts
from archlint.rules.rule import SEVERITIES

if TYPE_CHECKING:
    from archlint.dataset import Dataset

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
    trained: bool | None = None


class Suppressed(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that is not reported, by an entry of the configuration, which says why, or of a baseline."""

    finding: Finding
    by: Literal["ignore", "baseline"]
    why: str | None = None


class Unused(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a configuration that hid nothing: whatever it was about is no longer there."""

    config: str
    rule: str
    file: str
    layer: str
    why: str


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a baseline whose finding is gone; `renamed` is the file or layer that has it now, if that is sure."""

    baseline: str
    rule: str
    name: str | None = None
    file: str
    layer: str | None
    count: int = 1
    renamed: str | None = None
    gone: Literal["file", "rule"] | None = None


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
    suppressed: tuple[Suppressed, ...] = ()

    @classmethod
    def of(cls, path: str, model: Model, verdicts: Verdicts, trained: bool | None) -> "Checked":
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
            trained=trained,
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
    suppressed: int


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The training data that the files were judged with."""

    name: str
    samples: int
    seen: int
    validation: int | None


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything one run of `archlint check` says."""

    schema: int
    tool: Tool
    data: Data | None = None
    files: tuple[Checked, ...]
    summary: Summary
    unused: tuple[Unused, ...] = ()
    stale: tuple[Stale, ...] = ()


def summarise(
    files: Sequence[Checked],
    rules: int,
    version: str,
    data: "Dataset | None" = None,
    unused: Sequence[Unused] = (),
    stale: Sequence[Stale] = (),
) -> Report:
    """The report on these files, checked by so many rules, and with this training data."""
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
        suppressed=sum(len(file.suppressed) for file in files),
    )
    tool = Tool(name="archlint", version=version)
    return Report(
        schema=SCHEMA,
        tool=tool,
        data=_data(data),
        files=tuple(files),
        summary=summary,
        unused=tuple(unused),
        stale=tuple(stale),
    )


def _data(given: "Dataset | None") -> Data | None:
    if given is None:
        return None
    return Data(name=given.name, samples=given.samples, seen=given.seen, validation=given.validation)
