"""Remedies: each mends what the page that names it finds, harms nothing else, and leaves a model that Keras builds."""

import os
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from support import kinds, layer, wires

from archlint.dataset.memory import of_arrays
from archlint.evidence import Evidence, Reading
from archlint.facts import build
from archlint.graph import Model
from archlint.readers.live import read_live
from archlint.remedies import REMEDIES, RemedyError, apply
from archlint.rules import Report, examples, run
from archlint.rules.catalogue import page_files, parse_and_prove
from archlint.rules.finding import Finding
from archlint.rules.rule import Example, Rule

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
layers = keras.layers
network = pytest.importorskip("archlint.lab.network").network

ALL_PAGES = page_files(Path(__file__).parents[1] / "rules")
PAGES = [page for page in ALL_PAGES if "\nremedy: " in page.read_text("utf-8")]

ACTS_IN_TRAINING = {"WGT008"}
"""Rules about stored numbers whose remedy changes how these come about; only training can tell whether it does."""


# -- the pages that name a remedy --


@cache
def rules() -> tuple[Rule, ...]:
    return tuple(parse_and_prove([(page, page.read_bytes()) for page in ALL_PAGES]))


def rule_of(page: Path) -> Rule:
    return next(rule for rule in rules() if Path(rule.path) == page)


def said(model: Model, rule: Rule, example: Example, evidence: Evidence) -> Report:
    """What all rules say, that of the page with the options of its example."""
    shown = [msgspec.structs.replace(other, values=example.values) if other is rule else other for other in rules()]
    return judged(model, shown, evidence)


def judged(model: Model, shown: Iterable[Rule], evidence: Evidence) -> Report:
    """What these rules say."""
    with closing(build(model, evidence)) as facts:
        return run(shown, facts.connection, facts.absent)


def grave(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity != "advice"]


def places(findings: Iterable[Finding]) -> set[tuple[str, str | None]]:
    return {(finding.code, finding.layer) for finding in findings}


def firing(rule: Rule, family: str) -> list[Example]:
    return [example for example in rule.examples if example.fires and example.format == family]


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@every_page
def test_a_page_names_a_remedy_that_there_is(page):
    assert rule_of(page).remedy in REMEDIES


@every_page
def test_a_remedy_is_for_something_that_the_lab_can_test(page):
    assert rule_of(page).claim


@every_page
def test_what_a_page_finds_is_gone_after_its_remedy_and_nothing_new_is_found(page):
    rule = rule_of(page)
    for example in firing(rule, "keras"):
        with examples._model(rule, example, page.name) as (model, data):
            before = said(model, rule, example, Evidence(data=data)).findings
            for finding in before:
                if finding.code == rule.code:
                    changed = apply(rule.remedy, model, finding, data)
                    assert_only_that_is_mended(rule, example, finding, before, model, changed, data)
                    assert_keras_builds(model, changed)


def assert_only_that_is_mended(rule, example, finding, before, model, changed, data):
    # The stored numbers are from before the change, so nothing can be told of the changed model by them.
    report = said(changed, rule, example, Evidence(weights=Reading.never, data=data))
    after = report.findings
    assert (finding.code, finding.layer) not in places(after)
    assert places(grave(after)) <= places(grave(before))
    silent = {unjudged.code for unjudged in report.not_checked}
    assert (rule.code in silent) == (rule.code in ACTS_IN_TRAINING)
    assert {known.name for known in model.layers} <= {known.name for known in changed.layers}


def assert_keras_builds(model, changed):
    if not any(known.traits.opaque for known in model.layers):
        assert len(network(changed, weights=False).layers) == len(changed.layers)


@every_page
def test_an_onnx_file_is_not_changed_and_the_reason_is_said(page):
    rule = rule_of(page)
    for example in firing(rule, "onnx"):
        with examples._model(rule, example, page.name) as (model, _):
            findings = said(model, rule, example, Evidence()).findings
            found = next(found for found in findings if found.code == rule.code)
            with pytest.raises(RemedyError, match="an ONNX file is the trace of a model"):
                apply(rule.remedy, model, found)


