"""Every claim is confirmed where it holds, refuted where it does not, and left undecided where it cannot be tested."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from lab_proof import COIN, LINE, RULES, X, chain, compiled, everywhere, proved
from msgspec.structs import replace

from archlint.lab.arms import Curves
from archlint.lab.bench import _summary
from archlint.lab.claims import CLAIMS
from archlint.lab.claims.overfits import still_falls
from archlint.lab.claims.paired import EARLY_STOPPING, Compared
from archlint.lab.events import Began, Done, Ended, Level, Measured, Planned, Profiled, Ran, TrialInfo
from archlint.lab.verdict import Answer, Outcome, Reason
from archlint.reports import curves
from archlint.reports.verdicts import Attempt

SHORT = {"epochs": 10, "level": Level.train}
LINES = {"x": X, "y": LINE}
COINS = {"x": X, "y": COIN}


@pytest.fixture
def proof(tmp_path: Path) -> Any:
    """Puts a model to the test, in a folder of its own."""
    return partial(proved, tmp_path)


def sigmoids(depth: int) -> Any:
    hidden = [layers.Dense(8, activation="sigmoid") for _ in range(depth)]
    return compiled(chain(*hidden, layers.Dense(1)))


def wide_net() -> Any:
    hidden = [layers.Dense(128, activation="relu") for _ in range(2)]
    return compiled(chain(*hidden, layers.Dense(1, activation="sigmoid")), loss="binary_crossentropy")


def raw_net() -> Any:
    return compiled(chain(layers.Dense(16, activation="relu"), layers.Dense(1)), keras.optimizers.SGD(0.01))


def test_every_claim_that_a_page_names_has_a_test() -> None:
    """A page must not promise what nobody can find out."""
    assert {rule.claim for rule in RULES.values() if rule.claim} <= CLAIMS.keys()


def test_a_bias_before_a_norm_is_shown_to_be_redundant(proof: Any) -> None:
    """Its gradient is rounding; nothing is trained, so the remedy stays untested."""
    norm = [layers.BatchNormalization(), layers.Activation("relu"), layers.Dense(1)]
    verdict = proof(chain(layers.Dense(8, name="linear"), *norm), "NRM001").only
    assert (verdict.outcome, verdict.layer) == (Outcome.confirmed, "linear")
    assert verdict.numbers["share"] < 1e-5
    assert verdict.remedy.answer is Answer.untested
    assert "before training, on random inputs" in verdict.sentence


def test_a_bias_in_front_of_an_activation_is_not_redundant(proof: Any) -> None:
    """What bends in between keeps the normalization from taking it out."""
    bent = [layers.ReLU(), layers.BatchNormalization(), layers.Dense(1)]
    verdict = proof(chain(layers.Dense(8), *bent), everywhere("ZZZ001", "redundant-bias", None)).only
    assert (verdict.outcome, verdict.mechanism.answer) == (Outcome.refuted, Answer.no)
    assert verdict.numbers["share"] > 0.01


def test_a_deep_relu_stack_is_slow_under_glorot_and_not_under_he(proof: Any) -> None:
    """Each layer halves the variance, unless its kernel is drawn twice as wide."""
    hidden = [layers.Dense(8, activation="relu") for _ in range(10)]
    verdict = proof(compiled(chain(*hidden, layers.Dense(1)), "sgd"), "INI001").only
    assert (verdict.outcome, verdict.remedy.answer) == (Outcome.confirmed, Answer.yes)
    assert verdict.numbers["usd"] < 0.02 < 0.07 < verdict.numbers["usd with the change"]


def test_a_deep_sigmoid_stack_is_slow_and_relu_mends_it(proof: Any) -> None:
    """Seven sigmoids leave nothing of the signal."""
    found = proof(sigmoids(7), "ACT009")
    verdict = found.only
    told = [type(event) for event in found.events if not isinstance(event, Measured)]
    assert told == [Planned, Began, Profiled, Profiled, Ended, Done]
    assert verdict.outcome is Outcome.confirmed
    assert verdict.numbers["usd"] < 1e-4 < 0.1 < verdict.numbers["usd with the change"]
    assert verdict.remedy.answer is Answer.yes
    assert "standardized random inputs stand in for the data" in verdict.assumed
    assert_the_signal_runs_as_predicted(*found.of(Profiled))


def assert_the_signal_runs_as_predicted(lost: Profiled, mended: Profiled) -> None:
    """Both arms are told layer by layer; the finding was predicted by the same numbers."""
    assert (lost.arm, mended.arm) == ("as it is", "saturating-to-relu")
    for profile in (lost, mended):
        assert [layer.layer for layer in profile.layers] == [f"dense{place}" for place in range(8)]
        for layer in profile.layers[1:]:
            assert 0.2 < layer.spread / layer.predicted_spread < 5
            assert 0.2 < layer.gradient / layer.predicted_gradient < 5
    assert lost.layers[-1].spread < 1e-3 < 0.05 < mended.layers[-1].spread
    assert lost.layers[1].gradient < 1e-2 < 0.1 < mended.layers[1].gradient


def test_two_saturating_layers_are_not_slow(proof: Any) -> None:
    """The finding is what a page says; the lab need not agree."""
    verdict = proof(sigmoids(2), everywhere("ZZZ001", "slow", "saturating-to-relu")).only
    assert (verdict.outcome, verdict.mechanism.answer) == (Outcome.refuted, Answer.no)
    assert (verdict.remedy.answer, "with the change" in verdict.sentence) == (Answer.untested, False)
    assert "refuted, before training, on random inputs" in verdict.sentence


def test_training_tells_whether_a_lost_signal_matters(proof: Any) -> None:
    """With data and at the level of training, the symptom is judged, too."""
    x = np.random.default_rng(1).normal(size=(300, 10)).astype("float32")
    hidden = [layers.Dense(32, activation="sigmoid") for _ in range(7)]
    model = compiled(chain(*hidden, layers.Dense(1)), keras.optimizers.Adam(0.005))
    verdict = proof(model, "ACT009", data={"x": x, "y": x[:, 0] + x[:, 1]}, level=Level.train).only
    assert (verdict.outcome, verdict.symptom.answer) == (Outcome.confirmed, Answer.yes)
    assert verdict.scope.steps == 150
    assert verdict.effects[0].low > 0.1


def test_he_kernels_make_selu_drift_and_lecun_kernels_do_not(proof: Any) -> None:
    """Drift is counted in octaves, and nearly the same for every draw."""
    he = [layers.Dense(16, activation="selu", kernel_initializer="he_normal") for _ in range(8)]
    verdict = proof(chain(*he, layers.Dense(1), inputs=(16,)), "ACT001").only
    assert verdict.outcome is Outcome.confirmed
    assert abs(verdict.numbers["drift with the change"]) < 0.5 < 1.2 < verdict.numbers["drift"]


def test_equal_layers_stay_symmetric(proof: Any) -> None:
    """Of two constant layers, the next layer's random kernel pulls apart only the second."""
    ones = [layers.Dense(8, activation="relu", kernel_initializer="ones", name=name) for name in ("first", "second")]
    found = {verdict.layer: verdict for verdict in proof(chain(*ones, layers.Dense(1)), "INI003").verdicts}
    assert found["first"].outcome is Outcome.confirmed
    assert found["first"].remedy.answer is Answer.yes
    assert found["second"].outcome is Outcome.refuted


