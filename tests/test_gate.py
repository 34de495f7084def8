"""Whatever a path leads to, checking it ends soon, with a sound exit code and one clear sentence."""

import contextlib
import gzip
import io
import json
import os
import pickle
import re
import stat
import subprocess
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import h5py
import pytest
from support import entry, query, read, sequential, write_h5, write_h5_texts, write_keras
from typer.testing import CliRunner

from archlint.cli import app
from archlint.errors import ReadError
from archlint.readers import files

FORMATS = ("full", "concise", "json", "json-lines")
ADVICE = re.compile(
    r"\b(give|check|save|download|unpack|run|change|point|build|rename|report|checkout)\b|was not read|nothing to judge"
)
"""A sentence says what to do, or that the file is too large or odd to be honest."""
GOOD = sequential(entry("Dense", name="d", units=3, batch_input_shape=[None, 4]))


def check(*paths, format="concise"):
    """Exit code and output of `archlint check`."""
    result = CliRunner().invoke(app, ["check", "--format", format, *map(str, paths)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout


def failure(path):
    """The sentence about a file that cannot be read, after all that any such report must be."""
    code, output = check(path)
    lines = output.splitlines()
    assert (code, len(lines)) == (2, 1)
    head, _, sentence = lines[0].partition(": failed: ")
    assert head == str(path)
    assert "Traceback" not in sentence
    assert "archlint itself" not in sentence
    assert ADVICE.search(sentence), sentence
    return sentence


def judged(path):
    """The findings on a file that must be readable."""
    code, output = check(path, format="json")
    (file,) = json.loads(output)["files"]
    assert (code in (0, 1), file["status"], file["error"]) == (True, "checked", None)
    return file["findings"]


def is_readable(path):
    """Whether a file was read; if not, one good sentence says why."""
    code, output = check(path, format="json")
    (file,) = json.loads(output)["files"]
    assert "archlint itself" not in (file["error"] or "")
    if file["status"] == "failed":
        failure(path)
    return code in (0, 1)


def facts_or_refusal(path):
    """Lay out the facts of a file that may be unreadable: cheaper than judging it, and what its values can upset."""
    with contextlib.suppress(ReadError):
        query(path, "SELECT * FROM layer, model")


# What is no file


def test_a_missing_path_is_one_sentence(tmp_path):
    assert "no such file" in failure(tmp_path / "missing.h5")


def test_a_missing_file_does_not_keep_the_others_from_being_checked(tmp_path):
    good = write_h5(tmp_path / "good.h5", GOOD)
    code, output = check(tmp_path / "missing.h5", good, format="json")
    assert code == 2
    assert [file["status"] for file in json.loads(output)["files"]] == ["failed", "checked"]


def test_a_folder_without_models_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert result.exit_code != 0
    assert "no model file" in str(result.exception)


def test_a_folder_is_walked_and_a_folder_named_like_a_model_is_none(tmp_path):
    (tmp_path / "odd.h5").mkdir()
    write_h5(tmp_path / "odd.h5" / "inside.h5", GOOD)
    _, output = check(tmp_path, format="json")
    assert [file["path"] for file in json.loads(output)["files"]] == [str(tmp_path / "odd.h5" / "inside.h5")]


def test_a_folder_handed_to_the_reader_is_called_a_folder(tmp_path):
    with pytest.raises(ReadError, match="a folder, not a model file"):
        read(tmp_path)


def test_a_named_pipe_is_never_waited_on(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    assert "named pipe" in failure(tmp_path / "pipe.h5")


def test_a_device_is_no_model():
    assert "a device" in failure(Path("/dev/zero"))


def test_a_dangling_link_is_a_missing_file(tmp_path):
    (tmp_path / "link.h5").symlink_to(tmp_path / "gone.h5")
    assert "no such file" in failure(tmp_path / "link.h5")


def test_a_link_to_itself_says_so(tmp_path):
    (tmp_path / "loop.h5").symlink_to(tmp_path / "loop.h5")
    assert "leads back to itself" in failure(tmp_path / "loop.h5")


def test_a_link_to_a_model_is_followed(tmp_path):
    (tmp_path / "link.h5").symlink_to(write_h5(tmp_path / "good.h5", GOOD))
    judged(tmp_path / "link.h5")


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    path = write_h5(tmp_path / "secret.h5", GOOD)

    def denied(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.os, "open", denied)  # root may read everything, so the mode alone tests nothing
    with pytest.raises(ReadError, match="permission to read it is denied"):
        read(path)


def test_a_name_with_a_null_character_is_a_bad_path():
    with pytest.raises(ReadError, match="bad path"):
        read(Path("a\0b.h5"))


# What is another kind of file


def _tar():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.h5"), io.BytesIO())
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"\n  <HTML>not found</HTML>", "web page"),
        (b"<?xml version='1.0'?><Error/>", "web page"),
        (pickle.dumps({"a": 1}, 2), "pickle"),
        (pickle.dumps({"a": 1}), "pickle"),
        (gzip.compress(b"x"), "gunzip"),
        (_tar(), "tar archive"),
        (b"\x1c\x00\x00\x00TFL3" + b"\0" * 40, "TensorFlow Lite"),
        (b'{"class_name": "Sequential", "config": []}', "it is JSON"),
        (b"CDF\x01" + b"\0" * 40, "NetCDF"),
        (b"\x08\x07\x12\x07pytorch", "ends before its graph"),
        (b"\0" * 5000, "neither HDF5"),
        (b"\x89HDF\r\n\x1a", "neither HDF5"),
        (b"\x80", "neither HDF5"),
    ],
    ids="empty lfs html HTML xml pickle2 pickle gzip tar tflite json netcdf protobuf zeros signature byte".split(),
)
@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_other_files_are_called_what_they_are(tmp_path, content, words, ending):
    path = tmp_path / f"m.{ending}"
    path.write_bytes(content)
    assert words in failure(path)


