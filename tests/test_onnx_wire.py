"""From the bytes of an ONNX file to its structure: everything but the tensors' data, and in bounded memory."""

import importlib
import json
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
from archlint.readers.gate import OpenFile, open_file, sniff
from archlint.readers.onnx.external import located
from archlint.readers.onnx.proto import parse
from archlint.readers.onnx.wire import Payload, Slim, slim

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
        assert sniff(file) == "onnx"
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
