"""Markdown for a comment on a pull request, or for the summary of a job.

Whatever comes from a model is made harmless: a name cannot format, link, mention anybody or show a picture. A comment
has a limit, so what matters most comes first, and what does not fit is counted.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from archlint.reports.contract import Checked, Report
from archlint.reports.text import safe_text
from archlint.reports.wording import (
    about,
    blocks,
    checked_with,
    found_out,
    gave_up,
    in_file,
    lacking,
    layers,
    listed,
    message,
    not_understood,
    outcome,
    prune,
    reasons,
    stale_entry,
    tried,
    unused_entry,
    verdict,
)
from archlint.rules.finding import Finding
from archlint.rules.rule import SEVERITIES, Rule
from archlint.rules.template import plural

LONGEST = 65_536
"""Characters that GitHub takes in a comment."""
_LIST = 10_000
"""Characters for each of the table of files, the reasons and the entries that are out of date."""
_CLOSING = "\n</details>\n\n"
_SPECIAL = re.compile(r"[\\`*_\[\]<>#|~&$@]|(?<=:/)/|(?<=www)\.", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[!-+.:-@\[-`{-~]")
_INVISIBLE = "&#8203;"
"""A space without width: with it, GitHub sees no mention, reference or address to link."""
_DISARMED = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "@": f"@{_INVISIBLE}",
    "#": f"#{_INVISIBLE}",
    "/": f"{_INVISIBLE}/",
    ".": f"{_INVISIBLE}.",
    "$": "<span>$</span>",  # or a pair of them would be a formula
}


def render(report: Report, _rules: Sequence[Rule]) -> Iterator[str]:
    """The report as Markdown of at most `LONGEST` characters."""
    files = sorted(report.files, key=_gravest_first)
    above = "".join((*_head(report), *_table(files), *_outdated(report)))
    below = "".join(_not_checked(report))
    yield above
    yield from _details(files, LONGEST - len(above) - len(below))
    yield below


def prose(text: str) -> str:
    """A sentence as Markdown that looks just like it."""
    return _SPECIAL.sub(lambda found: _DISARMED.get(found[0], f"\\{found[0]}"), safe_text(text))


def code(text: str) -> str:
    """A name or a line of code as Markdown, also in a table or in HTML, that shows it exactly."""
    return f"<code>{_plain(text)}</code>"


def _plain(text: str) -> str:
    return _PUNCTUATION.sub(_coded, safe_text(text))


def _coded(found: re.Match[str]) -> str:
    entity = f"&#{ord(found[0])};"
    return f"<span>{entity}</span>" if found[0] in "@#" else entity  # or GitHub would link what they begin


def _gravest_first(file: Checked) -> tuple[int, ...]:
    severities = [finding.severity for finding in file.findings]
    return (file.error is None, -len(gave_up(file)), *(-severities.count(severity) for severity in SEVERITIES))


def _head(report: Report) -> Iterator[str]:
    yield f"## archlint: {verdict(report)}\n\n{checked_with(report)}"
    if report.summary.suppressed:
        yield f", {plural(report.summary.suppressed, 'finding')} suppressed"
    if remark := tried(report):
        yield f". Tried {remark}"
    yield ".\n\n"


def _table(files: Sequence[Checked]) -> Iterator[str]:
    """Files and what was found in them; those in which nothing was found share a row."""
    faulty = [file for file in files if in_file(file)]
    if not faulty:
        return
    yield "| file | found |\n|---|---|\n"
    rows = [f"| {code(file.path)} | {prose(in_file(file))} |\n" for file in faulty]
    shown = _fitting(rows, _LIST)
    yield from shown
    for number, thing, found in (
        (len(rows) - len(shown), "more file", "findings, too"),
        (len(files) - len(rows), "other file", "nothing"),
    ):
        if number:
            yield f"| {plural(number, thing)} | {found} |\n"
    yield "\n"


def _outdated(report: Report) -> Iterator[str]:
    """Entries of configurations and of baselines that have outlived what they were about."""
    unused = [f"- {code(entry.config)}: {prose(unused_entry(entry))}\n" for entry in report.unused]
    stale = [f"- {code(entry.baseline)}: {prose(stale_entry(entry))}\n" for entry in report.stale]
    yield from _items("**Unused entries**, which hid nothing: take them out", unused)
    if stale:
        yield from _items(f"**Stale entries**, whose findings are gone: run {code(prune(report.stale))}", stale)


def _items(title: str, items: Sequence[str]) -> Iterator[str]:
    """A list under a title, as long as bearable."""
    if not items:
        return
    shown = _fitting(items, _LIST)
    more = f"- … and {len(items) - len(shown):,} more\n" if len(shown) < len(items) else ""
    yield f"{title}\n\n{''.join(shown)}{more}\n"


def _details(files: Sequence[Checked], room: int) -> Iterator[str]:
    """The findings of each file to unfold, as far as they fit into so many characters."""
    room -= len(_left(10**9))
    left = 0
    for file in files:
        found = blocks(file.findings)
        opening = _opening(file, unfolded=len(files) == 1)
        given_up = [f"- **failed** {prose(one.name)} ({one.code}): {prose(one.why)}\n" for one in gave_up(file)]
        items = given_up + [_item(block) for block in found]
        shown = _fitting(items, room - len(opening) - len(_CLOSING))
        left += len(items) - len(shown)
        if shown:
            text = f"{opening}{''.join(shown)}{_CLOSING}"
            room -= len(text)
            yield text
    if left:
        yield _left(left)


def _opening(file: Checked, unfolded: bool) -> str:
    return f"<details{' open' * unfolded}><summary>{code(file.path)} {_plain(about(file))}</summary>\n\n"


def _item(block: Sequence[Finding]) -> str:
    """A rule and the layers in which it fires, on one line: at the beginning of another, a name could mean a list."""
    first = block[0]
    named = listed([code(layer) for layer in layers(block)]) or "the model"
    fix = f"<br>{code(first.fix)}" if first.fix else ""
    said, proof = outcome(first), found_out(block)
    shown = f"<br>tried: **{said}**. {prose(proof)}" if said and proof else ""
    return (
        f"- **{first.severity}** {prose(first.name)} ({first.code}) at {named}<br>{prose(message(block))}{shown}"
        f"<br>fix: {prose(first.advice)}{fix}\n"
    )


def _left(number: int) -> str:
    return (
        f"**Not shown: {number:,} more**, for want of space in a comment. "
        f"{code('archlint check --format html=report.html')} has room for all.\n\n"
    )


def _not_checked(report: Report) -> Iterator[str]:
    """What the verdict does not speak of."""
    if remark := not_understood(report.files):
        yield f"Not understood: {prose(remark)}.\n\n"
    if remark := lacking(report):
        told = [f"- {listed([rule.code for rule in rules])}: {prose(why)}\n" for why, rules, _ in reasons(report.files)]
        yield from _items(f"<details><summary>Not checked: {_plain(remark)}</summary>", told)
        yield "</details>\n"


def _fitting(pieces: Iterable[str], room: int) -> list[str]:
    """The pieces, from the first on, for which there is room."""
    shown = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        shown.append(piece)
    return shown
