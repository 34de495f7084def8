"""Wherever it is trained, the same comes out; and what was started ends."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import lab_proof
import numpy as np
import pytest
from keras import layers
from lab_proof import LINE, X, chain, compiled, everywhere, proved
from support import Archlint

from archlint.cli import trials
from archlint.lab import isolated
from archlint.lab.arms import Arm, Curves, Data, Plan
from archlint.lab.budget import Costed, Staff, staffed
from archlint.lab.claims import Work
from archlint.lab.engines import Engine, EngineError, engine, train
from archlint.lab.events import Backend, Failed, Level, Planned, Ran, Request, TrialInfo
from archlint.lab.initial import initialize
from archlint.lab.isolated import verify
from archlint.lab.runs import Result, Run
from archlint.lab.trial import Trial
from archlint.lab.verdict import Verdict
from archlint.reports.verdicts import plan
from archlint.rules import Finding
from archlint.writers.keras import written

DATA = {"x": X, "y": LINE}
RULES = (everywhere("ZZZ001", "helps", "l2-on-kernels"), everywhere("ZZZ002", "overfits", "insert-dropout"))


def mlp() -> Any:
    return compiled(chain(layers.Dense(16, activation="relu"), layers.Dense(1)))


# What is asked of other processes


class Near(Engine):
    """Does at once, and here, what it is asked for, and takes note of it."""

    def __init__(self, most: int) -> None:
        super().__init__(Backend.loky, most, 1.0, is_wanted=True, stack=ExitStack())
        self.asked: list[list[tuple[str, int]]] = []

    def results(self, runs: Sequence[Run], data: Data, processes: int) -> Iterator[Result]:
        assert processes <= self.most
        self.asked.append([(run.arm.name, run.seed) for run in runs])
        return (train(run, data) for run in runs)


def proved_with(near: Engine | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> lab_proof.Proof:
    real = lab_proof.prove
    with monkeypatch.context() as patched:
        patched.setattr(lab_proof, "prove", lambda *args, **options: real(*args, **options, engine=near))
        return proved(folder, mlp(), *RULES, data=DATA, level=Level.train, epochs=3, seeds=(3, 5))


def but_for_seconds(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [lab_proof.replace(verdict, seconds=0.0) for verdict in verdicts]


def curves_of(found: lab_proof.Proof) -> list[Ran]:
    return [lab_proof.replace(event, seconds=0.0) for event in found.of(Ran)]


def test_the_same_comes_out_whoever_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts and curves, and in the same order; what was trained ahead and not needed is not told of."""
    alone = proved_with(None, tmp_path, monkeypatch)
    near = Near(4)
    found = proved_with(near, tmp_path, monkeypatch)
    assert but_for_seconds(found.verdicts) == but_for_seconds(alone.verdicts)
    assert curves_of(found) == curves_of(alone)
    assert (found.planned.processes, found.planned.backend) == (4, Backend.loky)
    assert (alone.planned.processes, alone.planned.backend) == (1, None)
    first, *others = near.asked
    assert sorted(first[:6]) == sorted((arm, seed) for arm in ("as it is", "l2-on-kernels") for seed in range(3))
    assert first[6:] == [("insert-dropout", 0), ("insert-dropout", 1)], "the next trial has use for idle processes"
    assert not {run for runs in others for run in runs} & set(first)


def test_what_fails_elsewhere_fails_its_own_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words that it would have here."""

    class Broken(Near):
        def results(self, runs: Sequence[Run], data: Data, processes: int) -> Iterator[Result]:
            failed = [RuntimeError("no kernel for NCHW") if "l2" in run.arm.name else None for run in runs]
            return (one or result for one, result in zip(failed, super().results(runs, data, processes), strict=True))

    first, second = proved_with(Broken(2), tmp_path, monkeypatch).verdicts
    assert first.sentence.endswith("TensorFlow cannot run it: no kernel for NCHW")
    assert "NCHW" not in second.sentence


# How many of them


def costed(per_seed: float, *, apart: bool = True) -> Costed:
    info = TrialInfo(
        number=0, code="A", rule="a", claim="a", layer=None, remedy=None, level=Level.train, arms=(), seeds=6
    )
    finding = Finding(code="A", name="a", severity="advice", layer=None, message="", advice="", fix=None, evidence={})
    return Costed(Trial(info, finding), [Work("before", 1.0, per_seed, apart), Work("after", 1.0, per_seed, apart)])


@pytest.mark.parametrize(
    ("per_seed", "apart", "most", "asked", "processes"),
    [
        (1.0, True, 2, {}, 0),
        (9.0, True, 2, {}, 2),
        (9.0, True, 64, {}, 6),
        (9.0, False, 2, {}, 0),
        (1.0, True, 2, {"jobs": 2}, 2),
        (9.0, True, 1, {"jobs": 1}, 0),
        (1.0, True, 1, {"backend": Backend.dask}, 1),
    ],
    ids=["too little", "much", "no more than runs", "not apart", "wanted", "one", "elsewhere"],
)
def test_other_processes_are_started_where_they_pay(
    per_seed: float, apart: bool, most: int, asked: dict[str, Any], processes: int
) -> None:
    """Each takes its seconds to start; whoever asks for them gets them all the same."""
    had = Engine(Backend.loky, most, 6.0, bool(asked), ExitStack())
    assert staffed([costed(per_seed, apart=apart)], had, Request(path="", rules=(), **asked)).processes == processes


def test_processes_share_what_can_be_done_apart() -> None:
    """Each traces the arms for itself."""
    trial = costed(4.0)
    assert Staff().seconds(trial.works, 3, set()) == 2 * (1 + 3 * 4)
    assert Staff(2, 6.0).seconds(trial.works, 3, {"after"}) == 1 + 3 * 4 / 2


# Real ones


@pytest.fixture
def short() -> Iterator[str]:
    """A folder whose name leaves room for those of Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="a-", ignore_cleanup_errors=True) as folder:
        yield folder


