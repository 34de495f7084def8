"""Claims that weights and a forward pass show are tested on ONNX files; onnxruntime sees what archlint has checked."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from lab_proof import RULES, proved
from msgspec.structs import replace
from onnx import numpy_helper
from support import FIXTURES

from archlint.lab.events import Level, Measured
from archlint.lab.traced import session as sessions
from archlint.lab.traced import trace
from archlint.lab.traced.session import Session
from archlint.lab.traced.trace import ExchangeError, Trace
from archlint.lab.traced.trials import NOTE
from archlint.lab.untried import NOT_TRACES
from archlint.lab.verdict import Answer, Outcome, Reason
from archlint.readers import open_model
from archlint.rules import Rule

EXPORTS = FIXTURES / "exports"
RANDOM = np.random.default_rng(0)


@pytest.fixture
def proof(tmp_path: Path) -> Any:
    """Puts a model to the test, in a folder of its own."""
    return partial(proved, tmp_path)


def drawn(units: int, inputs: int, gain: float = 1.0) -> Any:
    """A kernel as PyTorch stores it; with a gain of 1 it is LeCun's."""
    return (RANDOM.normal(size=(units, inputs)) * np.sqrt(gain / inputs)).astype(np.float32)


def stored(path: Path, text: str, weights: Mapping[str, Any]) -> Path:
    """The model in ONNX's text syntax, with weights."""
    model = onnx.parser.parse_model(text)
    del model.graph.initializer[:]
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items())
    onnx.save(model, path)
    return path


def about(code: str, layer: str, norm: str) -> Rule:
    """The rule as if it had found this layer and this normalization."""
    return replace(
        RULES[code],
        message="{layer} {norm}",
        advice="{layer}",
        fix=None,
        sql=f"SELECT layer.name AS layer, '{norm}' AS norm FROM layer WHERE layer.name = '{layer}'",
    )


def claiming(claim: str, where: str = "layer.id = 1") -> Rule:
    """A rule that finds this claim in ONNX files without looking."""
    sql = f"SELECT layer.name AS layer FROM layer WHERE {where}"
    return replace(RULES["NRM001"], claim=claim, remedy=None, message="{layer}", advice="{layer}", fix=None, sql=sql)


# What is found out


@pytest.mark.parametrize("export", ["cnn.torch-nofold", "cnn.torch-train", "cnn.keras", "cnn.keras-static"])
def test_a_bias_in_front_of_a_normalization_is_seen_to_be_redundant(proof: Any, export: str) -> None:
    """Whether the normalization is one operation or three, with channels first or last, for any batch or one size."""
    found = proof(EXPORTS / f"{export}.onnx", "NRM001")
    assert (found.only.outcome, found.only.seeds) == (Outcome.confirmed, 1)
    assert found.only.numbers["share"] < 1e-6
    assert found.of(Measured)[0].numbers == found.only.numbers


def test_a_bias_that_an_activation_makes_count_is_not(proof: Any) -> None:
    """Between the first convolution and the second normalization there are a ReLU and the second convolution."""
    verdict = proof(EXPORTS / "cnn.torch-nofold.onnx", about("NRM001", "conv1", "bn2")).only
    assert verdict.outcome is Outcome.refuted
    assert verdict.numbers["share"] > 0.1


