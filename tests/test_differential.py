"""What archlint reads of a model file is what those libraries read that others load it with: h5py, onnx."""

import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from differential import Library, compare, compare_hdf5, compare_onnx, differences, hdf5_facts
from onnx import numpy_helper
from support import FIXTURES, entry, sequential, write_h5

from archlint.errors import ReadError
from archlint.readers import open_model
from archlint.readers.archives import open_member
from archlint.readers.files import open_file
from archlint.readers.onnx.graph import Constant, Graph, Node
from archlint.readers.onnx.load import load
from archlint.readers.onnx.tensors import NUMPY, type_of

H5 = sorted(FIXTURES.rglob("*.h5"))
KERAS = sorted(FIXTURES.rglob("*.keras"))
ONNX = sorted(FIXTURES.rglob("*.onnx"))

DAMAGED = 1_000
"""Damaged files of a format that are compared here; `differential.py` compares as many as one likes."""


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    with Library() as started:
        yield started


# ---------------------------------------------------------------- files as they are


def test_h5_files_are_read_as_h5py_reads_them(library: Library) -> None:
    assert len(H5) > 50
    assert {path.name: compare_hdf5(path, library) for path in H5} == {path.name: [] for path in H5}


def test_the_weights_in_archives_are_read_as_h5py_reads_them(library: Library, tmp_path: Path) -> None:
    unpacked = tmp_path / "model.weights.h5"
    compared = 0
    for path in KERAS:
        with open_file(path) as file, zipfile.ZipFile(path) as archive:
            member = archive.getinfo(unpacked.name) if unpacked.name in archive.namelist() else None
            if member is None or not member.file_size:
                continue
            unpacked.write_bytes(archive.read(member))
            theirs = library.read(unpacked)
            assert theirs
            assert differences(hdf5_facts(open_member(file, member)), theirs) == [], path.name
            compared += 1
    assert compared > 40


def test_onnx_files_are_read_as_onnx_reads_them() -> None:
    assert len(ONNX) > 80
    assert {path.name: compare_onnx(path) for path in ONNX} == {path.name: [] for path in ONNX}


@pytest.mark.parametrize("kind", ["h5", "onnx"])
def test_a_damaged_file_that_both_accept_says_the_same_to_both(kind: str) -> None:
    made = dict(compare(kind, range(DAMAGED)))
    assert {number: found for number, found in made.items() if found} == {}
    assert sum(found is not None for found in made.values()) > DAMAGED / 4


# ---------------------------------------------------------------- HDF5 that Keras does not write


def config(name: str) -> str:
    dense = entry("Dense", name=name, units=1, batch_input_shape=[None, 4])
    return json.dumps(sequential(dense, name=name), ensure_ascii=False)


def weights(file: h5py.File) -> h5py.Group:
    file.attrs["model_config"] = config("good")
    return file.create_group("model_weights")


def written(path: Path, *fill: Callable[[h5py.File], object], **options: object) -> Path:
    with h5py.File(path, "w", **options) as file:
        for change in fill:
            change(file)
    return path


def low_level(kind: h5py.h5t.TypeID, layout: int = h5py.h5d.CONTIGUOUS) -> Callable[[h5py.File], object]:
    def fill(file: h5py.File) -> None:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_layout(layout)
        data = h5py.h5d.create(weights(file).id, b"kernel", kind, h5py.h5s.create_simple((4,)), made)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype="f4"))

    return fill


def half_chunked(file: h5py.File) -> None:
    made = weights(file).create_dataset("kernel", (7, 4), "f4", fillvalue=7, chunks=(2, 3), shuffle=True)
    made[:3] = np.ones((3, 4))


def packed(file: h5py.File) -> None:
    options = {"chunks": (2, 3), "compression": "gzip", "shuffle": True, "fletcher32": True}
    weights(file).create_dataset("kernel", data=np.arange(28.0).reshape(7, 4), **options)


def every_type(file: h5py.File) -> None:
    group = weights(file)
    for kind in "i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 >i4 >f4 >f8".split():
        group[kind] = group.attrs[kind] = np.arange(5).astype(kind)


def many_attributes(file: h5py.File) -> None:
    weights(file)
    for number in range(40):
        file.attrs[f"a{number}"] = "x" * 50 * number


def no_numbers(file: h5py.File) -> None:
    group = weights(file)
    group["nothing"] = h5py.Empty("f4")
    group["type"] = np.dtype("f8")
    group["text"] = ["a", "b"]
    group["kernel"] = np.zeros((0, 5))