@pytest.mark.parametrize("start", [512, 1024, 2048])
def test_an_hdf5_file_behind_a_user_block_is_no_crash(tmp_path, start):
    (tmp_path / "m.h5").write_bytes(b"\0" * start + write_h5(tmp_path / "good.h5", GOOD).read_bytes())
    is_readable(tmp_path / "m.h5")


def test_the_content_decides_not_the_ending(tmp_path):
    write_h5(tmp_path / "m.keras", GOOD)
    write_keras(tmp_path / "m.h5", GOOD)
    assert [read(tmp_path / name).format for name in ("m.keras", "m.h5")] == ["keras_h5", "keras_zip"]


def test_an_ending_of_any_kind_is_read_where_the_file_is_named(tmp_path):
    judged(write_h5(tmp_path / "model.bin", GOOD))


# What is damaged


def test_an_h5_file_cut_anywhere_is_never_clean_by_accident(tmp_path):
    whole = write_h5(tmp_path / "whole.h5", GOOD, {"optimizer_config": "adam", "loss": "mse"}).read_bytes()
    path = tmp_path / "cut.h5"
    for length in range(1, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        if is_readable(path):
            assert [layer.name for layer in read(path).layers] == ["input", "d"]


def test_without_the_checks_of_python_no_hdf5_is_read(tmp_path):
    """pyfive's are assertions: with `-O` it reads damaged files as if they were whole."""
    path = write_h5(tmp_path / "m.h5", sequential(entry("Dense", units=1, batch_input_shape=[None, 4])))
    for options, code in ([], 0), (["-O"], 2):
        command = [sys.executable, *options, "-m", "archlint", "check", path]
        ran = subprocess.run(command, capture_output=True, text=True)
        assert (ran.returncode, "do without that" in " ".join(ran.stdout.split())) == (code, bool(options))


def test_an_archive_cut_anywhere_is_refused(tmp_path):
    whole = write_keras(tmp_path / "whole.keras", GOOD).read_bytes()
    path = tmp_path / "cut.keras"
    for length in range(4, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:length])
        assert "damaged or cut short" in failure(path)


