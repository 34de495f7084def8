"""The predicted signal at initialization: against closed forms, and where nothing can be said."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import FIXTURES, entry, query, sequential, write_h5

from archlint.analyses.shapes import infer
from archlint.analyses.signal import Changes, Signals, predict
from archlint.analyses.wiring import wire
from archlint.graph import Model, Tensor
from archlint.readers import open_model

HE, LECUN = {"class_name": "HeNormal", "config": {}}, {"class_name": "LecunNormal", "config": {}}
COLUMNS = "mean, std, rms, input_std, gain, gradient, certainty, gradient_certainty, horizon"

Net = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def signal(tmp_path: Path) -> Net:
    """The rows of `signal`, by the layer's name, of a model with these layers on an input of this shape."""

    def predicted(*layers: dict[str, Any], shape: tuple[int, ...] = (64,), version: str = "3.15.1") -> Any:
        return rows(write_h5(tmp_path / "net.h5", stacked(shape, *layers), version=version))

    return predicted


def stacked(shape: tuple[int, ...], *layers: dict[str, Any]) -> dict[str, Any]:
    return sequential(entry("InputLayer", name="input", batch_input_shape=[None, *shape]), *layers)


def rows(path: Path) -> dict[str, dict[str, Any]]:
    found = query(path, f"SELECT name, {COLUMNS} FROM signal JOIN layer ON layer.id = signal.layer")
    return {name: dict(zip(COLUMNS.split(", "), values, strict=True)) for name, *values in found}


def graph(path: Path, layers: Mapping[str, tuple[dict[str, Any], list[str]]], *outputs: str) -> Path:
    """A functional model: by name, a layer and the names of the layers that it reads."""
    listed = [
        {**layer, "name": name, "config": {**layer["config"], "name": name}, "inbound_nodes": _node(inputs)}
        for name, (layer, inputs) in layers.items()
    ]
    sources = [[name, 0, 0] for name, (_, inputs) in layers.items() if not inputs]
    ends = [[name, 0, 0] for name in outputs]
    config = {"name": "net", "layers": listed, "input_layers": sources, "output_layers": ends}
    return write_h5(path, {"class_name": "Functional", "config": config})


def _node(inputs: list[str]) -> list[Any]:
    return [[[name, 0, 0, {}] for name in inputs]] if inputs else []


def source(*shape: int) -> tuple[dict[str, Any], list[str]]:
    return entry("InputLayer", batch_input_shape=[None, *shape]), []


def dense(name: str = "dense", units: int = 64, activation: str = "linear", **settings: Any) -> dict[str, Any]:
    return entry("Dense", name=name, units=units, activation=activation, **settings)


def conv(name: str = "conv", filters: int = 8, kernel: int = 3, **settings: Any) -> dict[str, Any]:
    settings = {"padding": "same", "kernel_initializer": LECUN, **settings}
    return entry("Conv2D", name=name, filters=filters, kernel_size=[kernel, kernel], **settings)


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    with open_model(path) as model:
        yield model


def predicted(path: Path, **settings: Any) -> Signals:
    with opened(path) as model:
        wiring = wire(model)
        return predict(wiring, infer(model), **settings)