def links(file: h5py.File) -> None:
    group = weights(file)
    group["kernel"] = np.ones(3)
    group["soft"] = h5py.SoftLink("/model_weights/kernel")
    group["outside"] = h5py.ExternalLink("other.h5", "/")


def other_letters(file: h5py.File) -> None:
    file.attrs["model_config"] = config("größe")
    file.create_group("größe").create_dataset("가중치:0", data=[1.0])


READ: dict[str, Callable[[h5py.File], object]] = {
    "types": every_type,
    "compact": low_level(h5py.h5t.IEEE_F32LE, h5py.h5d.COMPACT),
    "attributes": many_attributes,
    "no numbers": no_numbers,
    "links": links,
    "letters": other_letters,
    "fixed text": lambda file: file.attrs.create("model_config", config("good").encode(), dtype="S999"),
}
OLD: dict[str, Callable[[h5py.File], object]] = {
    "truth": lambda file: weights(file).create_dataset("kernel", data=[True, False]),
    "chunks": half_chunked,
    "packed": packed,
}
"""What is read in the layout that Keras asks for only."""

VERSIONS: dict[str, dict[str, Any]] = {
    "old": {},
    "1.8": {"libver": ("earliest", "v108")},
    "new": {"libver": "latest"},
    "moved": {"userblock_size": 512},
}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_other_programs_write_is_read_as_h5py_reads_it(version: str, library: Library, tmp_path: Path) -> None:
    made = READ | (OLD if version != "new" else {})
    found = {
        name: compare_hdf5(written(tmp_path / f"{name}.h5", fill, **VERSIONS[version]), library)
        for name, fill in made.items()
    }
    assert found == {name: [] for name in made}


def brain_float(file: h5py.File) -> None:
    kind = h5py.h5t.IEEE_F16LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_ebias(127)
    low_level(kind)(file)


def part_of_an_integer(file: h5py.File) -> None:
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_precision(12)
    kind.set_offset(4)
    low_level(kind)(file)


def named_type(file: h5py.File) -> None:
    weights(file)
    file["type"] = np.dtype("S99")
    file.attrs.create("training_config", b"{}", dtype=file["type"])


def no_text(file: h5py.File) -> None:
    weights(file)
    file.attrs.create("training_config", np.ones((1, 2)), dtype=np.dtype(("f4", (2,))))


WHY = "never writes|a filter that is not known|attribute training_config is no text"

NOT_READ: dict[str, Callable[[h5py.File], object]] = {
    "brain float": brain_float,
    "part of an integer": part_of_an_integer,
    "named type": named_type,
    "filter": lambda file: weights(file).create_dataset("kernel", data=np.ones(9), chunks=(3,), compression="lzf"),
    "no text": no_text,
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NOT_READ)
def test_what_would_be_read_wrongly_is_refused(name: str, version: str, tmp_path: Path) -> None:
    path = written(tmp_path / "m.h5", NOT_READ[name], **VERSIONS[version])
    with pytest.raises(ReadError, match=WHY), open_model(path) as model:  # noqa: PT012 # while it is opened, or read
        for weight in model.stored():
            weight.read()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_without_that_is_not_refused(version: str, tmp_path: Path) -> None:
    with open_model(written(tmp_path / "m.h5", every_type, **VERSIONS[version])) as model:
        assert all(weight.read().tolist() == [0, 1, 2, 3, 4] for weight in model.stored())


# ---------------------------------------------------------------- two models in one file


def twice(file: h5py.File) -> None:
    file.attrs["model_config"] = config("evil")
    file.attrs["model_confiX"] = config("good")


def attribute_of_two_values(data: bytearray) -> None:
    data[:] = data.replace(b"model_confiX", b"model_config")


def two_beginnings(data: bytearray) -> None:
    """pyfive would take the model that stands where the superblock says that the content begins."""
    other = written_bytes(lambda file: file.attrs.__setitem__("model_config", config("good")))
    data += bytes(-len(data) % 512)
    struct.pack_into("<Q", data, 24, len(data))
    struct.pack_into("<Q", data, 40, len(data) + len(other))
    data += other


def written_bytes(fill: Callable[[h5py.File], object]) -> bytes:
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return buffer.getvalue()


