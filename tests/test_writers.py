"""A model that is written for Keras 3 and read again is the same model; what cannot be written is refused."""

import inspect
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import pytest
from keras import layers
from support import entry, sequential

from archlint.analyses.shapes import infer
from archlint.graph import Layer, Model, Tensor
from archlint.readers import live, open_model
from archlint.readers.keras import from_attributes
from archlint.writers.keras import WriteError, Written, written

FIXTURES = Path(__file__).parents[1] / "fixtures"
FILES = sorted(
    path
    for folder in ("models", "applications", "sound")
    for path in (FIXTURES / folder).iterdir()
    if path.suffix in (".h5", ".keras")
)

REFUSED = {"pointnet.keras": "Keras 3 has no initializer 'flat_identity'"}
"""Files without an opaque layer that cannot be written all the same, and why."""

UNUSED = {"groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"}
MEANINGLESS = {"separable_conv": UNUSED, "depthwise_conv": UNUSED, "conv_transpose": {"groups"}}
"""Settings that Keras 2 writes and does not use, by kind."""

EVERYWHERE = {"implementation", "input_length", "renorm_momentum"}


def opened(path: Path) -> Model:
    with open_model(path) as model:
        return model


def of_config(config: Any, version: str = "2.4.0") -> Model:
    return from_attributes({"model_config": config, "keras_version": version})


def functional(*listed: dict[str, Any], inputs: list[Any], outputs: list[Any]) -> dict[str, Any]:
    """A serialised functional model as Keras 2 writes it."""
    config = {"name": "model", "layers": list(listed), "input_layers": inputs, "output_layers": outputs}
    return {"class_name": "Functional", "config": config}


def again(found: Written) -> Model:
    """The written configuration, stored as JSON and read."""
    config = json.loads(json.dumps(found.config))
    return from_attributes({"model_config": config, "keras_version": "3.15.1"}, "keras_zip")


def settings(layer: Layer) -> dict[str, Any]:
    """The settings of a layer under the names of today, without those that say nothing."""
    meaningless = EVERYWHERE | MEANINGLESS.get(layer.kind, set())
    kept = {key: value for key, value in stated(layer.args).items() if key not in meaningless}
    if layer.class_name == "LeakyReLU" and "alpha" in kept:
        kept["negative_slope"] = kept.pop("alpha")
    if layer.kind == "batch_norm" and isinstance(kept["axis"], list):
        (kept["axis"],) = kept["axis"]
    return kept


