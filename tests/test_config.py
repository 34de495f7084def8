"""Which settings govern a file, what they may be, and what is said of those that are wrong."""

import os
import re
import subprocess
import tomllib
from itertools import product
from pathlib import Path

import jsonschema
import pytest

from archlint.config import Project, Projects, builtins, reference, schema, shown, with_cli
from archlint.errors import UsageError
from archlint.globs import file_matches, layer_matches
from archlint.limits import SETTINGS_BYTES, SETTINGS_DOTS
from archlint.rules import choose, configure, load

KEYS = (
    "extend, select, ignore, per-file-ignores, severity, options, rules, preview, exclude, force-exclude, target, "
    "weights, weights-budget, fail-on, baseline, strict"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, without any configuration."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path.absolute()


def project(path: str = "model.h5", *config: str) -> Project:
    return Projects(config).of(path)


def refusal(*config: str) -> str:
    """The sentence about a configuration that cannot be used."""
    with pytest.raises(UsageError) as refused:
        project("model.h5", *config)
    (line,) = str(refused.value).splitlines()
    return line


def refused(text: str) -> str:
    """The sentence about an `archlint.toml`."""
    write("archlint.toml", text)
    return refusal()


# Which configuration


def test_without_a_configuration_the_defaults_hold_from_the_current_folder(here: Path) -> None:
    found = project("models/model.h5")
    assert (found.source, found.root, found.name) == (None, here, "the defaults")
    assert (found.settings.fail_on, found.settings.weights, found.settings.weight_bytes) == ("warning", "auto", 2**28)


def test_the_closest_configuration_above_the_file_governs_it_alone(here: Path) -> None:
    write("archlint.toml", 'select = ["LOS"]\npreview = true')
    write("models/archlint.toml", 'fail-on = "error"')
    above, closest = project("model.h5"), project("models/deep/er/model.h5")
    assert (above.settings.select, above.settings.preview, above.root) == (("LOS",), True, here)
    assert (closest.settings.select, closest.settings.preview, closest.root) == ((), False, here / "models")
    assert closest.settings.fail_on == "error"


def test_a_file_elsewhere_is_governed_by_what_is_there_not_by_the_current_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("there/archlint.toml", "preview = true")
    write("now/archlint.toml", "strict = true")
    monkeypatch.chdir(here / "now")
    for path in ("../there/model.h5", str(here / "there" / "model.h5"), "sub/../../there/model.h5"):
        assert project(path).source == here / "there" / "archlint.toml"


def test_a_pyproject_counts_if_it_has_a_table_for_archlint(here: Path) -> None:
    write("archlint.toml", "strict = true")
    write("models/pyproject.toml", "[tool.other]\nkey = 1\n")
    assert project("models/model.h5").root == here
    write("models/pyproject.toml", "[tool.other]\nkey = 1\n\n[tool.archlint]\npreview = true\n")
    assert project("models/model.h5").settings.preview


def test_a_pyproject_that_only_speaks_of_archlint_is_passed_over() -> None:
    write("pyproject.toml", 'tool = 5\ndescription = "uses archlint"')
    assert project().source is None
    write("pyproject.toml", '[project]\ndependencies = ["archlint"]')
    assert project().source is None


def test_a_pyproject_of_others_is_not_our_business_even_if_it_is_broken() -> None:
    write("pyproject.toml", "[tool.other\n")
    assert project().source is None


def test_in_one_folder_archlint_toml_goes_before_pyproject(here: Path) -> None:
    write("pyproject.toml", "[tool.archlint]\npreview = true")
    write("archlint.toml", "")
    assert project().source == here / "archlint.toml"
    assert not project().settings.preview


def test_files_of_one_configuration_share_one_project(here: Path) -> None:
    write("archlint.toml", "")
    projects = Projects()
    assert len({projects.of(f"models/{folder}/{name}.h5") for folder in "abc" for name in "abc"}) == 1
    assert projects.of("models") is projects.of("models/a/x.h5")
    assert projects.of("../model.h5") is projects.of("/model.h5")
    assert projects.of("../model.h5") is not projects.of("model.h5")


def test_a_configuration_is_read_once_for_a_thousand_files() -> None:
    path = write("archlint.toml", "preview = true")
    projects = Projects()
    projects.of("models/0.h5")
    path.write_text("not TOML")
    assert all(projects.of(f"models/{number}.h5").settings.preview for number in range(1_000))


def test_very_deep_folders_have_a_configuration_too() -> None:
    write("archlint.toml", "preview = true")
    assert project("a/" * 1_500 + "model.h5").settings.preview


def test_a_configuration_may_begin_with_a_byte_order_mark(here: Path) -> None:
    (here / "archlint.toml").write_bytes(b"\xef\xbb\xbfpreview = true\r\n")
    assert project().settings.preview


def test_a_link_is_read_and_counts_where_it_lies(here: Path) -> None:
    write("shared/lint.toml", "preview = true")
    (here / "archlint.toml").symlink_to("shared/lint.toml")
    assert project().settings.preview
    assert project().root == here


# What is set


def test_every_key_is_understood(here: Path) -> None:
    write(
        "archlint.toml",
        """
        select = ["LOS", "NRM"]
        ignore = ["LOS003", { rule = "NRM", why = "frozen", file = "old/", layer = "encoder/*" }]
        per-file-ignores = { "*.onnx" = ["NRM001"] }
        severity = { LOS = "advice", softmax-one-unit = "error" }
        options.dropout-rate = { maximum = 0.6, strict = true, kind = "x", count = 3 }
        rules = ["lint", "/pages/own.md"]
        preview = true
        exclude = ["*.bak.h5"]
        force-exclude = true
        target = "tensorrt"
        weights = "never"
        weights-budget = 0
        fail-on = "never"
        baseline = "lint/known.json"
        strict = true
        """,
    )
    settings = project().settings
    (entry,) = settings.ignored_findings
    assert (entry.rule, entry.why, entry.file, entry.layer) == ("NRM", "frozen", "old/", "encoder/*")
    assert (settings.select, settings.ignored_rules) == (("LOS", "NRM"), ("LOS003",))
    assert settings.per_file_ignores == {"*.onnx": ("NRM001",)}
    assert settings.severity == {"LOS": "advice", "softmax-one-unit": "error"}
    assert settings.options == {"dropout-rate": {"maximum": 0.6, "strict": True, "kind": "x", "count": 3}}
    assert settings.rules == (str(here / "lint"), "/pages/own.md")
    assert (settings.preview, settings.exclude, settings.force_exclude) == (True, ("*.bak.h5",), True)
    assert (settings.target, settings.weights, settings.weight_bytes) == ("tensorrt", "never", 0)
    assert (settings.fail_on, settings.baseline, settings.strict) == ("never", str(here / "lint/known.json"), True)


def test_an_entry_of_ignore_is_about_all_files_and_layers_unless_it_names_some() -> None:
    write("pyproject.toml", '[[tool.archlint.ignore]]\nrule = "LOS001"\nwhy = "known"\n')
    (entry,) = project().settings.ignored_findings
    assert file_matches((entry.file,), "models/deep/model.h5")
    assert layer_matches(entry.layer, "encoder/dense")


# Extending


def test_own_keys_win_over_those_of_the_base() -> None:
    write("base/lint.toml", 'select = ["LOS", "NRM"]\nignore = ["LOS003"]\nfail-on = "error"')
    write("archlint.toml", 'extend = "base/lint.toml"\nselect = ["DRP"]')
    settings = project().settings
    assert (settings.select, settings.ignore, settings.fail_on) == (("DRP",), ("LOS003",), "error")
    assert settings.extend is None


def test_tables_of_the_base_are_kept_entry_by_entry_and_own_entries_come_last() -> None:
    write("base.toml", 'severity = { DRP = "error", LOS = "error" }\noptions = { a = { x = 1, y = 1 }, b = { z = 1 } }')
    write("archlint.toml", 'extend = "base.toml"\nseverity = { DRP = "advice" }\noptions = { a = { y = 2 } }')
    settings = project().settings
    assert list(settings.severity.items()) == [("LOS", "error"), ("DRP", "advice")]
    assert settings.options == {"a": {"x": 1, "y": 2}, "b": {"z": 1}}


def test_paths_of_a_base_start_from_its_folder_and_patterns_from_the_closest_configuration(here: Path) -> None:
    write("shared/far/lint.toml", 'baseline = "known.json"\nexclude = ["/old/"]')
    write("shared/pyproject.toml", '[tool.archlint]\nextend = "far/lint.toml"\nrules = ["pages", "../own"]')
    write("models/archlint.toml", 'extend = "../shared/pyproject.toml"')
    found = project("models/model.h5")
    assert found.settings.baseline == str(here / "shared/far/known.json")
    assert found.settings.rules == (str(here / "shared/pages"), str(here / "own"))
    assert found.bases == (here / "shared/pyproject.toml", here / "shared/far/lint.toml")
    assert found.excludes("models/old/model.h5")
    assert not found.excludes("shared/far/old/model.h5")


def test_a_circle_of_bases_is_shown() -> None:
    write("sub/a.toml", 'extend = "../archlint.toml"')
    assert refused('extend = "sub/a.toml"') == (
        "the configurations go round in a circle: archlint.toml extends sub/a.toml extends archlint.toml; "
        "take one `extend` out"
    )
    assert "archlint.toml extends archlint.toml;" in refused('extend = "archlint.toml"')


def test_a_base_that_cannot_be_used_names_who_wants_it() -> None:
    sentence = refused('extend = "gone.toml"')
    assert sentence.startswith("gone.toml cannot be read (No such file or directory)")
    assert sentence.endswith("(archlint.toml extends it)")
    write("gone.toml", "preview = 5")
    assert refusal().startswith("gone.toml, line 1: preview = 5 does not fit")
    write("pyproject.toml", "[project]")
    assert "pyproject.toml has no table [tool.archlint]" in refused('extend = "pyproject.toml"')


# What is refused


def test_an_unknown_key_is_named_with_its_line_the_nearest_key_and_all_keys() -> None:
    assert refused('strict = true\n\nselct = ["LOS"]') == (
        f"archlint.toml, line 3: there is no setting selct (did you mean select?); there are {KEYS}"
    )
    assert "(did you mean fail-on?)" in refused('fail_on = "error"')
    assert refused("frobnicate = 1") == f"archlint.toml, line 1: there is no setting frobnicate; there are {KEYS}"


def test_a_pyproject_says_its_own_lines() -> None:
    write("pyproject.toml", "[tool.other]\nselct = 1\n[tool.archlint]\nstrict = true\nselct = 1\n")
    assert refusal().startswith("pyproject.toml, line 5: there is no setting selct")
    write("pyproject.toml", "[tool.other]\nDRP = 1\n[tool.archlint.severity]\nLOS = 'error'\nDRP = 'fatal'\n")
    assert refusal().startswith('pyproject.toml, line 5: severity.DRP = "fatal" does not fit; ')


def test_the_table_of_a_pyproject_has_no_place_in_archlint_toml() -> None:
    sentence = refused("[tool.archlint]\nstrict = true")
    assert "(the table [tool.archlint] is for pyproject.toml; here its keys stand at the top)" in sentence


@pytest.mark.parametrize(
    ("text", "line", "fault", "wanted"),
    [
        ("extend = 5", 1, "extend = 5", "extend takes the path of a configuration"),
        ("select = 'LOS'", 1, 'select = "LOS"', "select takes a list of rules (names, codes, "),
        ("select = [\n  'LOS',\n  5,\n]", 1, "select = [5]", "select takes a list of rules"),
        ("select = ['']", 1, 'select = [""]', "select takes a list of rules"),
        ("ignore = 'LOS'", 1, 'ignore = "LOS"', "ignore takes a list of rules"),
        ("ignore = [true]", 1, "ignore = [true]", "and of tables with rule and why"),
        ("\n[per-file-ignores]\n'*.h5' = 'LOS'", 3, 'per-file-ignores."*.h5" = "LOS"', "each with a list of rules"),
        ("per-file-ignores = { '*.h5' = [5] }", 1, 'per-file-ignores."*.h5" = [5]', "each with a list of rules"),
        ("severity = 'error'", 1, 'severity = "error"', "each with error, warning or advice"),
        ("severity.LOS = 'fatal'", 1, 'severity.LOS = "fatal"', "each with error, warning or advice"),
        ("[options]\n[options.LOS001]\nx = 1\ny = []", 4, "options.LOS001.y = []", "each with a table of options"),
        ("options.LOS001 = 5", 1, "options.LOS001 = 5", "each with a table of options"),
        ("options.a.b.c.d = 5", 1, "options.a.b = { … }", "each with a table of options"),
        ("options.a.b = 99999999999999999999", 1, "options.a.b = 0x56bc75e2d630fffff", "a table of options"),
        ("rules = 'pages'", 1, 'rules = "pages"', "rules takes a list of paths"),
        ("preview = 'yes'", 1, 'preview = "yes"', "preview takes true or false"),
        ("exclude = ['a', '!']", 1, 'exclude = ["!"]', "exclude takes a list of file patterns"),
        ("force-exclude = 1", 1, "force-exclude = 1", "force-exclude takes true or false"),
        ("target = 'cuda'", 1, 'target = "cuda"', "target takes onnxruntime, tensorrt, coreml or nnapi"),
        ("weights = 'some'", 1, 'weights = "some"', "weights takes auto, always or never"),
        ("weights-budget = -1", 1, "weights-budget = -1", "weights-budget takes a whole number of MiB, 0 or more"),
        ("weights-budget = true", 1, "weights-budget = true", "a whole number of MiB"),
        ("fail-on = 2026-01-01", 1, "fail-on = 2026-01-01", "fail-on takes error, warning, advice or never"),
        ("baseline = ['a']", 1, 'baseline = ["a"]', "baseline takes the path of a baseline"),
        ("strict = 0", 1, "strict = 0", "strict takes true or false"),
    ],
)
def test_a_value_that_does_not_fit_is_shown_with_what_the_key_takes(
    text: str, line: int, fault: str, wanted: str
) -> None:
    sentence = refused(text)
    assert sentence.startswith(f"archlint.toml, line {line}: {fault} does not fit; ")
    assert wanted in sentence
    assert ", for example " in sentence


@pytest.mark.parametrize(
    ("entry", "line", "sentence"),
    [
        ("rule = 'LOS001'", 13, "an entry of ignore has no why; why takes the reason, a text, for example why = "),
        ("why = 'known'", 13, "an entry of ignore has no rule; rule takes a rule (names, codes, "),
        ("rule = 'LOS001'\nwhy = '  '", 15, 'ignore.why = "  " does not fit; why takes the reason, a text, '),
        ("rule = 'LOS001'\nfile = 5\nwhy = 'x'", 15, "ignore.file = 5 does not fit; file takes a pattern for files"),
        ("rule = 'LOS001'\nwhy = 'x'\nfile = ''", 16, 'ignore.file = "" does not fit; '),
        ("rule = 'LOS001'\nwhy = 'x'\nlayer = ''", 16, 'ignore.layer = "" does not fit; layer takes a pattern for l'),
        ("layers = '*'\nrule = 'LOS001'", 14, "an entry of ignore has no key layers (did you mean layer?); there are "),
    ],
)
def test_an_entry_of_ignore_that_is_wrong_is_named_by_its_line(entry: str, line: int, sentence: str) -> None:
    good = "[[tool.archlint.ignore]]\nrule = 'NRM001'\nfile = '*.h5'\nwhy = 'known'\n"
    write("pyproject.toml", f"{good}\n[tool.other]\nkey = 1\n\n{good}[[tool.archlint.ignore]]\n{entry}\n\n{good}")
    assert refusal().startswith(f"pyproject.toml, line {line}: {sentence}")


def test_an_entry_within_a_list_needs_a_reason_too() -> None:
    assert refused('ignore = ["LOS", { rule = "NRM001" }]').startswith(
        "archlint.toml, line 1: an entry of ignore has no why; "
    )


def test_invalid_toml_is_refused_with_the_place() -> None:
    assert refused("select = [\nstrict = true") == (
        "archlint.toml is not valid TOML: Invalid value (at line 2, column 1); mend it; texts stand in quotes"
    )
    assert "Cannot overwrite a value (at line 2" in refused("strict = true\nstrict = false\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('ignore = ["NRM"]\n[[ignore]]\nrule = "LOS"\nwhy = "x"\n', "an entry beside a list goes into the list"),
        ("fail-on = error\n", "texts stand in quotes"),
        ("strict = true\nstrict = true\n", "a key is set twice"),
    ],
)
def test_usual_faults_of_toml_come_with_a_hint(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "archlint.toml").write_text(text, "utf-8")
    with pytest.raises(UsageError, match=said):
        Projects().of(str(tmp_path / "model.h5"))


