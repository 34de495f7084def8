"""From the bytes of an ONNX file to its structure: everything but the tensors' data, and in bounded memory."""

import importlib
import os
import pkgutil
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archlint.errors import ReadError
from archlint.readers.files import OpenFile, open_file
from archlint.readers.gate import sniff
from archlint.readers.onnx.external import located
from archlint.readers.onnx.proto import parse
from archlint.readers.onnx.wire import Slim, slim

ROOM = 256
"""Bytes of data that a tensor may keep."""
DATA = ("float_data", "int32_data", "string_data", "int64_data", "raw_data", "double_data", "uint64_data")
KEPT = ("class_hierarchy", "name_scopes", "fx_node", "rule_name")
GIB = 2**30


def slimmed(path: Path) -> Slim:
    with open_file(path) as file:
        return slim(file)


def read(path: Path, content: bytes) -> onnx.ModelProto:
    """The structure of a model with this content, by the whole way that a file goes."""
    path.write_bytes(content)
    with open_file(path) as file:
        if sniff(file) != "onnx":
            raise ReadError("it is of another kind")
        return parse(slim(file).data)


def refusal(path: Path, content: bytes) -> str:
    with pytest.raises(ReadError) as refused:
        read(path, content)
    return str(refused.value)


def graph_of(*tensors: TensorProto, nodes=()) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "g", [], [], list(tensors))


def saved(path: Path, *tensors: TensorProto, nodes=()) -> Path:
    onnx.save(helper.make_model(graph_of(*tensors, nodes=nodes)), path)
    return path


# The wire format, written by hand


def varint(number: int) -> bytes:
    head = bytearray()
    while number > 127:
        head.append(number & 127 | 128)
        number >>= 7
    return bytes((*head, number))


def field(number: int, content: bytes, length: int | None = None) -> bytes:
    """A field that holds bytes; `length` says how many if more follow."""
    return varint(number << 3 | 2) + varint(len(content) if length is None else length) + content


def model(graph: bytes) -> bytes:
    return b"\x08\x0a" + field(7, graph)


def node(content: bytes) -> bytes:
    return model(field(1, content))


def attribute(content: bytes) -> bytes:
    return node(field(5, content))


# Structure


def messages(message) -> Iterator:
    """The message and all within it."""
    yield message
    for _, value in message.ListFields():
        for inner in [value] if hasattr(value, "DESCRIPTOR") else value if hasattr(value, "add") else []:
            yield from messages(inner)


