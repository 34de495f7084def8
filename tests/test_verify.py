"""`archlint verify` and `check --verify`: what people and programs are told of trials, and what fails.

`recorded/overfits.jsonl` is what the lab said of such a network (two hidden layers of 128 and 64 units, the second
before a batch normalization) and 240 noisy samples.
"""

import io
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console
from support import Archlint, Ran, entry, sequential, write_h5

from archlint.cli import trials
from archlint.cli.judge import Trying
from archlint.cli.outputs import Format, see_that_it_can_be_written
from archlint.cli.watching import Watch, spark
from archlint.errors import UsageError
from archlint.lab import events as said
from archlint.lab import isolated
from archlint.lab.events import Done, Event, Failed, TrialInfo
from archlint.lab.supply import arrays_of
from archlint.lab.thresholds import EFFECT
from archlint.lab.trial import Trial
from archlint.lab.verdict import Answer, Outcome, Part, Scope, Verdict
from archlint.reports import Checked, curves, verdicts
from archlint.reports.verdicts import Attempt
from archlint.rules import finding

ROOT = Path(__file__).parents[1]
RECORDED = [
    msgspec.json.decode(line, type=Event)
    for line in (Path(__file__).parent / "recorded" / "overfits.jsonl").read_bytes().splitlines()
]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The network that was recorded, in a folder whose configuration makes its overfitting a warning."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "archlint.toml").write_text('severity = { DRP001 = "warning" }\n', "utf-8")
    layers = (
        entry("Dense", name="wide", units=128, activation="relu", batch_input_shape=[None, 20]),
        entry("Dense", name="narrow", units=64, activation="linear", use_bias=True),
        entry("BatchNormalization", name="norm", axis=[1], center=True, scale=True),
        entry("Activation", name="relu", activation="relu"),
        entry("Dense", name="score", units=1, activation="sigmoid"),
    )
    return write_h5(tmp_path / "mlp.h5", sequential(*layers))


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> "Lab":
    """A lab that says what was recorded."""
    played = Lab()
    monkeypatch.setattr(trials, "verify", played)
    return played


class Lab:
    """Plays events instead of training."""

    def __init__(self) -> None:
        self.events: Iterable[Event] = RECORDED
        self.asked: list[said.Request] = []

    def __call__(self, request: said.Request, tell: said.Tell, _deadline: float) -> None:
        self.asked.append(request)
        for event in self.events:
            tell(event)

    def ends_with(self, outcome: Outcome) -> None:
        """From now on the first trial ends in this way."""
        done = RECORDED[-1]
        assert isinstance(done, Done)
        first = replace(done.verdicts[0], outcome=outcome, sentence=f"it is {outcome}")
        self.events = [*RECORDED[:-1], Done(verdicts=(first, *done.verdicts[1:]))]


def found(ran: Ran) -> dict[str, Any]:
    """The findings of a JSON report by code."""
    return {finding["code"]: finding for finding in ran.json["files"][0]["findings"]}


# What is said


def test_the_table_has_for_each_finding_its_parts_the_effect_and_a_sentence(
    archlint: Archlint, model: Path, lab: Lab
) -> None:
    out = archlint("verify", model).out
    assert re.search(r"^warning  no-dropout-before-dense  DRP001  at narrow\nconfirmed +– +yes +yes ", out, re.M)
    assert "+3.0% [+2.0%, +3.9%]" in out
    assert "the network overfits at narrow: confirmed, and insert-dropout helps" in " ".join(out.split())
    assert "assumed: the network is fed with the data as they are in the file" in out
    assert "after that: 1 warning, 1 advice" in out