@pytest.mark.parametrize("glob", ["models\\\\old.h5", "legacy/["])
def test_a_pattern_that_matches_nothing_whatever_there_is_is_refused(tmp_path: Path, glob: str) -> None:
    (tmp_path / "archlint.toml").write_text(f'exclude = ["{glob}"]\n', "utf-8")
    with pytest.raises(UsageError, match="does not fit; exclude takes a list of file patterns"):
        Projects().of(str(tmp_path / "model.h5"))


def test_a_pattern_may_begin_in_the_current_folder() -> None:
    assert file_matches(("./legacy/",), "legacy/old.h5")
    assert not file_matches(("./legacy/",), "models/legacy/old.h5")


def test_what_a_base_hides_or_passes_over_one_that_extends_it_does_too(tmp_path: Path) -> None:
    (tmp_path / "archlint.toml").write_text('ignore = ["OPT"]\nexclude = ["old/"]\nselect = ["LOS", "OPT"]\n', "utf-8")
    (tmp_path / "sub").mkdir()
    own = 'extend = "../archlint.toml"\nselect = ["DRP"]\n[[ignore]]\nrule = "DRP003"\nwhy = "meant"\n'
    (tmp_path / "sub" / "archlint.toml").write_text(own, "utf-8")
    project = Projects().of(str(tmp_path / "sub" / "model.h5"))
    assert project.settings.ignored_rules == ("OPT",)
    assert [entry.rule for entry in project.settings.ignored_findings] == ["DRP003"]
    assert (project.settings.exclude, project.settings.select) == (("old/",), ("DRP",))


