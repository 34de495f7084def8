"""The commands, as people run them."""

import csv
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from support import PAGE, Archlint, Ran, entry, sequential, write_h5

from archlint import __version__, cli
from archlint.facts import schema
from archlint.rules.rule import SEVERITIES

ROOT = Path(__file__).parents[1]
MODELS = Path("fixtures/models")
FAULTY, CLEAN, ADVISED = MODELS / "faulty.keras", MODELS / "clean_mlp.keras", MODELS / "clipvalue_mlp.keras"
EXPORT = Path("fixtures/exports/mlp.torch.onnx")
ONNX = Path("fixtures/exports/cnn.torch.onnx")
UNCOMPILED = MODELS / "leaky_relu.keras"
RESNET = Path("fixtures/applications/ResNet50.keras")
ESCAPE = "\x1b["
COMMANDS = typer.main.get_group(cli.app).commands

OWN_PAGE = PAGE.format(
    code="ORG001",
    name="wide-layer",
    severity="warning",
    message='"{layer} has {units} units"',
    sql="SELECT layer.name AS layer, layer.units AS units FROM layer WHERE layer.units > 50",
)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """At the root of the repository, with a cache of our own and no wishes for colour or width."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)


def process(*arguments: object, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process of its own."""
    command = [sys.executable, "-m", "archlint", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, **settings)


def sentence(ran: Ran) -> str:
    """The one sentence that a command failed with."""
    assert (ran.code, ran.out) == (2, "")
    head, text = ran.err.split(": ", 1)
    assert (head, text.count("\n")) == ("archlint", 1)
    return text.rstrip("\n")


def codes(ran: Ran) -> list[str]:
    """The codes of all findings in a JSON report, each once."""
    return list(dict.fromkeys(finding["code"] for file in ran.json["files"] for finding in file["findings"]))


# Which files are checked


def paths(ran: Ran) -> list[str]:
    return [file["path"] for file in ran.json["files"]]


def test_a_file_is_checked(archlint: Archlint) -> None:
    assert paths(archlint("check", FAULTY, "-f", "json")) == [str(FAULTY)]


def test_a_folder_is_searched_for_models_in_alphabetical_order(archlint: Archlint, tmp_path: Path) -> None:
    for name in ("b/2.h5", "b/1.HDF5", "a.h5", "c.onnx", "notes.txt", ".hidden/c.h5", "venv/d.h5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(MODELS / "clean_mlp.h5", tmp_path / name)
    expected = [str(tmp_path / name) for name in ("a.h5", "c.onnx", "b/1.HDF5", "b/2.h5")]
    assert paths(archlint("check", tmp_path, "-f", "json")) == expected


def test_a_glob_that_the_shell_left_alone_is_expanded(archlint: Archlint) -> None:
    expected = [str(MODELS / f"clean_mlp{suffix}") for suffix in (".h5", ".keras", ".tfkeras.h5", ".tfkeras.keras")]
    assert paths(archlint("check", MODELS / "clean_mlp*", "-f", "json")) == expected
    assert paths(archlint("check", "fixtures/**/clean_mlp.*", "-f", "json")) == expected


def test_files_folders_and_globs_make_one_report_with_each_file_once(archlint: Archlint) -> None:
    mixed = (FAULTY, MODELS / "faulty*", ROOT / FAULTY, MODELS)
    found = paths(archlint("check", *mixed, "-f", "json"))
    assert found[:4] == [str(MODELS / f"faulty{end}") for end in (".keras", ".h5", ".tfkeras.h5", ".tfkeras.keras")]
    assert len(found) == len(set(found)) == len([*MODELS.glob("*.h5"), *MODELS.glob("*.keras")])


def test_a_named_file_is_tried_whatever_its_ending(archlint: Archlint, tmp_path: Path) -> None:
    copy = tmp_path / "model.bin"
    shutil.copy(FAULTY, copy)
    assert paths(archlint("check", copy, "-f", "json")) == [str(copy)]


@pytest.mark.parametrize("given", ["rules", "nothing*.h5", ""])
def test_where_there_is_no_model_one_sentence_says_so(archlint: Archlint, given: str) -> None:
    assert "give a file, a folder or a glob" in sentence(archlint("check", given))


@pytest.mark.parametrize("format", ["full", "concise", "json", "json-lines"])
def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_being_checked(
    archlint: Archlint, format: str
) -> None:
    ran = archlint("check", CLEAN, "missing.h5", FAULTY, "-f", format)
    assert ran.code == 2
    assert "there is no such file; check the path" in ran.out
    assert "LOS001" in ran.out


def test_a_file_that_cannot_be_read_is_in_the_statistics(archlint: Archlint) -> None:
    ran = archlint("check", "missing.h5", FAULTY, "--statistics")
    assert (ran.code, "there is no such file" in ran.out, "LOS001" in ran.out) == (2, True, True)


# Which rules run


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--select", "LOS001"], {"LOS001"}),
        (["--select", "los001"], {"LOS001"}),
        (["--select", "softmax-one-unit"], {"LOS001"}),
        (["--select", "DRP"], {"DRP003", "DRP006"}),
        (["--select", "*-norm"], {"NRM001"}),
        (["--select", "LOS001, OPT002,,dropout-*"], {"LOS001", "OPT002", "DRP003", "DRP006"}),
        (["--select", "LOS001", "--select", "OPT002"], {"LOS001", "OPT002"}),
        (["--select", "LOS,DRP", "--ignore", "dropout-rate"], {"LOS001", "DRP006"}),
        (["--ignore", "LOS,DRP,OPT,NRM"], {"ACT006"}),
    ],
)
def test_rules_are_chosen_by_code_name_beginning_or_glob(
    archlint: Archlint, options: list[str], expected: set[str]
) -> None:
    assert set(codes(archlint("check", FAULTY, "-f", "json", *options))) == expected