@pytest.mark.parametrize("backend", Backend)
def test_every_backend_gives_the_same_curves(
    backend: Backend, short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit; Dask and Ray as clusters on loopback."""
    monkeypatch.setattr(tempfile, "tempdir", short)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    model = tmp_path / "model.h5"
    mlp().save(model)
    with lab_proof.open_model(model) as read:
        arm = Arm("as it is", written(read).config)
    data, run = Data((X,), (LINE,)), Run("one", arm, Plan(epochs=2), 1)
    with engine(Request(path="", rules=(), backend=backend, jobs=1), 1.0) as had:
        assert had is not None
        (found,) = had.results([run], data, had.most)
    here = train(run, data)
    assert isinstance(found, Curves)
    assert isinstance(here, Curves)
    assert replace(found, seconds=0.0) == replace(here, seconds=0.0)


def test_initial_weights_follow_from_the_seed_whatever_other_threads_draw() -> None:
    """Those of a Dask worker draw from Python's generator, from which Keras takes its seeds, all the time."""
    model = keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=f"dense{place}") for place in range(20))])
    initialize(model, 0)
    quiet = model.get_weights()
    ended = threading.Event()

    def draw() -> None:
        while not ended.is_set():
            random.random()

    other = threading.Thread(target=draw)
    other.start()
    initialize(model, 0)
    ended.set()
    other.join()
    assert all(np.array_equal(one, same) for one, same in zip(model.get_weights(), quiet, strict=True))


def test_a_cluster_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, where Ray would go on trying."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    asked = Request(path="", rules=(), backend=Backend.ray)
    with (
        pytest.raises(EngineError, match=r"ray could not be started, or reached: .*Connection refused"),
        engine(asked, 1),
    ):
        pass


def test_a_missing_package_is_one_sentence(archlint: Archlint, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr(trials, "find_spec", lambda name: None if name == "ray" else True)
    ran = archlint("verify", "model.h5", "--backend", "ray")
    assert ran.code == 2
    assert "--backend ray takes ray: pip install 'archlint[cluster]'" in ran.err


# The command


def test_the_lab_is_told_what_to_train_on(archlint: Archlint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default it decides for itself; `check --verify` has the number of processes alone."""
    asked: list[Request] = []
    monkeypatch.setattr(trials, "verify", lambda request, *_: asked.append(request))
    model = str(tmp_path / "model.h5")
    chain(layers.Dense(4), layers.BatchNormalization(), layers.Dense(1)).save(model)
    archlint("verify", model, "--backend", "dask", "--jobs", "2")
    archlint("verify", model)
    archlint("check", model, "--verify", "--jobs", "3")
    assert [(one.backend, one.jobs) for one in asked] == [(Backend.dask, 2), (None, None), (None, 3)]


def test_the_plan_says_who_trains() -> None:
    """If it is not the lab's own process."""
    planned = Planned(trials=(), seconds=0.0, processes=4, backend=Backend.ray)
    told = ["".join(span.text for span in line) for line in plan(planned, "a.h5", 2, 200)]
    assert told[0] == "a.h5: 0 of 2 findings will be tried, by ray in 4 processes"


# What was started ends


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of the lab, a process that starts another and waits; the file with the number of the other."""
    script, started = tmp_path / "python", tmp_path / "started"
    script.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {started}.new\nmv {started}.new {started}\nwait\n", "utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return started


def is_running(started: Path) -> bool:
    """Whether the other is there, and no mere entry that nobody has collected."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", started.read_text("ascii").strip()], capture_output=True, text=True, check=False
    )
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def test_a_deadline_ends_all_that_was_started(starts: Path) -> None:
    """Not only the process itself."""
    told: list[Any] = []
    verify(Request(path="model.h5", rules=()), told.append, 1.0)
    assert told == [Failed(sentence="the lab was ended, as it had not come to an end within 1 s")]
    assert not is_running(starts)


def test_ctrl_c_while_it_starts_leaves_nothing(starts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits until the process is known, and then ends it."""
    real = isolated._started

    def interrupted(*args: Any) -> Any:
        process = real(*args)
        os.kill(os.getpid(), signal.SIGINT)
        while not starts.exists():
            time.sleep(0.01)
        return process

    monkeypatch.setattr(isolated, "_started", interrupted)
    with pytest.raises(KeyboardInterrupt):
        verify(Request(path="model.h5", rules=()), lambda _: None, 60.0)
    assert not is_running(starts)