def test_an_h5_file_with_any_byte_changed_ends_with_a_report(tmp_path):
    whole = bytearray(write_h5(tmp_path / "whole.h5", GOOD).read_bytes())
    path = tmp_path / "changed.h5"
    for position in range(0, len(whole), max(1, len(whole) // 60)):
        changed = bytearray(whole)
        changed[position] ^= 0xFF
        path.write_bytes(changed)
        is_readable(path)


def test_an_archive_without_a_configuration_is_no_model(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "no config.json" in failure(tmp_path / "m.keras")


def test_an_archive_whose_configuration_was_changed_is_damaged(tmp_path):
    path = write_keras(tmp_path / "m.keras", GOOD)
    path.write_bytes(path.read_bytes().replace(b'"units": 3', b'"units": 4'))
    assert "damaged" in failure(path)


def test_an_encrypted_archive_is_refused(tmp_path):
    content = bytearray(write_keras(tmp_path / "m.keras", GOOD).read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = content.find(signature)
        while position >= 0:
            content[position + flags] |= 1
            position = content.find(signature, position + 1)
    (tmp_path / "m.keras").write_bytes(content)
    assert "damaged" in failure(tmp_path / "m.keras")


def test_an_archive_that_unpacks_to_more_than_is_honest_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (40 * 2**20))
    assert "was not read" in failure(tmp_path / "m.keras")


def test_an_archive_of_too_many_members_is_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for number in range(10_001):
            archive.writestr(f"{number}", "")
    assert "10,001 members" in failure(tmp_path / "m.keras")


# What holds no architecture


def _group(file, name, **datasets):
    group = file.create_group(name)
    for key, shape in datasets.items():
        group.create_dataset(key, shape)


def _weights_of_keras_2(file):
    file.attrs["layer_names"] = [b"dense_1"]
    file.attrs["keras_version"] = b"2.4.0"
    _group(file, "dense_1", kernel=(4, 3))


def _weights_of_keras_1(file):
    file.attrs["layer_names"] = [b"dense_1"]
    _group(file, "dense_1", dense_1_W=(4, 3))


def _weights_of_keras_3(file):
    _group(file, "layers/dense/vars", **{"0": (4, 3)})


def _weights_of_a_subclassed_model(file):
    _group(file, "d/vars", **{"0": (4, 3)})


@pytest.mark.parametrize(
    "fill", [_weights_of_keras_1, _weights_of_keras_2, _weights_of_keras_3, _weights_of_a_subclassed_model]
)
def test_a_file_of_weights_alone_says_so(tmp_path, fill):
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        fill(file)
    assert "weights only" in failure(tmp_path / "m.weights.h5")


def test_an_hdf5_file_of_another_purpose_is_no_keras_model(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        _group(file, "images", train=(10, 28, 28))
    assert "no Keras model" in failure(tmp_path / "data.h5")


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_a_subclassed_model_holds_no_graph(tmp_path, ending):
    write = write_h5 if ending == "h5" else write_keras
    path = write(tmp_path / f"m.{ending}", {"class_name": "MyModel", "config": {"units": 3, "name": "mine"}})
    sentence = failure(path)
    assert "no layer graph" in sentence
    assert "mine" in sentence


# Configurations that make no sense


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON"),
        ("not json", "not valid JSON"),
        ('{"class_name": "Sequential"', "not valid JSON"),
        ("[]", "no JSON object"),
        ("null", "no JSON object"),
        ("5", "no JSON object"),
        ('"Sequential"', "no JSON object"),
        ("{}", "no layer graph"),
        ('{"class_name": "Sequential", "config": null}', "no layer graph"),
        ('{"class_name": "Sequential", "config": "x"}', "no layer graph"),
        ('{"class_name": "Sequential", "config": {"layers": null}}', "no layer graph"),
        ('{"class_name": "Sequential", "config": [], "class_name": "Model"}', "twice"),
        ("[" * 100_000, "was not read"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "was not read"),
        ('{"a": [' + "1," * 2_100_000 + "1]}", "was not read"),
        ('{"a": "' + "x" * (17 * 2**20) + '"}', "was not read"),
    ],
    ids=range(16),
)
def test_a_configuration_that_is_none_is_one_sentence(tmp_path, text, words):
    assert words in failure(write_h5_texts(tmp_path / "m.h5", {"model_config": text}))
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", text)
    assert words in failure(tmp_path / "m.keras")


def test_a_configuration_that_is_no_text_is_one_sentence(tmp_path):
    for number, value in enumerate((5, [1.0, 2.0], h5py.Empty("f"))):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file.attrs["model_config"] = value
        failure(tmp_path / f"{number}.h5")


NONSENSE = [None, True, 0, -1, 1.5, "", "x", [], [[]], [None], {}, {"class_name": 5}, {"config": []}]
"""A value of every JSON type, for places where another type is due."""


def _functional(layers, inputs=(("x", 0, 0),), outputs=(("d", 0, 0),)):
    config = {"name": "m", "layers": layers, "input_layers": inputs, "output_layers": outputs}
    return {"class_name": "Functional", "config": config}


def _called(class_name, name, nodes, **config):
    return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}


X = _called("InputLayer", "x", [], batch_shape=[None, 4])
D = _called("Dense", "d", [[["x", 0, 0, {}]]], units=3)


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
def test_a_value_of_the_wrong_type_anywhere_is_no_crash(tmp_path, value):
    tensor = {"class_name": "__keras_tensor__", "config": value}
    configs = [
        sequential(value, entry("Dense", units=3)),
        sequential({"class_name": value, "config": {}}),
        sequential({"class_name": "Dense", "config": value}),
        sequential(entry("Bidirectional", layer=value)),
        sequential(entry("TimeDistributed", layer={"class_name": "Dense", "config": value})),
        sequential(entry("RNN", cell={"class_name": "StackedRNNCells", "config": {"cells": value}})),
        sequential(entry("Merge", layers=[value], mode=value)),
        sequential(*GOOD["config"]["layers"], build_input_shape=value, name=value, trainable=value),
        _functional([X, D], value, value),
        _functional([X, D], [["x", 0, 0]], value),
        _functional([X, value, D]),
        _functional([X, {**D, "inbound_nodes": value}]),
        _functional([X, {**D, "inbound_nodes": [value]}]),
        _functional([X, {**D, "inbound_nodes": [[["x", value, 0, {}]]]}]),
        _functional([X, {**D, "inbound_nodes": [[["x", 0, 0, value]]]}]),
        _functional([X, {**D, "inbound_nodes": [{"args": value, "kwargs": value}]}]),
        _functional([X, {**D, "inbound_nodes": [{"args": [tensor], "kwargs": {"a": tensor}}]}]),
        _functional([X, {**D, "name": value}]),
        _functional([{**X, "config": {"name": "x", "batch_shape": value}}, D]),
        _functional([X, {**D, "module": value, "registered_name": value, "build_config": value}]),
        _functional([X, {**D, "class_name": "TFOpLambda", "config": {"name": "d", "function": value}}]),
        _functional([X, {**D, "class_name": "TensorFlowOpLayer", "config": {"name": "d", "node_def": value}}]),
    ]
    for number, config in enumerate(configs):
        facts_or_refusal(write_keras(tmp_path / f"{number}.keras", config))


SETTINGS = {
    "Dense": "units activation use_bias kernel_initializer kernel_regularizer dtype trainable",
    "Conv2D": "filters kernel_size strides padding data_format dilation_rate groups",
    "SeparableConv2D": "filters kernel_size depth_multiplier",
    "Conv2DTranspose": "filters kernel_size strides output_padding",
    "MaxPooling2D": "pool_size strides padding data_format",
    "BatchNormalization": "axis momentum epsilon scale center",
    "LSTM": "units activation recurrent_activation recurrent_initializer return_sequences recurrent_dropout",
    "Embedding": "input_dim output_dim",
    "Dropout": "rate noise_shape",
    "Reshape": "target_shape",
    "Permute": "dims",
    "ZeroPadding2D": "padding",
    "UpSampling2D": "size",
    "RepeatVector": "n",
    "Concatenate": "axis",
    "MultiHeadAttention": "num_heads key_dim value_dim",
    "EinsumDense": "equation output_shape bias_axes",
    "ReLU": "max_value negative_slope",
}
HOSTILE = [
    None,
    True,
    0,
    -1,
    1.5,
    1e308,
    2**70,
    -(2**70),
    "",
    "3",
    [],
    {},
    [None],
    [3],
    [0, 0],
    [-1, 2],
    [2**70, 2**70],
]
BASE = {
    "Dense": {"units": 3},
    "Conv2D": {"filters": 2, "kernel_size": [3, 3]},
    "SeparableConv2D": {"filters": 2, "kernel_size": [3, 3]},
    "Conv2DTranspose": {"filters": 2, "kernel_size": [3, 3]},
    "MaxPooling2D": {"pool_size": [2, 2]},
    "LSTM": {"units": 3},
    "Embedding": {"input_dim": 5, "output_dim": 3},
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 3},
    "EinsumDense": {"equation": "abcd,de->abce", "output_shape": [None, None, 3]},
}


