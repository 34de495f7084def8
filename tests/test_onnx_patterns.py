"""What graphs of operators mean as layers: written in ONNX's text syntax, read through the front door."""

import numpy as np
import onnx
import pytest
from onnx import defs, external_data_helper, helper, numpy_helper, parser
from support import query, read

from archlint.errors import ReadError
from archlint.readers.onnx.operators import NEWEST_OPSET, OPERATORS

HEADER = '<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1, "elsewhere" : 1]>'


def write(path, body, inputs="float[N,8] x", outputs="y", weights=None):
    """A model with that body; `weights` are shapes or numbers by name, numbers in the body stand for themselves."""
    declared = ", ".join(f"float {name}" for name in outputs.split())
    model = parser.parse_model(f"{HEADER} net ({inputs}) => ({declared}) {{ {body} }}")
    for name, weight in (weights or {}).items():
        random = np.random.default_rng(0)
        value = random.normal(size=weight) if isinstance(weight, tuple) else np.array(weight)
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    path.write_bytes(model.SerializeToString())
    return path


def kinds(path):
    """What the model is made of: kinds, of activations their names."""
    rows = query(path, "SELECT kind, activation FROM layer WHERE kind IS NOT 'input' ORDER BY id")
    return [activation if kind == "activation" else kind for kind, activation in rows]


ONES = {"half": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "six": 6.0, "zero": 0.0, "sqrt2": 2**0.5, "small": 1e-5}

ACTIVATIONS = {
    "silu": ["s = Sigmoid(x) y = Mul(s, x)", "n = Neg(x) e = Exp(n) d = Add(e, one) y = Div(x, d)"],
    "gelu": [
        "d = Div(x, sqrt2) e = Erf(d) a = Add(e, one) m = Mul(x, a) y = Mul(m, half)",
        "h = Mul(half, x) d = Div(x, sqrt2) e = Erf(d) a = Add(one, e) y = Mul(h, a)",
        "y = com.microsoft.FastGelu(x)",
    ],
    "hard_silu": ["a = Add(x, three) c = Clip(a, zero, six) d = Div(c, six) y = Mul(x, d)", "y = HardSwish(x)"],
    "hard_sigmoid": ["a = Add(three, x) c = Clip(a, zero, six) y = Div(c, six)"],
    "relu": ["y = Max(x, zero)", "y = Clip(x, zero)", "y = Relu(x)"],
    "relu6": ["y = Clip(x, zero, six)", "m = Min(x, six) y = Max(m, zero)"],
    "mish": ["p = Softplus(x) t = Tanh(p) y = Mul(x, t)"],
    "softsign": ["a = Abs(x) p = Add(a, one) y = Div(x, p)"],
    "softplus": ["e = Exp(x) a = Add(e, one) y = Log(a)"],
    "sigmoid": ["n = Neg(x) e = Exp(n) a = Add(e, one) y = Div(one, a)"],
    "softmax": [
        "m = ReduceMax<axes=[1]>(x) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, axis) y = Div(e, s)",
    ],
}


@pytest.mark.parametrize(("name", "body"), [(name, body) for name, bodies in ACTIVATIONS.items() for body in bodies])
def test_an_activation_that_is_written_out_is_that_activation(tmp_path, name, body):
    body = body.replace("(e, axis)", "(e)")
    assert kinds(write(tmp_path / "m.onnx", body, weights=ONES)) == [name]


@pytest.mark.parametrize(
    ("why", "body", "found"),
    [
        ("another constant", "d = Div(x, six) e = Erf(d) a = Add(e, one) m = Mul(x, a) y = Mul(m, half)", "multiply"),
        ("two different values", "s = Sigmoid(z) y = Mul(s, x)", "multiply"),
        ("added, not multiplied", "s = Sigmoid(x) y = Add(s, x)", "add"),
        ("no clip at zero", "c = Clip(x, three, six) y = Neg(c)", "arithmetic"),
    ],
)
def test_what_only_looks_like_an_activation_is_none(tmp_path, why, body, found):
    path = write(tmp_path / "m.onnx", body, inputs="float[N,8] x, float[N,8] z", weights=ONES)
    assert found in kinds(path), why
    assert not {"gelu", "silu", "relu", "hard_silu"} & set(kinds(path)), why


