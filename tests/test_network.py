"""The network that is built from what archlint read is the one that was saved: as many parameters, equal outputs."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from support import entry, sequential

from archlint.graph import Layer, Model, StoredWeight
from archlint.lab.layouts import fitted
from archlint.lab.network import NetworkError, hard_sigmoid, network, set_stored
from archlint.readers import live, open_model
from archlint.readers.keras import from_attributes
from archlint.writers.keras import written

FIXTURES = Path(__file__).parents[1] / "fixtures"
FILES = sorted((FIXTURES / "models").iterdir())
TRAINED = ["bag_of_embeddings", "iris", "lstm_forecaster", "selu_mlp", "siamese", "text_cnn"]


def feed(model: Model) -> list[Any]:
    """Random input, one array for each input of the model."""
    random = np.random.default_rng(0)
    fed = []
    for number, call in enumerate(model.calls):
        layer = model.layers[call.layer]
        if layer.kind == "input":
            shape = [size or (2 if axis == 0 else 12) for axis, size in enumerate(layer.args["batch_shape"])]
            readers = [model.layers[reader.layer] for reader in model.calls if (number, 0) in reader.inputs]
            words = min((reader.args["input_dim"] for reader in readers if reader.kind == "embedding"), default=0)
            fed.append(random.integers(0, words, shape) if words else random.normal(size=shape).astype("float32"))
    return fed


def run(made: Any, fed: list[Any]) -> list[Any]:
    return [np.asarray(output) for output in keras.tree.flatten(made(fed[0] if len(fed) == 1 else fed))]


def assert_same(original: Any, model: Model, made: Any) -> None:
    assert made.count_params() == original.count_params()
    fed = feed(model)
    for ours, theirs in zip(run(made, fed), run(original, fed), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def loaded(path: Path) -> Any:
    """The model as the library that wrote it loads it."""
    if ".tfkeras" not in path.name:
        return keras.models.load_model(path, compile=False)
    import tf_keras

    return tf_keras.models.load_model(path, compile=False)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    keras.backend.clear_session()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_built_as_its_own_library_loads_it(path: Path) -> None:
    with open_model(path) as model:
        made = network(model)
    assert_same(loaded(path), model, made)


@pytest.mark.parametrize("name", TRAINED)
def test_trained_weights_arrive_where_they_belong(name: str) -> None:
    path = FIXTURES / "sound" / f"{name}.keras"
    with open_model(path) as model:
        assert_same(loaded(path), model, network(model))


@pytest.mark.parametrize("name", ["applications/MobileNetV3Small", "sound/tagger", "sound/wide_and_deep"])
def test_a_configuration_alone_is_built_with_the_weights_that_keras_draws(name: str) -> None:
    path = FIXTURES / f"{name}.keras"
    config = json.loads(zipfile.ZipFile(path).read("config.json"))
    with open_model(path) as model:
        made = network(model, weights=False)
    assert made.count_params() == keras.saving.deserialize_keras_object(config).count_params()


def of(shape: tuple[int, ...], *stack: Any) -> Any:
    return keras.Sequential([keras.Input(shape), *stack])


def seq2seq() -> Any:
    first, second = keras.Input((None,)), keras.Input((5, 3))
    _, *states = layers.LSTM(4, return_state=True)(layers.Embedding(9, 2, mask_zero=True)(first))
    steps = layers.LSTM(4, return_sequences=True)(second, initial_state=states)
    return keras.Model([second, first], [layers.TimeDistributed(layers.Dense(2))(steps), states[0]])


def shared() -> Any:
    left, right = keras.Input((6, 6, 2), name="left"), keras.Input((6, 6, 2), name="right")
    tower = of((6, 6, 2), layers.Conv2D(3, 3), layers.GlobalAveragePooling2D())
    made = keras.ops.abs(tower(left) - tower(right)) * 0.5
    return keras.Model([right, left], layers.Dense(1)(keras.ops.concatenate([made, made[:, :1]], axis=-1)))


def attention() -> Any:
    x, y, z = (keras.Input((4, 6)) for _ in range(3))
    made = layers.MultiHeadAttention(2, 3, output_shape=5)(query=x, key=y, value=z, use_causal_mask=True)
    return keras.Model([z, x, y], layers.Attention(use_scale=True)([made, made]))


def stacked() -> Any:
    cells = layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(2)])
    x = keras.Input((5, 3))
    return keras.Model(x, layers.RNN(cells, go_backwards=True, return_sequences=True)(x))


def both_ways() -> Any:
    forward, backward = layers.LSTM(3, return_sequences=True), layers.GRU(3, return_sequences=True, go_backwards=True)
    both = layers.Bidirectional(forward, backward_layer=backward, merge_mode="sum")
    return of((5, 3), both, layers.Bidirectional(layers.SimpleRNN(2)))


def over_time() -> Any:
    x = keras.Input((6, 6, 2))
    inner = keras.Model(x, layers.Flatten()(layers.concatenate([x, layers.Conv2D(2, 1)(x)], axis=3)))
    return of((3, 6, 6, 2), layers.TimeDistributed(inner), layers.TimeDistributed(layers.Dense(2)))


def normalized() -> Any:
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(1).normal(3.0, 2.0, (50, 4)))
    return of((4,), norm, layers.Dense(3), layers.BatchNormalization(), layers.PReLU())


NETWORKS: dict[str, Callable[[], Any]] = {
    "states handed on, and a mask": seq2seq,
    "towers that are shared, and operations": shared,
    "attention by keyword": attention,
    "cells on top of each other": stacked,
    "two directions that differ": both_ways,
    "a model for every step": over_time,
    "statistics of data": normalized,
    "convolutions of every kind": lambda: of(
        (8, 8, 4),
        layers.SeparableConv2D(4, 3, padding="same"),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.Conv2DTranspose(3, 2, strides=2),
        layers.SpectralNormalization(layers.Conv2D(2, 3, activation=layers.LeakyReLU(0.05))),
        layers.GroupNormalization(2),
        layers.SpatialDropout2D(0.2),
    ),
    "layers in time and space": lambda: of(
        (3, 6, 6, 1), layers.ConvLSTM2D(2, 3, return_sequences=True), layers.LayerNormalization(), layers.Flatten()
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_in_memory_is_built_again(name: str) -> None:
    original = NETWORKS[name]()
    for variable in original.weights:
        if "float" in variable.dtype:
            variable.assign(variable + 0.1 * np.random.default_rng(2).random(variable.shape))
    for layer in original.layers:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    model = live.read_live(original, "keras")
    assert_same(original, model, network(model))


def stored(weights: dict[str, Any], layer: int = 1) -> Callable[[], tuple[StoredWeight, ...]]:
    """Weights of a layer, as a file has them."""

    def listed() -> tuple[StoredWeight, ...]:
        return tuple(
            StoredWeight(layer, "layer", name, array.shape, "float32", array.nbytes, lambda array=array: array)
            for name, array in weights.items()
        )

    return listed


def dense(weights: dict[str, Any]) -> Model:
    config = sequential(entry("Dense", name="dense", units=2, batch_input_shape=[None, 3]))
    read = from_attributes({"model_config": config, "keras_version": "2.4.0"})
    return Model(**{name: getattr(read, name) for name in Model.__slots__} | {"stored": stored(weights)})


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ({"kernel": np.ones((3, 2))}, "'bias' of the layer 'dense' is not in the file"),
        ({"kernel": np.ones((2, 3)), "bias": np.ones(2)}, r"is \(2, 3\) in the file, and the layer wants \(3, 2\)"),
        ({"kernel": np.ones((3, 2)), "bias": np.ones(2), "more": np.ones(1)}, "which has no such weight"),
    ],
    ids=["missing", "of another shape", "too many"],
)
def test_weights_that_do_not_fit_are_named(weights: dict[str, Any], why: str) -> None:
    model = dense(weights)
    made = network(model, weights=False)
    with pytest.raises(NetworkError, match=why):
        set_stored(made, model, written(model))


def test_what_keras_refuses_is_an_error_that_says_why() -> None:
    config = sequential(entry("Conv1D", name="conv", filters=2, kernel_size=9, batch_input_shape=[None, 4, 3]))
    with pytest.raises(NetworkError, match="Keras cannot build it"):
        network(from_attributes({"model_config": config, "keras_version": "2.4.0"}), weights=False)


def test_the_hard_sigmoid_of_keras_2_stays_what_it_was() -> None:
    x = np.linspace(-4, 4, 9, dtype="float32")
    assert np.asarray(hard_sigmoid(x)) == pytest.approx(np.clip(0.2 * x + 0.5, 0, 1))


def test_weights_in_cudnn_s_layout_are_turned() -> None:
    import tf_keras
    from tf_keras.src.saving.legacy.hdf5_format import preprocess_weights_for_loading

    random = np.random.default_rng(0)
    for kind, class_name, gates in (("lstm", "CuDNNLSTM", 4), ("gru", "CuDNNGRU", 3)):
        shapes = {"kernel": (2, gates * 3), "recurrent_kernel": (3, gates * 3), "bias": (2 * gates * 3,)}
        weights = {name: random.normal(size=shape) for name, shape in shapes.items()}
        plain = tf_keras.layers.LSTM(3) if kind == "lstm" else tf_keras.layers.GRU(3, reset_after=True)
        plain.build((None, 5, 2))
        expected = preprocess_weights_for_loading(plain, list(weights.values()))
        found = fitted(Layer("layer", kind, class_name), weights, {}, 2)
        for name, array in zip(shapes, expected, strict=True):
            np.testing.assert_array_equal(found[name], array)


def test_keras_1_s_single_gates_are_put_side_by_side() -> None:
    gates = {
        f"{name}_{gate}": np.full((1, 2), number) for name in ("kernel", "bias") for number, gate in enumerate("icfo")
    }
    found = fitted(Layer("layer", "lstm", "LSTM"), gates, {}, 1)
    assert found["kernel"].tolist() == [[0, 0, 2, 2, 1, 1, 3, 3]]
    assert set(found) == {"kernel", "bias"}
