"""What formats for programs say of a thing: all of it in one sentence, which stands alone in some list."""

from archlint.reports import wording
from archlint.reports.contract import Stale, Unused
from archlint.reports.text import safe_text
from archlint.rules.finding import Finding, NotChecked


def told(finding: Finding) -> str:
    """What is wrong, what trying it has shown, and what to do; the layer in front if the message does not name it."""
    unnamed = finding.layer is not None and finding.layer not in finding.message
    layer = f"{safe_text(finding.layer or '')}: " if unnamed else ""
    proof = wording.found_out([finding])
    tried = f"; tried: {proof}" if proof else ""
    return f"{layer}{safe_text(finding.message)}{tried}; fix: {safe_text(finding.advice)}"


def gave_up(rule: NotChecked) -> str:
    """A rule that had its facts and did not come to an end."""
    return f"{rule.name} gave up: {safe_text(rule.why)}"


def stale(entry: Stale) -> str:
    """An entry of a baseline whose finding is gone."""
    return f"stale entry: {wording.stale_entry(entry)}; run `{wording.prune([entry])}`"


def unused(entry: Unused) -> str:
    """An entry of a configuration that hid nothing."""
    return f"unused entry: {wording.unused_entry(entry)}; take it out"