def text_behind_free_space(data: bytearray) -> None:
    """pyfive would take the first text of a number, before the free space; the library takes the last."""
    heap = data.index(b"GCOL")
    (whole,) = struct.unpack_from("<Q", data, heap + 8)
    (size,) = struct.unpack_from("<Q", data, heap + 24)
    used = 16 + size + -size % 8
    free, copy = heap + 16 + used, heap + 16 + used + 64
    data[copy : copy + used] = data[heap + 16 : free]
    data[heap + 32 : heap + 32 + size] = data[heap + 32 : heap + 32 + size].replace(b"evil", b"good")
    struct.pack_into("<HH4xQ", data, free, 0, 0, 64)
    struct.pack_into("<HH4xQ", data, copy + used, 0, 0, whole - (copy + used - heap))


def message_that_is_not_counted(data: bytearray) -> None:
    """pyfive would read as many messages of a header as it says that it has; the library reads all."""
    (header,) = struct.unpack_from("<Q", data, 64)
    (count,) = struct.unpack_from("<H", data, header + 2)
    struct.pack_into("<H", data, header + 2, count - 1)


def evil(file: h5py.File) -> None:
    file.attrs["model_config"] = config("evil")


def evil_and_compiled(file: h5py.File) -> None:
    evil(file)
    file.attrs["training_config"] = '{"loss": "mse"}'


TWO_READINGS: dict[str, tuple[Callable[[h5py.File], object], Callable[[bytearray], None]]] = {
    "attribute of two values": (twice, attribute_of_two_values),
    "two beginnings": (evil, two_beginnings),
    "text behind free space": (evil, text_behind_free_space),
    "message that is not counted": (evil_and_compiled, message_that_is_not_counted),
}


@pytest.mark.parametrize("name", TWO_READINGS)
def test_a_file_that_shows_archlint_another_model_than_keras_is_refused(
    name: str, library: Library, tmp_path: Path
) -> None:
    fill, change = TWO_READINGS[name]
    data = bytearray(written_bytes(fill))
    change(data)
    path = tmp_path / "m.h5"
    path.write_bytes(data)
    read = library.read(path)
    assert read
    assert read["@model_config"] == config("evil")
    assert ("@training_config" in read) == (fill is evil_and_compiled)
    with pytest.raises(ReadError, match=r"readers would disagree|it is an HDF5 file, but damaged"), open_model(path):
        pass


def fixed_text(text: bytes) -> Callable[[h5py.File], object]:
    """A text that ends at its first zero, and has room for more behind it."""

    def fill(file: h5py.File) -> None:
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(999)
        kind.set_strpad(h5py.h5t.STR_NULLTERM)
        made = h5py.h5a.create(file.id, b"model_config", kind, h5py.h5s.create(h5py.h5s.SCALAR))
        made.write(np.array(text, "S999"), mtype=h5py.h5t.py_create(np.dtype("S999")))

    return fill


def test_a_text_that_goes_on_behind_its_end_is_refused(library: Library, tmp_path: Path) -> None:
    good = config("good").encode()
    path = written(tmp_path / "m.h5", fixed_text(good + b"X{}"))
    assert compare_hdf5(path, library) == []
    path.write_bytes(path.read_bytes().replace(good + b"X{}", good + b"\0{}"))
    read = library.read(path)
    assert read
    assert read["@model_config"] == config("good")
    with pytest.raises(ReadError, match="model_config has a null character"), open_model(path):
        pass


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.replace(b"GCOL", b"GC0L"), "its structure makes no sense"),
        (text_behind_free_space, "texts behind the last one"),
    ],
)
def test_it_is_said_what_is_damaged(change: Callable[[bytearray], Any], said: str, tmp_path: Path) -> None:
    data = bytearray(written_bytes(evil))
    path = tmp_path / "m.h5"
    path.write_bytes(change(data) or data)
    with pytest.raises(ReadError, match=rf"damaged or cut short \({said}\)"), open_model(path):
        pass


