"""What those who load a file have to trust: code, foreign names, other files, two meanings, in whatever form."""

import base64
import io
import json
import marshal
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from onnx import external_data_helper, helper, numpy_helper
from support import Archlint, Ran, entry, query, sequential, write_h5, write_keras

from archlint.analyses.names import harm
from archlint.readers.keras.suspects import disagrees, origin
from archlint.readers.keras.trust import concerns

MARKER = "executed"
BYTECODE = marshal.dumps(compile(f"open({MARKER!r}, 'w')", "<lambda>", "eval"))
CODE = base64.encodebytes(BYTECODE).decode()
LISTED = [CODE, None, None]
IN_KERAS_3 = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}
IN_KERAS_2 = entry("Lambda", name="scale", function=LISTED, function_type="lambda", module="mine", arguments={})
FIRST = entry("Dense", name="first", units=4, batch_input_shape=[None, 6])
LAST = entry("Dense", name="last", units=1)


@pytest.fixture(autouse=True)
def nothing_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path(MARKER).exists()


def model(*layers: dict[str, Any], **training: Any) -> Path:
    """An `.h5` file of these layers between two dense ones, compiled so."""
    compiled = {"optimizer_config": "adam", "loss": "mse", **training} if training else None
    return write_h5(Path("model.h5"), sequential(FIRST, *layers, LAST), compiled)


def found(ran: Ran) -> list[tuple[str, str | None, str]]:
    """The findings about trust: rule, layer, severity."""
    (file,) = ran.json["files"]
    assert file["error"] is None
    said = [finding for finding in file["findings"] if finding["code"].startswith("SEC")]
    return [(finding["code"], finding["layer"], finding["severity"]) for finding in said]


def listed(path: Path) -> list[tuple[Any, ...]]:
    return query(path, "SELECT category, kind, found FROM concern")


# Code


@pytest.mark.parametrize(
    ("function", "size"),
    [
        (LISTED, len(BYTECODE)),
        ([BYTECODE.decode("latin-1"), None, None], len(BYTECODE)),
        (CODE, len(BYTECODE)),
        ("lambda x: x + 1", len("lambda x: x + 1")),
        ([{"odd": 1}], 0),
    ],
    ids=["list of base64", "list of raw characters", "base64", "text", "nonsense"],
)
def test_what_keras_2_would_unmarshal_is_code_in_every_form(archlint: Archlint, function: Any, size: int) -> None:
    path = model(entry("Lambda", name="scale", function=function, function_type="lambda"))
    assert found(archlint("check", path, "-f", "json")) == [("SEC001", "scale", "error")]
    assert query(path, "SELECT route, bytes FROM concern") == [("model_config.config.layers[1].config.function", size)]


@pytest.mark.parametrize("code", ["!" + CODE, "\n" + CODE, CODE[0] + "-" + CODE[1:], "anything"])
def test_what_keras_3_would_unmarshal_is_code_without_a_type(archlint: Archlint, code: str) -> None:
    """It takes a list for code, and base64 with what is none between its characters."""
    path = model(entry("Lambda", name="scale", function=[code, None, None]))
    assert found(archlint("check", path, "-f", "json")) == [("SEC001", "scale", "error")]


@pytest.mark.parametrize("code", ["!" + CODE, CODE[0] + "-" + CODE[1:]])
def test_code_between_whose_characters_others_stand_is_found(code: str) -> None:
    assert listed(model(entry("MyLayer", name="mine", state=code))) == [("code", "bytecode", "bytecode")]


def test_code_with_many_arguments_is_found() -> None:
    code = marshal.dumps(compile(f"lambda {', '.join(f'a{n}' for n in range(300))}: 0", "x", "eval").co_consts[0])
    path = model(entry("MyLayer", name="mine", state=base64.b64encode(code).decode()))
    assert listed(path) == [("code", "bytecode", "bytecode")]


def test_a_lambda_of_keras_3_is_code(archlint: Archlint) -> None:
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "scale", "function": IN_KERAS_3}}
    path = write_keras(Path("model.keras"), sequential(FIRST, layer, LAST))
    assert found(archlint("check", path, "-f", "json")) == [("SEC001", "scale", "error")]


def test_a_lambda_with_code_in_several_settings_is_one_finding(archlint: Archlint) -> None:
    settings = {"output_shape": LISTED, "output_shape_type": "lambda", "mask": LISTED, "mask_type": "lambda"}
    path = model(entry("Lambda", name="scale", function=LISTED, function_type="lambda", **settings))
    ran = archlint("check", path, "-f", "json")
    assert found(ran) == [("SEC001", "scale", "error")]
    assert f"carries {3 * len(BYTECODE):,} bytes of Python bytecode" in ran.out


def test_a_merge_of_keras_1_with_code_is_found(archlint: Archlint) -> None:
    path = model(entry("Merge", name="sum", mode=CODE[8:], mode_type="lambda", layers=[FIRST, LAST]))
    ((category, kind, _),) = listed(path)
    assert (category, kind) == ("code", "text")


