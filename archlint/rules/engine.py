"""Runs rules over the facts of a model."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from sys import getsizeof
from typing import NamedTuple

from archlint.errors import PageError, QueryError
from archlint.limits import FINDINGS_BYTES, MIB
from archlint.rules.catalogue import strange
from archlint.rules.finding import Finding, NotChecked, Report, Value
from archlint.rules.rule import FORMATS, SEVERITIES, Format, Rule, Severity
from archlint.rules.sandbox import ROWS, Sandbox, guarded
from archlint.rules.template import fill

NO_EVIDENCE = frozenset({"layer", "severity"})
"""Columns of a row that say whom a finding is about and how grave it is, not why."""


def run(rules: Iterable[Rule], connection: sqlite3.Connection, absent: Mapping[str, str]) -> Report:
    """What the rules say of one model; those for other formats than the model's say nothing.

    Args:
        connection: the facts, as `schema.sql` describes them.
        absent: the facts (`table.column`) that the model's file cannot supply, each with the reason in words.

    Raises:
        PageError: a rule's row does not fit its page: an unknown severity, a value that its template cannot show.
    """
    subject = _subject(connection)
    asked = list(rules)
    with guarded(connection, strange=bool(strange(rule.path for rule in asked))) as sandbox:
        verdicts = [verdict for rule in asked for verdict in judge(rule, subject, sandbox, absent)]
    findings = [verdict for verdict in verdicts if isinstance(verdict, Finding)]
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), finding.code))
    return Report(
        findings=tuple(findings),
        not_checked=tuple(verdict for verdict in verdicts if isinstance(verdict, NotChecked)),
        judged=sum(subject.family in rule.formats and absent.keys().isdisjoint(rule.needs) for rule in asked),
    )


class Subject(NamedTuple):
    """Whom rules judge: the family of the file's format, and whether the model was written in Keras."""

    family: Format
    keras: bool


def _subject(connection: sqlite3.Connection) -> Subject:
    name, producer = connection.execute("SELECT format, producer FROM model").fetchone()
    family: Format = next(family for family in FORMATS if name.startswith(family))
    return Subject(family, keras=family == "keras" or str(producer).startswith(("keras", "tf2onnx")))


def judge(rule: Rule, subject: Subject, sandbox: Sandbox, absent: Mapping[str, str]) -> Iterator[Finding | NotChecked]:
    """The findings of one rule in the order of its query, or why it could not judge.

    A rule for other formats is only worth a word where the file lacks what the rule would have asked.
    """
    missing = tuple(fact for fact in rule.needs if fact in absent)
    if missing:
        reasons = dict.fromkeys(absent[fact] for fact in missing)
        yield NotChecked(code=rule.code, name=rule.name, needs=missing, why="; ".join(reasons))
        return
    if subject.family not in rule.formats:
        return
    try:
        columns, rows, complete = sandbox.query(rule.sql, rule.parameters())
    except QueryError as error:
        yield _given_up(rule, str(error))
        return
    for row in dict.fromkeys(rows):
        finding = _finding(rule, subject, dict(zip(columns, row, strict=True)))
        sandbox.room -= _size(finding)
        if sandbox.room < 0:
            yield _given_up(rule, f"what is found takes more than {FINDINGS_BYTES // MIB} MiB, and it stopped there")
            return
        yield finding
    if not complete:
        yield _given_up(rule, f"it found more than {ROWS:,} places and stopped there")


def _given_up(rule: Rule, why: str) -> NotChecked:
    """A rule that began to judge and could not end: it lacks no facts, so `needs` is empty."""
    return NotChecked(code=rule.code, name=rule.name, needs=(), why=why)


def _finding(rule: Rule, subject: Subject, row: Mapping[str, Value]) -> Finding:
    layer = row["layer"]
    of_use = subject.keras or "keras" not in rule.formats  # a line of Keras code says nothing to users of PyTorch
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=_severity(rule, row),
        layer=None if layer is None else str(layer),
        message=_worded(rule, rule.message, row),
        advice=_worded(rule, rule.advice, row),
        fix=_worded(rule, rule.fix, row) if rule.fix is not None and of_use else None,
        evidence={column: value for column, value in row.items() if column not in NO_EVIDENCE},
    )


def _size(finding: Finding) -> int:
    """The bytes that a finding takes, nearly."""
    words = finding.layer or "", finding.message, finding.advice, finding.fix or ""
    return sum(map(getsizeof, (*words, *finding.evidence.values())))


def _severity(rule: Rule, row: Mapping[str, Value]) -> Severity:
    graded = rule.severity if rule.overridden else row.get("severity", rule.severity)
    for severity in SEVERITIES:
        if severity == graded:
            return severity
    raise PageError(f"{rule.path}:{rule.sql_line}: the query grades {graded!r}; say one of {', '.join(SEVERITIES)}")


def _worded(rule: Rule, template: str, row: Mapping[str, Value]) -> str:
    try:
        return fill(template, row)
    except ValueError as error:
        raise PageError(f"{rule.path}: {error}") from error
