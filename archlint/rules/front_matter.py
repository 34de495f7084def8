"""Reads the YAML at the head of a page, once it is known to be as plain as a page needs it."""

import re
from pathlib import Path
from typing import Any

import msgspec
import msgspec.yaml
import yaml
from yaml import MarkedYAMLError

from archlint.errors import PageError
from archlint.limits import FRONT_MATTER_BYTES, FRONT_MATTER_DEPTH
from archlint.rules.characters import unsafe
from archlint.rules.rule import FORMATS, SEVERITIES, FrontMatter

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # as msgspec chooses it
_KEY_AT_FAULT = re.compile(r"(?P<what>.*) - at (?:`key` in )?`\$\.(?P<key>\w+).*`")
_EXPECTED = {
    "code": "three capitals and three digits, as NRM001",
    "name": "small words joined by hyphens, as bias-before-norm",
    "severity": f"one of {', '.join(SEVERITIES)}",
    "stage": "stable or preview",
    "formats": f"a list of {', '.join(FORMATS)}",
    "options": "names like min_params, each with a default and a description; numbers may have a minimum and maximum",
    "sources": "a list with at least one source, each one line of text",
}
_ONE_LINE = "one line of text"


def read(path: Path, text: str) -> FrontMatter:
    """The front matter of the page at `path`; PageError, naming file and line, if it is none."""
    if len(text) > FRONT_MATTER_BYTES:
        raise PageError(f"{path}:1: the front matter is longer than {FRONT_MATTER_BYTES:,} characters; shorten it")
    try:
        _refuse_elaborate(path, text)
        return msgspec.yaml.decode(text, type=FrontMatter)
    except msgspec.ValidationError as error:
        raise PageError(_invalid(path, text, str(error))) from error
    except msgspec.DecodeError as error:
        raise PageError(_no_yaml(path, error.__context__ or error)) from error  # PyYAML's own error says where
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the latter two: numbers and dates that are none
        raise PageError(_no_yaml(path, error)) from error


def _refuse_elaborate(path: Path, text: str) -> None:
    """Refuse what a page has no use for: nesting ends libyaml, which recurses, and aliases multiply what they name."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if why := _elaborate(event, depth):
            line = event.start_mark.line + 2 if event.start_mark else 1
            raise PageError(f"{path}:{line}: the front matter {why}")


def _elaborate(event: yaml.Event, depth: int) -> str | None:
    if depth > FRONT_MATTER_DEPTH:
        return f"is nested more than {FRONT_MATTER_DEPTH} deep; flatten it"
    if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None):
        return "has an alias (*) or a tag (!); write the value itself"
    if isinstance(event, yaml.ScalarEvent) and unsafe(event.value):
        return "has an escape that is a control or an invisible character; write plain text"
    return None


def _no_yaml(path: Path, fault: BaseException) -> str:
    line = fault.problem_mark.line + 2 if isinstance(fault, MarkedYAMLError) and fault.problem_mark else 1
    problem = fault.problem if isinstance(fault, MarkedYAMLError) else fault
    return f"{path}:{line}: the front matter is no YAML: {problem}; put texts with `:` or `{{` into quotes"


def _invalid(path: Path, text: str, error: str) -> str:
    if "`$." not in error:
        keys = ", ".join(field.name for field in msgspec.structs.fields(FrontMatter))
        return f"{path}:1: {error}; the keys of the front matter are {keys}"
    found = _KEY_AT_FAULT.fullmatch(error)
    what, key = (found["what"], found["key"]) if found else (error, "")
    lines = [number for number, line in enumerate(text.split("\n"), start=2) if line.startswith(f"{key}:")]
    return f"{path}:{lines[0] if lines else 1}: {key}: {what}; it must be {_EXPECTED.get(key, _ONE_LINE)}"
