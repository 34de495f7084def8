"""A web page that stands alone, and the same as a fragment for notebooks.

Nothing is loaded and nothing is run: the style is inside, the Content-Security-Policy of the page allows it alone, and
all that comes from a model is escaped. Colours are those of the surroundings, light or dark; only severities have
their own.
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape

from archlint.reports.contract import Checked, Report
from archlint.reports.text import safe_text
from archlint.reports.wording import (
    about,
    blocks,
    checked_with,
    found_out,
    gave_up,
    hidden_by,
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
from archlint.rules.rule import Rule
from archlint.rules.template import plural

_ENTRIES = 100
"""Entries that are listed; of more, how many there are is said."""
_EXPLAINED = ("What it does", "Why", "When it does not matter")
"""The sections of a rule's page that a report holds; `archlint rule` prints the rest."""

STYLE = """
.archlint { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; overflow-wrap: anywhere; text-align: left }
.archlint h2 { font-size: 1.5em; line-height: 1.25; margin: 0 0 .25em }
.archlint h3 { font-size: 1.1em; margin: 2em 0 .5em; padding-top: .75em; border-top: 1px solid #8886 }
.archlint h4 { font-size: 1em; margin: 0 }
.archlint p { margin: .25em 0 }
.archlint a { color: inherit }
.archlint small, .archlint summary, .archlint .dim { font-size: .9em; font-weight: normal; opacity: .75 }
.archlint code, .archlint pre { font: .9em/1.5 ui-monospace, monospace; background: #8882; border-radius: 4px }
.archlint code { padding: .1em .3em }
.archlint pre { margin: .35em 0; padding: .4em .7em; white-space: pre-wrap }
.archlint pre code { padding: 0; background: none; font-size: 1em }
.archlint table { border-collapse: collapse; margin: 1em 0 }
.archlint th, .archlint td { padding: .3em 1em .3em 0; border-bottom: 1px solid #8886 }
.archlint th, .archlint td { text-align: left; vertical-align: top }
.archlint article { margin: 1em 0; padding-left: .9em; border-left: 4px solid #888 }
.archlint .error { border-color: #c62828 }
.archlint .warning { border-color: #b26a00 }
.archlint .advice { border-color: #00798c }
.archlint b { border-radius: 4px; color: #fff; font-size: .8em; margin-right: .4em; padding: .15em .5em }
.archlint b.error { background: #c62828 }
.archlint b.warning { background: #a05a00 }
.archlint b.advice { background: #00798c }
.archlint details { margin: .5em 0 }
.archlint summary { cursor: pointer }
"""
_PAGE_STYLE = ":root { color-scheme: light dark } body { margin: 2rem auto; padding: 0 1rem; max-width: 60rem }"


def render(report: Report, rules: Sequence[Rule]) -> Iterator[str]:
    """The report as a whole page, with what the rules that fired say of themselves."""
    style = f"{_PAGE_STYLE}{STYLE}"
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>archlint: {_text(verdict(report))}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )
    fired = {finding.code for file in report.files for finding in file.findings}
    explained = [rule for rule in rules if rule.code in fired]
    yield '<main class="archlint">\n'
    yield from _body(report, frozenset(rule.code for rule in explained))
    yield from _pages(explained)
    yield "</main>\n</body>\n</html>\n"


def fragment(report: Report) -> str:
    """The report as a part of another page, such as a notebook."""
    return f'<div class="archlint"><style>{STYLE}</style>\n{"".join(_body(report))}</div>\n'


def _body(report: Report, explained: frozenset[str] = frozenset()) -> Iterator[str]:
    yield f"<h2>{_text(verdict(report))}</h2>\n<p>{_text(_rested_on(report))}</p>\n"
    if len(report.files) > 1:
        yield from _table(report.files)
    for file in report.files:
        if in_file(file) or file.suppressed:
            yield from _file(file, explained)
    unused = [f"{entry.config}: {unused_entry(entry)}" for entry in report.unused]
    stale = [f"{entry.baseline}: {stale_entry(entry)}" for entry in report.stale]
    yield from _outdated("warning", "unused entries, which hid nothing: take them out", unused)
    if stale:
        yield from _outdated("error", f"stale entries, whose findings are gone: run {prune(report.stale)}", stale)
    yield from _not_checked(report)


def _rested_on(report: Report) -> str:
    """What was checked, with what and by whom."""
    hidden = f", {plural(report.summary.suppressed, 'finding')} suppressed" if report.summary.suppressed else ""
    data = f", training data {safe_text(report.data.name)}" if report.data else ""
    trials = f", tried {tried(report)}" if tried(report) else ""
    return f"{checked_with(report)}{hidden}{data}{trials} · archlint {report.tool.version}"


