"""A run keeps to its budget, shares arms, corrects for several claims, and breaks nothing but its own process."""

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow
import pytest
from keras import layers
from lab_proof import LINE, RULES, X, chain, compiled, everywhere, proved
from pyarrow import parquet
from support import entry, sequential, write_h5

from archlint.dataset import load as load_data
from archlint.errors import UsageError
from archlint.graph import Exchange
from archlint.lab import bench as lab_bench
from archlint.lab import samples
from archlint.lab.bench import Bench
from archlint.lab.claims import Judged
from archlint.lab.events import Began, Done, Epoch, Event, Failed, Level, Planned, Ran, Request, TrialInfo
from archlint.lab.isolated import verify
from archlint.lab.planning import plan
from archlint.lab.run import run
from archlint.lab.trial import Trial
from archlint.lab.untried import NOT_TRACES
from archlint.lab.verdict import Answer, Outcome, Part, Reason
from archlint.readers import open_model
from archlint.rules import Finding

DATA = {"x": X, "y": LINE}
SHORT = {"epochs": 2, "level": Level.train, "seeds": (3, 3)}


@pytest.fixture
def proof(tmp_path: Path) -> Any:
    """Puts a model to the test, in a folder of its own."""
    return partial(proved, tmp_path)


def mlp() -> Any:
    return compiled(chain(layers.Dense(16, activation="relu"), layers.Dense(1)))


# Planning


def test_nothing_is_trained_that_the_budget_does_not_allow_for(proof: Any) -> None:
    """The sentence says which budget would do."""
    asked = SHORT | {"epochs": 1000, "budget": 1.0}
    found = proof(mlp(), everywhere("ZZZ001", "overfits", "insert-dropout"), data=DATA, **asked)
    assert (found.only.outcome, found.only.reason) == (Outcome.inconclusive, Reason.budget)
    assert "it would take a budget of" in found.only.sentence
    assert found.planned.trials[0].why is not None
    assert not found.of(Began)


def test_what_only_training_shows_is_not_a_question_of_budget(proof: Any) -> None:
    """The sentence says how to ask for it."""
    verdict = proof(mlp(), everywhere("ZZZ001", "overfits", None), data=DATA, level=Level.probe).only
    assert (verdict.outcome, verdict.reason) == (Outcome.inconclusive, Reason.training)
    assert verdict.sentence.endswith("only trained networks show it; ask for training with --level train")


def test_equal_arms_are_trained_once_for_each_seed(proof: Any) -> None:
    """Two findings compare with the same model as it is; both are told of its curves."""
    rules = [everywhere("ZZZ001", "helps", "l2-on-kernels"), everywhere("ZZZ002", "helps", "insert-dropout")]
    found = proof(mlp(), *rules, data=DATA, **SHORT)
    assert sum(event.arm == "as it is" for event in found.of(Epoch)) == 2 * 3
    assert sum(event.arm == "as it is" for event in found.of(Ran)) == 2 * 3
    assert [trial.arms for trial in found.planned.trials] == [
        ("as it is", "l2-on-kernels"),
        ("as it is", "insert-dropout"),
    ]


def test_what_was_assumed_is_said(proof: Any) -> None:
    """The file holds neither the batch size nor, uncompiled, a loss or an optimizer."""
    model = chain(layers.Dense(4, kernel_initializer="ones", name="same"), layers.Dense(1))
    verdict = proof(model, "INI003", data=DATA).only
    assert "a batch size of 32, Keras's default, was assumed" in verdict.assumed
    assert any("Adam with a learning rate of 0.001 was assumed" in note for note in verdict.assumed)
    assert any("mean_squared_error was assumed" in note for note in verdict.assumed)


