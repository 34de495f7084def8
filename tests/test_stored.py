"""The stored weights: whose they are, what they are called, and that their numbers are those that were saved."""

import json
import shutil
import struct
import zipfile
import zlib
from collections import Counter

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support import FIXTURES, entry, query, sequential, write_keras

from archlint.errors import ReadError
from archlint.readers import open_model
from archlint.readers.files import open_file
from archlint.readers.hdf5 import open_hdf5

MODELS = sorted(path.name for path in (FIXTURES / "models").iterdir())
EXPORTS = sorted(path.name for path in (FIXTURES / "exports").glob("*.onnx"))
DIALECTS = ("keras", "tf_keras")


def stored(path):
    """Every weight in a file by layer and name, with its numbers."""
    with open_model(path) as model:
        weights = model.stored()
        found = {(_layer(model, weight), weight.name): weight.read() for weight in weights}
        assert len(found) == len(weights)
        for weight, numbers in zip(weights, found.values(), strict=True):
            assert (numbers.shape, numbers.nbytes) == (weight.shape, weight.nbytes)
            assert numbers.dtype.isnative
    return found


def described(path):
    """Every weight in a file: layer, name, shape, axis of the units."""
    with open_model(path) as model:
        return [(_layer(model, weight), weight.name, weight.shape, weight.unit_axis) for weight in model.stored()]


def only(path):
    """The numbers of the one weight in a file."""
    (numbers,) = stored(path).values()
    return numbers


def _layer(model, weight):
    return None if weight.layer is None else model.layers[weight.layer].name


# ---------------------------------------------------------------- what Keras itself reports


def reported(keras, model, prefix=""):
    """Every weight of a Keras model by the path of its layer and its name."""
    found = {}
    for layer in model.layers:
        inner = layer.layer if type(layer).__name__ == "TimeDistributed" else layer
        cells = getattr(getattr(layer, "cell", None), "cells", ())
        if isinstance(inner, keras.Model):
            found |= reported(keras, inner, f"{prefix}{layer.name}/")
        elif cells:
            for cell in cells:
                found |= {(f"{prefix}{layer.name}/{cell.name}", own(weight)): array(weight) for weight in cell.weights}
        else:
            found |= {(f"{prefix}{layer.name}", name): array(weight) for name, weight in named(inner)}
    return found


def named(layer):
    """The weights of a layer with their names, those of the layers inside it under what these are for."""
    kind = type(layer).__name__
    if kind == "Bidirectional":
        for way in ("forward", "backward"):
            yield from ((f"{way}/{own(weight)}", weight) for weight in getattr(layer, f"{way}_layer").weights)
    elif kind in ("MultiHeadAttention", "GroupedQueryAttention"):
        for part in ("query", "key", "value", "output"):
            inner = getattr(layer, f"_{part}_dense")
            prefix = "attention_output" if part == "output" else part
            yield from ((f"{prefix}/{own(weight)}", weight) for weight in inner.weights)
    else:
        yield from ((own(weight), weight) for weight in layer.weights)


def own(weight):
    """The last part of a variable's path."""
    return getattr(weight, "path", weight.name).removesuffix(":0").rpartition("/")[2]


def array(weight):
    """The numbers of a variable."""
    return np.asarray(weight.numpy())


def assert_equal(found, expected):
    """Two mappings have the same keys and numbers."""
    assert sorted(found, key=str) == sorted(expected, key=str)
    for key, numbers in expected.items():
        np.testing.assert_array_equal(found[key], numbers, err_msg=str(key))


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_of_a_model_file_are_those_that_keras_loads_from_it(name):
    keras = pytest.importorskip("tf_keras" if ".tfkeras." in name else "keras")
    path = FIXTURES / "models" / name
    model = keras.models.load_model(path, compile=False)
    assert_equal(stored(path), reported(keras, model))


def plain(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(4, 3),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.SeparableConv2D(5, 3),
            layers.Conv2DTranspose(6, 3),
            layers.BatchNormalization(),
            layers.Conv2D(4, 3, groups=2, use_bias=False, name="grouped"),
            layers.BatchNormalization(scale=False),
            layers.BatchNormalization(center=False),
            layers.GroupNormalization(2),
            layers.LayerNormalization(),
            layers.PReLU(shared_axes=[1, 2]),
            layers.Dropout(0.5),
            layers.GlobalAveragePooling2D(),
            layers.Normalization(),
            layers.Dense(3, name="head"),
        ]
    )


