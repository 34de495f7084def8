"""What an ONNX file has others open, ask or run, wherever in the file it stands."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support import Archlint, Ran, read

from archlint.errors import ReadError
from archlint.readers.onnx.elsewhere import REPEATED, SINGLE

NODE = helper.make_node
OPSET = helper.make_opsetid("", 21)
KERNEL = numpy_helper.from_array(np.ones((4, 2), "f4"), "kernel")
CONDITION = numpy_helper.from_array(np.array(True), "go")


def elsewhere(name: str = "c", location: str = "../secret.bin", **entries: str) -> TensorProto:
    """A tensor whose numbers are in another file."""
    tensor = TensorProto(name=name, dims=[4], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, said in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=said)
    return tensor


def graph(*nodes: onnx.NodeProto, stored: tuple[TensorProto, ...] = ()) -> onnx.GraphProto:
    """A dense layer, and these nodes before it: the last one makes `h`."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    last = NODE("MatMul", ["h" if nodes else "x", "kernel"], ["y"], name="dense")
    return helper.make_graph([*nodes, last], "g", [ends[0]], [ends[1]], [KERNEL, *stored])


def model(inner: onnx.GraphProto, *functions: onnx.FunctionProto) -> onnx.ModelProto:
    domains = ("own", "com.microsoft", "com.microsoft.extensions", "pyopown", "org.pytorch.aten")
    opsets = [OPSET, *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(inner, opset_imports=opsets, functions=functions, ir_version=10)


def sparse(values: TensorProto, indices: TensorProto) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(dims=[4], values=values, indices=indices)


def body(*nodes: onnx.NodeProto, defaults: tuple[onnx.AttributeProto, ...] = ()) -> onnx.FunctionProto:
    return helper.make_function("own", "F", ["a"], ["b"], nodes, [OPSET], attribute_protos=defaults)


def branch(*nodes: onnx.NodeProto, stored: tuple[TensorProto, ...] = ()) -> onnx.NodeProto:
    """A condition of which both ways are the same."""
    made = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    inner = helper.make_graph(nodes, "b", [], [made], stored)
    return NODE("If", ["go"], ["h"], then_branch=inner, else_branch=inner)


INDICES = numpy_helper.from_array(np.arange(4), "i")
VALUES = numpy_helper.from_array(np.ones(4, "f4"), "s")
MADE = NODE("Constant", [], ["k"], value=elsewhere(""))
ADDED = NODE("Add", ["x", "k"], ["h"])
HELD = body(NODE("Constant", [], ["k"], value=elsewhere()), NODE("Add", ["a", "k"], ["b"]))
CALL = NODE("F", ["x"], ["h"], domain="own")


def of_training() -> onnx.ModelProto:
    made = model(graph())
    made.training_info.add().algorithm.CopyFrom(graph(stored=(elsewhere(),)))
    return made


def of_sparse(values: TensorProto, indices: TensorProto) -> onnx.ModelProto:
    made = model(graph(NODE("Add", ["x", "s"], ["h"])))
    made.graph.sparse_initializer.append(sparse(values, indices))
    return made


def of_tensors() -> onnx.ModelProto:
    node = NODE("Own", ["x"], ["h"], domain="own")
    node.attribute.add(name="all", type=onnx.AttributeProto.TENSORS, tensors=[elsewhere("a"), elsewhere("c")])
    return model(graph(node))


def of_sparse_tensors() -> onnx.ModelProto:
    node = NODE("Own", ["x"], ["h"], domain="own")
    listed = [sparse(VALUES, elsewhere())]
    node.attribute.add(name="all", type=onnx.AttributeProto.SPARSE_TENSORS, sparse_tensors=listed)
    return model(graph(node))


MODELS = {
    "an initializer": (model(graph(NODE("Add", ["x", "c"], ["h"]), stored=(elsewhere(),))), "c"),
    "a constant": (model(graph(MADE, ADDED)), "k"),
    "a sparse constant": (
        model(graph(NODE("Constant", [], ["k"], sparse_value=sparse(elsewhere(), INDICES)), ADDED)),
        "c",
    ),
    "the values of a sparse tensor": (of_sparse(elsewhere("s"), INDICES), "s"),
    "the indices of a sparse tensor": (of_sparse(VALUES, elsewhere("i")), "i"),
    "an attribute": (model(graph(NODE("Own", ["x"], ["h"], domain="own", name="own", table=elsewhere("")))), "own"),
    "a list of tensors": (of_tensors(), "c"),
    "a list of sparse tensors": (of_sparse_tensors(), "c"),
    "an attribute that the node does not have": (
        model(graph(NODE("Relu", ["x"], ["h"], value=elsewhere()))),
        "c",
    ),
    "a function": (model(graph(CALL), HELD), "c"),
    "a function that nothing calls": (model(graph(), HELD), "c"),
    "the default of a function": (
        model(
            graph(CALL),
            body(NODE("Relu", ["a"], ["b"]), defaults=(helper.make_attribute("d", elsewhere()),)),
        ),
        "c",
    ),
    "a branch": (
        model(graph(branch(NODE("Add", ["x", "c"], ["o"]), stored=(elsewhere(),)), stored=(CONDITION,))),
        "If/then_branch/c",
    ),
    "a constant in a branch": (
        model(graph(branch(MADE, NODE("Add", ["x", "k"], ["o"])), stored=(CONDITION,))),
        "k",
    ),
    "a training": (of_training(), "c"),
}


def saved(made: onnx.ModelProto, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "m.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def found(ran: Ran, code: str) -> list[str]:
    (file,) = ran.json["files"]
    return [item["message"] for item in file["findings"] if item["code"] == code]


@pytest.mark.parametrize("place", MODELS)
def test_numbers_of_another_file_are_found(place: str, archlint: Archlint, tmp_path: Path) -> None:
    made, name = MODELS[place]
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    ran = archlint("check", saved(made, tmp_path / "m"), "-f", "json")
    (message,) = found(ran, "SEC003")
    assert message.startswith(f"{name} has its numbers in ../secret.bin, which is not in the folder of the model")
    (missing,) = found(ran, "ONX007")
    assert "is said to be in ../secret.bin, outside the folder of the model" in missing


@pytest.mark.parametrize("place", MODELS)
def test_numbers_beside_the_model_are_missed_only_if_they_are_not_there(
    place: str, archlint: Archlint, tmp_path: Path
) -> None:
    made, _ = MODELS[place]
    content = made.SerializeToString().replace(b"../secret.bin", b"./weights.bin")
    path = saved(onnx.ModelProto.FromString(content), tmp_path)
    (message,) = found(archlint("check", path, "-f", "json"), "ONX007")
    assert "should be in ./weights.bin beside the model, which is not there" in message
    (tmp_path / "weights.bin").write_bytes(bytes(16))
    ran = archlint("check", path, "-f", "json")
    assert found(ran, "ONX007") == found(ran, "SEC003") == []


def test_all_fields_that_lead_to_a_tensor_are_followed() -> None:
    singles, repeated, seen = set(), set(), set()
    pending = [onnx.ModelProto.DESCRIPTOR]
    while pending:
        message = pending.pop()
        seen.add(message.name)
        for field in message.fields:
            if field.message_type is not None and _holds_tensors(field.message_type, set()):
                (repeated if field.is_repeated else singles).add(field.name)
                pending += [field.message_type] if field.message_type.name not in seen else []
    assert (singles - {"graph"}, repeated) == (SINGLE, REPEATED)


def _holds_tensors(message, seen) -> bool:
    if message.name == "TensorProto":
        return True
    inner = {field.message_type.name: field.message_type for field in message.fields if field.message_type is not None}
    new = [inner[name] for name in inner if name not in seen]
    return any(_holds_tensors(kind, seen | set(inner)) for kind in new)


@pytest.mark.parametrize("second", ["", "weights.bin", "../secret.bin"])
def test_a_place_that_is_said_twice_is_refused(second: str, tmp_path: Path) -> None:
    tensor = elsewhere("e")
    tensor.external_data.add(key="location", value=second)
    path = saved(model(graph(NODE("Add", ["x", "e"], ["h"]), stored=(tensor,))), tmp_path)
    with pytest.raises(ReadError, match="tensor 'e' says twice where its numbers are"):
        read(path)


@pytest.mark.parametrize(("key", "count"), [("prepacked_0", 0), ("prepacked_12", 0), ("prepacked_", 1), ("command", 1)])
def test_what_onnxruntime_says_of_its_own_layout_is_known(
    key: str, count: int, archlint: Archlint, tmp_path: Path
) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    tensor = elsewhere("e", "w.bin", offset="0", length="16", **{key: "MatMul+e|0;16"})
    path = saved(model(graph(NODE("Add", ["x", "e"], ["h"]), stored=(tensor,))), tmp_path)
    assert len(found(archlint("check", path, "-f", "json"), "SEC003")) == count


def engine(path: str) -> dict[str, object]:
    return {"embed_mode": 0, "ep_cache_context": path}


SERVER = "http://evil.example/v2"
EXTENSIONS = "com.microsoft.extensions"
NAMING = [
    ("EPContext", "com.microsoft", engine("engine.bin"), ("outside", "engine", "engine.bin")),
    ("EPContext", "com.microsoft", engine("../engine.so"), ("outside", "place", "../engine.so")),
    ("EPContext", "com.microsoft", engine("/lib/engine.so"), ("outside", "place", "/lib/engine.so")),
    ("AzureTritonInvoker", EXTENSIONS, {"model_uri": SERVER}, ("outside", "place", SERVER)),
    ("PythonOp", "com.microsoft", {"func_name": "os.system"}, ("foreign", "python", "os.system")),
    ("PythonOp", "com.microsoft", {"name": "mine.Scale"}, ("foreign", "python", "mine.Scale")),
    ("PythonOpGrad", "com.microsoft", {}, ("foreign", "python", "PythonOpGrad")),
    ("PyOp", "pyopown", {"module": "os", "class_name": "Popen"}, ("foreign", "python", "os.Popen")),
    ("ATen", "org.pytorch.aten", {"operator": "aten::from_file"}, ("foreign", "tool", "aten::from_file")),
]
"""Nodes by operator, domain and attributes, and what is told of them."""


def concerns(path: Path) -> list[tuple[str, str, str]]:
    return [(concern.category, concern.kind, concern.found) for concern in read(path).concerns]


def naming(op: str, domain: str, attributes: dict[str, object]) -> onnx.NodeProto:
    node = NODE(op, ["x"], ["h"], name="node", domain=domain)
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return node


@pytest.mark.parametrize(("op", "domain", "attributes", "told"), NAMING)
def test_what_a_node_runs_opens_or_asks_is_told(
    op: str, domain: str, attributes: dict[str, object], told: tuple[str, str, str], tmp_path: Path
) -> None:
    assert concerns(saved(model(graph(naming(op, domain, attributes))), tmp_path)) == [told]


@pytest.mark.parametrize(
    ("op", "domain", "attributes"),
    [
        ("EPContext", "com.microsoft", {"embed_mode": 1, "ep_cache_context": "../engine"}),
        ("EPContext", "com.microsoft", {"ep_cache_context": "../engine"}),
        ("EPContext", "com.microsoft", {"embed_mode": 0, "main_context": 0}),
        ("EPContext", "own", engine("../engine")),
        ("PythonOp", "own", {"func_name": "scale"}),
        ("ATen", "org.pytorch.aten", {"operator": "layer_norm"}),
        ("ATen", "org.pytorch.aten", {"operator": ["from_file"]}),
        ("AzureTritonInvoker", "own", {"model_uri": SERVER}),
        ("Gelu", "com.microsoft", {}),
    ],
)
def test_what_a_node_computes_is_no_concern(
    op: str, domain: str, attributes: dict[str, object], tmp_path: Path
) -> None:
    assert concerns(saved(model(graph(naming(op, domain, attributes))), tmp_path)) == []


def test_what_nodes_of_functions_and_branches_call_is_told(tmp_path: Path) -> None:
    inner = body(NODE("PyOp", ["a"], ["b"], domain="pyopown", module="os", class_name="Popen"))
    inner.opset_import.append(helper.make_opsetid("pyopown", 1))
    asking = NODE("Ask", ["x"], ["o"], domain=EXTENSIONS, model_uri="https://a.example")
    made = model(graph(NODE("F", ["x"], ["z"], domain="own"), branch(asking), stored=(CONDITION,)), inner)
    assert {found for _, _, found in concerns(saved(made, tmp_path))} == {"https://a.example", "os.Popen"}


def test_what_a_node_names_is_reported_with_its_layer(archlint: Archlint, tmp_path: Path) -> None:
    made = model(graph(naming("PythonOp", "com.microsoft", {"func_name": "os.system"})))
    (message,) = found(archlint("check", saved(made, tmp_path), "-f", "json"), "SEC002")
    assert message.startswith("node names os.system, which is called in the Python of whoever runs the model (digest ")


def test_no_more_than_a_thousand_concerns_are_told(tmp_path: Path) -> None:
    nodes = [NODE("PythonOp", ["x"], [f"h{n or ''}"], domain="com.microsoft", func_name=f"f{n}") for n in range(1001)]
    assert len(concerns(saved(model(graph(*nodes)), tmp_path))) == 1000