def selu_blocks(path: Path, many: int) -> Path:
    """Selu layers, each added to the sum before it."""
    weights = {"first": drawn(32, 16), "last": drawn(1, 32)}
    steps = ['["stem/Gemm"] h0 = Gemm <transB = 1> (x, first)', '["stem/Selu"] s0 = Selu (h0)']
    for number in range(1, many + 1):
        weights[f"w{number}"] = drawn(32, 32)
        steps += [
            f'["b{number}/Gemm"] h{number} = Gemm <transB = 1> (s{number - 1}, w{number})',
            f'["b{number}/Selu"] a{number} = Selu (h{number})',
            f'["b{number}/Add"] s{number} = Add (s{number - 1}, a{number})',
        ]
    declared = ", ".join(f"float{list(array.shape)} {name}" for name, array in weights.items())
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[N,16] x) => (float[N,1] y) <{declared}> {{'
    return stored(path, "\n".join((text, *steps, f'["head/Gemm"] y = Gemm <transB = 1> (s{many}, last) }}')), weights)


@pytest.mark.parametrize(("many", "outcome"), [(1, Outcome.refuted), (5, Outcome.confirmed)])
def test_the_spread_of_selu_values_drifts_with_every_block_that_is_added(
    proof: Any, tmp_path: Path, many: int, outcome: Outcome
) -> None:
    verdicts = proof(selu_blocks(tmp_path / "selu.onnx", many), "ACT002").verdicts
    assert {verdict.outcome for verdict in verdicts} == {outcome}
    assert len(verdicts) == many


MLP = """<ir_version: 8, opset_import: ["" : 17]> g (float[N,16] x) => (float[N,1] y)
<float[8,16] first, float[8] bias, float[1,8] last> {
  ["hidden/Gemm"] linear = Gemm <transB = 1> (x, first, bias)
  ["relu/Relu"] active = Relu (linear)
  ["head/Gemm"] y = Gemm <transB = 1> (active, last)
}"""


def mlp(path: Path, **weights: Any) -> Path:
    return stored(path, MLP, {"first": drawn(8, 16), "bias": np.zeros(8, "f4"), "last": drawn(1, 8), **weights})


def test_units_with_the_same_weights_put_out_the_same(proof: Any, tmp_path: Path) -> None:
    same = np.repeat(drawn(1, 16), 8, axis=0)
    verdict = proof(mlp(tmp_path / "same.onnx", first=same), "WGT007").only
    assert (verdict.outcome, verdict.mechanism.answer) == (Outcome.confirmed, Answer.yes)


def test_units_that_their_biases_tell_apart_are_not_alike(proof: Any, tmp_path: Path) -> None:
    same, apart = np.repeat(drawn(1, 16), 8, axis=0), np.arange(8, dtype=np.float32)
    assert proof(mlp(tmp_path / "apart.onnx", first=same, bias=apart), "WGT007").only.outcome is Outcome.refuted


DROPPED = """<ir_version: 8, opset_import: ["" : OPSET], producer_name: "pytorch"> g (float[N,16] x) => (float[N,1] y)
<float[32,16] first, float[32,32] second, float[32] scale, float[32] zero, float[32] mean, float[32] variance,
 float[1,32] last, float ratio, bool training> {
  ["/fc1/Gemm"] linear = Gemm <transB = 1> (x, first, zero)
  ["/relu1/Relu"] active = Relu (linear)
  ["/dropout/Dropout"] dropped = DROPOUT
  ["/fc2/Gemm"] second_linear = Gemm <transB = 1> (dropped, second)
  ["/bn/BatchNormalization"] norm = BatchNormalization (second_linear, scale, zero, mean, variance)
  ["/relu2/Relu"] second_active = Relu (norm)
  ["/head/Gemm"] y = Gemm <transB = 1> (second_active, last)
}"""


def dropped(path: Path, rate: float, opset: int = 17) -> Path:
    inner = "Dropout (active, ratio, training)" if opset >= 12 else f"Dropout <ratio = {rate}> (active)"
    weights = {
        "first": drawn(32, 16, 2),
        "second": drawn(32, 32, 2),
        **{name: np.zeros(32, "f4") for name in ("zero", "mean")},
        **{name: np.ones(32, "f4") for name in ("scale", "variance")},
        "last": drawn(1, 32),
        "ratio": np.float32(rate),
        "training": np.True_,
    }
    if opset < 12:
        del weights["ratio"], weights["training"]
    return stored(path, DROPPED.replace("OPSET", str(opset)).replace("DROPOUT", inner), weights)


@pytest.mark.parametrize(("rate", "outcome"), [(0.1, Outcome.refuted), (0.5, Outcome.confirmed)])
def test_dropout_shifts_the_variance_that_a_normalization_sees(
    proof: Any, tmp_path: Path, rate: float, outcome: Outcome
) -> None:
    """Dropout is switched on and off in the same graph; with half of the values dropped it is about 2.5 times."""
    verdict = proof(dropped(tmp_path / "dropped.onnx", rate), about("DRP004", "dropout", "bn")).only
    assert (verdict.outcome, verdict.mechanism.metric) == (outcome, "variance in training over that in use")


def test_dropout_that_cannot_be_switched_on_leaves_it_undecided(proof: Any, tmp_path: Path) -> None:
    verdict = proof(dropped(tmp_path / "old.onnx", 0.5, opset=11), about("DRP004", "dropout", "bn")).only
    assert verdict.reason is Reason.unbuildable
    assert "dropout is written in a way that does not let it be switched on and off" in verdict.sentence


# What is said of it


def test_harm_and_remedy_are_not_looked_at_and_that_is_said(proof: Any) -> None:
    """Even where training was asked for: a trace cannot be trained."""
    found = proof(EXPORTS / "cnn.torch-nofold.onnx", "NRM001", level=Level.train)
    (trial,) = found.planned.trials
    assert (trial.level, trial.arms, trial.seeds) == (Level.probe, ("as it is",), 1)
    assert (found.only.symptom.answer, found.only.remedy.answer) == (Answer.untested, Answer.untested)
    assert NOTE in found.only.sentence
    assert "the weights in the file were looked at, and no others" in found.only.assumed


@pytest.mark.parametrize("claim", ["helps", "explodes", "overfits"])
def test_what_takes_gradients_or_training_is_undecided(proof: Any, tmp_path: Path, claim: str) -> None:
    verdict = proof(mlp(tmp_path / "model.onnx"), claiming(claim)).only
    assert (verdict.reason, NOT_TRACES in verdict.sentence) == (Reason.unbuildable, True)


def test_a_normalization_that_the_exporter_has_merged_is_not_to_be_seen(proof: Any) -> None:
    verdict = proof(EXPORTS / "cnn.dynamo.onnx", "NRM001").only
    assert "bn1 was merged into another layer by the exporter" in verdict.sentence


def test_layers_in_functions_are_not_to_be_seen(proof: Any) -> None:
    rule = claiming("symmetric", "layer.kind = 'dense' AND layer.name LIKE '%/%'")
    verdicts = proof(EXPORTS / "functions.parser.onnx", rule).verdicts
    assert all("is in a function of the file" in verdict.sentence for verdict in verdicts)
    assert verdicts


def test_one_layer_with_weights_does_not_drift(proof: Any) -> None:
    rule = claiming("selu-drift")
    verdict = proof(EXPORTS / "branch.dynamo.onnx", rule).only
    assert "on these samples there is nothing to measure" in verdict.sentence


def test_what_onnxruntime_refuses_is_said_in_its_words(proof: Any) -> None:
    """tf2onnx writes an operator that ONNX does not have."""
    verdict = proof(EXPORTS / "activations.keras.onnx", claiming("selu-drift")).only
    assert verdict.sentence.startswith("whether the signal drifts through SELU at ")
    assert "onnxruntime cannot run it: " in verdict.sentence
    assert "Erfc" in verdict.sentence


# What is fed


def test_indices_that_are_made_up_are_in_the_table_that_they_are_looked_up_in(proof: Any) -> None:
    verdict = proof(EXPORTS / "transformer.torch.onnx", claiming("selu-drift")).only
    assert verdict.reason is None


def test_the_users_samples_are_fed_if_there_are_any(proof: Any, tmp_path: Path) -> None:
    """Here they differ by nothing, which is no sight of a drift."""
    data = {"x": np.ones((20, 16), "f4"), "y": np.zeros((20, 1), "f4")}
    found = proof(selu_blocks(tmp_path / "selu.onnx", 2), "ACT002", data=data)
    assert all("there is nothing to measure" in verdict.sentence for verdict in found.verdicts)
    assert all(verdict.scope.data == "train.npz" for verdict in found.verdicts)


def test_a_graph_of_one_batch_size_is_run_batch_by_batch() -> None:
    """What is left over is not fed; a first state goes in each time."""
    text = '<ir_version: 8, opset_import: ["" : 17]> g (float[4,2] x, float[1,2] s) => (float[4,2] y) {y = Add (x, s)}'
    session = Session(onnx.parser.parse_model(text).SerializeToString(), ["x", "s"])
    batch = session.batch(10, None, {})
    assert (batch.samples, batch.step) == (8, 4)
    (y, x) = session.values(["y", "x"], batch)
    assert np.allclose(y, x + batch.arrays["s"])
    with pytest.raises(ExchangeError, match="the graph reads 4 samples at once, and the data hold 3"):
        session.batch(10, [np.zeros((3, 2)), np.zeros((3, 2))], {})


def test_inputs_that_are_no_numbers_are_refused() -> None:
    text = '<ir_version: 8, opset_import: ["" : 17]> g (string[N] x) => (string[N] y) {y = Identity (x)}'
    with pytest.raises(ExchangeError, match=r"its input x takes tensor\(string\), and the lab feeds numbers"):
        Session(onnx.parser.parse_model(text).SerializeToString(), ["x"])


# What is refused


def refusal(path: Path) -> str:
    """Why the lab does not run the file."""
    with open_model(path) as model, pytest.raises(ExchangeError) as raised:
        Trace.read(path, model)
    return str(raised.value)


def test_numbers_in_another_file_are_never_looked_up(tmp_path: Path) -> None:
    """Neither weights, nor what an operation or the body of a loop holds."""
    elsewhere = "its numbers are in another file, which is never opened; export it as a single file"
    assert refusal(EXPORTS / "mlp.dynamo-external.onnx") == elsewhere
    model = onnx.load(mlp(tmp_path / "model.onnx"))
    constant = onnx.helper.make_node("Constant", [], ["hidden"], value=numpy_helper.from_array(drawn(8, 16)))
    tensor = constant.attribute[0].t
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights")
    model.graph.node.insert(0, constant)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    assert refusal(tmp_path / "model.onnx") == elsewhere


def test_operators_of_other_libraries_are_not_run(tmp_path: Path) -> None:
    text = MLP.replace('"" : 17', '"" : 17, "own.ops" : 1').replace("Relu (linear)", "own.ops.Mystery (linear)")
    path = stored(tmp_path / "own.onnx", text, {"first": drawn(8, 16), "bias": np.zeros(8, "f4"), "last": drawn(1, 8)})
    assert refusal(path).endswith("is an operator of the domain 'own.ops', and the lab loads no library for it")


def test_large_files_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "MOST_BYTES", 2**9)
    assert "and the lab runs ONNX files of up to 0 MB" in refusal(mlp(tmp_path / "model.onnx"))


def test_a_file_that_was_replaced_after_the_check_is_not_run(tmp_path: Path) -> None:
    path = mlp(tmp_path / "model.onnx")
    with open_model(path) as model:
        shutil.copy(EXPORTS / "mlp.torch.onnx", path)
        with pytest.raises(ExchangeError, match="the file was changed after it was checked; verify it again"):
            Trace.read(path, model)


def test_without_onnxruntime_the_sentence_says_how_to_get_it(proof: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions._module.cache_clear()
    monkeypatch.setattr(sessions, "find_spec", lambda _name: None)
    verdict = proof(EXPORTS / "cnn.torch-nofold.onnx", "NRM001").only
    assert verdict.reason is Reason.unbuildable
    assert "the lab needs onnxruntime: pip install onnxruntime" in verdict.sentence
