"""Every dialect that Keras has written a model in is read to the same neutral model."""

import os
import warnings

import pytest
from support import (
    H5_STRINGS,
    entry,
    kinds,
    layer,
    query,
    read,
    sequential,
    wires,
    write_h5,
    write_keras,
)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

DENSE = sequential(entry("Dense", name="d", units=3, batch_input_shape=[None, 4], activation="relu"))


# Files


@pytest.mark.parametrize("strings", H5_STRINGS)
def test_attributes_are_read_in_every_string_type_of_hdf5(tmp_path, strings):
    compiled = {"optimizer_config": {"class_name": "Adam", "config": {"lr": 0.01}}, "loss": "mse"}
    model = read(write_h5(tmp_path / "m.h5", DENSE, compiled, "2.1.6-tf", strings))
    assert kinds(model) == {"input": "input", "d": "dense"}
    assert model.producer_version == "2.1.6-tf"
    assert model.training.optimizer.learning_rate == 0.01


def test_a_configuration_longer_than_an_attribute_header_can_hold_is_read_whole(tmp_path):
    many = [entry("Dense", name=f"dense_{number}", units=4, kernel_constraint="x" * 400) for number in range(500)]
    many[0]["config"]["batch_input_shape"] = [None, 4]
    model = read(write_h5(tmp_path / "m.h5", sequential(*many)))
    assert len(model.layers) == 501
    assert model.layers[-1].name == "dense_499"


def test_a_file_without_a_keras_version_and_without_weights_is_read(tmp_path):
    model = read(write_h5(tmp_path / "m.h5", DENSE, version=None))
    assert model.producer_version is None
    assert layer(model, "d").args["units"] == 3


def test_letters_beyond_ascii_in_names_are_kept(tmp_path):
    model = read(
        write_h5(tmp_path / "m.h5", sequential(entry("Dense", name="층", units=2)), strings="fixed-length utf-8")
    )
    assert model.layers[-1].name == "층"


def test_a_keras_archive_tells_its_version_in_its_metadata(tmp_path):
    model = read(write_keras(tmp_path / "m.keras", DENSE, "3.2.1"))
    assert (model.format, model.producer_version) == ("keras_zip", "3.2.1")


# Keras 1


def keras_1(tmp_path, *layers):
    return write_h5(tmp_path / "m.h5", {"class_name": "Sequential", "config": list(layers)}, version="1.2.2")


def test_a_sequential_that_is_a_bare_list_is_a_chain(tmp_path):
    first = entry("Dense", name="dense_1", output_dim=5, input_dim=4)
    second = entry("Dense", name="dense_2", output_dim=2)
    model = read(keras_1(tmp_path, first, second))
    assert wires(model) == [("input", []), ("dense_1", ["input"]), ("dense_2", ["dense_1"])]
    assert query(tmp_path / "m.h5", "SELECT name, params, output_shape FROM layer WHERE kind = 'dense'") == [
        ("dense_1", 25, "5"),
        ("dense_2", 12, "2"),
    ]


def test_a_keras_1_convolution_has_its_settings_under_todays_names(tmp_path):
    config = {
        "nb_filter": 2,
        "nb_row": 3,
        "nb_col": 2,
        "subsample": [1, 2],
        "border_mode": "valid",
        "dim_ordering": "tf",
        "init": "glorot_uniform",
        "bias": True,
        "activation": "sigmoid",
        "batch_input_shape": [None, 8, 8, 3],
        "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01},
        "b_regularizer": None,
    }
    path = keras_1(tmp_path, {"class_name": "Convolution2D", "config": config})
    columns = (
        "class_name, kind, units, kernel, strides, padding, data_format, initializer, use_bias, activation, "
        "l1, l2, output_shape, params"
    )
    assert query(path, f"SELECT {columns} FROM layer WHERE kind = 'conv'") == [
        (
            *("Convolution2D", "conv", 2, "3x2", "1x2", "valid", "channels_last", "glorot_uniform", 1, "sigmoid"),
            *(0.0, 0.01, "6x4x2", 38),
        )
    ]


def test_theano_ordering_puts_the_channels_first(tmp_path):
    conv = entry(
        "Convolution2D",
        nb_filter=4,
        nb_row=3,
        nb_col=3,
        dim_ordering="th",
        border_mode="same",
        batch_input_shape=[None, 3, 8, 8],
    )
    pool = entry("MaxPooling2D", pool_size=[2, 2], strides=[2, 2], border_mode="valid", dim_ordering="th")
    assert query(
        keras_1(tmp_path, conv, pool), "SELECT data_format, features, output_shape FROM layer WHERE id > 0"
    ) == [
        ("channels_first", 3, "4x8x8"),
        ("channels_first", 4, "4x4x4"),
    ]


def test_keras_1_convolutions_over_time_take_their_old_lengths(tmp_path):
    conv = entry(
        "Convolution1D",
        nb_filter=6,
        filter_length=3,
        subsample_length=2,
        border_mode="valid",
        init="he_normal",
        batch_input_shape=[None, 11, 4],
    )
    pool = entry("MaxPooling1D", pool_length=2, stride=2, border_mode="valid")
    assert query(
        keras_1(tmp_path, conv, pool), "SELECT kind, kernel, strides, output_shape, params FROM layer WHERE id"
    ) == [
        ("conv", "3", "2", "5x6", 78),
        ("max_pool", "2", "2", "2x6", 0),
    ]


