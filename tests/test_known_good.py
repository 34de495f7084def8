"""Silence on what is known to be good: no finding above advice that is not explained here."""

from pathlib import Path

import pytest

from archlint.pipeline import check
from archlint.rules import load

FIXTURES = Path(__file__).parents[1] / "fixtures"


def models(folder):
    return sorted(path for path in (FIXTURES / folder).iterdir() if path.suffix in (".h5", ".keras", ".onnx"))


APPLICATIONS, SOUND, EXPORTS = models("applications"), models("sound"), models("exports")

NO_MOMENTUM = (
    "tf_keras builds ResNet-RS with bn_momentum=0.0 (the default in resnet_rs.py), so training would leave the running "
    "statistics of the very last batch behind: true, and harmful to whoever trains it"
)
IN_TRAINING = "exported from model.train(): a runtime would drop values, or measure each batch, at every inference"
NO_ERFC = "tf2onnx writes an exact GELU as an operator that ONNX does not have, and onnxruntime refuses the file"
REPLACEABLE = "torch was told keep_initializers_as_inputs=True: what the rule warns of was asked for"

JUSTIFIED = {
    "ResNetRS50.tfkeras.h5": {"NRM006": NO_MOMENTUM},
    "activations.keras.onnx": {"ONX008": NO_ERFC},
    "activations.tf2onnx.onnx": {"ONX008": NO_ERFC},
    "cnn.dynamo-train.onnx": {"ONX001": IN_TRAINING},
    "cnn.torch-train.onnx": {"ONX001": IN_TRAINING},
    "mlp.torch-inputs.onnx": {"ONX006": REPLACEABLE},
    "norms.torch-train.onnx": {"ONX001": IN_TRAINING},
    "residual.torch-train.onnx": {"ONX001": IN_TRAINING},
    "transformer.dynamo-train.onnx": {"ONX001": IN_TRAINING},
    "transformer.keras.onnx": {"ONX008": NO_ERFC},
    "transformer.tf2onnx.onnx": {"ONX008": NO_ERFC},
    "transformer.torch-train.onnx": {"ONX001": IN_TRAINING},
}
"""What is said, above advice, of models that are known to be good, and why it is true of them all the same."""

OPAQUE = "what a custom layer computes is not in the file"
BY_VARIANCE = "the shift of variance is there; such nets live with it, and the lab can tell for whom it matters"

ADVISED = {
    "causal_decoder.keras": {"GRF004": "archlint does not know cumsum, by which the places are counted"},
    "dqn.keras": {"DRP001": "the file does not tell that its samples never come to an end"},
    "face_embedding.keras": {"DRP004": BY_VARIANCE},
    "mixed_precision.keras": {"OPT006": "true: Keras does not save the scaling of the loss"},
    "mnist_convnet.h5": {"GRF003": "true: nearly all its parameters are in one dense layer"},
    "mnist_convnet.keras": {"GRF003": "true: nearly all its parameters are in one dense layer"},
    "nerf.keras": {"DRP001": "the file does not tell that one scene is all it is for"},
    "pointnet.keras": {"DRP004": BY_VARIANCE},
    "topics.keras": {"OPT004": "true of every penalty under Adam, and small here"},
    "transformer_classifier.keras": {"GRF004": OPAQUE},
    "vae.keras": {"GRF004": OPAQUE},
    "vit.keras": {"GRF004": OPAQUE},
}
"""The advice that sound networks get: each piece was weighed, and new rules should have little to add."""


@pytest.fixture(scope="session")
def rules():
    return load()


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=[path.name for path in paths])


def codes(path, rules, severities):
    checked = check(path, rules)
    assert checked.error is None
    return {finding.code for finding in checked.findings if finding.severity in severities}


@named(APPLICATIONS + SOUND + EXPORTS)
def test_a_model_that_is_known_to_be_good_has_no_finding_but_advice_and_what_is_justified(path, rules):
    assert codes(path, rules, {"error", "warning"}) == set(JUSTIFIED.get(path.name, {}))


@named(SOUND)
def test_a_sound_network_gets_no_advice_but_what_was_weighed(path, rules):
    assert codes(path, rules, {"advice"}) == set(ADVISED.get(path.name, {}))


def test_only_files_that_are_there_are_excused():
    assert (JUSTIFIED.keys() | ADVISED.keys()) <= {path.name for path in APPLICATIONS + SOUND + EXPORTS}


def test_the_known_good_models_are_of_at_least_twelve_families():
    families = {path.name.split(".")[0].rstrip("0123456789BSMLXV") for path in APPLICATIONS}
    assert len(families) >= 12