def test_a_remedy_that_does_not_fit_stays_untested(proof: Any) -> None:
    """The rest of the claim is judged all the same."""
    rule = everywhere("ZZZ001", "slow", "clip-gradients")
    verdict = proof(chain(layers.Dense(4, activation="relu"), layers.Dense(1)), rule).only
    assert (verdict.outcome, verdict.remedy.answer, verdict.remedy_name) == (Outcome.refuted, Answer.untested, None)
    assert "The remedy clip-gradients was not tried: the file names no optimizer" in verdict.sentence


def test_weights_that_training_goes_on_from_are_not_drawn_anew(proof: Any) -> None:
    """A frozen layer, and others that have been trained: here a signal that only these weights have lost."""
    model = chain(layers.Dense(8, activation="relu"), layers.Dense(8, activation="relu"), layers.Dense(1))
    frozen, lost, _ = model.layers
    frozen.trainable = False
    lost.set_weights([1e-5 * weight + 1e-6 for weight in lost.get_weights()])
    model.layers[2].set_weights([3 * weight for weight in model.layers[2].get_weights()])
    verdict = proof(model, everywhere("ZZZ001", "slow", "he-initializer")).only
    assert verdict.outcome is Outcome.confirmed
    assert verdict.numbers["usd"] < 1e-4
    assert "makes training slow: confirmed, with the weights in the file, on random inputs" in verdict.sentence
    assert "he-initializer was not tried: it changes how weights are drawn" in verdict.sentence
    assert "some layers are frozen, so every run began with the weights in the file" in verdict.assumed


def test_a_model_that_keras_has_no_form_for_cannot_be_built(proof: Any, tmp_path: Path) -> None:
    """The sentence names the layer."""
    config = sequential(
        entry("InputLayer", name="in", batch_input_shape=[None, 4]),
        entry("Mystery", name="own"),
        entry("Dense", name="last", units=1),
    )
    found = proof(write_h5(tmp_path / "own.h5", config), everywhere("ZZZ001", "slow", None))
    assert found.only.reason is Reason.unbuildable
    assert "'own'" in found.only.sentence


def test_an_onnx_file_is_not_trained(tmp_path: Path) -> None:
    """It is a trace, and the sentence says what to verify instead."""
    mlp().save(tmp_path / "model.h5")
    rule = everywhere("ZZZ001", "slow", None)
    finding = Finding(
        code="ZZZ001", name="a", severity="advice", layer="dense0", message="", advice="", fix=None, evidence={}
    )
    with open_model(tmp_path / "model.h5") as model:
        traced = replace(model, exchange=Exchange(8, 17, (), (), 0))
        asked = Request(path="model.h5", rules=())
        (trial,) = plan(traced, [(rule, finding)], Bench(None, lambda _: None), asked)
    assert (trial.reason, trial.info.why) == (Reason.unbuildable, NOT_TRACES)


# Several claims together


class Coin:
    """A claim that is confirmed with this p-value, at the level of one test and no stricter one."""

    def __init__(self, p: float) -> None:
        self.p = p

    def judge(self, _trial: Trial, bench: Bench) -> Judged:
        confirmed = self.p < 1 - bench.level
        return Judged(symptom=Part(answer=Answer.yes if confirmed else Answer.unclear), tests={"symptom": self.p})


def tossed(*p_values: float) -> list[tuple[Outcome, Reason | None]]:
    """The outcomes of claims with these p-values that are tested together."""
    trials = []
    for number, p in enumerate(p_values):
        info = TrialInfo(
            number=number,
            code="A",
            rule="a",
            claim="coin",
            layer=None,
            remedy=None,
            level=Level.train,
            arms=(),
            seeds=3,
        )
        finding = Finding(
            code="A", name="a", severity="advice", layer=None, message="", advice="", fix=None, evidence={}
        )
        trials.append(Trial(info, finding, Coin(p)))  # type: ignore[arg-type]  # all of a claim that a run asks for
    verdicts = run(trials, Bench(None, lambda _: None), Request(path="a", rules=()))
    return [(verdict.outcome, verdict.reason) for verdict in verdicts]