def test_a_value_that_something_else_reads_is_not_put_away_into_a_layer(tmp_path):
    path = write(tmp_path / "m.onnx", "s = Sigmoid(x) y = Mul(s, x) z = Neg(s)", outputs="y z")
    assert kinds(path) == ["sigmoid", "multiply", "arithmetic"]


def test_an_output_of_the_model_is_not_put_away_into_a_layer(tmp_path):
    path = write(tmp_path / "m.onnx", "s = Sigmoid(x) y = Mul(s, x)", outputs="s y")
    assert kinds(path) == ["sigmoid", "multiply"]


NORMS = {
    "layer_norm": "m = ReduceMean<axes=[1]>(x) d = Sub(x, m) q = Mul(d, d) v = ReduceMean<axes=[1]>(q) "
    "a = Add(v, small) s = Sqrt(a) n = Div(d, s) g = Mul(n, w) y = Add(g, b)",
    "rms_norm": "q = Pow(x, two) v = ReduceMean<axes=[1]>(q) a = Add(v, small) s = Sqrt(a) r = Reciprocal(s) "
    "n = Mul(x, r) y = Mul(w, n)",
    "unit_norm": "n = ReduceL2<axes=[1]>(x) c = Clip(n, small) y = Div(x, c)",
}


@pytest.mark.parametrize(("kind", "body"), NORMS.items())
def test_a_norm_that_is_written_out_is_that_norm(tmp_path, kind, body):
    path = write(tmp_path / "m.onnx", body, weights={**ONES, "w": (8,), "b": (8,)})
    assert kinds(path) == [kind]
    assert query(path, "SELECT epsilon FROM layer WHERE norm") == [
        (pytest.approx(1e-5) if kind != "unit_norm" else None,)
    ]


def test_scale_and_shift_per_channel_behind_a_kernel_is_a_batch_norm_as_it_is_run(tmp_path):
    body = "c = MatMul(x, k) s = Mul(c, w) a = Add(s, b) y = Relu(a)"
    path = write(tmp_path / "m.onnx", body, weights={"k": (8, 4), "w": (4,), "b": (4,)})
    assert kinds(path) == ["dense", "batch_norm", "relu"]
    assert query(path, "SELECT name, params FROM layer WHERE weighted OR norm") == [("MatMul", 32), ("Add", 8)]


def test_scale_and_shift_of_the_input_is_a_standardization(tmp_path):
    path = write(tmp_path / "m.onnx", "d = Sub(x, m) s = Mul(d, w) y = Add(s, b)", weights=dict.fromkeys("mwb", (8,)))
    assert kinds(path) == ["normalization"]


def test_scale_and_shift_of_the_output_is_a_standardization_taken_back(tmp_path):
    body = "c = MatMul(x, k) s = Mul(c, w) y = Add(s, b)"
    path = write(tmp_path / "m.onnx", body, weights={"k": (8, 4), "w": (4,), "b": (4,)})
    assert kinds(path) == ["dense", "normalization"]


def test_one_number_for_all_channels_is_plain_arithmetic(tmp_path):
    path = write(tmp_path / "m.onnx", "c = MatMul(x, k) s = Mul(c, two) y = Add(s, one)", weights={**ONES, "k": (8, 4)})
    assert kinds(path) == ["dense", "arithmetic", "arithmetic"]


def test_attention_is_found_through_scales_masks_and_heads(tmp_path):
    body = """
        q = MatMul(x, wq) k = MatMul(x, wk) v = MatMul(x, wv)
        kt = Transpose<perm=[0,2,1]>(k) s = MatMul(q, kt) t = Div(s, two) m = Add(t, mask)
        p = Softmax<axis=-1>(m) y = MatMul(p, v)
    """
    weights = {**ONES, "wq": (8, 8), "wk": (8, 8), "wv": (8, 8)}
    path = write(tmp_path / "m.onnx", body, "float[N,5,8] x, float[5,5] mask", weights=weights)
    assert kinds(path) == ["dense", "dense", "dense", "permute", "attention"]
    attention = read(path).calls[-1]
    assert len(attention.inputs) == 4  # query, key, value and mask


