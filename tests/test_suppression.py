"""Entries of a configuration that hide findings, and those that have nothing left to hide."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from support import FIXTURES, PAGE, Archlint, Ran, entry, sequential, write_h5

from archlint.errors import UsageError
from archlint.evidence import Evidence, Reading
from archlint.judged import Judged
from archlint.pipeline import check
from archlint.reports.contract import Checked
from archlint.rules import Rule, choose, load
from archlint.suppression import Scope, Wish, suppress, unused, wishes
from archlint.targets import Target

RULES = load()
DROPS = choose(RULES, ["DRP003", "DRP006", "LOS001"])


class Ignore(NamedTuple):
    """An entry."""

    rule: str
    file: str = "*"
    layer: str = "*"
    why: str = "it is meant so"
    digest: str = "*"


def faulty(path: Path, *rates: float) -> Path:
    """A model with a dropout of each rate, named drop_0 and so on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drops = [entry("Dropout", name=f"drop_{number}", rate=rate) for number, rate in enumerate(rates)]
    hidden = [entry("Dense", name=f"dense_{number}", units=64, activation="relu") for number in range(len(rates))]
    layers = [layer for pair in zip(hidden, drops, strict=True) for layer in pair]
    first = entry("InputLayer", name="input", batch_input_shape=[None, 8])
    return write_h5(path, sequential(first, *layers, entry("Dense", name="last", units=2, activation="softmax")))


def about(*entries: Ignore, rules: Sequence[Rule] = RULES) -> tuple[Wish, ...]:
    return wishes(entries, rules, "archlint.toml")


def hidden(path: Path, *entries: Ignore, place: str = "model.h5") -> list[tuple[str, str | None, str | None]]:
    """What the entries hide of the rules about dropout: rule, layer and reason."""
    checked, _ = suppress(check(path, DROPS), about(*entries), place)
    assert all(found.by == "ignore" for found in checked.suppressed)
    return [(found.finding.code, found.finding.layer, found.why) for found in checked.suppressed]


# What is hidden


def test_an_entry_hides_the_findings_of_its_rule_and_gives_its_reason(tmp_path: Path) -> None:
    model = faulty(tmp_path / "model.h5", 0.9)
    (finding,) = check(model, choose(RULES, ["DRP003"])).findings
    checked, used = suppress(check(model, DROPS), about(Ignore("DRP003")), "model.h5")
    assert finding not in checked.findings
    assert [(found.finding, found.why) for found in checked.suppressed] == [(finding, "it is meant so")]
    assert [wish.entry.rule for wish in used] == ["DRP003"]


@pytest.mark.parametrize("selector", ["DRP003", "drp003", "dropout-rate", "DRP", "dropout-r*"])
def test_an_entry_names_rules_as_select_does(tmp_path: Path, selector: str) -> None:
    assert ("DRP003", "drop_0", "it is meant so") in hidden(faulty(tmp_path / "model.h5", 0.9), Ignore(selector))


def test_an_entry_that_names_no_rule_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(
        UsageError, match=r"archlint\.toml: in ignore, no rule is selected by 'dropout-rates'; did you mean"
    ):
        about(Ignore("dropout-rates", file="old/*.h5"))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [("*", ["drop_0", "drop_1"]), ("drop_1", ["drop_1"]), ("*_0", ["drop_0"]), ("drop", []), ("DROP_1", [])],
)
def test_an_entry_hides_what_is_found_in_its_layers(tmp_path: Path, layer: str, expected: list[str]) -> None:
    found = hidden(faulty(tmp_path / "model.h5", 0.9, 0.8), Ignore("DRP003", layer=layer))
    assert [name for _, name, _ in found] == expected


@pytest.mark.parametrize(("layer", "expected"), [("*", 1), ("**", 0), ("?*", 0)])
def test_a_finding_on_the_whole_model_is_hidden_by_the_star_alone(layer: str, expected: int) -> None:
    faults = check(Path(__file__).parents[1] / "fixtures/models/faulty.keras", choose(RULES, ["OPT002"]))
    assert [finding.layer for finding in faults.findings] == [None]
    checked, _ = suppress(faults, about(Ignore("OPT002", layer=layer)), "faulty.keras")
    assert len(checked.suppressed) == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [("*", 1), ("old/", 1), ("old/*.h5", 1), ("model.h5", 1), ("/model.h5", 0), ("new/", 0), ("/old/model.h5", 1)],
)
def test_an_entry_is_about_the_files_that_its_pattern_matches(tmp_path: Path, file: str, expected: int) -> None:
    model = faulty(tmp_path / "model.h5", 0.9)
    assert len(hidden(model, Ignore("DRP003", file=file), place="old/model.h5")) == expected