def stated(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are not as good as absent; the type of an initializer is that of its layer."""
    return {
        key: {name: inner for name, inner in stated(value).items() if name != "dtype"}
        if isinstance(value, Mapping)
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in values.items()
        if value is not None and value is not False
    }


def named(model: Model, names: Mapping[str, str] | None = None) -> dict[str, tuple[Any, ...]]:
    """What each layer is, by its name in Keras."""
    return {
        (names or {}).get(layer.name, layer.name): (
            layer.kind,
            layer.activation,
            layer.trainable or layer.kind == "spatial_dropout",
            # Sums are the same whether or not they are mapped over the steps of a sequence.
            layer.time_distributed if not layer.traits.merge else 0,
            layer.backward and settings(layer.backward),
        )
        for layer in model.layers
    }


def wired(model: Model, names: Mapping[str, str] | None = None) -> list[Any]:
    """What each layer is called on, in the order of its calls, and the outputs: by the layers that made it."""
    numbers, count = {}, dict.fromkeys(range(len(model.layers)), 0)
    for position, call in enumerate(model.calls):
        numbers[position] = ((names or {}).get(*(2 * [model.layers[call.layer].name])), count[call.layer])
        count[call.layer] += 1

    def made(tensor: Tensor) -> Any:
        return (*numbers[tensor.call], tensor.output)

    calls = sorted((numbers[position], [*map(made, call.inputs)]) for position, call in enumerate(model.calls))
    return [calls, [made(output.tensor) for output in model.outputs]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_written_reads_as_the_same_model(path: Path) -> None:
    model = opened(path)
    if any(layer.traits.opaque for layer in model.layers) or path.name in REFUSED:
        with pytest.raises(WriteError, match=REFUSED.get(path.name, "cannot be written for Keras 3")):
            written(model)
        return
    found = written(model)
    back = again(found)
    assert named(back) == named(model, found.names)
    assert wired(back) == wired(model, found.names)
    by_name = {layer.name: layer for layer in back.layers}
    for layer in model.layers:
        assert settings(by_name[found.names[layer.name]]) == settings(layer), layer.name
    assert sorted(map(str, infer(back).values())) == sorted(map(str, infer(model).values()))


@pytest.mark.parametrize("name", ["clean_resnet.keras", "clean_cnn.tfkeras.h5", "clean_lstm.h5"])
def test_writing_what_was_written_changes_nothing(name: str) -> None:
    found = written(opened(FIXTURES / "models" / name))
    assert written(again(found)).config == found.config


def test_paths_become_names_that_stay_apart() -> None:
    inner = sequential(entry("Dense", name="a", units=3, batch_input_shape=[None, 2]), name="net")
    outer = sequential(inner, entry("Dense", name="net.a", units=4), entry("Dense", name="b", units=1))
    found = written(of_config(outer))
    assert {path: found.names[path] for path in ("net/a", "net.a", "b")} == {
        "net/a": "net.a_1",
        "net.a": "net.a",
        "b": "b",
    }
    assert not any("/" in layer["name"] for layer in found.config["config"]["layers"])


def config_of(model: Model, name: str) -> dict[str, Any]:
    """The written configuration of one layer."""
    found = written(model)
    return next(layer for layer in found.config["config"]["layers"] if layer["name"] == found.names[name])


def test_keras_1_is_written_with_the_names_of_keras_3() -> None:
    old = {
        "class_name": "Sequential",
        "config": [
            entry(
                "Convolution2D", name="conv", nb_filter=4, nb_row=3, nb_col=5, subsample=[2, 2], border_mode="same",
                init="glorot_uniform", bias=True, activation="relu", dim_ordering="tf", input_dtype="float32",
                W_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 0.5}, b_regularizer=None,
                W_constraint={"name": "maxnorm", "m": 2, "axis": 0}, batch_input_shape=[None, 8, 8, 3],
            ),
            entry("Flatten", name="flat"),
            entry("Dense", name="dense", output_dim=2, init="uniform", activation="linear", bias=True, input_dim=None),
        ],
    }  # fmt: skip
    conv = config_of(of_config(old, "1.2.2"), "conv")
    assert conv["class_name"] == "Conv2D"
    assert conv["config"]["filters"] == 4
    assert conv["config"]["kernel_size"] == [3, 5]
    assert conv["config"]["strides"] == [2, 2]
    assert conv["config"]["kernel_regularizer"]["config"] == {"l1": 0.0, "l2": 0.5}
    assert conv["config"]["kernel_constraint"]["config"] == {"max_value": 2, "axis": 0}
    assert "input_dtype" not in conv["config"]
    dense = config_of(of_config(old, "1.2.2"), "dense")["config"]
    assert dense["kernel_initializer"]["class_name"] == "RandomUniform"
    assert dense["kernel_initializer"]["config"]["maxval"] == 0.05


def test_what_only_old_versions_have_becomes_what_it_is_today() -> None:
    old = sequential(
        entry("CuDNNGRU", name="gru", units=3, return_sequences=True, batch_input_shape=[None, 5, 2]),
        entry("GRU", name="plain", units=3, recurrent_activation="hard_sigmoid", return_sequences=True),
        entry("BatchNormalizationV1", name="norm", axis=[2]),
        entry("ThresholdedReLU", name="threshold", theta=0.5, trainable=True),
        entry("LeakyReLU", name="leaky", alpha=0.25, trainable=True),
    )
    model = of_config(old, "2.1.0")
    assert config_of(model, "gru")["config"]["reset_after"] is True
    plain = config_of(model, "plain")["config"]
    assert plain["reset_after"] is False
    assert plain["recurrent_activation"]["config"] == "archlint>hard_sigmoid"
    assert config_of(model, "norm")["class_name"] == "BatchNormalization"
    assert config_of(model, "norm")["config"]["axis"] == 2
    assert config_of(model, "threshold")["class_name"] == "ReLU"
    assert config_of(model, "threshold")["config"]["threshold"] == 0.5
    assert config_of(model, "leaky")["config"]["negative_slope"] == 0.25


def test_an_activation_that_is_a_layer_keeps_its_settings() -> None:
    leaky = entry("LeakyReLU", name="leaky", alpha=0.1)
    model = of_config(sequential(entry("Dense", name="a", units=2, activation=leaky, batch_input_shape=[None, 2])))
    assert config_of(model, "a")["config"]["activation"]["config"] == {"negative_slope": 0.1}


def test_functions_of_tensorflow_become_operations_of_keras() -> None:
    listed = [
        {**entry("InputLayer", name="x", batch_input_shape=[None, 4, 6]), "name": "x", "inbound_nodes": []},
        {
            **entry("TFOpLambda", name="mean", function="math.reduce_mean"),
            "name": "mean",
            "inbound_nodes": [["x", 0, 0, {"axis": 1, "keepdims": True}]],
        },
        {
            **entry("TFOpLambda", name="minus", function="math.subtract"),
            "name": "minus",
            "inbound_nodes": [["x", 0, 0, {"y": ["mean", 0, 0], "name": None}]],
        },
        {
            **entry("SlicingOpLambda", name="cut", function="__operators__.getitem"),
            "name": "cut",
            "inbound_nodes": [["minus", 0, 0, {"slice_spec": [{"start": None, "stop": None, "step": None}, 0]}]],
        },
    ]
    model = of_config(functional(*listed, inputs=[["x", 0, 0]], outputs=[["cut", 0, 0]]))
    mean, minus, cut = (config_of(model, name) for name in ("mean", "minus", "cut"))
    assert (mean["class_name"], mean["config"]) == ("Mean", {"name": "mean", "axis": 1, "keepdims": True})
    assert [tensor["config"]["keras_history"][0] for tensor in minus["inbound_nodes"][0]["args"]] == ["x", "mean"]
    assert cut["inbound_nodes"][0]["args"][1][0]["class_name"] == "__slice__"


def test_inputs_come_in_the_order_in_which_the_model_takes_them() -> None:
    first, second = keras.Input((2,), name="first"), keras.Input((3,), name="second")
    model = live.read_live(keras.Model([second, first], layers.Concatenate()([first, second])), "keras")
    assert written(model).config["config"]["input_layers"] == [["second", 0, 0], ["first", 0, 0]]


def test_attention_by_keyword_is_attention_by_position() -> None:
    query, key, value = (keras.Input((4, 6), name=name) for name in ("query", "key", "value"))
    made = layers.MultiHeadAttention(2, 3, name="attention")(query=query, key=key, value=value)
    model = live.read_live(keras.Model([query, key, value], made), "keras")
    arguments = config_of(model, "attention")["inbound_nodes"][0]["args"]
    assert [tensor["config"]["keras_history"][0] for tensor in arguments] == ["query", "value", "key"]


OPAQUE = {
    "its activation is a function of its author's": entry("Dense", units=2, activation="mine"),
    "neither L1 nor L2": entry("Dense", units=2, kernel_regularizer=entry("Orthogonal", factor=1)),
    "no initializer 'mine'": entry("Dense", units=2, kernel_initializer=entry("Mine")),
    "no constraint 'mine'": entry("Dense", units=2, kernel_constraint=entry("Mine")),
    "Keras 3 has no such layer": entry("LocallyConnected1D", filters=2, kernel_size=1),
    "no wrapper WeightNormalization": entry("WeightNormalization", layer=entry("Dense", name="in", units=2)),
    "its setting time_major=True": entry("LSTM", units=2, time_major=True),
    "what it computes is not in its file": entry("Lambda", function="mine"),
    "one of its settings is an object": entry("Dropout", rate=entry("Lambda", function="mine")),
    "its vocabulary is not in its configuration": entry("StringLookup", vocabulary=None),
}


@pytest.mark.parametrize("why", OPAQUE)
def test_what_keras_3_cannot_do_is_refused(why: str) -> None:
    refused = OPAQUE[why]
    refused["config"] |= {"name": "refused", "batch_input_shape": [None, 4, 2]}
    with pytest.raises(WriteError, match=why) as caught:
        written(of_config(sequential(refused)))
    assert "'refused'" in str(caught.value)


def test_a_mask_that_the_model_computes_is_refused() -> None:
    x, mask = keras.Input((4, 6)), keras.Input((4, 4), dtype="bool")
    made = layers.MultiHeadAttention(2, 3)(x, x, attention_mask=mask)
    with pytest.raises(WriteError, match="what is masked"):
        written(live.read_live(keras.Model([x, mask], made), "keras"))


def test_writing_imports_neither_keras_nor_tensorflow() -> None:
    code = "import sys, archlint.writers.keras; print({'keras', 'tensorflow'} & set(sys.modules))"
    root = FIXTURES.parent
    said = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True).stdout
    assert said.strip() == "set()"


def test_an_exported_model_is_refused() -> None:
    with pytest.raises(WriteError, match="exported"):
        written(opened(FIXTURES / "exports" / "mlp.torch.onnx"))


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name != "applications"], ids=lambda p: p.name)
def test_every_setting_is_one_that_the_class_takes(path: Path) -> None:
    model = opened(path)
    if any(layer.traits.opaque for layer in model.layers) or path.name in REFUSED:
        return
    common = {"name", "trainable", "dtype", "activity_regularizer", "zero_output_for_mask", "unroll", "data_format"}
    for layer in written(model).config["config"]["layers"]:
        if layer["module"] == "keras.layers":
            taken = inspect.signature(getattr(layers, layer["class_name"])).parameters
            assert set(layer["config"]) - common <= set(taken), layer["name"]
