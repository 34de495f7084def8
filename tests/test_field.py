"""Receptive fields are those of the literature, and those that a network shows when one place of its input is lit."""

import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support import entry, query, read, sequential, write_h5

from archlint.analyses.field import fields
from archlint.analyses.shapes import infer
from archlint.analyses.windows import Window
from archlint.facts import build
from archlint.readers import open_model

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops

FIXTURES = Path(__file__).parents[1] / "fixtures"
APPLICATIONS, EXPORTS = FIXTURES / "applications", FIXTURES / "exports"


def fields_in(path):
    """The field of every layer along each axis: least and most before it, least, most and jump behind it."""
    found = {}
    for name, *row in query(
        path,
        "SELECT name, incoming_least, incoming_most, least, most, jump "
        "FROM field JOIN layer ON layer.id = field.layer ORDER BY field.layer, field.axis",
    ):
        found.setdefault(name, []).append(tuple(row))
    return found


@pytest.fixture
def fields_of(tmp_path):
    def of(model):
        model.save(tmp_path / "model.keras")
        return fields_in(tmp_path / "model.keras")

    return of


# -- the literature --


@pytest.mark.parametrize(
    ("file", "layer", "most", "jump"),
    [
        ("VGG16", "block5_conv3", 196, 16),
        ("VGG16", "block5_pool", 212, 32),
        ("MobileNet", "conv_pw_13_relu", 315, 32),
        ("ResNet50", "conv5_block3_out", 483, 32),
        ("ResNet101", "conv5_block3_out", 1027, 32),
        ("ResNet152", "conv5_block3_out", 1507, 32),
        ("InceptionV3", "mixed10", 1311, 32),
        ("InceptionResNetV2", "conv_7b_ac", 3039, 32),
    ],
)
def test_the_widest_fields_of_well_known_networks_are_those_of_araujo_2019(file, layer, most, jump):
    for field in fields_in(APPLICATIONS / f"{file}.keras")[layer]:
        assert field[3:] == (most, jump)


def test_the_field_of_alexnet_is_that_of_araujo_2019(tmp_path):
    windows = [("Conv2D", 11, 4), ("MaxPooling2D", 3, 2), ("Conv2D", 5, 1), ("MaxPooling2D", 3, 2)]
    windows += [("Conv2D", 3, 1)] * 3 + [("MaxPooling2D", 3, 2)]
    path = write_h5(tmp_path / "alexnet.h5", chain_config(windows))
    assert fields_in(path)["7"] == [(163, 163, 195, 195, 32)] * 2


def chain_config(windows):
    listed = [entry("InputLayer", name="input", batch_input_shape=[None, 227, 227, 3])]
    for number, (class_name, size, stride) in enumerate(windows):
        own = {"pool_size": [size, size]} if "Pool" in class_name else {"kernel_size": [size, size], "filters": 2}
        listed.append(entry(class_name, name=str(number), strides=[stride, stride], padding="valid", **own))
    return sequential(*listed)


def test_a_residual_network_keeps_the_narrow_field_of_its_shortcuts():
    assert (
        fields_in(APPLICATIONS / "ResNet50.keras")["conv5_block3_out"] == [(11, 483, 11, 483, 32)] * 2
    )  # 7x7, pool 3x3


def test_every_layer_behind_the_first_window_of_a_well_known_network_has_a_field():
    before = {"input", "rescaling", "normalization"}
    for path in sorted(APPLICATIONS.glob("*.keras")):
        model = read(path)
        found = fields(model, infer(model))
        unknown = {layer.kind for number, layer in enumerate(model.layers) if not found[number]}
        assert unknown <= before, path.name


# -- what a network shows: every place of the input is lit in turn, and each place of the output says when it saw it --

SIZE, PERIOD = 240, 6


def conv(size, **settings):
    return layers.Conv1D(1, size, kernel_initializer="ones", **settings)


def transposed(size, **settings):
    return layers.Conv1DTranspose(1, size, kernel_initializer="ones", **settings)


