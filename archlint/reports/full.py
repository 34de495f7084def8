"""The format for people: a block per rule and model, then what was counted and what was not checked."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from archlint.evidence import NO_DATA
from archlint.reports.contract import Checked, Data, Report
from archlint.reports.text import Line, Span, line, safe_text, wrapped
from archlint.rules.finding import Finding, NotChecked
from archlint.rules.template import plural

STYLES = {"error": "bold red", "warning": "bold yellow", "advice": "bold cyan"}
_INDENT = " " * 9
_SHOWN = 3
"""Layers named in a block; JSON has them all."""


def render(report: Report, width: int, quiet: bool = False, verbose: bool = False) -> Iterator[Line]:
    """The report as lines of at most `width` columns where words allow."""
    for file in report.files:
        yield from _file(file, width, verbose)
    if not quiet:
        yield from summary(report, width, verbose)


def blocks(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings of one rule and severity together, in order of appearance; one about the whole model stands alone."""
    found: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        alone = finding.message if finding.layer is None else ""
        found.setdefault((finding.code, finding.severity, alone), []).append(finding)
    return list(found.values())


def _file(file: Checked, width: int, verbose: bool) -> Iterator[Line]:
    path = Span(safe_text(file.path), "bold underline")
    if file.status == "failed":
        yield line(path)
        yield from _hanging(Span("  failed ", STYLES["error"]), safe_text(file.error or ""), width)
        yield ()
        return
    if not file.findings and not verbose:
        return
    yield line(path, Span(f"  {_about(file)}", "dim"))
    yield ()
    for block in blocks(file.findings):
        yield from _block(block, width, verbose)
        yield ()


def _about(file: Checked) -> str:
    model = file.model
    if model is None:
        return ""
    version = safe_text(f"{model.producer or ''} {model.producer_version or ''}".strip())
    opset = f"opset {model.opset}" if model.opset else ""
    fresh = "untrained" if model.trained is False else ""
    return ", ".join(part for part in (version, opset, plural(model.layers, "layer"), fresh) if part)


def _block(block: Sequence[Finding], width: int, verbose: bool) -> Iterator[Line]:
    first = block[0]
    yield line(
        Span(f"{first.severity:>7}  ", STYLES[first.severity]),
        Span(first.name, "bold"),
        Span(f"  {first.code}", "dim"),
    )
    yield from _labelled("at", _places(block, verbose), width, "bold")
    yield from _labelled("", f"{'' if len(block) == 1 else 'for example, '}{safe_text(first.message)}", width)
    yield from _labelled("fix", safe_text(first.advice), width)
    if first.fix:
        yield from _labelled("", safe_text(first.fix), width, "green")
    yield from _labelled("more", f"archlint rule {first.name}", width, "dim")


def _places(block: Sequence[Finding], verbose: bool) -> str:
    names = list(dict.fromkeys(safe_text(finding.layer or "the model") for finding in block))
    if len(names) == 1:
        return names[0]
    return f"{len(names)} layers: {_listed(names, verbose)}"


def _listed(names: Sequence[str], verbose: bool) -> str:
    """The names in a row; only the first few of many, unless all are asked for."""
    if verbose or len(names) <= _SHOWN + 1:
        return ", ".join(names)
    return ", ".join((*names[:_SHOWN], f"… +{len(names) - _SHOWN}"))


def _labelled(label: str, text: str, width: int, style: str = "") -> Iterator[Line]:
    head = Span(f"{_INDENT}{label:<6}", "dim")
    return _hanging(head, text, width, style)


def _hanging(head: Span, text: str, width: int, style: str = "") -> Iterator[Line]:
    rows = wrapped(text, " " * len(head.text), width, style)
    yield (head, rows[0][1])
    yield from rows[1:]


