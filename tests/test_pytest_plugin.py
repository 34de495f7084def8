"""The fixture `archlint` that tests have where archlint is installed."""

import importlib
import os
import re
import tomllib
from pathlib import Path
from shutil import copyfile

import pytest
from support import ENDLESS, FIXTURES

from archlint import check

pytest_plugins = ["pytester"]

PLUGINS = ("-p", "no:cacheprovider", "-p", "archlint.pytest_plugin")
ROOT = FIXTURES.parent
FAULTY = FIXTURES / "models" / "faulty.h5"
BUILDERS = """
import keras

def faulty():
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, activation="softmax")], name="cats")

def sound():
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, activation="sigmoid")], name="dogs")
"""


@pytest.fixture(scope="module")
def warm():
    """What is imported before pytester looks is not forgotten; NumPy and YAML cannot be imported twice."""
    importlib.import_module("archlint.rules.page")
    check(FAULTY)
    return os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")


@pytest.fixture
def project(warm, pytester, monkeypatch):
    """A project whose tests use our plugin and no other, be it installed or not."""
    monkeypatch.setenv("XDG_CACHE_HOME", warm)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.delenv("COLUMNS", raising=False)
    copyfile(FAULTY, pytester.path / "faulty.h5")
    return pytester


def outcome(project, body, *options):
    """What becomes of a test with this body."""
    project.makepyfile(test_model=f"def test_model(archlint):\n    {body}\n")
    return project.runpytest_inprocess(*PLUGINS, *options)


def test_the_plugin_is_registered_with_pytest():
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["pytest11"]
    assert entries == {"archlint": "archlint.pytest_plugin"}
    assert callable(importlib.import_module(entries["archlint"]).pytest_addoption)


def test_keras_models_and_the_functions_that_build_them_are_checked(project):
    project.makepyfile(builders=BUILDERS)
    project.makepyfile(
        test_model="""
        from builders import faulty, sound

        def test_sound_builder(archlint):
            assert archlint(sound).findings == ()

        def test_sound_model(archlint):
            assert archlint(sound()).files[0].path == "<model 'dogs'>"

        def test_faulty_builder(archlint):
            archlint(faulty)

        def test_faulty_model(archlint):
            archlint(faulty())
        """
    )
    result = project.runpytest_subprocess(*PLUGINS)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["<model 'cats'>  keras *, 2 layers", "  error  softmax-one-unit  LOS001"])


@pytest.mark.parametrize("model", ["'faulty.h5'", "open('faulty.h5', 'rb').read()", "lambda: 'faulty.h5'"])
def test_a_faulty_model_fails_with_the_report_and_no_traceback(model, project):
    result = outcome(project, f"archlint({model})")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*keras 3.15.1, 14 layers, untrained",
            "  error  softmax-one-unit  LOS001",
            "         at    dense_2",
            "         fix   use a sigmoid in dense_2, or give it one unit per class",
            "1 file checked with * rules: 1 error, 3 warnings, 3 advice",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [
        ("select='NRM'", {"passed": 1}),
        ("select='NRM', fail_on='advice'", {"failed": 1}),
        ("fail_on='never'", {"passed": 1}),
        ("ignore=['LOS001', 'missing-nonlinearity', 'DRP', 'OPT']", {"passed": 1}),
        ("target='tensorrt', weights='never', fail_on='error', ignore='LOS001'", {"passed": 1}),
    ],
)
def test_the_fixture_takes_what_check_takes(options, outcomes, project):
    outcome(project, f"archlint('faulty.h5', {options})").assert_outcomes(**outcomes)


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ("archlint('nowhere.h5')", "archlint: nowhere.h5: there is no such file; check the path"),
        ("archlint('faulty.h5', select='ZZZ')", "archlint: no rule is selected by 'ZZZ'*"),
        ("archlint('faulty.h5', fail_on='fatal')", "archlint: there is no severity 'fatal'; there are *"),
    ],
)
def test_what_cannot_be_checked_fails_with_a_sentence(test, sentence, project):
    result = outcome(project, test)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([sentence])


def test_a_rule_that_gave_up_fails_the_test(project):
    project.mkdir("pages").joinpath("TST001-endless.md").write_text(ENDLESS, "utf-8")
    result = outcome(project, "archlint('faulty.h5', rules='pages', select='TST')")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*this rule did not finish*"])