@pytest.mark.parametrize("text", ["[tool]\narchlint = 5", "[[tool.archlint]]\nstrict = true"])
def test_a_table_for_archlint_that_is_none_is_refused(text: str) -> None:
    write("pyproject.toml", text)
    assert refusal() == "pyproject.toml: [tool.archlint] is no table; write its settings below it, as key = value"


def test_text_that_is_not_utf_8_is_refused_with_its_line(here: Path) -> None:
    (here / "archlint.toml").write_bytes(b"strict = true\n# caf\xe9\n")
    assert refusal() == "archlint.toml, line 2: it is not UTF-8; save it again as UTF-8"


def test_a_file_that_cannot_be_read_is_refused(here: Path) -> None:
    (here / "archlint.toml").symlink_to("archlint.toml")
    assert refusal().startswith("archlint.toml cannot be read (Too many levels of symbolic links)")
    (here / "archlint.toml").unlink()
    (here / "archlint.toml").symlink_to("gone.toml")
    assert refusal().startswith("archlint.toml cannot be read (No such file or directory)")


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
@pytest.mark.parametrize("name", ["archlint.toml", "pyproject.toml"])
def test_a_folder_or_pipe_is_no_configuration(make: object, name: str) -> None:
    assert callable(make)
    make(name)
    assert refusal() == f"{name} is no regular file, so no settings are read from it; move it, or name a file"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# " + "x" * SETTINGS_BYTES, "longer than any honest configuration (524,288 bytes); it was not read"),
        ("x = " + "[" * 50_000, "is nested deeper than any honest configuration; it was not read"),
        ("weights-budget = " + "1" * 5_000, "has a number of more digits than any honest setting; it was not read"),
        ("\n" + "a." * (SETTINGS_DOTS + 1) + "b = 1", "line 2: it has more dots than any honest line; it was not read"),
        ("a." * SETTINGS_DOTS + "b = 1", "line 1: there is no setting a;"),
        ("options." + "a." * (SETTINGS_DOTS - 1) + "b = 1", "line 1: options.a.a = { … } does not fit;"),
        ("weights-budget = 0x" + "f" * 50_000, "line 1: weights-budget = 0xffffffff"),
        ('"\\u001b;\\u202e" = 1', 'line 1: there is no setting "\\u001b;\\u202e";'),
        ("x" * 10_000 + " = 1", f"there is no setting {'x' * 79}…;"),
        ("strict = '" + "x" * 10_000 + "'", f'line 1: strict = "{"x" * 69}… does not fit;'),
        ("strict = true" + " " * 200_000 + "\nx = 1", "line 2: there is no setting x;"),
    ],
)
def test_a_hostile_configuration_ends_in_one_short_sentence(text: str, sentence: str) -> None:
    found = refused(text)
    assert sentence in found
    assert len(found) < 500