def test_keras_1_recurrent_layers_have_their_settings_under_todays_names(tmp_path):
    lstm = entry(
        "LSTM",
        output_dim=4,
        init="glorot_uniform",
        inner_init="orthogonal",
        forget_bias_init="one",
        activation="tanh",
        inner_activation="hard_sigmoid",
        dropout_W=0.1,
        dropout_U=0.2,
        return_sequences=True,
        U_regularizer={"name": "WeightRegularizer", "l1": 0.1, "l2": 0.0},
        batch_input_shape=[None, 6, 3],
    )
    path = keras_1(tmp_path, lstm)
    columns = (
        "kind, units, recurrent_activation, recurrent_initializer, recurrent_rate, return_sequences, steps, params"
    )
    assert query(path, f"SELECT {columns} FROM layer WHERE id") == [
        ("lstm", 4, "hard_sigmoid", "orthogonal", 0.2, 1, 6, 128)
    ]
    args = read(path).layers[1].args
    assert args["dropout"] == 0.1
    assert args["recurrent_regularizer"] == {"l1": 0.1, "l2": 0.0}


def test_a_keras_1_dropout_p_is_its_rate(tmp_path):
    path = keras_1(tmp_path, entry("Dropout", name="drop", p=0.4, batch_input_shape=[None, 4]))
    assert query(path, "SELECT kind, rate FROM layer WHERE name = 'drop'") == [("dropout", 0.4)]


def test_a_time_distributed_dense_of_keras_1_is_a_dense_layer_over_a_sequence(tmp_path):
    path = keras_1(tmp_path, entry("TimeDistributedDense", output_dim=5, input_dim=3, input_length=7))
    assert query(path, "SELECT kind, units, output_shape, params FROM layer WHERE id") == [("dense", 5, "7x5", 20)]


def test_an_embedding_states_its_vocabulary_not_its_input_shape(tmp_path):
    embedding = entry("Embedding", input_dim=100, output_dim=8, input_length=5, init="uniform")
    path = keras_1(tmp_path, embedding)
    assert query(path, "SELECT kind, units, params, initializer, output_shape FROM layer WHERE id") == [
        ("embedding", 8, 800, "random_uniform", "5x8")
    ]


@pytest.mark.parametrize(
    ("mode", "kind"),
    {"sum": "add", "mul": "multiply", "concat": "concat", "ave": "average", "max": "maximum", "dot": "dot"}.items(),
)
def test_the_modes_of_a_keras_1_merge_are_todays_merge_layers(tmp_path, mode, kind):
    def dense(name):
        return {"name": name, **entry("Dense", name=name, output_dim=3), "inbound_nodes": [[["x", 0, 0]]]}

    config = {
        "name": "model_1",
        "layers": [
            {"name": "x", **entry("InputLayer", name="x", batch_input_shape=[None, 4]), "inbound_nodes": []},
            dense("a"),
            dense("b"),
            {
                "class_name": "Merge",
                "config": {"mode": mode, "concat_axis": -1, "mode_type": "raw", "name": "merge_37", "dot_axes": -1},
                "name": "merge_37",
                "inbound_nodes": [[["a", 0, 0], ["b", 0, 0]]],
            },
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["merge_37", 0, 0]],
    }
    model = read(write_h5(tmp_path / "m.h5", {"class_name": "Model", "config": config}, version="1.2.0"))
    assert layer(model, "merge_37").kind == kind
    assert wires(model)[-1] == ("merge_37", ["a", "b"])


def test_layers_without_names_get_distinct_ones(tmp_path):
    model = read(keras_1(tmp_path, entry("Dense", output_dim=3, input_dim=2), *[entry("Dense", output_dim=3)] * 2))
    assert [layer.name for layer in model.layers] == ["input", "dense", "dense_1", "dense_2"]


def test_a_layer_called_input_keeps_its_name(tmp_path):
    model = read(keras_1(tmp_path, entry("Dense", name="input", output_dim=3, input_dim=2)))
    assert [(layer.name, layer.kind) for layer in model.layers] == [("input_1", "input"), ("input", "dense")]


def test_a_merge_of_branches_at_the_start_of_a_keras_1_sequential_has_all_its_branches(tmp_path):
    def branch(name):
        return {"class_name": "Sequential", "config": [entry("Dense", name=name, output_dim=3, input_dim=4)]}

    merge = entry("Merge", name="merge_1", mode="concat", concat_axis=-1, layers=[branch("left"), branch("right")])
    path = keras_1(tmp_path, merge, entry("Dense", name="head", output_dim=1))
    model = read(path)
    assert sorted(kinds(model).values()) == ["concat", "dense", "dense", "dense", "input", "input"]
    assert query(path, "SELECT output_shape, params FROM layer WHERE kind = 'concat'") == [("6", 0)]
    assert sorted(wires(model)[-2][1]) == ["merge_1/sequential/left", "merge_1/sequential_1/right"]


# Where the shape of the input is stated