def test_of_several_entries_the_first_says_why_and_all_are_used(tmp_path: Path) -> None:
    model = check(faulty(tmp_path / "model.h5", 0.9), DROPS)
    known = about(Ignore("DRP003", why="first"), Ignore("dropout-rate", why="second"))
    checked, used = suppress(model, known, "model.h5")
    assert [found.why for found in checked.suppressed] == ["first"]
    assert used == {*known}


def test_a_file_that_could_not_be_checked_stays_what_it_is() -> None:
    failed = Checked.failed("model.h5", "there is no such file")
    assert suppress(failed, about(Ignore("DRP")), "model.h5") == (failed, frozenset())


# What is not used


class Run:
    """A run over files below a folder that a configuration governs."""

    def __init__(self, root: Path, *entries: Ignore) -> None:
        self.root = root
        self.wishes = about(*entries)
        self.rules: Sequence[Rule] = RULES
        self.evidence = Evidence()

    def unused(self, files: Iterable[str], folders: Iterable[str] = ()) -> list[str]:
        """The rules of the unused entries once these files were checked, found in these folders."""
        used: set[Wish] = set()
        judged = []
        for file in files:
            checked, by = suppress(check(self.root / file, self.rules, self.evidence), self.wishes, file)
            used |= by
            judged.append(Judged(file, checked, self.rules, self.evidence))
        scope = Scope("archlint.toml", self.root, [self.root / folder for folder in folders], self.models)
        found = unused(self.wishes, used, judged, scope)
        assert all((entry.config, entry.why) == ("archlint.toml", "it is meant so") for entry in found)
        return [entry.rule for entry in found]

    def models(self) -> list[str]:
        return [path.relative_to(self.root).as_posix() for path in self.root.rglob("*.h5")]


@pytest.mark.parametrize("file", ["*", "*.h5", "model.h5", "/model.h5"])
def test_an_entry_that_hides_nothing_is_unused(tmp_path: Path, file: str) -> None:
    faulty(tmp_path / "model.h5", 0.9)
    ran = Run(tmp_path, Ignore("DRP003", file=file), Ignore("LOS001", file=file))
    assert ran.unused(["model.h5"]) == ["LOS001"]


def test_an_entry_for_another_layer_is_unused(tmp_path: Path) -> None:
    faulty(tmp_path / "model.h5", 0.9)
    assert Run(tmp_path, Ignore("DRP003", layer="dropout")).unused(["model.h5"]) == ["DRP003"]


def test_an_entry_that_some_file_uses_is_used(tmp_path: Path) -> None:
    faulty(tmp_path / "faulty.h5", 0.9)
    faulty(tmp_path / "sound.h5", 0.2)
    assert Run(tmp_path, Ignore("DRP003")).unused(["faulty.h5", "sound.h5"]) == []


def test_an_entry_may_be_there_for_a_model_that_was_not_checked(tmp_path: Path) -> None:
    faulty(tmp_path / "faulty.h5", 0.9)
    faulty(tmp_path / "sound.h5", 0.2)
    ran = Run(tmp_path, Ignore("DRP003"), Ignore("DRP003", file="faulty.h5"), Ignore("LOS001", file="sound.h5"))
    assert ran.unused(["sound.h5"]) == ["LOS001"]


def test_an_entry_may_be_there_for_a_model_that_cannot_be_read(tmp_path: Path) -> None:
    faulty(tmp_path / "sound.h5", 0.2)
    (tmp_path / "pointer.h5").write_text("version https://git-lfs.github.com/spec/v1\n")
    ran = Run(tmp_path, Ignore("DRP003"), Ignore("DRP003", file="sound.h5"))
    assert ran.unused(["sound.h5", "pointer.h5"], folders=["."]) == ["DRP003"]


def test_an_entry_about_rules_that_did_not_all_run_is_not_unused(tmp_path: Path) -> None:
    faulty(tmp_path / "model.h5", 0.2)
    ran = Run(tmp_path, Ignore("LOS001"), Ignore("DRP"), Ignore("DRP003"))
    ran.rules = choose(RULES, ["DRP003"])
    assert ran.unused(["model.h5"]) == ["DRP003"]


def test_an_entry_about_a_rule_that_lacked_its_facts_is_not_unused(tmp_path: Path) -> None:
    faulty(tmp_path / "model.h5", 0.2)
    assert Run(tmp_path, Ignore("learning-rate")).unused(["model.h5"]) == []


def test_an_entry_about_weights_that_were_not_read_is_not_unused(tmp_path: Path) -> None:
    faulty(tmp_path / "model.h5", 0.2)
    ran = Run(tmp_path, Ignore("WGT"))
    ran.evidence = Evidence(weights=Reading.never)
    assert ran.unused(["model.h5"]) == []