def emptied(original: onnx.ModelProto) -> onnx.ModelProto:
    """A model as it should be after slimming, without the notes: worked out with onnx's own classes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(original)
    copy.DiscardUnknownFields()
    for message in messages(copy):
        fields = message.DESCRIPTOR.fields_by_name
        if "doc_string" in fields:
            message.ClearField("doc_string")
        if "metadata_props" in fields and not isinstance(message, onnx.ModelProto):
            kept = [entry for entry in message.metadata_props if entry.key.endswith(KEPT)]
            del message.metadata_props[:]
            message.metadata_props.extend(kept)
        if isinstance(message, TensorProto) and data_bytes(message) > ROOM:
            for name in DATA:
                message.ClearField(name)
    return copy


def data_bytes(tensor: TensorProto) -> int:
    copy = TensorProto()
    copy.CopyFrom(tensor)
    for described, _ in tensor.ListFields():
        if described.name not in DATA:
            copy.ClearField(described.name)
    return copy.ByteSize()


def without_notes(slim_model: onnx.ModelProto) -> onnx.ModelProto:
    for message in messages(slim_model):
        if "doc_string" in message.DESCRIPTOR.fields_by_name:
            message.ClearField("doc_string")
    return slim_model


def assert_same_structure(path: Path) -> None:
    found = slimmed(path)
    proto = parse(found.data)
    notes = [int(message.doc_string) for message in messages(proto) if getattr(message, "doc_string", "")]
    assert sorted(notes) == list(range(len(found.payloads)))
    assert without_notes(proto) == emptied(onnx.load(path, load_external_data=False))


ONNX_DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
EXPORTS = Path(__file__).parents[1] / "fixtures" / "exports"
STORED = sorted((*ONNX_DATA.rglob("*.onnx"), *EXPORTS.glob("*.onnx")))


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_structure_of_a_model_is_what_onnx_reads(path):
    assert_same_structure(path)


@pytest.mark.filterwarnings("ignore")
def test_the_structure_of_onnx_s_own_models_of_single_operators_is_what_onnx_reads(tmp_path):
    package = importlib.import_module("onnx.backend.test.case.node")
    for module in pkgutil.iter_modules(package.__path__):
        if "pool" not in module.name:  # onnx's own pooling takes half a minute to work out the expected outputs
            importlib.import_module(f"{package.__name__}.{module.name}")
    assert len(package._NodeTestCases) > 1000
    for case in package._NodeTestCases:
        path = tmp_path / "m.onnx"
        onnx.save(case.model, path)
        assert_same_structure(path)


def test_properties_of_a_node_are_kept_if_they_tell_which_layer_it_came_from(tmp_path):
    relu = helper.make_node("Relu", ["x"], ["y"])
    keys = ("pkg.torch.onnx.stack_trace", "pkg.torch.onnx.class_hierarchy", "pkg.onnxscript.rewriter.rule_name", "ns")
    helper.set_metadata_props(relu, {key: f"value of {key}" for key in keys})
    (kept,) = parse(slimmed(saved(tmp_path / "m.onnx", nodes=[relu])).data).graph.node
    assert [entry.key for entry in kept.metadata_props] == [keys[1], keys[2]]


def test_short_properties_of_a_model_are_kept(tmp_path):
    proto = helper.make_model(graph_of())
    helper.set_model_props(proto, {"task": "detect", "names": "x" * 2000})
    onnx.save(proto, tmp_path / "m.onnx")
    kept = parse(slimmed(tmp_path / "m.onnx").data).metadata_props
    assert [(entry.key, entry.value) for entry in kept] == [("task", "detect")]


def test_no_doc_string_of_the_file_is_taken_for_a_note(tmp_path):
    small = numpy_helper.from_array(np.arange(3), "small")
    small.doc_string = "7"
    constant = helper.make_node("Constant", [], ["c"], doc_string="7", value=small)
    constant.attribute[0].doc_string = "7"
    found = slimmed(saved(tmp_path / "m.onnx", small, nodes=[constant]))
    assert not any(getattr(message, "doc_string", "") for message in messages(parse(found.data)))


def test_numbers_of_a_proto3_writer_which_packs_them_are_kept(tmp_path):
    packed = model(field(5, field(1, b"\x03\xac\x02")) + field(1, field(5, b"\x0a\x01k" + field(8, b"\x01\x02"))))
    graph = read(tmp_path / "m.onnx", packed).graph
    assert list(graph.initializer[0].dims) == [3, 300]
    assert list(graph.node[0].attribute[0].ints) == [1, 2]


def test_a_name_that_is_no_utf_8_is_escaped(tmp_path):
    graph = read(tmp_path / "m.onnx", node(field(3, b"caf\xe9") + field(4, "Größe".encode()))).graph
    assert (graph.node[0].name, graph.node[0].op_type) == (r"caf\xe9", "Größe")


def test_a_name_of_a_dimension_that_is_no_utf_8_is_escaped(tmp_path):
    shape = field(2, field(1, field(2, field(1, field(2, b"\xff")))))
    graph = read(tmp_path / "m.onnx", model(field(11, shape) * 2)).graph
    assert [value.type.tensor_type.shape.dim[0].dim_param for value in graph.input] == [r"\xff"] * 2


def test_fields_of_a_later_version_are_left_out(tmp_path):
    later = node(field(4, b"Relu") + field(99, b"?") + b"\xd8\x06\x05")
    assert read(tmp_path / "m.onnx", later) == parse(node(field(4, b"Relu")))


def test_a_model_of_the_first_version_which_imports_no_opset_is_read(tmp_path):
    assert read(tmp_path / "m.onnx", b"\x08\x01" + field(7, b"")).ir_version == 1


# Payloads


def payload_of(path: Path, *tensors: TensorProto) -> list[bytes | int]:
    """What lies where the payloads of a model with these tensors say; the length if it cannot be read."""
    content = saved(path, *tensors).read_bytes()
    payloads = slimmed(path).payloads
    return [
        item.length if item.offset is None else content[item.offset : item.offset + item.length] for item in payloads
    ]


def test_a_payload_says_where_raw_data_lies(tmp_path):
    arrays = [np.arange(100, dtype=dtype) + 7 for dtype in ("f4", "f8", "i8", "i4")]
    found = payload_of(tmp_path / "m.onnx", *(numpy_helper.from_array(array, "w") for array in arrays))
    assert found == [array.tobytes() for array in arrays]


@pytest.mark.parametrize(
    ("kind", "number", "dtype"), [(TensorProto.FLOAT, 4, "f4"), (TensorProto.DOUBLE, 10, "f8")], ids=["float", "double"]
)
def test_a_payload_says_where_typed_data_lies(tmp_path, kind, number, dtype):
    values = np.linspace(0, 1, 300).astype(dtype)
    tensor = helper.make_tensor("w", kind, values.shape, values)
    assert payload_of(tmp_path / "m.onnx", tensor) == [values.tobytes()]
    assert slimmed(tmp_path / "m.onnx").payloads[0].field == number


@pytest.mark.parametrize(("kind", "number"), [(TensorProto.INT32, 5), (TensorProto.INT64, 7), (TensorProto.UINT64, 11)])
def test_a_payload_of_integers_is_varints(tmp_path, kind, number):
    tensor = helper.make_tensor("w", kind, [300], range(300))
    assert payload_of(tmp_path / "m.onnx", tensor) == [b"".join(map(varint, range(300)))]
    assert slimmed(tmp_path / "m.onnx").payloads[0].field == number


def test_strings_are_left_out_without_a_place(tmp_path):
    words = [b"word %d" % number for number in range(100)]
    tensor = helper.make_tensor("w", TensorProto.STRING, [100], words)
    assert payload_of(tmp_path / "m.onnx", tensor) == [sum(len(field(6, word)) for word in words)]


def test_the_note_of_a_tensor_leads_to_its_payload(tmp_path):
    large = [numpy_helper.from_array(np.zeros(size, "u1"), str(size)) for size in (300, 400, 500)]
    small = numpy_helper.from_array(np.arange(4), "shape")
    found = slimmed(saved(tmp_path / "m.onnx", large[0], small, *large[1:]))
    tensors = parse(found.data).graph.initializer
    lengths = {t.name: found.payloads[int(t.doc_string)].length for t in tensors if t.doc_string}
    assert lengths == {"300": 300, "400": 400, "500": 500}
    assert numpy_helper.to_array(tensors[1]).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("size", [ROOM - 3, ROOM - 2])
def test_up_to_256_bytes_of_data_stay_with_a_tensor(tmp_path, size):
    tensor = numpy_helper.from_array(np.zeros(size, "u1"), "w")
    assert len(payload_of(tmp_path / "m.onnx", tensor)) == (data_bytes(tensor) > ROOM)


@pytest.mark.parametrize("kind", ["ints", "floats", "strings"])
def test_long_lists_of_an_attribute_are_left_out(tmp_path, kind):
    value = {"ints": range(50_000), "floats": [0.5] * 50_000, "strings": [b"class"] * 50_000}[kind]
    forest = helper.make_node("TreeEnsembleClassifier", ["x"], ["y"], domain="ai.onnx.ml", values=value, short=[1, 2])
    found = slimmed(saved(tmp_path / "m.onnx", nodes=[forest]))
    attributes = {item.name: item for item in parse(found.data).graph.node[0].attribute}
    assert not getattr(attributes["values"], kind)
    assert list(attributes["short"].ints) == [1, 2]
    (payload,) = found.payloads
    assert (attributes["values"].doc_string, payload.offset) == ("0", None)
    assert (
        payload.length
        == {"ints": 2 * 128 + 3 * (16_384 - 128) + 4 * (50_000 - 16_384), "floats": 250_000, "strings": 350_000}[kind]
    )


def test_a_long_text_of_an_attribute_is_left_out(tmp_path):
    engine = helper.make_node("EPContext", [], ["y"], domain="com.microsoft", ep_cache_context=b"\0" * 100_000)
    (payload,) = slimmed(saved(tmp_path / "m.onnx", nodes=[engine])).payloads
    assert (payload.length, payload.field) == (100_000, 4)


def test_data_inside_a_loop_is_left_out(tmp_path):
    inner = graph_of(numpy_helper.from_array(np.zeros(500, "f4"), "w"))
    assert len(slimmed(saved(tmp_path / "m.onnx", nodes=[helper.make_node("Loop", [], [], body=inner)])).payloads) == 1


# Size


class Counted:
    """An open file that counts what is read of it."""

    def __init__(self, file: OpenFile) -> None:
        self.file, self.size, self.count = file, file.size, 0

    def pread(self, length: int, offset: int) -> bytes:
        data = self.file.pread(length, offset)
        self.count += len(data)
        return data


def embedded(path: Path, sizes: list[int]) -> Path:
    """A model with tensors of so many raw bytes, all of them holes in the file."""
    heads = [b"\x08\x07" + field(8, b"w%d" % number) for number in range(len(sizes))]
    tensors = [(head + b"\x4a" + varint(size), size) for head, size in zip(heads, sizes, strict=True)]
    tensors = [(field(5, head, len(head) + size), size) for head, size in tensors]
    last = field(1, field(4, b"Relu"))
    graph = sum(len(head) + size for head, size in tensors) + len(last)
    with path.open("wb") as file:
        file.write(b"\x08\x0a" + field(7, b"", graph))
        for head, size in tensors:
            file.write(head)
            file.seek(size, os.SEEK_CUR)
        file.write(last + field(8, b"\x10\x0d"))
    return path


def walked(path: Path) -> tuple[Slim, int, int]:
    """The structure of a model, the bytes that were read of it and the most memory that it took meanwhile."""
    with open_file(path) as file:
        counted = Counted(file)
        tracemalloc.start()
        try:
            found = slim(counted)
            return found, counted.count, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_two_gigabytes_of_weights_are_not_read(tmp_path):
    found, read_bytes, memory = walked(embedded(tmp_path / "m.onnx", [GIB // 4] * 8))
    assert [item.length for item in found.payloads] == [GIB // 4] * 8
    assert (read_bytes < 2**18, memory < 2**20) == (True, True)


def test_offsets_beyond_four_gigabytes_are_right(tmp_path):
    path = embedded(tmp_path / "m.onnx", [5 * GIB, 1000])
    found, _, _ = walked(path)
    assert [op.op_type for op in parse(found.data).graph.node] == ["Relu"]
    offset = found.payloads[1].offset
    assert offset > 5 * GIB
    with path.open("r+b") as file:
        file.seek(offset - len(varint(1000)))
        assert file.read(len(varint(1000))) == varint(1000)


def test_ten_gigabytes_of_external_data_are_not_touched(tmp_path):
    with (tmp_path / "m.data").open("wb") as data:
        data.truncate(10 * GIB)
    tensor = TensorProto(name="w", dims=[GIB, 10], data_type=TensorProto.UINT8, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "m.data", "offset": "0", "length": str(10 * GIB)}.items():
        tensor.external_data.add(key=key, value=value)
    (stored,) = parse(slimmed(saved(tmp_path / "m.onnx", tensor)).data).graph.initializer
    assert stored == tensor
    found = located(tmp_path, {entry.key: entry.value for entry in stored.external_data})
    assert (found.size, found.length, found.fault) == (10 * GIB, 10 * GIB, None)


# Damage


def small_model() -> bytes:
    weight = numpy_helper.from_array(np.ones((8, 10), "f4"), "w")
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], alpha=0.5, name="fc"), helper.make_node("Relu", ["y"], ["z"])]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8])
    graph = helper.make_graph(nodes, "g", [value], [helper.make_empty_tensor_value_info("z")], [weight])
    return helper.make_model(graph, producer_name="hand").SerializeToString()


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path):
    whole = small_model()
    opset = len(field(8, b"\x0a\0\x10\x19"))
    for length in range(1, len(whole) - opset):
        sentence = refusal(tmp_path / "m.onnx", whole[:length])
        assert "cut short" in sentence or "ends before its graph" in sentence, (length, sentence)
        assert "download or export it again" in sentence


def test_a_file_with_changed_bytes_is_read_or_refused(tmp_path):
    whole = small_model()
    seed = random.Random(3)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(2000):
        changed = bytearray(whole)
        for _ in range(seed.randint(1, 3)):
            changed[seed.randrange(len(whole))] = seed.randrange(256)
        try:
            proto = read(tmp_path / "m.onnx", bytes(changed))
        except ReadError:
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        assert all(isinstance(op.name, str) for op in proto.graph.node)
    assert min(outcomes.values()) > 200


@pytest.mark.parametrize(
    ("content", "said"),
    {
        "length beyond the file": (b"\x08\x0a\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "cut short"),
        "length beyond the message": (node(b"\x0a\x05x"), "longer than what it is part of"),
        "number of eleven bytes": (node(b"\x18" + b"\xff" * 10 + b"\x01"), "not of wire type|more than ten bytes"),
        "length of eleven bytes": (b"\x08\x0a\x3a" + b"\x80" * 10 + b"\x01", "neither"),
        "group": (node(b"\x0b\x0c"), "wire type 3"),
        "wire type": (node(b"\x20\x05"), "field 4 is not of wire type 0"),
        "field zero": (node(b"\x02\x01x"), "field 0"),
        "zeros": (model(bytes(100)), "damaged"),
        "number cut off": (b"\x08\x0a" + field(7, field(1, b"\x0a\x01x")) + b"\x28\x80", "cut short"),
    }.values(),
)
def test_bytes_that_make_no_sense_are_refused(tmp_path, content, said):
    path = tmp_path / "m.bin"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=said):
        read(path, content)


def nested(depth: int) -> bytes:
    graph = b""
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))
    return model(graph)


def test_graphs_in_graphs_are_read(tmp_path):
    graph = read(tmp_path / "m.onnx", nested(25)).graph
    for _ in range(25):
        graph = graph.node[0].attribute[0].g
    assert not graph.node


@pytest.mark.parametrize("depth", [31, 33, 40, 3000])
def test_graphs_that_are_nested_too_deeply_are_refused(tmp_path, depth):
    assert "nested more deeply" in refusal(tmp_path / "m.onnx", nested(depth))


def test_types_that_are_nested_too_deeply_are_refused(tmp_path):
    content = b""
    for _ in range(500):
        content = field(4, field(1, content))
    assert "nested more deeply" in refusal(tmp_path / "m.onnx", model(field(11, field(2, content))))


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(node(field(3, b"n" * 100_000)))
    with open_file(path) as file:
        os.truncate(path, 200)
        with pytest.raises(ReadError, match="changed while it was read"):
            slim(file)


# Bytes that become many more in memory

MANY = 5_000_000
BOMBS = {
    "nodes": lambda: model(b"\x0a\0" * MANY * 2),
    "attributes": lambda: node(b"\x2a\0" * MANY),
    "initializers": lambda: model(b"\x2a\0" * MANY),
    "inputs of a node": lambda: node(b"\x0a\0" * MANY),
    "packed dimensions": lambda: model(field(5, field(1, b"\x01" * 2**26))),
    "packed integers": lambda: node(field(5, field(8, b"\x01" * 60_000)) * 2000),
    "a name": lambda: node(field(3, b"x" * 2**28)),
    "names that are no text": lambda: node(b"\x0a\x01\xff" * MANY),
    "strings": lambda: model(field(5, b"\x32\x01x" * MANY)),
    "unknown fields": lambda: model(b"\xfa\x01\0\x12\0" * MANY),
    "shapes": lambda: model(field(11, field(2, field(1, field(2, b"\x0a\0" * MANY))))),
    "functions": lambda: model(b"") + b"\xca\x01\0" * MANY,
}
CHILD = """
import resource, sys
from pathlib import Path
from archlint.errors import ReadError
from archlint.readers.files import open_file
from archlint.readers.gate import sniff
from archlint.readers.onnx.proto import parse
from archlint.readers.onnx.wire import slim
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
try:
    with open_file(Path(sys.argv[1])) as file:
        sniff(file)
        parse(slim(file).data)