def one_and_three_axes(keras):
    layers = keras.layers
    long, deep = keras.Input((16, 3)), keras.Input((6, 6, 6, 2))
    line = layers.Conv1DTranspose(6, 3)(
        layers.SeparableConv1D(5, 3)(layers.DepthwiseConv1D(3)(layers.Conv1D(4, 3)(long)))
    )
    return keras.Model([long, deep], [line, layers.Conv3DTranspose(3, 2)(layers.Conv3D(4, 3)(deep))])


def recurrent(keras):
    layers = keras.layers
    every = {"return_sequences": True}
    return keras.Sequential(
        [
            keras.Input((7, 5)),
            layers.LSTM(4, dropout=0.2, **every),
            layers.GRU(3, **every),
            layers.GRU(3, reset_after=False, **every),
            layers.SimpleRNN(6, **every),
            layers.LSTM(2, use_bias=False, **every),
            layers.Bidirectional(layers.LSTM(4, **every)),
            layers.Bidirectional(layers.GRU(2, **every), name="both"),
            layers.Bidirectional(layers.LSTM(4, **every), backward_layer=layers.GRU(3, go_backwards=True, **every)),
            layers.RNN(layers.LSTMCell(5), **every),
            layers.RNN([layers.LSTMCell(5), layers.GRUCell(3)], **every),
            layers.TimeDistributed(layers.Dense(3)),
            layers.Bidirectional(layers.RNN(layers.GRUCell(4), **every), name="of_a_cell"),
            layers.Reshape((7, 4, 2)),
            layers.TimeDistributed(layers.Bidirectional(layers.LSTM(3))),
        ]
    )


def convolution_over_time(keras):
    return keras.Sequential([keras.Input((5, 8, 8, 3)), keras.layers.ConvLSTM2D(4, 3)])


def attention(keras):
    layers = keras.layers
    tokens, others = keras.Input((6,)), keras.Input((5, 8))
    value = layers.LayerNormalization(center=False)(layers.Embedding(10, 8)(tokens))
    value = layers.MultiHeadAttention(2, 4)(value, others)
    value = layers.MultiHeadAttention(2, 4, value_dim=3, use_bias=False, name="own")(value, value)
    value = layers.AdditiveAttention()([layers.Attention(use_scale=True)([value, value]), value])
    value = layers.EinsumDense("abc,cd->abd", output_shape=(None, 7), bias_axes="d")(value)
    if hasattr(layers, "GroupQueryAttention"):
        value = layers.RMSNormalization()(layers.GroupQueryAttention(4, 2, 2)(value, value))
        value = layers.SpectralNormalization(layers.Dense(3))(value)
    return keras.Model([tokens, others], value)


def nested(keras):
    """Models within models, with names that repeat, and layers frozen, so that the old order of weights mixes them."""
    layers = keras.layers
    first = [
        keras.Input((8,)),
        layers.Dense(6, name="d"),
        layers.BatchNormalization(name="n"),
        layers.Dense(4, name="e"),
    ]
    encoder = keras.Sequential(first, name="encoder")
    encoder.layers[0].trainable = False
    inner_input, decoder_input, data = keras.Input((4,)), keras.Input((4,)), keras.Input((8,))
    inner = keras.Model(inner_input, layers.Dense(8, name="x")(inner_input), name="inner")
    decoder = keras.Model(decoder_input, layers.Dense(8, name="d")(inner(decoder_input)), name="decoder")
    lazy = keras.Sequential([layers.Dense(8, name="d"), layers.Dense(8, name="e")], name="lazy")
    return keras.Model(
        data, layers.Dense(3, name="head")(lazy(lazy(decoder(encoder(layers.Dense(8, name="d")(data))))))
    )


def over_time(keras):
    """A model that is applied to each step of a sequence."""
    step = keras.Sequential([keras.Input((8,)), keras.layers.Dense(6), keras.layers.Dense(4)], name="step")
    data = keras.Input((5, 8))
    return keras.Model(data, keras.layers.TimeDistributed(step)(data))


