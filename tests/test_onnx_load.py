"""From the structure of an ONNX file to the graph in plain Python: names, functions, and what makes no sense."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from archlint.errors import ReadError
from archlint.readers.files import open_file
from archlint.readers.onnx.folded import folded
from archlint.readers.onnx.graph import Node, Source
from archlint.readers.onnx.load import load
from archlint.readers.onnx.naming import Candidate, candidate, names
from archlint.readers.onnx.notes import CALL, RULES, SCOPES

OPSET = helper.make_opsetid("", 17)
NODE = helper.make_node
FUSED = "FuseBatchNormIntoConv"


def value(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 8])


def model(*nodes: NodeProto, inputs=("x",), stored=(), functions=()) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "g", [value(name) for name in inputs], [value("y")], list(stored))
    return helper.make_model(graph, opset_imports=[OPSET, helper.make_opsetid("mine", 1)], functions=functions)


def function(*nodes: NodeProto, inputs=("v",), outputs=("o",), attributes=()) -> onnx.FunctionProto:
    return helper.make_function("mine", "F", inputs, outputs, nodes, [OPSET], attributes)


def call(source, result, **given) -> NodeProto:
    return NODE("F", [source], [result], domain="mine", **given)


def constant(key, content) -> NodeProto:
    node = NODE("Constant", [], ["c"])
    node.attribute.append(helper.make_attribute(key, content))
    return node


def referring(node, name) -> NodeProto:
    """The node with an attribute that is to be taken from the caller."""
    node.attribute.add(name=name, type=onnx.AttributeProto.FLOAT, ref_attr_name=name)
    return node


@pytest.fixture
def source(tmp_path):
    """What is read from a model."""

    def read(proto: onnx.ModelProto) -> Source:
        path: Path = tmp_path / "m.onnx"
        path.write_bytes(proto.SerializeToString())
        with open_file(path) as file:
            return load(file)

    return read


@contextmanager
def refused(sentence):
    with pytest.raises(ReadError, match=sentence):
        yield


def noted(**metadata: str) -> Node:
    return Node("relu", "Relu", "", 17, ("x",), ("y",), metadata=metadata)


@pytest.mark.parametrize("dims", [[2**40, 2**40], [-1], [2**40] * 100_000, [2**40] * 100_000 + [0]])
def test_a_tensor_that_cannot_exist_is_refused_at_once(source, dims):
    proto = model(NODE("Relu", ["x"], ["y"]))
    proto.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=dims)
    with refused("the tensor 'w'"):
        source(proto)


def test_a_sparse_tensor_that_cannot_exist_is_refused(source):
    proto = model(NODE("Relu", ["x"], ["y"]))
    proto.graph.sparse_initializer.add(dims=[2**40, 2**40]).values.name = "w"
    with refused("the tensor 'w'"):
        source(proto)


def test_what_has_no_name_is_no_value(source):
    nameless = numpy_helper.from_array(np.ones(3, np.float32))
    anonymous = NODE("Constant", [], [""], value_float=1.0)
    graph = source(model(anonymous, NODE("Relu", ["x"], ["y"]), inputs=("x", ""), stored=[nameless])).graph
    assert graph.inputs == ("x",)
    assert not {*graph.constants, *graph.types} & {""}


def test_a_stored_tensor_that_is_an_input_too_may_be_overridden(source):
    weight = numpy_helper.from_array(np.ones(8, np.float32), "w")
    found = source(model(NODE("Add", ["x", "w"], ["y"]), inputs=("x", "w"), stored=[weight]))
    assert (found.graph.inputs, found.overridable) == (("x",), {"w"})


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("value_floats", ["a", "b"]),
        ("value_float", "nan?"),
        ("value_int", float("inf")),
        ("value_ints", [float("nan"), 1.5]),
        ("value_strings", 3),
        ("value", 1.0),
    ],
)
def test_a_constant_of_another_type_than_it_says_is_not_known(source, key, content):
    graph = source(model(constant(key, content), NODE("Add", ["x", "c"], ["y"]))).graph
    assert (list(graph.constants), [node.op for node in graph.nodes]) == ([], ["Constant", "Add"])


@pytest.mark.parametrize(
    ("key", "content", "dtype", "shape"),
    [
        ("value_float", 1.5, "float", ()),
        ("value_floats", [1.5, 2.0], "float", (2,)),
        ("value_int", 3, "int64", ()),
        ("value_ints", [3, 4, 5], "int64", (3,)),
        ("value_string", "a", "string", ()),
        ("value_strings", ["a", "b"], "string", (2,)),
    ],
)
def test_a_constant_may_be_a_plain_value(source, key, content, dtype, shape):
    found = source(model(constant(key, content), NODE("Add", ["x", "c"], ["y"]))).graph.constants["c"]
    assert (found.dtype, found.shape) == (dtype, shape)


@pytest.mark.parametrize("first", ["value_float", "value_ints", "sparse_value", "value_string"])
def test_a_constant_that_has_two_values_is_refused(source, first):
    contents = {
        "value_float": 9.0,
        "value_ints": [1, 2],
        "sparse_value": helper.make_sparse_tensor(*(2 * [numpy_helper.from_array(np.zeros(1, "i8"))]), [4]),
        "value_string": "a",
    }
    node = constant(first, contents[first])
    node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.full(4, 2, "f4"))))
    with refused("the constant 'c' has two values"):
        source(model(node, NODE("Mul", ["x", "c"], ["y"])))


@pytest.mark.parametrize("name", ["/", "", "//"])
def test_a_node_without_a_name_is_called_after_its_operator(source, name):
    assert [node.path for node in source(model(NODE("Relu", ["x"], ["y"], name=name))).graph.nodes] == ["Relu"]


def test_a_value_of_a_function_may_be_called_as_one_outside(source):
    body = function(NODE("Relu", ["v"], ["h"]), NODE("Neg", ["h"], ["o"]))
    block = NODE("F", ["x"], ["block/h"], name="block", domain="mine")
    graph = source(model(block, NODE("Tanh", ["block/h"], ["y"]), functions=[body])).graph
    relu, neg, tanh = graph.nodes
    assert relu.outputs == neg.inputs != neg.outputs == tanh.inputs == ("block/h",)


@pytest.mark.parametrize("domain", ["", "ai.onnx"])
@pytest.mark.parametrize("called", [True, False])
def test_a_function_that_is_called_like_an_operator_of_onnx_is_refused(source, domain, called):
    """Runtimes run the operator, or the function."""
    body = helper.make_function(domain, "Relu", ["v"], ["o"], [NODE("Tanh", ["v"], ["o"])], [OPSET])
    with refused("defines a function 'Relu', which is an operator already"):
        source(model(NODE("Relu" if called else "Neg", ["x"], ["y"]), functions=[body]))


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("Gelu", "com.microsoft"),
        ("Conv", "com.microsoft.nchwc"),
        ("Scaler", "ai.onnx.ml"),
        ("Adam", "ai.onnx.preview.training"),
        ("SimplifiedLayerNormalization", ""),
    ],
)
def test_a_function_that_is_called_like_an_operator_of_a_runtime_is_refused(source, name, domain):
    body = helper.make_function(domain, name, ["v"], ["o"], [NODE("Tanh", ["v"], ["o"])], [OPSET])
    with refused(f"defines a function '{name}'"):
        source(model(NODE("Relu", ["x"], ["y"]), functions=[body]))


@pytest.mark.parametrize(("name", "domain"), [("Relu", "torch.nn.modules.activation"), ("Twice", ""), ("Relu6", "")])
def test_a_function_that_no_operator_is_called_like_is_unfolded(source, name, domain):
    body = helper.make_function(domain, name, ["v"], ["o"], [NODE("Tanh", ["v"], ["o"])], [OPSET])
    graph = source(model(NODE(name, ["x"], ["y"], domain=domain), functions=[body])).graph
    assert [node.op for node in graph.nodes] == ["Tanh"]


def test_a_value_made_twice_within_a_function_is_refused(source):
    body = function(NODE("Relu", ["v"], ["h"]), NODE("Neg", ["v"], ["h"]), NODE("Tanh", ["h"], ["o"]))
    with refused("made twice"):
        source(model(call("x", "y"), functions=[body]))


def test_a_function_that_is_there_twice_is_refused(source):
    bodies = [function(NODE(op, ["v"], ["o"])) for op in ("Relu", "Tanh")]
    with refused("has the function 'F' twice"):
        source(model(call("x", "y"), functions=bodies))


@pytest.mark.parametrize("size", [8, 800])
@pytest.mark.parametrize("beside", ["float_data", "int32_data"])
def test_a_tensor_that_has_its_numbers_twice_is_refused(source, size, beside):
    tensor = numpy_helper.from_array(np.ones(size, "f4"), "t")
    assert source(model(NODE("Add", ["x", "t"], ["y"]), stored=[tensor]))
    getattr(tensor, beside).extend([2] * size)
    with refused("tensor 't' has its numbers twice"):
        source(model(NODE("Add", ["x", "t"], ["y"]), stored=[tensor]))


@pytest.mark.parametrize("size", [8, 800])
def test_a_tensor_that_has_its_numbers_here_and_in_another_file_is_refused(source, size):
    tensor = numpy_helper.from_array(np.ones(size, "f4"), "t")
    set_external_data(tensor, "w.bin")
    with refused("tensor 't' has its numbers twice"):
        source(model(NODE("Add", ["x", "t"], ["y"]), stored=[tensor]))


def test_an_attribute_that_is_there_twice_is_refused(source):
    node = NODE("LeakyRelu", ["x"], ["y"], alpha=0.1)
    node.attribute.append(helper.make_attribute("alpha", 0.2))
    with refused("node 'LeakyRelu' has an attribute twice"):
        source(model(node))


def test_an_attribute_of_no_function_that_refers_to_another_one_is_refused(source):
    """Others take the value that stands there; so could a whole branch be hidden."""
    with refused("attribute 'alpha' of the node 'LeakyRelu' refers to another one, where there is none"):
        source(model(referring(NODE("LeakyRelu", ["x"], ["y"]), "alpha")))
    branch = helper.make_graph([NODE("Tanh", ["x"], ["t"])], "b", [], [value("t")])
    hiding = NODE("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    hiding.attribute[1].ref_attr_name = "gone"
    with refused("attribute 'then_branch' of the node 'If' has a value and refers to another one"):
        source(model(hiding))
    inner = helper.make_graph([referring(NODE("LeakyRelu", ["x"], ["t"]), "alpha")], "b", [], [value("t")])
    with refused("attribute 'alpha' of the node 'LeakyRelu' refers to another one"):
        source(model(NODE("If", ["x"], ["y"], then_branch=inner, else_branch=inner)))


@pytest.mark.parametrize("given", [{}, {"alpha": 0.5}])
def test_an_attribute_of_a_function_that_has_a_value_and_refers_to_another_one_is_refused(source, given):
    leaky = NODE("LeakyRelu", ["v"], ["o"], alpha=0.1)
    leaky.attribute[0].ref_attr_name = "alpha"
    with refused("attribute 'alpha' of the node 'LeakyRelu' has a value and refers to another one"):
        source(model(call("x", "y", **given), functions=[function(leaky, attributes=["alpha"])]))


def test_a_long_list_counts_as_the_value_of_an_attribute(source):
    node = NODE("Own", ["v"], ["o"], axes=range(10**5))
    node.attribute[0].ref_attr_name = "axes"
    with refused("has a value and refers to another one"):
        source(model(call("x", "y"), functions=[function(node)]))


def test_a_default_that_refers_to_another_attribute_is_refused(source):
    body = function(referring(NODE("LeakyRelu", ["v"], ["o"]), "alpha"))
    body.attribute_proto.append(helper.make_attribute("alpha", 0.1))
    (node,) = source(model(call("x", "y"), functions=[body])).graph.nodes
    assert node.attrs["alpha"] == pytest.approx(0.1)
    body.attribute_proto[0].ref_attr_name = "beta"
    with refused("attribute 'alpha' of the function 'F' has a value and refers to another one"):
        source(model(call("x", "y"), functions=[body]))


def test_an_attribute_that_the_caller_leaves_out_is_left_out(source):
    body = function(referring(NODE("LeakyRelu", ["v"], ["o"]), "alpha"), attributes=["alpha"])
    (node,) = source(model(call("x", "y"), functions=[body])).graph.nodes
    assert node.attrs == {}


def test_two_versions_of_the_same_operators_are_refused(source):
    twice = model(NODE("Relu", ["x"], ["y"]))
    again = helper.make_opsetid("ai.onnx", twice.opset_import[0].version)
    twice.opset_import.append(again)
    assert source(twice).opsets[""] == again.version
    again.version -= 1
    twice.opset_import.append(again)
    with refused("two versions of the operators of 'ONNX'"):
        source(twice)


def test_what_a_function_passes_through_has_a_path_of_its_own(source):
    body = function(NODE("Relu", ["v"], ["o"], name="v"), outputs=("v", "o"))
    block = NODE("F", ["x"], ["same", "y"], name="block", domain="mine")
    paths = [node.path for node in source(model(block, functions=[body])).graph.nodes]
    assert paths == ["block/v", "block/v_1"]


def test_a_long_name_is_no_trouble_unless_functions_repeat_it(source):
    long = "a" * 2000
    assert source(model(NODE("Relu", ["x"], [long]), NODE("Neg", [long], ["y"], name=long))).graph.nodes[1].path == long
    for body in (
        function(NODE("Relu", ["v"], [long]), NODE("Neg", [long], ["o"])),
        function(NODE("Relu", ["v"], ["o"], name=long)),
    ):
        with refused("longer than 1,000 characters"):
            source(model(call("x", "y"), functions=[body]))


def test_long_names_are_no_trouble_unless_functions_repeat_them_a_thousand_times(source):
    body = function(
        *(NODE("Relu", [f"v{n}" if n else "v"], [f"v{n + 1}"], name="n" * 900) for n in range(40)),
        NODE("Neg", ["v40"], ["o"]),
    )
    assert len(source(model(call("x", "y"), functions=[body])).graph.nodes) == 41
    calls = [call(f"x{n or ''}", f"x{n + 1}") for n in range(999)]
    with refused("the names in it, functions unfolded, are longer than"):
        source(model(*calls, call("x999", "y"), functions=[body]))


def test_what_a_function_says_is_read_once_for_all_its_calls(source):
    leaky = referring(NODE("LeakyRelu", ["v"], ["o"], junk=[1, 2, 3]), "alpha")
    leaky.attribute[1].ref_attr_name = "slope"
    body = function(leaky, attributes=["slope"])
    first, second = source(model(call("x", "h", slope=0.5), call("h", "y", slope=0.25), functions=[body])).graph.nodes
    assert first.attrs["junk"] is second.attrs["junk"]
    assert (first.attrs["alpha"], second.attrs["alpha"]) == (0.5, 0.25)


def test_nodes_with_very_many_inputs_count_for_several(source):
    wide = [NODE("Sum", ["x"] * 1000, [f"s{number}"]) for number in range(900)]
    with refused("it was not read further"):
        source(model(*wide, NODE("Relu", ["s0"], ["y"])))


@pytest.mark.parametrize(
    "scopes",
    ["[" + "0," * 3_000_000 + "]", "['', 0x" + "f" * 4000 + "]", "[" * 300, "['a', None]", "{'a': 1}", "damaged"],
)
def test_scopes_that_pytorch_would_not_write_are_passed_over(scopes):
    assert candidate(noted(**{SCOPES: scopes}), False, None) == Candidate("", "relu", False)


def test_scopes_that_python_finds_odd_are_passed_over_in_silence(recwarn):
    assert candidate(noted(**{SCOPES: "[1if 1else 2, 0x1for x in y]"}), False, None).module == ""
    assert candidate(noted(**{SCOPES: r"['', '\d', 'conv']"}), False, None).module == r"\d"
    assert list(recwarn) == []


def test_ten_thousand_layers_of_one_scope_get_different_names():
    found = names([Candidate("a", "b", False)] * 10_000)
    assert len(set(found)) == 10_000
    assert found[:3] == ["a/b", "a/b_1", "a/b_2"]


@pytest.mark.parametrize("call", ["batch_norm" * 20_000, "batch_norm" + ", 1" * 20_000])
def test_a_note_made_to_be_slow_tells_nothing_of_a_folded_norm(call):
    found = folded(noted(**{RULES: FUSED, CALL: call}))
    assert found is not None
    assert found.settings == {}