@pytest.mark.parametrize(("blocks", "attention"), [(18, False), (12, True)])
def test_layer_norms_mend_deep_residual_blocks_without_norms(blocks, attention):
    rule = next(rule for rule in rules() if rule.code == "NRM007")
    inputs = keras.Input((6, 32))
    x = layers.Dense(32)(inputs)
    for _ in range(blocks):
        if attention:
            x = layers.Add()([x, layers.MultiHeadAttention(2, 16)(x, x)])
        hidden = layers.Dense(64, activation="gelu", kernel_initializer="he_normal")(x)
        x = layers.Add()([x, layers.Dense(32, kernel_initializer="he_normal")(hidden)])
    before = neutral(keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling1D()(x))))
    (found,) = judged(before, [rule], Evidence()).findings
    assert found.severity != "advice"
    after = judged(apply("insert-layer-norm", before, found), [rule], Evidence())
    assert (after.findings, after.not_checked) == ((), ())


# -- changes of the graph --


def neutral(model) -> Model:
    """What archlint reads of a Keras model."""
    return read_live(model, "keras")


def finding(name: str | None = None, **evidence) -> Finding:
    """A finding about a layer, as far as a remedy looks at it."""
    return Finding(
        code="TST001",
        name="test",
        severity="advice",
        layer=name,
        message="",
        advice="",
        fix=None,
        evidence=evidence,
    )


def stored(model: Model) -> list[tuple[str, str, str]]:
    """Of each stored weight: the layer that it is for, the path that the file says, its name."""
    return [(model.layers[weight.layer].name, weight.path, weight.name) for weight in model.stored()]


def predictions(model: Model, samples):
    """What a neutral model predicts, with the weights that are stored for it."""
    return np.asarray(network(model)(samples))


def plain(*inner, width=8):
    return keras.Sequential([keras.Input((width,), name="x"), *inner])


@pytest.fixture
def siamese():
    """Two towers that share an encoder of two layers, and two outputs."""
    encoder = keras.Sequential(
        [layers.Dense(6, activation="relu", name="wide"), layers.Dense(4, activation="tanh", name="code")],
        name="encoder",
    )
    left, right = keras.Input((8,), name="left"), keras.Input((8,), name="right")
    codes = [encoder(left), encoder(right)]
    joined = layers.Concatenate(name="joined")(codes)
    return keras.Model([left, right], [layers.Dense(1, name="score")(joined), codes[1]])


def test_a_new_layer_in_a_shared_model_is_called_as_often_as_its_neighbour(siamese):
    changed = apply("insert-dropout", neutral(siamese), finding("encoder/code"))
    assert wires(changed) == [
        ("left", []),
        ("right", []),
        ("encoder/wide", ["left"]),
        ("encoder/code_dropout", ["encoder/wide"]),
        ("encoder/code", ["encoder/code_dropout"]),
        ("encoder/wide", ["right"]),
        ("encoder/code_dropout", ["encoder/wide"]),
        ("encoder/code", ["encoder/code_dropout"]),
        ("joined", ["encoder/code", "encoder/code"]),
        ("score", ["joined"]),
    ]
    assert [known.name for known in changed.layers] == list(dict.fromkeys(name for name, _ in wires(changed)))


def test_outputs_are_the_same_values_after_a_change(siamese):
    before = neutral(siamese)
    changed = apply("insert-dropout", before, finding("encoder/code"))
    assert [output.name for output in changed.outputs] == [output.name for output in before.outputs]
    ends = [changed.calls[output.tensor.call] for output in changed.outputs]
    assert [changed.layers[call.layer].name for call in ends] == ["score", "encoder/code"]
    second_tower = [call for call in changed.calls if call.layer == ends[1].layer][1]
    assert ends[1] == second_tower