@pytest.mark.parametrize("class_name", SETTINGS)
def test_a_setting_of_any_value_is_judged_or_refused(tmp_path, class_name):
    shape = {"LSTM": [None, 5, 3], "Embedding": [None, 5], "RepeatVector": [None, 5]}.get(class_name, [None, 8, 8, 3])
    path = tmp_path / "m.keras"
    for setting in SETTINGS[class_name].split():
        for value in HOSTILE:
            tested = entry(class_name, name="tested", **{**BASE.get(class_name, {}), setting: value})
            source = entry("InputLayer", name="x", batch_shape=shape)
            write_keras(path, sequential(source, tested, entry("Flatten"), entry("Dense", units=2)))
            facts_or_refusal(path)


def test_dimensions_beyond_64_bits_are_judged(tmp_path):
    huge = [entry("Dense", name=f"d{number}", units=2**70) for number in range(3)]
    path = write_h5(tmp_path / "m.h5", sequential(*huge, build_input_shape=[None, 2**70]))
    judged(path)
    judged(write_h5(tmp_path / "n.h5", sequential(*huge, build_input_shape=[None, 2**62])))


@pytest.mark.parametrize("digits", [31, 4_300, 10_000])
def test_integers_of_thousands_of_digits_are_unknown(tmp_path, digits):
    text = json.dumps(GOOD).replace("3", "1" * digits)
    path = write_h5_texts(tmp_path / "m.h5", {"model_config": text})
    judged(path)
    assert query(path, "SELECT units FROM layer WHERE name = 'd'") == [(None,)]