class TestKernels:
    def test_inputs_are_standardized(self, signal: Net) -> None:
        found = signal(dense())["input"]
        assert (found["mean"], found["rms"], found["input_std"]) == (0, 1, 1)

    def test_lecun_keeps_the_variance_of_a_linear_layer(self, signal: Net) -> None:
        found = signal(dense(units=7, kernel_initializer=LECUN))["dense"]
        assert found["rms"] == pytest.approx(1)
        assert found["gain"] == pytest.approx(1)

    @pytest.mark.parametrize("units", [16, 64, 256])
    def test_glorot_counts_both_sides(self, signal: Net, units: int) -> None:
        assert signal(dense(units=units))["dense"]["rms"] == pytest.approx(math.sqrt(128 / (64 + units)))

    def test_a_bias_of_ones_adds_one(self, signal: Net) -> None:
        found = signal(dense(kernel_initializer=LECUN, bias_initializer={"class_name": "Ones", "config": {}}))["dense"]
        assert (found["mean"], found["rms"]) == (1, pytest.approx(math.sqrt(2)))
        assert found["input_std"] == pytest.approx(1)

    def test_a_kernel_of_zeros_ends_the_signal(self, signal: Net) -> None:
        found = signal(dense(kernel_initializer={"class_name": "Zeros", "config": {}}), dense("next"))
        assert found["dense"]["rms"] == found["next"]["rms"] == 0
        assert found["input"]["gradient"] == 0

    def test_a_kernel_of_ones_adds_up_what_inputs_have_in_common(self, signal: Net) -> None:
        ones = {"class_name": "Ones", "config": {}}
        first = dense("first", activation="relu", kernel_initializer=HE)
        found = signal(first, dense(units=1, kernel_initializer=ones))["dense"]
        assert found["mean"] == pytest.approx(64 / math.sqrt(math.pi), rel=1e-3)

    def test_padding_takes_taps_away(self, signal: Net) -> None:
        alone = signal(conv(), shape=(1, 1, 4))["conv"]
        wide = signal(conv(), shape=(64, 64, 4))["conv"]
        assert alone["rms"] == pytest.approx(1 / 3)
        assert wide["rms"] == pytest.approx(1, abs=0.02)

    def test_a_depthwise_kernel_has_no_channels_to_sum_up(self, signal: Net) -> None:
        layer = entry("DepthwiseConv2D", name="conv", kernel_size=[3, 3], padding="valid", depth_multiplier=1)
        assert signal(layer, shape=(64, 64, 32))["conv"]["rms"] == pytest.approx(math.sqrt(2 / 33))

    def test_a_transposed_convolution_meets_each_place_with_some_of_its_taps(self, signal: Net) -> None:
        layer = entry("Conv2DTranspose", name="conv", filters=8, kernel_size=[4, 4], strides=[2, 2], padding="same")
        found = signal(layer, shape=(64, 64, 8))["conv"]
        assert found["rms"] == pytest.approx(0.5, rel=0.02)

    def test_attention_kernels_count_their_heads_since_keras_3_15(self, tmp_path: Path) -> None:
        layers = {
            "x": source(9, 64),
            "attention": (entry("MultiHeadAttention", num_heads=4, key_dim=16), ["x", "x"]),
        }
        path = graph(tmp_path / "net.h5", layers, "attention")
        new = {"producer_version": "3.15.1"}
        old = {"producer_version": "3.14.0"}
        strong, weak = (_of_version(path, **version) for version in (new, old))
        assert strong > 2 * weak

    def test_embeddings_are_small(self, signal: Net) -> None:
        layer = entry("Embedding", name="words", input_dim=1000, output_dim=32)
        assert signal(layer, shape=(7,))["words"]["rms"] == pytest.approx(0.05 / math.sqrt(3))


def _of_version(path: Path, **changed: str) -> float:
    from dataclasses import replace

    with opened(path) as model:
        model = replace(model, **changed)  # type: ignore[arg-type]
        signals = predict(wire(model), infer(model))
        return signals.forward[Tensor(len(model.calls) - 1)].rms


