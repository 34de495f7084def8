"""Findings that a team has accepted: what is hidden, what is new, what is cured and what was renamed."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support import FIXTURES, PAGE, Archlint, Ran, entry, sequential, write_h5

from archlint import __version__
from archlint.baseline import Baseline, Entry, Run, hide, pruned, read, renewed, stale, written
from archlint.errors import UsageError
from archlint.evidence import Evidence, Reading
from archlint.judged import Judged
from archlint.limits import BASELINE_BYTES
from archlint.pipeline import check
from archlint.readers import open_model
from archlint.rules import Rule, choose, load

RULES = load()
DROPOUT = choose(RULES, ["DRP003"])
NO_EVIDENCE = Evidence()


def model(path: Path, **rates: float) -> Path:
    """A model with a dropout of each name and rate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layers = [entry("InputLayer", name="input", batch_input_shape=[None, 8])]
    for number, (name, rate) in enumerate(rates.items()):
        layers.append(entry("Dense", name=f"dense_{number}", units=64, activation="relu"))
        layers.append(entry("Dropout", name=name, rate=rate))
    return write_h5(path, sequential(*layers, entry("Dense", name="last", units=2, activation="softmax")))


class Team:
    """A folder of models with a baseline, and how it fares from one run to the next."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "accepted.json"

    def judge(self, *files: str, rules: Sequence[Rule] = DROPOUT, evidence: Evidence = NO_EVIDENCE) -> list[Judged]:
        folder = self.path.parent
        return [Judged(file, check(folder / file, rules, evidence), rules, evidence) for file in files]

    def accept(self, *files: str, **how: Any) -> None:
        """Write the baseline of these files, anew if there is one."""
        before = read(self.path) if self.path.exists() else Baseline(self.path, ())
        self.path.write_text(written(renewed(before, Run(self.judge(*files, **how))), __version__))

    def compare(self, *files: str, **how: Any) -> tuple[Baseline, Run]:
        baseline = read(self.path)
        judged = [
            Judged(file.path, hide(file.checked, baseline, file.path), file.rules, file.evidence)
            for file in self.judge(*files, **how)
        ]
        return baseline, Run(judged, layers=self.layers)

    def layers(self, file: str) -> set[str]:
        with open_model(self.path.parent / file) as read:
            return {layer.name for layer in read.layers}

    def new(self, *files: str, **how: Any) -> list[str | None]:
        """The layers of findings that the baseline does not hold."""
        return [found.layer for file in self.compare(*files, **how)[1].judged for found in file.checked.findings]

    def stale(self, *files: str, **how: Any) -> dict[str | None, str | None]:
        """The layers of stale entries with the layer or file that has the fault now."""
        return {old.layer: old.renamed for old in stale(*self.compare(*files, **how))}

    def prune(self, *files: str, **how: Any) -> None:
        self.path.write_text(written(pruned(*self.compare(*files, **how)), __version__))

    @property
    def held(self) -> list[tuple[str, str | None]]:
        """The files and layers of the baseline."""
        return [(found.file, found.layer) for found in read(self.path).entries]


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


# What is hidden


def test_what_was_accepted_is_hidden_and_what_is_new_is_not(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9)
    team.accept("a.h5")
    assert team.new("a.h5") == []
    model(tmp_path / "a.h5", one=0.9, two=0.9)
    assert team.new("a.h5") == ["two"]
    (file,) = team.compare("a.h5")[1].judged
    assert [(hidden.by, hidden.why, hidden.finding.layer) for hidden in file.checked.suppressed] == [
        ("baseline", None, "one")
    ]


def test_a_finding_is_the_same_by_rule_and_file_and_layer(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9)
    model(tmp_path / "b.h5", one=0.9)
    team.accept("a.h5")
    assert team.new("a.h5", "b.h5") == ["one"]
    assert team.new("a.h5", rules=choose(RULES, ["DRP006"])) == ["dense_0"]


def test_a_finding_on_the_model_as_a_whole_is_held_without_a_layer(team: Team, tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_bytes((FIXTURES / "models/faulty.keras").read_bytes())
    team.accept("a.keras", rules=choose(RULES, ["OPT002"]))
    assert team.held == [("a.keras", None)]
    assert team.new("a.keras", rules=choose(RULES, ["OPT002"])) == []


@pytest.fixture
def readers(tmp_path: Path) -> tuple[Rule, ...]:
    """A rule that finds one fault for each layer that reads another."""
    sql = """\