def test_an_output_goes_through_a_layer_that_is_put_behind_its_own():
    inputs = keras.Input((8,), name="x")
    code = layers.Dense(4, name="code")(inputs)
    model = neutral(keras.Model(inputs, [code, layers.Dense(1, name="score")(code)]))
    changed = apply("insert-batch-norm", model, finding())
    assert [changed.layers[changed.calls[output.tensor.call].layer].name for output in changed.outputs] == [
        "code_norm",
        "score",
    ]


def test_stored_weights_stay_with_their_layers(siamese):
    before = neutral(siamese)
    changed = apply("insert-dropout", before, finding("encoder/code"))
    assert stored(changed) == stored(before)
    assert len(stored(changed)) == 6


def test_a_change_that_acts_in_training_alone_leaves_the_predictions_as_they_were():
    model = plain(
        layers.Dense(16, activation="relu"),
        layers.Dropout(0.3, name="dropout"),
        layers.BatchNormalization(name="norm"),
        layers.Dense(16, activation="relu", name="hidden"),
        layers.Dense(1),
    )
    before, samples = neutral(model), np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
    expected = np.asarray(model(samples))
    for name, found in {
        "swap-order": finding("dropout", norm="norm"),
        "insert-dropout": finding("hidden"),
        "l2-on-kernels": finding(),
        "he-initializer": finding(),
    }.items():
        np.testing.assert_allclose(predictions(apply(name, before, found), samples), expected, rtol=1e-5)


def test_shared_layers_compute_the_same_after_a_change(siamese):
    changed = apply("insert-dropout", neutral(siamese), finding("encoder/code"))
    samples = [np.random.default_rng(seed).normal(size=(5, 8)).astype("float32") for seed in range(2)]
    for made, expected in zip(network(changed)(samples), siamese(samples), strict=True):
        np.testing.assert_allclose(made, expected, rtol=1e-5)


def test_a_path_that_is_taken_is_numbered():
    model = plain(layers.Dense(4, name="wide_dropout"), layers.Dense(4, name="wide"), layers.Dense(1))
    changed = apply("insert-dropout", neutral(model), finding("wide"))
    assert "wide_dropout_1" in kinds(changed)


def test_a_layer_beside_one_of_a_time_distributed_model_is_mapped_over_time_too():
    inner = keras.Sequential([layers.Dense(4, activation="relu", name="dense"), layers.Dense(2, name="out")])
    model = keras.Sequential([
        keras.Input((5, 8)),
        layers.TimeDistributed(inner, name="steps"),
        layers.TimeDistributed(layers.Dense(4, activation="relu"), name="each"),
        layers.Dense(1),
    ])  # fmt: skip
    changed = apply("insert-batch-norm", neutral(model), finding())
    assert layer(changed, "steps/dense_norm").time_distributed == 1
    assert layer(changed, "steps/dense_activation").time_distributed == 1
    assert layer(changed, "each_norm").time_distributed == 0
    assert layer(changed, "each").time_distributed == 1


def test_a_new_layer_computes_in_the_precision_of_its_neighbour():
    model = neutral(plain(layers.Dense(4, name="wide", dtype="mixed_float16"), layers.Dense(1)))
    assert layer(apply("insert-dropout", model, finding("wide")), "wide_dropout").args["dtype"] == "mixed_float16"


# -- the remedies --


def test_a_norm_comes_between_a_kernel_and_its_activation():
    model = plain(layers.Dense(4, activation="relu", name="hidden"), layers.Dense(1, activation="sigmoid", name="out"))
    for name, kind in (("insert-batch-norm", "batch_norm"), ("insert-layer-norm", "layer_norm")):
        changed = apply(name, neutral(model), finding())
        assert kinds(changed) == {
            "x": "input",
            "hidden": "dense",
            "hidden_norm": kind,
            "hidden_activation": "activation",
            "out": "dense",
        }
        assert layer(changed, "hidden").activation == "linear"
        assert layer(changed, "hidden_activation").activation == "relu"


