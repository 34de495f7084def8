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


@pytest.mark.parametrize("name", ["/", "", "//"])
def test_a_node_without_a_name_is_called_after_its_operator(source, name):
    assert [node.path for node in source(model(NODE("Relu", ["x"], ["y"], name=name))).graph.nodes] == ["Relu"]


def test_a_value_of_a_function_may_be_called_as_one_outside(source):
    body = function(NODE("Relu", ["v"], ["h"]), NODE("Neg", ["h"], ["o"]))
    block = NODE("F", ["x"], ["block/h"], name="block", domain="mine")
    graph = source(model(block, NODE("Tanh", ["block/h"], ["y"]), functions=[body])).graph
    relu, neg, tanh = graph.nodes
    assert relu.outputs == neg.inputs != neg.outputs == tanh.inputs == ("block/h",)


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


def test_what_a_function_says_is_read_once_for_all_its_calls(source):
    leaky = NODE("LeakyRelu", ["v"], ["o"], junk=[1, 2, 3])
    reference = leaky.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT)
    reference.ref_attr_name = "slope"
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


def test_ten_thousand_layers_of_one_scope_get_different_names():
    found = names([Candidate("a", "b", False)] * 10_000)
    assert len(set(found)) == 10_000
    assert found[:3] == ["a/b", "a/b_1", "a/b_2"]


@pytest.mark.parametrize("call", ["batch_norm" * 20_000, "batch_norm" + ", 1" * 20_000])
def test_a_note_made_to_be_slow_tells_nothing_of_a_folded_norm(call):
    found = folded(noted(**{RULES: FUSED, CALL: call}))
    assert found is not None
    assert found.settings == {}