def test_a_lambda_in_a_nested_model_is_found(archlint: Archlint) -> None:
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [IN_KERAS_2]}}
    path = model({"class_name": "Sequential", "config": {"name": "outer", "layers": [inner]}})
    assert found(archlint("check", path, "-f", "json")) == [("SEC001", "outer/inner/scale", "error")]


@pytest.mark.parametrize("wrapper", ["TimeDistributed", "Bidirectional", "MyWrapper"])
def test_a_lambda_in_a_wrapper_is_found(archlint: Archlint, wrapper: str) -> None:
    path = model(entry(wrapper, name="each", layer=IN_KERAS_2, backward_layer=FIRST))
    assert found(archlint("check", path, "-f", "json")) == [("SEC001", "each", "error")]


@pytest.mark.parametrize("name", ["Sequential", "Model"])
def test_a_lambda_in_a_model_that_is_a_list_is_found(archlint: Archlint, name: str) -> None:
    """As Keras before 2.2.3 wrote them; within another model, too."""
    inner = {"class_name": name, "config": [FIRST, IN_KERAS_2, LAST]}
    path = write_h5(Path("model.h5"), inner if name == "Sequential" else sequential(FIRST, {**inner, "name": "inner"}))
    assert listed(path) == [("code", "bytecode", "bytecode")]


@pytest.mark.parametrize("place", ["loss", "metrics", "weighted_metrics", "optimizer_config", "loss_weights"])
@pytest.mark.parametrize("code", [IN_KERAS_3, LISTED, {"out": [[CODE]]}], ids=["object", "list", "text"])
def test_code_in_the_compilation_is_found(archlint: Archlint, place: str, code: Any) -> None:
    value = {"class_name": "Adam", "config": {"learning_rate": code}} if place == "optimizer_config" else [code]
    path = model(**{place: value})
    assert found(archlint("check", path, "-f", "json")) == [("SEC001", None, "error")]


def test_code_in_the_compilation_of_a_keras_archive_is_one_finding(archlint: Archlint) -> None:
    path = write_keras(Path("model.keras"), {**sequential(FIRST, LAST), "compile_config": {"loss": IN_KERAS_3}})
    assert found(archlint("check", path, "-f", "json")) == [("SEC001", None, "error")]
    assert query(path, "SELECT route FROM concern") == [("model_config.compile_config.loss",)]


def test_code_in_the_metadata_of_an_archive_is_found(archlint: Archlint) -> None:
    path = Path("model.keras")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(sequential(FIRST, LAST)))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.9.0", "hook": CODE}))
    assert found(archlint("check", path, "-f", "json")) == [("SEC001", None, "error")]


@pytest.mark.parametrize("key", ["kernel_initializer", "arguments", "anything"])
def test_code_in_any_setting_is_found(archlint: Archlint, key: str) -> None:
    path = model(entry("Dense", name="dense", units=4, **{key: {"deep": [{"down": CODE}]}}))
    assert found(archlint("check", path, "-f", "json")) == [("SEC001", "dense", "error")]


def test_a_pickle_in_a_setting_is_code() -> None:
    pickled = base64.b64encode(pickle.dumps({"weights": list(range(20))})).decode()
    assert listed(model(entry("MyLayer", name="mine", state=pickled))) == [("code", "pickle", "pickle")]


def test_a_version_in_the_file_silences_nothing(archlint: Archlint) -> None:
    path = write_h5(Path("model.h5"), sequential(FIRST, IN_KERAS_2, LAST), version="99.0.0")
    assert found(archlint("check", path, "-f", "json")) == [("SEC001", "scale", "error")]


@pytest.mark.parametrize(
    "text", ["conv2d_transpose_of_the_decoder", "4wheel drive vehicles and more", "gAS", "c" * 80, "Yw"]
)
def test_words_are_no_code(text: str) -> None:
    assert listed(model(entry("MyLayer", name="mine", words=[text], word=text))) == []


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


SPELT = b"\x93NUMPY\1\0\x3a\0{'descr': '|\\x4f', 'fortran_order': False, 'shape': (1,)}" + pickle.dumps([1])


@pytest.mark.parametrize(
    ("weights", "is_code"),
    [
        (npz(dense=np.array([{"a": 1}], dtype=object)), True),
        (npz(dense=np.array([(1, {"a": 1})], dtype=[("a", "i4"), ("b", "O")])), True),
        (pickle.dumps([1, 2]), True),
        (SPELT, True),
        (b"PK\3\4 no archive", True),
        (npz(dense=np.ones((3, 4), "float32"), bias=np.zeros(4, ">f8")), False),
    ],
    ids=["objects", "objects in a table", "pickle", "spelt otherwise", "damaged", "numbers"],
)
def test_weights_that_numpy_would_unpickle_are_code(archlint: Archlint, weights: bytes, is_code: bool) -> None:
    """Keras 3.8 loads model.weights.npz so, in its safe mode, too."""
    path = write_keras(Path("model.keras"), sequential(FIRST, LAST))
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("model.weights.npz", weights)
    ran = archlint("check", path, "--select", "SEC", "-f", "json")
    assert found(ran) == ([("SEC001", None, "error")] if is_code else [])