def test_the_output_in_the_documentation_is_that_of_a_real_run(archlint, model, lab, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "98")
    _, shown = (ROOT / "docs" / "verify.md").read_text("utf-8").split("```text\n", 1)
    told = shown.split("```")[0].splitlines()
    ran = [line.rstrip() for line in archlint("verify", model).out.splitlines()]
    (place,) = [place for place, line in enumerate(told) if line.startswith("2 claims in ")]
    assert ran[place].startswith("2 claims in ")
    assert ran[1:place] == told[1:place]
    assert ran[place + 1 :] == told[place + 1 :]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_into_the_terminal(archlint: Archlint, model: Path, lab: Lab, monkeypatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out = archlint("verify", model).out
    assert max(map(len, out.splitlines()[1:])) <= width
    assert "mechanism  symptom  remedy" in out


def test_a_narrow_terminal_gets_a_line_in_place_of_the_table(archlint, model, lab, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out = archlint("verify", model).out
    assert max(len(line) for line in out.splitlines()[1:]) <= 60
    assert "symptom yes, remedy yes, effect +3.0% [+2.0%, +3.9%]" in " ".join(out.split())


def test_what_will_be_trained_and_for_how_long_is_said_on_standard_error(archlint, model, lab) -> None:
    ran = archlint("verify", model)
    assert "mlp.h5: 2 of 2 findings will be tried within about" in " ".join(ran.err.split())
    assert "trains as it is and insert-dropout, 30 epochs each, up to 6 seeds" in " ".join(ran.err.split())
    assert "\x1b" not in ran.out + ran.err


def test_quiet_says_nothing_but_the_report(archlint, model, lab) -> None:
    assert archlint("verify", model, "-q").err == ""


def test_json_is_the_report_of_check_with_the_trials(archlint, model, lab) -> None:
    ran = archlint("verify", model, "-f", "json")
    assert ran.json["schema"] == 1
    assert found(ran)["DRP001"]["verdict"]["outcome"] == "confirmed"
    assert found(ran)["DRP001"]["verdict"]["low"] > 0
    lab_said = ran.json["verification"]
    assert set(lab_said) == set(verdicts.Verification.__struct_fields__)
    assert all(name in verdicts.__doc__ for name in lab_said)
    first = lab_said["trials"][0]
    assert {run["arm"] for run in first["runs"]} == {"as it is", "insert-dropout"}
    assert len(first["runs"][0]["val"]) > 10


def test_markdown_has_the_table_and_cannot_be_formatted_by_a_name(archlint, model, lab) -> None:
    planned, *_, done = RECORDED
    evil = replace(planned.trials[0], layer="a|*b*<img>@me")
    lab.events = [replace(planned, trials=(evil, *planned.trials[1:])), done]
    out = archlint("verify", model, "-f", "markdown").out
    assert "| finding | verdict | mechanism | symptom | remedy | effect | seeds | time |" in out
    assert "2 confirmed" in out.splitlines()[0]
    for sign in ("*b*", "<img>", "@me", "a|"):
        assert sign not in out


def test_findings_without_a_claim_are_counted_and_the_lab_is_not_started_for_them(archlint, model, lab) -> None:
    ran = archlint("verify", model, "--select", "LOS", "--isolated")
    assert lab.asked == []
    assert "nothing was tried" in ran.out


def test_the_lab_is_asked_about_what_is_left_of_the_findings(archlint, model, lab) -> None:
    (model.parent / "archlint.toml").write_text('[[ignore]]\nrule = "DRP001"\nwhy = "known"\n', "utf-8")
    archlint("verify", model, "--seeds", "4..5", "--budget", "2m", "--epochs", "7")
    (asked,) = lab.asked
    assert asked.only == (("NRM001", "narrow"),)
    assert (asked.seeds, asked.budget, asked.epochs, asked.path) == ((4, 5), 120.0, 7, str(model))


def test_where_nothing_was_tried_it_says_what_was_checked_and_what_was_not(archlint, model, lab) -> None:
    out = archlint("verify", model, "--select", "LOS,DAT", "--isolated").out
    assert re.search(r"not checked: \d+ rules?: no training data was given; name it with --data\n", out)
    assert re.search(r"nothing was tried\n(.*\n)+1 file checked with \d+ of \d+ rules: nothing found\n", out)
    assert "after that" not in out


def untried(place: int) -> list[Event]:
    """What was recorded, with one trial that cannot be tried."""
    planned, *others = RECORDED
    trials_ = list(planned.trials)
    trials_[place] = replace(trials_[place], why="it takes training data; give it with --data")
    return [replace(planned, trials=tuple(trials_)), *others]


def test_claims_that_were_not_tried_are_counted_apart(archlint, model, lab) -> None:
    lab.events = untried(0)
    assert re.search(r"^1 claim in .*: 1 confirmed; 1 claim not tried$", archlint("verify", model).out, re.MULTILINE)


def test_the_row_says_what_a_finding_counts_as_now(archlint, model, lab) -> None:
    assert "\nwarning  no-dropout-before-dense  DRP001  at narrow\n" in archlint("verify", model).out
    lab.ends_with(Outcome.refuted)
    assert "\nadvice  no-dropout-before-dense  DRP001  at narrow\n" in archlint("verify", model).out


def test_the_plan_says_where_it_falls_short_of_what_was_asked_for(archlint, model, lab) -> None:
    planned, *others = RECORDED
    first, second = planned.trials
    lab.events = [replace(planned, trials=(replace(first, seeds=4), second), backend=None), *others]
    told = " ".join(archlint("verify", model, "--backend", "loky").err.split())
    assert "30 epochs each, up to 4 of 6 seeds; about" in told
    assert "--backend loky has no effect: only whole trainings go to other processes, and there is none" in told


@pytest.mark.parametrize(("budget", "seeds", "processes", "said_"), [
    (100.0, 6, 2, ()),
    (13.5, 3, 2, ("the budget allows 3 of 6 seeds, one of 16 s would allow all",)),
    (5.0, None, 0, ()),
])  # fmt: skip
def test_what_the_budget_does_not_allow_is_told_and_nobody_is_started_for_nothing(
    budget: float, seeds: int | None, processes: int, said_: tuple[str, ...]
) -> None:
    from archlint.lab.budget import within_budget  # here: they import TensorFlow
    from archlint.lab.claims import Work

    works = [Work("before", 0.0, 2.0, apart=True)]
    claim = SimpleNamespace(work=lambda *_: works)
    bench = SimpleNamespace(engine=SimpleNamespace(most=2, starting=10.0, is_wanted=True), processes=0)
    found_ = finding.Finding(
        code="A", name="a", severity="advice", layer=None, message="", advice="", fix=None, evidence={}
    )
    trial = Trial(_info(level=said.Level.train, seeds=6), found_, claim=claim)
    request = said.Request(path="", rules=(), backend=said.Backend.loky, budget=budget)
    (planned,) = within_budget([trial], bench, request)
    assert (planned.assumed, bench.processes) == (said_, processes)
    assert (None if planned.reason else planned.info.seeds) == seeds


def test_trials_of_a_rule_that_end_alike_are_one_row() -> None:
    verdict = Verdict(rule="INI001", claim="slow", layer="a", scope=Scope(data="d", optimizer="o")).concluded()
    many = [Attempt(info=_info(layer=f"dense_{place}"), verdict=verdict) for place in range(20)]
    assert [len(group) for group in verdicts.groups(many)] == [20]


def _info(**fields: Any) -> TrialInfo:
    return TrialInfo(
        **{"number": 0, "code": "INI001", "rule": "relu-initializer", "claim": "slow", "layer": None,
           "remedy": None, "level": "probe", "arms": ("as it is",), "seeds": 5} | fields
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0746, "+7.5%"), (-0.0996, "-10%"), (0.383, "+38%"), (29.7, "×31"), (float("inf"), "×inf")],
)
def test_an_effect_is_said_with_two_digits(value: float, text: str) -> None:
    assert verdicts.share(value) == text


