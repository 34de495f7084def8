"""The documentation shows what happens, leads where it says, and names every rule, fact and command."""

import ast
import os
import re
import shlex
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copyfile
from typing import NamedTuple

import keras
import pytest
import typer
from support import FIXTURES

from archlint.cli import app
from archlint.facts import schema
from archlint.rules import load

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))  # where the generator of the site is

import generate  # noqa: E402
from generate import commands, documents, facts, rules  # noqa: E402

MODELS = {
    "cats.h5": "faulty.h5",
    "reviews.keras": "imdb_l2.keras",
    "tracks.h5": "spotify_plain.h5",
    "digits.keras": "clean_cnn.keras",
}
"""The folder `models` that pages work on: its files, and the fixtures that they are."""

HAND_WRITTEN = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in sorted(DOCS.glob("*.md"))}
GENERATED = generate.pages()
AT_THE_ROOT = {
    name: (ROOT / name).read_text("utf-8")
    for name in (
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "rules/README.md",
        "fixtures/README.md",
    )
}


# --- what pages show --------------------------------------------------------------------------------------------------


class Block(NamedTuple):
    """A block of code; `title` is the file that it is, or that it changes."""

    language: str
    title: str | None
    text: str


def blocks(page: str) -> Iterator[Block]:
    fence = r'^(?P<fence>````?)(?P<language>\w+)(?: title="(?P<title>.+?)")?\n(?P<text>.*?)^(?P=fence)$'
    for found in re.finditer(fence, page, re.MULTILINE | re.DOTALL):
        yield Block(found["language"], found["title"], found["text"])


def dialogue(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console, each with what it prints."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, tidy(printed)


def tidy(text: str) -> str:
    """Text without spaces at the ends of lines, empty lines at its own ends, and the exact version of Keras."""
    lines = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    return re.sub(r"\bkeras 3\.[\d.]+", "keras 3", lines)


class Shell:
    """The few commands that pages use."""

    def __init__(self, archlint):
        self.archlint = archlint
        self.code = 0

    def run(self, command: str) -> str:
        """What the command prints."""
        name, *arguments = shlex.split(command)
        return tidy(getattr(self, f"_{name}")(*arguments))

    def _archlint(self, *arguments: str) -> str:
        self.code, out, err = self.archlint(*arguments)
        return out + err

    def _echo(self, _what: str) -> str:
        return str(self.code)

    def _cat(self, name: str) -> str:
        return Path(name).read_text("utf-8")

    def _cp(self, source: str, target: str) -> str:
        copyfile(source, target)
        return ""

    def _rm(self, name: str) -> str:
        Path(name).unlink()
        return ""

    def _python(self, name: str) -> str:
        keras.backend.clear_session()  # as in a new process, where layers are counted from the start
        exec(compile(Path(name).read_text("utf-8"), name, "exec"), {})
        return ""


def apply(block: Block) -> None:
    """Write the file that a block is, or make the change that it shows."""
    file = Path(block.title)
    if block.language == "diff":
        gone, come = (
            "".join(f"{line[1:]}\n" for line in block.text.splitlines() if line[0] in kind) for kind in ("- ", "+ ")
        )
        before = file.read_text("utf-8")
        assert before.count(gone) == 1
        file.write_text(before.replace(gone, come), "utf-8")
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, "utf-8")


TOLD = {name: text for name, text in HAND_WRITTEN.items() if "```console" in text}