def shared(keras):
    """One layer for two inputs, and a layer of another model."""
    layers = keras.layers
    base = keras.Sequential([keras.Input((3,)), layers.Dense(6, name="kept"), layers.Dense(4, name="left")])
    tower, left, right = layers.Dense(4, name="tower"), keras.Input((3,)), keras.Input((3,))
    return keras.Model([left, right], layers.Concatenate()([tower(left), tower(right), base.layers[0](left)]))


NETWORKS = (plain, one_and_three_axes, recurrent, convolution_over_time, attention, nested, over_time, shared)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_kind_of_layer_has_its_own_weights(network, dialect, suffix, tmp_path):
    keras = pytest.importorskip(dialect)
    model = network(keras)
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=weight.shape).astype(weight.dtype) for weight in model.get_weights()])
    model.compile("adam", "mse")
    model.save(tmp_path / f"m{suffix}")
    assert_equal(stored(tmp_path / f"m{suffix}"), reported(keras, model))


def test_weights_in_half_precision_are_read_as_they_are_or_as_single(tmp_path):
    keras = pytest.importorskip("keras")
    for policy, dtype in (("float16", "float16"), ("bfloat16", "float32"), ("float64", "float64")):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, dtype=policy, name="d")])
        model.save(tmp_path / "m.keras")
        found = stored(tmp_path / "m.keras")["d", "kernel"]
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, np.asarray(model.layers[0].kernel).astype(dtype))


# ---------------------------------------------------------------- axes of units


def test_units_lie_along_the_last_axis_but_where_gates_heads_or_multipliers_share_it(tmp_path):
    keras = pytest.importorskip("keras")
    axes = {}
    for network in (plain, recurrent, attention):
        network(keras).save(tmp_path / "m.keras")
        axes |= {(layer, name): axis for layer, name, _, axis in described(tmp_path / "m.keras")}
    by_kind = {(layer.rstrip("_0123456789"), name): axis for (layer, name), axis in axes.items()}
    assert by_kind["head", "kernel"] == 1
    assert by_kind["grouped", "kernel"] == 3
    assert by_kind["conv2d_transpose", "kernel"] == 2
    assert by_kind["separable_conv2d", "pointwise_kernel"] == 3
    assert by_kind["separable_conv2d", "depthwise_kernel"] == 2
    assert by_kind["depthwise_conv2d", "kernel"] is None
    assert by_kind["batch_normalization", "moving_mean"] == 0
    assert by_kind["embedding", "embeddings"] == 1
    assert by_kind["einsum_dense", "kernel"] == 1
    assert by_kind["simple_rnn", "recurrent_kernel"] == 1
    assert by_kind["p_re_lu", "alpha"] == 2
    assert by_kind["lstm", "kernel"] is None
    assert by_kind["own", "query/kernel"] is None
    assert by_kind["own", "attention_output/kernel"] == 2


# ---------------------------------------------------------------- files as older versions wrote them