# What fails


@pytest.mark.parametrize(("outcome", "severity", "code"), [
    (Outcome.confirmed, "warning", 1),
    (Outcome.remedy_refuted, "warning", 1),
    (Outcome.inconclusive, "warning", 1),
    (Outcome.mechanism_only, "advice", 0),
    (Outcome.refuted, "advice", 0),
])  # fmt: skip
def test_what_does_no_harm_is_advice_and_fails_nothing(archlint, model, lab, outcome, severity, code) -> None:
    lab.ends_with(outcome)
    ran = archlint("verify", model, "-f", "json")
    assert (found(ran)["DRP001"]["severity"], ran.code) == (severity, code)
    assert found(ran)["DRP001"]["verdict"].get("claimed") == (None if code else "warning")


@pytest.mark.parametrize(("outcome", "code"), [(Outcome.confirmed, 1), (Outcome.inconclusive, 0)])
def test_where_proof_is_required_only_what_is_confirmed_fails(archlint, model, lab, outcome, code) -> None:
    lab.ends_with(outcome)
    assert archlint("verify", model, "--require-proof").code == code
    assert archlint("check", model, "--verify", "--require-proof").code == code


def test_what_fails_nothing_for_want_of_proof_is_counted(archlint, model, lab) -> None:
    lab.ends_with(Outcome.inconclusive)
    said_ = "archlint: 1 warning does not fail the build: only confirmed findings do, with --require-proof\n"
    for command in (("verify", model), ("check", model, "--verify")):
        assert archlint(*command, "--require-proof").err.endswith(said_)
        assert archlint(*command, "--require-proof", "-q").err == ""
        assert said_ not in archlint(*command).err