# --config and --isolated


def test_isolated_looks_for_no_configuration(here: Path) -> None:
    write("archlint.toml", "not TOML")
    found = Projects(["strict=true"], isolated=True).of("models/model.h5")
    assert (found.source, found.root, found.settings.strict) == (None, here, True)


def test_a_named_configuration_governs_every_file_from_its_folder(here: Path) -> None:
    write("archlint.toml", "preview = true")
    write("lint/own.toml", 'strict = true\nexclude = ["/a.h5"]')
    projects = Projects(["lint/own.toml"])
    found = projects.of("model.h5")
    assert (found.settings.strict, found.settings.preview, found.root) == (True, False, here / "lint")
    assert projects.of("/elsewhere/model.h5") is found
    assert found.excludes("lint/a.h5")
    write("lint/pyproject.toml", "[tool.archlint]\npreview = true")
    assert project("model.h5", "lint/pyproject.toml").settings.preview


def test_settings_of_the_command_line_lie_on_top_of_every_configuration() -> None:
    write("archlint.toml", 'fail-on = "error"\nselect = ["LOS"]\nseverity = { DRP = "error", LOS = "advice" }')
    write("models/archlint.toml", "strict = true")
    stated = ("fail-on=never", 'severity.DRP="advice"', "strict=false", "weights-budget=5", 'select = ["NRM"]')
    for path in ("model.h5", "models/model.h5"):
        settings = project(path, *stated).settings
        assert (settings.fail_on, settings.strict, settings.weights_budget) == ("never", False, 5)
        assert (settings.select, settings.severity["DRP"]) == (("NRM",), "advice")
    assert project("model.h5", *stated).settings.severity == {"LOS": "advice", "DRP": "advice"}


