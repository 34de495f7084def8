"""What reports for people have in common: findings in blocks, and the sentences about them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from shlex import quote
from typing import NamedTuple, get_args

from archlint.evidence import NO_DATA
from archlint.reports.contract import Checked, Report, Stale, Suppressed, Unused
from archlint.reports.text import escaped, safe_text
from archlint.rules.finding import Finding, NotChecked, Outcome, Proof
from archlint.rules.rule import SEVERITIES, Severity
from archlint.rules.template import plural

_SHOWN = 3
"""Names shown of many; JSON has them all."""
_ENDS = get_args(Outcome)
_SAID = {"inconclusive": "undecided"}
_SENTENCE = 800
"""Characters of what the lab says of a finding; with two effects and a note it is 350."""


def blocks(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings of one rule, severity and outcome together, in order; one about the whole model stands alone."""
    found: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        alone = finding.message if finding.layer is None else ""
        key = (finding.code, finding.severity, outcome(finding) or "", alone)
        found.setdefault(key, []).append(finding)
    return list(found.values())


def layers(block: Iterable[Finding]) -> list[str]:
    """The layers that a block is about, each once; none if it is about the model as a whole."""
    return list(dict.fromkeys(safe_text(finding.layer) for finding in block if finding.layer is not None))


def at(names: Sequence[str], whole: bool = False) -> str:
    """A layer, or how many there are and the first few of them; the whole lot, if asked for."""
    if not names:
        return "the model"
    return names[0] if len(names) == 1 else f"{len(names):,} layers: {listed(names, whole)}"


def listed(names: Sequence[str], whole: bool = False) -> str:
    """The names in a row; only the first few of many, unless the whole lot is asked for."""
    if whole or len(names) <= _SHOWN + 1:
        return ", ".join(names)
    return ", ".join((*names[:_SHOWN], f"… +{len(names) - _SHOWN:,}"))


def message(block: Sequence[Finding]) -> str:
    """What is wrong with the layers of a block, by the example of the first."""
    return f"{'' if len(block) == 1 else 'for example, '}{safe_text(block[0].message)}"


def outcome(finding: Finding) -> str | None:
    """`confirmed`, `refuted, was a warning`; None of a finding that was not tried."""
    if finding.verdict is None:
        return None
    said = _SAID.get(finding.verdict.outcome, finding.verdict.outcome)
    claimed = finding.verdict.claimed
    return said if claimed is None else f"{said}, was {'an' if claimed == 'error' else 'a'} {claimed}"


def found_out(block: Sequence[Finding]) -> str | None:
    """What trying the findings of a block has shown, by the example of the first; None if they were not tried."""
    verdict = block[0].verdict
    if verdict is None:
        return None
    return f"{'' if len(block) == 1 else 'for example, '}{sentence(verdict.sentence)}"


def sentence(said: str) -> str:
    """What the lab says of a finding, made harmless; with its numbers it is longer than other texts."""
    harmless = escaped(said)
    return harmless if len(harmless) <= _SENTENCE else f"{harmless[:_SENTENCE]}…"


def tried(report: Report) -> str | None:
    """`3 findings: 1 confirmed, 2 undecided; 13 not tried`, of those with a claim; None if there is none."""
    verdicts = [finding.verdict for file in report.files for finding in file.findings if finding.verdict]
    counts = Counter(one.outcome for one in verdicts if was_tried(one))
    left = len(verdicts) - counts.total()
    ended = ", ".join(f"{counts[end]:,} {_SAID.get(end, end)}" for end in _ENDS if counts[end])
    said = f"{plural(counts.total(), 'finding')}: {ended}" if ended else ""
    return "; ".join(filter(None, (said, f"{left:,} not tried" if left else ""))) or None


def was_tried(proof: Proof) -> bool:
    """Whether something was measured or trained for it; else it says why not."""
    return proof.seeds > 0


def about(file: Checked) -> str:
    """`keras 3.15.1, 14 layers, untrained`; empty of a file that was not read."""
    model = file.model
    if model is None:
        return ""
    version = safe_text(f"{model.producer or ''} {model.producer_version or ''}".strip())
    opset = f"opset {model.opset}" if model.opset else ""
    fresh = "untrained" if model.trained is False else ""
    return ", ".join(part for part in (version, opset, plural(model.layers, "layer"), fresh) if part)


def counted(errors: int, warnings: int, advice: int) -> list[tuple[Severity, str]]:
    """How many findings there are of each severity, the gravest first, without those of which there are none."""
    found: tuple[tuple[int, Severity, str], ...] = (
        (errors, "error", plural(errors, "error")),
        (warnings, "warning", plural(warnings, "warning")),
        (advice, "advice", f"{advice:,} advice"),
    )
    return [(severity, text) for number, severity, text in found if number]


def in_file(file: Checked) -> str:
    """What there is to say of a file: why it failed, which rules gave up, how much was found; or nothing."""
    if file.error is not None:
        return f"failed: {safe_text(file.error)}"
    severities = [finding.severity for finding in file.findings]
    errors, warnings, advice = (severities.count(severity) for severity in SEVERITIES)
    found = [text for _, text in counted(errors, warnings, advice)]
    return ", ".join(filter(None, (unfinished([file]), *found)))