def test_a_file_that_is_not_safe_to_load_fails_without_proof(archlint, model, lab) -> None:
    code = {"function": "lambda x: x + 1", "function_type": "lambda"}
    unsafe = entry("Lambda", name="scale", batch_input_shape=[None, 2], **code)
    path = write_h5(model.parent / "unsafe.h5", sequential(unsafe))
    ran = archlint("check", path, "--verify", "--require-proof", "--select", "SEC", "--isolated")
    assert (ran.code, lab.asked) == (1, [])


def test_a_refusal_says_how_to_learn_more(model) -> None:
    unsafe = finding.Finding(
        code="SEC001", name="lambda", severity="error", layer=None, message="code", advice="", fix=None, evidence={}
    )
    sentence = isolated._refusal(finding.Report(findings=(unsafe,), not_checked=(), judged=1), "my model.h5")
    assert sentence is not None
    assert "lambda: code; `archlint check --isolated --select SEC 'my model.h5'` says all" in sentence


def test_what_keeps_the_lab_from_its_work_is_one_sentence_and_2(archlint, model, lab) -> None:
    lab.events = [*RECORDED[:1], Failed(sentence="the lab ended by SIGKILL\x1b[2J")]
    ran = archlint("verify", model)
    assert (ran.code, ran.err.splitlines()[-1]) == (2, f"archlint: {model}: the lab ended by SIGKILL\\x1b[2J")
    assert re.search(r"nothing was tried\n(.*\n)+1 file checked with .*rules: 1 warning, 1 advice\n", ran.out)


def test_ctrl_c_is_one_sentence_and_130(archlint, model, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trials, "verify", interrupted)
    for command in (("verify", model), ("check", model, "--verify")):
        ran = archlint(*command)
        assert (ran.code, ran.out, ran.err.strip().count("\n")) == (130, "", 0)
        assert ran.err.strip().startswith("archlint: interrupted")


def test_without_tensorflow_a_sentence_says_how_to_get_it(archlint, model, monkeypatch) -> None:
    monkeypatch.setattr(trials, "find_spec", lambda _: None)
    ran = archlint("verify", model)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "archlint: verifying trains with TensorFlow and Keras: pip install 'archlint[verify]'\n"


@pytest.mark.parametrize("options", [
    ("--budget", "soon"), ("--budget", "0s"), ("--budget", "nan"), ("--seeds", "2"), ("--seeds", "3..9"),
    ("--seeds", "6..3"), ("--target", "quality"),
])  # fmt: skip
def test_options_that_make_no_sense_are_refused(archlint, model, lab, options) -> None:
    ran = archlint("verify", model, *options)
    assert (ran.code, ran.out, ran.err.count("\n"), lab.asked) == (2, "", 1, [])
    assert ran.err.startswith(f"archlint: {options[0]} {options[1]} is no")


@pytest.mark.parametrize("command", [("verify",), ("check", "--verify")])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_tried(archlint, model, lab, command) -> None:
    for name in ("missing/report.json", ".", "other.h5"):
        ran = archlint(*command, model, "-o", name)
        assert (ran.code, ran.out, lab.asked) == (2, "", [])
    Path("kept.txt").write_text("kept", "utf-8")
    Path("link.txt").symlink_to("new.txt")
    for name in ("kept.txt", "new.txt", "link.txt"):
        see_that_it_can_be_written(Path(name))
    assert (Path("kept.txt").read_text("utf-8"), Path("new.txt").exists()) == ("kept", False)
    assert Path("link.txt").is_symlink()


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("120s", 120), ("1.5m", 90), ("2m", 120), ("1h", 3600)])
def test_a_budget_is_given_in_seconds_minutes_or_hours(text: str, seconds: float) -> None:
    assert trials.duration(text) == seconds


