"""Findings as sentences, for the errors and warnings of programs."""

from collections.abc import Iterable, Sequence

from archlint.reports.text import safe_text
from archlint.reports.wording import at, blocks, layers, message
from archlint.rules.finding import Finding

_SHOWN = 5
"""Sentences in an error; it carries the report, which has everything."""


def sentences(findings: Iterable[Finding]) -> list[str]:
    """What is found, one sentence for a block: `error softmax-one-unit (LOS001) at dense: …; fix: …`."""
    return [_sentence(block) for block in blocks(findings)]


def gravest(heading: str, findings: Iterable[Finding]) -> str:
    """A heading and the first sentences, on a line each."""
    found = sentences(findings)
    left = len(found) - _SHOWN
    return "\n  ".join((heading, *found[:_SHOWN], *([f"… and {left:,} more"] if left > 0 else [])))


def _sentence(block: Sequence[Finding]) -> str:
    first = block[0]
    head = f"{first.severity} {first.name} ({first.code}) at {at(layers(block))}"
    return f"{head}: {message(block)}; fix: {safe_text(first.advice)}"