# Suppression by content


def digest(ran: Ran) -> str:
    (file,) = ran.json["files"]
    (given,) = {finding["evidence"]["digest"] for finding in file["findings"] if finding["code"] == "SEC001"}
    (message,) = {finding["message"] for finding in file["findings"] if finding["code"] == "SEC001"}
    assert f"(digest {given})" in message
    return str(given)


def test_a_finding_is_hidden_by_the_digest_of_its_content_and_shown_once_that_changes(archlint: Archlint) -> None:
    select = ("--select", "SEC", "-f", "json")
    path = model(IN_KERAS_2)
    known = digest(archlint("check", path, *select))
    config = f'[[ignore]]\nrule = "SEC001"\nlayer = "scale"\ndigest = "{known}"\nwhy = "ours, divides by 255"\n'
    Path("archlint.toml").write_text(config, encoding="utf-8")
    assert (archlint("check", path, *select).code, found(archlint("check", path, *select))) == (0, [])
    for changed in ({"function": [CODE[:-9] + "AAAAAAAA\n", None, None]}, {"arguments": {"x": 1}}):
        other = model(entry("Lambda", **{**IN_KERAS_2["config"], **changed}))
        assert found(archlint("check", other, *select)) == [("SEC001", "scale", "error")]
        assert archlint("check", other, "--select", "SEC", "--strict").code == 1


def test_a_digest_is_that_of_the_layer_wherever_it_stands() -> None:
    one = {
        "class_name": "Sequential",
        "config": {"name": "m", "layers": [FIRST, {**IN_KERAS_2, "inbound_nodes": [[["a", 0, 0, {}]]]}]},
    }
    other = sequential(FIRST, LAST, IN_KERAS_2)
    (first,), (second,) = (concerns({"model_config": config}) for config in (one, other))
    assert first.digest == second.digest
    assert first.route != second.route


@pytest.mark.parametrize("key", ["inbound_nodes", "build_config"])
def test_code_that_a_layer_is_called_with_is_no_part_of_the_digest_of_the_layer(key: str) -> None:
    """Or whoever accepts a layer would accept whatever is hidden where its connections are."""

    def digests(code: str) -> list[str]:
        layer = {**IN_KERAS_2, key: [{"args": [{"class_name": "__lambda__", "config": {"code": code}}]}]}
        return [concern.digest for concern in concerns({"model_config": sequential(FIRST, layer)})]

    own, first = digests(CODE)
    assert own != first
    assert digests(CODE[:-9] + "AAAAAAAA\n")[0] == own
    assert digests(CODE[:-9] + "AAAAAAAA\n")[1] not in (own, first)
    assert [found.digest for found in concerns({"model_config": sequential(FIRST, {**IN_KERAS_2, key: CODE})})] != [own]


@pytest.mark.parametrize("nodes", ["keras 2", "keras 3"])
def test_the_digest_changes_with_what_a_layer_is_called_with_and_not_with_where_it_is(nodes: str) -> None:
    """Or whoever accepts one file to be read would accept every other."""

    def digest_of(before: str, argument: str) -> str:
        output = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": [before, 0, 0]}}
        calls = {
            "keras 2": [[[before, 0, 0, {}], ["_CONSTANT_VALUE", -1, argument, {}]]],
            "keras 3": [{"args": [output, argument], "kwargs": {"training": None}}],
        }[nodes]
        layer = {**entry("TFOpLambda", name="op", function="io.read_file"), "inbound_nodes": calls}
        return concerns({"model_config": sequential(FIRST, layer)})[0].digest

    assert digest_of("a", "x") == digest_of("b", "x") != digest_of("a", "y")


# Foreign modules