def test_units_that_became_alike_are_looked_at_as_they_are_in_the_file(proof: Any) -> None:
    """Drawn anew they would differ, which is not what the finding is about."""
    model = compiled(chain(layers.Dense(4, activation="tanh", name="alike"), layers.Dense(2, name="last")))
    random = np.random.default_rng(1)
    kernel = np.repeat(random.normal(size=(10, 1)), 4, axis=1)
    model.get_layer("alike").set_weights([kernel, np.zeros(4)])
    model.get_layer("last").set_weights([np.repeat(random.normal(size=(1, 2)), 4, axis=0), np.zeros(2)])
    verdict = proof(model, "WGT007").only
    assert (verdict.outcome, verdict.layer) == (Outcome.confirmed, "alike")
    assert verdict.numbers["difference"] < 1e-3


def test_dropout_shifts_the_variance_until_it_stands_behind_the_norm(proof: Any) -> None:
    """Measured before training; whether it does harm is another question."""
    model = chain(
        layers.Dense(32, activation="relu"),
        layers.Dropout(0.4, name="drop"),
        layers.BatchNormalization(),
        layers.Dense(8, activation="relu"),
        layers.Dense(1),
    )
    verdict = proof(model, "DRP004").only
    assert (verdict.outcome, verdict.symptom.answer) == (Outcome.confirmed, Answer.untested)
    assert verdict.numbers["variance shift with the change"] < 1.2 < 1.5 < verdict.numbers["variance shift"]


def test_raw_inputs_explode_under_sgd_and_scaled_ones_do_not(proof: Any) -> None:
    """Seeds are counted: all against none."""
    verdict = proof(raw_net(), "NRM008", data={"x": 1000 * X, "y": LINE}).only
    assert (verdict.outcome, verdict.seeds) == (Outcome.confirmed, 5)
    assert (verdict.numbers["exploded"], verdict.numbers["exploded with the change"]) == (5, 0)
    assert "within 20 steps, on train.npz, with sgd at a learning rate of 0.01" in verdict.sentence
    assert "the loss explodes in 5 of 5 seeds; the loss explodes with the change in 0 of 5 seeds" in verdict.sentence