except ReadError as error:
    print(error)
"""
"""Reads a model with half a gigabyte of memory."""


def in_child(code: str, *arguments: object) -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, env=environment, check=True).stdout


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_structure_that_would_fill_the_memory_is_refused(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content())
    assert "larger than any honest model's; it was not read further" in in_child(CHILD, path)


# Classes


@pytest.mark.parametrize("order", ["parse; import onnx", "import onnx; parse"])
def test_the_classes_are_those_of_onnx_whichever_comes_first(order):
    parse_it = "from archlint.readers.onnx.proto import parse; proto = parse(b'')"
    in_child(order.replace("parse", parse_it) + "; assert type(proto) is onnx.ModelProto")


def test_reading_does_not_import_the_package(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(small_model())
    in_child(CHILD + "assert not {'onnx', 'pyfive'} & set(sys.modules), set(sys.modules)", path)


def test_without_onnx_the_sentence_says_what_to_install(monkeypatch):
    from archlint.errors import UsageError
    from archlint.readers.onnx import proto

    proto._messages.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UsageError, match="pip install onnx"):
        parse(b"")


# External data


def external(folder: Path, **entries: str):
    return located(folder, {"location": "w.bin", **entries})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "w.bin").write_bytes(bytes(100))
    return tmp_path


def test_external_data_in_range_has_no_fault(folder):
    found = external(folder, offset="20", length="80")
    assert (found.path, found.offset, found.length, found.size, found.fault) == ("w.bin", 20, 80, 100, None)


def test_external_data_may_be_in_a_folder(folder):
    (folder / "data").mkdir()
    (folder / "w.bin").rename(folder / "data" / "w.bin")
    assert external(folder, location="data/w.bin").fault is None


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ({"location": ""}, "no-location"),
        ({"location": "/etc/passwd"}, "absolute"),
        ({"location": "C:\\w.bin"}, "absolute"),
        ({"location": "C:w.bin"}, "absolute"),
        ({"location": "\\\\host\\w.bin"}, "absolute"),
        ({"location": "data\\w.bin"}, "backslash"),
        ({"location": "../w.bin"}, "outside"),
        ({"location": "data/../../w.bin"}, "outside"),
        ({"location": "gone.bin"}, "missing"),
        ({"location": "w.bin/x"}, "missing"),
        ({"location": "w\0.bin"}, "missing"),
        ({"location": "w" * 5000}, "missing"),
        ({"location": "."}, "not-regular"),
        ({"offset": "-1"}, "bad-range"),
        ({"offset": "x"}, "bad-range"),
        ({"length": "1e3"}, "bad-range"),
        ({"length": "9" * 5000}, "bad-range"),
        ({"length": "101"}, "bad-range"),
        ({"offset": "100", "length": "1"}, "bad-range"),
        ({"basedir": "/"}, "unknown-key"),
    ],
)
def test_a_fault_of_external_data_has_a_word(folder, entries, fault):
    assert external(folder, **entries).fault == fault


def test_external_data_behind_a_link_is_not_followed(folder):
    (folder / "link.bin").symlink_to(folder / "w.bin")
    found = external(folder, location="link.bin")
    assert (found.fault, found.size) == ("link", None)


def test_external_data_in_a_linked_folder_is_not_followed(folder):
    (folder / "real").mkdir()
    (folder / "w.bin").rename(folder / "real" / "w.bin")
    (folder / "link").symlink_to(folder / "real")
    assert external(folder, location="link/w.bin").fault == "link"


def test_external_data_under_two_names_is_noted(folder):
    os.link(folder / "w.bin", folder / "again.bin")
    assert external(folder).fault == "hardlink"


def test_a_pipe_as_external_data_is_not_opened(folder):
    os.mkfifo(folder / "pipe")
    assert external(folder, location="pipe").fault == "not-regular"


# What is no ONNX model


def judged(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with open_file(path) as file:
        try:
            return sniff(file)
        except ReadError as error:
            return str(error)


@pytest.mark.parametrize(
    ("content", "said"),
    {
        "graph def": (field(1, field(1, b"weights") + field(2, b"Const")) + field(4, b"\x08\x05"), "TensorFlow graph"),
        "saved model": (b"\x08\x01" + field(2, field(1, b"")), "SavedModel"),
        "core ml": (b"\x08\x04" + field(2, field(1, b"")) + field(500, b""), "Core ML"),
        "ort": (b"\x1c\0\0\0ORTM" + bytes(50), "ONNX Runtime"),
        "tensorrt": (b"ftrt" + bytes(50), "TensorRT"),
        "text": (b'<\n   ir_version: 8,\n   opset_import: ["" : 17]\n>\ng (float[1] x) => (float[1] x) {}', "as text"),
        "text format": (b'ir_version: 8\nproducer_name: "x"\ngraph {\n}', "as text"),
        "json": (b'{"irVersion": "8", "graph": {}}', "as text"),
        "safetensors": (b'\x40\0\0\0\0\0\0\0{"w":{"dtype":"F32"}}', "weights only"),
        "pytorch": (b"PK\x03\x04" + bytes(26) + b"model/data.pkl", "PyTorch"),
        "tensor": (numpy_helper.from_array(np.ones((3, 4), "f4"), "w").SerializeToString(), "nor ONNX"),
        "version only": (b"\x08\x0a", "ends before its graph"),
    }.values(),
)
def test_another_format_is_called_by_its_name(tmp_path, content, said):
    assert said in judged(tmp_path / "model.bin", content)


def test_a_file_named_onnx_that_is_none_says_so(tmp_path):
    assert "named .onnx" in judged(tmp_path / "m.onnx", b"\x88" + small_model())


def test_random_bytes_are_never_read_as_a_model(tmp_path):
    seed = random.Random(5)
    for _ in range(1000):
        with pytest.raises(ReadError):
            read(tmp_path / "m.bin", b"\x08" + seed.randbytes(200))