@pytest.mark.parametrize(
    "config",
    [
        sequential(entry("Dense", name="d", units=3, batch_input_shape=[None, 4])),
        sequential(entry("Dense", name="d", units=3, input_shape=[4])),
        sequential(entry("InputLayer", name="i", batch_input_shape=[None, 4]), entry("Dense", name="d", units=3)),
        sequential(entry("InputLayer", name="i", batch_shape=[None, 4]), entry("Dense", name="d", units=3)),
        sequential(entry("Dense", name="d", units=3), build_input_shape=[None, 4]),
        sequential(
            entry("Dense", name="d", units=3), build_input_shape={"class_name": "__tuple__", "items": [None, 4]}
        ),
        sequential({**entry("Dense", name="d", units=3), "build_config": {"input_shape": [None, 4]}}),
        sequential(
            entry("InputLayer", name="i", batch_input_shape={"class_name": "TensorShape", "items": [None, 4]}),
            entry("Dense", name="d", units=3),
        ),
    ],
    ids=[
        "batch_input_shape of the first layer",
        "input_shape of the first layer",
        "batch_input_shape of an InputLayer",
        "batch_shape of an InputLayer",
        "build_input_shape of the model",
        "a boxed build_input_shape",
        "build_config of the first layer",
        "a boxed batch_input_shape",
    ],
)
def test_the_input_shape_is_found_wherever_the_dialect_states_it(tmp_path, config):
    path = write_h5(tmp_path / "m.h5", config)
    assert query(path, "SELECT input_shape, params FROM layer WHERE name = 'd'") == [("4", 15)]


def test_without_an_input_shape_shapes_are_unknown_not_wrong(tmp_path):
    path = write_h5(tmp_path / "m.h5", sequential(entry("Dense", name="d", units=3)))
    assert query(path, "SELECT units, input_shape, params FROM layer WHERE name = 'd'") == [(3, None, None)]


def test_open_dimensions_of_the_input_stay_open(tmp_path):
    conv = entry("Conv2D", name="c", filters=2, kernel_size=[3, 3], batch_input_shape=[None, None, None, 3])
    path = write_h5(tmp_path / "m.h5", sequential(conv))
    assert query(path, "SELECT output_shape, params FROM layer WHERE name = 'c'") == [("?x?x2", 56)]


# How layers refer to each other in Keras 1 and 2


def functional(*layers, inputs, outputs):
    return {
        "class_name": "Model",
        "config": {"name": "model", "layers": list(layers), "input_layers": inputs, "output_layers": outputs},
    }


def called(class_name, name, nodes, **config):
    return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}


X, Y = (called("InputLayer", name, [], batch_input_shape=[None, 4]) for name in "xy")


@pytest.mark.parametrize(
    "node",
    [
        [["x", 0, 0], ["y", 0, 0]],
        [["x", 0, 0, {}], ["y", 0, 0, {}]],
        [["x", 0, 0, {"b": ["y", 0, 0]}]],
        ["x", 0, 0, {"y": ["y", 0, 0], "name": None}],
        {"args": [["x", 0, 0], ["y", 0, 0]], "kwargs": {}},
    ],
    ids=["Keras 1", "Keras 2", "keyword", "one flat reference", "Keras 3 with bare references"],
)
def test_every_form_of_an_inbound_node_names_the_same_tensors(tmp_path, node):
    custom = called("L1Dist", "l1", [node], trainable=True)
    path = write_h5(
        tmp_path / "m.h5", functional(X, Y, custom, inputs=[["x", 0, 0], ["y", 0, 0]], outputs=[["l1", 0, 0]])
    )
    model = read(path)
    assert wires(model) == [("x", []), ("y", []), ("l1", ["x", "y"])]
    assert kinds(model)["l1"] == "custom"


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        ([["a", 0, 0]], ["a"]),
        (["a", 0, 0], ["a"]),
        ([["a", 0, 0], ["b", 0, 0]], ["a", "b"]),
        ({"second": ["b", 0, 0], "first": ["a", 0, 0]}, ["first", "second"]),
    ],
    ids=["list", "flat", "two", "by name"],
)
def test_every_form_of_output_layers_is_read(tmp_path, outputs, names):
    layers = [called("Dense", name, [[["x", 0, 0, {}]]], units=2) for name in "ab"]
    model = read(write_h5(tmp_path / "m.h5", functional(X, *layers, inputs=["x", 0, 0], outputs=outputs)))
    assert [output.name for output in model.outputs] == names
    assert [wires(model)[output.tensor.call][0] for output in model.outputs] == [
        "b" if name in "b second" else "a" for name in names
    ]


def test_layers_are_ordered_by_the_graph_not_by_the_list(tmp_path):
    last = called("Dense", "last", [[["first", 0, 0, {}]]], units=2)
    first = called("Dense", "first", [[["x", 0, 0, {}]]], units=3)
    model = read(
        write_h5(tmp_path / "m.h5", functional(last, first, X, inputs=[["x", 0, 0]], outputs=[["last", 0, 0]]))
    )
    assert wires(model) == [("x", []), ("first", ["x"]), ("last", ["first"])]


def test_a_tensorflow_op_layer_is_the_operation_in_its_node_definition(tmp_path):
    operation = called(
        "TensorFlowOpLayer",
        "t",
        [[["x", 0, 0, {}]]],
        node_def={"op": "Transpose", "name": "t", "input": ["x", "t/perm"], "attr": {}},
        constants={"1": [0, 2, 1]},
    )
    source = called("InputLayer", "x", [], batch_input_shape=[None, 5, 8])
    path = write_h5(tmp_path / "m.h5", functional(source, operation, inputs=[["x", 0, 0]], outputs=[["t", 0, 0]]))
    assert query(path, "SELECT kind, class_name, output_shape FROM layer WHERE name = 't'") == [
        ("permute", "TensorFlowOpLayer", "8x5")
    ]