CHAINS = {
    "one convolution": lambda: [conv(3)],
    "strides multiply": lambda: [conv(3, strides=2), conv(5, strides=3), conv(2)],
    "padding changes nothing": lambda: [conv(3, strides=2, padding="same"), conv(5, padding="same")],
    "causal padding": lambda: [conv(3, padding="causal"), conv(3, padding="causal", dilation_rate=4)],
    "dilation": lambda: [conv(3, dilation_rate=2), conv(2, dilation_rate=5), conv(3)],
    "pools": lambda: [conv(3), layers.MaxPooling1D(2), conv(3), layers.AveragePooling1D(3, strides=2)],
    "margins": lambda: [layers.ZeroPadding1D(3), conv(4), layers.Cropping1D((2, 5)), conv(3)],
    "separable": lambda: [
        layers.SeparableConv1D(2, 3, strides=2, depthwise_initializer="ones", pointwise_initializer="ones"),
        layers.DepthwiseConv1D(3, depthwise_initializer="ones"),
    ],
    "repeated places": lambda: [layers.MaxPooling1D(4), layers.UpSampling1D(2), conv(3), conv(4)],
    "enlarged threefold": lambda: [conv(3, strides=3), layers.UpSampling1D(3), conv(5)],
    "transposed, evenly": lambda: [conv(3, strides=2), transposed(4, strides=2), conv(3)],
    "transposed, unevenly": lambda: [conv(3, strides=2), transposed(3, strides=2), conv(3)],
    "transposed, with less than its stride": lambda: [conv(5), transposed(2, strides=3)],
    "transposed, with dilation": lambda: [conv(2), transposed(3, dilation_rate=2)],
    "activations and dropout": lambda: [conv(3), layers.ReLU(), layers.Dropout(0.5), conv(2, activation="relu")],
    "dense over channels": lambda: [conv(3), layers.Dense(3, kernel_initializer="ones"), conv(3)],
}


def seen_by(model):
    """Of each place of the output, the first and the last place of the input that it depends on, if any."""
    shown = (np.asarray(model(np.eye(SIZE, dtype="float32")[..., None])) != 0).any(-1)
    first, last = shown.argmax(0), SIZE - 1 - shown[::-1].argmax(0)
    return np.where(shown.any(0), [first, last], np.nan)


