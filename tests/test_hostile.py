"""Every hostile file, through a process of its own: exit code, one clear line, little time and memory, no harm."""

import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support import FIXTURES

sys.path.insert(0, str(FIXTURES.parent))

from fixtures.hostile import CASES, MARKER, Case  # beside the package, not in it
from fixtures.hostile.trial import MEBIBYTES, SECONDS, Outcome, Trials, serving
from fixtures.watched import misdeeds

ACTS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\udc80-\udcff]")
"""What acts on a terminal or a reader, or is no UTF-8; a newline is archlint's own."""

COMMAND = re.compile(r"^\s*::(?!(error|warning|notice)( |::)title=archlint)|##\[", re.MULTILINE)
CURE = re.compile(
    r"\b(give|check|save|download|unpack|run|change|point|build|rename|export)\b"
    "|was not read|never (opened|read)|nothing to judge"
)


@pytest.fixture(scope="session")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    with serving(tmp_path_factory.mktemp("trials")) as served:
        yield served


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_hostile_file_does_no_harm(case: Case, trials: Trials, tmp_path: Path) -> None:
    path = case.into(tmp_path)
    outcome = trials.run(path)
    assert outcome.code == case.code, outcome.said
    assert outcome.seconds < SECONDS
    assert outcome.mebibytes < MEBIBYTES
    assert any(re.search(case.words, line) for line in outcome.said), outcome.said
    if case.code == 2:
        is_one_clear_line(outcome)
    for name, text in {"concise": outcome.out, "errors": outcome.err, **outcome.reports}.items():
        assert not ACTS.search(text), name
    if outcome.reports["json"]:  # the path itself was none
        is_read_by_programs(outcome)
    assert not list(tmp_path.rglob(MARKER))
    assert misdeeds(outcome.watched, [str(path)], trials.folder) == []


def is_one_clear_line(outcome: Outcome) -> None:
    (line,) = outcome.said
    assert "Traceback" not in line
    assert "archlint itself" not in line
    assert CURE.search(line) or line.endswith("…"), line


def is_read_by_programs(outcome: Outcome) -> None:
    """Documents can be parsed; what is a log holds no order that archlint did not give."""
    reports = outcome.reports
    for name in ("json", "sarif", "gitlab"):
        json.loads(reports[name])
    assert [json.loads(line) for line in reports["json-lines"].splitlines()]
    ElementTree.fromstring(reports["junit"])
    for name in ("full", "github", "markdown"):
        assert not re.search(r"##[\w.]*\[", reports[name])
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in commands(reports["github"]))
    assert not commands(reports["full"] + outcome.out)
    page = Page()
    page.feed(reports["html"])
    assert page.handlers == []


def commands(text: str) -> list[str]:
    """The lines that a runner would obey."""
    return [line for line in text.splitlines() if line.lstrip().startswith("::")]


class Page(HTMLParser):
    """A page, of which all that runs or loads something is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        outside = [value for name, value in attrs if name in ("src", "href") and "evil.example" in (value or "")]
        orders = [name for name, _ in attrs if name.startswith("on")]
        self.handlers += orders + outside + (["script"] if tag in ("iframe", "object", "embed", "img") else [])

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and "alert(1)" in data and "</" in data:
            self.handlers.append(data)


def test_there_are_cases_of_every_kind() -> None:
    kinds = [name.partition("-")[0] for name in CASES]
    assert set(kinds) == {"files", "hdf5", "zips", "configs", "onnx", "names"}
    assert len(CASES) >= 120
    assert all(case.aim for case in CASES.values())


@pytest.mark.parametrize("name", ["onnx-three-gigabytes", "hdf5-shape-without-storage"])
def test_a_tensor_beyond_all_memory_is_not_read_even_if_all_are_asked_for(
    name: str, trials: Trials, tmp_path: Path
) -> None:
    outcome = trials.run(CASES[name].into(tmp_path), "--weights", "always")
    assert outcome.code in (1, 2)
    assert outcome.mebibytes < MEBIBYTES


def test_data_from_a_pipe_that_nobody_writes_to_is_not_waited_for(trials: Trials, tmp_path: Path) -> None:
    pipe = CASES["files-pipe"].into(tmp_path)
    outcome = trials.run(CASES["files-keras-called-h5"].into(tmp_path), "--data", str(pipe))
    assert outcome.code == 2
    assert "a named pipe into which nobody has written" in outcome.err