class TestActivations:
    def test_he_keeps_the_mean_square_of_relu_nets(self, signal: Net) -> None:
        found = signal(*(dense(f"d{n}", activation="relu", kernel_initializer=HE) for n in range(30)), dense("head"))
        for number in range(30):
            assert found[f"d{number}"]["rms"] == pytest.approx(1, rel=2e-3)
            assert found[f"d{number}"]["gradient"] == pytest.approx(found["d29"]["gradient"], rel=2e-2)

    def test_relu_makes_inputs_alike(self, signal: Net) -> None:
        found = signal(*(dense(f"d{n}", activation="relu", kernel_initializer=HE) for n in range(30)))
        # The arc-cosine kernel of Cho & Saul 2009, iterated from a correlation of 0
        correlation = 0.0
        for number in range(30):
            angle = math.acos(correlation)
            correlation = (math.sin(angle) + (math.pi - angle) * correlation) / math.pi
            assert found[f"d{number}"]["input_std"] == pytest.approx(math.sqrt(1 - correlation), rel=1e-3)

    def test_selu_with_lecun_is_a_fixed_point(self, signal: Net) -> None:
        found = signal(*(dense(f"d{n}", activation="selu", kernel_initializer=LECUN) for n in range(20)))
        assert found["d19"]["mean"] == pytest.approx(0, abs=1e-2)
        assert found["d19"]["std"] == pytest.approx(1, rel=1e-2)

    def test_glorot_halves_the_gradient_of_relu_layers(self, signal: Net) -> None:
        found = signal(*(dense(f"d{n}", activation="relu") for n in range(9)), dense("head"))
        assert found["d0"]["gradient"] / found["d8"]["gradient"] == pytest.approx(2**-4, rel=1e-2)

    def test_a_sigmoid_loses_what_depends_on_the_sample(self, signal: Net) -> None:
        found = signal(dense(activation="sigmoid"))["dense"]
        assert (found["mean"], found["std"]) == (pytest.approx(0.5), pytest.approx(0.2083, rel=2e-3))

    @pytest.mark.parametrize("classes", [2, 10, 1000])
    def test_softmax_shares_one_among_the_classes(self, signal: Net, classes: int) -> None:
        found = signal(dense(units=classes, activation="softmax"))["dense"]
        assert found["mean"] == pytest.approx(1 / classes)
        assert 1 / classes < found["rms"] < 1 / math.sqrt(classes)

    def test_a_final_softmax_is_left_out_of_gradients(self, signal: Net) -> None:
        assert signal(dense(units=10, activation="softmax"))["dense"]["gradient"] == pytest.approx(1)

    def test_hard_sigmoid_became_steeper_in_keras_3(self, signal: Net) -> None:
        new, old = (
            signal(dense(activation="hard_sigmoid"), version=version)["dense"] for version in ("3.1.0", "2.9.0")
        )
        assert old["std"] > new["std"]

    def test_activations_of_photographs_that_saturate_pass_no_gradient(self, signal: Net) -> None:
        scaled = entry("Rescaling", name="scaled", scale=1.0, offset=0.0)
        found = signal(scaled, dense(activation="tanh"), dense("head"))
        assert found["scaled"]["mean"] == 118
        assert found["dense"]["rms"] == pytest.approx(1, abs=0.05)
        assert found["scaled"]["gradient"] < 0.2 * found["dense"]["gradient"]


class TestNorms:
    def test_a_batch_norm_makes_the_variance_one_but_for_its_epsilon(self, signal: Net) -> None:
        weak = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.01}}
        norm = entry("BatchNormalization", name="norm", axis=[1], epsilon=1e-3)
        found = signal(dense(kernel_initializer=weak), norm)["norm"]
        variance = 64 * 0.01**2
        assert found["rms"] == pytest.approx(math.sqrt(variance / (variance + 1e-3)))

    def test_a_batch_norm_takes_away_what_samples_have_in_common(self, signal: Net) -> None:
        norm = entry("BatchNormalization", name="norm", axis=[1], epsilon=1e-3)
        layers = [dense(f"d{n}", activation="relu", kernel_initializer=HE) for n in range(5)]
        found = signal(*layers, norm)
        assert found["d4"]["input_std"] < 0.6
        assert found["norm"]["input_std"] == pytest.approx(1, abs=5e-3)

    def test_gradients_grow_behind_a_norm_of_a_weak_signal(self, signal: Net) -> None:
        norm = entry("LayerNormalization", name="norm", axis=[1], epsilon=0.0)
        weak = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.0125}}
        found = signal(dense(kernel_initializer=weak), norm, dense("head"))
        assert found["dense"]["gradient"] == pytest.approx(10 * found["norm"]["gradient"])

    def test_a_norm_in_front_of_relu_halves_its_square(self, signal: Net) -> None:
        norm = entry("BatchNormalization", name="norm", axis=[1], epsilon=0.0)
        found = signal(dense(), norm, entry("ReLU", name="relu"))
        assert found["relu"]["rms"] == pytest.approx(math.sqrt(0.5), rel=1e-3)
        assert found["relu"]["mean"] == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-3)

    def test_groups_of_a_concatenation_are_normalized_apart(self, tmp_path: Path) -> None:
        strong = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 12.5}}
        layers = {
            "x": source(64),
            "strong": (dense(kernel_initializer=strong), ["x"]),
            "weak": (dense(kernel_initializer=LECUN), ["x"]),
            "both": (entry("Concatenate", axis=-1), ["strong", "weak"]),
            "norm": (entry("BatchNormalization", axis=[1], epsilon=1e-3), ["both"]),
            "head": (dense(units=128), ["norm"]),
        }
        found = rows(graph(tmp_path / "net.h5", layers, "head"))
        assert found["norm"]["input_std"] == pytest.approx(1, rel=1e-3)
        assert found["weak"]["gradient"] == pytest.approx(math.sqrt(0.5), rel=2e-2)
        assert found["strong"]["gradient"] == pytest.approx(math.sqrt(0.5) / 100, rel=2e-2)