@pytest.mark.parametrize(
    ("option", "word", "meant"),
    [("--select", "softmax-one-unti", "softmax-one-unit"), ("--ignore", "DPR003", "DRP003")],
)
def test_a_misspelt_rule_is_an_error_that_suggests_the_right_one(
    archlint: Archlint, option: str, word: str, meant: str
) -> None:
    said = sentence(archlint("check", FAULTY, option, word))
    assert said.startswith(f"no rule is selected by '{word}'; did you mean ")
    assert meant in said


# For which runtime

FOR_TENSORRT = (
    ("WHERE layer.units > 50", "WHERE layer.units > 50 AND EXISTS (SELECT 1 FROM model WHERE target = 'tensorrt')"),
)


@pytest.mark.parametrize(
    ("options", "expected"), [((), []), (("--target", "tensorrt"), ["ORG001"]), (("--target", "nnapi"), [])]
)
def test_a_rule_about_a_runtime_speaks_only_when_it_is_named(
    archlint: Archlint, tmp_path: Path, options: tuple[str, ...], expected: list[str]
) -> None:
    own = page(tmp_path, *FOR_TENSORRT)
    ran = archlint("check", MODELS / "imdb_small.keras", "--rules", own, "--select", "ORG", "-f", "json", *options)
    assert codes(ran) == expected
    assert ran.json["files"][0]["not_checked"] == []


def test_the_runtime_is_a_fact(archlint: Archlint) -> None:
    asked = ("query", FAULTY, "SELECT target FROM model", "-f", "json")
    assert [archlint(*asked, *options).json for options in ((), ("--target", "coreml"))] == [
        [{"target": None}],
        [{"target": "coreml"}],
    ]
    assert archlint("facts", FAULTY, "--target", "onnxruntime").json["model"][0]["target"] == "onnxruntime"


def test_a_runtime_that_is_unknown_is_refused_with_those_there_are(archlint: Archlint) -> None:
    ran = archlint("check", FAULTY, "--target", "tensort")
    assert ran.code == 2
    assert all(target in ran.err for target in ("onnxruntime", "tensorrt", "coreml", "nnapi"))


# Exit codes


@pytest.mark.parametrize("fail_on", ["error", "warning", "advice", "never"])
@pytest.mark.parametrize(
    ("severity", "arguments"),
    [
        ("error", [FAULTY]),
        ("warning", [FAULTY, "--select", "ACT006"]),
        ("advice", [ADVISED]),
        (None, [CLEAN]),
    ],
)
def test_findings_fail_the_run_from_the_chosen_severity_on(
    archlint: Archlint, severity: str | None, arguments: list[object], fail_on: str
) -> None:
    gravest_first = ["error", "warning", "advice", None]
    fails = fail_on != "never" and gravest_first.index(severity) <= gravest_first.index(fail_on)
    assert archlint("check", *arguments, "--fail-on", fail_on).code == fails


def test_warnings_fail_the_run_by_default_and_advice_does_not(archlint: Archlint) -> None:
    assert archlint("check", FAULTY, "--select", "ACT006").code == 1
    assert archlint("check", ADVISED).code == 0


def test_findings_can_be_forgiven_but_not_a_file_that_cannot_be_read(archlint: Archlint) -> None:
    assert archlint("check", FAULTY, "--exit-zero").code == 0
    assert archlint("check", FAULTY, "missing.h5", "--exit-zero").code == 2
    assert archlint("check", FAULTY, "missing.h5", "--fail-on", "never").code == 2


@pytest.mark.parametrize(
    "options", [["--statistics"], ["-q"], ["-v"], ["-f", "concise"], ["-f", "json"], ["-f", "json-lines"]]
)
@pytest.mark.parametrize(("files", "code"), [((CLEAN,), 0), ((FAULTY,), 1), ((FAULTY, "missing.h5"), 2)])
def test_how_it_is_reported_never_changes_the_exit_code(
    archlint: Archlint, files: tuple[object, ...], code: int, options: list[str]
) -> None:
    assert archlint("check", *files, *options).code == code


# How it is reported


def test_the_full_report_shows_what_where_why_and_what_to_change(archlint: Archlint) -> None:
    ran = archlint("check", FAULTY)
    block = """\
  error  softmax-one-unit  LOS001
         at    dense_2
               dense_2 takes a softmax over 1 unit: its value is 1 for every input
         fix   use a sigmoid in dense_2, or give it one unit per class
               layers.Dense(1, activation="sigmoid")
         more  archlint rule softmax-one-unit
"""
    assert block in ran.out
    assert ran.out.startswith(f"{FAULTY}  keras ")
    assert re.fullmatch(
        r"1 file checked with \d+ of \d+ rules: 1 error, 3 warnings, 3 advice", ran.out.splitlines()[-1]
    )


def test_a_clean_model_is_reported_in_one_line(archlint: Archlint) -> None:
    assert re.fullmatch(r"1 file checked with \d+ of \d+ rules: nothing found\n", archlint("check", CLEAN).out)