def test_a_convolution_between_transposes_is_channels_last(tmp_path):
    body = "t = Transpose<perm=[0,3,1,2]>(x) c = Conv(t, k) u = Transpose<perm=[0,2,3,1]>(c) y = Add(u, b)"
    path = write(tmp_path / "m.onnx", body, "float[N,8,8,3] x", weights={"k": (4, 3, 3, 3), "b": (4,)})
    rows = query(
        path, "SELECT kind, data_format, use_bias, features, units, fan_in, output_shape FROM layer WHERE affine"
    )
    assert rows == [("conv", "channels_last", 1, 3, 4, 27, "6x6x4")]
    assert kinds(path) == ["conv"]


def test_transposes_that_undo_each_other_are_nothing(tmp_path):
    body = "t = Transpose<perm=[1,0]>(x) u = Transpose<perm=[1,0]>(t) y = Relu(u)"
    assert kinds(write(tmp_path / "m.onnx", body)) == ["relu"]


@pytest.mark.parametrize(
    ("first", "second"),
    [("1,0", "1,2,0"), ("1,2,0", "1,0"), ("1,2,0", "1,2,0"), ("1,0", "0,0"), ("1,0", "1.5,0.5"), ("1,1", "1,1")],
)
def test_transposes_that_do_not_undo_each_other_stay(tmp_path, first, second):
    body = f"t = Transpose<perm=[{first}]>(x) u = Transpose<perm=[{second}]>(t) y = Relu(u)"
    assert len(kinds(write(tmp_path / "m.onnx", body))) == 3


@pytest.mark.parametrize(
    ("attributes", "padding"),
    [
        ("pads=[1,1,1,1]", "same"),
        ("auto_pad=<auto_pad>", "same"),
        ("pads=[0,0,0,0]", "valid"),
        ("pads=[2,2,2,2]", "explicit"),
        ("pads=[2,2,2,2], dilations=[2,2]", "same"),
        ("pads=[0,0,1,1], strides=[2,2]", "explicit"),
    ],
)
def test_the_padding_is_named_as_keras_names_it(tmp_path, attributes, padding):
    attributes = attributes.replace("<auto_pad>", '"SAME_UPPER"')
    path = write(tmp_path / "m.onnx", f"y = Conv<{attributes}>(x, k)", "float[N,3,9,9] x", weights={"k": (4, 3, 3, 3)})
    assert query(path, "SELECT padding FROM layer WHERE affine") == [(padding,)]


@pytest.mark.parametrize(
    ("groups", "kernel", "kind", "fan_in"),
    [(1, (6, 4, 3, 3), "conv", 36), (2, (6, 2, 3, 3), "conv", 18), (4, (8, 1, 3, 3), "depthwise_conv", 36)],
)
def test_a_convolution_of_single_channels_is_depthwise(tmp_path, groups, kernel, kind, fan_in):
    path = write(tmp_path / "m.onnx", f"y = Conv<group={groups}>(x, k)", "float[N,4,9,9] x", weights={"k": kernel})
    assert query(path, "SELECT kind, units, fan_in FROM layer WHERE affine") == [(kind, kernel[0], fan_in)]


def test_a_kernel_that_two_nodes_share_is_one_layer_called_twice(tmp_path):
    body = "a = MatMul(x, k) b = MatMul(z, k) y = Add(a, b)"
    path = write(tmp_path / "m.onnx", body, "float[N,8] x, float[N,8] z", weights={"k": (8, 4)})
    assert query(path, "SELECT calls, params FROM layer WHERE affine") == [(2, 32)]
    assert query(path, "SELECT params FROM model") == [(32,)]