class TestPlaces:
    def test_the_mean_of_independent_places_is_small(self, signal: Net) -> None:
        found = signal(entry("GlobalAveragePooling2D", name="pool"), dense("head"), shape=(8, 8, 3))
        assert found["pool"]["rms"] == pytest.approx(1 / 8)
        assert found["input"]["gradient"] == pytest.approx(found["pool"]["gradient"] / 8)

    def test_the_largest_of_four(self, signal: Net) -> None:
        found = signal(entry("MaxPooling2D", name="pool", pool_size=[2, 2], strides=[2, 2]), shape=(8, 8, 3))["pool"]
        assert found["mean"] == pytest.approx(1.0294, rel=1e-2)
        assert found["std"] == pytest.approx(0.7012, rel=1e-2)

    def test_a_max_pool_picks_values_that_relu_let_through(self, signal: Net) -> None:
        pool = entry("MaxPooling2D", name="pool", pool_size=[2, 2], strides=[2, 2])
        found = signal(conv("conv", kernel=1), entry("ReLU", name="relu"), pool, shape=(8, 8, 8))
        assert found["conv"]["gradient"] == pytest.approx(found["pool"]["gradient"], rel=0.07)

    def test_zero_padding_dilutes(self, signal: Net) -> None:
        found = signal(entry("ZeroPadding2D", name="wider", padding=[[1, 1], [1, 1]]), shape=(2, 2, 3))
        assert found["wider"]["rms"] == pytest.approx(0.5)

    def test_padding_by_a_layer_of_its_own_is_like_padding_by_the_convolution(self, signal: Net) -> None:
        wider = entry("ZeroPadding2D", name="wider", padding=[[1, 1], [1, 1]])
        apart = signal(conv("first"), wider, conv("second", padding="valid"), shape=(4, 4, 8))
        together = signal(conv("first"), conv("second"), shape=(4, 4, 8))
        for layer in ("first", "second"):
            assert apart[layer]["rms"] == pytest.approx(together[layer]["rms"])
            assert apart[layer]["gradient"] == pytest.approx(together[layer]["gradient"])

    def test_inner_places_are_stronger_and_read_more_often(self, signal: Net) -> None:
        found = signal(conv("first"), conv("second"), shape=(2, 1, 8))
        # Either place sees both, so that each layer keeps two taps of three in one axis, one of three in the other
        assert found["second"]["rms"] == pytest.approx(2 / 9)
        found = signal(conv("first"), conv("second"), shape=(3, 1, 8))
        # Of the three places the second sees three, the others two: 7/9 at first, then (2 + 3) + (2 + 3 + 2) + (3 + 2)
        assert found["first"]["rms"] == pytest.approx(math.sqrt(7 / 27))
        assert found["second"]["rms"] == pytest.approx(math.sqrt(17 / 243))

    def test_pooled_copies_of_a_value_are_the_same(self, tmp_path: Path) -> None:
        pool = {"pool_size": [2], "strides": [2]}
        layers = {
            "x": source(8, 4),
            "one": (entry("AveragePooling1D", **pool), ["x"]),
            "other": (entry("AveragePooling1D", **pool), ["x"]),
            "sum": (entry("Add"), ["one", "other"]),
        }
        found = rows(graph(tmp_path / "net.h5", layers, "sum"))
        assert found["sum"]["rms"] == pytest.approx(2 * found["one"]["rms"])

    def test_a_repeated_vector_is_the_same_everywhere(self, signal: Net) -> None:
        pool = entry("GlobalAveragePooling1D", name="pool")
        found = signal(entry("RepeatVector", name="again", n=10), pool)
        assert found["pool"]["rms"] == pytest.approx(1)

    def test_channels_first(self, signal: Net) -> None:
        pool = entry("GlobalAveragePooling2D", name="pool", data_format="channels_first")
        assert signal(pool, shape=(3, 4, 4))["pool"]["rms"] == pytest.approx(0.25)