def test_numbers_that_are_not_finite_are_judged(tmp_path):
    layers = [
        entry("Dropout", name="drop", rate=float("nan"), batch_input_shape=[None, 4]),
        entry("Dense", name="d", units=3, kernel_regularizer={"class_name": "L2", "config": {"l2": float("inf")}}),
    ]
    training = {"optimizer_config": {"class_name": "SGD", "config": {"lr": float("nan"), "clipnorm": float("inf")}}}
    path = write_h5(tmp_path / "m.h5", sequential(*layers), training)
    judged(path)
    for form in FORMATS:
        check(path, format=form)


# Graphs that make no sense


def test_layers_in_a_circle_are_named(tmp_path):
    a = _called("Dense", "a", [[["b", 0, 0, {}]]], units=3)
    b = _called("Dense", "b", [[["a", 0, 0, {}]]], units=3)
    sentence = failure(write_h5(tmp_path / "m.h5", _functional([X, a, b], outputs=[["a", 0, 0]])))
    assert "circle" in sentence
    assert re.search("a -> b|b -> a", sentence)


def test_a_layer_that_reads_itself_is_a_circle(tmp_path):
    own = _called("Dense", "d", [[["d", 0, 0, {}]]], units=3)
    assert "circle" in failure(write_h5(tmp_path / "m.h5", _functional([X, own])))


def test_a_reference_to_a_call_that_is_not_there_is_refused(tmp_path):
    wrong = _called("Dense", "d", [[["x", 0, 0, {}]], [["d", 5, 0, {}]]], units=3)
    assert "call that is not in the file" in failure(
        write_h5(tmp_path / "m.h5", _functional([X, wrong], outputs=[["d", 0, 0]]))
    )


def test_a_model_without_outputs_is_refused(tmp_path):
    assert "no outputs" in failure(write_h5(tmp_path / "m.h5", _functional([X, D], outputs=[])))
    assert "no outputs" in failure(write_h5(tmp_path / "n.h5", sequential()))


def test_two_layers_of_one_name_are_refused(tmp_path):
    assert "same name" in failure(write_h5(tmp_path / "m.h5", _functional([X, D, D])))


def test_models_that_unfold_to_a_trillion_calls_are_refused_soon(tmp_path):
    model = sequential(entry("Dense", name="d", units=4))
    for level in range(40):
        twice = [[["x", 0, 0, {}]], [[f"m{level}", 1, 0, {}]]]
        inner = {**model, "name": f"m{level}", "inbound_nodes": twice}
        model = _functional([X, inner], outputs=[[f"m{level}", 2, 0]])
    assert "unfolded" in failure(write_h5(tmp_path / "m.h5", model))


def test_models_that_unfold_to_a_trillion_empty_ones_are_refused_soon(tmp_path):
    model = _functional([X], outputs=[["x", 0, 0]])
    for level in range(40):
        twice = [[["x", 0, 0, {}]], [[f"m{level}", 1, 0, {}]]]
        inner = {**model, "name": f"m{level}", "inbound_nodes": twice}
        model = _functional([X, inner], outputs=[[f"m{level}", 2, 0]])
    failure(write_h5(tmp_path / "m.h5", model))