def _table(files: Sequence[Checked]) -> Iterator[str]:
    """The files and what was found in them, then those in which nothing was found."""
    clean = [file for file in files if not in_file(file)]
    if len(clean) < len(files):
        yield "<table>\n<tr><th>file</th><th>found</th></tr>\n"
        for file in files:
            if in_file(file):
                yield f"<tr><td>{_code(file.path)}</td><td>{_text(in_file(file))}</td></tr>\n"
        yield "</table>\n"
    if clean:
        names = "<br>".join(_code(file.path) for file in clean)
        yield f"<details><summary>{plural(len(clean), 'file')} without findings</summary>\n<p>{names}</p></details>\n"


def _file(file: Checked, explained: frozenset[str]) -> Iterator[str]:
    yield f"<section>\n<h3>{_code(file.path)} <small>{_text(about(file))}</small></h3>\n"
    if file.error is not None:
        yield _article("error", "failed", f"<small>{_text(file.error)}</small>", "")
    for unjudged in gave_up(file):
        said = f"<p>this rule did not finish: {_text(unjudged.why)}</p>"
        yield _article("error", "failed", f"{_text(unjudged.name)} <small>{unjudged.code}</small>", said)
    yield from (_finding(block, explained) for block in blocks(file.findings))
    yield from _suppressed(file)
    yield "</section>\n"


def _finding(block: Sequence[Finding], explained: frozenset[str]) -> str:
    first = block[0]
    name = f'<a href="#{first.code}">{_text(first.name)}</a>' if first.code in explained else _text(first.name)
    fix = f"<pre><code>{_text(first.fix)}</code></pre>" if first.fix else ""
    said, proof = outcome(first), found_out(block)
    shown = f"<p>tried: <strong>{_text(said)}</strong>. {_text(proof)}</p>" if said and proof else ""
    text = f"{_at(block)}<p>{_text(message(block))}</p>{shown}<p>fix: {_text(first.advice)}</p>{fix}"
    return _article(first.severity, first.severity, f"{name} <small>{first.code}</small>", text)


def _article(style: str, word: str, title: str, text: str) -> str:
    return f'<article class="{style}">\n<h4><b class="{style}">{word}</b>{title}</h4>\n{text}\n</article>\n'


def _at(block: Sequence[Finding]) -> str:
    """The layers at fault; many are folded."""
    names = [_code(layer) for layer in layers(block)]
    if len(names) < 2:
        return f"<p>at {names[0] if names else 'the model'}</p>"
    brief = f"at {len(names):,} layers: {listed(names)}"
    if listed(names) == listed(names, whole=True):
        return f"<p>{brief}</p>"
    return f"<details><summary>{brief}</summary>\n<p>{listed(names, whole=True)}</p></details>"


def _suppressed(file: Checked) -> Iterator[str]:
    """What the user asked not to hear of, and why."""
    if not file.suppressed:
        return
    yield f"<details><summary>{plural(len(file.suppressed), 'finding')} suppressed</summary>\n<ul>\n"
    for one in file.suppressed:
        where = _code(one.finding.layer) if one.finding.layer else "the model"
        yield f"<li>{one.finding.severity} {_text(one.finding.name)} at {where}: {_text(hidden_by(one))}</li>\n"
    yield "</ul></details>\n"


def _outdated(severity: str, title: str, entries: Sequence[str]) -> Iterator[str]:
    """Entries of configurations or of baselines that have outlived what they were about."""
    if entries:
        more = [f"… +{len(entries) - _ENTRIES:,}"] if len(entries) > _ENTRIES else []
        listing = "".join(f"<li>{_text(entry)}</li>" for entry in [*entries[:_ENTRIES], *more])
        yield _article(severity, severity, _text(title), f"<ul>{listing}</ul>")


def _not_checked(report: Report) -> Iterator[str]:
    """What the verdict does not speak of."""
    if remark := not_understood(report.files):
        yield f'<p class="dim">not understood: {_text(remark)}</p>\n'
    if remark := lacking(report):
        yield f"<details><summary>not checked: {_text(remark)}</summary>\n<ul>\n"
        for why, rules, _ in reasons(report.files):
            yield f"<li>{_text(', '.join(rule.name for rule in rules))}: {_text(why)}</li>\n"
        yield "</ul></details>\n"


def _pages(rules: Sequence[Rule]) -> Iterator[str]:
    """What the pages of the rules say; they may be a stranger's, so HTML and pictures in them are only text."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    for rule in rules:
        yield f'<section id="{rule.code}">\n<h3>{_text(rule.title)} <small>{rule.name} {rule.code}</small></h3>\n'
        for title in _EXPLAINED:
            yield f"<h4>{title}</h4>\n{markdown.render(rule.sections[title])}"
        yield "</section>\n"


def _text(text: str) -> str:
    return escape(safe_text(text))


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"
