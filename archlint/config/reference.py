"""What there is to configure, for programs and for people, and what holds for a project."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import FieldInfo, fields

from archlint.config import toml
from archlint.config.parsing import described, example, takes, unknown
from archlint.config.project import Project
from archlint.config.settings import Ignored, Settings
from archlint.paths import as_named


def schema() -> dict[str, Any]:
    """The JSON schema of an `archlint.toml`, from which editors complete and explain its keys."""
    whole = _without_null(msgspec.json.schema(Settings))
    top = whole["$defs"].pop("Settings")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **top,
        "title": "archlint.toml",
        "description": "Settings of archlint",
        "$defs": whole["$defs"],
    }


def _without_null(node: Any) -> Any:
    """A schema without null, which TOML does not have: what is not set is left out."""
    if isinstance(node, list):
        return [_without_null(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_null(item) for key, item in node.items() if not (key == "default" and item is None)}
    if len(kept.get("anyOf", ())) == 1:
        kept |= kept.pop("anyOf")[0]
    return kept


def reference(key: str | None = None) -> str:
    """Every key in Markdown: a table of all, then a section for each, with what it takes and an example; or one key.

    Raises:
        UsageError: there is no such key.
    """
    keys = {field.encode_name: field for field in fields(Settings)}
    if key is None:
        return "\n".join([*_overview(), *(line for field in keys.values() for line in _section(field)), *_entries()])
    if key not in keys:
        raise unknown(key, keys)
    return "\n".join([*_section(keys[key]), *(_entries() if key == "ignore" else ())])


def _overview() -> Iterator[str]:
    yield "| key | default |"
    yield "|---|---|"
    for field in fields(Settings):
        yield f"| [`{field.encode_name}`](#{field.encode_name}) | {_default(field)} |"
    yield ""


def _section(field: FieldInfo) -> Iterator[str]:
    yield f"## `{field.encode_name}`"
    yield ""
    yield described(field)
    yield ""
    yield f"Takes {takes(field)}. Default: {_default(field)}."
    yield ""
    yield from _code(toml.line(field.encode_name, example(field), width=72))


def _entries() -> Iterator[str]:
    yield "## Entries of `ignore`"
    yield ""
    yield "| key | default | |"
    yield "|---|---|---|"
    for field in fields(Ignored):
        yield f"| `{field.encode_name}` | {'required' if field.required else _default(field)} | {described(field)} |"
    yield ""
    entry = [toml.line(field.encode_name, example(field)) for field in fields(Ignored)]
    yield from _code("\n".join(["[[tool.archlint.ignore]]", *entry]))


def _code(text: str) -> Iterator[str]:
    yield from ("```toml", text, "```", "")


def _default(field: FieldInfo) -> str:
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return "not set" if value is None else f"`{toml.value(value)}`"


def builtins(project: Project) -> dict[str, Any]:
    """The settings of a project and where they come from, for JSON."""
    return {
        "source": str(project.source) if project.source else None,
        "bases": [str(base) for base in project.bases],
        "root": str(project.root),
        "settings": {key: value for key, value in msgspec.to_builtins(project.settings).items() if key != "extend"},
    }


def shown(project: Project) -> str:
    """The settings of a project as TOML, every key of them, with where they come from."""
    return "\n".join([f"# {_provenance(project)}", *_stated(project)]) + "\n"


def _provenance(project: Project) -> str:
    if project.source is None:
        return f"no configuration is used; patterns start from {toml.quoted(str(project.root))}"
    extended = "".join(f", which extends {toml.quoted(as_named(base))}" for base in project.bases)
    return f"from {toml.quoted(project.name)}{extended}"


def _stated(project: Project) -> Iterator[str]:
    for key, value in builtins(project)["settings"].items():
        yield f"# {key} is not set" if value is None else toml.line(key, value)