def verdict(report: Report) -> str:
    """All that was found and not found, in a row: `1 file failed, 1 rule did not finish, 2 errors, 1 advice`."""
    summary = report.summary
    failed = f"{plural(summary.failed, 'file')} failed" if summary.failed else ""
    found = [text for _, text in counted(summary.errors, summary.warnings, summary.advice)]
    return ", ".join(filter(None, (failed, unfinished(report.files), *found))) or "nothing found"


def checked_with(report: Report) -> str:
    """`1 file checked with 8 of 12 rules`, where some are for other formats or lacked their facts."""
    files = plural(report.summary.checked, "file")
    judged = {file.rules for file in report.files if file.status == "checked"}
    if not judged:
        return f"{files} checked"
    if min(judged) == report.summary.rules:
        return f"{files} checked with {plural(report.summary.rules, 'rule')}"
    upto = "up to " if len(judged) > 1 else ""
    return f"{files} checked with {upto}{max(judged)} of {plural(report.summary.rules, 'rule')}"


def conclusion(report: Report) -> str:
    """The report in one line."""
    hidden = f", {report.summary.suppressed:,} suppressed" if report.summary.suppressed else ""
    return f"{checked_with(report)}: {verdict(report)}{hidden}"


def not_understood(files: Sequence[Checked]) -> str | None:
    """How much of the ONNX files no rule can speak of, if there is such."""
    partly = [file.model for file in files if file.model and file.model.nodes != file.model.lifted]
    nodes = sum((model.nodes or 0) - (model.lifted or 0) for model in partly)
    if not nodes:
        return None
    where = f" in {plural(len(partly), 'file')}" if len(files) > 1 else f" of {partly[0].nodes:,}"
    return f"{plural(nodes, 'node')}{where}, about which the rules are silent; `archlint show` names them"


def unfinished(files: Iterable[Checked]) -> str:
    """How many rules gave up; or nothing."""
    left = sum(len(gave_up(file)) for file in files)
    return f"{plural(left, 'rule')} did not finish" if left else ""


def gave_up(file: Checked) -> list[NotChecked]:
    """The rules that had their facts and did not come to an end: the file is not wholly checked."""
    return [unjudged for unjudged in file.not_checked if not unjudged.needs]


class Reason(NamedTuple):
    """Why some rules could not judge, and which files are the reason."""

    why: str
    rules: tuple[NotChecked, ...]
    files: frozenset[str]


def reasons(files: Iterable[Checked], data: bool = False) -> list[Reason]:
    """Each reason for which rules lacked their facts; that no data was given, the user knows, if not asking for it."""
    rules: dict[str, dict[str, NotChecked]] = {}
    holders: dict[str, set[str]] = {}
    for file in files:
        for unjudged in (one for one in file.not_checked if one.needs and (data or NO_DATA not in one.why)):
            rules.setdefault(unjudged.why, {})[unjudged.code] = unjudged
            holders.setdefault(unjudged.why, set()).add(file.path)
    return [Reason(why, tuple(lacking.values()), frozenset(holders[why])) for why, lacking in rules.items()]


def lacking(report: Report) -> str | None:
    """How many rules lacked facts in how many files, and why if that is one reason; None if all had theirs."""
    found = reasons(report.files)
    if not found:
        return None
    rules = plural(len({rule.code for reason in found for rule in reason.rules}), "rule")
    holders = len(frozenset().union(*(reason.files for reason in found)))
    if len(found) == 1:
        where = f" in {plural(holders, 'file')}" if report.summary.checked > 1 else ""
        return f"{rules}{where}: {safe_text(found[0].why)}"
    return f"{rules} lack facts that {_holders(holders, report.summary.checked)} not hold"


def _holders(number: int, checked: int) -> str:
    if checked == 1:
        return "this file does"
    return (
        "these files do" if number == checked else f"{number:,} of {checked:,} files {'does' if number == 1 else 'do'}"
    )


def hidden_by(suppressed: Suppressed) -> str:
    """On whose wish a finding is not reported."""
    return "by the baseline" if suppressed.by == "baseline" else safe_text(suppressed.why or "by the configuration")


def unused_entry(entry: Unused) -> str:
    """An entry of a configuration that hid nothing."""
    layer = "" if entry.layer == "*" else f", at {safe_text(entry.layer)}"
    return f"{safe_text(entry.rule)} in {safe_text(entry.file)}{layer} ({safe_text(entry.why)})"


def stale_entry(entry: Stale) -> str:
    """An entry of a baseline whose finding is gone."""
    rule = safe_text(f"{entry.rule} {entry.name or ''}".rstrip())
    layer = f", at {safe_text(entry.layer)}" if entry.layer else ""
    count = f" ({plural(entry.count, 'finding')})" if entry.count > 1 else ""
    return f"{rule} in {safe_text(entry.file)}{layer}{count}{_whereabouts(entry)}"


def _whereabouts(entry: Stale) -> str:
    if entry.renamed:
        return f": it is now {safe_text(entry.renamed)}"
    return {None: "", "file": ": the file is gone", "rule": ": there is no such rule"}[entry.gone]


def prune(stale: Iterable[Stale]) -> str:
    """The command that takes stale entries out of their baseline; for the first one, if there are several."""
    baseline = next(iter(stale)).baseline
    return f"archlint baseline --prune -o {quote(safe_text(baseline))}"