class TestMerges:
    def test_independent_branches_add_their_squares(self, tmp_path: Path) -> None:
        layers = {
            "x": source(64),
            "branch": (dense(kernel_initializer=LECUN), ["x"]),
            "sum": (entry("Add"), ["x", "branch"]),
        }
        assert rows(graph(tmp_path / "net.h5", layers, "sum"))["sum"]["rms"] == pytest.approx(math.sqrt(2))

    def test_a_value_added_to_itself_doubles(self, tmp_path: Path) -> None:
        layers = {"x": source(64), "sum": (entry("Add"), ["x", "x"])}
        assert rows(graph(tmp_path / "net.h5", layers, "sum"))["sum"]["rms"] == pytest.approx(2)

    def test_gradients_of_branches_add_up(self, tmp_path: Path) -> None:
        layers = {
            "x": source(64),
            "branch": (dense(kernel_initializer=LECUN), ["x"]),
            "sum": (entry("Add"), ["x", "branch"]),
        }
        found = rows(graph(tmp_path / "net.h5", layers, "sum"))
        assert found["x"]["gradient"] == pytest.approx(math.sqrt(2))

    def test_a_gate_of_sigmoids_halves(self, tmp_path: Path) -> None:
        zero = {"class_name": "Zeros", "config": {}}
        layers = {
            "x": source(64),
            "gate": (dense(activation="sigmoid", kernel_initializer=zero), ["x"]),
            "product": (entry("Multiply"), ["x", "gate"]),
        }
        assert rows(graph(tmp_path / "net.h5", layers, "product"))["product"]["rms"] == pytest.approx(0.5)

    def test_what_a_shared_layer_makes_of_two_inputs_has_its_weights_in_common(self, tmp_path: Path) -> None:
        two = [[["one", 0, 0, {}]], [["other", 0, 0, {}]]]
        config = {
            "name": "net",
            "layers": [
                {**source(64)[0], "name": "one", "inbound_nodes": []},
                {**source(64)[0], "name": "other", "inbound_nodes": []},
                {**dense("tower", activation="sigmoid"), "name": "tower", "inbound_nodes": two},
                {
                    **entry("Subtract", name="gap"),
                    "name": "gap",
                    "inbound_nodes": [[["tower", 0, 0, {}], ["tower", 1, 0, {}]]],
                },
            ],
            "input_layers": [["one", 0, 0], ["other", 0, 0]],
            "output_layers": [["gap", 0, 0]],
        }
        found = rows(write_h5(tmp_path / "net.h5", {"class_name": "Functional", "config": config}))
        assert found["gap"]["rms"] == pytest.approx(math.sqrt(2) * found["tower"]["input_std"])


