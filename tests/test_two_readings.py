"""Files that versions of Keras would take for different models: archlint reads them as all do, or refuses them."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import Archlint, entry, kinds, query, read, sequential, wires, write_h5, write_keras

START = entry("InputLayer", name="start", batch_shape=[None, 4])
HEAD = entry("Dense", name="head", units=2)


def refusal(archlint: Archlint, path: Path) -> str:
    """Why a file is not checked."""
    ran = archlint("check", path, "--format", "json")
    assert ran.code == 2
    (file,) = ran.json["files"]
    reason: str = file["error"]
    assert "readers would disagree" in reason
    assert reason.endswith("save the model again")
    return reason


def write(path: Path, config: Any) -> Path:
    """The same configuration in either container."""
    return write_h5(path, config) if path.suffix == ".h5" else write_keras(path, config)


@pytest.fixture(params=["h5", "keras"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a test puts its model, once in each container."""
    return tmp_path / f"model.{request.param}"


# The class, and the name it is registered under


@pytest.mark.parametrize("module", [{}, {"module": "keras.layers"}, {"module": "keras.src.layers.core.dense"}])
def test_a_layer_is_of_its_class_whatever_name_without_a_package_it_is_registered_under(path, module):
    layer = {**entry("Dense", name="x", units=9), "registered_name": "Dropout", **module}
    assert kinds(read(write(path, sequential(START, layer, HEAD))))["x"] == "dense"


def test_a_class_of_keras_registered_under_its_own_name_is_still_known(path):
    layer = {**entry("Dense", name="x", units=9), "module": "keras.layers", "registered_name": "Dense"}
    assert kinds(read(write(path, sequential(START, layer, HEAD))))["x"] == "dense"


@pytest.mark.parametrize("registered", ["mine>Dense", "mine>Dropout", "keras>Dropout", "Custom>LayerScale"])
def test_a_class_that_is_registered_in_a_package_is_no_class_of_kerass_by_another_name(path, registered):
    layer = {**entry("Dense", name="x", units=9), "module": None, "registered_name": registered}
    assert kinds(read(write(path, sequential(START, layer, HEAD))))["x"] == "custom"


def test_what_keras_itself_registers_in_a_package_is_still_known(path):
    layer = {**entry("CustomScaleLayer", name="x", scale=1.0), "registered_name": "Custom>CustomScaleLayer"}
    assert kinds(read(write(path, sequential(START, layer, HEAD))))["x"] == "add"


# The calls of a layer that is called several times


def functional(*layers: Any, output: list[Any]) -> dict[str, Any]:
    return {
        "class_name": "Functional",
        "config": {
            "name": "whole",
            "layers": [{**START, "name": "start", "inbound_nodes": []}, *layers],
            "input_layers": [["start", 0, 0]],
            "output_layers": [output],
        },
    }


def keras_2(layer: dict[str, Any], *calls: list[Any]) -> dict[str, Any]:
    """A layer as Keras 2 stores it, each of its calls on one tensor."""
    return {**layer, "name": layer["config"]["name"], "inbound_nodes": [[[*call, {}]] for call in calls]}