def test_a_nested_model_whose_first_stored_call_is_number_one_is_followed(tmp_path):
    inner = {
        **functional(
            called("InputLayer", "in", [], batch_input_shape=[None, 4]),
            called("Dense", "d", [[["in", 0, 0, {}]]], units=4),
            inputs=[["in", 0, 0]],
            outputs=[["d", 0, 0]],
        ),
        "name": "inner",
        "inbound_nodes": [[["x", 0, 0, {}]], [["inner", 1, 0, {}]]],
    }
    head = called("Dense", "head", [[["inner", 2, 0, {}]]], units=1)
    path = write_h5(tmp_path / "m.h5", functional(X, inner, head, inputs=[["x", 0, 0]], outputs=[["head", 0, 0]]))
    assert wires(read(path)) == [("x", []), ("inner/d", ["x"]), ("inner/d", ["inner/d"]), ("head", ["inner/d"])]


def test_monte_carlo_dropout_keeps_its_training_argument(tmp_path):
    drop = called("Dropout", "drop", [[["x", 0, 0, {"training": True}]]], rate=0.5)
    model = read(write_h5(tmp_path / "m.h5", functional(X, drop, inputs=[["x", 0, 0]], outputs=[["drop", 0, 0]])))
    assert model.calls[1].constants == {"training": True}


# Settings


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("he_normal", "he_normal"),
        ("uniform", "random_uniform"),
        ("zero", "zeros"),
        ({"class_name": "HeNormal", "config": {"seed": None}}, "he_normal"),
        ({"class_name": "GlorotUniformV2", "config": {}}, "glorot_uniform"),
        (
            {"class_name": "VarianceScaling", "config": {"scale": 2.0, "mode": "fan_in", "distribution": "normal"}},
            "he_normal",
        ),
        (
            {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform"}},
            "glorot_uniform",
        ),
        (
            {
                "class_name": "VarianceScaling",
                "config": {"scale": 1.0, "mode": "fan_in", "distribution": "truncated_normal"},
            },
            "lecun_normal",
        ),
        (
            {"class_name": "VarianceScaling", "config": {"scale": 1.5, "mode": "fan_in", "distribution": "normal"}},
            "variance_scaling",
        ),
        (
            {
                "module": "keras.initializers",
                "class_name": "RandomNormal",
                "config": {"stddev": 0.1},
                "registered_name": None,
            },
            "random_normal",
        ),
        ({"module": "my", "class_name": "Mine", "config": {}, "registered_name": "my>Mine"}, "mine"),
    ],
)
def test_every_form_of_an_initializer_has_its_name(tmp_path, stated, name):
    path = write_h5(tmp_path / "m.h5", sequential(entry("Dense", name="d", units=3, kernel_initializer=stated)))
    assert query(path, "SELECT initializer FROM layer WHERE name = 'd'") == [(name,)]


@pytest.mark.parametrize(
    ("stated", "factors"),
    [
        (None, (0.0, 0.0)),
        ("l2", (0.0, 0.01)),
        ({"name": "WeightRegularizer", "l1": 0.1, "l2": 0.2}, (0.1, 0.2)),
        ({"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}}, (0.1, 0.2)),
        ({"class_name": "L2", "config": {"l2": 0.2}}, (0.0, 0.2)),
        (
            {"module": "keras.regularizers", "class_name": "L1", "config": {"l1": 0.3}, "registered_name": None},
            (0.3, 0.0),
        ),
    ],
)
def test_every_form_of_a_regularizer_has_its_factors(tmp_path, stated, factors):
    path = write_h5(tmp_path / "m.h5", sequential(entry("Dense", name="d", units=3, kernel_regularizer=stated)))
    assert query(path, "SELECT l1, l2 FROM layer WHERE name = 'd'") == [factors]


@pytest.mark.parametrize(
    ("stated", "policy"),
    [
        ("float32", "float32"),
        (None, None),
        ({"class_name": "Policy", "config": {"name": "mixed_float16"}}, "mixed_float16"),
        (
            {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "bfloat16"}, "registered_name": None},
            "bfloat16",
        ),
        (
            {
                "module": "keras",
                "class_name": "QuantizedDTypePolicy",
                "config": {"mode": "int8", "source_name": "float32"},
            },
            "float32",
        ),
    ],
)
def test_every_form_of_a_dtype_is_a_policy(tmp_path, stated, policy):
    path = write_h5(tmp_path / "m.h5", sequential(entry("Dense", name="d", units=3, dtype=stated)))
    assert query(path, "SELECT dtype_policy FROM model") == [(policy,)]


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("relu", "relu"),
        ("swish", "silu"),
        (None, "linear"),
        ("my_function", "custom"),
        ({"class_name": "ReLU", "config": {"max_value": 6.0}}, "relu6"),
        ({"class_name": "LeakyReLU", "config": {"alpha": 0.2}}, "leaky_relu"),
        ({"module": "builtins", "class_name": "function", "config": "gelu", "registered_name": "function"}, "gelu"),
        ({"module": "builtins", "class_name": "function", "config": "mine", "registered_name": "function"}, "custom"),
    ],
)
def test_every_form_of_an_activation_has_its_name(tmp_path, stated, name):
    path = write_h5(tmp_path / "m.h5", sequential(entry("Dense", name="d", units=3, activation=stated)))
    assert query(path, "SELECT activation FROM layer WHERE name = 'd'") == [(name,)]