class TestNoise:
    def test_dropout_enlarges_what_it_leaves(self, signal: Net) -> None:
        found = signal(entry("Dropout", name="drop", rate=0.5), dense("head"))
        assert found["drop"]["rms"] == pytest.approx(math.sqrt(2))
        assert found["input"]["gradient"] == pytest.approx(math.sqrt(2) * found["drop"]["gradient"])

    def test_alpha_dropout_keeps_the_moments_of_selu(self, signal: Net) -> None:
        selu = dense(activation="selu", kernel_initializer=LECUN)
        found = signal(selu, entry("AlphaDropout", name="drop", rate=0.3))["drop"]
        assert found["mean"] == pytest.approx(0, abs=0.02)
        assert found["std"] == pytest.approx(1, rel=0.02)


class TestRecurrence:
    def test_a_memory_fades_as_its_forget_gate_is_set(self, signal: Net) -> None:
        layer = entry("LSTM", name="lstm", units=32, activation="tanh", recurrent_activation="sigmoid")
        found = signal(layer, shape=(50, 8))["lstm"]
        assert found["horizon"] == pytest.approx(3.2, abs=0.15)

    @pytest.mark.parametrize(("units", "features", "steps"), [(32, 8, 4), (128, 64, 3), (64, 1, 10)])
    def test_a_state_of_a_simple_layer_fades_within_these_steps(
        self, signal: Net, units: int, features: int, steps: int
    ) -> None:
        found = signal(entry("SimpleRNN", name="rnn", units=units, activation="tanh"), shape=(100, features))["rnn"]
        assert math.ceil(found["horizon"]) == steps

    def test_a_short_sequence_fills_less_of_the_memory(self, signal: Net) -> None:
        layer = entry("LSTM", name="lstm", units=32, activation="tanh", recurrent_activation="sigmoid")
        assert signal(layer, shape=(1, 8))["lstm"]["rms"] < 0.7 * signal(layer, shape=(30, 8))["lstm"]["rms"]

    def test_a_state_carries_signal_and_gradient(self, tmp_path: Path) -> None:
        lstm = {"units": 16, "activation": "tanh", "recurrent_activation": "sigmoid"}
        states = [[["x", 0, 0, {}], ["encoder", 0, 1, {}], ["encoder", 0, 2, {}]]]
        config = {
            "name": "net",
            "layers": [
                {**source(20, 8)[0], "name": "x", "inbound_nodes": []},
                {
                    **entry("LSTM", name="encoder", return_state=True, **lstm),
                    "name": "encoder",
                    "inbound_nodes": [[["x", 0, 0, {}]]],
                },
                {**entry("LSTM", name="decoder", **lstm), "name": "decoder", "inbound_nodes": states},
            ],
            "input_layers": [["x", 0, 0]],
            "output_layers": [["decoder", 0, 0]],
        }
        path = write_h5(tmp_path / "net.h5", {"class_name": "Functional", "config": config})
        backward = predicted(path).backward
        assert 0 < backward[Tensor(1, 1)].norm < backward[Tensor(1, 2)].norm < 0.1