def test_models_nested_beyond_reason_are_refused(tmp_path):
    model = GOOD
    for _ in range(64):
        model = sequential(model)
    failure(write_h5(tmp_path / "m.h5", model))


def test_wrappers_nested_beyond_reason_are_refused(tmp_path):
    layer = entry("Dense", name="d", units=3)
    for _ in range(64):
        layer = entry("TimeDistributed", name="t", layer=layer)
    failure(write_h5(tmp_path / "m.h5", sequential(layer)))


def test_a_chain_of_thousands_of_layers_is_judged(tmp_path):
    many = [entry("Dense", name=f"d{number}", units=4, activation="relu") for number in range(3_000)]
    judged(write_keras(tmp_path / "m.keras", sequential(*many, build_input_shape=[None, 4])))


# What names may do to a report

NAMES = {
    "escape": "\x1b[31mred\x1b[0m",
    "clipboard": "\x1b]52;c;aGk=\x07",
    "newline": "a\n::error::b",
    "carriage": "a\rb",
    "bidi": "a\u202eb\u2066c",
    "separator": "a\u2028b\x85c",
    "surrogate": "a\ud800b",
    "null": "a\x00b",
    "markup": "[/x][bold]{layer}",
    "braces": "{0} {layer!r} %s",
    "long": "x" * 900,
    "path": "../../etc/passwd",
}
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_no_name_gets_a_control_character_into_any_report(tmp_path, name, ending):
    layers = [
        entry("Dense", name=name, units=8, activation="relu", batch_input_shape=[None, 4]),
        entry("Dropout", name=f"{name}2", rate=0.95),
        entry("Dense", name=f"{name}3", units=1, activation="softmax"),
    ]
    training = {"optimizer_config": {"class_name": name, "config": {}}, "loss": name, "metrics": [name]}
    if ending == "h5":
        path = write_h5(tmp_path / "m.h5", sequential(*layers, name=name), training)
    else:
        path = write_keras(tmp_path / "m.keras", {**sequential(*layers, name=name), "compile_config": training}, name)
    for form in FORMATS:
        code, output = check(path, format=form)
        assert code == 1, output
        assert not _CONTROL.search(output), form
        output.encode("utf-8")
    findings = judged(path)
    assert {finding["name"] for finding in findings} >= {"softmax-one-unit", "dropout-rate"}
    named = f"{name}3".encode("utf-8", "backslashreplace").decode()
    assert named in [finding["layer"] for finding in findings]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_no_name_gets_a_control_character_into_a_failure(tmp_path, name):
    own = _called("Dense", name, [[[name, 0, 0, {}]]], units=3)
    path = write_keras(tmp_path / "m.keras", _functional([X, own], outputs=[[name, 0, 0]]))
    for form in FORMATS:
        code, output = check(path, format=form)
        assert code == 2
        assert not _CONTROL.search(output), form
        output.encode("utf-8")
    assert len(check(path)[1].splitlines()) == 1


def test_no_file_name_gets_a_control_character_into_a_report(tmp_path):
    path = write_h5(tmp_path / "a\x1b[31m\nb.h5", GOOD)
    for form in FORMATS:
        assert not _CONTROL.search(check(path, tmp_path / "\x1bgone.h5", format=form)[1])


# What a check may do to the machine

_AUDIT = """
import json, sys
seen = {"imports": [], "events": [], "written": []}

def hook(event, arguments):
    if event == "import":
        seen["imports"].append(arguments[0])
    elif event == "open":
        path, mode, flags = arguments
        if isinstance(mode, str) and set(mode) & set("wax+") or (flags or 0) & 3:
            seen["written"].append(str(path))
    elif event.split(".")[0] in ("socket", "subprocess", "urllib", "pickle", "ftplib", "http", "ctypes.dlopen"):
        seen["events"].append(event)
    elif event in ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "marshal.loads.untrusted"):
        seen["events"].append(event)

from archlint.cli import main
sys.dont_write_bytecode = True
sys.addaudithook(hook)
sys.argv = ["archlint", "check", "--format", "json", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    sys.stdout.flush()
    sys.stderr.write(json.dumps({**seen, "code": end.code, "modules": list(sys.modules)}))
"""


