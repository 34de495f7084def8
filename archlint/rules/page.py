"""Reads the Markdown page that is a rule."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
from markdown_it import MarkdownIt

from archlint.errors import PageError
from archlint.rules import front_matter
from archlint.rules.characters import orders, unsafe
from archlint.rules.option import Option, OptionValue
from archlint.rules.rule import Example, Rule
from archlint.targets import Target

SECTIONS = ("What it does", "Why", "When it does not matter", "Fires", "Stays silent", "Check")
"""The sections of every page, in this order."""

LANGUAGES = ("python", "json", "onnx")
"""What an example may be written in."""

_INFO = re.compile(
    rf"(?P<language>{'|'.join(LANGUAGES)})(?: +target=(?P<target>{'|'.join(Target)}))?"
    r"(?P<elsewhere> +weights=elsewhere)?(?P<options>(?: +[a-z][a-z0-9_-]*=\S+)*)"
)
_FRONT_MATTER = re.compile(r"---\n(?P<yaml>.*?\n)---\n(?P<body>.*)", re.DOTALL)
_Options = Mapping[str, Option]


class _Block(NamedTuple):
    """A heading, paragraph or fence at the top level of the page; `info` is a fence's language or a heading's rank."""

    kind: str
    info: str
    text: str
    line: int


class _Section(NamedTuple):
    title: str
    line: int
    blocks: Sequence[_Block]


def parse(path: Path, text: str) -> Rule:
    """The rule on a page; PageError, naming file and line, if it is none."""
    text = text.replace("\r\n", "\n")
    _refuse_unsafe(path, text)
    found = _FRONT_MATTER.fullmatch(text)
    if found is None:
        raise PageError(f"{path}:1: the page has no front matter: begin with YAML between two lines `---`")
    front = front_matter.read(path, found["yaml"])
    if path.stem != f"{front.code}-{front.name}":
        raise PageError(f"{path}: the page of {front.code} must be called {front.code}-{front.name}.md")
    body = found["body"]
    offset = found["yaml"].count("\n") + 2
    blocks = _blocks(body, offset)
    title, sections = _title(path, blocks), _sections(path, blocks)
    check = _check(path, sections[-1])
    return Rule(
        **msgspec.structs.asdict(front),
        path=str(path),
        title=title,
        markdown=body.strip() + "\n",
        sections=_texts(body.split("\n"), sections, offset),
        examples=(
            *_examples(path, sections[3], front.options, fires=True),
            *_examples(path, sections[4], front.options, fires=False),
        ),
        sql=check.text,
        sql_line=check.line + 1,
    )


def _refuse_unsafe(path: Path, text: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        if unsafe(line):
            raise PageError(f"{path}:{number}: the page has a control or an invisible character; write plain text")
        if orders(line):
            raise PageError(f"{path}:{number}: this is an order to GitHub's runner; write it without `::` or `##[`")


@cache
def _markdown() -> MarkdownIt:
    """A parser that knows headings, paragraphs and fences: all that is asked of a page, and five times faster."""
    return MarkdownIt("zero").enable(["heading", "fence"]).disable("inline")


def _blocks(body: str, offset: int) -> list[_Block]:
    parsed = _markdown().parse(body)
    blocks = []
    for opening, token in pairwise([*parsed[:1], *parsed]):
        line = (token.map or [0])[0] + offset + 1
        if token.type == "fence":
            blocks.append(_Block("fence", token.info.strip(), token.content, line))
        elif token.type == "inline":
            blocks.append(_Block(opening.type.removesuffix("_open"), opening.tag, token.content, line))
    return blocks


def _title(path: Path, blocks: Sequence[_Block]) -> str:
    titles = [block for block in blocks if block.info == "h1"]
    if len(titles) != 1 or blocks[0] != titles[0]:
        raise PageError(f"{path}: the text must begin with the one title of the page, a line `# Title`")
    return titles[0].text


def _sections(path: Path, blocks: Sequence[_Block]) -> list[_Section]:
    starts = [number for number, block in enumerate(blocks) if block.info == "h2"]
    sections = [
        _Section(blocks[start].text, blocks[start].line, blocks[start + 1 : end])
        for start, end in pairwise([*starts, len(blocks)])
    ]
    titles = tuple(section.title for section in sections)
    if titles != SECTIONS:
        raise PageError(f"{path}: the sections are {_listed(titles)}; they must be {_listed(SECTIONS)}, in this order")
    for section in sections:
        if not section.blocks:
            raise PageError(f"{path}:{section.line}: the section {section.title} is empty")
    return sections


def _listed(titles: Sequence[str]) -> str:
    return " / ".join(titles) or "missing"


def _texts(lines: Sequence[str], sections: Sequence[_Section], offset: int) -> dict[str, str]:
    starts = [section.line - offset for section in sections]
    return {
        section.title: "\n".join(lines[start : following - 1]).strip()
        for section, (start, following) in zip(sections, pairwise([*starts, len(lines) + 1]), strict=True)
    }


def _examples(path: Path, section: _Section, options: _Options, *, fires: bool) -> Iterator[Example]:
    if not any(block.kind == "fence" for block in section.blocks):
        raise PageError(f"{path}:{section.line}: {section.title} has no example: add a sentence and a block of code")
    for before, block in pairwise([_Block("", "", "", 0), *section.blocks]):
        if block.kind == "fence":
            yield _example(path, before, block, options, fires=fires)


def _example(path: Path, before: _Block, block: _Block, options: _Options, *, fires: bool) -> Example:
    info = _INFO.fullmatch(block.info)
    if info is None or (info["elsewhere"] and info["language"] != "onnx"):
        raise _no_example(path, block)
    if before.kind != "paragraph":
        raise PageError(f"{path}:{block.line}: the example has no sentence before it that says what it shows")
    return Example(
        fires=fires,
        language=info["language"],
        target=Target(info["target"]) if info["target"] else None,
        elsewhere=bool(info["elsewhere"]),
        values=dict(_set_option(path, block, options, setting) for setting in info["options"].split()),
        code=block.text,
        description=before.text,
        line=block.line,
    )


def _set_option(path: Path, block: _Block, options: _Options, setting: str) -> tuple[str, OptionValue]:
    """What `max-rate=0.3` behind the language of an example says; values are written as in JSON."""
    written, _, text = setting.partition("=")
    name = written.replace("-", "_")
    if name not in options:
        raise _no_example(path, block)
    try:
        return name, options[name].checked(msgspec.json.decode(text))
    except ValueError as error:
        raise PageError(f"{path}:{block.line}: the option {setting} cannot be set: {error}") from error


def _no_example(path: Path, block: _Block) -> PageError:
    return PageError(
        f"{path}:{block.line}: an example is a ```python, ```json or ```onnx block, not ```{block.info}; "
        f"target= after it may be one of {', '.join(Target)}; weights= after onnx may be elsewhere; "
        "last come options that the front matter describes, as max-rate=0.3"
    )


def _check(path: Path, section: _Section) -> _Block:
    fences = [block for block in section.blocks if block.kind == "fence"]
    if [fence.info for fence in fences] != ["sql"]:
        raise PageError(f"{path}:{section.line}: the section Check must hold one block, the ```sql of the query")
    return fences[0]