def test_order_names_and_duplicates_are_not_relied_on(tmp_path):
    path = write(
        tmp_path / "m.onnx", "h = MatMul(x, k) r = Relu(h) y = MatMul(r, l)", weights={"k": (8, 4), "l": (4, 2)}
    )
    model = onnx.load(path)
    nodes = list(model.graph.node)
    for node in nodes:
        node.name = "same"
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    onnx.save(model, path)
    assert kinds(path) == ["dense", "relu", "dense"]
    assert len(set(query(path, "SELECT name FROM layer"))) == 4


def test_constants_may_be_nodes_initializers_inputs_or_worked_out(tmp_path):
    body = """
        c = Constant<value = float[2] {1.0, 2.0}>()
        t = Transpose<perm=[1,0]>(k) i = Identity(t) h = MatMul(x, i) y = Add(h, c)
    """
    path = write(tmp_path / "m.onnx", body, "float[N,8] x, float[2,8] k", weights={"k": (2, 8)})
    assert query(path, "SELECT kind, units, use_bias, params FROM layer WHERE affine") == [("dense", 2, 1, 18)]
    assert query(path, "SELECT count(*) FROM layer WHERE kind = 'input'") == [(1,)]
    assert query(path, "SELECT name, is_input FROM tensor") == [("k", 1)]


def test_an_operator_of_another_domain_is_custom_and_one_without_meaning_opaque(tmp_path):
    path = write(tmp_path / "m.onnx", "a = elsewhere.Thing(x, k) y = NonZero(a)", weights={"k": (8, 2)})
    assert query(path, "SELECT kind, class_name, params FROM layer WHERE opaque") == [
        ("custom", "elsewhere.Thing", 16),
        ("operation", "NonZero", 0),
    ]
    assert query(path, "SELECT nodes, lifted FROM model") == [(2, 0)]


def test_a_function_is_unfolded_where_it_is_called_under_its_path(tmp_path):
    inner = [
        helper.make_node("MatMul", ["v", "m"], ["h"], name="product"),
        helper.make_node("LeakyRelu", ["h"], ["out"], name="act"),
    ]
    inner[1].attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT))
    function = helper.make_function(
        "mine", "Block", ["v", "m"], ["out"], inner, [helper.make_opsetid("", 17)], attributes=["slope"]
    )
    path = write(tmp_path / "m.onnx", "", weights={"k": (8, 8), "l": (8, 8)}, outputs="x")
    model = onnx.load(path)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    for place, (before, kernel, after) in enumerate([("x", "k", "a"), ("a", "l", "y")]):
        node = helper.make_node("Block", [before, kernel], [after], domain="mine", name=f"block{place}", slope=0.3)
        model.graph.node.append(node)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("y", 1, ["N", 8]))
    onnx.save(model, path)
    assert query(path, "SELECT name, kind FROM layer ORDER BY id") == [
        ("x", "input"),
        ("block0", "dense"),
        ("block0/act", "activation"),
        ("block1", "dense"),
        ("block1/act", "activation"),
    ]
    assert read(path).layers[2].args["negative_slope"] == pytest.approx(0.3)


def test_the_body_of_a_loop_keeps_its_path_and_stays_opaque(tmp_path):
    path = tmp_path / "m.onnx"
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["more"], name="same"),
            helper.make_node("MatMul", ["state", "k"], ["h"], name="product"),
            helper.make_node("Tanh", ["h"], ["next"], name="act"),
        ],
        "step",
        [
            helper.make_tensor_value_info("i", 7, []),
            helper.make_tensor_value_info("go", 9, []),
            helper.make_tensor_value_info("state", 1, ["N", 8]),
        ],
        [helper.make_tensor_value_info("more", 9, []), helper.make_tensor_value_info("next", 1, ["N", 8])],
    )
    kernel = numpy_helper.from_array(np.eye(8, dtype=np.float32), "k")
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "", "x"], ["y"], name="loop", body=body)],
        "net",
        [helper.make_tensor_value_info("x", 1, ["N", 8])],
        [helper.make_tensor_value_info("y", 1, ["N", 8])],
        [kernel],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    assert query(path, "SELECT name, kind, class_name FROM layer WHERE opaque") == [("loop", "operation", "Loop")]
    assert [name for (name,) in query(path, "SELECT name FROM node ORDER BY id")] == [
        "loop",
        "loop/body/same",
        "loop/body/product",
        "loop/body/act",
    ]
    assert query(path, "SELECT readers, layer FROM tensor") == [(1, 1)]