def test_words_need_no_quotes_and_lists_of_them_no_brackets(here: Path) -> None:
    settings = project(
        "model.h5", "target=onnxruntime", "baseline=known.json", "select=LOS,dropout-rate", "ignore=LOS003", "rules=own"
    ).settings
    assert (settings.target, settings.baseline) == ("onnxruntime", str(here / "known.json"))
    assert (settings.select, settings.ignore) == (("LOS", "dropout-rate"), ("LOS003",))
    assert settings.rules == (str(here / "own"),)
    assert project("model.h5", "severity.LOS001=error").settings.severity == {"LOS001": "error"}


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (["gone.toml"], "--config gone.toml is neither an existing file nor a setting; write KEY=VALUE for a setting"),
        ([""], "--config  is neither an existing file nor a setting; write KEY=VALUE for a setting"),
        (["select=["], "--config select=[ is not valid TOML: Invalid value (at end of document); mend it"),
        (["=5"], "--config =5 is not valid TOML: Invalid statement (at line 1, column 1); mend it"),
        (["strict=maybe"], '--config strict=maybe: strict = "maybe" does not fit; strict takes true or false'),
        (["fial-on=error"], "--config fial-on=error: there is no setting fial-on (did you mean fail-on?)"),
        (["extend=a.toml"], "--config extend=a.toml: a setting extends nothing; name the configuration itself"),
        (["a.toml", "b.toml"], "--config names two files (a.toml and b.toml); let one extend the other"),
        (["pyproject.toml"], "pyproject.toml has no table [tool.archlint]; add one, or name another configuration"),
        (["folder"], "folder is no regular file, so no settings are read from it; move it, or name a file"),
    ],
)
def test_a_config_that_is_neither_a_file_nor_a_setting_is_refused(config: list[str], sentence: str) -> None:
    for name in ("a.toml", "b.toml", "pyproject.toml"):
        write(name, "")
    Path("folder").mkdir()
    assert refusal(*config).startswith(sentence)