def test_an_lstm_at_its_defaults_does_not_explode(proof: Any) -> None:
    """Clipping is a precaution; the finding is refuted for these data and steps."""
    x = np.random.default_rng(1).normal(size=(64, 3, 2)).astype("float32")
    model = compiled(chain(layers.LSTM(4), layers.Dense(1), inputs=(3, 2)))
    verdict = proof(model, "RNN001", data={"x": x, "y": x[:, 0, 0]}).only
    assert verdict.outcome is Outcome.refuted
    assert "refuted, within 100 steps, on train.npz, with adam" in verdict.sentence


def test_a_recurrent_kernel_above_one_explodes_and_clipping_mends_it(proof: Any) -> None:
    """What grows by half at every step is 86 times as large after eleven."""
    x = np.random.default_rng(1).normal(size=(64, 12, 2)).astype("float32")
    kernel = keras.initializers.Orthogonal(gain=1.5)
    cell = layers.SimpleRNN(4, activation="linear", recurrent_initializer=kernel, name="memory")
    model = compiled(chain(cell, layers.Dense(1), inputs=(12, 2)), keras.optimizers.SGD(0.01))
    verdict = proof(model, "RNN001", data={"x": x, "y": x[:, 0, 0]}).only
    assert (verdict.outcome, verdict.remedy_name) == (Outcome.confirmed, "clip-gradients")
    assert (verdict.numbers["exploded"], verdict.numbers["exploded with the change"]) == (5, 0)


def test_narrow_relu_layers_are_found_dying(proof: Any) -> None:
    """Leaky units are never dead, so that there is nothing to compare with."""
    narrow = [layers.Dense(2, activation="relu") for _ in range(5)]
    verdict = proof(compiled(chain(*narrow, layers.Dense(1))), "ACT011", data=LINES).only
    assert (verdict.outcome, verdict.remedy.answer) == (Outcome.confirmed, Answer.untested)
    assert verdict.numbers["inactive"] >= 0.5


def test_a_wide_network_overfits_few_noisy_samples(proof: Any) -> None:
    """The rise of the validation loss tells, and the remedy is tried against it."""
    found = proof(wide_net(), "DRP001", data=COINS, **SHORT | {"epochs": 80})
    verdict = found.only
    assert verdict.symptom.answer is Answer.yes
    assert (verdict.symptom.low or 0) > 0.03
    assert [effect.metric for effect in verdict.effects] == ["best validation loss", "final validation loss"]
    assert {event.arm for event in found.events if isinstance(event, Ran)} == {"as it is", "insert-dropout"}


def test_a_small_network_does_not_overfit_many_samples(proof: Any) -> None:
    """Ten weights have no room to learn a thousand samples by heart."""
    random = np.random.default_rng(1)
    x = random.normal(size=(1000, 10)).astype("float32")
    y = (x[:, 0] + random.normal(size=1000) > 0).astype("float32")
    last = layers.Dense(1, activation="sigmoid")
    model = compiled(chain(last), keras.optimizers.Adam(0.01), loss="binary_crossentropy")
    rule = everywhere("ZZZ001", "overfits", None)
    verdict = proof(model, rule, data={"x": x, "y": y}, **SHORT | {"epochs": 30}).only
    assert (verdict.outcome, verdict.symptom.answer) == (Outcome.refuted, Answer.no)


def test_a_loss_that_still_falls_refutes_nothing(proof: Any) -> None:
    """Three epochs are too few to overfit in; the sentence says what would tell."""
    clean = {"x": X, "y": (X[:, 0] > 0).astype("float32")}
    verdict = proof(wide_net(), "DRP001", data=clean, **SHORT | {"epochs": 3}).only
    assert (verdict.outcome, verdict.reason) == (Outcome.inconclusive, Reason.epochs)
    assert verdict.symptom.answer is Answer.unclear
    assert "is undecided: the validation loss was still falling; give more --epochs: rise of" in verdict.sentence


@pytest.mark.parametrize(
    ("val", "falls"),
    [
        ([0.7], True),  # nothing to compare with
        ([0.7, 0.6, 0.5], True),
        ([0.7, 0.5, 0.6], False),
        ([0.9, *[0.5] * 8, 0.4995], False),  # flat: its lowest point is chance
        ([0.9, *[0.5] * 8, 0.49], True),
        ([0.9, *[0.5] * 6, 0.4, 0.5, 0.5], False),
    ],
)
def test_a_curve_falls_if_its_lowest_point_is_late_and_well_below_the_others(val: list[float], falls: bool) -> None:
    assert still_falls(val) is falls