def inner(places):
    """Those in the middle, far from all borders; as many as make whole periods of maps enlarged by two and three."""
    third = places.shape[-1] // 3
    return places[:, third : third + third // PERIOD * PERIOD]


@pytest.mark.parametrize("chain", CHAINS)
def test_the_field_of_a_chain_is_what_its_places_see(chain, fields_of):
    model = keras.Sequential([keras.Input((SIZE, 1)), *CHAINS[chain]()])
    first, last = inner(seen_by(model))
    ((_, _, least, most, jump),) = fields_of(model)[model.layers[-1].name]
    assert least == most == pytest.approx(np.nanmean(last - first + 1))
    assert jump == pytest.approx(np.nanmean(first[PERIOD:] - first[:-PERIOD]) / PERIOD)


def branches(wide_kernel):
    inputs = keras.Input((SIZE, 1))
    stem = conv(3, padding="same")(inputs)
    wide = layers.Conv1D(1, 7, padding="same", kernel_initializer=wide_kernel)(conv(5, padding="same")(stem))
    return keras.Model(inputs, layers.Add(name="sum")([wide, conv(3, padding="same")(stem)]))


def test_where_branches_meet_the_narrowest_and_the_widest_field_are_kept(fields_of):
    widths = {}
    for wide_kernel in ("ones", "zeros"):
        first, last = inner(seen_by(branches(wide_kernel)))
        (widths[wide_kernel],) = set(last - first + 1)
    assert fields_of(branches("ones"))["sum"] == [(widths["zeros"], widths["ones"]) * 2 + (1,)]


def test_a_convolutional_lstm_passes_its_window_over_its_state_again_at_every_step(fields_of):
    steps, size = 3, 32
    made = layers.ConvLSTM1D(1, 3, strides=2, kernel_initializer="ones", recurrent_initializer="ones", name="lstm")
    model = keras.Sequential([keras.Input((steps, size, 1)), made])
    lit = np.eye(steps * size, dtype="float32").reshape(-1, steps, size, 1)
    shown = np.asarray(model(lit)).reshape(steps, size, -1) != 0
    middle = shown[..., shown.shape[-1] // 2]
    (most,), (least,) = ([np.ptp(np.flatnonzero(seen)) + 1] for seen in (middle.any(0), middle[-1]))
    assert fields_of(model)["lstm"] == [(1, 1, least, most, 2)]


# -- kinds of layers --

IMAGE, SEQUENCE = (32, 24, 3), (40, 8)
WHOLE = [(5, 5, 32, 32, None), (5, 5, 24, 24, None)]


@pytest.fixture
def last_field(fields_of):
    """The field of the last layer of a chain."""

    def of(*made):
        model = keras.Sequential(made)
        return fields_of(model).get(model.layers[-1].name)

    return of


def test_every_axis_has_its_own_window(last_field):
    made = [keras.Input(IMAGE), layers.Conv2D(4, (3, 5), strides=(1, 2)), layers.MaxPooling2D((2, 1))]
    assert last_field(*made) == [(3, 3, 4, 4, 2), (5, 5, 5, 5, 2)]


def test_a_volume_has_three_axes(last_field):
    made = [keras.Input((9, 8, 7, 1)), layers.Conv3D(2, (1, 2, 3), strides=(3, 2, 1))]
    assert last_field(*made) == [(1, 1, 1, 1, 3), (1, 1, 2, 2, 2), (1, 1, 3, 3, 1)]


@pytest.mark.parametrize("channels", ["channels_first", "channels_last"])
def test_the_data_format_tells_where_the_places_are(channels, fields_of):
    shape = (3, 32, 24) if channels == "channels_first" else IMAGE
    inputs = keras.Input(shape)
    mapped = layers.Conv2D(4, (5, 3), data_format=channels, name="conv")(inputs)
    pooled = layers.GlobalMaxPooling2D(data_format=channels, name="pool")(mapped)
    found = fields_of(keras.Model(inputs, pooled))
    assert found["conv"] == [(1, 1, 5, 5, 1), (1, 1, 3, 3, 1)]
    assert found["pool"] == [(5, 5, 32, 32, None), (3, 3, 24, 24, None)]


@pytest.mark.parametrize(
    "head",
    [
        lambda: [layers.GlobalAveragePooling2D()],
        lambda: [layers.GlobalMaxPooling2D(keepdims=True)],
        lambda: [layers.Flatten(), layers.Dropout(0.1), layers.Dense(2)],
        lambda: [layers.Reshape((-1,)), layers.Dense(2)],
        lambda: [layers.Reshape((28 * 20, 4)), layers.MultiHeadAttention(2, 2)],
        lambda: [layers.Reshape((28 * 20, 4)), layers.Attention()],
        lambda: [layers.Reshape((28 * 20, 4)), layers.GRU(2)],
        lambda: [layers.Reshape((28 * 20, 4)), layers.Bidirectional(layers.LSTM(2, return_sequences=True))],
    ],
)
def test_behind_whatever_mixes_all_places_everything_is_seen(head, fields_of):
    inputs = keras.Input(IMAGE)
    value = layers.Conv2D(4, 5)(inputs)
    for layer in head():
        several = {layers.MultiHeadAttention: [value, value], layers.Attention: [[value, value]]}
        value = layer(*several.get(type(layer), [value]))
    assert fields_of(keras.Model(inputs, value))[layer.name] == WHOLE


def test_attention_along_rows_sees_whole_rows(fields_of):
    inputs = keras.Input(IMAGE)
    mapped = layers.Conv2D(4, 5, padding="same")(inputs)
    attended = layers.MultiHeadAttention(2, 2, attention_axes=(1,), name="rows")(mapped, mapped)
    assert fields_of(keras.Model(inputs, attended))["rows"] == [(5, 5, 32, 32, None), (5, 5, 5, 5, 1)]


def test_behind_everything_nothing_more_is_to_be_seen(fields_of):
    inputs = keras.Input((None, None, 3))
    mapped = layers.Conv2D(4, 5)(inputs)
    gate = layers.Reshape((1, 1, 4))(layers.GlobalAveragePooling2D()(mapped))
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="gate")(gate)
    gated = layers.Multiply(name="gated")([mapped, gate])
    found = fields_of(keras.Model(inputs, layers.Conv2D(4, 3, name="conv")(gated)))
    assert found["gate"] == [(None,) * 5] * 2  # of an input of any size
    assert found["gated"] == [(5, None, 5, None, 1)] * 2
    assert found["conv"] == [(5, None, 7, None, 1)] * 2


def test_a_flattened_map_keeps_the_fields_of_its_values_until_they_are_mixed(last_field):
    assert last_field(keras.Input(IMAGE), layers.Conv2D(4, 5), layers.Flatten()) == [(5, 5, 5, 5, None)] * 2


def test_one_step_of_a_sequence_sees_what_it_saw(fields_of):
    inputs = keras.Input(SEQUENCE)
    steps = layers.Conv1D(4, 3, padding="causal", dilation_rate=2)(inputs)
    head = layers.Dense(2, name="head")(steps[:, -1])
    assert fields_of(keras.Model(inputs, head))["head"] == [(5, 5, 5, 5, None)]


def test_what_two_single_steps_see_together_is_not_known(fields_of):
    inputs = keras.Input(SEQUENCE)
    steps = layers.Conv1D(4, 3)(inputs)
    ends = layers.Concatenate(name="ends")([steps[:, 0], steps[:, -1]])
    assert "ends" not in fields_of(keras.Model(inputs, ends))


def test_a_map_that_has_shrunk_to_one_place_sees_what_that_place_sees(last_field):
    made = [keras.Input((9, 9, 3)), layers.Conv2D(4, 3, strides=2), layers.Conv2D(4, 4), layers.Flatten()]
    assert last_field(*made, layers.Dense(2)) == [(9, 9, 9, 9, None)] * 2


def test_every_second_step_is_twice_as_far_from_the_next(fields_of):
    inputs = keras.Input(SEQUENCE)
    steps = layers.Conv1D(4, 3)(inputs)[..., 1::2, :]
    assert fields_of(keras.Model(inputs, layers.Conv1D(4, 3, name="conv")(steps)))["conv"] == [(3, 3, 7, 7, 2)]


def test_axes_may_change_places(fields_of):
    inputs = keras.Input(IMAGE)
    turned = layers.Permute((2, 3, 1))(layers.Conv2D(4, (3, 5))(inputs))
    turned = ops.transpose(turned, (0, 1, 3, 2))
    found = fields_of(keras.Model(inputs, layers.Conv2D(4, (3, 1), strides=(2, 1), name="conv")(turned)))
    assert found["conv"] == [(3, 3, 3, 3, 1), (5, 5, 7, 7, 2)]


def test_an_axis_that_a_reshape_leaves_whole_stays_what_it_is(fields_of):
    inputs = keras.Input((32, 24, 1))
    rows = layers.Reshape((32, 24 * 4))(layers.Conv2D(4, 3, padding="same")(inputs))
    found = fields_of(keras.Model(inputs, layers.Conv1D(4, 3, name="conv")(rows)))
    assert found.get("conv") is None  # the channels of this convolution are places of the map
    pooled = layers.Reshape((32, 4))(layers.MaxPooling2D((1, 24))(layers.Conv2D(4, 3, padding="same")(inputs)))
    found = fields_of(keras.Model(inputs, layers.Conv1D(4, 3, name="conv")(pooled)))
    assert found["conv"] == [(3, 3, 5, 5, 1), (26, 26, 26, 26, None)]


def test_layers_mapped_over_time_leave_the_time_alone(last_field):
    made = [
        keras.Input((7, *IMAGE)),
        layers.TimeDistributed(layers.Conv2D(4, 5)),
        layers.TimeDistributed(layers.Flatten()),
        layers.LSTM(2),
    ]
    assert last_field(*made[:2]) == [(1, 1, 5, 5, 1)] * 2
    assert last_field(*made) == WHOLE


def test_a_pooled_step_stays_a_step(fields_of):
    inputs = keras.Input((16, 8, 8, 3))
    steps = layers.Conv3D(4, (3, 1, 1))(inputs)
    steps = ops.mean(steps, axis=(2, 3))
    found = fields_of(keras.Model(inputs, layers.Conv1D(4, 3, name="conv")(steps)))
    assert found["conv"] == [(3, 3, 5, 5, 1), (8, 8, 8, 8, None), (8, 8, 8, 8, None)]


def test_parts_and_stacks_of_a_map_see_what_it_saw(fields_of):
    inputs = keras.Input(IMAGE)
    left, right = ops.split(layers.Conv2D(4, 3)(inputs), 2, axis=-1)
    both = ops.stack([left, layers.Conv2D(2, 3, padding="same")(right)], axis=1)
    volume = layers.Conv3D(2, (2, 1, 1), name="conv")(both)
    assert fields_of(keras.Model(inputs, volume))["conv"] == [(3, 5, 3, 5, 1)] * 2  # it slides along no axis of the map
    joined = layers.Concatenate(name="joined")([left, layers.Conv2D(2, 3, padding="same")(right)])
    assert fields_of(keras.Model(inputs, joined))["joined"] == [(3, 5, 3, 5, 1)] * 2


@pytest.mark.parametrize(("interpolation", "least"), [("nearest", 6), ("bilinear", 7), ("bicubic", 9)])
def test_an_enlarged_map_blends_neighbours_if_it_does(interpolation, least, last_field):
    made = [keras.Input(IMAGE), layers.Conv2D(4, 5), layers.UpSampling2D(2, interpolation=interpolation)]
    assert last_field(*made, layers.Conv2D(4, 3)) == [(least - 1, least - 1, least, least, 0.5)] * 2


# -- what the map is --


def test_a_sequence_of_words_is_a_map_once_it_is_embedded(last_field):
    made = [keras.Input((40,)), layers.Embedding(50, 8), layers.Dense(8), layers.Conv1D(4, 3)]
    assert last_field(*made) == [(1, 1, 3, 3, 1)]


def test_pixels_in_a_row_are_a_map_once_they_are_laid_out(last_field):
    made = [keras.Input((784,)), layers.Reshape((28, 28, 1)), layers.Rescaling(2), layers.Conv2D(4, 3)]
    assert last_field(*made) == [(1, 1, 3, 3, 1)] * 2


def test_the_map_is_as_large_as_it_was_before_its_margins(tmp_path):
    made = [keras.Input((30, 30, 3)), layers.Resizing(20, 20), layers.ZeroPadding2D(3), layers.Conv2D(4, 3)]
    keras.Sequential(made).save(tmp_path / "model.keras")
    assert query(tmp_path / "model.keras", "SELECT DISTINCT input_size FROM field") == [(20,)]


def test_the_input_itself_may_join_its_map_again(fields_of):
    inputs = keras.Input(IMAGE)
    joined = layers.Concatenate(name="joined")([inputs, layers.Conv2D(4, 5, padding="same")(inputs)])
    assert fields_of(keras.Model(inputs, joined))["joined"] == [(1, 5, 1, 5, 1)] * 2


def test_features_beside_the_map_do_not_count(fields_of):
    image, table = keras.Input(IMAGE), keras.Input((6,))
    features = layers.Dense(4)(table)
    mapped = layers.Add(name="sum")([layers.Conv2D(4, 5)(image), layers.Reshape((1, 1, 4))(features)])
    head = layers.Concatenate(name="head")([layers.GlobalMaxPooling2D()(mapped), table])
    found = fields_of(keras.Model([image, table], head))
    assert found["sum"] == [(5, 5, 5, 5, 1)] * 2
    assert [field[2] for field in found["head"]] == [32, 24]


def test_a_shared_layer_has_the_narrowest_and_the_widest_of_its_calls(fields_of):
    inputs, shared = keras.Input(IMAGE), layers.Conv2D(3, 3, padding="same", name="shared")
    assert fields_of(keras.Model(inputs, shared(shared(inputs))))["shared"] == [(1, 3, 3, 5, 1)] * 2


# -- ONNX files --


@pytest.mark.parametrize(("network", "pooled"), [("cnn", (8, 8, 16, 16, None)), ("residual", (3, 13, 16, 16, None))])
@pytest.mark.parametrize("exporter", ["torch", "torch-nofold", "torch-train", "dynamo", "keras", "tf2onnx"])
def test_a_network_has_the_same_fields_through_every_exporter(network, pooled, exporter):
    path = EXPORTS / f"{network}.{exporter}.onnx"
    (pool,) = query(path, "SELECT name FROM layer WHERE kind = 'global_avg_pool'")[0]
    assert fields_in(path)[pool] == [pooled] * 2


# -- what is not known has no field --


def test_a_model_without_a_map_has_no_fields(last_field):
    assert last_field(keras.Input((20,)), layers.Dense(8), layers.Dense(2)) is None


def test_a_map_made_of_a_vector_is_no_map_of_the_input(last_field):
    made = [keras.Input((20,)), layers.Dense(49), layers.Reshape((7, 7, 1)), layers.Conv2DTranspose(2, 4, strides=2)]
    assert last_field(*made) is None


@pytest.mark.parametrize(
    "unclear",
    [
        lambda value: layers.Lambda(lambda x: x)(value),
        lambda value: layers.Reshape((14, 2, 20, 4))(value),
        lambda value: ops.cumsum(value, axis=1),
        lambda value: layers.Add()(
            [value, layers.MaxPooling2D(2, strides=1)(layers.UpSampling2D(2)(value))[:, :28, :20]]
        ),
    ],
)
def test_behind_what_is_not_understood_nothing_is_known(unclear, fields_of):
    inputs = keras.Input(IMAGE)
    found = fields_of(keras.Model(inputs, layers.Activation("relu", name="last")(unclear(layers.Conv2D(4, 5)(inputs)))))
    assert "last" not in found


def test_maps_of_different_sizes_have_no_common_field(fields_of):
    one, other = keras.Input((32, 8)), keras.Input((20, 8))
    pooled = [layers.GlobalMaxPooling1D()(layers.Conv1D(4, 3)(value)) for value in (one, other)]
    assert "joined" not in fields_of(keras.Model([one, other], layers.Concatenate(name="joined")(pooled)))


def test_a_file_without_shapes_says_that_fields_cannot_be_known(tmp_path):
    path = write_h5(tmp_path / "model.h5", sequential(entry("Conv2D", name="conv", filters=2, kernel_size=[3, 5])))
    with open_model(path) as model, closing(build(model)) as facts:
        assert {"field.least", "sliding.places"} <= set(facts.absent)
        assert facts.connection.execute("SELECT kernel, places FROM sliding ORDER BY axis").fetchall() == [
            (3, None),
            (5, None),
        ]


def test_absurd_numbers_make_no_fields(tmp_path):
    huge = [("Conv2D", 3, 2**40), ("Conv2D", 2**60, 1), ("Conv2D", 2**80, 1)]
    found = fields_in(write_h5(tmp_path / "absurd.h5", chain_config(huge)))
    assert found == {"0": [(1, 1, 3, 3, 2**40)] * 2}


def test_settings_of_the_wrong_type_make_no_fields(tmp_path):
    config = chain_config([("Conv2D", 3, 1)])
    config["config"]["layers"].append(entry("UpSampling2D", name="up", size=[2, 2], interpolation=[{}]))
    assert list(fields_in(write_h5(tmp_path / "odd.h5", config))) == ["0"]


# -- windows --


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_a_window_covers_the_places_that_its_taps_meet(kernel, stride, dilation):
    window = Window(kernel, stride, dilation, None)
    taps = [tap * dilation for tap in range(kernel)]
    assert window.covered == len({tap % stride for tap in taps})
    assert window.reach == taps[-1] + 1


def test_a_layer_called_on_two_maps_is_said_to_slide_over_the_smaller_one(tmp_path):
    shared = layers.Conv1D(8, 3, strides=2, name="shared")
    inputs = keras.Input(SEQUENCE)
    keras.Model(inputs, shared(shared(inputs))).save(tmp_path / "model.keras")
    sql = "SELECT axis, kernel, stride, dilation, reach, covered, places FROM sliding"
    assert query(tmp_path / "model.keras", sql) == [(0, 3, 2, 1, 3, 2, 19)]