def test_a_named_configuration_and_isolated_contradict_each_other() -> None:
    write("own.toml", "")
    with pytest.raises(UsageError, match=r"--config own\.toml and --isolated contradict each other; leave one of"):
        Projects(["own.toml"], isolated=True)


# The options of the command line


def test_select_of_the_command_line_replaces_which_rules_run_but_hidden_findings_stay_hidden() -> None:
    write("archlint.toml", 'select = ["LOS"]\nignore = ["LOS003", { rule = "NRM001", why = "known" }]')
    settings = project().settings
    chosen = with_cli(settings, select=["LOS003"])
    assert (chosen.select, chosen.ignored_rules, chosen.ignored_findings) == (
        ("LOS003",),
        (),
        settings.ignored_findings,
    )


def test_ignore_exclude_and_rules_of_the_command_line_are_added(here: Path) -> None:
    write("archlint.toml", 'select = ["LOS"]\nignore = ["LOS003"]\nexclude = ["a/"]\nrules = ["own"]')
    settings = with_cli(project().settings, ignore=["LOS004"], exclude=["b/"], rules=[Path("more")])
    assert (settings.select, settings.ignore, settings.exclude) == (("LOS",), ("LOS003", "LOS004"), ("a/", "b/"))
    assert settings.rules == (str(here / "own"), str(here / "more"))


def test_other_options_replace_a_setting_if_they_are_given(here: Path) -> None:
    write("archlint.toml", 'fail-on = "error"\nstrict = true\nbaseline = "a.json"')
    settings = project().settings
    assert with_cli(settings) == settings
    given = with_cli(settings, fail_on="never", strict=False, preview=None, weights_budget=0, baseline=Path("b.json"))
    assert (given.fail_on, given.strict, given.preview, given.weights_budget) == ("never", False, False, 0)
    assert given.baseline == str(here / "b.json")


def test_the_options_hold_for_every_project_above_config() -> None:
    write("archlint.toml", 'fail-on = "error"')
    projects = Projects(["fail-on=advice"], overrides={"fail_on": "never", "ignore": ["LOS"]})
    for path in ("model.h5", "../model.h5"):
        assert (projects.of(path).settings.fail_on, projects.of(path).settings.ignore) == ("never", ("LOS",))