def function(module: str | None, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


@pytest.mark.parametrize(
    ("module", "name", "kind"),
    [
        ("os", "system", "library"),
        ("posix", "system", "library"),
        ("subprocess", "Popen", "library"),
        ("builtins", "eval", "library"),
        ("importlib", "import_module", "library"),
        ("os.path", "join", "library"),
        ("pip._internal.cli.main", "main", "library"),
        ("torch.hub", "load", "library"),
        ("numpy", "load", "library"),
        ("torch.storage", "_load_from_bytes", "library"),
        ("tensorflow.io", "write_file", "library"),
        ("tensorflow.python.ops.script_ops", "anything", "library"),
        ("tensorflow.io.gfile", "rmtree", "library"),
        ("keras.utils", "get_file", "tool"),
        ("keras.src.utils.file_utils", "anything", "tool"),
        ("tf_keras.src.utils.data_utils", "urlopen", "tool"),
        ("keras.applications.imagenet_utils", "decode_predictions", "tool"),
        ("keras.applications.mobilenet", "MobileNet", "tool"),
        ("keras.visualization", "plot_image_gallery", "tool"),
        ("keras", "utils.get_file", "tool"),
        ("keras", "layers.anything", "unknown by its path"),
        ("tf_keras.src.backend", "os.system", "library"),
        ("__main__", "os.system", "library"),
        ("builtins", "os.system", "library"),
        ("tensorflow_hub", "load", "library"),
        ("tensorflow.lite.python.lite", "TFLiteConverter", "library"),
        ("test.support.script_helper", "assert_python_ok", "library"),
        ("distutils.spawn", "spawn", "library"),
        ("scipy.io", "loadmat", "library"),
        ("keras.src.utils.image_dataset_utils", "load_image", "tool"),
        ("keras.config", "enable_unsafe_deserialization", "tool"),
        ("tf_keras.models", "load_model", "tool"),
        ("tensorflow.keras.utils", "get_file", "tool"),
        ("mine.losses", "wing", "unknown"),
        ("keras_evil", "layer", "unknown"),
        ("kerasx.layers", "dense", "unknown"),
        ("", "layer", "unknown"),
        ("keras.layers", "Dense", None),
        ("keras.src.models.functional", "Functional", None),
        ("tf_keras.src.layers.core.tf_op_layer", "TFOpLambda", None),
        ("keras.src.applications.resnet", "preprocess_input", None),
        ("keras.src.applications.convnext", "LayerScale", None),
        ("keras.src.utils.numerical_utils", "to_categorical", None),
        ("tensorflow.python.keras.layers", "Dense", None),
        ("tensorflow.python.ops.init_ops_v2", "GlorotUniform", None),
        ("tensorflow.python.ops.nn_ops", "relu", None),
        ("jax._src.nn.functions", "relu", None),
        ("keras_hub.src.layers.modeling.rotary_embedding", "RotaryEmbedding", None),
        ("tensorflow_addons.losses", "focal_loss", None),
        ("builtins", "my_loss", None),
        ("__main__", "MyLayer", None),
        (None, "MyLayer", None),
    ],
)
def test_a_module_is_judged_by_what_can_be_found_in_it(module: str | None, name: str, kind: str | None) -> None:
    as_function = kind and kind.partition(" ")[0]
    assert origin(module, name, is_function=True) == as_function
    assert origin(module, name, is_function=False) == (None if kind == "unknown" else as_function)


def test_classes_among_the_tools_of_keras_are_parts() -> None:
    assert origin("keras.utils", "FeatureSpace", is_function=False) is None


@pytest.mark.parametrize("name", ["wing", "Wing"])
def test_a_function_that_says_it_is_a_class_is_one(name: str) -> None:
    """Keras gives back what it finds; classes of one's own are no matter of trust."""
    path = model(entry("Lambda", name="x", function={"module": "mine", "class_name": name, "config": {}}))
    assert listed(path) == ([("foreign", "unknown", "mine.wing")] if name == "wing" else [])


def test_a_foreign_function_is_an_error_in_any_place(archlint: Archlint) -> None:
    path = model(
        entry("Activation", name="act", activation=function("os", "system")), loss=function("builtins", "exec")
    )
    assert found(archlint("check", path, "-f", "json")) == [("SEC002", "act", "error"), ("SEC002", None, "error")]


def test_get_file_in_the_arguments_of_a_lambda_is_found(archlint: Archlint) -> None:
    arguments = {"then": function("keras.utils", "get_file"), "origin": "https://example.com/x", "cache_dir": "/tmp"}
    path = model(entry("Lambda", name="fetch", function=function("keras.ops", "relu"), arguments=arguments))
    assert {rule for rule, _, _ in found(archlint("check", path, "-f", "json"))} == {"SEC002", "SEC003"}
    assert ("foreign", "tool", "keras.utils.get_file") in listed(path)


def test_a_function_by_its_registered_name_is_found(archlint: Archlint) -> None:
    """Keras before 3.9 looks for that where a module has nothing by the other name."""
    loss = {**function("keras.src.losses", "huber"), "registered_name": "get_file"}
    told = {(concern.category, concern.found) for concern in concerns({"training_config": {"loss": loss}})}
    assert told == {
        ("foreign", "keras.src.losses.get_file"),
        ("ambiguous", "keras.src.losses.huber, registered as get_file"),
    }
    assert archlint("check", model(loss=loss)).code in (1, 2)


@pytest.mark.parametrize("name", ["get_file", "keras.utils.get_file", "os.system", "builtins.eval"])
@pytest.mark.parametrize("key", ["function", "activation", "kernel_initializer", "fn"])
def test_a_function_by_its_name_alone_is_found(name: str, key: str) -> None:
    path = model(entry("Lambda", name="layer", **{key: name, "function_type": "function"}))
    ((category, _, what),) = listed(path)
    assert (category, what) == ("foreign", name)


@pytest.mark.parametrize("layer", ["TFSMLayer", "keras>TFSMLayer", "TorchModuleWrapper"])
def test_a_layer_that_loads_what_is_elsewhere_is_found_in_any_place(archlint: Archlint, layer: str) -> None:
    wrapped = {"class_name": layer, "config": {"name": "saved", "filepath": "/tmp/saved", "module": "UEsDBA=="}}
    path = model(entry("TimeDistributed", name="each", layer=wrapped))
    assert found(archlint("check", path, "-f", "json")) == [("SEC002", "each", "error")]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"function": "raw_ops.EagerPyFunc"}, ("foreign", "tool", "tf.raw_ops.EagerPyFunc")),
        ({"function": "numpy_function"}, ("foreign", "tool", "tf.numpy_function")),
        ({"function": "io.gfile.rmtree"}, ("foreign", "tool", "tf.io.gfile.rmtree")),
        ({"function": "saved_model.load"}, ("foreign", "tool", "tf.saved_model.load")),
        ({"function": "keras.utils.get_file"}, ("foreign", "tool", "tf.keras.utils.get_file")),
        ({"function": "raw_ops.LoadDataset"}, ("outside", "operation", "tf.raw_ops.LoadDataset")),
        ({"function": "io.write_file"}, ("outside", "operation", "tf.io.write_file")),
        ({"function": "raw_ops.TFRecordDatasetV2"}, ("outside", "operation", "tf.raw_ops.TFRecordDatasetV2")),
        ({"function": "raw_ops.ExperimentalSqlDataset"}, ("outside", "operation", "tf.raw_ops.ExperimentalSqlDataset")),
        ({"function": "lite.experimental.load_delegate"}, ("foreign", "tool", "tf.lite.experimental.load_delegate")),
        ({"function": "compat.v1.train.Server"}, ("foreign", "tool", "tf.compat.v1.train.Server")),
        (
            {"function": "experimental.register_filesystem_plugin"},
            ("foreign", "tool", "tf.experimental.register_filesystem_plugin"),
        ),
        ({"function": "keras.applications.MobileNet"}, ("foreign", "tool", "tf.keras.applications.MobileNet")),
        ({"function": "math.reduce_sum"}, None),
        ({"function": "compat.v1.transpose"}, None),
        ({"function": "raw_ops.PreventGradient"}, None),
        ({"function": "debugging.check_numerics"}, None),
        ({"function": "experimental.numpy.ravel"}, None),
        ({"function": "__operators__.getitem"}, None),
        ({"function": "random.uniform"}, None),
        ({"function": "io.decode_jpeg"}, None),
        ({"function": "keras.backend.relu"}, None),
    ],
)
@pytest.mark.parametrize("layer", ["TFOpLambda", "SlicingOpLambda"])
def test_operations_of_tensorflow_that_open_or_call_are_found(layer: str, settings: Any, expected: Any) -> None:
    assert listed(model(entry(layer, name="op", **settings))) == ([expected] if expected else [])