@pytest.mark.parametrize(("target", "expected"), [(None, []), (Target.tensorrt, ["old-opset"])])
def test_an_entry_about_a_runtime_is_unused_only_where_one_was_named(
    tmp_path: Path, target: Target | None, expected: list[str]
) -> None:
    export = Path(__file__).parents[1] / "fixtures/exports/mlp.torch.onnx"
    (tmp_path / "model.onnx").write_bytes(export.read_bytes())
    ran = Run(tmp_path, Ignore("old-opset"))
    ran.evidence = Evidence(target=target)
    assert ran.unused(["model.onnx"]) == expected


def test_an_entry_about_a_rule_for_other_formats_is_unused(tmp_path: Path) -> None:
    export = Path(__file__).parents[1] / "fixtures/exports/mlp.torch.onnx"
    (tmp_path / "model.onnx").write_bytes(export.read_bytes())
    assert Run(tmp_path, Ignore("learning-rate")).unused(["model.onnx"]) == ["learning-rate"]


@pytest.mark.parametrize(
    ("file", "folder", "expected"),
    [
        ("gone.h5", ".", ["DRP003"]),
        ("gone.h5", "..", ["DRP003"]),
        ("gone.h5", "models", []),  # it may lie anywhere
        ("models/gone.h5", ".", ["DRP003"]),
        ("models/gone.h5", "models", ["DRP003"]),
        ("models/gone.h5", "other", []),
        ("models/old/*.h5", "models", ["DRP003"]),
        ("models/**/gone.h5", "models/old", []),
        ("models/old/", "models", ["DRP003"]),
        ("*/gone.h5", "models", []),
    ],
)
def test_an_entry_about_no_file_is_unused_where_its_folder_was_searched(
    tmp_path: Path, file: str, folder: str, expected: list[str]
) -> None:
    faulty(tmp_path / "models" / "model.h5", 0.2)
    ran = Run(tmp_path, Ignore("DRP003", file=file))
    assert ran.unused(["models/model.h5"], folders=[folder]) == expected


def test_an_entry_about_a_file_that_is_passed_over_in_folders_is_not_unused(tmp_path: Path) -> None:
    faulty(tmp_path / "model.h5", 0.2)
    faulty(tmp_path / "model.bin", 0.9)
    ran = Run(tmp_path, Ignore("DRP003", file="model.bin"))
    assert ran.unused(["model.h5"], folders=["."]) == []
    assert ran.unused(["model.bin"]) == []


def test_models_are_only_looked_for_where_an_entry_was_not_used(tmp_path: Path) -> None:
    def models() -> list[str]:
        raise AssertionError

    faulty(tmp_path / "model.h5", 0.9)
    known = about(Ignore("DRP003"))
    checked, used = suppress(check(tmp_path / "model.h5", RULES), known, "model.h5")
    judged = [Judged("model.h5", checked, RULES, Evidence())]
    assert unused(known, used, judged, Scope("archlint.toml", tmp_path, [], models)) == ()


# The command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(folder: Path, *entries: str, **settings: str) -> None:
    """A configuration with these entries of ignore, each the inside of a table."""
    head = "".join(f"{key} = {value}\n" for key, value in settings.items())
    tables = "".join(f'[[ignore]]\nwhy = "it is meant so"\n{inside}\n' for inside in entries)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "archlint.toml").write_text(head + tables)


def unused_in(ran: Ran) -> list[tuple[str, str, str, str]]:
    """The unused entries: configuration, rule, file and layer."""
    return [(entry["config"], entry["rule"], entry["file"], entry["layer"]) for entry in ran.json.get("unused", ())]


def test_what_a_configuration_hides_is_counted_and_its_reason_is_in_the_report(archlint: Archlint, here: Path) -> None:
    faulty(here / "models/a.h5", 0.9, 0.8)
    configured(here, 'rule = "dropout-rate"\nfile = "models/"\nlayer = "*_1"')
    ran = archlint("check", "models", "--select", "DRP003", "-f", "json")
    (file,) = ran.json["files"]
    assert (ran.code, [found["layer"] for found in file["findings"]]) == (1, ["drop_0"])
    assert [(found["finding"]["layer"], found["by"], found["why"]) for found in file["suppressed"]] == [
        ("drop_1", "ignore", "it is meant so")
    ]
    assert ran.json["summary"]["suppressed"] == 1
    assert unused_in(ran) == []


def test_an_unused_entry_is_told_and_fails_a_strict_run(archlint: Archlint, here: Path) -> None:
    faulty(here / "a.h5", 0.2)
    configured(here, 'rule = "dropout-rate"')
    ran = archlint("check", "a.h5", "--select", "DRP003", "-f", "json")
    assert (ran.code, unused_in(ran)) == (0, [("archlint.toml", "dropout-rate", "**", "*")])
    assert "dropout-rate" in archlint("check", "a.h5", "--select", "DRP003", "-f", "concise").out
    assert archlint("check", "a.h5", "--select", "DRP003", "--strict").code == 1
    assert archlint("check", "a.h5", "--select", "LOS001", "--strict").code == 0