# Files and patterns


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("models/a.h5", "a.h5"),
        ("models/deep/./a.h5", "deep/a.h5"),
        ("models/old/", "old/"),
        ("models", "."),
        ("a.h5", "../a.h5"),
        ("", ".."),
    ],
)
def test_a_file_is_named_from_the_root(path: str, named: str) -> None:
    write("models/archlint.toml", "")
    found = project("models/model.h5")
    assert found.relative(path) == named
    assert found.relative(os.path.abspath(path) + ("/" if path.endswith("/") else "")) == named  # noqa: PTH100


def test_exclude_is_about_files_and_folders_below_the_root_and_outside() -> None:
    write("models/archlint.toml", 'exclude = ["*.bak.h5", "/old/", "!keep.bak.h5"]')
    found = project("models/model.h5")
    excluded = ["models/a.bak.h5", "models/old/", "models/old/x/a.h5", "models/old/keep.bak.h5", "../a.bak.h5"]
    kept = ["models/a.h5", "models/keep.bak.h5", "models/x/old/a.h5", "models/old", "old/", "/old/a.h5"]
    assert [path for path in excluded + kept if found.excludes(path)] == excluded


def test_rules_can_be_ignored_in_some_files() -> None:
    write("archlint.toml", 'per-file-ignores = { "old/" = ["LOS", "NRM"], "*.onnx" = ["DRP"] }')
    found = project()
    assert found.ignored_rules_for("old/model.onnx") == ("LOS", "NRM", "DRP")
    assert found.ignored_rules_for("model.onnx") == ("DRP",)
    assert found.ignored_rules_for("model.h5") == ()


FILES = (
    "m.h5 a.bak.h5 models/m.h5 models/old/m.h5 models/old/deep/m.h5 old/m.h5 x/models/old/m.h5 keep.h5 models/keep.h5 "
    "a[1].h5 a1.h5 *.h5 ab.h5 !m.h5 models/a/b/c.h5 c/b.h5"
).split()
PATTERNS = (
    r"models/ models /models models/old/ old *.h5 /*.h5 *.bak.h5 /m.h5 models/* models/** **/m.h5 **/old **/b/** "
    r"models/**/m.h5 a[1].h5 a\[1\].h5 a[!1].h5 a[^1].h5 \*.h5 ?.h5 \!m.h5 ** * /** a**.h5 models/a/**/c.h5 m*/o*/m.h5 "
    r"[a-c]* m.h5/ **/ x/**/ \m.h5 []a]* models/old/*"
).split()
EXCEPTIONS = "!m.h5 !keep.h5 !models/ !models/keep.h5 !/models/old/m.h5 !*.h5".split()


def test_patterns_for_files_mean_what_they_mean_to_git(here: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True)
    for patterns in [*((pattern,) for pattern in PATTERNS), *product(PATTERNS[:18], EXCEPTIONS)]:
        write(".gitignore", "\n".join(patterns))
        asked = subprocess.run(
            ["git", "check-ignore", "--no-index", "--stdin", "-z"],
            input="\0".join(FILES),
            capture_output=True,
            text=True,
        )
        assert [path for path in FILES if file_matches(patterns, path)] == asked.stdout.split("\0")[:-1], patterns


def test_no_pattern_takes_long_whatever_the_path() -> None:
    assert not file_matches(["**/a/**/a/**/a/**/a/**/a/**/a/b"], "a/" * 1_000 + "c")
    assert not file_matches(["*a" * 50 + "*b"], "a" * 250)
    assert not layer_matches("*a" * 50 + "*b", "a" * 1_000)


def test_patterns_for_layers_are_about_the_whole_path() -> None:
    assert layer_matches("encoder/*", "encoder/block1/conv")
    assert layer_matches("*/conv", "encoder/block1/conv")
    assert layer_matches("MatMul[1]", "MatMul[1]")
    assert not layer_matches("conv", "encoder/conv")


# The schema, the reference, and what is shown


def test_the_schema_accepts_what_archlint_accepts_and_refuses_what_it_refuses() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())
    for text, fits in {
        'ignore = ["LOS", { rule = "NRM001", why = "known" }]': True,
        "options.dropout-rate = { maximum = 0.6, strict = true }": True,
        'target = "tensorrt"': True,
        'weights = "never"': True,
        'per-file-ignores = { "*.onnx" = ["LOS"] }': True,
        'ignore = [{ rule = "NRM001" }]': False,
        'ignore = [{ rule = "NRM001", why = " " }]': False,
        "selct = []": False,
        'target = "cuda"': False,
        "weights-budget = -1": False,
        'severity.LOS = "fatal"': False,
        'exclude = ["/"]': False,
    }.items():
        assert validator.is_valid(tomllib.loads(text)) is fits, text
        write("archlint.toml", text)
        if fits:
            assert project().source
        else:
            assert refusal()


