"""SARIF 2.1.0, for code scanning: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/

A model has no lines. A result names its file without a region, and the layer as a logical location and in its message:
GitHub rejects results that have a logical location only. What the user suppressed is marked, not dropped; GitHub does
not heed the mark, so whoever uploads a report there leaves the marked results out (as `action.yml` does).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import msgspec

from archlint.evidence import NO_DATA
from archlint.reports import remarks
from archlint.reports.contract import Checked, Report, Suppressed
from archlint.reports.machine import encode
from archlint.reports.places import identities, relative
from archlint.reports.text import escaped, safe_text
from archlint.reports.wording import gave_up, hidden_by
from archlint.rules.finding import Finding, NotChecked, Proof
from archlint.rules.rule import Rule
from archlint.rules.template import plural

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "advice": "note"}
_PROBLEMS = {"error": "error", "warning": "warning", "advice": "recommendation"}
_PRECISION = {"stable": "high", "preview": "medium"}
"""GitHub's words, by which it orders alerts."""
_HELP = ("What it does", "Why", "When it does not matter")
_LONGEST = 1000
"""Characters of a rule's description; GitHub takes 1,024."""

Json = dict[str, Any]


def render(report: Report, rules: Sequence[Rule]) -> Iterator[str]:
    """The report as a log with one run."""
    places = {rule.code: place for place, rule in enumerate(rules)}
    compared = _compared(report)
    driver = {"name": "archlint", "version": report.tool.version, "rules": [_rule(rule) for rule in rules]}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "archlint/"},
        "invocations": [_invocation(report)],
        "results": [result for file in report.files for result in _results(file, places, compared)],
    }
    yield encode({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> Json:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": _cut(rule.title)},
        "fullDescription": {"text": _cut(" ".join(rule.sections["What it does"].split()))},
        "help": {
            "text": f"`archlint rule {rule.name}` explains the rule.",
            "markdown": "\n\n".join(f"## {title}\n{rule.sections[title]}" for title in _HELP),
        },
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {
            "tags": list(rule.formats),
            "precision": _PRECISION[rule.stage],
            "problem.severity": _PROBLEMS[rule.severity],
            "stage": rule.stage,
            "sources": list(rule.sources),
        },
    }


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _compared(report: Report) -> bool:
    """Whether there is a baseline that findings are new to, or not."""
    return bool(report.stale) or any(one.by == "baseline" for file in report.files for one in file.suppressed)


def _results(file: Checked, places: Mapping[str, int], compared: bool) -> Iterator[Json]:
    location = _location(file.path)
    shown = [(finding, None) for finding in file.findings]
    said = [*shown, *((one.finding, one) for one in file.suppressed)]
    for (finding, suppressed), identity in zip(said, identities(finding for finding, _ in said), strict=True):
        result = _result(finding, places[finding.code], location, identity)
        if compared:
            known = suppressed is not None and suppressed.by == "baseline"
            result["baselineState"] = "unchanged" if known else "new"
        if suppressed is not None:
            result["suppressions"] = [_suppression(suppressed)]
        yield result


def _result(finding: Finding, place: int, location: Json, identity: str) -> Json:
    evidence = {name: escaped(value) if isinstance(value, str) else value for name, value in finding.evidence.items()}
    properties = {"evidence": evidence} | ({"fix": escaped(finding.fix)} if finding.fix else {})
    return {
        "ruleId": finding.code,
        "ruleIndex": place,
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(finding)},
        "locations": [location | ({"logicalLocations": [_layer(finding.layer)]} if finding.layer else {})],
        "partialFingerprints": {"primaryLocationLineHash": identity},
        "properties": properties | ({"verdict": _verdict(finding.verdict)} if finding.verdict else {}),
    }


def _verdict(proof: Proof) -> Json:
    """What trying it has shown; the sentence stands in the message."""
    return {name: value for name, value in msgspec.to_builtins(proof).items() if name != "sentence"}


def _message(finding: Finding) -> str:
    """What is wrong and what to do; no link, which SARIF reads in [text](address): names come from the model."""
    return remarks.told(finding).replace("](", "\\](")


def _layer(path: str) -> Json:
    return {"name": escaped(path.rpartition("/")[2] or path), "fullyQualifiedName": escaped(path), "kind": "layer"}


def _location(path: str) -> Json:
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(path)}}}


def _uri(path: str) -> str:
    """Relative, as code scanning wants it, if the file is below the folder that archlint runs in."""
    place = relative(path)
    quoted = quote(place, errors="surrogatepass")
    if not PurePosixPath(place).is_absolute() and not re.match("[A-Za-z]:/", place):
        return quoted
    return f"file://{'' if quoted.startswith('/') else '/'}{quoted}"


def _suppression(suppressed: Suppressed) -> Json:
    return {"kind": "external", "status": "accepted", "justification": hidden_by(suppressed)}


def _invocation(report: Report) -> Json:
    failures = [said for file in report.files for said in _failures(file)]
    configuration = [
        *(_notification("error", remarks.stale(entry)) for entry in report.stale),
        *(_notification("warning", remarks.unused(entry)) for entry in report.unused),
    ]
    return {
        "executionSuccessful": not failures,
        "toolExecutionNotifications": [*failures, *_not_checked(report)],
        "toolConfigurationNotifications": configuration,
    }


def _failures(file: Checked) -> Iterator[Json]:
    """That the file could not be read, or that rules gave up on it."""
    path = safe_text(file.path)
    if file.error is not None:
        yield _notification("error", f"{path}: {safe_text(file.error)}", file)
    for rule in gave_up(file):
        yield _notification("error", f"{path}: {remarks.gave_up(rule)}", file, rule)


def _not_checked(report: Report) -> Iterator[Json]:
    """One note for all files in which a rule lacked the same facts; that no data was given, the user knows."""
    lacking: dict[tuple[str, str], list[NotChecked]] = {}
    for rule in (rule for file in report.files for rule in file.not_checked):
        if rule.needs and NO_DATA not in rule.why:
            lacking.setdefault((rule.code, rule.why), []).append(rule)
    for (_, why), rules in lacking.items():
        text = f"{rules[0].name} was not checked in {plural(len(rules), 'file')}: {safe_text(why)}"
        yield _notification("note", text, rule=rules[0])


def _notification(level: str, text: str, file: Checked | None = None, rule: NotChecked | None = None) -> Json:
    return {
        "level": level,
        "message": {"text": text},
        **({"locations": [_location(file.path)]} if file else {}),
        **({"associatedRule": {"id": rule.code}} if rule else {}),
    }