def test_a_map_made_larger_knows_how_many_times(tmp_path):
    body = 'y = Resize<mode="linear">(x, , scales)'
    path = write(tmp_path / "m.onnx", body, "float[N,3,8,8] x", weights={"scales": [1.0, 1.0, 2.0, 3.0]})
    (layer,) = [layer for layer in read(path).layers if layer.kind == "upsampling"]
    assert (layer.args["size"], layer.args["interpolation"]) == ([2, 3], "bilinear")


def test_the_names_of_operators_are_those_that_onnx_defines():
    assert defs.onnx_opset_version() == NEWEST_OPSET
    assert {schema.name for schema in defs.get_all_schemas_with_history() if schema.domain == ""} == OPERATORS


@pytest.mark.parametrize(
    ("operation", "defined"),
    [
        ("Erf", 1),
        ("Erfc", 0),
        ("If<then_branch = g () => (z) { z = Erfc(x) }, else_branch = h () => (z) { z = Erf(x) }>", 0),
        ("elsewhere.Erfc", 1),
        ("SimplifiedLayerNormalization", 1),
        ("BatchedNMS_TRT", 1),
    ],
)
def test_a_node_says_whether_its_operator_is_defined(tmp_path, operation, defined):
    call = operation + ("(flag)" if operation.startswith("If") else "(x)")
    path = write(tmp_path / "m.onnx", f"y = {call}", inputs="float[N,8] x, bool flag")
    assert query(path, "SELECT min(defined) FROM node") == [(defined,)]


def test_an_operator_of_a_newer_opset_may_be_defined(tmp_path):
    path = write(tmp_path / "m.onnx", "y = Erfc(x)")
    model = onnx.load(path)
    model.opset_import[0].version = NEWEST_OPSET + 1
    onnx.save(model, path)
    assert query(path, "SELECT defined FROM node") == [(1,)]


def test_a_stored_tensor_says_which_file_its_data_is_in(tmp_path):
    path = write(tmp_path / "m.onnx", "h = Mul(x, inside) y = Add(h, lost)", weights={"inside": (8,), "lost": (8,)})
    model = onnx.load(path)
    lost = model.graph.initializer[1]
    external_data_helper.set_external_data(lost, "m.onnx.data", 0, 32)
    lost.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    asked = "SELECT external, location, fault FROM tensor ORDER BY name"
    assert query(path, asked) == [(0, None, None), (1, "m.onnx.data", "missing")]
    (tmp_path / "m.onnx.data").write_bytes(bytes(31))
    assert query(path, asked)[1] == (1, "m.onnx.data", "bad-range")
    (tmp_path / "m.onnx.data").write_bytes(bytes(32))
    assert query(path, asked)[1] == (1, "m.onnx.data", None)


def test_a_model_without_nodes_is_refused(tmp_path):
    path = write(tmp_path / "m.onnx", "", outputs="x")
    with pytest.raises(Exception, match="no nodes"):
        read(path)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("a = Relu(b) b = Relu(a) y = Add(a, x)", "circle"),
        ("y = Add(x, nowhere)", "nothing in the file makes 'nowhere'"),
        ("y = Relu(x) y = Tanh(x)", "made twice"),
    ],
)
def test_a_graph_that_is_none_is_refused_in_one_sentence(tmp_path, body, sentence):
    with pytest.raises(Exception, match=sentence) as caught:
        read(write(tmp_path / "m.onnx", body))
    assert type(caught.value).__name__ == "ReadError"
    assert "export the model again" in str(caught.value)