class TestCertainty:
    def test_all_behind_a_layer_of_ones_own_is_partial(self, signal: Net) -> None:
        shape = {"output_shape": [64], "name": "own"}
        found = signal(dense("first"), entry("Mine>Layer", **shape), dense("last"))
        assert found["first"]["certainty"] == "exact"
        assert found["first"]["gradient_certainty"] == "partial"

    def test_an_unknown_activation_makes_the_layer_unknown(self, signal: Net) -> None:
        found = signal(dense("first"), dense("odd", activation="mine"), dense("last"))
        assert [found[name]["certainty"] for name in ("first", "odd", "last")] == ["exact", "unknown", "partial"]
        assert [found[name]["gradient_certainty"] for name in ("first", "odd", "last")] == [
            "partial",
            "partial",
            "exact",
        ]
        assert found["odd"]["rms"] is None
        assert found["last"]["rms"] == pytest.approx(1)

    def test_kernels_that_were_trained_are_no_longer_as_they_were_drawn(self, tmp_path: Path) -> None:
        path = write_h5(tmp_path / "net.h5", stacked((64,), dense()))
        signals = predicted(path, measured={(1, "kernel"): (0.0, 0.25)}, trained=True)
        assert signals.forward[Tensor(1)].certainty == "partial"
        assert signals.forward[Tensor(1)].rms == pytest.approx(2)

    def test_stored_numbers_count_more_than_initializers(self, tmp_path: Path) -> None:
        path = write_h5(tmp_path / "net.h5", stacked((64,), dense()))
        signals = predicted(path, measured={(1, "kernel"): (0.0, 0.25)})
        assert signals.forward[Tensor(1)].certainty == "exact"
        assert signals.forward[Tensor(1)].rms == pytest.approx(2)

    def test_exported_kernels_that_were_not_read_are_not_known(self) -> None:
        path = FIXTURES / "exports" / "mlp.tf2onnx.onnx"
        with opened(path) as model:
            found = predict(wire(model), infer(model))
            last = found.forward[model.outputs[0].tensor]
        assert last.certainty == "partial"


class TestChanges:
    def test_what_if_he(self, tmp_path: Path) -> None:
        path = write_h5(tmp_path / "net.h5", stacked((64,), *(dense(f"d{n}", activation="relu") for n in range(10))))
        now = predicted(path)
        he = predicted(path, changes=Changes(gains=dict.fromkeys(range(1, 11), 2.0)))
        assert now.gains[1] == pytest.approx(1)
        assert now.forward[Tensor(10)].rms == pytest.approx(2**-5, rel=1e-2)
        assert he.forward[Tensor(10)].rms == pytest.approx(1, rel=1e-2)

    def test_what_if_relu(self, tmp_path: Path) -> None:
        path = write_h5(tmp_path / "net.h5", stacked((64,), dense(activation="sigmoid"), dense("head")))
        changed = predicted(path, changes=Changes(activations={1: "relu"}))
        assert changed.forward[Tensor(1)].mean == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-3)

    def test_what_if_normed(self, tmp_path: Path) -> None:
        weak = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.1}}
        path = write_h5(tmp_path / "net.h5", stacked((64,), dense(kernel_initializer=weak), dense("head")))
        changed = predicted(path, changes=Changes(normed=frozenset({1})))
        assert changed.forward[Tensor(1)].rms == pytest.approx(1, abs=1e-2)


HOSTILE: list[dict[str, Any]] = [
    dense(kernel_initializer={"class_name": "RandomNormal", "config": {"mean": 1e300, "stddev": 1e300}}),
    dense(kernel_initializer={"class_name": "VarianceScaling", "config": {"scale": -1.0, "mode": "fan_in"}}),
    dense(kernel_initializer={"class_name": "Constant", "config": {"value": float("inf")}}),
    dense(kernel_initializer={"class_name": "RandomUniform", "config": {"minval": "a", "maxval": []}}),
    entry("LeakyReLU", name="odd", negative_slope=1e308),
    entry("Rescaling", name="odd", scale=float("nan"), offset=1e308),
    entry("Rescaling", name="odd", scale=[], offset={}),
    entry("Dropout", name="odd", rate=1.0),
    entry("Dropout", name="odd", rate="half"),
    entry("GaussianNoise", name="odd", stddev=1e200),
    entry("BatchNormalization", name="odd", axis=[1], epsilon=-1.0),
    entry("BatchNormalization", name="odd", axis=[], epsilon=0.0),
    entry("LayerNormalization", name="odd", axis="last"),
    entry("UnitNormalization", name="odd", axis=-1),
    entry("Reshape", name="odd", target_shape=[0, 64]),
    entry("RepeatVector", name="odd", n=10**15),
    entry("Activation", name="odd", activation="exponential"),
    entry("ELU", name="odd", alpha=float("inf")),
]


