"""A check goes by the configuration that governs each file, and by the command line above it."""

import json
import shutil
from pathlib import Path

import pytest
from support import FIXTURES, PAGE, Archlint

FAULTY = FIXTURES / "models" / "faulty.h5"
CLEAN = FIXTURES / "models" / "clean_mlp.h5"
EXPORT = FIXTURES / "exports" / "activations.keras.onnx"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a faulty model at its top and one in a folder, and a sound one."""
    (tmp_path / "legacy").mkdir()
    shutil.copy(FAULTY, tmp_path / "new.h5")
    shutil.copy(FAULTY, tmp_path / "legacy" / "old.h5")
    shutil.copy(CLEAN, tmp_path / "clean.h5")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(folder: Path, text: str) -> None:
    (folder / "archlint.toml").write_text(text, encoding="utf-8")


def found(archlint: Archlint, *arguments: object) -> dict[str, set[str]]:
    """The codes found in each file."""
    report = archlint("check", *arguments, "-f", "json").json
    return {file["path"]: {finding["code"] for finding in file["findings"]} for file in report["files"]}


def test_each_file_is_judged_by_the_closest_configuration(archlint: Archlint, project: Path) -> None:
    configured(project, 'select = ["LOS"]')
    configured(project / "legacy", 'select = ["DRP003"]')
    assert found(archlint, "new.h5", "legacy") == {"new.h5": {"LOS001"}, "legacy/old.h5": {"DRP003"}}


def test_the_table_in_a_pyproject_is_a_configuration(archlint: Archlint, project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.archlint]\nselect = ["DRP"]\nignore = ["DRP003"]\n', "utf-8")
    assert found(archlint, "new.h5") == {"new.h5": {"DRP006"}}


def test_a_selection_on_the_command_line_takes_the_place_of_the_configured_one(
    archlint: Archlint, project: Path
) -> None:
    configured(project, 'select = ["LOS"]\nignore = ["DRP003"]')
    assert found(archlint, "new.h5", "--select", "DRP") == {"new.h5": {"DRP003", "DRP006"}}
    assert found(archlint, "new.h5", "--ignore", "LOS001") == {"new.h5": set()}


def test_no_configuration_is_looked_for_if_that_is_asked(archlint: Archlint, project: Path) -> None:
    configured(project, 'select = ["LOS"]')
    assert len(found(archlint, "new.h5", "--isolated")["new.h5"]) > 3


def test_a_named_configuration_governs_every_file(archlint: Archlint, project: Path) -> None:
    configured(project / "legacy", 'select = ["DRP003"]')
    (project / "strict.toml").write_text('select = ["LOS"]', "utf-8")
    shown = found(archlint, "new.h5", "legacy", "--config", "strict.toml")
    assert shown == {"new.h5": {"LOS001"}, "legacy/old.h5": {"LOS001"}}


def test_a_setting_on_the_command_line_stands_above_every_configuration(archlint: Archlint, project: Path) -> None:
    configured(project, 'fail-on = "never"')
    assert archlint("check", "new.h5").code == 0
    assert archlint("check", "new.h5", "--config", "fail-on=error").code == 1
    assert archlint("check", "new.h5", "--fail-on", "error").code == 1


def test_each_file_fails_by_its_own_configuration(archlint: Archlint, project: Path) -> None:
    configured(project, 'fail-on = "advice"\nselect = ["LOS001"]')
    configured(project / "legacy", 'fail-on = "never"')
    assert archlint("check", "legacy").code == 0
    assert archlint("check", ".").code == 1


def test_rules_are_kept_from_some_files(archlint: Archlint, project: Path) -> None:
    configured(project, 'select = ["LOS", "DRP003"]\n[per-file-ignores]\n"legacy/" = ["LOS"]')
    assert found(archlint, "new.h5", "legacy") == {"new.h5": {"LOS001", "DRP003"}, "legacy/old.h5": {"DRP003"}}


def test_a_severity_of_the_users_decides_whether_the_run_fails(archlint: Archlint, project: Path) -> None:
    configured(project, 'select = ["NRM001"]\nfail-on = "error"')
    assert archlint("check", "new.h5").code == 0
    ran = archlint("check", "new.h5", "--config", "severity.bias-before-norm=error", "-f", "json")
    assert ran.code == 1
    assert {finding["severity"] for finding in ran.json["files"][0]["findings"]} == {"error"}


def test_an_option_of_a_rule_is_what_its_query_goes_by(archlint: Archlint, project: Path) -> None:
    configured(project, 'select = ["dropout-rate"]')
    assert found(archlint, "new.h5") == {"new.h5": {"DRP003"}}
    configured(project, 'select = ["dropout-rate"]\noptions.dropout-rate.max-rate = 0.95')
    assert found(archlint, "new.h5") == {"new.h5": set()}


def test_pages_of_the_project_are_rules(archlint: Archlint, project: Path) -> None:
    (project / "lint").mkdir()
    page = PAGE.format(
        code="ORG001",
        name="wide-layer",
        severity="warning",
        message='"{layer} has {units} units"',
        sql="SELECT name AS layer, units FROM layer WHERE units > 1000",
    )
    (project / "lint" / "ORG001-wide-layer.md").write_text(page, "utf-8")
    configured(project, 'rules = ["lint"]\nselect = ["ORG"]')
    assert archlint("check", "legacy", "-f", "json").json["summary"]["rules"] == 1
    (project / "lint" / "ORG001-wide-layer.md").write_text(page.replace("stable", "preview"), "utf-8")
    assert "only rules in preview" in archlint("check", "legacy").err
    assert archlint("check", "legacy", "--preview", "-f", "json").json["summary"]["rules"] == 1


def test_the_runtime_may_be_configured(archlint: Archlint, project: Path) -> None:
    configured(project, 'target = "tensorrt"')
    (project / "copy.onnx").write_bytes(EXPORT.read_bytes())
    configured_run = archlint("check", "copy.onnx", "-f", "json").json["files"][0]
    assert (
        configured_run
        == archlint("check", "copy.onnx", "--isolated", "--target", "tensorrt", "-f", "json").json["files"][0]
    )
    assert configured_run != archlint("check", "copy.onnx", "--isolated", "-f", "json").json["files"][0]


def test_no_more_weights_are_read_than_the_budget_allows(archlint: Archlint, project: Path) -> None:
    configured(project, "weights-budget = 0")
    lacking = archlint("check", "new.h5", "-v").out
    assert "beyond the 0 MiB that are read by default" in " ".join(lacking.split())
    assert "beyond the" not in archlint("check", "new.h5", "-v", "--weights", "always").out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('select = ["NOPE"]', "archlint.toml: select: no rule is selected by 'NOPE'"),
        ("options.dropout-rate.rate = 1", "archlint.toml: DRP003 dropout-rate has no option 'rate'"),
        ('severity.NOPE = "error"', "archlint.toml: severity: no rule is selected by 'NOPE'"),
        (
            '[[ignore]]\nrule = "NOPE"\nwhy = "x"',
            "archlint.toml: in ignore, no rule is selected by 'NOPE'",
        ),
        ('rules = ["nowhere"]', "nowhere does not exist"),
        ('baseline = "nowhere.json"', "there is no baseline nowhere.json"),
        ("selct = []", "did you mean select"),
    ],
)
def test_a_fault_in_a_configuration_is_one_sentence_that_names_it(
    archlint: Archlint, project: Path, text: str, said: str
) -> None:
    configured(project, text)
    ran = archlint("check", "new.h5")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_fault_on_the_command_line_is_not_blamed_on_the_configuration(archlint: Archlint, project: Path) -> None:
    configured(project, 'select = ["LOS"]')
    assert archlint("check", "new.h5", "--ignore", "NOPE").err.startswith("archlint: no rule is selected by 'NOPE'")


class TestExclusion:
    def test_a_search_passes_over_what_is_excluded(self, archlint: Archlint, project: Path) -> None:
        configured(project, 'exclude = ["legacy/"]')
        assert archlint("check", ".", "--show-files").out.splitlines() == ["clean.h5", "new.h5"]
        assert archlint("check", ".", "--exclude", "clean*", "--show-files").out.splitlines() == ["new.h5"]

    def test_a_file_that_is_named_is_checked_unless_exclusion_is_forced(
        self, archlint: Archlint, project: Path
    ) -> None:
        configured(project, 'exclude = ["legacy/"]')
        assert archlint("check", "legacy/old.h5").code == 1
        ran = archlint("check", "legacy/old.h5", "--force-exclude")
        assert (ran.code, ran.out) == (0, "")
        assert "excluded, so nothing was checked" in ran.err

    @pytest.mark.parametrize("above", ['exclude = ["legacy/"]\nforce-exclude = true', "no-setting = 1"])
    def test_what_stands_above_a_folder_has_no_say_in_it(
        self, archlint: Archlint, project: Path, monkeypatch: pytest.MonkeyPatch, above: str
    ) -> None:
        configured(project, above)
        configured(project / "legacy", 'exclude = ["*.keras"]')
        assert archlint("check", "legacy", "--show-files").out == "legacy/old.h5\n"
        monkeypatch.chdir(project / "legacy")
        assert archlint("check", ".", "--show-files").out == "old.h5\n"

    def test_a_pattern_for_everything_is_not_about_the_folder_of_the_configuration(
        self, archlint: Archlint, project: Path
    ) -> None:
        configured(project, 'exclude = ["*", "!new.h5"]\nforce-exclude = true')
        assert archlint("check", ".", "--show-files").out == "new.h5\n"

    def test_every_format_bears_a_run_without_files(self, archlint: Archlint, project: Path) -> None:
        configured(project, 'exclude = ["*.h5"]\nforce-exclude = true')
        for name in ("full", "concise", "json", "json-lines", "sarif", "github", "gitlab", "junit", "markdown", "html"):
            assert archlint("check", "new.h5", "-f", name).code == 0


class TestSettingsShown:
    def test_they_are_a_configuration_that_does_the_same(self, archlint: Archlint, project: Path) -> None:
        configured(
            project,
            'select = ["LOS", "DRP"]\nseverity.DRP = "error"\n[[ignore]]\nrule = "DRP006"\nwhy = "a \\"joke\\""',
        )
        shown = archlint("check", "new.h5", "--show-settings").out
        before = archlint("check", "new.h5", "-f", "json").out
        configured(project, shown)
        assert archlint("check", "new.h5", "-f", "json").out == before

    def test_each_configuration_is_shown_once(self, archlint: Archlint, project: Path) -> None:
        configured(project, 'fail-on = "error"')
        configured(project / "legacy", 'fail-on = "never"')
        shown = archlint("check", ".", "--show-settings").out
        assert shown.count('# from "archlint.toml"') == 1
        assert shown.count('# from "legacy/archlint.toml"') == 1


class TestFormats:
    def test_one_run_writes_several(self, archlint: Archlint, project: Path) -> None:
        ran = archlint("check", "new.h5", "-f", "sarif=out.sarif", "-f", "json=out.json", "-f", "concise")
        assert ran.out.startswith("new.h5: dense_2: error LOS001")
        assert json.loads((project / "out.sarif").read_text("utf-8"))["version"] == "2.1.0"
        assert json.loads((project / "out.json").read_text("utf-8"))["summary"]["files"] == 1

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["-f", "toml"], "there is no format 'toml'; there are full, concise"),
            (["-f", "json", "-f", "full"], "json and full cannot share the terminal"),
            (["-f", "json="], "names no file"),
            (["-f", "json=x", "-f", "sarif=x"], "two reports go to the same file"),
            (["-f", "json=x", "-f", "sarif=legacy/../x"], "two reports go to the same file"),
            (["-f", "json=x", "-o", "y"], "--output-file goes with one format"),
            (["-f", "json=new.h5"], "has the name of a model"),
            (["-f", "json=no/x"], "no/x cannot be written"),
        ],
    )
    def test_reports_that_cannot_go_where_they_should_are_refused(
        self, archlint: Archlint, project: Path, arguments: list[str], said: str
    ) -> None:
        before = (project / "new.h5").read_bytes()
        ran = archlint("check", "new.h5", *arguments)
        assert ran.code == 2
        assert said in ran.err
        assert (project / "new.h5").read_bytes() == before

    @pytest.mark.usefixtures("project")
    def test_annotations_and_text_share_a_log(self, archlint: Archlint) -> None:
        out = archlint("check", "new.h5", "-f", "github", "-f", "concise").out
        assert "::error file=new.h5" in out
        assert "new.h5: dense_2: error LOS001" in out


def test_entries_that_hide_nothing_fail_a_strict_run(archlint: Archlint, project: Path) -> None:
    configured(project, '[[ignore]]\nrule = "LOS001"\nwhy = "long cured"')
    assert (archlint("check", "clean.h5").code, archlint("check", ".", "--fail-on", "never").code) == (0, 1 - 1)
    (project / "new.h5").unlink()
    (project / "legacy" / "old.h5").unlink()
    ran = archlint("check", ".")
    assert ran.code == 0
    assert "LOS001" in ran.out
    assert archlint("check", ".", "--strict").code == 1


def test_several_processes_report_what_one_does(archlint: Archlint, project: Path) -> None:
    (project / "broken.h5").write_bytes(b"none")
    one, many = (archlint("check", ".", "-j", jobs, "-f", "json") for jobs in (1, 3))
    assert (one.code, many.code) == (2, 2)
    assert one.out == many.out


def test_a_folder_without_models_among_others_is_no_pass(archlint: Archlint, project: Path) -> None:
    (project / "empty").mkdir()
    for nothing in ("empty", "models/*.xyz"):
        ran = archlint("check", "clean.h5", nothing, "-f", "json")
        assert ran.code == 2
        assert [(file["path"], file["status"]) for file in ran.json["files"]] == [
            ("clean.h5", "checked"),
            (nothing, "failed"),
        ]


def test_a_folder_in_which_all_is_excluded_is_passed_over(archlint: Archlint, project: Path) -> None:
    configured(project, 'exclude = ["legacy/*"]')
    assert archlint("check", "clean.h5", "legacy").code == 0


@pytest.mark.parametrize("options", [["--ignore", "*"], ["--select", "LOS", "--ignore", "LOS"], ["--select", ""]])
def test_a_check_without_rules_is_refused(archlint: Archlint, project: Path, options: list[str]) -> None:
    ran = archlint("check", "new.h5", *options)
    assert (ran.code, ran.out) == (2, "")
    assert "no rule is left" in ran.err or "names rules is empty" in ran.err


def test_the_hint_of_a_finding_leads_to_the_page_of_a_project_s_own_rule(archlint: Archlint, project: Path) -> None:
    page = PAGE.format(
        code="ORG001", name="wide-layer", severity="warning", message="wide", sql="SELECT name AS layer FROM layer"
    )
    (project / "lint").mkdir()
    (project / "lint" / "ORG001-wide-layer.md").write_text(page, "utf-8")
    configured(project, 'rules = ["lint"]')
    assert "more  archlint rule wide-layer" in archlint("check", "new.h5").out
    assert archlint("rule", "wide-layer").out.startswith("# Wide layers")
    assert "ORG001" in archlint("rules").out