def write_weights(path, config, weights, version="2.2.4"):
    """A whole-model `.h5` with these datasets below `model_weights`."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), version
        for name, numbers in weights.items():
            file[f"model_weights/{name}"] = numbers
        file["optimizer_weights/adam/m:0"] = np.zeros(3)
    return path


def test_weights_of_keras_1_have_the_names_of_today(tmp_path):
    config = {
        "class_name": "Sequential",
        "config": [
            entry(
                "Convolution2D",
                name="c",
                nb_filter=2,
                nb_row=3,
                nb_col=3,
                dim_ordering="th",
                batch_input_shape=[None, 5, 8, 8],
            ),
            entry("BatchNormalization", name="b", axis=1),
            entry("LSTM", name="l_1", output_dim=3),
        ],
    }
    weights = {
        "c/c_W": np.ones((2, 5, 3, 3)),
        "c/c_b": np.ones(2),
        "b/b_gamma:0": np.ones(2),
        "b/b_running_mean:0": np.ones(2),
        "b/b_running_std:0": np.ones(2),
        "l_1/l_1_W_i:0": np.ones((2, 3)),
        "l_1/l_1_U_i:0": np.ones((3, 3)),
    }
    assert described(write_weights(tmp_path / "m.h5", config, weights, "1.2.2")) == [
        ("c", "kernel", (2, 5, 3, 3), 0),
        ("c", "bias", (2,), 0),
        ("b", "gamma", (2,), 0),
        ("b", "moving_mean", (2,), 0),
        ("b", "moving_variance", (2,), 0),
        ("l_1", "kernel_i", (2, 3), None),
        ("l_1", "recurrent_kernel_i", (3, 3), None),
    ]


def test_scopes_that_tensorflow_1_numbered_again_are_seen_through(tmp_path):
    inner = sequential(
        entry("Dense", name="dense", units=2, batch_input_shape=[None, 2]), entry("Dense", name="dense_1", units=3)
    )
    config = sequential({**inner, "config": {**inner["config"], "name": "inner"}}, entry("Dense", name="head", units=4))
    weights = {
        "inner/dense_1/kernel:0": np.ones((2, 2)),
        "inner/dense_1_1/kernel_1:0": np.ones((2, 3)),
        "head/head_2/kernel:0": np.ones((3, 4)),
    }
    assert described(write_weights(tmp_path / "m.h5", config, weights)) == [
        ("inner/dense", "kernel", (2, 2), 1),
        ("inner/dense_1", "kernel", (2, 3), 1),
        ("head", "kernel", (3, 4), 1),
    ]


def test_a_weight_of_no_layer_is_listed_and_belongs_to_none(tmp_path):
    config = sequential(entry("Dense", name="d", units=2, batch_input_shape=[None, 2]))
    path = write_weights(tmp_path / "m.h5", config, {"top_level_model_weights/scale:0": np.ones(3)}, "3.0.0")
    assert described(path) == [(None, "scale", (3,), None)]


def test_the_branches_of_a_merge_of_keras_1_are_stored_beside_the_other_layers(tmp_path):
    branches = [sequential(entry("Dense", name=f"d_{n}", output_dim=2, input_dim=3)) for n in (1, 2)]
    merge = entry("Merge", name="m", mode="sum", layers=branches)
    config = {"class_name": "Sequential", "config": [merge, entry("Dense", name="d_3", output_dim=4)]}
    weights = {f"d_{n}/d_{n}_W": np.ones((3, 2)) for n in (1, 2)} | {"d_3/d_3_W": np.ones((2, 4))}
    found = described(write_weights(tmp_path / "m.h5", config, weights, "1.2.2"))
    assert [(layer.rpartition("/")[2], name, shape) for layer, name, shape, _ in found] == [
        ("d_1", "kernel", (3, 2)),
        ("d_2", "kernel", (3, 2)),
        ("d_3", "kernel", (2, 4)),
    ]


@pytest.mark.parametrize("separator", ["/", "\\"])
@pytest.mark.parametrize("root", ["layers", "_layer_checkpoint_dependencies"])
def test_archives_of_keras_2_13_and_of_windows_are_read(root, separator, tmp_path):
    path = write_keras(tmp_path / "m.keras", sequential(entry("Dense", name="d", units=2, batch_input_shape=[None, 2])))
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file[f"{root}{separator}dense/vars/0"] = np.ones((2, 2))
    with_weights(path, (tmp_path / "w.h5").read_bytes())
    assert described(path) == [("d", "kernel", (2, 2), 1)]


def with_weights(path, content, packing=zipfile.ZIP_STORED):
    """Give an archive other weights."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name.endswith(".json")}
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
        archive.writestr("model.weights.h5", content)


def test_the_parameters_of_a_custom_layer_are_counted_from_the_file(tmp_path):
    custom = {
        "class_name": "MyDense",
        "module": None,
        "registered_name": "my>MyDense",
        "config": {"name": "own", "trainable": True},
    }
    path = write_keras(
        tmp_path / "m.keras", sequential(entry("Dense", name="d", units=2, batch_input_shape=[None, 2]), custom)
    )
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/my_dense/vars/0"] = np.ones((2, 7))
        file["layers/my_dense/vars/1"] = np.ones(7)
    with_weights(path, (tmp_path / "w.h5").read_bytes())
    assert query(path, "SELECT params FROM layer WHERE name = 'own'") == [(21,)]


def test_the_parameters_of_a_custom_layer_in_a_model_in_a_model_are_counted_from_the_file(tmp_path):
    own = entry("my>MyDense", name="own", trainable=True)
    inner = sequential(entry("Dense", name="d", units=2, batch_input_shape=[None, 2]), own, name="inner")
    weights = {
        "inner/d/kernel:0": np.ones((2, 2)),
        "inner/own/w:0": np.ones((2, 7)),
        "inner/own/dense/bias:0": np.ones(7),
    }
    path = write_weights(tmp_path / "m.h5", sequential(inner), weights)
    assert query(path, "SELECT params FROM layer WHERE name = 'inner/own'") == [(21,)]
    assert {name for layer, name, _, _ in described(path) if layer == "inner/own"} == {"w", "dense/bias"}