def test_an_activation_keeps_its_settings_when_it_becomes_a_layer_of_its_own():
    model = plain(layers.Dense(4, activation=layers.LeakyReLU(negative_slope=0.05), name="hidden"), layers.Dense(1))
    built = network(apply("insert-batch-norm", neutral(model), finding()), weights=False)
    assert float(built.get_layer("hidden_activation")(np.array([-1.0], "float32"))[0]) == pytest.approx(-0.05)


def test_what_is_normed_already_gets_no_second_norm():
    model = plain(
        layers.Dense(4),
        layers.Activation("relu"),
        layers.BatchNormalization(name="norm"),
        layers.Dense(4, name="bare"),
        layers.Dense(1),
    )
    changed = apply("insert-batch-norm", neutral(model), finding())
    assert [name for name, kind in kinds(changed).items() if kind == "batch_norm"] == ["norm", "bare_norm"]


def test_a_norm_of_channels_first_maps_counts_their_axis():
    model = keras.Sequential([
        keras.Input((3, 8, 8)),
        layers.Conv2D(4, 3, data_format="channels_first", name="conv"),
        layers.Flatten(),
        layers.Dense(1),
    ])  # fmt: skip
    assert layer(apply("insert-batch-norm", neutral(model), finding()), "conv_norm").args["axis"] == 1


def test_dropout_is_moved_behind_the_norm_and_its_activation():
    model = plain(
        layers.Dropout(0.5, name="dropout"),
        layers.Dense(4, name="hidden"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.Dense(1, name="out"),
    )
    changed = apply("swap-order", neutral(model), finding("dropout", norm="norm"))
    assert list(kinds(changed)) == ["x", "hidden", "norm", "relu", "dropout", "out"]


@pytest.mark.parametrize(
    ("inner", "why"),
    [
        ([layers.Dropout(0.5, name="dropout"), layers.BatchNormalization(name="norm")], "would act on the output"),
        (
            [
                layers.Reshape((2, 4)),
                layers.SpatialDropout1D(0.5, name="dropout"),
                layers.Flatten(),
                layers.BatchNormalization(name="norm"),
                layers.Dense(1),
            ],
            "behind norm there is none",
        ),
    ],
)
def test_dropout_stays_where_behind_the_norm_is_no_place_for_it(inner, why):
    with pytest.raises(RemedyError, match=why):
        apply("swap-order", neutral(plain(*inner)), finding("dropout", norm="norm"))


def test_dropout_that_several_layers_read_stays():
    inputs = keras.Input((8,))
    dropped = layers.Dropout(0.5, name="dropout")(inputs)
    normed = layers.BatchNormalization(name="norm")(dropped)
    model = keras.Model(inputs, layers.Dense(1)(layers.Add()([normed, dropped])))
    with pytest.raises(RemedyError, match="several layers read dropout"):
        apply("swap-order", neutral(model), finding("dropout", norm="norm"))


def test_norms_are_moved_in_front_of_activations_of_either_form():
    model = plain(
        layers.Dense(4, activation="relu", name="fused"),
        layers.BatchNormalization(name="first"),
        layers.Dense(4, name="apart"),
        layers.ReLU(name="relu"),
        layers.Dropout(0.2, name="dropout"),
        layers.BatchNormalization(name="second"),
        layers.Dense(1, name="out"),
    )
    changed = apply("norm-before-activation", neutral(model), finding())
    assert list(kinds(changed)) == [
        *("x", "fused", "first", "fused_activation"),
        *("apart", "second", "relu", "dropout", "out"),
    ]


def test_a_norm_stays_behind_an_activation_that_others_read():
    inputs = keras.Input((8,))
    active = layers.Dense(8, activation="relu", name="active")(inputs)
    normed = layers.BatchNormalization(name="norm")(active)
    model = keras.Model(inputs, layers.Dense(1)(layers.Add()([normed, active])))
    with pytest.raises(RemedyError, match="not only norm depends on active"):
        apply("norm-before-activation", neutral(model), finding())


def test_the_numbers_of_a_dropped_bias_go_with_it():
    model = plain(layers.Dense(4, name="linear"), layers.BatchNormalization(name="norm"), layers.Dense(1, name="out"))
    before = neutral(model)
    changed = apply("drop-bias", before, finding("linear"))
    assert {*stored(before)} - {*stored(changed)} == {("linear", "linear", "bias")}
    samples = np.ones((2, 8), "float32")
    np.testing.assert_allclose(predictions(changed, samples), np.asarray(model(samples)), rtol=1e-5)


@pytest.mark.parametrize(
    ("initializer", "wanted"),
    [
        ("glorot_uniform", "he_uniform"),
        ("glorot_normal", "he_normal"),
        ("zeros", "he_uniform"),
        (keras.initializers.RandomNormal(stddev=0.01), "he_normal"),
        (keras.initializers.TruncatedNormal(), "he_normal"),
        (keras.initializers.RandomUniform(), "he_uniform"),
        (keras.initializers.VarianceScaling(0.1), "he_normal"),
        (keras.initializers.VarianceScaling(0.1, distribution="uniform"), "he_uniform"),
    ],
)
def test_a_kernel_is_drawn_at_another_scale_from_a_distribution_of_the_same_form(initializer, wanted):
    model = plain(layers.Dense(4, activation="relu", kernel_initializer=initializer, name="hidden"), layers.Dense(1))
    changed = apply("he-initializer", neutral(model), finding())
    assert layer(changed, "hidden").args["kernel_initializer"]["name"] == wanted


def test_only_hidden_kernels_that_are_trained_are_drawn_anew_each_for_its_activation():
    model = plain(
        layers.Dense(4, activation="relu", trainable=False, name="frozen"),
        layers.Dense(4, name="rectified"),
        layers.ReLU(),
        layers.Dense(4, activation="tanh", name="saturating"),
        layers.Dense(1, name="out"),
    )
    changed = apply("he-initializer", neutral(model), finding())
    drawn = {
        name: layer(changed, name).args["kernel_initializer"]["name"]
        for name, kind in kinds(changed).items()
        if kind == "dense"
    }
    assert drawn == {
        "frozen": "glorot_uniform",
        "rectified": "he_uniform",
        "saturating": "lecun_uniform",
        "out": "glorot_uniform",
    }


def test_depthwise_kernels_are_drawn_for_their_own_taps():
    model = keras.Sequential([
        keras.Input((8, 8, 64)),
        layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="taps"),
        layers.Conv2D(4, 1, name="mix"),
        layers.Flatten(),
        layers.Dense(1),
    ])  # fmt: skip
    changed = apply("depthwise-initializer", neutral(model), finding())
    (kernel,) = (weight for weight in network(changed, weights=False).get_layer("taps").weights if weight.ndim == 4)
    assert float(np.var(kernel)) * 9 == pytest.approx(2, rel=0.2)