# The data


FUNCTIONS = """
import sys
import numpy as np

print("what a function prints is not part of a report")
X = np.random.default_rng(0).normal(size=(60, 20))

def load():
    return X, X[:, 0] > 0

def grouped():
    return {"x": (X,), "y": X[:, 0] > 0, "groups": np.repeat(list("abc"), 20)}

def broken():
    return helper()

def helper():
    raise ValueError("no such bucket")

def leaving():
    sys.exit("bye")

def nothing():
    pass

def uneven():
    return X, X[:9, 0]

def words():
    return X, {"score": [None] * 60}
"""


@pytest.fixture
def functions(model: Path) -> Path:
    path = model.parent / "mydata.py"
    path.write_text(FUNCTIONS, "utf-8")
    return path


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Samples that the lab would have trained on; all of it but the training is done, in this process."""
    from archlint.lab import isolated, run

    given: list[Any] = []
    monkeypatch.setattr(isolated, "_limit_memory", lambda: None)
    monkeypatch.setattr(run, "prove", lambda _model, _found, samples, *_, **__: given.append(samples))
    monkeypatch.setattr(trials, "verify", lambda request, tell, _deadline: isolated._answer(request, tell))
    return given


def test_the_function_that_data_names_is_run_for_verify_alone(archlint, model, functions, trained_on) -> None:
    assert archlint("verify", model, "--data", "mydata:load").code in (0, 1)
    assert archlint("check", model, "--verify", "--data", "mydata:grouped", "-f", "json").json
    whole, grouped = trained_on
    assert (whole.name, grouped.name) == ("mydata.load", "mydata.grouped")
    assert whole.data.x[0].shape == (60, 20)
    assert set(whole.data.y[0].ravel().tolist()) == {0.0, 1.0}
    assert grouped.data.groups.tolist() == list("a" * 20 + "b" * 20 + "c" * 20)


@pytest.mark.parametrize("command", [("check",), ("baseline",), ("facts",)])
def test_other_commands_run_no_code(archlint, model, functions, command) -> None:
    functions.write_text("raise SystemExit(77)", "utf-8")
    ran = archlint(*command, model, "--data", "mydata:load")
    assert (ran.code, ran.out) == (2, "")
    assert "names a function, and only verify and check --verify run code; give a file" in ran.err


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("broken", "broken raised ValueError: no such bucket, in line 18 of mydata.py"),
        ("leaving", "leaving raised SystemExit: bye, in line 21 of mydata.py"),
        ("nothing", "it returned nothing; it must return x and y, or a dict of x, y and, if there are, x_val, "),
        ("uneven", "x holds 60 samples (60x20), but y 9 (9); they must be as many"),
        ("words", "score holds Python objects, and no numbers"),
        ("missing", "mydata has no function missing"),
    ],
)
def test_a_fault_of_the_function_is_one_sentence(archlint, model, functions, lab, function: str, why: str) -> None:
    ran = archlint("verify", model, "--data", f"mydata:{function}", "-q")
    assert (ran.code, ran.out, lab.asked) == (2, "", [])
    assert ran.err.startswith(f"archlint: --data mydata:{function}: {why}")


def test_a_module_that_is_not_there_is_one_sentence(archlint, model, lab) -> None:
    ran = archlint("verify", model, "--data", "no.such:load", "-q")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "--data no.such:load: importing no.such raised ModuleNotFoundError: No module named 'no'" in ran.err


def test_a_function_may_return_what_an_archive_can_hold() -> None:
    one, two = np.zeros((2, 3)), np.ones(2)
    for returned, names in (
        ((one, two), ["x", "y"]),
        (((one, one), [two, two]), ["x_0", "x_1", "y_0", "y_1"]),
        (({"left": one, "right": one}, two), ["left", "right", "y"]),
        ({"x": [one], "y": two, "x_val": (one,), "y_val": two, "groups": None}, ["x_0", "y", "x_val_0", "y_val"]),
        ({"x": [[1.0, 2.0], [3.0, 4.0]], "y": [0, 1]}, ["x", "y"]),
    ):
        assert list(arrays_of(returned)) == names
    for returned, why in (
        ([one, two], "it returned a list"),
        ((one, two, one), "it returned 3 values"),
        (({"a": one}, {"a": two}), "two arrays for a"),
        ({"x": one, "y": two, "x_val": {"left": one}}, "x_val cannot go by names of layers"),
        ((one, [[1], [1, 2]]), "y is no array"),
    ):
        with pytest.raises(UsageError, match=why):
            arrays_of(returned)


def test_samples_set_apart_groups_and_the_most_rows_hold_from_the_command_line_on(
    archlint, model, trained_on, monkeypatch
) -> None:
    from archlint.lab import samples
    from archlint.lab.splits import split

    x, y, groups = np.random.default_rng(0).normal(size=(90, 20)), np.arange(90) % 2, np.repeat(np.arange(18), 5)
    np.savez("groups.npz", x=x, y=y, groups=groups)
    np.savez("apart.npz", x=x[:60], y=y[:60], x_val=x[60:], y_val=y[60:])
    header = ",".join([*(f"f{column}" for column in range(20)), "y"])
    np.savetxt("table.csv", np.column_stack([x, y]), delimiter=",", header=header, comments="")
    monkeypatch.setattr(samples, "ROWS", 80)
    for options in (("groups.npz",), ("apart.npz",), ("table.csv", "--target", "y")):
        archlint("verify", model, "--data", *options)
    grouped, apart, table = (given.data for given in trained_on)
    assert [len(given) for given in (grouped, apart, table)] == [80, 80, 80]
    for seed in range(3):
        train, val = split(grouped, seed, 0.2)
        assert not set(grouped.groups[train]) & set(grouped.groups[val])
        train, val = split(apart, seed, 0.2)
        assert {row.tobytes() for row in apart.x[0][val]} <= {row.tobytes() for row in x[60:].astype("float32")}
        assert {row.tobytes() for row in apart.x[0][train]} <= {row.tobytes() for row in x[:60].astype("float32")}
    assert all(len(given.assumed) == 1 for given in trained_on)


def test_verify_takes_one_file(archlint, model, lab) -> None:
    (model.parent / "other.h5").write_bytes(model.read_bytes())
    ran = archlint("verify", model.parent)
    assert (ran.code, lab.asked) == (2, [])
    assert "is not one model file but 2; archlint check --verify takes several" in ran.err


def test_a_file_that_cannot_be_read_is_one_sentence(archlint, model, lab) -> None:
    model.write_bytes(b"no model")
    ran = archlint("verify", model)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_proof_cannot_be_required_of_a_check_that_tries_nothing(archlint, model) -> None:
    ran = archlint("check", model, "--require-proof")
    assert (ran.code, ran.out) == (2, "")
    assert "add --verify" in ran.err


# check --verify


@pytest.mark.parametrize("format", Format)
def test_every_format_shows_what_was_refuted(archlint, model, lab, format: str) -> None:
    lab.ends_with(Outcome.refuted)
    ran = archlint("check", model, "--verify", "-f", format)
    assert ran.code == 0
    assert "it is refuted" in ran.out


def test_the_report_says_what_a_finding_was_before(archlint, model, lab) -> None:
    lab.ends_with(Outcome.refuted)
    out = archlint("check", model, "--verify").out
    assert " advice  no-dropout-before-dense  DRP001  refuted, was a warning\n" in out
    assert "         tried it is refuted\n" in out
    assert "tried: 2 findings: 1 confirmed, 1 refuted\n" in out


def test_without_verify_a_finding_has_no_verdict(archlint, model, lab) -> None:
    assert "verdict" not in found(archlint("check", model, "-f", "json"))["DRP001"]


# The live picture


def drawn(events: Iterable[Event], monkeypatch: pytest.MonkeyPatch, width: int = 80) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    watch = Watch(Checked(path="mlp.h5", status="checked"))
    watch.draws = True
    for event in events:
        watch.hear(event)
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(watch)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_picture_shows_the_losses_of_both_arms_as_they_come(monkeypatch, width: int) -> None:
    start = next(place for place, event in enumerate(RECORDED) if getattr(event, "arm", "") == "insert-dropout")
    shown = drawn(RECORDED[: start + 8], monkeypatch, width)
    assert re.search(r"as it is +seed \d/6  epoch \d+/30  train [\d.]+ +val [\d.]+ +[▁▂▃▄▅▆▇█]+\n", shown)
    assert re.search(r"insert-dropout +seed 1/6  epoch 8/30  ", shown)
    assert max(map(len, shown.splitlines())) <= width


def test_the_live_picture_shows_verdicts_as_they_fall(monkeypatch) -> None:
    assert "confirmed       no-dropout-before-dense at narrow\n" in drawn(RECORDED[:-2], monkeypatch)


def test_the_live_picture_bears_every_moment_of_a_run(monkeypatch) -> None:
    for place in range(0, len(RECORDED), 9):
        drawn(RECORDED[:place], monkeypatch)


@pytest.mark.parametrize(
    ("losses", "blocks"),
    [([], ""), ([None], ""), ([1.0, 1.0], "▁▁"), ([8.0, 4.0, 2.0, 1.0], "█▆▃▁"), ([1.0, -1.0], "█▁")],
)
def test_a_curve_is_a_row_of_blocks(losses, blocks: str) -> None:
    assert spark(losses, 24) == blocks
    assert len(spark([1.0 + step for step in range(500)], 24)) <= 24


# Pictures


def test_each_trial_is_a_picture_with_a_harmless_name(archlint, model, lab) -> None:
    planned, *others = RECORDED
    evil = replace(planned.trials[0], layer="../$x$_{/evil")
    lab.events = [replace(planned, trials=(evil, *planned.trials[1:])), *others]
    archlint("verify", model, "--plot", "pictures")
    names = sorted(path.name for path in Path("pictures").iterdir())
    assert names == ["01-no-dropout-before-dense-_x_evil.png", "02-bias-before-norm-narrow.png"]
    assert all(Path("pictures", name).read_bytes().startswith(b"\x89PNG") for name in names)


def test_a_folder_for_pictures_that_is_a_file_is_refused_before_anything_is_trained(archlint, model, lab) -> None:
    ran = archlint("verify", model, "--plot", model)
    assert (ran.code, ran.out, lab.asked) == (2, "", [])
    assert "is no folder" in ran.err


def test_a_folder_without_a_picture_is_not_left_behind(archlint, model, lab) -> None:
    lab.events = []
    assert archlint("verify", model, "--plot", "new/pictures").err == "no picture, as nothing was measured\n"
    assert not Path("new").exists()
    assert archlint("verify", model, "--plot", "new/pictures", "-q").err == ""


def profile(arm: str, layers: int = 3, factor: float = 1.0) -> said.Profiled:
    received = [
        said.Received(
            layer=f"$block_{place}/dense",
            spread=0.1**place * factor,
            gradient=None if place == 0 else 0.0,
            predicted_spread=0.1**place,
            predicted_gradient=None,
        )
        for place in range(layers)
    ]
    return said.Profiled(number=0, arm=arm, layers=tuple(received))


def test_a_claim_about_the_signal_is_shown_layer_by_layer(archlint, model, lab, tmp_path) -> None:
    planned, *_, done = RECORDED
    profiles = [profile("as it is"), profile("insert-dropout", 40, 2.0)]
    lab.events = [planned, *profiles, done]
    ran = archlint("verify", model, "-f", "json", "--plot", "pictures")
    first, second = ran.json["verification"]["trials"]
    assert [seen["arm"] for seen in first["profiles"]] == ["as it is", "insert-dropout"]
    assert set(first["profiles"][0]["layers"][0]) == set(said.Received.__struct_fields__)
    assert second["profiles"] == []
    part = Part(answer=Answer.yes, metric="usd", value=1e-5, threshold=1e-2)
    verdict = Verdict(
        rule="INI001", claim="slow", layer=None, scope=Scope(data="d", optimizer="o"), mechanism=part, remedy=part
    ).concluded()
    sizes = []
    for seen in ((), tuple(profiles)):
        (path,) = curves.draw(tmp_path, [Attempt(info=_info(), verdict=verdict, profiles=seen)])
        sizes.append(struct.unpack(">II", path.read_bytes()[16:24]))
    assert sizes[1] > sizes[0]


def test_an_undecided_trial_of_which_nothing_was_seen_has_no_picture(tmp_path: Path) -> None:
    verdict = Verdict(rule="INI001", claim="slow", layer=None, scope=Scope(data="d", optimizer="o")).concluded()
    assert curves.draw(tmp_path, [Attempt(info=_info(), verdict=verdict)]) == []


def test_a_picture_of_runs_that_exploded_can_be_drawn(tmp_path: Path) -> None:
    ran = said.Ran(
        number=0, arm="as it is", seed=0, best=None, end=None, rise=None, finite=False, seconds=1.0,
        train=(1.0, None), val=(None, None),
    )  # fmt: skip
    part = Part(answer=Answer.yes, metric="loss ratio", value=float("inf"), threshold=10.0)
    scope = Scope(data="d", optimizer="o", epochs=2)
    verdict = Verdict(rule="NRM008", claim="unstable", layer=None, scope=scope, mechanism=part).concluded()
    for runs in ((ran,), ()):
        curves.draw(tmp_path, [Attempt(info=_info(), verdict=verdict, runs=runs)])


# What has to agree


def test_words_that_are_written_twice_for_the_sake_of_speed_agree() -> None:
    from archlint.lab import statements
    from archlint.lab import untried as untold
    from archlint.lab.claims import CLAIMS, paired  # here: it imports TensorFlow
    from archlint.lab.traced.looks import LOOKS

    assert [*Trying] == [*said.Level]
    assert statements._SAID.keys() == CLAIMS.keys()
    assert untold.TRAINS < untold.NEEDS_DATA < CLAIMS.keys()
    assert set(LOOKS) == untold.TRACES
    assert set(finding.Outcome.__args__) == {outcome.value for outcome in Outcome}
    assert set(curves._LOSSES) == {paired.BEST, paired.END}
    assert curves._WORTH == EFFECT


def test_other_commands_do_not_import_the_lab() -> None:
    code = "import sys, archlint.cli; print([name for name in sys.modules if name.startswith('archlint.lab')])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_what_cannot_be_tried_is_told_without_tensorflow(model) -> None:
    code = f"""