# ---------------------------------------------------------------- how HDF5 may hold numbers

NUMBERS = np.random.default_rng(0).normal(size=(301, 77)).astype(np.float32)


def write_dense(path, **storage):
    """A `.h5` of one dense layer, its kernel written with these arguments of h5py's."""
    config = sequential(entry("Dense", name="d", units=77, use_bias=False, batch_input_shape=[None, 301]))
    write_weights(path, config, {})
    with h5py.File(path, "a") as file:
        file.create_dataset("model_weights/d/d/kernel:0", **{"data": NUMBERS, **storage})
    return path


@pytest.mark.parametrize(
    "storage",
    [
        {},
        {"chunks": (50, 20)},
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (64, 7), "shuffle": True, "fletcher32": True},
        {"data": NUMBERS.astype(">f8")},
        {"data": NUMBERS.astype(">f4"), "compression": "gzip"},
        {"data": (NUMBERS * 50).astype(np.int8), "chunks": (9, 9), "compression": "gzip"},
        {"data": NUMBERS.astype(np.float16), "shuffle": True},
    ],
    ids=str,
)
def test_numbers_are_read_however_hdf5_stores_them(storage, tmp_path):
    found = only(write_dense(tmp_path / "m.h5", **storage))
    np.testing.assert_array_equal(found, storage.get("data", NUMBERS))


def test_chunks_that_were_never_written_are_zero(tmp_path):
    path = write_dense(tmp_path / "m.h5", data=None, shape=(301, 77), dtype="f4", chunks=(50, 20))
    with h5py.File(path, "a") as file:
        file["model_weights/d/d/kernel:0"][60:70, 30:40] = 1
    assert np.count_nonzero(only(path)) == 100


def test_a_packed_archive_has_the_weights_of_a_plain_one(tmp_path):
    plain_path = FIXTURES / "models" / "clean_resnet.keras"
    path = shutil.copy(plain_path, tmp_path / "m.keras")
    with zipfile.ZipFile(plain_path) as archive:
        with_weights(path, archive.read("model.weights.h5"), zipfile.ZIP_DEFLATED)
    assert_equal(stored(path), stored(plain_path))


def test_a_user_block_in_front_shifts_everything(tmp_path):
    content = (FIXTURES / "models" / "clean_mlp.h5").read_bytes()
    with (
        h5py.File(tmp_path / "u.h5", "w", userblock_size=1024) as file,
        h5py.File(FIXTURES / "models" / "clean_mlp.h5") as of,
    ):
        of.copy("model_weights", file)
        file.attrs.update(of.attrs)
    assert content != (tmp_path / "u.h5").read_bytes()
    assert_equal(stored(tmp_path / "u.h5"), stored(FIXTURES / "models" / "clean_mlp.h5"))


def test_numbers_count_against_no_budget_and_lift_none(tmp_path):
    with open_file(write_dense(tmp_path / "m.h5")) as file:
        (dataset,) = [found for found in open_hdf5(file).datasets() if found.shape == NUMBERS.shape]
        before = file.budget
        dataset.read()
        assert file.budget == before


# ---------------------------------------------------------------- files that lie


def refuse(path):
    """The sentence with which reading the weights of a file ends."""
    with pytest.raises(ReadError) as raised:
        stored(path)
    return str(raised.value)


def test_a_dataset_that_unpacks_to_too_much_is_refused(tmp_path):
    path = write_dense(
        tmp_path / "m.h5", data=None, shape=(15_000, 10_000), dtype="f4", chunks=(1000, 1000), compression="gzip"
    )
    assert "unpacks to far more" in refuse(path)


def test_a_dataset_that_no_memory_holds_is_refused(tmp_path):
    path = write_dense(tmp_path / "m.h5", data=None, shape=(10**6, 10**5), dtype="f4", chunks=(1000, 1000))
    assert "is larger than 1,024 MiB; check it without --weights" in refuse(path)


def test_a_chunk_that_unpacks_to_more_than_a_chunk_is_refused(tmp_path):
    path = write_dense(tmp_path / "m.h5", chunks=(301, 77), compression="gzip")
    with h5py.File(path, "a") as file:
        file["model_weights/d/d/kernel:0"].id.write_direct_chunk((0, 0), zlib.compress(bytes(10**8)))
    assert "does not hold what it declares" in refuse(path)