@pytest.mark.parametrize(
    "function",
    [
        "\u00e3\u0001",
        ["4wEAAAAA", None, None],
        {"class_name": "__lambda__", "config": {"code": "4wE"}},
        "lambda x: x * 2",
    ],
)
def test_every_form_of_a_lambda_is_opaque(tmp_path, function):
    listed = entry("Lambda", name="lam", function=function, function_type="lambda", batch_input_shape=[None, 4])
    path = write_h5(tmp_path / "m.h5", sequential(listed))
    assert query(path, "SELECT kind, opaque FROM layer WHERE name = 'lam'") == [("lambda", 1)]


@pytest.mark.parametrize(
    ("extra", "class_name"),
    [
        ({"module": None, "registered_name": "probe>Dense"}, "Dense"),
        ({"module": "my_package.layers", "registered_name": "Dense"}, "Dense"),
        ({}, "probe>Dense"),
        ({}, "DenseNotOfKeras"),
    ],
)
def test_a_class_of_the_authors_own_is_custom_whatever_its_name(tmp_path, extra, class_name):
    own = {**entry(class_name, name="own", units=3, trainable=True, dtype="float32"), **extra}
    path = write_keras(tmp_path / "m.keras", sequential(entry("InputLayer", name="i", batch_shape=[None, 4]), own))
    assert query(path, "SELECT kind, opaque, params FROM layer WHERE name = 'own'") == [("custom", 1, None)]


@pytest.mark.parametrize(("class_name", "kind", "units"), [("Add", "arithmetic", None), ("Relu", "activation", None)])
def test_an_operation_in_an_h5_file_is_told_from_a_layer_by_its_empty_configuration(tmp_path, class_name, kind, units):
    node = {"args": [["x", 0, 0], 2.0], "kwargs": {}}
    operation = called(class_name, "op", [node])
    model = read(write_h5(tmp_path / "m.h5", functional(X, operation, inputs=["x", 0, 0], outputs=["op", 0, 0])))
    assert layer(model, "op").kind == kind
    assert model.calls[1].constants == {"1": 2.0}


def test_an_operation_that_archlint_does_not_know_is_opaque_but_has_no_weights(tmp_path):
    operation = called("Cumsum", "op", [{"args": [["x", 0, 0]], "kwargs": {"axis": 1}}])
    path = write_h5(tmp_path / "m.h5", functional(X, operation, inputs=["x", 0, 0], outputs=["op", 0, 0]))
    assert query(path, "SELECT kind, opaque, params FROM layer WHERE name = 'op'") == [("operation", 1, 0)]


def test_a_frozen_nested_model_freezes_all_that_is_in_it(tmp_path):
    inner = sequential(entry("Dense", name="d", units=3, trainable=True), name="inner", trainable=False)
    path = write_h5(
        tmp_path / "m.h5", sequential(inner, entry("Dense", name="head", units=1), build_input_shape=[None, 4])
    )
    assert query(path, "SELECT name, trainable, params, trainable_params FROM layer WHERE kind = 'dense'") == [
        ("inner/d", 0, 15, 0),
        ("head", 1, 4, 4),
    ]


def test_a_model_without_any_parameter_is_read(tmp_path):
    path = write_h5(tmp_path / "m.h5", sequential(entry("Flatten", name="f", batch_input_shape=[None, 2, 3])))
    assert query(path, "SELECT params, depth FROM model") == [(0, 0)]


# What Keras 3 and tf_keras write themselves