import sys
from archlint.lab import events, isolated
from archlint.rules import load
told = []
request = events.Request(path={str(model)!r}, rules=load(), only=(("DRP001", "narrow"),))
isolated._answer(request, told.append)
assert not {{"tensorflow", "keras"}} & sys.modules.keys()
(planned, ended, done) = told
assert done.verdicts == (ended.verdict,)
print(planned.trials[0].why, ended.verdict.sentence, sep="\\n")
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    why = "it takes training data; give it with --data"
    assert run.stdout == f"{why}\nwhether the network overfits at narrow is undecided: {why}\n"


# With the lab itself


def test_a_bias_before_a_normalization_is_confirmed_to_be_redundant(archlint, model) -> None:
    ran = archlint("verify", model, "--isolated", "-f", "json")
    assert ran.code == 0
    assert found(ran)["NRM001"]["verdict"]["outcome"] == "confirmed"
    assert found(ran)["DRP001"]["verdict"]["outcome"] == "inconclusive"
    assert "--data" in found(ran)["DRP001"]["verdict"]["sentence"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children in /proc")
def test_ctrl_c_leaves_no_process_behind(model) -> None:
    command = [sys.executable, "-m", "archlint", "verify", str(model), "--isolated"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        child = _child(run.pid)
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (130, "")
    assert err.strip().splitlines()[-1] == "archlint: interrupted; nothing was written"
    assert not Path(f"/proc/{child}").exists()


def _child(pid: int) -> int:
    """The lab that a process has started, once it has."""
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    for _ in range(600):
        for child in listing.read_text("ascii").split():
            if "archlint.lab.isolated" in Path(f"/proc/{child}/cmdline").read_text("ascii"):
                return int(child)
        time.sleep(0.05)
    raise AssertionError("no child was started")


def test_check_counts_what_was_tried_and_what_was_not(archlint, model, lab) -> None:
    planned, *others, done = RECORDED
    first = replace(done.verdicts[0], outcome=Outcome.inconclusive, seeds=0, effects=(), sentence="it takes data")
    lab.events = [planned, *others, Done(verdicts=(first, *done.verdicts[1:]))]
    out = archlint("check", model, "--verify").out
    assert "\ntried: 1 finding: 1 confirmed; 1 not tried\n" in out
    assert "\n         open  it takes data\n" in out