def test_claims_that_are_tested_together_are_corrected_for_each_other() -> None:
    """Alone 0.03 counts; one of three must do better, unless the others do, too."""
    confirmed, open_ = (Outcome.confirmed, None), (Outcome.inconclusive, Reason.seeds)
    assert tossed(0.03) == [confirmed]
    assert tossed(0.001, 0.03, 0.03) == [confirmed, open_, open_]
    assert tossed(0.001, 0.001, 0.03) == [confirmed] * 3


def test_what_is_no_number_is_not_called_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient of 0 over another of 0: more seeds would not help."""
    part = Part(answer=Answer.unclear, value=float("nan"))
    monkeypatch.setattr(Coin, "judge", lambda *_: Judged(mechanism=part))
    assert tossed(0.5) == [(Outcome.inconclusive, Reason.unmeasurable)]


def test_what_breaks_in_one_trial_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow's sentence is part of the verdict."""

    def broken(self: Coin, _trial: Trial, _bench: Bench) -> Judged:
        if self.p > 0.5:
            raise RuntimeError("no kernel for NCHW")
        return Judged(symptom=Part(answer=Answer.yes))

    monkeypatch.setattr(Coin, "judge", broken)
    assert tossed(0.9, 0.1) == [(Outcome.inconclusive, Reason.unbuildable), (Outcome.confirmed, None)]


# Samples


def loaded(path: Path, model: Any, *columns: str) -> Any:
    """What is trained on, for a model and a file of data."""
    saved = path.parent / "model.h5"
    model.save(saved)
    with open_model(saved) as read:
        return samples.load(path, load_data(path, columns), read, columns)


