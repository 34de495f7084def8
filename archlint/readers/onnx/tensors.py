"""Stored tensors and attributes: from the classes of ONNX's format to plain Python values."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archlint.errors import ReadError
from archlint.readers.onnx.external import External, located
from archlint.readers.onnx.graph import Array, Constant, Type
from archlint.readers.onnx.wire import SEVERAL, Payload
from archlint.shape_terms import believable

DTYPES = dict(
    enumerate(
        "undefined float uint8 int8 uint16 int16 int32 int64 string bool float16 double uint32 uint64 complex64 "
        "complex128 bfloat16 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz uint4 int4 float4e2m1 float8e8m0 "
        "uint2 int2".split()
    )
)
"""ONNX's element types by number, under the names of its text syntax."""

NUMPY = {
    "float": "<f4",
    "double": "<f8",
    "float16": "<f2",
    "bool": "?",
    **{f"{sign}int{bits}": f"<{sign[:1] or 'i'}{bits // 8}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""The types whose values are read as they are; bfloat16 becomes float. Of the others only the shape is needed."""

_TYPED_FIELDS = {
    "float": "float_data",
    "double": "double_data",
    "int64": "int64_data",
    "uint64": "uint64_data",
    "uint32": "uint64_data",
}
"""Where a tensor that has no raw bytes keeps its elements; all other types are in int32_data."""

_DATA_FIELDS = ("raw_data", "string_data", "int32_data", *dict.fromkeys(_TYPED_FIELDS.values()))

EXTERNAL = 1  # TensorProto.DataLocation


def dtype_name(number: int) -> str:
    """`float` for 1."""
    return DTYPES.get(number, "undefined")


class Tensors:
    """Reads the tensors of one file: what was dropped from it is looked up among its payloads."""

    def __init__(self, folder: Path, payloads: tuple[Payload, ...]) -> None:
        self._folder = folder
        self._payloads = payloads

    def constant(self, proto: Any, name: str, initializer: bool = False) -> Constant:
        """A TensorProto as a constant of the graph.

        Raises:
            ReadError: it cannot exist, or has its numbers or their place twice.
        """
        shape = _shape(proto, name)
        dtype = dtype_name(proto.data_type)
        external = self._external(proto)
        # The reader of the bytes put the payload's number there.
        payload = self._payloads[int(proto.doc_string)] if proto.doc_string else None
        inside = sum(bool(getattr(proto, field)) for field in _DATA_FIELDS)
        if inside + bool(external) + bool(payload) > 1 or (payload and payload.field == SEVERAL):
            raise ReadError(
                f"its tensor {proto.name!r} has its numbers twice, so readers would disagree; export the model again"
            )
        value = None if external or payload else _value(proto, dtype, shape)
        return Constant(name, dtype, shape, value, payload, external, initializer)

    def _external(self, proto: Any) -> External | None:
        if proto.data_location != EXTERNAL:
            return None
        entries = {entry.key: entry.value for entry in proto.external_data}
        if len(entries) < len(proto.external_data):
            raise ReadError(
                f"its tensor {proto.name!r} says twice where its numbers are, so readers would disagree; "
                "export the model again"
            )
        return located(self._folder, entries)

    def sparse(self, proto: Any, name: str) -> Constant:
        """A SparseTensorProto; its values are not put together."""
        dtype = dtype_name(proto.values.data_type)
        return Constant(name, dtype, _shape(proto, name), initializer=True)

    def attribute(self, proto: Any) -> Any:
        """The value of an AttributeProto that holds no graph; None for an unknown one, or one too long to be read."""
        if proto.doc_string:  # a note of the reader of the bytes, as above
            return None
        kind = proto.type or _guessed(proto)
        return _READ[kind](self, proto) if kind in _READ else None


_READ: Mapping[int, Callable[[Tensors, Any], Any]] = {
    1: lambda _, proto: proto.f,
    2: lambda _, proto: proto.i,
    3: lambda _, proto: text(proto.s),
    4: lambda tensors, proto: tensors.constant(proto.t, proto.t.name),
    6: lambda _, proto: list(proto.floats),
    7: lambda _, proto: list(proto.ints),
    8: lambda _, proto: [text(item) for item in proto.strings],
    11: lambda tensors, proto: tensors.sparse(proto.sparse_tensor, ""),
}
"""By AttributeProto.AttributeType; 5 and 10 are graphs."""

_FIELDS = {"t": 4, "g": 5, "floats": 6, "ints": 7, "strings": 8, "s": 3, "f": 1, "i": 2}


def _guessed(proto: Any) -> int:
    """The type of an attribute from before IR 2, which did not state it."""
    return next((number for name, number in _FIELDS.items() if _is_set(proto, name)), 0)


def _is_set(proto: Any, name: str) -> bool:
    value = getattr(proto, name)
    return bool(value.ByteSize()) if name in ("t", "g") else bool(value)


def _shape(proto: Any, name: str) -> tuple[int, ...]:
    shape = tuple(proto.dims)
    if any(size < 0 for size in shape):
        raise ReadError(f"the tensor {name!r} has a negative dimension; export the model again")
    if not believable(shape):
        raise ReadError(f"the tensor {name!r} is larger than any memory; export the model again")
    return shape


def _value(proto: Any, dtype: str, shape: tuple[int, ...]) -> Array | None:
    if dtype not in NUMPY and dtype != "bfloat16":
        return None
    try:
        return _elements(proto, dtype).reshape(shape)
    except (ValueError, OverflowError):  # as many elements as the shape says are not there
        return None


def _elements(proto: Any, dtype: str) -> Array:
    kind = np.dtype("<u2" if dtype == "bfloat16" else NUMPY[dtype])
    if proto.raw_data:
        found: Array = np.frombuffer(proto.raw_data, kind)
    else:
        listed = getattr(proto, _TYPED_FIELDS.get(dtype, "int32_data"))
        bits = np.uint16 if dtype == "float16" else kind  # of each, as an integer
        found = np.array(listed, bits).view(kind)
    return as_float(found) if dtype == "bfloat16" else found


def as_float(bits: Array) -> Array:
    """The numbers whose upper 16 bits, as floats of 32, are given: bfloat16."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def text(raw: bytes | str) -> str:
    """What a string attribute says; bytes that are no text stay visible."""
    return raw if isinstance(raw, str) else raw.decode("utf-8", "backslashreplace")


def type_of(proto: Any) -> Type:
    """What a TypeProto declares; for sequences, maps and optionals nothing that is needed here."""
    if not proto.HasField("tensor_type"):
        return Type()
    tensor = proto.tensor_type
    dtype = dtype_name(tensor.elem_type)
    if not tensor.HasField("shape"):
        return Type(dtype)
    dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
    return Type(dtype, tuple(size if size >= 0 else None for size in dims))