@pytest.mark.parametrize(
    "node",
    [{"op": "ReadFile"}, 'name: "x"\nop: "ReadFile"\ninput: "y"', "\n\x01x\x12\x08ReadFile\x1a\x01y"],
    ids=["object", "text", "message"],
)
def test_operations_of_old_files_are_found(node: Any) -> None:
    assert listed(model(entry("TensorFlowOpLayer", name="op", node_def=node, method_name="x", cls_symbol="y"))) == [
        ("outside", "operation", "tf.ReadFile")
    ]


def test_methods_of_tensorflow_that_open_files_are_found() -> None:
    method = {"cls_symbol": "data.Dataset", "method_name": "list_files"}
    assert listed(model(entry("ClassMethod", name="op", **method))) == [
        ("foreign", "tool", "tf.data.Dataset.list_files")
    ]
    made = entry("ClassMethod", name="op", cls_symbol="io.TFRecordWriter", method_name="__call__")
    assert listed(model(made)) == [("foreign", "tool", "tf.io.TFRecordWriter.__call__")]
    for known in ("RaggedTensor", "sparse.SparseTensor", "TensorShape", "Variable"):
        assert listed(model(entry("ClassMethod", name="op", cls_symbol=known, method_name="from_row_splits"))) == []


def test_custom_layers_are_no_matter_of_trust(archlint: Archlint) -> None:
    custom = [
        {"class_name": "pack>MyLayer", "config": {"name": "a"}},
        {"class_name": "MyLayer", "module": None, "registered_name": "pack>MyLayer", "config": {"name": "b"}},
        {"class_name": "MyLayer", "module": "mine.layers", "registered_name": "pack>Other", "config": {"name": "c"}},
        {"class_name": "MyLayer", "module": "mine.layers", "registered_name": "MyLayer", "config": {"name": "d"}},
        {
            "class_name": "Lambda",
            "config": {"name": "e", "function": "my_fn", "function_type": "function", "module": "mine"},
        },
    ]
    path = model(*custom, loss=function("builtins", "my_loss"), metrics=[["pack>my_metric"]])
    assert found(archlint("check", path, "-f", "json")) == []