def test_a_table_is_brought_to_numbers(tmp_path: Path) -> None:
    """Texts become labels, gaps means; both are said."""
    table = tmp_path / "wine.csv"
    table.write_text("a,b,kind\n1,2,red\n3,,white\n5,6,red\n", "utf-8")
    found = loaded(table, compiled(chain(layers.Dense(2), inputs=(2,)), loss="sparse_categorical_crossentropy"), "kind")
    assert found.data.x[0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert found.data.y[0].tolist() == [0, 1, 0]
    assert len(found.assumed) == 2


@pytest.mark.parametrize("is_category", [False, True])
def test_a_parquet_table_is_brought_to_the_same_numbers(tmp_path: Path, is_category: bool) -> None:
    kinds = pyarrow.array(["red", "white", "red"])
    columns = {"a": [1.0, 3.0, 5.0], "b": [2.0, None, 6.0], "kind": kinds.dictionary_encode() if is_category else kinds}
    path = tmp_path / "wine.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    found = loaded(path, compiled(chain(layers.Dense(2), inputs=(2,)), loss="sparse_categorical_crossentropy"), "kind")
    assert found.data.x[0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert found.data.y[0].tolist() == [0, 1, 0]


def test_labels_become_what_the_loss_takes(tmp_path: Path) -> None:
    """A categorical loss takes one-hot rows."""
    archive = tmp_path / "train.npz"
    np.savez(archive, x=X[:3], y=np.array([0, 2, 1]))
    found = loaded(archive, compiled(chain(layers.Dense(3, activation="softmax")), loss="categorical_crossentropy"))
    assert found.data.y[0].tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_samples_set_apart_stay_apart(tmp_path: Path) -> None:
    """They are appended, and marked."""
    archive = tmp_path / "train.npz"
    np.savez(archive, x=X[:3], y=LINE[:3], x_val=X[3:5], y_val=LINE[3:5])
    found = loaded(archive, mlp())
    assert found.data.held_out.tolist() == [False, False, False, True, True]
    assert np.array_equal(found.data.x[0], X[:5])


def test_of_many_samples_some_are_drawn_with_their_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two groups of which each is too large, too."""
    monkeypatch.setattr(samples, "ROWS", 20)
    archive = tmp_path / "train.npz"
    groups = np.repeat(["a", "b"], 30)
    np.savez(archive, x=X, y=LINE, groups=groups)
    found = loaded(archive, mlp())
    rows = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in found.data.x[0]]
    assert len(set(rows)) == 20
    assert set(found.data.groups) == {"a", "b"}
    assert found.data.groups.tolist() == groups[rows].tolist()
    assert found.data.y[0].ravel().tolist() == LINE[rows].tolist()
    assert "of 60 samples 20 were drawn to train on" in found.assumed


def test_groups_are_one_for_each_sample(tmp_path: Path) -> None:
    """Whatever else is given is a sentence."""
    archive = tmp_path / "train.npz"
    np.savez(archive, x=X, y=LINE, groups=np.zeros((60, 2)))
    with pytest.raises(UsageError, match="the array groups must hold one value for each sample"):
        loaded(archive, mlp())


def test_data_without_targets_are_nothing_to_train_on(tmp_path: Path) -> None:
    """And half of the validation samples are an error."""
    archive = tmp_path / "train.npz"
    np.savez(archive, x=X)
    assert loaded(archive, mlp()) is None
    np.savez(archive, x=X, y=LINE, x_val=X)
    with pytest.raises(UsageError, match="more samples in one array than in another"):
        loaded(archive, mlp())


def test_the_batch_of_a_probe_shrinks_with_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """What all layers put out has to fit into memory."""
    inputs = keras.Input((10,))
    model = keras.Model(inputs, layers.Dense(90)(inputs))
    monkeypatch.setattr(lab_bench, "PROBED_VALUES", 100 * 20)
    assert len(Bench(None, lambda _: None).inputs(model)[0]) == 20


# The process of its own


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A small model with a redundant bias, in a file."""
    path = tmp_path / "model.h5"
    chain(layers.Dense(4), layers.BatchNormalization(), layers.ReLU(), layers.Dense(1)).save(path)
    return path


def verified(path: Path, *codes: str, deadline: float = 120.0) -> list[Event]:
    events: list[Event] = []
    verify(Request(path=str(path), rules=tuple(RULES[code] for code in codes)), events.append, deadline)
    return events


def test_a_file_is_verified_in_another_process(saved: Path) -> None:
    """The same events as in this one, and the file as it was."""
    before = saved.read_bytes()
    events = verified(saved, "NRM001")
    assert isinstance(events[0], Planned)
    assert isinstance(events[-1], Done)
    assert [verdict.outcome for verdict in events[-1].verdicts] == [Outcome.confirmed]
    assert saved.read_bytes() == before


def test_a_file_that_is_not_safe_is_not_touched(tmp_path: Path) -> None:
    """Whatever rules the user has chosen."""
    path = tmp_path / "lambda.keras"
    keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: x), layers.Dense(1)]).save(path)
    (event,) = verified(path, "NRM001")
    assert isinstance(event, Failed)
    assert event.sentence.startswith("the lab does not touch this file: ")


def test_a_deadline_ends_the_process(saved: Path) -> None:
    """With one sentence."""
    (event,) = verified(saved, "NRM001", deadline=0.1)
    assert event == Failed(sentence="the lab was ended, as it had not come to an end within 0 s")


def test_a_death_is_one_sentence(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which names the signal and what it most likely means."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nkill -9 $$\n", "utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    (event,) = verified(saved, "NRM001")
    assert event == Failed(sentence="the lab ended by SIGKILL: it was killed, most likely for want of memory")


def test_the_process_gets_no_secrets(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment it has what it takes to run."""
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nenv > {tmp_path / 'seen'}\n", "utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setenv("API_TOKEN", "secret")
    verified(saved, "NRM001")
    seen = (tmp_path / "seen").read_text("utf-8")
    assert "KERAS_BACKEND=tensorflow" in seen
    assert "secret" not in seen


def test_the_parent_imports_no_tensorflow() -> None:
    """Nor does whoever only speaks of events."""
    code = (
        "import sys, archlint.lab.isolated, archlint.lab.trial; assert not {'tensorflow', 'keras'} & sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