def test_only_the_rules_that_could_judge_a_file_are_counted(archlint: Archlint) -> None:
    both = archlint("check", CLEAN, EXPORT, "-f", "json").json
    keras, onnx = (file["rules"] for file in both["files"])
    assert 0 < onnx < keras < both["summary"]["rules"]
    assert f"checked with up to {keras} of {both['summary']['rules']} rules" in archlint("check", CLEAN, EXPORT).out
    assert "checked with 1 rule:" in archlint("check", CLEAN, EXPORT, "--select", "ACT006").out


def test_nodes_that_were_not_understood_are_counted_in_the_report(archlint: Archlint) -> None:
    ran = archlint("check", "fixtures/exports/gru.keras.onnx")
    assert "not understood: 64 nodes of 99" in ran.out
    assert "not understood" not in archlint("check", EXPORT).out


def test_a_line_of_keras_code_is_only_shown_for_models_made_in_keras(archlint: Archlint) -> None:
    fixes = {
        export: archlint("check", f"fixtures/exports/norms.{export}.onnx", "--select", "NRM001", "-f", "json").json
        for export in ("torch", "tf2onnx")
    }
    found = {export: report["files"][0]["findings"][0]["fix"] for export, report in fixes.items()}
    assert found["torch"] is None
    assert "use_bias=False" in found["tf2onnx"]


def test_many_findings_of_one_rule_are_one_block_that_json_has_whole(archlint: Archlint) -> None:
    assert (
        "at    53 layers: conv1_conv, conv2_block1_1_conv, conv2_block1_0_conv, … +50\n"
        in archlint("check", RESNET).out
    )
    (file,) = archlint("check", RESNET, "-f", "json").json["files"]
    names = [finding["layer"] for finding in file["findings"] if finding["code"] == "NRM001"]
    assert len(set(names)) == 53
    verbose = " ".join(archlint("check", RESNET, "-v").out.split())
    assert "53 layers: " + ", ".join(names) in verbose


def test_the_summary_says_what_was_not_checked_and_why(archlint: Archlint) -> None:
    brief, verbose = archlint("check", UNCOMPILED).out, archlint("check", UNCOMPILED, "-v").out
    assert "not checked: " in brief
    assert "no training configuration" in " ".join(brief.split())
    assert ("LOS010" in brief, "LOS010" in verbose) == (False, True)
    assert "needs " in verbose
    assert "output.loss" in verbose


def test_a_quiet_report_holds_findings_only(archlint: Archlint) -> None:
    assert archlint("check", CLEAN, UNCOMPILED, "-q").out == ""
    out = archlint("check", FAULTY, "-q").out
    assert "softmax-one-unit" in out
    assert "checked with" not in out


def test_statistics_count_findings_per_rule(archlint: Archlint) -> None:
    first, *others = archlint("check", FAULTY, RESNET, "--statistics").out.splitlines()
    assert first.split() == ["55", "advice", "NRM001", "bias-before-norm"]
    assert ["1", "error", "LOS001", "softmax-one-unit"] in [line.split() for line in others]


def test_the_concise_report_has_a_line_for_each_finding_and_each_failure(archlint: Archlint) -> None:
    lines = archlint("check", FAULTY, CLEAN, "missing.h5", "-f", "concise").out.splitlines()
    assert len(lines) == 8
    assert lines[0].startswith(f"{FAULTY}: dense_2: error LOS001 softmax-one-unit: dense_2 takes a softmax over 1 unit")
    assert lines[-1] == "missing.h5: failed: there is no such file; check the path"