def test_a_function_of_another_module_is_a_warning(archlint: Archlint) -> None:
    path = model(loss=function("mine.losses", "wing"))
    assert found(archlint("check", path, "-f", "json")) == [("SEC002", None, "warning")]


# Other files


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"vocabulary": "words.txt"}, "place"),
        ({"vocabulary": "file:///etc/passwd"}, "place"),
        ({"idf": {"vocabulary_file": "s3://bucket/words"}}, "place"),
        ({"handle": "https://tfhub.dev/google/nnlm/1"}, "place"),
        ({"note": "/home/me/data.csv"}, "path"),
        ({"note": "C:\\Users\\me"}, "path"),
        ({"note": "gs://bucket/x"}, "path"),
        ({"note": "../x"}, "path"),
        ({"vocabulary": ["/etc/passwd", "file://x"]}, None),
        ({"vocabulary": None, "mask_token": "/x", "note": "a/b", "equation": "/abc"}, None),
        ({"profile_handles": "x"}, None),
        ({"pattern": "/x", "rewrite": "/y"}, None),
        ({"calls": [["_CONSTANT_VALUE", -1, "/etc/shadow", {}]]}, "path"),
        ({"calls": ["first", 0, "/etc/shadow"]}, None),
    ],
)
def test_settings_that_are_files_or_addresses_are_found(settings: Any, kind: str | None) -> None:
    assert [row[:2] for row in listed(model(entry("StringLookup", name="words", **settings)))] == (
        [("outside", kind)] if kind else []
    )


def linked(path: Path, weights: str = "model_weights") -> Path:
    with h5py.File(path, "a") as file:
        group = file.require_group(weights)
        group["soft"] = h5py.SoftLink("/elsewhere")
        group["linked"] = h5py.ExternalLink("/etc/passwd", "/x")
    return path


def test_links_out_of_an_hdf5_file_are_found(archlint: Archlint) -> None:
    path = linked(model())
    assert listed(path) == [("outside", "external-link", "/etc/passwd")]
    for weights in ("always", "never"):
        ran = archlint("check", path, "--weights", weights, "--select", "SEC", "-f", "json")
        assert found(ran) == [("SEC003", None, "error")]
        assert "model_weights/linked is a link into another file, /etc/passwd" in ran.out


def virtual(group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "d", shape=(4,))
    group.create_virtual_dataset("x", layout)


def external(group: h5py.Group) -> None:
    group.create_dataset("x", (4,), "f4", external=[("/etc/passwd", 0, 16)])


@pytest.mark.parametrize("store", [virtual, external])
def test_numbers_outside_of_an_hdf5_file_are_found_and_never_read(archlint: Archlint, store: Any) -> None:
    path = model()
    with h5py.File(path, "a") as file:
        store(file["model_weights"])
    ran = archlint("check", path, "--weights", "never", "--select", "SEC", "-f", "json")
    assert found(ran) == [("SEC003", None, "error")]
    assert archlint("check", path, "--select", "SEC", "--weights", "always").code in (1, 2)  # never clean


def test_links_out_of_the_weights_in_an_archive_are_found(tmp_path: Path) -> None:
    weights = linked(tmp_path / "weights.h5", "layers")
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(sequential(FIRST, LAST)))
        archive.write(weights, "model.weights.h5")
    assert listed(path) == [("outside", "external-link", "/etc/passwd")]


@pytest.mark.parametrize(
    ("location", "kind", "severity"),
    [
        ("/etc/passwd", "data-absolute", "error"),
        ("../x.bin", "data-outside", "error"),
        ("a\\b.bin", "data-backslash", "error"),
        ("link.bin", "data-link", "advice"),
        ("twice.bin", "data-hardlink", "advice"),
        ("x.bin", None, None),
    ],
)
def test_data_of_an_onnx_file_that_is_not_beside_it_is_found(
    archlint: Archlint, tmp_path: Path, location: str, kind: str | None, severity: str | None
) -> None:
    (tmp_path / "x.bin").write_bytes(bytes(4 * 8))
    (tmp_path / "twice.bin").write_bytes(bytes(4 * 8))
    os.link(tmp_path / "twice.bin", tmp_path / "other.bin")
    (tmp_path / "link.bin").symlink_to("x.bin")
    weight = numpy_helper.from_array(np.zeros((8, 1), "float32"), "w")
    external_data_helper.set_external_data(weight, location, 0, 32)
    weight.ClearField("raw_data")
    x, y = (helper.make_tensor_value_info(name, 1, [None, size]) for name, size in (("x", 8), ("y", 1)))
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph), path)
    assert [row[:2] for row in listed(path)] == ([("outside", kind)] if kind else [])
    expected = [("SEC003", None, severity)] if severity else []
    assert found(archlint("check", path, "--select", "SEC", "-f", "json")) == expected