def test_selu_becomes_elu_with_he_kernels_and_tanh_in_recurrent_layers():
    model = keras.Sequential([
        keras.Input((5, 8)),
        layers.Bidirectional(layers.SimpleRNN(4, activation="selu"), name="memory"),
        layers.Dense(4, activation="selu", kernel_initializer="lecun_normal", name="fused"),
        layers.Dense(4, kernel_initializer="lecun_normal", name="apart"),
        layers.Activation("selu", name="active"),
        layers.Dense(1),
    ])  # fmt: skip
    changed = apply("selu-to-elu", neutral(model), finding())
    assert [layer(changed, name).activation for name in ("memory", "fused", "active")] == ["tanh", "elu", "elu"]
    assert {layer(changed, name).args["kernel_initializer"]["name"] for name in ("fused", "apart")} == {"he_normal"}


@pytest.fixture
def selu_skips():
    """Ways around eight selu layers, of which two end in outputs: one before, one behind the last kernel."""
    inputs = keras.Input((32,), name="x")
    total = layers.Dense(64, activation="selu", kernel_initializer="lecun_normal")(inputs)
    for number in range(8):
        layer = layers.Dense(64, activation="selu", kernel_initializer="lecun_normal")
        total = layers.Add(name=f"sum{number}")([total, layer(total)])
    score = layers.Dense(1, name="score")(total)
    return keras.Model(inputs, [score, layers.Add(name="last")([total, total])])