class TestHostility:
    @pytest.mark.parametrize("layer", HOSTILE, ids=lambda layer: str(layer["class_name"]))
    def test_absurd_settings_neither_raise_nor_warn(self, tmp_path: Path, layer: dict[str, Any]) -> None:
        last = [dense(f"d{n}", activation=name) for n, name in enumerate(("exponential", "exponential", "softmax"))]
        path = write_h5(tmp_path / "net.h5", stacked((64,), layer, *last))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            signals = predicted(path)
        found = [*signals.forward.values(), *signals.backward.values()]
        numbers = [getattr(one, name, 0.0) for one in found for name in ("mean", "rms", "std", "input_std", "norm")]
        assert all(map(math.isfinite, numbers))

    def test_a_kernel_of_more_taps_than_a_map_can_have(self, signal: Net) -> None:
        found = signal(conv(kernel=2**40), shape=(4, 4, 3))
        assert found["input"]["certainty"] == "exact"

    def test_no_channels(self, signal: Net) -> None:
        assert signal(dense(), shape=(0,))["input"]["certainty"] == "exact"

    def test_a_long_chain_of_concatenations_costs_no_square(self, tmp_path: Path) -> None:
        layers: dict[str, tuple[dict[str, Any], list[str]]] = {"x": source(8)}
        before = "x"
        for number in range(400):
            scale = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 1.1**number / 1e9}}
            layers[f"d{number}"] = dense(units=8, kernel_initializer=scale), ["x"]
            layers[f"c{number}"] = entry("Concatenate", axis=-1), [before, f"d{number}"]
            before = f"c{number}"
        signals = predicted(graph(tmp_path / "net.h5", layers, before))
        assert max(len(state.groups) for state in signals.forward.values()) <= 96


def called(layer: dict[str, Any], shape: tuple[int, ...], **arguments: Any) -> dict[str, Any]:
    """A functional model of one layer, called with these arguments."""
    reads = {**layer, "name": "layer", "inbound_nodes": [[["x", 0, 0, arguments]]]}
    given = {**source(*shape)[0], "name": "x", "inbound_nodes": []}
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["layer", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "net", "layers": [given, reads], **ends}}


class TestCalls:
    def test_what_is_called_as_if_not_in_training_does_nothing(self, tmp_path: Path) -> None:
        drops = called(entry("Dropout", name="layer", rate=0.5), (64,), training=False)
        assert rows(write_h5(tmp_path / "dropout.h5", drops))["layer"]["rms"] == pytest.approx(1)
        norm = called(entry("BatchNormalization", name="layer", axis=[1], epsilon=1.0), (64,), training=False)
        assert rows(write_h5(tmp_path / "norm.h5", norm))["layer"]["rms"] == pytest.approx(math.sqrt(0.5))

    def test_behind_a_causal_mask_fewer_values_are_averaged(self, tmp_path: Path) -> None:
        layer = entry("MultiHeadAttention", name="layer", num_heads=4, key_dim=16, query_shape=[None, 32, 64])
        plain = called(layer, (32, 64), value=["x", 0, 0])
        masked = called(layer, (32, 64), value=["x", 0, 0], use_causal_mask=True)
        free, bound = (
            rows(write_h5(tmp_path / f"{number}.h5", config, version="3.15.1"))["layer"]["rms"]
            for number, config in enumerate((plain, masked))
        )
        assert bound == pytest.approx(0.47, rel=0.05)  # measured with Keras 3.15
        assert free < 0.65 * bound


class TestFrozenLayers:
    def test_behind_frozen_weights_nothing_is_exact(self, signal: Net) -> None:
        found = signal(dense("base", trainable=False), dense("head"))
        assert [found[name]["certainty"] for name in ("input", "base", "head")] == ["exact", "partial", "partial"]

    def test_a_frozen_batch_norm_does_not_normalize_by_its_batch(self, signal: Net) -> None:
        found = signal(entry("BatchNormalization", name="norm", axis=[1], epsilon=3.0, trainable=False))
        assert (found["norm"]["rms"], found["norm"]["certainty"]) == (pytest.approx(0.5), "partial")