# Two meanings


def test_a_class_of_keras_that_is_registered_as_another_is_found(archlint: Archlint) -> None:
    layer = {
        "module": "keras.layers",
        "class_name": "Dense",
        "registered_name": "x>Dense",
        "config": {"name": "a", "units": 1},
    }
    path = model(layer)
    assert found(archlint("check", path, "-f", "json")) == [("SEC004", "a", "error")]


@pytest.mark.parametrize(
    ("module", "name", "registered", "is_told"),
    [
        (None, "Dense", "Dropout", True),
        ("keras.src.layers.core.dense", "Dense", "Dropout", True),
        ("keras.activations", "relu", "softmax", True),
        ("keras.layers", "Dense", "Custom>Other", True),
        ("keras.layers", "Dense", "keras_cv>Dense", True),
        ("keras.layers", "Dense", "Dense", False),
        ("keras.activations", "relu", "function", False),
        ("keras.optimizers", "Adam", "Custom>Adam", False),
        ("keras_cv.layers", "DropPath", "keras_cv>DropPath", False),
        ("keras_hub.layers", "Rope", "keras_hub.layers>Rope", False),
        ("mine", "Dense", "mine>Other", False),
    ],
)
def test_a_registered_name_is_that_of_the_class(module: str | None, name: str, registered: str, is_told: bool) -> None:
    assert disagrees(module, name, registered) == is_told


def refused(archlint: Archlint, path: Path, sentence: str) -> None:
    ran = archlint("check", path, "-f", "concise")
    assert ran.code == 2
    assert sentence in ran.out + ran.err


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(name, json.dumps(sequential(FIRST, LAST)))
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("config.json", "config.json"), ("config.json", "CONFIG.json")])
def test_an_archive_with_two_configurations_is_not_read(archlint: Archlint, names: tuple[str, str]) -> None:
    refused(archlint, archive(Path("model.keras"), *names), "config.json twice, so readers would disagree")


def test_an_hdf5_file_with_an_archive_behind_it_is_not_read(archlint: Archlint) -> None:
    path = model()
    path.write_bytes(path.read_bytes() + archive(Path("evil.keras"), "config.json").read_bytes())
    refused(archlint, path, "it is an HDF5 file and a .keras archive at once, so readers would disagree")


def test_an_hdf5_model_that_is_an_onnx_model_before_its_beginning_is_not_read(archlint: Archlint) -> None:
    """Protobuf may begin with a long text, HDF5 at byte 512."""
    x, y = (helper.make_tensor_value_info(name, 1, [1]) for name in "xy")
    made = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y]))
    inner = bytes(512 - 6) + model().read_bytes()
    size = bytes([len(inner) & 127 | 128, len(inner) >> 7 & 127 | 128, len(inner) >> 14])
    for path in (Path("model.h5"), Path("model.onnx")):
        path.write_bytes(b"\x08\x0a\x32" + size + inner + made.SerializeToString())
        assert len(onnx.load(path).graph.node) == 1
        refused(archlint, path, "it is an HDF5 file and an ONNX model at once, so readers would disagree")


@pytest.mark.parametrize("start", [512, 8192])
def test_an_archive_with_an_hdf5_model_where_its_readers_look_is_not_read(archlint: Archlint, start: int) -> None:
    path, inner = Path("model.keras"), model().read_bytes()
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("x", bytes(start - 31) + inner)  # behind 30 bytes of a header, and a name
    refused(archlint, path, "at once, so readers would disagree")


def test_an_archive_behind_an_onnx_model_is_not_read(archlint: Archlint) -> None:
    """Protobuf passes over a field that it does not know, and whoever unpacks an archive over what is before it."""
    x, y = (helper.make_tensor_value_info(name, 1, [1]) for name in "xy")
    content = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y]))
    behind = archive(Path("evil.keras"), "config.json").read_bytes()
    length = bytes([len(behind) & 127 | 128, len(behind) >> 7])
    for path in (Path("model.onnx"), Path("model.keras")):
        path.write_bytes(content.SerializeToString() + b"\xc2\x3e" + length + behind)  # field 1,000
        onnx.load(path)
        refused(archlint, path, "it is an ONNX model and a .keras archive at once, so readers would disagree")


def test_an_ending_that_says_another_format_is_a_warning(archlint: Archlint) -> None:
    path = model().rename("model.keras")
    ran = archlint("check", path, "-f", "json")
    assert found(ran) == [("SEC004", None, "warning")]
    assert "model.keras is an HDF5 file named .keras" in ran.out


