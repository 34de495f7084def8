"""What single operations mean as layers: settings that are data, left out or malformed included."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support import query, read
from test_onnx_patterns import kinds, write

IMAGE = "float[N,4,8,8] x"
SEQUENCE = "float[5,N,8] x"


def layer(path):
    """The last layer of a model."""
    return read(path).layers[-1]


@pytest.mark.parametrize(
    ("body", "inputs", "kernel"),
    [
        ("y = Gemm(x, k, h)", "float[N,8] x, float[N,4] h", (8, 4)),
        ("y = Conv(x, k, h)", f"{IMAGE}, float[6] h", (6, 4, 3, 3)),
    ],
)
def test_a_kernel_with_a_bias_that_is_data_stays_opaque(tmp_path, body, inputs, kernel):
    path = write(tmp_path / "m.onnx", body, inputs, weights={"k": kernel})
    assert kinds(path) == ["operation"]
    assert query(path, "SELECT params FROM model") == [(np.prod(kernel),)]
    assert len(read(path).calls[-1].inputs) == 2


@pytest.mark.parametrize("kernel", ["MatMul(x, k)", "Conv(x, k)"])
def test_one_number_added_behind_a_kernel_is_no_bias(tmp_path, kernel):
    inputs, shape = ("float[N,8] x", (8, 4)) if "MatMul" in kernel else (IMAGE, (6, 4, 3, 3))
    path = write(tmp_path / "m.onnx", f"c = {kernel} y = Add(c, e)", inputs, weights={"k": shape, "e": 1e-6})
    assert kinds(path) == ["dense" if "MatMul" in kernel else "conv", "arithmetic"]


def test_one_number_added_behind_a_kernel_of_one_channel_is_its_bias(tmp_path):
    path = write(tmp_path / "m.onnx", "c = Conv(x, k) y = Add(c, e)", IMAGE, weights={"k": (1, 4, 3, 3), "e": 0.5})
    assert query(path, "SELECT kind, use_bias, params FROM layer WHERE affine") == [("conv", 1, 37)]


@pytest.mark.parametrize(
    ("call", "rate"), [("Dropout(x)", 0.5), ("Dropout(x, quarter)", 0.25), ("Dropout(x, r)", None)]
)
def test_a_dropout_has_the_default_rate_only_if_none_is_given(tmp_path, call, rate):
    path = write(tmp_path / "m.onnx", f"y = {call}", "float[N,8] x, float r", weights={"quarter": 0.25})
    assert query(path, "SELECT rate FROM layer WHERE kind = 'dropout'") == [(rate,)]


@pytest.mark.parametrize(
    ("limits", "kind"),
    [("zero", "relu"), ("zero, six", "relu6"), ("zero, r", "arithmetic"), ("r", "arithmetic"), (", six", "arithmetic")],
)
def test_a_clip_is_an_activation_only_if_both_its_limits_are_known(tmp_path, limits, kind):
    path = write(
        tmp_path / "m.onnx", f"y = Clip(x, {limits})", "float[N,8] x, float r", weights={"zero": 0.0, "six": 6.0}
    )
    assert kinds(path) == [kind]


@pytest.mark.parametrize(
    ("body", "outputs", "sequences"),
    [
        ("y, h = GRU<hidden_size=4>(x, w, r)", "y", 1),
        ("a, h = GRU<hidden_size=4>(x, w, r) y = Relu(a)", "y", 1),
        ("a, y = GRU<hidden_size=4>(x, w, r)", "y", 0),
        (", y = GRU<hidden_size=4>(x, w, r)", "y", 0),
    ],
)
def test_a_recurrent_layer_returns_sequences_if_anything_takes_them(tmp_path, body, outputs, sequences):
    path = write(tmp_path / "m.onnx", body, SEQUENCE, outputs, weights={"w": (1, 12, 8), "r": (1, 12, 4)})
    assert query(path, "SELECT return_sequences FROM layer WHERE recurrent") == [(sequences,)]


@pytest.mark.parametrize(
    ("body", "weights", "held"),
    [
        ("LayerNormalization(x, g, b)", "g b", {"gamma": (8,), "beta": (8,)}),
        ("LayerNormalization(x, s)", "", {}),
        ("com.microsoft.SkipLayerNormalization(x, s, g, b)", "g b", {"gamma": (8,), "beta": (8,)}),
        ("com.microsoft.SkipLayerNormalization(x, s, g, , c)", "g c", {"gamma": (8,), "bias": (8,)}),
        ("PRelu(x, g)", "g", {"alpha": (8,)}),
        ("PRelu(x, s)", "", {}),
        ("com.microsoft.BiasGelu(x, b)", "b", {"bias": (8,)}),
        ("com.microsoft.FastGelu(x, b)", "b", {"bias": (8,)}),
    ],
)
def test_weights_are_the_inputs_that_are_constant(tmp_path, body, weights, held):
    path = write(
        tmp_path / "m.onnx", f"y = {body}", "float[N,8] x, float[8] s", weights=dict.fromkeys(weights.split(), (8,))
    )
    assert {weight.name: weight.shape for weight in layer(path).weights} == held


def test_a_convolution_with_a_sum_inside_stays_opaque(tmp_path):
    body = "h = Relu(x) y = com.microsoft.FusedConv(x, k, b, h)"
    path = write(tmp_path / "m.onnx", body, IMAGE, weights={"k": (4, 4, 1, 1), "b": (4,)})
    assert kinds(path) == ["relu", "operation"]
    assert query(path, "SELECT params FROM model") == [(20,)]


@pytest.mark.parametrize(
    ("attributes", "padding"),
    [
        ("pads=[0,0,0,0]", "valid"),
        ("pads=[1,1,1,1]", "same"),
        ("pads=[1,1,1,1], strides=[2,2]", "explicit"),
        ("pads=[0,0,1,1], strides=[2,2]", "same"),
        ("pads=[1,1,1,1], strides=[2,2], output_padding=[1,1]", "same"),
        ("pads=[2,2,2,2], dilations=[2,2]", "same"),
    ],
)
def test_a_transposed_convolution_is_padded_as_keras_does_if_it_multiplies_the_size(tmp_path, attributes, padding):
    path = write(tmp_path / "m.onnx", f"y = ConvTranspose<{attributes}>(x, k)", IMAGE, weights={"k": (4, 2, 3, 3)})
    ((found, shape),) = query(path, "SELECT padding, output_shape FROM layer WHERE affine")
    assert found == padding
    assert (shape in ("2x8x8", "2x16x16")) == (padding == "same")


@pytest.mark.parametrize(
    ("dtype", "kind"), [(np.float32, "embedding"), (np.float16, "embedding"), (np.int64, "operation")]
)
def test_only_a_table_of_floats_is_an_embedding(tmp_path, dtype, kind):
    path = write(tmp_path / "m.onnx", "y = Gather(t, x)", "int64[N] x")
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((10, 3), dtype), "t"))
    onnx.save(model, path)
    assert kinds(path) == [kind]


MALFORMED = [
    ("Conv", "image kernel", {"group": "one"}),
    ("Conv", "image kernel", {"group": 3}),
    ("Conv", "image kernel", {"group": 0}),
    ("Conv", "image kernel", {"pads": 1}),
    ("Conv", "image kernel", {"pads": [1, 1]}),
    ("Conv", "image kernel", {"pads": [0.5] * 4}),
    ("Conv", "image kernel", {"strides": [1, 2, 3]}),
    ("Conv", "image kernel", {"dilations": "two"}),
    ("Conv", "image kernel", {"auto_pad": 1}),
    ("Conv", "image kernel", {"auto_pad": "SOME"}),
    ("ConvTranspose", "image kernel", {"pads": [1] * 4, "output_padding": "one"}),
    ("MaxPool", "image", {"kernel_shape": ["a", "b"]}),
    ("MaxPool", "image", {"kernel_shape": 2}),
    ("MaxPool", "image", {}),
    ("Transpose", "image", {"perm": [0.5]}),
    ("ReduceMean", "image", {"axes": "all"}),
    ("ReduceMean", "image", {"axes": [9]}),
    ("Concat", "image image", {"axis": "last"}),
    ("Softmax", "image", {"axis": [1]}),
    ("LeakyRelu", "image", {"alpha": "small"}),
    ("GroupNormalization", "image four four", {"num_groups": 2.0}),
    ("GroupNormalization", "image four four", {}),
    ("LayerNormalization", "image four four", {"axis": 0.5}),
    ("InstanceNormalization", "image four four", {"epsilon": "tiny"}),
    ("BatchNormalization", "image four four four four", {"epsilon": [1.0]}),
    ("BatchNormalization", "image four four four four", {"momentum": "some", "training_mode": 1}),
    ("BatchNormalization", "image", {}),
    ("Einsum", "image kernel", {"equation": 1}),
    ("GRU", "image kernel kernel", {"activations": 1}),
    ("Gemm", "image", {}),
    ("Conv", "image", {}),
    ("Gather", "image", {}),
    ("Conv", "", {}),
]


@pytest.mark.parametrize(("op", "inputs", "attributes"), MALFORMED)
def test_a_malformed_operation_is_opaque(tmp_path, op, inputs, attributes):
    node = helper.make_node(op, inputs.split(), ["y"], **attributes)
    relu = helper.make_node("Relu", ["image"], ["z"])
    weights = {"kernel": (4, 4, 3, 3), "four": (4,)}
    initializers = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()]
    image = helper.make_tensor_value_info("image", 1, ["N", 4, 8, 8])
    outputs = [helper.make_tensor_value_info(name, 1, None) for name in "yz"]
    graph = helper.make_graph([node, relu], "net", [image], outputs, initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    (found,) = [item for item in read(tmp_path / "m.onnx").layers if item.class_name == op]
    assert found.kind == "operation"


@pytest.mark.parametrize("axis", [np.inf, np.nan])
def test_axes_that_are_no_integers_are_not_known(tmp_path, axis):
    path = write(tmp_path / "m.onnx", "y = ReduceMean(x, axes)", IMAGE, weights={"axes": [axis]})
    assert layer(path).args.get("axes") is None