SELECT src.name AS layer, dst.name AS reader, 1 AS units
FROM edge JOIN layer AS src ON src.id = edge.src JOIN layer AS dst ON dst.id = edge.dst
WHERE src.kind = 'dropout'"""
    message = '"{layer} is read by {reader}, which has {units} units"'
    page = PAGE.format(code="ORG001", name="wide-layer", severity="warning", message=message, sql=sql)
    (tmp_path / "ORG001-wide-layer.md").write_text(page)
    return choose(load([tmp_path / "ORG001-wide-layer.md"]), ["ORG001"])


def branched(path: Path, branches: int) -> Path:
    """A functional model whose dropout is read by so many layers."""

    def called(layer: dict[str, Any], *inputs: str) -> dict[str, Any]:
        name = layer["config"]["name"]
        return {**layer, "name": name, "inbound_nodes": [[[read, 0, 0, {}] for read in inputs]] if inputs else []}

    names = [f"dense_{number}" for number in range(branches)]
    layers = [
        called(entry("InputLayer", name="input", batch_input_shape=[None, 8])),
        called(entry("Dropout", name="drop", rate=0.2), "input"),
        *(called(entry("Dense", name=name, units=4, activation="relu"), "drop") for name in names),
    ]
    outputs = [[name, 0, 0] for name in names]
    config = {"name": "branched", "layers": layers, "input_layers": [["input", 0, 0]], "output_layers": outputs}
    return write_h5(path, {"class_name": "Functional", "config": config})


def test_once_there_are_more_of_one_kind_all_are_reported(
    team: Team, tmp_path: Path, readers: tuple[Rule, ...]
) -> None:
    branched(tmp_path / "a.h5", 2)
    team.accept("a.h5", rules=readers)
    assert [found.count for found in read(team.path).entries] == [2]
    assert team.new("a.h5", rules=readers) == []
    branched(tmp_path / "a.h5", 3)
    assert team.new("a.h5", rules=readers) == ["drop"] * 3
    assert team.stale("a.h5", rules=readers) == {}


def test_once_there_are_fewer_of_one_kind_the_entry_is_stale_and_its_count_is_pruned(
    team: Team, tmp_path: Path, readers: tuple[Rule, ...]
) -> None:
    branched(tmp_path / "a.h5", 3)
    team.accept("a.h5", rules=readers)
    branched(tmp_path / "a.h5", 1)
    assert team.new("a.h5", rules=readers) == []
    assert team.stale("a.h5", rules=readers) == {"drop": None}
    team.prune("a.h5", rules=readers)
    assert [found.count for found in read(team.path).entries] == [1]
    assert team.stale("a.h5", rules=readers) == {}


# Content


def scaling(path: Path, code: str, name: str = "scale") -> Path:
    """A model with code in a layer."""
    layer = entry("Lambda", name=name, function=[code, None, None], function_type="lambda")
    return write_h5(path, sequential(entry("Dense", name="d", units=1, batch_input_shape=[None, 8]), layer))


TRUST = choose(RULES, ["SEC"])
OURS, THEIRS = (f"4wEAAAAAAAAAAAAAAAEAAAACAAAAUwAAAHMIAAAA{end}" for end in ("fABkARsAUwA=", "fABkARsAUgA="))


def test_other_code_in_the_place_of_what_was_accepted_is_new(team: Team, tmp_path: Path) -> None:
    scaling(tmp_path / "a.h5", OURS)
    team.accept("a.h5", rules=TRUST)
    (held,) = read(team.path).entries
    assert (held.layer, held.digest) == ("scale", check(tmp_path / "a.h5", TRUST).findings[0].evidence["digest"])
    assert (team.new("a.h5", rules=TRUST), team.stale("a.h5", rules=TRUST)) == ([], {})
    scaling(tmp_path / "a.h5", THEIRS)
    assert (team.new("a.h5", rules=TRUST), team.stale("a.h5", rules=TRUST)) == (["scale"], {"scale": None})
    team.prune("a.h5", rules=TRUST)
    assert team.held == []
    team.accept("a.h5", rules=TRUST)
    assert team.new("a.h5", rules=TRUST) == []


def test_code_is_not_followed_to_another_layer_or_file_where_it_is_not_the_same(team: Team, tmp_path: Path) -> None:
    scaling(tmp_path / "a.h5", OURS)
    team.accept("a.h5", rules=TRUST)
    scaling(tmp_path / "a.h5", THEIRS, name="renamed")
    assert team.stale("a.h5", rules=TRUST) == {"scale": None}
    (tmp_path / "a.h5").unlink()
    scaling(tmp_path / "b.h5", THEIRS)
    assert team.new("b.h5", rules=TRUST) == ["scale"]
    assert team.stale("b.h5", rules=TRUST) == {"scale": None}
    scaling(tmp_path / "b.h5", OURS)
    assert team.stale("b.h5", rules=TRUST) == {"scale": "b.h5"}


def test_an_entry_without_a_digest_hides_no_finding_that_has_one(team: Team, tmp_path: Path) -> None:
    scaling(tmp_path / "a.h5", OURS)
    line = {"rule": "SEC001", "name": "code-in-model", "file": "a.h5", "layer": "scale", "count": 1}
    team.path.write_text(json.dumps({"schema": 1, "findings": [line]}))
    assert team.new("a.h5", rules=TRUST) == ["scale"]


# What is cured


def test_an_entry_whose_finding_is_gone_is_stale(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9, two=0.9)
    team.accept("a.h5")
    assert team.stale("a.h5") == {}
    model(tmp_path / "a.h5", one=0.9, two=0.2)
    assert team.stale("a.h5") == {"two": None}


def test_an_entry_about_a_file_that_was_not_checked_is_not_stale(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9)
    model(tmp_path / "b.h5", one=0.9)
    team.accept("a.h5", "b.h5")
    model(tmp_path / "a.h5", one=0.2)
    assert team.stale("b.h5") == {}


def test_an_entry_about_a_file_that_cannot_be_read_is_not_stale(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9)
    team.accept("a.h5")
    (tmp_path / "a.h5").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert team.stale("a.h5") == {}


def test_an_entry_about_a_rule_that_did_not_run_is_not_stale(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9)
    team.accept("a.h5")
    model(tmp_path / "a.h5", one=0.2)
    assert team.stale("a.h5", rules=choose(RULES, ["LOS"])) == {}


def test_an_entry_about_weights_that_were_not_read_is_not_stale(team: Team, tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_bytes((FIXTURES / "models/faulty.keras").read_bytes())
    (rule,) = choose(RULES, ["WGT004"])
    held = Entry(rule=rule.code, name=rule.name, file="a.keras", layer="dense", count=1)
    team.path.write_text(written([held], __version__))
    assert team.stale("a.keras", rules=[rule], evidence=Evidence(weights=Reading.never)) == {}
    assert team.stale("a.keras", rules=[rule]) == {"dense": None}


def test_an_entry_about_a_file_that_is_gone_is_stale_whatever_was_checked(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9)
    model(tmp_path / "b.h5", two=0.9)
    team.accept("a.h5", "b.h5")
    (tmp_path / "a.h5").unlink()
    assert team.stale("b.h5", rules=choose(RULES, ["LOS"])) == {"one": None}


def test_pruning_takes_out_what_is_stale_and_adds_nothing(team: Team, tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5", "c.h5"):
        model(tmp_path / name, one=0.9, two=0.9)
    team.accept("a.h5", "b.h5", "c.h5")
    model(tmp_path / "a.h5", one=0.2, two=0.9, three=0.9)
    (tmp_path / "b.h5").unlink()
    team.prune("a.h5")
    assert team.held == [("a.h5", "two"), ("c.h5", "one"), ("c.h5", "two")]
    assert team.new("a.h5") == ["three"]


def test_writing_anew_keeps_what_the_run_cannot_judge_and_nothing_else(team: Team, tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5", "c.h5"):
        model(tmp_path / name, one=0.9, two=0.9)
    team.accept("a.h5", "b.h5", "c.h5")
    team.accept("a.h5", rules=choose(RULES, ["DRP006"]))
    model(tmp_path / "a.h5", one=0.2, two=0.9, three=0.9)
    (tmp_path / "b.h5").unlink()
    team.accept("a.h5")
    drop_of_a = [("a.h5", "three"), ("a.h5", "two")]
    assert team.held == [*drop_of_a, ("a.h5", "dense_0"), ("a.h5", "dense_1"), ("c.h5", "one"), ("c.h5", "two")]


# What was renamed


def test_a_layer_that_has_another_name_is_seen_as_that(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9, other=0.8)
    team.accept("a.h5")
    model(tmp_path / "a.h5", uno=0.9, other=0.8)
    assert team.new("a.h5") == ["uno"]
    assert team.stale("a.h5") == {"one": "uno"}


def test_which_of_two_layers_has_which_new_name_is_not_guessed(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9, two=0.8)
    team.accept("a.h5")
    model(tmp_path / "a.h5", uno=0.9, due=0.8)
    assert team.stale("a.h5") == {"one": None, "two": None}
    model(tmp_path / "a.h5", uno=0.9, two=0.2)
    assert team.stale("a.h5") == {"one": None, "two": None}
    model(tmp_path / "a.h5", uno=0.9, due=0.8, two=0.8)
    assert team.stale("a.h5") == {"one": None}


def test_a_file_that_has_another_name_is_seen_as_that(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9, two=0.9)
    model(tmp_path / "b.h5", one=0.9)
    team.accept("a.h5", "b.h5")
    (tmp_path / "a.h5").rename(tmp_path / "c.h5")
    assert team.stale("b.h5", "c.h5") == {"one": "c.h5", "two": "c.h5"}


def test_a_folder_that_has_another_name_is_seen_as_that(team: Team, tmp_path: Path) -> None:
    for name in ("old/a.h5", "old/b.h5"):
        model(tmp_path / name, one=0.9)
    team.accept("old/a.h5", "old/b.h5")
    (tmp_path / "old").rename(tmp_path / "new")
    assert [(old.file, old.renamed) for old in stale(*team.compare("new/a.h5", "new/b.h5"))] == [
        ("old/a.h5", "new/a.h5"),
        ("old/b.h5", "new/b.h5"),
    ]


def test_a_file_that_is_still_there_was_not_renamed(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.9)
    team.accept("a.h5")
    model(tmp_path / "a.h5", one=0.2)
    model(tmp_path / "b.h5", one=0.9)
    assert team.stale("a.h5", "b.h5") == {"one": None}


def test_a_copy_that_was_accepted_itself_is_not_the_new_place_of_a_file_that_is_gone(
    team: Team, tmp_path: Path
) -> None:
    model(tmp_path / "a.h5", one=0.9)
    model(tmp_path / "b.h5", two=0.9)
    team.accept("a.h5", "b.h5")
    (tmp_path / "a.h5").unlink()
    model(tmp_path / "b.h5", two=0.9, one=0.9)
    assert team.stale("b.h5") == {"one": None}


# The file


def test_a_baseline_has_a_line_for_each_finding_in_the_order_of_files_rules_and_layers(
    team: Team, tmp_path: Path
) -> None:
    model(tmp_path / "b.h5", two=0.9, one=0.9)
    model(tmp_path / "sub" / "a.h5", one=0.9)
    both = choose(RULES, ["DRP003", "DRP006"])
    team.accept("sub/a.h5", "b.h5", rules=both)
    text = team.path.read_text()
    assert text.splitlines()[:3] == [
        "{",
        '  "schema": 1,',
        f'  "tool": {{"name": "archlint", "version": "{__version__}"}},',
    ]
    assert text.splitlines()[4] == (
        '    {"rule": "DRP003", "name": "dropout-rate", "file": "b.h5", "layer": "one", "count": 1},'
    )
    lines = [json.loads(line.strip().rstrip(",")) for line in text.splitlines()[4:-2]]
    assert lines == json.loads(text)["findings"]
    assert lines == sorted(lines, key=lambda line: (line["file"], line["rule"], line["layer"]))
    assert len(lines) == 6
    team.path.unlink()
    team.accept("b.h5", "sub/a.h5", rules=both)
    assert team.path.read_text() == text


def test_a_baseline_may_hold_nothing(team: Team, tmp_path: Path) -> None:
    model(tmp_path / "a.h5", one=0.2)
    team.accept("a.h5")
    assert read(team.path).entries == ()
    assert team.stale("a.h5") == {}


def test_names_that_are_no_text_can_be_held(team: Team, tmp_path: Path) -> None:
    name = "caf\udce9.h5"  # how Python names a file whose name is not UTF-8
    model(tmp_path / "a.h5", **{"층\x1b\u202e": 0.9}).rename(tmp_path / name)
    baseline = Baseline(team.path, ())
    place = baseline.place(str(tmp_path / name))
    checked = check(tmp_path / name, DROPOUT)
    team.path.write_text(written(renewed(baseline, Run([Judged(place, checked, DROPOUT, NO_EVIDENCE)])), __version__))
    assert team.path.read_text().isascii()
    assert hide(checked, read(team.path), place).findings == ()


CONFLICT = """\
{
  "schema": 1,
  "tool": {"name": "archlint", "version": "0.1"},
  "findings": [
<<<<<<< HEAD
    {"rule": "DRP003", "name": "dropout-rate", "file": "a.h5", "layer": "one", "count": 1}
=======
    {"rule": "DRP003", "name": "dropout-rate", "file": "a.h5", "layer": "two", "count": 1}
>>>>>>> branch
  ]
}
"""
LINE = '{"rule": "DRP003", "name": "dropout-rate", "file": "a.h5", "layer": "one", "count": 1}'


def holding(line: str) -> str:
    """A baseline of one line."""
    return '{"schema": 1, "findings": [' + line + "]}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no baseline"),
        ("\x00", "is no baseline"),
        ("[]", "is no baseline (Expected `object`, got `array`)"),
        ("[" * 100_000, "is no baseline"),
        ('{"schema": 1, "findings": ' + "[" * 100_000, "is no baseline"),
        ('{"schema": 1, "other": ' + "[" * 100_000, "is no baseline (it is nested too deeply)"),
        ('{"files": []}', "missing required field `schema`"),
        ('{"schema": "1", "findings": []}', "Expected `int`, got `str` - at `$.schema`"),
        ('{"schema": 1}', "missing required field `findings`"),
        ('{"schema": 2, "entries": []}', "has schema 2, this archlint reads 1; use the archlint that wrote it"),
        (holding(LINE.replace("1}", "0}")), "Expected `int` >= 1"),
        (holding(LINE.replace("1}", "1e99}")), "Expected `int`"),
        (holding(LINE.replace("DRP003", "no code")), "matching regex"),
        (holding(LINE.replace('"a.h5"', "null")), "Expected `str`, got `null`"),
        (holding(LINE)[:-2], "is no baseline (Input data was truncated)"),
        (CONFLICT, "has the marks of a merge conflict; `archlint baseline --prune -o"),
        ("\n\n{]", "is no baseline (JSON is malformed: object keys must be strings in line 3); mend it"),
        (CONFLICT.replace("\n", "\r\n"), "has the marks of a merge conflict; `archlint baseline --prune -o"),
    ],
)  # fmt: skip
def test_what_is_no_baseline_is_refused_with_the_reason(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "accepted.json"
    path.write_text(text, newline="")
    with pytest.raises(UsageError) as refused:
        read(path)
    assert told in str(refused.value)
    assert str(path) in str(refused.value)
    assert str(refused.value).count("\n") == 0


def test_a_baseline_that_is_no_text_or_no_file_or_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.json").write_bytes(holding(LINE).encode().replace(b"one", b"\xff"))
    with (tmp_path / "long.json").open("wb") as stream:
        stream.truncate(BASELINE_BYTES + 1)
    told = {
        "binary.json": "is no baseline",
        "long.json": "is longer than 32 MiB",
        ".": "is no file",
        "none.json": "there is no baseline .*; `archlint baseline PATH… -o .*none.json` writes it",
    }
    for name, why in told.items():
        with pytest.raises(UsageError, match=why):
            read(tmp_path / name)


def test_fields_that_a_later_archlint_may_add_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    path.write_text(holding(LINE.replace("1}", '1, "by": "kim"}')).replace("{", '{"since": "2.0", ', 1))
    assert [found.layer for found in read(path).entries] == ["one"]


@pytest.mark.parametrize(
    ("baseline", "file", "expected"),
    [
        ("accepted.json", "models/a.h5", "models/a.h5"),
        ("accepted.json", "./models/../a.h5", "a.h5"),
        ("ci/accepted.json", "models/a.h5", "../models/a.h5"),
        ("/somewhere/ci/accepted.json", "/somewhere/models/a.h5", "../models/a.h5"),
    ],
)
def test_files_are_named_from_the_folder_of_the_baseline(baseline: str, file: str, expected: str) -> None:
    assert Baseline(Path(baseline), ()).place(file) == expected


# The commands


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(archlint: Archlint, *arguments: object) -> Ran:
    return archlint("check", *arguments, "--select", "DRP003", "-f", "json")


def found(ran: Ran) -> list[tuple[str, str]]:
    """The files and layers of what is reported."""
    return [(file["path"], finding["layer"]) for file in ran.json["files"] for finding in file["findings"]]


def gone(ran: Ran) -> list[tuple[str, str, str | None]]:
    """The files, layers and new names of what is stale."""
    return [(entry["file"], entry["layer"], entry.get("renamed")) for entry in ran.json.get("stale", ())]


def lines(path: Path) -> list[tuple[str, str]]:
    """The files and layers that a baseline holds."""
    return [(held.file, str(held.layer)) for held in read(path).entries]


def test_a_team_accepts_what_there_is_and_cures_it_one_by_one(archlint: Archlint, here: Path) -> None:
    model(here / "models/a.h5", one=0.9, two=0.9)
    model(here / "models/sub/b.h5", one=0.9)
    assert checked(archlint, "models").code == 1

    written = archlint("baseline", "models", "--select", "DRP003")
    assert (written.code, written.err) == (0, "")
    assert written.out.splitlines() == [
        "archlint-baseline.json holds 3 findings of 2 files",
        'now add `baseline = "archlint-baseline.json"` to archlint.toml, '
        "or check with --baseline archlint-baseline.json",
    ]
    ran = checked(archlint, "models", "--baseline", "archlint-baseline.json")
    assert (ran.code, found(ran), ran.json["summary"]["suppressed"]) == (0, [], 3)

    model(here / "models/a.h5", one=0.2, two=0.9)
    ran = checked(archlint, "models", "--baseline", "archlint-baseline.json")
    assert (ran.code, found(ran), gone(ran)) == (2, [], [("models/a.h5", "one", None)])

    pruned = archlint("baseline", "models", "--prune")
    assert pruned.out.splitlines() == [
        "stale: DRP003 dropout-rate in models/a.h5, at one",
        "archlint-baseline.json holds 2 findings of 2 files; before, it held 3 findings of 2 files",
    ]
    assert checked(archlint, "models", "--baseline", "archlint-baseline.json").code == 0

    model(here / "models/sub/b.h5", one=0.9, new=0.9)
    ran = checked(archlint, "models", "--baseline", "archlint-baseline.json")
    assert (ran.code, found(ran)) == (1, [("models/sub/b.h5", "new")])


def test_a_stale_entry_is_told_with_the_command_that_prunes_it(archlint: Archlint, here: Path) -> None:
    model(here / "a.h5", one=0.9)
    archlint("baseline", "a.h5", "-o", "accepted.json")
    model(here / "a.h5", one=0.2)
    for format in ("full", "concise"):
        ran = archlint("check", "a.h5", "--baseline", "accepted.json", "-f", format)
        assert ran.code == 2
        assert "archlint baseline --prune" in ran.out
    assert archlint("baseline", "--prune", "-o", "accepted.json").code == 0
    assert archlint("check", "a.h5", "--baseline", "accepted.json").code == 0


def test_a_layer_that_is_cured_is_not_followed_to_another_that_fell_ill(archlint: Archlint, here: Path) -> None:
    model(here / "a.h5", one=0.9, two=0.2)
    archlint("baseline", "a.h5", "--select", "DRP003")
    model(here / "a.h5", one=0.2, two=0.9)
    assert gone(checked(archlint, "a.h5", "--baseline", "archlint-baseline.json")) == [("a.h5", "one", None)]
    archlint("baseline", "--prune")
    assert lines(here / "archlint-baseline.json") == []


def test_a_layer_with_another_name_is_followed(archlint: Archlint, here: Path) -> None:
    model(here / "a.h5", one=0.9)
    archlint("baseline", "a.h5", "--select", "DRP003")
    model(here / "a.h5", uno=0.9)
    ran = checked(archlint, "a.h5", "--baseline", "archlint-baseline.json")
    assert (ran.code, found(ran), gone(ran)) == (2, [("a.h5", "uno")], [("a.h5", "one", "uno")])
    pruned = archlint("baseline", "--prune")
    assert pruned.out.splitlines()[0] == "moved: DRP003 dropout-rate in a.h5, at one -> uno"
    assert lines(here / "archlint-baseline.json") == [("a.h5", "uno")]
    assert checked(archlint, "a.h5", "--baseline", "archlint-baseline.json").code == 0


def test_a_file_with_another_name_is_followed_and_nothing_else_is_accepted(archlint: Archlint, here: Path) -> None:
    model(here / "models/a.h5", one=0.9, two=0.9)
    archlint("baseline", "models", "--select", "DRP003")
    (here / "models").rename(here / "legacy")
    model(here / "legacy/a.h5", one=0.9, two=0.2, three=0.9)
    (here / "legacy/b.h5").write_text("version https://git-lfs.github.com/spec/v1\n")  # no matter of the baseline
    ran = checked(archlint, ".", "--baseline", "archlint-baseline.json")
    assert gone(ran) == [("models/a.h5", "one", "legacy/a.h5"), ("models/a.h5", "two", None)]
    pruned = archlint("baseline", "--prune")
    assert (pruned.code, pruned.err) == (0, "")
    assert pruned.out.splitlines() == [
        "moved: DRP003 dropout-rate in models/a.h5, at one -> legacy/a.h5",
        "stale: DRP003 dropout-rate in models/a.h5, at two: the file is gone",
        "archlint-baseline.json holds 1 finding of 1 file; before, it held 2 findings of 1 file",
    ]
    ran = checked(archlint, "legacy/a.h5", "--baseline", "archlint-baseline.json")
    assert (ran.code, found(ran)) == (1, [("legacy/a.h5", "three")])


def test_no_more_findings_are_accepted_where_they_moved_than_were(
    archlint: Archlint, here: Path, readers: tuple[Rule, ...]
) -> None:
    branched(here / "a.h5", 2)
    archlint("baseline", "a.h5", "--rules", ".", "--select", "ORG")
    branched(here / "a.h5", 3).rename(here / "b.h5")
    pruned = archlint("baseline", "--prune", "--rules", ".")
    assert pruned.out.startswith("moved: ORG001 wide-layer in a.h5, at drop (2 findings) -> b.h5\n")
    assert [(held.file, held.count) for held in read(here / "archlint-baseline.json").entries] == [("b.h5", 2)]
    ran = archlint("check", "b.h5", "--rules", ".", "--select", "ORG", "--baseline", "archlint-baseline.json")
    assert ran.code == 1


def test_findings_of_every_severity_are_accepted(archlint: Archlint, here: Path) -> None:
    (here / "a.keras").write_bytes((FIXTURES / "models/faulty.keras").read_bytes())
    assert archlint("baseline", "a.keras").code == 0
    ran = archlint("check", "a.keras", "--baseline", "archlint-baseline.json", "--fail-on", "advice", "-f", "json")
    assert (ran.code, found(ran)) == (0, [])
    assert {hidden["finding"]["severity"] for hidden in ran.json["files"][0]["suppressed"]} == {
        "error",
        "warning",
        "advice",
    }


def test_findings_in_an_onnx_file_are_accepted(archlint: Archlint, here: Path) -> None:
    (here / "a.onnx").write_bytes((FIXTURES / "exports/cnn.dynamo-train.onnx").read_bytes())
    before = archlint("check", "a.onnx", "-f", "json")
    assert found(before)
    assert archlint("baseline", "a.onnx").code == 0
    ran = archlint("check", "a.onnx", "--baseline", "archlint-baseline.json", "-f", "json")
    assert (ran.code, found(ran), gone(ran)) == (0, [], [])


def test_a_baseline_in_another_folder_holds_for_whoever_checks_from_anywhere(
    archlint: Archlint, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model(here / "models/a.h5", one=0.9)
    (here / "ci").mkdir()
    archlint("baseline", "models", "-o", "ci/accepted.json", "--select", "DRP003")
    assert lines(here / "ci/accepted.json") == [("../models/a.h5", "one")]
    assert checked(archlint, "models", "--baseline", "ci/accepted.json").code == 0
    monkeypatch.chdir(here / "models")
    assert checked(archlint, "a.h5", "--baseline", "../ci/accepted.json").code == 0
    assert checked(archlint, here / "models", "--baseline", here / "ci/accepted.json").code == 0


def test_the_configuration_names_the_baseline(archlint: Archlint, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "archlint.toml").write_text('baseline = "ci/accepted.json"\nselect = ["DRP003"]\n')
    model(here / "models/a.h5", one=0.9)
    (here / "ci").mkdir()
    monkeypatch.chdir(here / "models")
    assert archlint("baseline", "a.h5").code == 0
    assert archlint("check", "a.h5").code == 0
    model(here / "models/a.h5", one=0.2)
    assert archlint("check", "a.h5").code == 2
    monkeypatch.chdir(here)
    assert archlint("baseline", "--prune").code == 0
    assert lines(here / "ci/accepted.json") == []
    assert archlint("check", "models").code == 0


def test_files_with_different_baselines_are_not_written_into_one_unasked(archlint: Archlint, here: Path) -> None:
    for name in ("x", "y"):
        model(here / name / "a.h5", one=0.9)
        (here / name / "archlint.toml").write_text('baseline = "accepted.json"\nselect = ["DRP003"]\n')
    ran = archlint("baseline", "x", "y")
    assert (ran.code, ran.out) == (2, "")
    assert "these files have different baselines" in ran.err
    assert archlint("baseline", "x").code == archlint("baseline", "y").code == 0
    assert lines(here / "x/accepted.json") == [("a.h5", "one")]
    assert archlint("check", "x", "y").code == 0


def test_what_a_configuration_hides_is_not_accepted_as_well(archlint: Archlint, here: Path) -> None:
    model(here / "a.h5", one=0.9, two=0.9)
    entry = '[[ignore]]\nrule = "dropout-rate"\nlayer = "one"\nwhy = "a test of ours"\n'
    (here / "archlint.toml").write_text(entry)
    archlint("baseline", "a.h5", "--select", "DRP003")
    assert lines(here / "archlint-baseline.json") == [("a.h5", "two")]
    ran = checked(archlint, "a.h5", "--baseline", "archlint-baseline.json")
    assert [hidden["by"] for hidden in ran.json["files"][0]["suppressed"]] == ["ignore", "baseline"]
    assert (ran.code, gone(ran)) == (0, [])


def test_what_is_hidden_after_it_was_accepted_is_not_stale(archlint: Archlint, here: Path) -> None:
    model(here / "a.h5", one=0.9)
    archlint("baseline", "a.h5", "--select", "DRP003")
    (here / "archlint.toml").write_text('[[ignore]]\nrule = "dropout-rate"\nwhy = "a test of ours"\n')
    ran = checked(archlint, "a.h5", "--baseline", "archlint-baseline.json")
    assert (ran.code, gone(ran)) == (0, [])


def test_nothing_is_written_while_a_file_cannot_be_checked(archlint: Archlint, here: Path) -> None:
    model(here / "a.h5", one=0.9)
    (here / "b.h5").write_text("version https://git-lfs.github.com/spec/v1\n")
    ran = archlint("baseline", ".")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("archlint: b.h5: it is a Git LFS pointer, not the model itself")
    assert "archlint-baseline.json is not written" in ran.err
    assert not (here / "archlint-baseline.json").exists()
    archlint("baseline", "a.h5")
    before = (here / "archlint-baseline.json").read_bytes()
    model(here / "a.h5", one=0.2)
    assert archlint("baseline", ".", "--prune").code == 2
    assert (here / "archlint-baseline.json").read_bytes() == before


def test_nothing_is_written_over_a_file_that_is_no_baseline(archlint: Archlint, here: Path) -> None:
    model(here / "a.h5", one=0.9)
    (here / "package.json").write_text('{"name": "ours"}')
    for name in ("package.json", "a.h5", "b.h5", "."):
        ran = archlint("baseline", "a.h5", "-o", name)
        assert (ran.code, ran.out) == (2, "")
    assert (here / "package.json").read_text() == '{"name": "ours"}'
    assert not (here / "b.h5").exists()
    assert checked(archlint, "a.h5").code == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name the files or folders whose findings are accepted"),
        (["--prune"], "there is no baseline archlint-baseline.json"),
        (["a.h5", "--prune"], "there is no baseline archlint-baseline.json"),
        (["missing.h5"], "missing.h5: there is no such file"),
        (["a.h5", "--select", "nothing"], "no rule is selected by 'nothing'"),
        (["a.h5", "--exclude", "*.h5", "--force-exclude"], "every file that was named is excluded"),
        (["a.h5", "-o", "missing/accepted.json"], "missing/accepted.json cannot be written"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    archlint: Archlint, here: Path, arguments: Sequence[str], told: str
) -> None:
    model(here / "a.h5", one=0.9)
    ran = archlint("baseline", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_pruning_that_finds_nothing_stale_says_that_options_count(archlint: Archlint, here: Path) -> None:
    shutil.copy(FIXTURES / "exports" / "activations.keras.onnx", here / "m.onnx")
    entry = Entry(rule="ONX004", name="old-opset", file="m.onnx", layer=None, count=1)
    (here / "archlint-baseline.json").write_text(written([entry], __version__), "utf-8")
    checked = ("check", "m.onnx", "--baseline", "archlint-baseline.json", "--target", "tensorrt")
    assert archlint(*checked).code == 2
    assert "repeat its options (--target, --rules …)" in archlint("baseline", "--prune").out
    assert archlint("baseline", "--prune", "--target", "tensorrt").out.startswith("stale: ONX004 old-opset in m.onnx\n")
    assert archlint(*checked).code == 1


def test_a_model_that_was_accepted_and_deleted_can_be_pruned_without_naming_it(archlint: Archlint, here: Path) -> None:
    model(here / "models/a.h5", one=0.9)
    archlint("baseline", "models")
    (here / "models/a.h5").unlink()
    assert archlint("baseline", "--prune").code == 0
    assert lines(here / "archlint-baseline.json") == []


def test_a_run_over_one_file_says_nothing_of_the_others(archlint: Archlint, here: Path) -> None:
    for name in ("a.h5", "b.h5"):
        model(here / name, one=0.9)
    archlint("baseline", ".", "--select", "DRP003")
    model(here / "a.h5", one=0.2)
    assert checked(archlint, "b.h5", "--baseline", "archlint-baseline.json").code == 0
    archlint("baseline", "--prune", "b.h5")
    assert lines(here / "archlint-baseline.json") == [("a.h5", "one"), ("b.h5", "one")]
    archlint("baseline", "--prune")
    assert lines(here / "archlint-baseline.json") == [("b.h5", "one")]


def test_a_file_that_is_not_there_is_gone_only_where_the_run_would_have_met_it(archlint: Archlint, here: Path) -> None:
    for name in ("models/a.h5", "exports/b.h5", "exports/old/c.h5"):
        model(here / name, one=0.9)
    archlint("baseline", ".", "--select", "DRP003")
    (here / "models/a.h5").unlink()
    (here / "exports/old/c.h5").unlink()
    base = ("--baseline", "archlint-baseline.json")
    assert checked(archlint, "exports/b.h5", *base).code == 0
    assert checked(archlint, "exports", *base, "--exclude", "exports/old").code == 0
    assert gone(checked(archlint, "exports", *base)) == [("exports/old/c.h5", "one", None)]
    assert gone(checked(archlint, "models/a.h5", *base)) == [("models/a.h5", "one", None)]
    assert len(gone(checked(archlint, here, *base))) == 2
    told = archlint("check", "exports", *base, "-f", "concise").out
    assert "DRP003 dropout-rate in exports/old/c.h5, at one: the file is gone" in told

    archlint("baseline", "exports", "--select", "DRP003")
    assert lines(here / "archlint-baseline.json") == [("exports/b.h5", "one"), ("models/a.h5", "one")]
    archlint("baseline", "exports", "--prune")
    assert lines(here / "archlint-baseline.json") == [("exports/b.h5", "one"), ("models/a.h5", "one")]
    archlint("baseline", "--prune")
    assert lines(here / "archlint-baseline.json") == [("exports/b.h5", "one")]


def test_a_link_to_what_is_not_downloaded_is_no_file_that_is_gone(archlint: Archlint, here: Path) -> None:
    model(here / "a.h5", one=0.9)
    archlint("baseline", ".", "--select", "DRP003")
    (here / "a.h5").unlink()
    (here / "a.h5").symlink_to(".git/annex/objects/a.h5")
    model(here / "b.h5", one=0.2)
    assert gone(checked(archlint, ".", "--baseline", "archlint-baseline.json")) == []


def test_a_count_that_shrinks_is_told(archlint: Archlint, here: Path, readers: tuple[Rule, ...]) -> None:
    branched(here / "a.h5", 3)
    archlint("baseline", "a.h5", "--rules", ".", "--select", "ORG")
    branched(here / "a.h5", 1)
    assert archlint("baseline", "--prune", "--rules", ".").out.splitlines() == [
        "stale: ORG001 wide-layer in a.h5, at drop (2 findings)",
        "archlint-baseline.json holds 1 finding of 1 file; before, it held 3 findings of 1 file",
    ]


def test_entries_of_rules_that_are_gone_are_stale_and_those_of_a_pack_that_is_not_loaded_are_kept(
    archlint: Archlint, here: Path
) -> None:
    model(here / "a.h5", one=0.9)
    entries = [
        Entry(rule=rule, name="old-name", file=file, layer="one", count=1)
        for file in ("a.h5", "b.h5")
        for rule in ("DRP999", "ORG001")
    ]
    model(here / "b.h5", one=0.2)
    (here / "archlint-baseline.json").write_text(written(entries, __version__))
    ran = archlint("check", "a.h5", "--select", "LOS", "--baseline", "archlint-baseline.json", "-f", "concise")
    assert ran.code == 2
    assert ran.out.splitlines()[0].startswith(
        "archlint-baseline.json: error stale entry: DRP999 old-name in a.h5, at one: there is no such rule; run"
    )
    assert "ORG001" not in ran.out
    assert "b.h5" not in ran.out
    pruned = archlint("baseline", "--prune")
    assert pruned.out.splitlines() == [
        "stale: DRP999 old-name in a.h5, at one: there is no such rule",
        "stale: DRP999 old-name in b.h5, at one: there is no such rule",
        "archlint-baseline.json holds 2 findings of 2 files; before, it held 4 findings of 2 files",
        "kept: 2 findings of 2 files by rules ORG, of which none is loaded; "
        "name their pack with --rules, or delete the lines",
    ]


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("ancestor", ["", "||||||| base\n" + f"    {LINE}\n".replace("one", "old")], ids=["", "diff3"])
def test_of_a_conflict_both_sides_are_taken_and_what_is_gone_is_left_out(
    archlint: Archlint, here: Path, ancestor: str, ends: str
) -> None:
    model(here / "a.h5", one=0.9, two=0.2, old=0.9)
    base = here / "archlint-baseline.json"
    more = LINE.replace('"count": 1', '"count": 7')
    text = CONFLICT.replace("=======\n", f"{ancestor}=======\n    {more},\n")
    base.write_text(text.replace("\n", ends), newline="")
    refused = checked(archlint, "a.h5", "--baseline", base.name)
    assert refused.code == 2
    assert "merge conflict; `archlint baseline --prune -o archlint-baseline.json` takes what both sides" in refused.err
    pruned = archlint("baseline", "--prune", "-o", base.name)
    assert pruned.out.splitlines() == [
        "stale: DRP003 dropout-rate in a.h5, at one (6 findings)",
        "stale: DRP003 dropout-rate in a.h5, at two",
        "archlint-baseline.json holds 1 finding of 1 file; before, it held 8 findings of 1 file",
    ]
    assert [(held.layer, held.count) for held in read(base).entries] == [("one", 1)]


def test_a_conflict_in_a_baseline_of_another_shape_is_left_to_its_user(archlint: Archlint, here: Path) -> None:
    base = here / "archlint-baseline.json"
    text = CONFLICT.replace('{"rule": "DRP003",', '{"rule": "DRP003",\n', 1)
    base.write_text(text)
    ran = archlint("baseline", "--prune")
    assert (ran.code, ran.out, base.read_text()) == (2, "", text)
    assert "has the marks of a merge conflict, and line 6 is not as archlint writes it" in ran.err


def test_a_mark_of_byte_order_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    path.write_text(holding(LINE), "utf-8-sig")
    assert [held.layer for held in read(path).entries] == ["one"]


@pytest.mark.parametrize(
    ("file", "table", "told"),
    [
        ("archlint.toml", "", 'now add `baseline = "ci/ours.json"` to archlint.toml, or check with --baseline '),
        ("pyproject.toml", "[tool.archlint]\n", 'now add `baseline = "ci/ours.json"` to [tool.archlint] in pyproject'),
        ("archlint.toml", 'baseline = "ci/ours.json"\n', None),
    ],
)  # fmt: skip
def test_after_the_first_baseline_it_is_told_what_to_do_next(
    archlint: Archlint, here: Path, file: str, table: str, told: str | None
) -> None:
    model(here / "a.h5", one=0.9)
    (here / "ci").mkdir()
    (here / file).write_text(f'{table}select = ["DRP003"]\n')
    printed = archlint("baseline", "a.h5", "-o", "ci/ours.json").out.splitlines()
    assert printed[1:] == [] if told is None else printed[1].startswith(told)


def test_the_same_files_give_the_same_baseline_in_several_processes(archlint: Archlint, here: Path) -> None:
    for number in range(9):
        model(here / f"{number}.h5", one=0.9, two=0.9)
    archlint("baseline", ".", "-j", "2", "-o", "two.json")
    archlint("baseline", *reversed([f"{number}.h5" for number in range(9)]), "-j", "1", "-o", "one.json")
    assert (here / "one.json").read_bytes() == (here / "two.json").read_bytes()