def test_a_file_that_is_no_model_and_holds_code_is_said_to(archlint: Archlint) -> None:
    custom = {"class_name": "MyModel", "config": {"name": "mine"}, "compile_config": {"loss": IN_KERAS_3}}
    sentence = "do not load it unseen: it has Python code in it, at model_config.compile_config.loss"
    refused(archlint, write_keras(Path("model.keras"), custom), sentence)
    broken = sequential(
        FIRST, {"class_name": "Dense", "config": {"name": ["x"], "activation": function("os", "system")}}
    )
    broken["config"]["layers"] += [7]
    refused(
        archlint, write_keras(Path("model.keras"), broken), "it has os.system in it, at model_config.config.layers[1]"
    )


# Sizes and names


def test_weights_that_would_fill_the_memory_are_a_warning(archlint: Archlint) -> None:
    path = model(entry("Dense", name="wide", units=10**9), entry("Dense", name="wider", units=10**9))
    assert ("SEC005", None, "warning") in found(archlint("check", path, "-f", "json"))


def test_shapes_of_stored_weights_that_would_fill_the_memory_are_a_warning(archlint: Archlint) -> None:
    path = model()
    with h5py.File(path, "a") as file:
        file.create_dataset("model_weights/first/first/kernel:0", (10**6, 10**5), "f4", chunks=(100, 100))
    assert ("SEC005", None, "warning") in found(archlint("check", path, "--select", "SEC", "-f", "json"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../x", "path"),
        ("a/../b", "path"),
        ("a\\..\\b", "path"),
        ("/etc/x", "path"),
        ("C:\\x", "path"),
        ("a\x1b[2Jb", "control"),
        ("a\u202eb", "control"),
        ("a\u200bb", "control"),
        ("a\nb", "control"),
        ("block1/conv..1", None),
        ("...", None),
        ("출력 é", None),
    ],
)
def test_names_that_lead_away_or_control_a_terminal_are_unsafe(name: str, kind: str | None) -> None:
    assert harm(name) == kind


def test_an_unsafe_name_is_shown_escaped(archlint: Archlint) -> None:
    path = model(entry("Dense", name="a\x1b]52;c;b", units=1))
    ran = archlint("check", path, "--select", "SEC", "-f", "concise")
    assert ran.code == 1
    assert "\x1b" not in ran.out
    assert "SEC006" in ran.out or "unsafe-name" in ran.out


def test_unsafe_names_in_an_archive_are_found(archlint: Archlint) -> None:
    path = write_keras(Path("model.keras"), sequential(FIRST, LAST))
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("../../evil.txt", "x")
        made.writestr(link, "/etc/passwd")
    assert listed(path) == [("name", "path", "../../evil.txt"), ("name", "path", "assets/link")]


# Robustness


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, [[]], {"a": None}, True, 1e300], ids=repr)
def test_values_of_any_type_are_looked_at(odd: Any) -> None:
    keys = ("class_name", "module", "registered_name", "config", "function", "function_type", "layers", "name")
    for key in keys:
        thing: dict[str, Any] = {**IN_KERAS_2, "module": "os", "registered_name": "a>b", key: odd}
        assert isinstance(concerns({"model_config": {"layers": [thing, odd], "config": thing}, "other": odd}), tuple)


def test_what_is_listed_of_a_file_has_an_end() -> None:
    assert len(concerns({"model_config": [IN_KERAS_3 | {"n": number} for number in range(5_000)]})) == 1_000


ATOMS = [
    CODE,
    IN_KERAS_2,
    IN_KERAS_3,
    function("os", "system"),
    function("keras.ops", "relu"),
    {"class_name": "TFSMLayer", "config": {}},
    {"class_name": "Dense", "module": "keras.layers", "registered_name": "x>y"},
    {"class_name": "TFOpLambda", "config": {"function": "io.read_file"}},
    {"class_name": "TensorFlowOpLayer", "config": {"node_def": {"op": "PyFunc"}}},
    {"function_type": "lambda", "function": 7},
    "os.system",
    "get_file",
    "io.read_file",
    "/etc/passwd",
    "file:x",
    "relu",
    None,
]


@pytest.mark.parametrize("atom", ATOMS, ids=lambda atom: json.dumps(atom)[:40])
@pytest.mark.parametrize(
    "key", ["activation", "vocabulary", "layers", "config", "name", "metrics", "function", "units"]
)
@pytest.mark.parametrize("listed_in", [False, True])
def test_what_is_found_does_not_depend_on_what_else_is_in_the_file(atom: Any, key: str, listed_in: bool) -> None:
    config = {"class_name": "Thing", "config": {key: [atom, "x"] if listed_in else atom}}
    alone, among = concerns({"model_config": config}), concerns({"model_config": config, "other": [CODE]})
    assert alone == among[:-1]