def summary(report: Report, width: int, verbose: bool) -> Iterator[Line]:
    """What was counted, and what was not checked and why."""
    counts = report.summary
    if counts.checked:
        yield from _data(report.data, width)
        yield from _not_understood(report.files, width)
        yield from _not_checked(report.files, width, verbose)
    if counts.failed:
        yield line(Span(f"{plural(counts.failed, 'file')} could not be checked", STYLES["error"]))
    if not counts.checked:
        return
    checked = f"{plural(counts.checked, 'file')} checked with {_rules(report)}: "
    found = (
        (counts.errors, plural(counts.errors, "error"), "error"),
        (counts.warnings, plural(counts.warnings, "warning"), "warning"),
        (counts.advice, f"{counts.advice:,} advice", "advice"),
    )
    spans = [Span(text, STYLES[severity]) for number, text, severity in found if number]
    separated = [part for span in spans for part in (Span(", "), span)][1:]
    yield line(checked, *(separated or [Span("nothing found", "bold green")]))


def _data(data: Data | None, width: int) -> Iterator[Line]:
    """The training data, if any was given."""
    if data:
        looked_at = f"{plural(data.samples, 'sample')}, of which the first {data.seen:,} were looked at"
        text = looked_at if data.seen < data.samples else plural(data.samples, "sample")
        yield from _hanging(Span("training data: ", "dim"), f"{safe_text(data.name)}, {text}", width, "dim")
        yield ()


def _rules(report: Report) -> str:
    """`12 rules`, or `8 of 12 rules` where some are for other formats or lacked their facts."""
    judged = {file.rules for file in report.files if file.status == "checked"}
    if min(judged) == report.summary.rules:
        return plural(report.summary.rules, "rule")
    upto = "up to " if len(judged) > 1 else ""
    return f"{upto}{max(judged)} of {plural(report.summary.rules, 'rule')}"


def _not_understood(files: Sequence[Checked], width: int) -> Iterator[Line]:
    """How much of the ONNX files no rule can speak of."""
    partly = [file.model for file in files if file.model and file.model.nodes != file.model.lifted]
    nodes = sum((model.nodes or 0) - (model.lifted or 0) for model in partly)
    if nodes:
        where = f" in {plural(len(partly), 'file')}" if len(files) > 1 else f" of {partly[0].nodes:,}"
        text = f"{plural(nodes, 'node')}{where}, about which the rules are silent; `archlint show` names them"
        yield from _hanging(Span("not understood: ", "dim"), text, width, "dim")
        yield ()


def _not_checked(files: Sequence[Checked], width: int, verbose: bool) -> Iterator[Line]:
    """What the files could not tell, one line for each reason; that no data was given, the user knows."""
    by_reason: dict[str, dict[str, NotChecked]] = {}
    holders: dict[str, set[str]] = {}
    for file in files:
        for unjudged in (one for one in file.not_checked if verbose or NO_DATA not in one.why):
            by_reason.setdefault(unjudged.why, {})[unjudged.code] = unjudged
            holders.setdefault(unjudged.why, set()).add(file.path)
    for why, rules in by_reason.items():
        needs = sorted({need for unjudged in rules.values() for need in unjudged.needs})
        where = f" in {plural(len(holders[why]), 'file')}" if len(files) > 1 else ""
        lacking = f"; needs {', '.join(needs)}" if verbose and needs else ""
        text = f"{plural(len(rules), 'rule')}{where} ({_listed(list(rules), verbose)}): {safe_text(why)}{lacking}"
        yield from _hanging(Span("not checked: ", "dim"), text, width, "dim")
    if by_reason:
        yield ()


def statistics(report: Report, width: int, quiet: bool = False, verbose: bool = False) -> Iterator[Line]:
    """How often each rule fired, the most frequent first; before that, the files that could not be checked."""
    for file in report.files:
        if file.status == "failed":
            yield from _file(file, width, verbose)
    found = Counter((one.severity, one.code, one.name) for file in report.files for one in file.findings)
    for (severity, code, name), count in found.most_common():
        yield line(f"{count:>7,}  ", Span(f"{severity:<8}", STYLES[severity]), f"{code}  {name}")
    if not quiet:
        yield from [()] if found else []
        yield from summary(report, width, verbose)