@pytest.mark.parametrize("form", ["h5", "keras"])
def test_a_check_only_reads(tmp_path, form):
    folder = tmp_path / "models"
    folder.mkdir()
    marshalled = ["4wEAAAAAAAAAAAAAAAA=", None, None]
    layers = [
        entry("Lambda", name="lam", function=marshalled, function_type="lambda", batch_input_shape=[None, 4]),
        entry("MyLayer", name="custom", units=3),
        entry("Dense", name="d", units=1, activation="softmax"),
    ]
    write = write_h5 if form == "h5" else write_keras
    path = write(folder / f"m.{form}", sequential(*layers))
    before = path.read_bytes()
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    done = subprocess.run(
        [sys.executable, "-c", _AUDIT, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    seen = json.loads(done.stderr.splitlines()[-1])
    assert seen["code"] == 1
    assert json.loads(done.stdout)["files"][0]["status"] == "checked"
    imported = {name.split(".")[0] for name in [*seen["imports"], *seen["modules"]]}
    assert not imported & {"keras", "tf_keras", "tensorflow", "h5py", "torch", "onnx"}
    assert seen["events"] == []
    assert all(Path(name).is_relative_to(tmp_path / "cache") for name in seen["written"]), seen["written"]
    assert path.read_bytes() == before
    assert [child.name for child in folder.iterdir()] == [path.name]
    assert stat.S_ISREG(path.stat().st_mode)


def test_a_platform_without_pread_reads_the_same(tmp_path, monkeypatch):
    path = write_h5(tmp_path / "model.h5", GOOD)
    expected = read(path)
    monkeypatch.delattr("os.pread")
    assert read(path).layers == expected.layers


def test_an_output_of_a_layer_that_is_not_there_is_refused(tmp_path):
    assert "'gone'" in failure(write_h5(tmp_path / "m.h5", _functional([X, D], outputs=[["gone", 0, 0]])))


def test_a_tensor_of_a_layer_that_is_not_there_is_refused(tmp_path):
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": ["gone", 0, 0]}}
    dense = {**D, "inbound_nodes": [{"args": [tensor], "kwargs": {}}]}
    assert "not there" in failure(write_h5(tmp_path / "m.h5", _functional([X, dense])))


def test_a_list_of_layers_with_something_else_in_it_is_refused(tmp_path):
    assert "no layer" in failure(write_h5(tmp_path / "m.h5", sequential(entry("Dense", name="d", units=3), "Dense")))


def test_a_name_that_is_too_long_to_repeat_is_refused(tmp_path):
    inner = {"class_name": "Sequential", "name": "n" * 900, **sequential(entry("Dense", name="d" * 200, units=3))}
    inner["config"]["name"] = inner["name"]
    assert "longer than" in failure(write_h5(tmp_path / "m.h5", sequential(inner)))


@pytest.mark.parametrize("second", ["config.json", "CONFIG.JSON"])
def test_an_archive_with_two_configurations_is_refused(tmp_path, second):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the very thing that is made here
        for name in ("config.json", second):
            archive.writestr(name, json.dumps(GOOD))
    assert "twice" in failure(path)


def test_an_archive_packed_as_keras_never_packs_is_refused(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("config.json", json.dumps(GOOD))
    assert "Keras never uses" in failure(path)


def test_an_archive_whose_directory_claims_to_be_huge_is_refused_unread(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(GOOD))
    end = bytearray(path.read_bytes()[-22:])
    size = 200 * 2**20
    end[12:20] = size.to_bytes(4, "little") + (0).to_bytes(4, "little")  # size and place of the directory
    with path.open("r+b") as file:
        file.truncate(size)  # sparse
        file.seek(size)
        file.write(end)
    assert "longer than any honest model" in failure(path)


def test_a_rule_that_gives_up_makes_the_run_one_that_could_not_check_everything(tmp_path):
    layers = [entry("Dense", name=f"d{number}", units=4, activation="linear") for number in range(10_003)]
    path = write_h5(tmp_path / "m.h5", sequential(entry("InputLayer", name="i", batch_shape=[None, 4]), *layers))
    code, output = check(path, format="json")
    (file,) = json.loads(output)["files"]
    given_up = [unjudged for unjudged in file["not_checked"] if not unjudged["needs"]]
    assert (code, [unjudged["code"] for unjudged in given_up]) == (2, ["ACT006"])
    assert sum(finding["code"] == "ACT006" for finding in file["findings"]) == 10_000