@pytest.mark.parametrize("name", TOLD)
def test_what_a_page_shows_is_what_happens(name, archlint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("models").mkdir()
    for model, fixture in MODELS.items():
        copyfile(FIXTURES / "models" / fixture, Path("models", model))
    shell = Shell(archlint)
    for block in blocks(TOLD[name]):
        if block.title:
            apply(block)
        elif block.language == "console":
            for command, printed in dialogue(block.text):
                assert (command, shell.run(command)) == (command, printed)


SETTINGS = [
    (name, block.text)
    for name, text in HAND_WRITTEN.items()
    for block in blocks(text)
    if block.language == "toml" and not block.title
]


@pytest.mark.parametrize(("name", "text"), SETTINGS)
def test_every_configuration_that_is_shown_can_be_used(name, text, archlint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("house-rules").mkdir()
    copyfile(FIXTURES / "models" / "clean_cnn.keras", "model.keras")
    Path("pyproject.toml" if "[tool." in text else "archlint.toml").write_text(text, "utf-8")
    ran = archlint("check", "model.keras")
    assert (ran.code, ran.err) == (0, "")


# --- where links lead -------------------------------------------------------------------------------------------------

_LINK = re.compile(r"\]\((?P<target>[^)\s]+)[^)]*\)")
_CODE = re.compile(r"^(````?).*?^\1$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def links(text: str) -> list[str]:
    """The relative links of a document, without anchors."""
    targets = (found["target"].partition("#")[0] for found in _LINK.finditer(_CODE.sub("", text)))
    return [target for target in targets if target and "://" not in target]


def resolved(page: str, link: str) -> str:
    """The file that a link on a page leads to, seen from where pages are."""
    return Path(os.path.normpath(Path(page).parent / link)).as_posix()


@pytest.mark.parametrize("name", AT_THE_ROOT)
def test_a_document_of_the_repository_links_to_files_that_are_there(name):
    assert [link for link in links(AT_THE_ROOT[name]) if not (ROOT / name).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("name", HAND_WRITTEN | GENERATED)
def test_a_page_of_the_site_links_to_pages_that_are_there(name):
    text = (HAND_WRITTEN | GENERATED)[name]
    missing = [
        link
        for link in links(text)
        if resolved(name, link) not in GENERATED and not DOCS.joinpath(resolved(name, link)).is_file()
    ]
    assert missing == []


# --- what is generated ------------------------------------------------------------------------------------------------


def test_every_rule_has_its_page_and_its_place_in_the_index():
    index = GENERATED["rules/index.md"]
    for rule in load():
        assert f"rules/{rule.code}-{rule.name}.md" in GENERATED
        assert f"[{rule.name}]({rule.code}-{rule.name}.md)" in index


def test_every_family_of_rules_has_a_title():
    assert set(rules.FAMILIES) == {rule.code[:3] for rule in load()}


def test_every_fact_is_in_the_reference():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema())
        columns = connection.execute(
            "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'"
        ).fetchall()
    described = [(table.name, column.name) for table in facts.tables_of(schema()) for column in table.columns]
    assert described == columns


def test_comments_of_several_lines_belong_to_their_column():
    (layer,) = (table for table in facts.tables_of(schema()) if table.name == "layer")
    columns = {column.name: column for column in layer.columns}
    assert columns["init_gain"].mark == "shape"
    assert columns["init_gain"].comment.endswith(
        "for layers with several kernels (attention, separable) and for einsum_dense"
    )
    assert (columns["live"].group, columns["affine"].group) == ("", "traits of the kind")


def test_every_option_of_every_command_is_in_the_reference():
    group = typer.main.get_command(app)
    sections = dict(re.findall(r"^## archlint (\w+)\n(.*?)(?=^## |\Z)", commands.page(), re.MULTILINE | re.DOTALL))
    assert list(sections) == list(group.commands)
    for name, command in group.commands.items():
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert [
            option for option in options if f"{option} " not in sections[name] and f"{option}`" not in sections[name]
        ] == []


def test_a_section_of_the_readme_that_is_not_there_is_an_error():
    with pytest.raises(LookupError, match=r"README\.md has no section How slow"):
        documents.section("README.md", "How slow")


# --- who imports whom -------------------------------------------------------------------------------------------------

PACKAGE = ROOT / "archlint"


def named(path: Path) -> str:
    """The name of a module, from the package on."""
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")


MODULES = {named(path) for path in PACKAGE.rglob("*.py")}


def part(module: str) -> str:
    """The part of archlint that a module belongs to; `archlint` is the package itself."""
    return module.split(".")[:2][-1]


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All there is in a module but what is there for types alone."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"):
            yield child
            yield from statements(child)


def imported(path: Path) -> Iterator[str]:
    """The modules that a module imports, anywhere in it."""
    for node in statements(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES else str(node.module) for name in names)


def imports_of(names: tuple[str, ...]) -> set[str]:
    """The other parts that these parts of archlint import."""
    paths = (path for path in PACKAGE.rglob("*.py") if part(named(path)) in names)
    return {part(module) for path in paths for module in imported(path) if module in MODULES} - set(names)


WORD = re.compile(r"`(\w+)`")
STATED = {
    tuple(WORD.findall(parts)): allowed
    for parts, allowed in re.findall(
        r"^\| ((?:`\w+` )+)\|.*\|([^|]*)\|$",
        AT_THE_ROOT["ARCHITECTURE.md"].partition("## Who imports whom")[2],
        re.MULTILINE,
    )
}
"""The table in ARCHITECTURE.md: what the parts of a row import."""


ANYTHING = "whatever a command needs of the above"


@pytest.mark.parametrize("parts", [parts for parts in STATED if ANYTHING not in STATED[parts]], ids=" ".join)
def test_a_part_imports_what_the_architecture_says_and_nothing_else(parts):
    assert imports_of(parts) == set(WORD.findall(STATED[parts]))


def test_a_part_imports_only_what_stands_above_it():
    above: set[str] = set()
    for parts in STATED:
        assert (parts, imports_of(parts) - above) == (parts, set())
        above.update(parts)


def test_the_architecture_names_no_part_that_is_gone():
    assert {name for parts in STATED for name in parts} <= {part(module) for module in MODULES}