def test_two_members_of_weights_are_refused(tmp_path):
    path = shutil.copy(FIXTURES / "models" / "clean_mlp.keras", tmp_path / "m.keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("MODEL.weights.h5", b"")
    assert "model.weights.h5 twice" in refuse(path)


def test_weights_that_pack_much_too_well_are_refused(tmp_path):
    path = shutil.copy(FIXTURES / "models" / "clean_mlp.keras", tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        content = archive.read("model.weights.h5")
    with_weights(path, content + bytes(10**8), zipfile.ZIP_DEFLATED)
    assert "unpacks to far more" in refuse(path)


def test_weights_that_are_cut_short_are_refused(tmp_path):
    content = (FIXTURES / "models" / "clean_cnn.h5").read_bytes()
    (tmp_path / "m.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(ReadError):
        stored(tmp_path / "m.h5")


def test_datasets_that_share_their_bytes_are_refused(tmp_path):
    path = write_dense(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        offset = file["model_weights/d/d/kernel:0"].id.get_offset()
        for number in range(9):  # of these, nothing is written
            file.create_dataset(f"model_weights/d/d/x{number}", (301, 77), "f4")
    nowhere, there = (struct.pack("<QQ", address, NUMBERS.nbytes) for address in (2**64 - 1, offset))
    path.write_bytes(path.read_bytes().replace(nowhere, there))
    assert "longer than the file" in refuse(path)


@pytest.mark.parametrize("kind", ["external storage", "virtual dataset"])
def test_numbers_in_another_file_are_never_read(kind, tmp_path):
    (tmp_path / "secret").write_bytes(NUMBERS.tobytes())
    if kind == "external storage":
        path = write_dense(
            tmp_path / "m.h5",
            data=None,
            shape=(301, 77),
            dtype="f4",
            external=[(tmp_path / "secret", 0, NUMBERS.nbytes)],
        )
    else:
        path = write_dense(tmp_path / "m.h5", data=np.ones(1, "f4"))
        layout = h5py.VirtualLayout((301, 77), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret"), "x", (301, 77))
        with h5py.File(path, "a") as file:
            del file["model_weights/d/d/kernel:0"]
            file.create_virtual_dataset("model_weights/d/d/kernel:0", layout)
    assert "in another file, which is never opened" in refuse(path)


def test_a_compact_dataset_is_read_from_its_header(tmp_path):
    path = write_dense(tmp_path / "m.h5", data=np.ones((2, 2), "f4"))
    with h5py.File(path, "a") as file:
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((3,))
        made = h5py.h5d.create(file["model_weights/d/d"].id, b"bias:0", h5py.h5t.IEEE_F32LE, space, compact)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(3, dtype="f4"))
    assert stored(path)["d", "bias"].tolist() == [0, 1, 2]


def test_a_soft_link_is_not_followed(tmp_path):
    path = write_dense(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file["model_weights/d/d/bias:0"] = h5py.SoftLink("/optimizer_weights/adam/m:0")
    assert [name for _, name, _, _ in described(path)] == ["kernel"]


# ---------------------------------------------------------------- ONNX


@pytest.mark.parametrize("name", EXPORTS)
def test_the_weights_of_an_export_are_its_initializers(name):
    path = FIXTURES / "exports" / name
    proto = onnx.load(path, load_external_data=False)
    graphs = [proto.graph, *(item.g for node in proto.graph.node for item in node.attribute if item.HasField("g"))]
    tensors = [tensor for graph in graphs for tensor in graph.initializer]
    tensors += [item.t for graph in graphs for node in graph.node for item in node.attribute if item.name == "value"]
    inside = [tensor for tensor in tensors if tensor.data_location != TensorProto.EXTERNAL]
    saved = Counter((tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes()) for tensor in inside)
    with open_model(path) as model:
        weights = model.stored()
        found = Counter((weight.shape, weight.read().tobytes()) for weight in weights if not weight.unreadable)
        units = {
            (layer.args.get("filters") or layer.args["units"], weight.shape[weight.unit_axis])
            for weight in weights
            if weight.name in ("kernel", "bias") and weight.layer is not None and weight.unit_axis is not None
            for layer in [model.layers[weight.layer]]
            if layer.kind in ("conv", "dense")
        }
    assert found
    assert found <= saved
    assert all(declared == stored for declared, stored in units)


def test_a_kernel_is_found_behind_what_brings_it_into_form(tmp_path):
    kernel, bias = np.ones((3, 4), "f4"), np.ones((1, 4), "f4")
    nodes = [
        helper.make_node("Cast", ["w"], ["w1"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["w1"], ["w2"], perm=[1, 0]),
        helper.make_node("Gemm", ["x", "w2", "b"], ["y"], transB=1),
    ]
    path = write_onnx(
        tmp_path / "m.onnx", nodes, w=numpy_helper.from_array(kernel.astype("f2")), b=numpy_helper.from_array(bias)
    )
    assert [found[1:] for found in described(path)] == [("kernel", (3, 4), 1), ("bias", (1, 4), 1)]


def write_onnx(path, nodes, outputs=4, **tensors):
    """A model of these nodes from `x` to `y`."""
    for name, tensor in tensors.items():
        tensor.name = name
    ends = [helper.make_tensor_value_info(name, 1, [None, size]) for name, size in (("x", 3), ("y", outputs))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], list(tensors.values()))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def write_product(path, tensor):
    """A model that multiplies by one stored matrix."""
    return write_onnx(path, [helper.make_node("MatMul", ["x", "w"], ["y"])], tensor.dims[1], w=tensor)


@pytest.mark.parametrize("columns", [4, 999], ids=["small", "large"])
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "listed"])
@pytest.mark.parametrize("dtype", ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"])
def test_numbers_are_read_however_onnx_stores_them(dtype, raw, columns, tmp_path):
    numbers = np.random.default_rng(0).normal(size=(3, columns))
    number = getattr(TensorProto, dtype)
    converted = numbers.astype(helper.tensor_dtype_to_np_dtype(number))
    tensor = helper.make_tensor("w", number, numbers.shape, converted.tobytes() if raw else converted.ravel(), raw)
    expected = converted.astype("f4") if dtype == "BFLOAT16" else converted
    np.testing.assert_array_equal(only(write_product(tmp_path / "m.onnx", tensor)), expected)


def test_a_tensor_that_is_shorter_than_declared_is_refused(tmp_path):
    tensor = numpy_helper.from_array(np.ones((3, 998), "f4"))
    tensor.dims[1] = 999
    assert "is declared to have 2,997" in refuse(write_product(tmp_path / "m.onnx", tensor))


def test_numbers_in_a_file_beside_the_model_say_why_they_are_not_read():
    with open_model(FIXTURES / "exports" / "mlp.dynamo-external.onnx") as model:
        kernel = next(weight for weight in model.stored() if weight.name == "kernel")
        assert kernel.unreadable == "its numbers are in another file, which is never opened"
        with pytest.raises(ReadError, match="never opened"):
            kernel.read()


def test_constants_that_steer_a_computation_are_no_weights(tmp_path):
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["h"]), helper.make_node("Resize", ["h", "", "scales"], ["y"])]
    scales = numpy_helper.from_array(np.ones(2, "f4"))
    path = write_onnx(tmp_path / "m.onnx", nodes, 3, shape=numpy_helper.from_array(np.array([-1, 3])), scales=scales)
    assert described(path) == []


def test_equal_weights_that_an_exporter_stored_once_belong_to_every_layer_that_reads_them(tmp_path):
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["h"]), helper.make_node("Gemm", ["h", "v", "b"], ["y"])]
    first, second = (numpy_helper.from_array(np.eye(rows, 4, dtype="f4") * rows) for rows in (3, 4))
    shift = numpy_helper.from_array(np.full(4, 3, "f4"))
    path = write_onnx(tmp_path / "m.onnx", nodes, w=first, v=second, b=shift)
    with open_model(path) as model:
        (bias,) = [weight for weight in model.stored() if weight.name == "bias"]
        assert [model.layers[layer].kind for layer in (bias.layer, *(layer for layer, _ in bias.also))] == ["dense"] * 2
        assert bias.also == ((bias.layer + 1, "bias"),)
    means = query(path, "SELECT layer.id, signal.mean FROM signal JOIN layer ON layer.id = signal.layer WHERE affine")
    assert [mean for _, mean in means] == pytest.approx([3, 15], rel=0.05)