@pytest.mark.parametrize(
    ("best", "notes"),
    [([0.0, 0.001, -0.001], (EARLY_STOPPING,)), ([-0.1, 0.1, 0.05], ()), ([0.2, 0.21, 0.2], ())],
    ids=["refuted", "open", "confirmed"],
)
def test_early_stopping_is_as_good_only_where_the_best_point_is_no_lower(best: list[float], notes: Any) -> None:
    """Where that is open, nobody knows yet."""
    compared = Compared(3, 3, 0.95, best, [0.2, 0.21, 0.22], [False] * 3, [False] * 3)
    assert compared.notes() == notes


def test_the_dots_of_a_picture_are_the_differences_that_were_compared(tmp_path: Path) -> None:
    """Also where one run ends before the other."""
    short, long = (1.0, 0.5, 0.75, 1.0), (1.0, 0.5, 0.5, 0.8, 0.9, 2.0)
    compared, told = Compared(3, 3, 0.95), []
    for seed, after in enumerate([long, short[:3], long]):
        runs = [Curves(seed, val, val, (1.0,), 0.0) for val in (short, after)]
        compared.add(*runs)
        told += [_summary(0, arm, ran) for arm, ran in zip(("as it is", "other"), runs, strict=True)]
    info = TrialInfo(
        number=0, code="A", rule="a", claim="helps", layer=None, remedy="other", level=Level.train,
        arms=("as it is", "other"), seeds=3,
    )  # fmt: skip
    trial = Attempt(info=info, verdict=None, runs=tuple(told))
    best, end = compared.effects()
    assert curves._paired(trial, best.metric) == pytest.approx(best.differences)
    assert curves._paired(trial, end.metric) == pytest.approx(end.differences)
    assert end.differences == pytest.approx((0.25, 0.0, 0.25))


def test_overfitting_is_not_judged_without_data(proof: Any) -> None:
    """Nor at the level of probes, while what a probe can tell is told."""
    verdict = proof(wide_net(), "DRP001").only
    assert (verdict.outcome, verdict.reason) == (Outcome.inconclusive, Reason.data)
    assert (
        verdict.sentence
        == f"whether the network overfits at {verdict.layer} is undecided: it takes training data; give it with --data"
    )
    probed = proof(wide_net(), "DRP001", data=COINS).only
    assert probed.outcome is Outcome.inconclusive
    assert "--level train" in probed.sentence


def test_a_far_too_high_learning_rate_is_shown_to_hurt(proof: Any) -> None:
    """The same file, the same seeds, one number changed."""
    hidden = [layers.Dense(16, activation="relu") for _ in range(2)]
    model = compiled(chain(*hidden, layers.Dense(1)), keras.optimizers.Adam(30.0))
    verdict = proof(model, "OPT002", data=LINES, **SHORT).only
    assert (verdict.outcome, verdict.layer) == (Outcome.confirmed, None)
    assert verdict.effects[0].low > 0.02


def test_tiny_batches_are_compared_with_usual_ones(proof: Any) -> None:
    """No page names the claim; a pack's may."""
    model = compiled(chain(layers.Dense(8), layers.BatchNormalization(), layers.Dense(1)))
    rule = everywhere("ZZZ001", "tiny-batches", None)
    found = proof(model, rule, data=LINES, **SHORT | {"epochs": 2, "batch_size": 2, "seeds": (3, 3)})
    assert {event.arm for event in found.of(Ran)} == {"as it is", "batches of 32"}
    assert len(found.only.effects) == 2


def test_the_same_seeds_give_the_same_verdicts(proof: Any) -> None:
    """Only the seconds may differ."""
    asked = SHORT | {"epochs": 2, "seeds": (3, 3)}
    first, second = (replace(proof(wide_net(), "DRP001", data=COINS, **asked).only, seconds=0.0) for _ in range(2))
    assert first == second


def test_the_calibration_knows_what_is_confirmed(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """One network with the fault, one without, and one comparison of equal arms."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    calibration = import_module("lab_calibration")
    monkeypatch.setattr("sys.argv", ["lab_calibration", "bias", "classes", "--runs", "1", "--pairs", "1"])
    calibration.main()
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    confirmed = {row[0]: row[3] for row in rows if "of 1" in " ".join(row)}
    assert confirmed == {
        "equal arms, two classes": "0 of 1",
        "bias before batch norm": "1 of 1",
        "bias that counts": "0 of 1",
        "all equal arms": "0 of 1",
        "all controls": "0 of 1",
    }