def _keras_3_models(keras):
    layers, ops = keras.layers, keras.ops

    @keras.saving.register_keras_serializable(package="probe")
    class MyDense(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 3))

        def call(self, x):
            return ops.matmul(x, self.kernel)

    def source(name, *shape):
        return keras.Input(shape, name=name)

    def twice_nested():
        a, b, c = source("a", 4), source("b", 4), source("c", 4)
        inner = keras.Model(a, layers.Dense(4, name="d")(a), name="inner")
        middle = keras.Model(b, inner(inner(b)), name="middle")
        middle.trainable = False
        return keras.Model(c, layers.Dense(1, name="head")(middle(c)))

    def one_call_an_output():
        a, x, y = source("a", 4), source("x", 4), source("y", 4)
        inner = keras.Model(a, layers.Dense(4, name="d")(a), name="inner")
        first, second = inner(x), inner(y)
        return keras.Model([x, y], [first, layers.Dense(1, name="head")(second)])

    def swapped():
        a, b, x, y = source("a", 4), source("b", 4), source("x", 4), source("y", 4)
        first, second = keras.Model([a, b], [b, a], name="swap")([x, y])
        return keras.Model([x, y], [layers.Dense(1, name="p")(first), layers.Dense(2, name="q")(second)])

    def siamese():
        a, b = source("a", 4), source("b", 4)
        tower = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d")], name="tower")
        shared = layers.Dense(2, name="shared")
        return keras.Model([a, b], layers.Subtract(name="diff")([shared(tower(a)), shared(tower(b))]))

    def recurrent():
        x = source("x", 5, 3)
        forward = layers.LSTM(4, return_sequences=True, name="forward")
        backward = layers.GRU(4, return_sequences=True, go_backwards=True, activation="relu", name="backward")
        y = layers.Bidirectional(forward, backward_layer=backward, name="both")(x)
        cells = [layers.LSTMCell(4, name="one"), layers.GRUCell(2, name="two")]
        y = layers.RNN(cells, return_sequences=True, name="stack")(y)
        return keras.Model(x, layers.RNN(layers.SimpleRNNCell(3), name="last")(y))

    def both_ways_through_cells():
        x = source("x", 5, 3)
        cells = [layers.LSTMCell(4), layers.LSTMCell(2)]
        return keras.Model(x, layers.Bidirectional(layers.RNN(cells), name="both")(x))

    def time_distributed():
        x = source("x", 5, 8, 8, 1)
        net = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3, name="c"), layers.Flatten(name="f")])
        y = layers.TimeDistributed(net, name="net")(x)
        return keras.Model(x, layers.TimeDistributed(layers.Dense(3, activation="relu"), name="head")(y))

    def operations():
        x = source("x", 4, 4, 2)
        y = ops.concatenate([ops.relu((x + 1.0) * x), x], axis=-1)
        y = ops.mean(y[:, 1:, ...], axis=(1, 2))
        return keras.Model(x, layers.Dense(1, name="d")(ops.where(y > 0, y, -y / 2.0)))

    def keywords():
        q, v = source("q", 6, 4), source("v", 5, 4)
        y = layers.MultiHeadAttention(2, 3, name="attention")(query=q, value=v)
        state = [layers.Dense(3, name=name)(layers.GlobalMaxPooling1D(name=f"{name}_pool")(v)) for name in "hc"]
        y = layers.LSTM(3, name="lstm")(y, initial_state=state)
        return keras.Model([q, v], layers.Dropout(0.5, name="drop")(y, training=True))

    def states():
        x, y = source("x", 5, 3), source("y", 5, 3)
        _, hidden, carry = layers.LSTM(4, return_state=True, name="encoder")(x)
        return keras.Model([x, y], layers.LSTM(4, name="decoder")(y, initial_state=[hidden, carry]))

    def dictionaries():
        inputs = {"a": source("a", 4), "b": source("b", 3)}
        y = layers.Concatenate(name="cat")([inputs["a"], inputs["b"]])
        return keras.Model(inputs, {"p": layers.Dense(2, name="pd")(y), "q": layers.Dense(3, name="qd")(y)})

    def nested_dictionaries():
        a, b, x, y = source("a", 4), source("b", 3), source("x", 4), source("y", 3)
        heads = {"q": layers.Dense(3, name="qd")(b), "p": layers.Dense(2, name="pd")(a)}
        made = keras.Model({"b": b, "a": a}, heads, name="inner")({"b": y, "a": x})
        return keras.Model([x, y], [layers.ReLU(name="q")(made["q"]), layers.ReLU(name="p")(made["p"])])

    def mixed():
        x = source("x", 4)
        y = layers.Dense(8, dtype="mixed_float16", name="d")(x)
        return keras.Model(x, layers.Dense(2, dtype="float32", activation="softmax", name="head")(y))

    def custom():
        x = source("x", 4)
        y = layers.Lambda(lambda tensor: tensor * 2, name="lambda")(MyDense(name="mine")(x))
        return keras.Model(x, layers.Dense(1, name="head")(y))

    def quantized():
        model = keras.Sequential([keras.Input((4,)), layers.Dense(8, name="one"), layers.Dense(2, name="two")])
        model.quantize("int8")
        return model

    def built_later():
        model = keras.Sequential([layers.Dense(3, name="one"), layers.Dense(2, name="two")])
        model.build((None, 7))
        return model

    return (
        twice_nested,
        one_call_an_output,
        swapped,
        siamese,
        recurrent,
        both_ways_through_cells,
        time_distributed,
        operations,
        keywords,
        states,
        dictionaries,
        nested_dictionaries,
        mixed,
        custom,
        quantized,
        built_later,
    )


def _keras_2_models(keras, tf):
    layers = keras.layers

    class L1Dist(layers.Layer):
        def call(self, a, validation_embed=None):
            return tf.abs(a - validation_embed)

    def source(name, *shape):
        return keras.Input(shape, name=name)

    def nested():
        x, a = source("x", 4), source("a", 3)
        inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d"), layers.ReLU(name="r")], name="inner")
        heads = keras.Model(a, [layers.Dense(2, name="two")(a), layers.Dense(5, name="five")(a)], name="heads")
        heads.trainable = False
        first, second = heads(inner(x))
        return keras.Model(x, [layers.Dense(1, name="p")(first), layers.Dense(1, name="q")(second)])

    def siamese():
        a, b = source("a", 4), source("b", 4)
        tower = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d")], name="tower")
        shared = layers.Dense(2, name="shared")
        return keras.Model([a, b], layers.Subtract(name="diff")([shared(tower(a)), shared(tower(b))]))

    def operations():
        x = source("x", 4, 4, 2)
        y = tf.concat([tf.nn.relu((x + 1.0) * x), x], axis=-1)
        y = tf.reduce_mean(y[:, 1:, :3], axis=[1, 2])
        return keras.Model(x, layers.Dense(1, name="d")(tf.multiply(2.0, y)))

    def keyword():
        a, b = source("a", 4), source("b", 4)
        return keras.Model([a, b], L1Dist(name="l1")(a, validation_embed=b))

    def pieces():
        x = source("x", 4)
        first, second = tf.split(x, 2, axis=1)
        return keras.Model(x, layers.Add(name="plus")([second, first]))

    def dictionaries():
        a, b, x, y = source("a", 4), source("b", 3), source("x", 4), source("y", 3)
        heads = {"p": layers.Dense(2, name="pd")(a), "q": layers.Dense(3, name="qd")(b)}
        made = keras.Model({"a": a, "b": b}, heads, name="inner")({"b": y, "a": x})
        return keras.Model([x, y], [layers.ReLU(name="q")(made["q"]), layers.ReLU(name="p")(made["p"])])

    return nested, siamese, operations, keyword, pieces, dictionaries