def test_an_entry_is_about_the_files_below_its_configuration(
    archlint: Archlint, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("x", "y"):
        faulty(here / name / "a.h5", 0.9)
        configured(here / name, f'rule = "dropout-rate"\nfile = "/{name}/a.h5"', 'rule = "DRP003"\nfile = "/a.h5"')
    ran = archlint("check", "x", "y", "--select", "DRP003", "-f", "json")
    assert [len(file["suppressed"]) for file in ran.json["files"]] == [1, 1]
    assert unused_in(ran) == [
        ("x/archlint.toml", "dropout-rate", "/x/a.h5", "*"),
        ("y/archlint.toml", "dropout-rate", "/y/a.h5", "*"),
    ]
    monkeypatch.chdir(here / "x")
    assert archlint("check", "../y/a.h5", "--select", "DRP003").code == 0


def test_an_entry_may_be_there_for_a_model_that_another_run_checks(archlint: Archlint, here: Path) -> None:
    faulty(here / "models/a.h5", 0.9)
    faulty(here / "models/b.h5", 0.2)
    configured(here, 'rule = "dropout-rate"')
    assert archlint("check", "models/b.h5", "--strict", "--select", "DRP003").code == 0
    (here / "models/a.h5").unlink()
    assert archlint("check", "models/b.h5", "--strict", "--select", "DRP003").code == 1


def test_models_that_are_excluded_or_have_a_configuration_of_their_own_are_none_of_an_entry(
    archlint: Archlint, here: Path
) -> None:
    faulty(here / "a.h5", 0.2)
    faulty(here / "old/b.h5", 0.9)
    faulty(here / "other/c.h5", 0.9)
    configured(here / "other")
    configured(here, 'rule = "dropout-rate"', exclude='["old/"]')
    ran = archlint("check", "a.h5", "--select", "DRP003", "-f", "json")
    assert unused_in(ran) == [("archlint.toml", "dropout-rate", "**", "*")]


def test_an_entry_for_a_rule_that_there_is_not_ends_the_run(archlint: Archlint, here: Path) -> None:
    faulty(here / "a.h5", 0.2)
    configured(here, 'rule = "dropout-rates"')
    ran = archlint("check", "a.h5")
    assert (ran.code, ran.out) == (2, "")
    assert "archlint.toml" in ran.err
    assert "no rule is selected by 'dropout-rates'; did you mean dropout-rate" in ran.err


def test_an_entry_about_a_rule_that_training_data_may_silence_is_not_unused_with_data(
    archlint: Archlint, here: Path
) -> None:
    faulty(here / "a.h5", 0.2)
    np.savez(here / "train.npz", x=np.zeros((40, 8), "float32"), y=np.arange(40) % 2)
    configured(here, 'rule = "no-dropout-before-dense"')
    assert archlint("check", "a.h5", "--strict", "--select", "DRP").code == 1
    assert archlint("check", "a.h5", "--strict", "--select", "DRP", "--data", "train.npz").code == 0


def test_findings_of_a_rule_in_preview_are_hidden_once_it_runs(archlint: Archlint, here: Path) -> None:
    sql = "SELECT layer.name AS layer, layer.units AS units FROM layer WHERE layer.units > 50"
    message = '"{layer} has {units} units"'
    page = PAGE.format(code="ORG001", name="wide-layer", severity="warning", message=message, sql=sql)
    (here / "ORG001-wide-layer.md").write_text(page.replace("stage: stable", "stage: preview"))
    faulty(here / "a.h5", 0.2)
    configured(here, 'rule = "wide-layer"', rules='["ORG001-wide-layer.md"]')
    assert archlint("check", "a.h5", "--strict", "--ignore", "DRP,ACT,INI").code == 0
    ran = archlint("check", "a.h5", "--strict", "--preview", "--select", "ORG", "-f", "json")
    assert (ran.code, ran.json["summary"]["suppressed"]) == (0, 1)


def test_entries_that_come_from_a_base_are_not_said_to_be_unused(
    archlint: Archlint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    shutil.copy(FIXTURES / "models" / "clean_mlp.h5", tmp_path / "sub" / "clean.h5")
    (tmp_path / "archlint.toml").write_text('[[ignore]]\nrule = "LOS001"\nwhy = "for other files"\n', "utf-8")
    (tmp_path / "sub" / "archlint.toml").write_text('extend = "../archlint.toml"\n', "utf-8")
    assert "unused" not in archlint("check", "sub", "-f", "json").json
    assert "unused" in archlint("check", "sub", "--config", "archlint.toml", "-f", "json").json