def test_sums_of_selu_are_normalized_where_a_kernel_reads_them(selu_skips):
    changed = apply("norm-behind-sums", neutral(selu_skips), finding())
    assert [name for name, kind in kinds(changed).items() if kind == "layer_norm"] == [
        f"sum{number}_norm" for number in range(8)
    ]
    reads = dict(wires(changed))
    assert (reads["score"], reads["last"]) == (["sum7_norm"], ["sum7_norm", "sum7_norm"])


def test_normalized_sums_keep_the_spread_that_sums_double(selu_skips):
    probes = pytest.importorskip("archlint.lab.probes")
    before = neutral(selu_skips)
    drifts = [
        probes.drift(network(model, weights=False), probes.noise(selu_skips, 256), range(2))
        for model in (before, apply("norm-behind-sums", before, finding()))
    ]
    assert drifts[0] > 2
    assert abs(drifts[1]) < 0.1


def test_a_recurrent_layer_with_selu_gets_tanh():
    model = keras.Sequential([keras.Input((5, 8)), layers.SimpleRNN(4, activation="selu", name="memory")])
    changed = apply("norm-behind-sums", neutral(model), finding("memory"))
    assert layer(changed, "memory").activation == "tanh"


def test_an_operation_becomes_a_layer_without_the_arguments_of_its_calls():
    inputs = keras.Input((8,))
    active = keras.ops.relu6(layers.Dense(2, name="narrow")(inputs))
    before = neutral(keras.Model(inputs, layers.Dense(1)(active)))
    changed = apply("relu-to-leaky-relu", before, finding())
    (operation,) = (known.name for known in before.layers if known.traits.activation)
    assert layer(changed, operation).class_name == "Activation"
    assert len(network(changed, weights=False).layers) == len(changed.layers)


def test_outputs_and_gates_keep_their_activations():
    inputs = keras.Input((8,))
    features = layers.Dense(4, activation="tanh", name="features")(inputs)
    gate = layers.Dense(4, activation="sigmoid", name="gate")(inputs)
    gated = layers.Multiply()([features, gate])
    hidden = layers.Dense(4, activation="tanh", name="hidden")(gated)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="out")(hidden))
    changed = apply("saturating-to-relu", neutral(model), finding())
    assert layer(changed, "hidden").activation == "relu"
    assert [layer(changed, name).activation for name in ("gate", "out")] == ["sigmoid", "sigmoid"]


def test_alpha_dropout_has_the_noise_of_dropout_and_at_most_a_tenth():
    rates = {}
    for rate in (0.5, 0.2):
        model = neutral(plain(layers.Dense(4, activation="selu"), layers.Dropout(rate, name="drop"), layers.Dense(1)))
        changed = layer(apply("alpha-dropout", model, finding("drop")), "drop")
        rates[rate] = changed.kind, changed.args["rate"]
    assert rates == {0.5: ("alpha_dropout", 0.1), 0.2: ("alpha_dropout", 0.058)}


def test_inputs_are_standardized_by_the_data_and_without_data_by_batch_norm():
    model = plain(layers.Dense(4), layers.Dense(1), width=2)
    samples = np.array([[200.0, 5.0], [100.0, 7.0]])
    found = finding("dense", input="x")
    changed = apply("normalize-inputs", neutral(model), found, of_arrays({"x": samples}))
    settings = layer(changed, "x_normalization").args
    assert (settings["mean"], settings["variance"]) == ([150.0, 6.0], [2500.0, 1.0])
    assert layer(apply("normalize-inputs", neutral(model), found), "x_normalization").kind == "batch_norm"


def test_an_input_of_any_width_cannot_be_standardized():
    model = neutral(keras.Sequential([keras.Input((None,), name="x"), layers.Embedding(9, 4), layers.LSTM(2)]))
    with pytest.raises(RemedyError, match="the model does not say how many features x has"):
        apply("normalize-inputs", model, finding("lstm", input="x"))