def _saved(keras, models, folder):
    folder.mkdir()
    for build in models:
        model = build()
        for ending in ("h5", "keras"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.save(folder / f"{build.__name__}.{ending}")
    return folder


@pytest.fixture(scope="session")
def keras_3(tmp_path_factory):
    keras = pytest.importorskip("keras")
    return _saved(keras, _keras_3_models(keras), tmp_path_factory.mktemp("dialects") / "keras_3")


@pytest.fixture(scope="session")
def keras_2(tmp_path_factory):
    keras = pytest.importorskip("tf_keras")
    models = _keras_2_models(keras, pytest.importorskip("tensorflow"))
    return _saved(keras, models, tmp_path_factory.mktemp("dialects") / "keras_2")


both_endings = pytest.mark.parametrize("ending", ["h5", "keras"])


@both_endings
def test_keras_3_nested_models_called_twice_are_followed_call_by_call(keras_3, ending):
    path = keras_3 / f"twice_nested.{ending}"
    assert wires(read(path)) == [
        ("c", []),
        ("middle/inner/d", ["c"]),
        ("middle/inner/d", ["middle/inner/d"]),
        ("head", ["middle/inner/d"]),
    ]
    assert query(path, "SELECT name, calls, trainable, params FROM layer WHERE kind = 'dense'") == [
        ("middle/inner/d", 2, 0, 20),
        ("head", 1, 1, 5),
    ]


@both_endings
def test_keras_3_numbers_calls_differently_in_lists_of_outputs(keras_3, ending):
    model = read(keras_3 / f"one_call_an_output.{ending}")
    assert wires(model) == [("x", []), ("y", []), ("inner/d", ["x"]), ("inner/d", ["y"]), ("head", ["inner/d"])]
    assert model.calls[4].inputs[0].call == 3
    assert [output.tensor.call for output in model.outputs] == [2, 4]


@both_endings
def test_keras_3_nested_models_may_hand_inputs_through(keras_3, ending):
    assert wires(read(keras_3 / f"swapped.{ending}")) == [("x", []), ("y", []), ("p", ["y"]), ("q", ["x"])]


@pytest.mark.parametrize("version", ["keras_2", "keras_3"])
@both_endings
def test_siamese_towers_are_one_layer_called_twice(request, version, ending):
    path = request.getfixturevalue(version) / f"siamese.{ending}"
    assert sorted(wires(read(path))) == [
        ("a", []),
        ("b", []),
        ("diff", ["shared", "shared"]),
        ("shared", ["tower/d"]),
        ("shared", ["tower/d"]),
        ("tower/d", ["a"]),
        ("tower/d", ["b"]),
    ]
    assert query(path, "SELECT name, calls, params FROM layer WHERE kind = 'dense' ORDER BY name") == [
        ("shared", 2, 8),
        ("tower/d", 2, 15),
    ]


@both_endings
def test_keras_3_wrapped_recurrent_layers_and_cells_are_layers(keras_3, ending):
    path = keras_3 / f"recurrent.{ending}"
    assert query(path, "SELECT name, kind, wrapper, output_shape, params FROM layer WHERE recurrent") == [
        ("both", "lstm", "Bidirectional", "5x8", 236),
        ("stack/one", "lstm", "RNN", "5x4", 208),
        ("stack/two", "gru", "RNN", "5x2", 48),
        ("last", "simple_rnn", "RNN", "3", 18),
    ]
    backward = layer(read(path), "both").backward
    assert (backward.kind, backward.args["activation"], backward.args["units"]) == ("gru", "relu", 4)


@both_endings
def test_keras_3_stacked_cells_run_both_ways_are_one_recurrent_layer(keras_3, ending):
    path = keras_3 / f"both_ways_through_cells.{ending}"
    assert query(path, "SELECT name, kind, wrapper FROM layer WHERE id") == [("both", "rnn", "Bidirectional(RNN)")]


@both_endings
def test_keras_3_time_distributed_models_are_unfolded(keras_3, ending):
    path = keras_3 / f"time_distributed.{ending}"
    assert query(path, "SELECT name, kind, output_shape, params, activation FROM layer WHERE id") == [
        ("net/c", "conv", "5x6x6x2", 20, "linear"),
        ("net/f", "flatten", "5x72", 0, None),
        ("head", "dense", "5x3", 219, "relu"),
    ]
    assert [layer.time_distributed for layer in read(path).layers] == [0, 1, 1, 1]


@both_endings
def test_keras_3_operations_are_layers_with_their_constants(keras_3, ending):
    model = read(keras_3 / f"operations.{ending}")
    assert dict(wires(model)) == {
        "x": [],
        "add": ["x"],
        "multiply": ["add", "x"],
        "relu": ["multiply"],
        "concatenate": ["relu", "x"],
        "get_item": ["concatenate"],
        "mean": ["get_item"],
        "greater": ["mean"],
        "negative": ["mean"],
        "true_divide": ["negative"],
        "where": ["greater", "mean", "true_divide"],
        "d": ["where"],
    }
    assert list(kinds(model).values()) == (
        "input arithmetic multiply activation concat slice reduce arithmetic arithmetic arithmetic where dense".split()
    )
    assert model.calls[1].constants == {"1": 1.0}
    assert query(keras_3 / f"operations.{ending}", "SELECT output_shape FROM layer WHERE name = 'get_item'") == [
        ("3x4x4",)
    ]
    assert query(keras_3 / f"operations.{ending}", "SELECT params FROM model") == [(5,)]


@both_endings
def test_keras_3_tensors_in_keyword_arguments_are_inputs(keras_3, ending):
    model = read(keras_3 / f"keywords.{ending}")
    connected = dict(wires(model))
    assert connected["attention"] == ["q", "v"]
    assert connected["lstm"] == ["attention", "h", "c"]
    assert model.calls[-1].constants == {"training": True}


@both_endings
def test_keras_3_later_outputs_of_a_layer_are_told_apart(keras_3, ending):
    assert dict(wires(read(keras_3 / f"states.{ending}")))["decoder"] == ["y", "encoder:1", "encoder:2"]


@both_endings
def test_keras_3_outputs_in_a_dict_have_their_keys_as_names(keras_3, ending):
    model = read(keras_3 / f"dictionaries.{ending}")
    assert [(output.name, model.layers[output.tensor.call].name) for output in model.outputs] == [
        ("p", "pd"),
        ("q", "qd"),
    ]
    assert dict(wires(model))["cat"] == ["a", "b"]


@both_endings
def test_keras_3_policies_belong_to_layers(keras_3, ending):
    model = read(keras_3 / f"mixed.{ending}")
    assert [layer.args["dtype"] for layer in model.layers[1:]] == ["mixed_float16", "float32"]


@both_endings
def test_keras_3_registered_layers_and_lambdas_are_opaque(keras_3, ending):
    path = keras_3 / f"custom.{ending}"
    assert query(path, "SELECT name, kind, opaque, output_shape FROM layer WHERE id") == [
        ("mine", "custom", 1, "3"),
        ("lambda", "lambda", 1, "3"),
        ("head", "dense", 0, "1"),
    ]


def test_what_the_settings_do_not_tell_is_counted_in_the_stored_weights(keras_3):
    assert query(keras_3 / "custom.h5", "SELECT params FROM layer WHERE name = 'mine'") == [(12,)]
    assert query(keras_3 / "quantized.h5", "SELECT params FROM layer WHERE id") == [(48,), (20,)]
    assert query(keras_3 / "both_ways_through_cells.h5", "SELECT params FROM layer WHERE name = 'both'") == [(368,)]


@both_endings
def test_keras_3_sequentials_without_input_know_what_they_were_built_on(keras_3, ending):
    assert query(keras_3 / f"built_later.{ending}", "SELECT name, params FROM layer WHERE kind = 'dense'") == [
        ("one", 24),
        ("two", 8),
    ]


@both_endings
def test_keras_2_nested_models_are_unfolded_with_all_their_outputs(keras_2, ending):
    path = keras_2 / f"nested.{ending}"
    assert wires(read(path)) == [
        ("x", []),
        ("inner/d", ["x"]),
        ("inner/r", ["inner/d"]),
        ("heads/two", ["inner/r"]),
        ("heads/five", ["inner/r"]),
        ("p", ["heads/two"]),
        ("q", ["heads/five"]),
    ]
    assert query(path, "SELECT name FROM layer WHERE NOT trainable") == [("heads/two",), ("heads/five",)]


@both_endings
def test_keras_2_operations_are_layers_with_their_constants(keras_2, ending):
    model = read(keras_2 / f"operations.{ending}")
    assert [(layer.kind, layer.class_name) for layer in model.layers] == [
        ("input", "InputLayer"),
        ("arithmetic", "TFOpLambda"),
        ("multiply", "TFOpLambda"),
        ("activation", "TFOpLambda"),
        ("concat", "TFOpLambda"),
        ("slice", "SlicingOpLambda"),
        ("reduce", "TFOpLambda"),
        ("arithmetic", "TFOpLambda"),
        ("dense", "Dense"),
    ]
    assert [len(call.inputs) for call in model.calls] == [0, 1, 2, 1, 2, 1, 1, 1, 1]
    assert model.calls[1].constants == {"y": 1.0}
    assert model.calls[7].constants == {"0": 2.0}
    assert query(keras_2 / f"operations.{ending}", "SELECT output_shape FROM layer WHERE kind = 'slice'") == [
        ("3x3x4",)
    ]


@both_endings
def test_keras_2_tensors_in_keyword_arguments_are_inputs(keras_2, ending):
    assert dict(wires(read(keras_2 / f"keyword.{ending}")))["l1"] == ["a", "b"]


@both_endings
def test_keras_2_later_outputs_of_an_operation_are_told_apart(keras_2, ending):
    assert dict(wires(read(keras_2 / f"pieces.{ending}")))["plus"] == ["tf.split:1", "tf.split"]


@pytest.mark.parametrize("made", ["keras_2/dictionaries", "keras_3/nested_dictionaries"])
@both_endings
def test_nested_models_with_dicts_are_connected_by_name(request, made, ending):
    version, name = made.split("/")
    path = request.getfixturevalue(version) / f"{name}.{ending}"
    connected = dict(wires(read(path)))
    assert (connected["inner/pd"], connected["inner/qd"]) == (["x"], ["y"])
    assert (connected["p"], connected["q"]) == (["inner/pd"], ["inner/qd"])
    assert query(path, "SELECT name, params FROM layer WHERE kind = 'dense' ORDER BY name") == [
        ("inner/pd", 10),
        ("inner/qd", 12),
    ]
