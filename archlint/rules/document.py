"""A rule's page as people read it, at the command line and on the site: with its front matter in words."""

from collections.abc import Iterator

import msgspec

from archlint.rules.rule import Rule

_OPTIONS_BEFORE = "Fires"


def document(rule: Rule) -> str:
    """The page as Markdown: title, code, name, severity, stage and formats, then its sections, options and sources."""
    return "\n\n".join(_parts(rule)) + "\n"


def _parts(rule: Rule) -> Iterator[str]:
    yield f"# {rule.title}"
    yield f"**{rule.code} {rule.name}** · {rule.severity} · {rule.stage} · {', '.join(rule.formats)}"
    if rule.stage == "preview":
        yield "In preview: it runs with `--preview` only, and may still change in any release."
    for title, text in rule.sections.items():
        if title == _OPTIONS_BEFORE and rule.options:
            yield from _options(rule)
        yield f"## {title}"
        yield text
    yield "## Sources"
    yield "\n".join(f"- {source}" for source in rule.sources)


def _options(rule: Rule) -> Iterator[str]:
    yield "## Options"
    yield "\n".join(["| option | default | what it is |", "|---|---|---|", *_rows(rule)])
    yield f"Set under `options.{rule.name}` in `archlint.toml`, or under `tool.archlint` in `pyproject.toml`."


def _rows(rule: Rule) -> Iterator[str]:
    for name, option in rule.options.items():
        default = msgspec.json.encode(option.default).decode()
        what = option.description.replace("|", r"\|")
        yield f"| `{name.replace('_', '-')}` | `{default}` | {what} |"