def test_a_report_can_be_written_to_a_file(archlint: Archlint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    ran = archlint("check", FAULTY, "-o", tmp_path / "report.txt")
    text = (tmp_path / "report.txt").read_text("utf-8")
    assert (ran.code, ran.out, "softmax-one-unit" in text, ESCAPE in text) == (1, "", True, False)


def test_a_report_that_cannot_be_written_is_one_sentence(archlint: Archlint, tmp_path: Path) -> None:
    assert "cannot be written" in sentence(archlint("check", FAULTY, "-o", tmp_path / "no" / "report.txt"))


@pytest.mark.parametrize("name", ["model.h5", "model.onnx"])
def test_a_report_never_overwrites_a_model(archlint: Archlint, tmp_path: Path, name: str) -> None:
    model = tmp_path / name
    shutil.copy(MODELS / "clean_mlp.h5", model)
    before = model.read_bytes()
    assert "has the name of a model" in sentence(archlint("check", FAULTY, "-o", model))
    assert model.read_bytes() == before


# The JSON contract

FILE = {"path", "status", "format", "error", "model", "rules", "findings", "not_checked", "suppressed"}
SUMMARY = {"files", "checked", "failed", "rules", "errors", "warnings", "advice", "suppressed"}
MODEL = {"name", "producer", "producer_version", "layers", "stage", "opset", "nodes", "lifted", "trained"}
FINDING = {"code", "name", "severity", "layer", "message", "advice", "fix", "evidence"}
NOT_CHECKED = {"code", "name", "needs", "why"}


def test_json_has_exactly_the_promised_fields(archlint: Archlint) -> None:
    report = archlint("check", FAULTY, UNCOMPILED, "missing.h5", "-f", "json").json
    assert set(report) == {"schema", "tool", "files", "summary"}
    assert (report["schema"], report["tool"]) == (1, {"name": "archlint", "version": __version__})
    assert set(report["summary"]) == SUMMARY
    faulty, uncompiled, missing = report["files"]
    assert set(faulty) == set(uncompiled) == set(missing) == FILE
    assert all(set(finding) == FINDING for finding in faulty["findings"])
    assert all(set(lacking) == NOT_CHECKED for lacking in uncompiled["not_checked"])
    assert set(faulty["model"]) == MODEL


def test_json_tells_a_checked_file_from_a_failed_one(archlint: Archlint) -> None:
    checked, failed = archlint("check", FAULTY, "missing.h5", "-f", "json").json["files"]
    assert (checked["path"], checked["status"], checked["format"], checked["error"]) == (
        *(str(FAULTY), "checked", "keras_zip", None),
    )
    assert failed == {
        "path": "missing.h5",
        "status": "failed",
        "format": None,
        "error": "there is no such file; check the path",
        "model": None,
        "rules": 0,
        "findings": [],
        "not_checked": [],
        "suppressed": [],
    }


def test_json_gives_the_evidence_of_a_finding_as_numbers(archlint: Archlint) -> None:
    (file,) = archlint("check", FAULTY, "--select", "DRP003", "-f", "json").json["files"]
    (finding,) = file["findings"]
    assert (finding["layer"], finding["severity"], finding["evidence"]["rate"]) == ("dropout", "warning", 0.9)


def test_json_counts_what_it_lists(archlint: Archlint) -> None:
    report = archlint("check", MODELS, "missing.h5", "-f", "json").json
    found = [finding["severity"] for file in report["files"] for finding in file["findings"]]
    summary = report["summary"]
    assert [summary[key] for key in ("errors", "warnings", "advice")] == [found.count(level) for level in SEVERITIES]
    assert (summary["files"], summary["failed"]) == (len(report["files"]), 1)


def test_a_model_that_was_not_compiled_lists_the_rules_that_need_to_know(archlint: Archlint) -> None:
    (file,) = archlint("check", UNCOMPILED, "-f", "json").json["files"]
    lacking = {entry["code"]: entry for entry in file["not_checked"]}
    assert {"LOS003", "LOS010", "OPT001", "OPT002", "RNN001"} <= set(lacking)
    assert lacking["LOS003"]["name"] == "crossentropy-needs-probabilities"
    assert "output.loss" in lacking["LOS003"]["needs"]
    assert "no training configuration" in lacking["LOS003"]["why"]


def test_an_onnx_file_lists_the_rules_that_need_what_it_lacks(archlint: Archlint) -> None:
    (file,) = archlint("check", ONNX, "-f", "json").json["files"]
    lacking = {entry["code"]: entry["why"] for entry in file["not_checked"]}
    assert (file["status"], file["format"], file["model"]["producer"]) == ("checked", "onnx", "pytorch")
    assert "no training configuration" in lacking["LOS003"]
    assert "how they were initialized" in lacking["INI001"]


def test_json_lines_are_the_files_and_then_the_rest(archlint: Archlint) -> None:
    whole = archlint("check", FAULTY, CLEAN, "-f", "json").json
    *files, rest = map(json.loads, archlint("check", FAULTY, CLEAN, "-f", "json-lines").out.splitlines())
    assert files == whole.pop("files")
    assert rest == whole


def test_the_same_model_has_the_same_findings_in_both_formats(archlint: Archlint) -> None:
    files = {file["path"]: file for file in archlint("check", MODELS, "-f", "json").json["files"]}
    pairs = [(files[path], files[f"{path.removesuffix('.h5')}.keras"]) for path in files if path.endswith(".h5")]
    assert pairs
    for hdf5, zipped in pairs:
        assert (hdf5["findings"], hdf5["not_checked"]) == (zipped["findings"], zipped["not_checked"])


def test_a_number_that_json_has_no_word_for_is_null(archlint: Archlint) -> None:
    assert archlint("query", CLEAN, "SELECT 9e999 AS x, -9e999 AS y", "-f", "json").json == [{"x": None, "y": None}]


# Rules of the user's own


def page(folder: Path, *changes: tuple[str, str], name: str = "ORG001-wide-layer.md") -> Path:
    """A folder with a rule page, changed."""
    text = OWN_PAGE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_rule_of_the_users_own_runs_with_the_built_in_ones(archlint: Archlint, tmp_path: Path) -> None:
    ran = archlint("check", MODELS / "imdb_small.keras", "--rules", page(tmp_path), "-f", "json")
    assert set(codes(ran)) == {"ORG001", "DRP001"}
    messages = [finding["message"] for finding in ran.json["files"][0]["findings"] if finding["code"] == "ORG001"]
    assert messages == ["dense has 128 units", "dense_1 has 128 units"]


def test_a_rule_of_the_users_own_can_be_listed_shown_and_chosen(archlint: Archlint, tmp_path: Path) -> None:
    own = page(tmp_path)
    assert "**ORG001 wide-layer** · warning · stable" in archlint("rule", "wide-layer", "--rules", own).out
    assert archlint("rules", "--rules", own, "--select", "ORG").out.split() == [
        "ORG001",
        "wide-layer",
        "warning",
        "Wide",
        "layers",
    ]
    assert set(codes(archlint("check", FAULTY, RESNET, "--rules", own, "--select", "ORG", "-f", "json"))) == {"ORG001"}


def test_a_page_that_is_no_rule_stops_the_run_with_one_sentence(archlint: Archlint, tmp_path: Path) -> None:
    own = page(tmp_path, ("units > 50", "unitz > 50"))
    said = sentence(archlint("check", FAULTY, "--rules", own))
    assert "ORG001-wide-layer.md" in said
    assert "did you mean units" in said


def test_a_page_with_the_code_of_another_one_is_refused(archlint: Archlint, tmp_path: Path) -> None:
    own = page(tmp_path, ("ORG001", "LOS001"), name="LOS001-wide-layer.md")
    assert "LOS001 is taken by" in sentence(archlint("check", FAULTY, "--rules", own))


def test_a_folder_of_rules_that_is_none_is_named(archlint: Archlint) -> None:
    assert (
        sentence(archlint("check", FAULTY, "--rules", "nowhere"))
        == "nowhere does not exist; give a rule page or a folder of them"
    )


def test_a_page_that_keeps_its_promises_passes(archlint: Archlint, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    ran = archlint("test", page(tmp_path))
    assert ran.code == 0
    assert ran.out.startswith("ok ")
    assert ran.out.endswith("1 page, 2 examples, 1 condition taken out: 0 failed\n")
    assert archlint("test", tmp_path, "-q") == Ran(0, "", "")


BROKEN: dict[str, tuple[tuple[str, str], str]] = {
    "an example that should fire does not": (
        ("Dense(64)", "Dense(40)"),
        "should fire on this example but stays silent",
    ),
    "an example that should stay silent fires": (
        ("Dense(2)", "Dense(60)"),
        "should stay silent on this example but says",
    ),
    "no example needs a condition": (
        ("units > 50", "units > 50 AND layer.trainable"),
        "when the condition `layer.trainable`",
    ),
    "the query changes facts": (
        ("SELECT layer.name AS layer, layer.units AS units FROM layer", "DELETE FROM layer"),
        "SELECT",
    ),
    "the query has an operator that drops unknown values": (("units > 50", "units <> 4"), "IS NOT"),
    "the query names a column that there is not": (("units > 50", "unitz > 50"), "did you mean units"),
    "the message names a column that is not selected": (("{units} units", "{width} units"), "width"),
    "a section is missing": (("## Why\nThey are wide.\n", ""), "Why"),
    "the code is another rule's": (("code: ORG001", "code: LOS001"), "LOS001"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_page_fails_the_test_if(archlint: Archlint, tmp_path: Path, name: str) -> None:
    pytest.importorskip("keras")
    change, expected = BROKEN[name]
    ran = archlint("test", page(tmp_path, change))
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("failed ")
    assert expected in ran.out
    assert ran.out.endswith("1 failed\n")


def test_the_results_of_a_test_come_as_json(archlint: Archlint, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    (result,) = archlint("test", page(tmp_path), "-f", "json").json
    assert (result["mutants"], result["failures"]) == (1, [])
    fires, silent = result["examples"]
    assert (fires["example"]["fires"], fires["fired"]) == (True, ["ORG001"])
    assert (silent["example"]["fires"], silent["fired"]) == (False, [])


def test_testing_nothing_is_an_error(archlint: Archlint, tmp_path: Path) -> None:
    assert "there is no rule page (*.md)" in sentence(archlint("test", tmp_path))
    assert "nowhere does not exist" in sentence(archlint("test", "nowhere"))


# Pages and lists of rules


@pytest.mark.parametrize("word", ["NRM001", "nrm001", "bias-before-norm", "Bias-Before-Norm"])
def test_a_page_is_printed_by_code_or_name_in_any_case(archlint: Archlint, word: str) -> None:
    text = archlint("rule", word).out
    head = "**NRM001 bias-before-norm** · advice · stable · keras, onnx"
    assert text.startswith(f"# Bias in front of batch normalization\n\n{head}\n\n## What it does\n")
    assert re.findall("^## (.*)", text, re.MULTILINE) == [
        *("What it does", "Why", "When it does not matter", "Fires", "Stays silent", "Check", "Sources"),
    ]
    assert archlint("rule", word, "-f", "markdown").out == text


def test_a_page_is_rendered_where_colour_is_shown(archlint: Archlint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    ran = archlint("rule", "NRM001")
    assert (ESCAPE in ran.out, "---\ncode:" in ran.out, "## Why" in ran.out) == (True, False, False)


def test_a_page_comes_as_json(archlint: Archlint) -> None:
    page = archlint("rule", "LOS001", "-f", "json").json
    assert (page["code"], page["name"], page["severity"]) == ("LOS001", "softmax-one-unit", "error")
    assert page["sql"].startswith("SELECT")
    assert {"What it does", "Why", "When it does not matter"} <= set(page["sections"])


def test_a_misspelt_rule_name_suggests_the_right_one(archlint: Archlint) -> None:
    said = sentence(archlint("rule", "bias-befor-norm"))
    assert said.startswith("there is no rule 'bias-befor-norm'; did you mean bias-before-norm")


def test_all_rules_are_listed_one_a_line(archlint: Archlint) -> None:
    lines = archlint("rules").out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(path.name[:6] for path in (ROOT / "rules").glob("*-*.md"))


def test_the_list_of_rules_is_filtered(archlint: Archlint) -> None:
    listed = archlint("rules", "--severity", "error", "--select", "los00*", "--ignore", "LOS003", "-f", "json").json
    assert {rule["code"]: rule["severity"] for rule in listed} == {"LOS001": "error", "LOS002": "error"}
    assert set(listed[0]) == {"code", "name", "severity", "stage", "formats", "title", "options", "sources"}


# What archlint sees in a model


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """A model in a model, with a wrapped and a frozen layer."""
    encoder = sequential(
        entry("Dense", name="project", units=6, batch_input_shape=[None, 5, 4], activation="linear"),
        entry("Activation", name="act", activation="relu"),
        entry("TimeDistributed", name="each", layer=entry("Dense", name="inner", units=3, trainable=False)),
        name="encoder",
    )
    wrapped = entry("LSTM", name="lstm", units=4)
    both = entry("Bidirectional", name="both", layer=wrapped, merge_mode="concat")
    layers = (entry("InputLayer", name="input", batch_input_shape=[None, 5, 4]), encoder, both)
    return write_h5(tmp_path / "nested.h5", sequential(*layers))


def test_show_unfolds_nested_wrapped_and_frozen_layers(archlint: Archlint, nested: Path) -> None:
    lines = archlint("show", nested).out.splitlines()
    head, _, columns, *rows = lines
    assert head == f"{nested}  keras 2.4.0"
    assert columns.split() == ["layer", "class", "output", "params", "activation", "initializer", "fans"]
    table = {row.split()[0]: row.split() for row in rows if row}
    assert table["encoder/project"][1:5] == ["Dense", "5x6", "30", "(relu)"]
    frozen = next(words for name, words in table.items() if name.startswith("encoder/each"))
    assert frozen[1:5] == ["TimeDistributed(Dense)", "5x3", "21", "frozen"]
    assert next(words for name, words in table.items() if name.startswith("both"))[1:4] == [
        "Bidirectional(LSTM)",
        "8",
        "256",
    ]
    assert [lines[-2].split(), lines[-1].split()] == [["parameters", "307"], ["trainable", "286"]]


def test_show_counts_frozen_parameters(archlint: Archlint) -> None:
    lines = archlint("show", MODELS / "transfer_frozen.keras").out.splitlines()
    assert [line.split()[1] for line in lines[-2:]] == ["25,441", "31"]
    assert sum("frozen" in line.split() for line in lines) == 3


def test_show_gives_layers_and_totals_as_json(archlint: Archlint) -> None:
    shown = archlint("show", FAULTY, "-f", "json").json
    assert set(shown) == {"model", "layers"}
    assert shown["model"]["params"] == sum(layer["params"] for layer in shown["layers"])
    dense = next(layer for layer in shown["layers"] if layer["name"] == "dense")
    assert (dense["fan_in"], dense["fan_out"], dense["initializer"]) == (1024, 32, "glorot_uniform")


def test_show_leaves_no_column_out_in_a_pipe(archlint: Archlint) -> None:
    header = archlint("show", "fixtures/applications/MobileNetV3Small.keras").out.splitlines()[2]
    assert header.split()[-2:] == ["initializer", "fans"]


def test_a_model_that_cannot_be_read_is_named(archlint: Archlint) -> None:
    for command in (("show", "README.md"), ("facts", "README.md"), ("query", "README.md", "SELECT 1")):
        assert sentence(archlint(*command)).startswith("README.md: it is neither HDF5")


def test_facts_come_as_json_table_by_table(archlint: Archlint) -> None:
    facts = archlint("facts", FAULTY).json
    assert list(facts) == re.findall(r"CREATE TABLE (\w+)", schema())
    assert (facts["model"][0]["optimizer"], len(facts["layer"])) == ("adam", facts["model"][0]["layers"])


def test_facts_are_written_as_a_database(archlint: Archlint, tmp_path: Path) -> None:
    target = tmp_path / "facts.db"
    for model, expected in ((FAULTY, "adam"), (ADVISED, "sgd")):  # the second replaces the first
        assert archlint("facts", model, "-o", target) == Ran(0, "", "")
        with closing(sqlite3.connect(target)) as database:
            assert database.execute("SELECT optimizer FROM model").fetchall() == [(expected,)]


def test_facts_replace_nothing_but_a_database(archlint: Archlint, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    for target in (thesis, tmp_path, Path(os.devnull)):
        assert "was not written by archlint" in sentence(archlint("facts", FAULTY, "-o", target))
    assert thesis.read_text() == "years of work"
    assert Path(os.devnull).exists()


def test_a_query_prints_a_table(archlint: Archlint) -> None:
    lines = archlint("query", FAULTY, "SELECT name, units, rate FROM layer WHERE units < 33").out.splitlines()
    assert lines[0].split() == ["name", "units", "rate"]
    assert [line.split() for line in lines[1:]][-2:] == [["dense_1", "32"], ["dense_2", "1"]]


def test_a_query_prints_json_and_csv(archlint: Archlint) -> None:
    sql = "SELECT name, units, rate FROM layer WHERE name IN ('dropout', 'dense_2')"
    rows = [{"name": "dropout", "units": None, "rate": 0.9}, {"name": "dense_2", "units": 1, "rate": None}]
    assert archlint("query", FAULTY, sql, "-f", "json").json == rows
    table = list(csv.reader(io.StringIO(archlint("query", FAULTY, sql, "-f", "csv").out)))
    assert table == [["name", "units", "rate"], ["dropout", "", "0.9"], ["dense_2", "1", ""]]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO layer (name) VALUES ('x')",
        "UPDATE layer SET rate = 0",
        "DROP TABLE layer",
        "PRAGMA table_info(layer)",
        "ATTACH 'stolen.db' AS stolen",
        "SELECT load_extension('x')",
        "SELECT * FROM sqlite_schema",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "SELECT 1; SELECT 2",
        "",
    ],
)
def test_a_query_may_only_read_facts(archlint: Archlint, sql: str) -> None:
    assert sentence(archlint("query", FAULTY, sql))
    assert not Path("stolen.db").exists()


@pytest.mark.parametrize(("wrong", "right"), [("unit", "units"), ("effective_activatoin", "effective_activation")])
def test_a_misspelt_column_suggests_the_right_one(archlint: Archlint, wrong: str, right: str) -> None:
    said = sentence(archlint("query", FAULTY, f"SELECT {wrong} FROM layer"))
    assert said.startswith(f"no such column: {wrong}; did you mean ")
    assert right in said


# Help


def test_the_version_is_told(archlint: Archlint) -> None:
    assert archlint("--version") == archlint("-V") == Ran(0, f"archlint {__version__}\n", "")


def test_the_module_is_the_command() -> None:
    assert process("--version").stdout == f"archlint {__version__}\n"


def test_without_arguments_the_commands_are_listed(archlint: Archlint) -> None:
    ran = archlint()
    assert all(name in ran.out + ran.err for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option_and_none_that_there_is_not(archlint: Archlint, name: str) -> None:
    ran = archlint(name, "--help")
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("-")}
    own = ran.out.replace("The option --schema of `archlint facts`", "")
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", own))
    assert (ran.code, archlint(name, "-h").out) == (0, ran.out)
    assert mentioned - {"--help"} == {option for option in known if option.startswith("--")} - {"--help"}


@pytest.mark.parametrize(("name", "expected"), [("check", {"0", "1", "2"}), ("test", {"0", "1", "2"})])
def test_help_explains_the_exit_codes(archlint: Archlint, name: str, expected: set[str]) -> None:
    _, _, listed = " ".join(archlint(name, "--help").out.split()).partition("Exit codes: ")
    assert set(re.findall(r"\b\d\b", listed.partition(". Arguments")[0].partition("Arguments:")[0])) == expected


@pytest.mark.parametrize("arguments", [["check"], ["check", "x.h5", "--frmat", "json"], ["rule"], ["chekc"]])
def test_wrong_arguments_exit_with_2_and_without_a_traceback(archlint: Archlint, arguments: list[str]) -> None:
    ran = archlint(*arguments)
    assert (ran.code, "Traceback" in ran.err, "Usage:" in ran.err) == (2, False, True)


# Terminals and pipes


def test_a_pipe_gets_no_colour_unless_it_is_wished(archlint: Archlint, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ESCAPE not in archlint("check", FAULTY).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ESCAPE in archlint("check", FAULTY).out
    assert ESCAPE not in archlint("check", FAULTY, "-f", "json").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert ESCAPE not in archlint("check", FAULTY).out


def test_colour_changes_no_word(archlint: Archlint, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = archlint("check", FAULTY, UNCOMPILED, "missing.h5").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    painted = archlint("check", FAULTY, UNCOMPILED, "missing.h5").out
    unpainted = re.sub(r"\x1b\[[0-9;]*m", "", painted)
    assert [line.rstrip() for line in unpainted.splitlines()] == plain.splitlines()


def on_terminal(*arguments: object, columns: int = 80, **environment: str) -> str:
    """The output of a command on a terminal."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    settings = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color", **environment}
    command = [sys.executable, "-m", "archlint", *map(str, arguments)]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=settings):
        os.close(theirs)
        shown = b"".join(read_all(ours))
    os.close(ours)
    return shown.decode("utf-8").replace("\r\n", "\n")


def read_all(descriptor: int) -> Iterator[bytes]:
    """Everything up to the end, which Linux reports as an error."""
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:
            return
        if not chunk:
            return
        yield chunk


def test_no_line_of_a_report_is_wider_than_the_terminal() -> None:
    shown = on_terminal("check", MODELS, RESNET, "missing.h5", columns=80)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines()
    assert 75 < max(map(len, lines)) <= 80


def test_text_is_broken_between_words_on_a_narrow_terminal() -> None:
    lines = on_terminal("check", FAULTY, columns=50, NO_COLOR="1").splitlines()
    assert max(len(line) for line in lines if line.startswith("  ")) <= 50


def test_a_terminal_gets_colour_unless_it_is_dumb_or_unwished() -> None:
    assert ESCAPE in on_terminal("check", FAULTY)
    assert ESCAPE not in on_terminal("check", FAULTY, TERM="dumb")
    assert ESCAPE not in on_terminal("check", FAULTY, NO_COLOR="1")


def test_show_leaves_out_what_does_not_fit_on_a_narrow_terminal() -> None:
    lines = on_terminal("show", FAULTY, columns=60, NO_COLOR="1").splitlines()
    assert lines[2].split() == ["layer", "class", "output", "params"]
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize(
    "arguments", ["check fixtures/models -v", "facts fixtures/applications/NASNetLarge.keras", "rules"]
)
def test_a_reader_that_has_seen_enough_causes_no_traceback(arguments: str) -> None:
    command = f"{sys.executable} -m archlint {arguments} | head -1"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert (len(ran.stdout.splitlines()), ran.stderr) == (1, "")


@pytest.mark.parametrize(
    ("files", "unwanted"),
    [
        ((FAULTY, FAULTY.with_suffix(".h5")), "tensorflow keras h5py onnx google.protobuf rich"),
        ((ONNX,), "tensorflow keras torch onnx onnxruntime h5py pyfive rich"),
    ],
)
def test_checking_imports_no_framework_and_nothing_of_other_formats(files: tuple[Path, ...], unwanted: str) -> None:
    code = (
        "import sys\nfrom archlint.cli import main\n"
        f"sys.argv = ['archlint', 'check', '-q', *{list(map(str, files))!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(set({unwanted!r}.split()) & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "set()"


def test_names_in_a_model_cannot_steer_the_terminal(archlint: Archlint, tmp_path: Path) -> None:
    evil = entry("Dense", name="a\x1b[2Jb\n", units=1, activation="softmax", batch_input_shape=[None, 4])
    path = write_h5(tmp_path / "evil.h5", sequential(evil), version="2\x1b]0;x\x07")
    for command in (("check",), ("check", "-f", "concise"), ("check", "-f", "json"), ("show",), ("facts",)):
        out = archlint(command[0], path, *command[1:]).out
        assert not {"\x1b", "\x07"} & set(out)


def test_the_schema_is_printed_without_a_model(archlint: Archlint) -> None:
    ran = archlint("facts", "--schema")
    assert (ran.code, "CREATE TABLE layer (" in ran.out) == (0, True)


def test_a_path_is_reported_as_it_was_given(
    archlint: Archlint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FAULTY, tmp_path / "model.h5")
    monkeypatch.chdir(tmp_path)
    given = [file["path"] for file in json.loads(archlint("check", "./model.h5", "-f", "json").out)["files"]]
    assert given == ["./model.h5"]


def test_a_folder_that_cannot_be_listed_is_no_silence(
    archlint: Archlint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FAULTY, tmp_path / "model.h5")
    closed = tmp_path / "closed"
    closed.mkdir()
    scan = os.scandir

    def refusing(path: str) -> Any:
        if Path(path) == closed:  # root may list everything, so permissions cannot show it
            raise PermissionError(13, "Permission denied", str(closed))
        return scan(path)

    monkeypatch.setattr("os.scandir", refusing)
    ran = archlint("check", str(tmp_path), "-f", "json")
    files = {file["path"]: file["status"] for file in json.loads(ran.out)["files"]}
    assert (ran.code, files) == (2, {str(tmp_path / "model.h5"): "checked", str(closed): "failed"})


def test_facts_replace_their_own_database_and_no_other(archlint: Archlint, tmp_path: Path) -> None:
    own, foreign = tmp_path / "own.db", tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE precious (row)")
    assert [archlint("facts", FAULTY, "-o", own).code for _ in range(2)] == [0, 0]
    assert "was not written by archlint" in sentence(archlint("facts", FAULTY, "-o", foreign))
    with closing(sqlite3.connect(foreign)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("precious",)]


def test_concise_says_on_standard_error_what_was_not_checked(archlint: Archlint) -> None:
    uncompiled = MODELS / "leaky_relu.keras"
    assert "not checked:" in archlint("check", uncompiled, "-f", "concise").err
    assert archlint("check", uncompiled, "-f", "concise", "-q").err == ""


def test_checkpoints_in_a_folder_are_passed_over_but_checked_when_named(archlint: Archlint, tmp_path: Path) -> None:
    shutil.copy(FAULTY, tmp_path / "model.keras")
    write_h5(tmp_path / "epoch_3.weights.h5", sequential(entry("Dense", name="d", units=3)))
    listed = [file["path"] for file in json.loads(archlint("check", tmp_path, "-f", "json").out)["files"]]
    assert listed == [str(tmp_path / "model.keras")]
    assert archlint("check", tmp_path / "epoch_3.weights.h5").code == 0


def test_a_readme_among_the_pages_is_no_page(archlint: Archlint, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# My rules")
    assert archlint("check", CLEAN, "--rules", tmp_path).code == 0


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_letters_that_an_encoding_lacks_are_escaped(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "archlint", "rule", "NRM001"]
    ran = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert ran.stderr == b""
    assert b"## What it does" in ran.stdout


def test_output_that_cannot_be_written_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "archlint", "check", str(FAULTY)]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (2, "archlint: the output cannot be written (No space left on device)\n")


def test_wide_letters_take_two_columns_each(archlint: Archlint, tmp_path: Path) -> None:
    path = write_h5(
        tmp_path / "m.h5",
        sequential(
            entry("Dense", name="밀집", units=3, batch_input_shape=[None, 4]), entry("Dense", name="d", units=1)
        ),
    )
    rows = archlint("show", path).out.splitlines()
    starts = {cell_len(row[: row.index("Dense")]) for row in rows if "Dense" in row}
    assert len(starts) == 1


def test_testing_pages_without_keras_is_one_sentence(
    archlint: Archlint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)  # what importing a package that is not there comes to
    said = sentence(archlint("test", page(tmp_path)))
    assert said == "testing pages needs Keras; install archlint with its extra `verify`"


def test_a_line_of_code_keeps_its_spaces(archlint: Archlint) -> None:
    assert "use_bias=False  # in conv2d\n" in archlint("check", FAULTY, "--select", "NRM001").out