def test_the_schema_explains_every_key_and_knows_no_null() -> None:
    described = schema()
    assert ", ".join(described["properties"]) == KEYS
    assert all(entry["description"].endswith(".") and entry["examples"] for entry in described["properties"].values())
    assert "null" not in str(described)
    assert "None" not in str(described)
    assert "$id" not in described


def test_the_reference_has_every_key_with_an_example_that_works() -> None:
    text = reference()
    examples = re.findall(r"^## `([a-z-]+)`$.*?^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert ", ".join(key for key, _ in examples) == KEYS
    write("archlint.toml", "")
    for _, example in examples:
        write("models/archlint.toml", example)
        settings = project("models/model.h5").settings
        rules = load()
        choose(rules, settings.select, settings.ignored_rules)
        choose(rules, [entry.rule for entry in settings.ignored_findings])
        configure(rules, settings.options, settings.severity)
    (entry,) = re.findall(r"^```toml\n(\[\[tool.*?)^```$", text, re.MULTILINE | re.DOTALL)
    write("models/pyproject.toml", entry)
    Path("models/archlint.toml").unlink()
    assert project("models/model.h5").settings.ignored_findings


def test_the_reference_can_be_about_one_key() -> None:
    assert reference("strict").startswith("## `strict`\n")
    assert reference("strict") in reference()
    assert "## Entries of `ignore`" in reference("ignore")
    with pytest.raises(UsageError, match=r"there is no setting fial-on \(did you mean fail-on\?\); there are extend, "):
        reference("fial-on")


def test_what_is_shown_is_a_configuration_that_states_the_same(here: Path) -> None:
    write("base.toml", 'rules = ["own"]')
    long = ", ".join(f'"LOS00{number}"' for number in range(10))
    write(
        "archlint.toml",
        f"""extend = "base.toml"
        select = [{long}]
        ignore = ["NRM", {{ rule = "DRP", why = "a \\"quoted\\" \\\\ reason \\u001b\\u202e\\U0001f40d\\n" }}]
        per-file-ignores = {{ "*.onnx" = ["LOS"] }}
        options = {{ a = {{ x = 1.5, y = true, z = "text", n = -3, i = inf }} }}
        weights-budget = 12
        """,
    )
    found = project("model.h5", "fail-on=error")
    text = shown(found)
    assert text.splitlines()[0] == '# from "archlint.toml", which extends "base.toml"'
    assert "# baseline is not set\n" in text
    assert '\n  "LOS000",\n' in text
    assert all(line.isprintable() for line in text.splitlines())
    (here / "base.toml").unlink()
    write("archlint.toml", text)
    assert project().settings == found.settings
    assert set(tomllib.loads(text)) | {"extend", "target", "baseline"} == set(KEYS.split(", "))


def test_what_is_shown_without_a_configuration_says_so(here: Path) -> None:
    assert shown(project()).startswith(f'# no configuration is used; patterns start from "{here}"\nselect = []\n')


def test_the_settings_are_there_for_programs_too(here: Path) -> None:
    write("base.toml", "")
    write("archlint.toml", 'extend = "base.toml"\nignore = [{ rule = "NRM", why = "known" }]\nweights = "never"')
    found = builtins(project())
    assert (found["source"], found["root"]) == (str(here / "archlint.toml"), str(here))
    assert found["bases"] == [str(here / "base.toml")]
    assert found["settings"]["ignore"] == ({"rule": "NRM", "why": "known", "file": "**", "layer": "*", "digest": "*"},)
    assert found["settings"]["weights"] == "never"
    assert ", ".join(("extend", *found["settings"])) == KEYS


def test_an_entry_of_ignore_may_name_a_digest() -> None:
    write("archlint.toml", 'ignore = [{ rule = "SEC001", why = "ours", digest = "0123456789abcdef0123456789abcdef" }]')
    (entry,) = project().settings.ignored_findings
    assert entry.digest == "0123456789abcdef0123456789abcdef"


def test_a_digest_that_is_none_is_refused() -> None:
    sentence = refused('ignore = [{ rule = "SEC001", why = "ours", digest = "abc" }]')
    assert "digest takes a digest of 32 hexadecimal digits, or *" in sentence