def test_two_chunks_of_one_place_are_refused(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        weights(file).create_dataset("kernel", data=np.arange(4.0, dtype="f4"), chunks=(2,))

    path = written(tmp_path / "m.h5", fill)
    with open_model(path) as model:
        assert [weight.read().tolist() for weight in model.stored()] == [[0, 1, 2, 3]]
    data = path.read_bytes()
    second = data.index(struct.pack("<IIQQ", 8, 0, 2, 0))
    path.write_bytes(data[:second] + struct.pack("<IIQQ", 8, 0, 0, 0) + data[second + 24 :])
    with open_model(path) as model, pytest.raises(ReadError, match="the index of its dataset"):
        [weight.read() for weight in model.stored()]


def test_numbers_elsewhere_do_not_keep_the_rest_from_being_read(tmp_path: Path) -> None:
    layer = entry("SimpleRNN", name="rnn", units=2, batch_input_shape=[None, 3, 2])
    path = write_h5(tmp_path / "m.h5", sequential(layer))
    layout = h5py.VirtualLayout((2, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "kernel", (2, 2))
    with h5py.File(path, "a") as file:
        group = file.create_group("model_weights/rnn/rnn")
        group.create_virtual_dataset("kernel:0", layout)
        group.create_dataset("recurrent_kernel:0", (2, 2), "f4", external=[("other", 0, 16)])
        group["bias:0"] = np.arange(2.0)
    with open_model(path) as model:
        found = {weight.name: weight for weight in model.stored()}
        assert found["bias"].read().tolist() == [0, 1]
        for name in ("kernel", "recurrent_kernel"):
            assert found[name].unreadable == "its numbers are in another file, which is never opened"
            with pytest.raises(ReadError, match="never opened"):
                found[name].read()


# ---------------------------------------------------------------- the graph that ONNX files say


@pytest.mark.parametrize("path", ONNX, ids=lambda path: path.stem)
def test_the_graph_is_the_one_that_onnx_reads(path: Path) -> None:
    model = onnx.load(path, load_external_data=False)
    with open_file(path) as file:
        source = load(file)
    assert source.ir_version == model.ir_version
    asked = {item.domain: item.version for item in model.opset_import}
    assert source.opsets == {"" if domain == "ai.onnx" else domain: version for domain, version in asked.items()}
    assert (source.producer or "") == model.producer_name
    is_the_graph(source.graph, model.graph, whole=not model.functions)


def is_the_graph(graph: Graph, proto: onnx.GraphProto, whole: bool) -> None:
    """Names apart, which have a prefix within a body. Functions are unfolded, so their calls are not compared."""
    stored = {tensor.name for tensor in proto.initializer}
    inputs = [value for value in proto.input if value.name not in stored]
    assert len(graph.inputs) == len(inputs)
    assert len(graph.outputs) == len(proto.output)
    declared = [type_of(value.type) for value in chain(inputs, proto.output)]
    assert [graph.types.get(name) for name in (*graph.inputs, *graph.outputs)] == declared
    initializers = [constant for constant in graph.constants.values() if constant.initializer]
    assert len(initializers) == len(proto.initializer)
    for constant, tensor in zip(initializers, proto.initializer, strict=True):
        is_the_tensor(constant, tensor)
    if whole:
        nodes = [node for node in proto.node if node.op_type != "Constant"]
        assert len(graph.nodes) == len(nodes)
        for node in graph.nodes:
            (same,) = (other for other in nodes if ends_alike(node.outputs, other.output))
            is_the_node(node, same)


def is_the_node(node: Node, proto: onnx.NodeProto) -> None:
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    assert (node.op, node.domain) == (proto.op_type, domain)
    assert ends_alike(node.inputs, proto.input)
    values = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in proto.attribute}
    assert {*node.attrs, *node.bodies} == set(values)
    for name, body in node.bodies.items():
        is_the_graph(body, values[name], whole=True)
    for name, value in node.attrs.items():
        if isinstance(value, Constant):
            is_the_tensor(value, values[name])
        else:
            assert value == text(values[name])


def text(value: object) -> object:
    """Bytes as text, also those in a list."""
    if isinstance(value, list):
        return [text(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def is_the_tensor(constant: Constant, tensor: onnx.TensorProto) -> None:
    assert constant.shape == tuple(tensor.dims)
    assert constant.dtype == onnx.TensorProto.DataType.Name(tensor.data_type).lower()
    assert (constant.external is not None) == (tensor.data_location == onnx.TensorProto.EXTERNAL)
    if constant.value is not None and constant.dtype in NUMPY:
        np.testing.assert_array_equal(constant.value, numpy_helper.to_array(tensor))


def ends_alike(names: tuple[str, ...], others: list[str]) -> bool:
    return len(names) == len(others) and all(
        name == other or name.endswith(f"/{other}") for name, other in zip(names, others, strict=True)
    )