def test_a_second_output_that_only_dead_nodes_read_is_no_trouble(tmp_path):
    body = "a, b = Split<axis=1>(x) y = Relu(b) d = Neg(a)"
    assert query(write(tmp_path / "m.onnx", body), "SELECT live FROM layer WHERE class_name = 'Neg'") == [(0,)]


def test_kernels_that_share_a_bias_are_layers_of_their_own(tmp_path):
    body = "t = Transpose<perm=[1,0]>(k) u = Transpose<perm=[1,0]>(l) a = Gemm(x, t, b) c = Gemm(x, u, b) y = Add(a, c)"
    path = write(tmp_path / "m.onnx", body, weights={"k": (4, 8), "l": (4, 8), "b": (4,)})
    assert query(path, "SELECT calls FROM layer WHERE affine") == [(1,), (1,)]


def test_an_operator_of_another_domain_is_never_taken_for_onnx_s_own(tmp_path):
    path = write(tmp_path / "m.onnx", "s = elsewhere.Sigmoid(x) y = Mul(s, x)")
    assert kinds(path) == ["custom", "multiply"]


def test_the_layout_of_a_map_is_known_in_front_of_the_first_convolution_too(tmp_path):
    body = "r = Relu(x) y = Conv(r, k)"
    path = write(tmp_path / "m.onnx", body, "float[N,3,9,9] x", weights={"k": (4, 3, 3, 3)})
    assert query(path, "SELECT kind, positions FROM layer ORDER BY id") == [
        ("input", 81),
        ("activation", 81),
        ("conv", 49),
    ]


def test_attention_over_wide_sums_is_found_without_trying_every_way_through_them(tmp_path):
    def total(name, depth):
        level = [f"{name}{number}" for number in range(2**depth)]
        body = "".join(f" {leaf} = Relu(x)" for leaf in level)
        for number in range(2**depth - 1):
            left, right, level = level[0], level[1], [*level[2:], f"{name}s{number}"]
            body += f" {name}s{number} = Add({left}, {right})"
        return body, level[0]

    (queries, q), (keys, k), (values, v) = (total(name, 7) for name in "qkv")
    body = (
        f"{queries}{keys}{values} t = Transpose<perm=[0,2,1]>({k}) s = MatMul({q}, t) p = Softmax(s) y = MatMul(p, {v})"
    )
    assert kinds(write(tmp_path / "m.onnx", body, "float[N,5,8] x"))[-1] == "attention"


def test_a_value_may_have_the_name_that_an_unfolded_one_would_get(tmp_path):
    inner = [helper.make_node("Relu", ["v"], ["h"]), helper.make_node("Tanh", ["h"], ["out"])]
    function = helper.make_function("mine", "Block", ["v"], ["out"], inner, [helper.make_opsetid("", 17)])
    path = write(tmp_path / "m.onnx", "z = Sigmoid(x) y = Relu(z)")
    model = onnx.load(path)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    model.graph.node[0].output[0] = model.graph.node[1].input[0] = "block/h"
    model.graph.node[1].CopyFrom(helper.make_node("Block", ["block/h"], ["y"], domain="mine", name="block"))
    onnx.save(model, path)
    assert kinds(path) == ["sigmoid", "relu", "tanh"]


def test_an_initializer_without_a_name_is_nothing(tmp_path):
    path = write(tmp_path / "m.onnx", "y = MatMul(x, k)", weights={"k": (8, 4), "": (3,)})
    assert kinds(path) == ["dense"]


@pytest.mark.parametrize(
    ("dims", "sentence"), [((2**40, 2**40), "larger than any memory"), ((-1, 4), "negative dimension")]
)
def test_a_tensor_that_cannot_be_is_refused_in_one_sentence(tmp_path, dims, sentence):
    path = write(tmp_path / "m.onnx", "y = MatMul(x, k)", weights={"k": (8, 4)})
    model = onnx.load(path)
    model.graph.initializer[0].dims[:] = dims
    onnx.save(model, path)
    with pytest.raises(ReadError, match=sentence):
        read(path)