def keras_3(layer: dict[str, Any], *calls: list[Any]) -> dict[str, Any]:
    """A layer as Keras 3 stores it, each of its calls on one tensor."""

    def tensor(call: list[Any]) -> dict[str, Any]:
        return {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": call}}

    nodes = [{"args": [tensor(call)], "kwargs": {}} for call in calls]
    return {**layer, "name": layer["config"]["name"], "inbound_nodes": nodes}


DIALECTS = pytest.mark.parametrize("called", [keras_2, keras_3])
A = entry("Dense", name="a", units=4, activation="relu")
B = entry("Dense", name="b", units=4, activation="softmax")
SHARED = entry("Dense", name="shared", units=4)
FIRST, SECOND = ["a", 0, 0], ["b", 0, 0]


def two_calls(called: Any, shared: dict[str, Any], output: list[Any]) -> dict[str, Any]:
    """A model that calls a layer on what `a` makes, and again on what `b` makes."""
    start = ["start", 0, 0]
    return functional(called(A, start), called(B, start), called(shared, FIRST, SECOND), output=output)


@DIALECTS
@pytest.mark.parametrize(("number", "source"), [(0, "a"), (1, "b")])
def test_of_a_plain_layer_the_call_is_meant_that_is_named_be_the_others_used_or_not(path, called, number, source):
    config = two_calls(called, SHARED, ["shared", number, 0])
    model = read(write(path, config))
    assert wires(model)[model.outputs[0].tensor.call] == ("shared", [source])


def inner(class_name: str, called: Any = keras_2) -> dict[str, Any]:
    layers = [entry("InputLayer", name="in", batch_shape=[None, 4]), entry("Dense", name="d", units=4)]
    if class_name == "Sequential":
        return sequential(*layers, name="inner")
    nodes = [{**layers[0], "name": "in", "inbound_nodes": []}, called(layers[1], ["in", 0, 0])]
    graph = {"layers": nodes, "input_layers": [["in", 0, 0]], "output_layers": [["d", 0, 0]]}
    return {"class_name": class_name, "config": {"name": "inner", **graph}}


def both_calls(shared: dict[str, Any], first: int) -> dict[str, Any]:
    """A model in Keras 2's words that adds up both calls of a nested one, counted from `first`."""
    config = two_calls(keras_2, shared, ["sum", 0, 0])
    both = [[["inner", first, 0, {}], ["inner", first + 1, 0, {}]]]
    config["config"]["layers"].append({**entry("Add", name="sum"), "name": "sum", "inbound_nodes": both})
    return config


@pytest.mark.parametrize("class_name", ["Functional", "Model", "Sequential"])
@pytest.mark.parametrize("first", [0, 1])
def test_the_calls_of_a_nested_model_are_told_apart_where_all_are_used(path, class_name, first):
    found = wires(read(write(path, both_calls(inner(class_name), first))))
    assert [sources for name, sources in found if name == "inner/d"] == [["a"], ["b"]]
    assert found[-1] == ("sum", ["inner/d", "inner/d"])


@pytest.mark.parametrize("class_name", ["Functional", "Sequential"])
def test_calls_of_a_nested_model_that_no_version_numbers_so_are_refused(archlint, path, class_name):
    assert "calls of its nested model 'inner'" in refusal(archlint, write(path, both_calls(inner(class_name), 2)))


@pytest.mark.parametrize(("class_name", "number"), [("Functional", 0), ("Functional", 1), ("Sequential", 1)])
def test_a_call_of_a_nested_model_that_versions_number_differently_is_refused(archlint, path, class_name, number):
    config = two_calls(keras_2, inner(class_name), ["inner", number, 0])
    assert "calls of its nested model 'inner'" in refusal(archlint, write(path, config))


@pytest.mark.parametrize(
    ("class_name", "number", "source"), [("Sequential", 0, "a"), ("Sequential", 2, "b"), ("Functional", 2, "b")]
)
def test_a_call_of_a_nested_model_that_can_only_be_one_is_taken(path, class_name, number, source):
    model = read(write(path, two_calls(keras_2, inner(class_name), ["inner", number, 0])))
    assert wires(model)[model.outputs[0].tensor.call] == ("inner/d", [source])


def test_in_keras_3_the_output_of_a_nested_model_is_counted_from_one(archlint, path):
    shared = inner("Functional", keras_3)
    for number, source in (1, "a"), (2, "b"):
        model = read(write(path, two_calls(keras_3, shared, ["inner", number, 0])))
        assert wires(model)[model.outputs[0].tensor.call] == ("inner/d", [source])
    assert "'inner'" in refusal(archlint, write(path, two_calls(keras_3, shared, ["inner", 0, 0])))


# What a layer says twice


def test_an_input_of_two_shapes_is_refused(archlint, path):
    start = entry("InputLayer", name="start", batch_shape=[None, 4], batch_input_shape=[None, 8])
    assert "'start' states two different shapes" in refusal(archlint, write(path, sequential(start, HEAD)))


def test_an_input_that_states_its_shape_twice_is_read(path):
    boxed = {"class_name": "__tuple__", "items": [None, 4]}
    start = entry("InputLayer", name="start", batch_shape=[None, 4], batch_input_shape=boxed)
    assert read(write(path, sequential(start, HEAD))).layers[0].args["batch_shape"] == (None, 4)


@pytest.mark.parametrize("layer", [A, entry("TimeDistributed", name="a", layer=HEAD), entry("Add", name="a")])
def test_a_layer_of_two_names_is_refused(archlint, path, layer):
    config = sequential(START, {**layer, "name": "other"}, HEAD)
    assert "two names, 'other' and 'a'" in refusal(archlint, write(path, config))


@pytest.mark.parametrize(
    "layer",
    [
        entry("Dense", name="other", units=4),
        entry("Dense", units=4),
        # TensorFlow 2.1 puts `tf_op_layer_` before the name that it is given, and stores both.
        entry("TensorFlowOpLayer", name="r", node_def={"op": "Relu", "name": "r", "input": ["x"]}, constants={}),
        entry("Mine", name="what its author calls so", trainable=True),
    ],
    ids=["the same", "one name", "an operation", "a custom class"],
)
def test_a_layer_that_versions_of_keras_know_by_one_name_is_read(path, layer):
    assert "other" in kinds(read(write(path, sequential(START, {**layer, "name": "other"}, HEAD))))


# Objects that are shared, and functions


def with_activations(*given: Any) -> dict[str, Any]:
    return sequential(START, *(entry("Dense", name=f"d_{n}", units=4, activation=one) for n, one in enumerate(given)))


def shared(class_name: str, number: Any = 7, **config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", **entry(class_name, **config), "shared_object_id": number}


@pytest.mark.parametrize("number", [7, "seven", None])
@pytest.mark.parametrize("other", [shared("Softmax", name="r"), shared("ReLU", name="r", max_value=6.0)])
def test_two_objects_that_are_the_same_by_their_number_are_refused(archlint, path, number, other):
    config = with_activations(shared("ReLU", number, name="r"), {**other, "shared_object_id": number})
    assert "the same shared_object_id" in refusal(archlint, write(path, config))


def test_numbers_of_objects_count_in_the_whole_file(archlint, path):
    layer = {**entry("Dropout", name="drop", rate=0.5), "shared_object_id": 7}
    nested = sequential({**A, "shared_object_id": 7}, name="inner")
    assert "the same shared_object_id" in refusal(archlint, write(path, sequential(START, nested, layer, HEAD)))


def test_an_object_that_is_shared_is_written_out_at_each_place(path):
    within = {"class_name": "Constant", "config": {"value": 0.5}}
    often = [
        shared("PReLU", name="p", alpha_initializer=within),
        shared("PReLU", name="p", alpha_initializer={**within, "shared_object_id": 8}),  # met again by itself
        shared("ReLU", 9, name="p"),
    ]
    read_as = query(write(path, with_activations(*often)), "SELECT activation FROM layer WHERE kind = 'dense'")
    assert read_as == [("prelu",), ("prelu",), ("relu",)]


def function(name: str, registered: str | None, module: str = "keras.activations") -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered}


@pytest.mark.parametrize("module", ["keras.activations", "tf_keras.src.activations", "builtins"])
def test_a_function_of_two_names_is_refused(archlint, path, module):
    config = with_activations(function("relu", "softmax", module))
    assert "a function twice, as 'relu' and as 'softmax'" in refusal(archlint, write(path, config))


def test_a_loss_of_two_names_is_refused(archlint, tmp_path):
    loss = function("mean_squared_error", "categorical_crossentropy", "keras.losses")
    config = {**sequential(START, HEAD), "compile_config": {"optimizer": "adam", "loss": loss}}
    assert "a function twice" in refusal(archlint, write_keras(tmp_path / "m.keras", config))
    path = write_h5(tmp_path / "m.h5", sequential(START, HEAD), {"optimizer_config": "adam", "loss": loss})
    assert "a function twice" in refusal(archlint, path)


@pytest.mark.parametrize(
    ("name", "registered", "activation"),
    [
        ("relu", "relu", "relu"),
        ("relu", "function", "relu"),  # Keras 3, of any function
        ("relu", None, "relu"),
        ("double", "mine>double", "custom"),
        ("double", "mine>twice", "custom"),
        ("mine>double", "function", "custom"),
    ],
)
def test_a_function_as_keras_names_it_is_read(path, name, registered, activation):
    path = write(path, with_activations(function(name, registered)))
    assert query(path, "SELECT activation FROM layer WHERE kind = 'dense'") == [(activation,)]


# Where the weights are


def archive(path: Path, **members: bytes) -> Path:
    """A `.keras` archive with these weights, by the ending of their name."""
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("config.json", json.dumps(sequential(START, HEAD)))
        for ending, content in members.items():
            made.writestr(f"model.weights.{ending}", content)
    return path


def hdf5_weights(value: float) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["layers/dense/vars/0"] = np.full((4, 2), value, "f4")
    return content.getvalue()


def numpy_weights() -> bytes:
    content = io.BytesIO()
    np.savez(content, kernel=np.ones((4, 2)))
    return content.getvalue()


def unjudged(archlint: Archlint, path: Path) -> set[str]:
    """Why weights are not judged."""
    (file,) = archlint("check", path, "--format", "json").json["files"]
    return {rule["why"] for rule in file["not_checked"] if rule["code"] == "WGT001"}


@pytest.mark.parametrize(
    "others", [{}, {"H5": hdf5_weights(1.0)}], ids=["alone", "beside weights by a name like Keras's"]
)
def test_weights_in_a_numpy_archive_are_the_reason_why_none_are_judged(archlint, tmp_path, others):
    path = archive(tmp_path / "m.keras", **others, npz=numpy_weights())
    reason = "its weights are in model.weights.npz, which archlint does not read; save the model again"
    assert unjudged(archlint, path) == {reason}
    assert "its weights are in model.weights.npz" in " ".join(archlint("check", path, "-v").out.split())


def test_weights_that_keras_reads_are_judged_whatever_is_beside_them(archlint, tmp_path):
    path = archive(tmp_path / "m.keras", h5=hdf5_weights(np.nan), npz=numpy_weights())
    assert unjudged(archlint, path) == set()
    assert archlint("check", path, "--select", "WGT001").code == 1


def test_an_archive_without_weights_says_that_it_has_none(archlint, tmp_path):
    assert unjudged(archlint, archive(tmp_path / "m.keras")) == {"the file holds no weights"}


TWO = sequential(START, *(entry("Dense", name=name, units=4, use_bias=False) for name in "ab"))
KERNELS = {"a/a/kernel:0": 1.0, "b/b/kernel:0": 2.0}
LISTED = {"start": [], "a": ["a/kernel:0"], "b": ["b/kernel:0"]}


def with_lists(path: Path, config: Any, listed: dict[str, list[str]], stored: dict[str, float], cut: str = "") -> Path:
    """An `.h5` of kernels full of these numbers, with the attributes by which Keras finds them."""
    write_h5(path, config)
    with h5py.File(path, "a") as file:
        root = file["model_weights"]
        for name, value in stored.items():
            root[name] = np.full((4, 4), value, "f4")
        root.attrs[f"layer_names{cut}"] = np.array([name.encode() for name in listed])
        for name, weights in listed.items():
            names = np.array([weight.encode() for weight in weights])  # of an empty list it makes one of numbers
            root.require_group(name).attrs[f"weight_names{cut}"] = names
    return path


@pytest.mark.parametrize(
    ("listed", "stored"),
    [
        ({"y": ["a/kernel:0"], "z": ["b/kernel:0"]}, {"y/a/kernel:0": np.nan, "z/b/kernel:0": 1.0}),
        ({"a": ["a/kernel:0"], "z": ["b/kernel:0"]}, {"z/b/kernel:0": np.nan}),
        ({"b": ["b/kernel:0"], "a": ["a/kernel:0"]}, {}),
        ({"a": ["/model_weights/x"], "b": ["b/kernel:0"]}, {"x": np.nan}),
        ({"b": ["b/kernel:0"], "start": ["/model_weights/x"]}, {"x": np.nan}),
    ],
    ids=["other groups", "one other group", "order", "outside", "outside an empty group"],
)
@pytest.mark.parametrize("cut", ["", "0"], ids=["whole", "in parts"])
def test_weights_that_are_others_by_order_than_by_name_are_refused(archlint, tmp_path, listed, stored, cut):
    path = with_lists(tmp_path / "m.h5", TWO, listed, KERNELS | stored, cut)
    assert "it lists other weights" in refusal(archlint, path)


def test_a_group_that_is_listed_twice_is_refused(archlint, tmp_path):
    path = with_lists(tmp_path / "m.h5", TWO, LISTED, KERNELS)
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["layer_names"] = np.array([b"a", b"a"])
    assert "it lists weights twice" in refusal(archlint, path)


def test_a_group_that_is_a_link_is_never_followed(archlint, tmp_path):
    path = with_lists(tmp_path / "m.h5", TWO, {**LISTED, "c": []}, KERNELS)
    with h5py.File(path, "a") as file:
        del file["model_weights/c"]
        file["model_weights/c"] = h5py.ExternalLink("other.h5", "/")
    assert described(path) == [("a", 1.0), ("b", 2.0)]


def test_other_weights_in_the_group_of_a_layer_are_its_own(archlint, tmp_path):
    path = with_lists(tmp_path / "m.h5", TWO, {**LISTED, "a": ["x"]}, KERNELS | {"a/x": np.nan})
    assert archlint("check", path, "--select", "WGT001").code == 1


def described(path: Path) -> list[tuple[Any, ...]]:
    sql = "SELECT layer.name, weight.mean FROM weight LEFT JOIN layer ON layer.id = weight.layer ORDER BY weight.mean"
    return query(path, sql)


@pytest.mark.parametrize("cut", ["", "0"], ids=["whole", "in parts"])
def test_weights_as_keras_lists_them_are_read(tmp_path, cut):
    path = with_lists(tmp_path / "m.h5", TWO, LISTED, KERNELS, cut)
    assert described(path) == [("a", 1.0), ("b", 2.0)]


def test_weights_of_the_model_itself_are_in_no_list(tmp_path):
    path = with_lists(tmp_path / "m.h5", TWO, LISTED, KERNELS | {"top_level_model_weights/scale:0": 3.0})
    assert described(path) == [("a", 1.0), ("b", 2.0), (None, 3.0)]


def test_a_table_of_texts_is_listed_among_the_weights(tmp_path):
    path = with_lists(tmp_path / "m.h5", TWO, {**LISTED, "a": ["a/kernel:0", "a/table"]}, KERNELS)
    with h5py.File(path, "a") as file:
        file["model_weights/a/a/table"] = ["one", "two"]
    assert described(path) == [("a", 1.0), ("b", 2.0)]


def test_layers_with_slashes_in_their_names_have_groups_in_groups(tmp_path):
    config = sequential(START, *(entry("Dense", name=f"s/{name}", units=4, use_bias=False) for name in "ab"))
    listed = {"s/a": ["s/a/kernel:0"], "s/b": ["s/b/kernel:0"]}
    path = with_lists(tmp_path / "m.h5", config, listed, {f"s/{name}/s/{name}/kernel:0": 1.0 for name in "ab"})
    assert described(path) == [("s/a", 1.0), ("s/b", 1.0)]


def test_of_layers_without_names_the_groups_are_none(tmp_path):
    config = {"class_name": "Sequential", "config": [entry("Dense", output_dim=4, input_dim=4) for _ in "ab"]}
    path = with_lists(tmp_path / "m.h5", config, {"a": ["a_W"], "b": ["b_W"]}, {"a/a_W": 1.0, "b/b_W": 2.0})
    assert described(path) == [(None, 1.0), (None, 2.0)]


def test_layers_of_a_nested_model_may_be_stored_like_those_around_it(tmp_path):
    nested = sequential(entry("Dense", name="a", output_dim=4, input_dim=4), name="nested")
    config = {"class_name": "Sequential", "config": [nested, entry("Dense", name="b", output_dim=4)]}
    path = with_lists(tmp_path / "m.h5", config, {"a": ["a_W"], "b": ["b_W"]}, {"a/a_W": 1.0, "b/b_W": 2.0})
    assert described(path) == [(None, 1.0), ("b", 2.0)]