def test_the_optimizer_is_changed_and_nothing_else():
    model = plain(layers.Dense(4), layers.Dense(1))
    model.compile(keras.optimizers.Adam(0.5, clipvalue=1.0), "mse")
    before = neutral(model)
    clipped = apply("clip-gradients", before, finding())
    slower = apply("usual-learning-rate", before, finding())
    assert (clipped.layers, clipped.calls) == (before.layers, before.calls)
    assert (clipped.training.optimizer.global_clipnorm, clipped.training.optimizer.clipvalue) == (1.0, None)
    assert slower.training.optimizer.learning_rate == 0.001
    assert slower.training.losses == before.training.losses
    stated = apply("usual-learning-rate", before, finding(usual=0.01))
    assert stated.training.optimizer.learning_rate == 0.01


def test_penalties_go_to_the_layer_that_is_named_else_to_all_hidden_kernels():
    model = neutral(plain(layers.Dense(4, name="first"), layers.Dense(4, name="second"), layers.Dense(1, name="out")))

    def penalized(found: Finding) -> list[str]:
        changed = apply("l2-on-kernels", model, found)
        return [known.name for known in changed.layers if known.args.get("kernel_regularizer") == {"l2": 0.001}]

    assert penalized(finding("first")) == ["first"]
    assert penalized(finding()) == ["first", "second"]


# -- what does not fit --


@pytest.mark.parametrize(
    ("name", "found", "why"),
    [
        ("no-such-remedy", finding(), "there is no remedy 'no-such-remedy'; choose one of alpha-dropout, "),
        ("insert-dropout", finding(), "the finding names no layer to change"),
        ("insert-dropout", finding("lost"), "the model has no layer lost"),
        ("insert-dropout", finding("x"), "x reads 0 values, so nothing can be put in front of it"),
        ("alpha-dropout", finding("hidden"), "hidden is no dropout layer"),
        ("recurrent-to-tanh", finding("hidden"), "hidden is no recurrent layer"),
        ("glorot-initializer", finding("x"), "x has no kernel that a glorot initializer fits"),
        ("glorot-initializer", finding("hidden"), "glorot-initializer finds nothing to change"),
        ("l2-on-kernels", finding("x"), "x has no kernel to be penalized"),
        ("clip-gradients", finding(), "the file names no optimizer"),
        ("usual-learning-rate", finding(), "the file names no optimizer"),
        ("selu-to-elu", finding(), "selu-to-elu finds nothing to change"),
        ("norm-behind-sums", finding(), "norm-behind-sums finds nothing to change"),
        ("norm-before-activation", finding(), "norm-before-activation finds nothing to change"),
        ("normalize-inputs", finding("hidden"), "the finding names no layer to change"),
    ],
)
def test_a_remedy_that_does_not_fit_says_why(name, found, why):
    model = neutral(plain(layers.Dense(4, name="hidden"), layers.Dense(1)))
    with pytest.raises(RemedyError, match=why):
        apply(name, model, found)


def test_the_activation_of_an_author_cannot_be_split_off():
    @keras.saving.register_keras_serializable()
    def mine(x):
        return x * x

    model = neutral(plain(layers.Dense(4, activation=mine, name="hidden"), layers.Dense(1)))
    with pytest.raises(RemedyError, match="the activation of hidden is a function of its author's"):
        apply("insert-batch-norm", model, finding())


def test_a_layer_that_is_called_twice_is_not_moved():
    inputs = [keras.Input((8,)), keras.Input((8,))]
    dropout, norm = layers.Dropout(0.5, name="dropout"), layers.BatchNormalization(name="norm")
    joined = layers.Concatenate()([norm(dropout(given)) for given in inputs])
    model = neutral(keras.Model(inputs, layers.Dense(1)(joined)))
    with pytest.raises(RemedyError, match="dropout is called 2 times"):
        apply("swap-order", model, finding("dropout", norm="norm"))