def test_a_fault_of_the_function_that_builds_the_model_is_shown_as_its_own(project):
    project.makepyfile(builders="def broken():\n    raise LookupError('no such layer')\n")
    result = outcome(project, "from builders import broken; archlint(broken)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["builders.py:2: LookupError"])


def test_defaults_come_from_the_configuration_of_pytest_and_the_command_line(project):
    project.makeini(
        "[pytest]\narchlint_fail_on = advice\narchlint_select = NRM, LOS\narchlint_ignore = softmax-one-unit"
    )
    test = "archlint('faulty.h5')"
    outcome(project, test).assert_outcomes(failed=1)
    outcome(project, test, "--archlint-fail-on=warning").assert_outcomes(passed=1)
    outcome(project, test, "--archlint-select=LOS").assert_outcomes(passed=1)
    outcome(project, test, "--archlint-select=LOS", "--archlint-ignore=NRM").assert_outcomes(failed=1)
    outcome(project, "archlint('faulty.h5', select='LOS', ignore=None)").assert_outcomes(failed=1)


def test_a_configuration_of_archlint_is_used_if_it_is_named(project):
    (project.path / "archlint.toml").write_text('select = ["NRM"]', "utf-8")
    (project.path / "strict.toml").write_text('extend = "archlint.toml"\nseverity.NRM = "error"', "utf-8")
    test = "archlint('faulty.h5')"
    outcome(project, test).assert_outcomes(failed=1)
    outcome(project, test, "--archlint-config=archlint.toml").assert_outcomes(passed=1)
    project.makeini("[pytest]\narchlint_config = archlint.toml")
    outcome(project, test).assert_outcomes(passed=1)
    outcome(project, "archlint('faulty.h5', config='strict.toml')").assert_outcomes(failed=1)


def test_fixtures_of_a_whole_session_can_use_it(project):
    project.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def model(archlint):
            return archlint("faulty.h5", select="RNN")
        """
    )
    project.makepyfile(test_model="def test_model(model):\n    assert model.findings == ()")
    project.runpytest_inprocess(*PLUGINS).assert_outcomes(passed=1)


def test_an_option_that_there_is_not_fails_the_test_in_a_sentence(project):
    ran = outcome(project, 'archlint("faulty.h5", failon="error")')
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["archlint: there is no option failon; did you mean fail_on?"])


def test_what_the_baseline_of_the_configuration_holds_fails_no_test(project, archlint):
    (project.path / "archlint.toml").write_text('baseline = "accepted.json"\n', "utf-8")
    archlint("baseline", "faulty.h5")
    outcome(project, 'archlint("faulty.h5")', "--archlint-config=archlint.toml").assert_outcomes(passed=1)
    outcome(project, 'archlint("faulty.h5")').assert_outcomes(failed=1)


def test_what_does_not_use_it_does_not_pay_for_it(project):
    project.makepyfile(
        test_model="""
        import sys

        def test_nothing_is_imported():
            heavy = {"archlint.api", "archlint.rules", "msgspec", "numpy", "keras", "rich"}
            assert "archlint.pytest_plugin" in sys.modules
            assert heavy & {*sys.modules} == set()
        """
    )
    project.runpytest_subprocess(*PLUGINS).assert_outcomes(passed=1)


def test_the_page_about_the_api_shows_what_happens(project):
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    (build_model,) = re.findall(r"^```python\n(import keras\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    blocks = dict(re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```', page, re.MULTILINE | re.DOTALL))
    blocks["my_models.py"] = build_model
    for name, content in blocks.items():
        (project.path / name).write_text(content, "utf-8")
    result = project.runpytest_subprocess(*PLUGINS)
    shown, printed = (
        re.sub(r"keras [\d.]+", "keras", text)
        for text in (re.findall(r"^```text\n(_.*?)^```", page, re.MULTILINE | re.DOTALL)[0], result.stdout.str())
    )
    assert shown in printed
    result.assert_outcomes(passed=1, failed=1)
    ran = project.runpytest_subprocess(*PLUGINS, "--archlint-ignore=LOS001", "--archlint-fail-on=error")
    ran.assert_outcomes(passed=2)
