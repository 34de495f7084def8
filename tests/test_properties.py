"""What holds for any configuration and any message: Hypothesis looks for one for which it does not."""

import json
import math
import sys
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from support import FIXTURES
from test_onnx_wire import emptied, field, varint, without_notes

sys.path.insert(0, str(FIXTURES.parent))

from archlint.api.linter import Linter
from archlint.errors import ReadError
from archlint.facts import build
from archlint.graph import Model
from archlint.limits import INTEGER_DIGITS
from archlint.readers import strict_json
from archlint.readers.files import open_file
from archlint.readers.keras import from_attributes
from archlint.readers.onnx.proto import parse
from archlint.readers.onnx.wire import slim
from archlint.rules import run
from fixtures.mutants.dialects import CONFIGS, called, functional, layer  # beside the package, not in it
from fixtures.mutants.texts import CLASSES

few = settings(max_examples=100, deadline=None, derandomize=True, database=None)
many = settings(max_examples=300, deadline=None, derandomize=True, database=None)

# JSON

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10 ** (INTEGER_DIGITS - 1)) + 1, 10**INTEGER_DIGITS - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
@many
def test_json_is_read_as_it_was_written(value):
    assert strict_json.loads(json.dumps(value), "text") == value


@given(JSON, st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-8-sig"]))
@few
def test_the_encoding_of_json_is_told_by_its_first_bytes(value, encoding):
    assert strict_json.loads(json.dumps(value).encode(encoding), "text") == value


@given(st.text(alphabet='{}[],:"\\ntruefalsNI0123456789.eE+- \x00\ud800', max_size=40))
@many
def test_text_is_read_as_python_reads_it_or_refused(text):
    try:
        found = strict_json.loads(text, "text")
    except ReadError:
        return
    assert found == without_what_means_nothing(json.loads(text))


def without_what_means_nothing(value):
    match value:
        case dict():
            return {key: without_what_means_nothing(held) for key, held in value.items()}
        case list():
            return [without_what_means_nothing(held) for held in value]
        case float() if not math.isfinite(value):
            return None
        case int() if abs(value) >= 10**INTEGER_DIGITS:
            return None
    return value


# Keras configurations

SETTINGS = (
    "name units filters kernel_size strides padding data_format dilation_rate groups activation use_bias "
    "kernel_initializer bias_initializer kernel_regularizer batch_input_shape batch_shape input_shape "
    "build_input_shape rate p axis momentum epsilon scale center layer backward_layer cell cells merge_mode pool_size "
    "target_shape dims n size input_dim output_dim input_length mask_zero return_sequences return_state go_backwards "
    "recurrent_activation reset_after function function_type mode concat_axis layers node_def constants num_heads "
    "key_dim value_dim alpha negative_slope max_value trainable dtype depth_multiplier interpolation shape height width"
).split()
NAMES = "abcdef"
SIZES = st.integers(-2, 6) | st.sampled_from([2**31, 2**63, 10**25])
WORDS = st.sampled_from(
    ["same", "valid", "causal", "relu", "softmax", "channels_first", "concat", "float16", "he_normal"]
)
PLAIN = st.one_of(
    st.integers(1, 6),
    SIZES,
    st.floats(allow_nan=False, allow_infinity=False),
    st.none(),
    st.booleans(),
    WORDS,
    st.lists(st.integers(1, 4), max_size=4),
    st.lists(SIZES | st.none(), max_size=5),
)


def mostly(likely: st.SearchStrategy[Any], other: st.SearchStrategy[Any] = JSON) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda drawn: likely if drawn else other)


def serialised(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object as Keras writes it, with settings out of their place among those in it."""
    found = st.dictionaries(st.sampled_from(SETTINGS), PLAIN | inner | st.lists(inner, max_size=3), max_size=8)
    modules = st.sampled_from(["keras.layers", "keras.src.ops.numpy", None])
    return st.fixed_dictionaries(
        {"class_name": st.sampled_from(CLASSES), "config": mostly(found)}, optional={"module": modules}
    )


LAYER = st.recursive(serialised(st.none()), serialised, max_leaves=4)
SEQUENTIAL = st.builds(
    lambda layers: {"class_name": "Sequential", "config": {"name": "m", "layers": layers}},
    mostly(st.lists(LAYER, max_size=6)),
)


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    layers = draw(st.lists(LAYER, min_size=1, max_size=len(NAMES)))
    inputs = {"class_name": "InputLayer", "config": {"batch_shape": draw(mostly(st.just([None, 4, 4]), PLAIN))}}
    named = list(zip(NAMES, [inputs, *layers], strict=False))
    written = [
        {**layer, "name": name, "inbound_nodes": draw(nodes(number))} for number, (name, layer) in enumerate(named)
    ]
    ends = {"input_layers": [["a", 0, 0]], "output_layers": draw(mostly(st.just([[named[-1][0], 0, 0]])))}
    return {"class_name": "Functional", "config": {"name": "m", "layers": written, **ends}}


def nodes(number: int) -> st.SearchStrategy[Any]:
    """How a layer with this number is called: on earlier ones, unless it is made up."""
    if not number:
        return st.just([])
    read = mostly(st.sampled_from(NAMES[:number]), st.sampled_from(NAMES))
    old = st.lists(st.builds(lambda name: [name, 0, 0, {}], read), min_size=1, max_size=3)
    tensor = st.builds(lambda name: {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}, read)
    new = st.fixed_dictionaries({"args": st.lists(tensor | PLAIN, max_size=3), "kwargs": mostly(st.just({}))})
    return mostly(st.lists(old | new, min_size=1, max_size=2))


MODELS = SEQUENTIAL | graphs()
PARTS = st.sampled_from(["optimizer", "optimizer_config", "loss", "metrics"])
COMPILED = st.none() | JSON | WORDS | st.dictionaries(PARTS, LAYER)


@given(MODELS, COMPILED, st.none() | JSON | st.sampled_from(["1.2.2", "2.15.0", "3.10.0"]))
@many
def test_any_configuration_is_judged_or_refused(config, compiled, version):
    attributes = {"model_config": config, "training_config": compiled, "keras_version": version}
    with suppress(ReadError):
        judge(from_attributes(attributes, "keras_h5"))


def of_calls(*nodes: Any) -> Any:
    return functional({**called("Dense", "d", units=2), "inbound_nodes": [*nodes]}, reads="d")


TENSOR = {"class_name": "__keras_tensor__", "config": ["start", 0, 0]}
EMPTY = {"class_name": "Functional", "config": {"name": "e", "layers": [], "input_layers": [], "output_layers": []}}
NO_CELLS = {"class_name": "StackedRNNCells", "config": {"cells": 3}}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (of_calls({"args": [TENSOR], "kwargs": {}}), "reads a tensor of a layer that is not there"),
        (of_calls({"args": [], "kwargs": "mask"}), "called with arguments that have no names"),
        (functional(EMPTY | {"name": "e", "inbound_nodes": [[["start", 0, 0, {}]]]}, reads="e"), "which is nothing"),
    ],
    ids=["a tensor of nothing", "arguments that are a text", "a model without outputs"],
)
def test_a_part_that_makes_no_sense_is_named(config, said):
    with pytest.raises(ReadError, match=said):
        from_attributes({"model_config": config})


def test_cells_that_are_no_list_are_none():
    layers = [layer("InputLayer", "i", batch_shape=[None, 5, 4]), layer("RNN", "r", cell=NO_CELLS)]
    model = from_attributes({"model_config": {"class_name": "Sequential", "config": {"layers": layers}}})
    assert [found.kind for found in model.layers] == ["input", "custom"]


RULES = Linter.of().rules_for(None)


def judge(model: Model) -> None:
    with closing(build(model)) as facts:
        run(RULES, facts.connection, facts.absent)


@given(st.sampled_from(CONFIGS), st.randoms(use_true_random=False))
@few
def test_the_order_of_keys_says_nothing(config, chance):
    def shuffled(value):
        match value:
            case dict():
                keys = sorted(value, key=lambda _: chance.random())
                return {key: shuffled(value[key]) for key in keys}
            case list():
                return [shuffled(held) for held in value]
        return value

    written = json.loads(config)
    assert said_of(shuffled(written)) == said_of(written)


def said_of(config: Any) -> tuple[Any, ...]:
    model = from_attributes({"model_config": config, "training_config": config.get("compile_config")}, "keras_zip")
    concerns = sorted(model.concerns, key=lambda found: found.route)
    return model.layers, model.calls, model.outputs, model.training, concerns


# Messages of ONNX

NUMBERS = st.integers(0, 30) | st.sampled_from([2**31, 2**63, 2**64 - 1])


LEFT_OUT = ("configuration", "device_configurations")
"""What is said of the computers that a model runs on."""


@st.composite
def content(draw: st.DrawFn, described: Any, depth: int = 0) -> bytes:
    """A message as it may be written: fields in any order, numbers packed or not, and fields of later versions."""
    read = [item for item in described.fields if item.name not in LEFT_OUT]
    known = [item for item in read if depth < 8 or not item.message_type]
    parts = draw(st.lists(st.sampled_from(known) | st.just(None), max_size=6 if depth < 2 else 3))
    return b"".join(draw(written(item, depth)) if item else draw(UNKNOWN) for item in parts)


UNKNOWN = st.builds(field, st.integers(200, 2**29 - 1), st.binary(max_size=9))


@st.composite
def written(draw: st.DrawFn, item: Any, depth: int) -> bytes:
    """A field."""
    if item.message_type:
        return field(item.number, draw(content(item.message_type, depth + 1)))
    if item.type == item.TYPE_STRING:
        return field(item.number, draw(st.text(max_size=5)).encode())
    if item.type == item.TYPE_BYTES:
        return field(item.number, bytes(draw(st.sampled_from([0, 1, 3, 1000]))))
    wire, numbers = _numbers(draw, item)
    if item.is_repeated and draw(st.booleans()):
        return field(item.number, b"".join(numbers))
    return b"".join(varint(item.number << 3 | wire) + number for number in numbers)


def _numbers(draw: st.DrawFn, item: Any) -> tuple[int, list[bytes]]:
    """The wire type of a field, and some numbers for it."""
    sizes = {item.TYPE_FLOAT: (5, 4), item.TYPE_DOUBLE: (1, 8)}
    wire, size = sizes.get(item.type, (0, 0))
    number = st.binary(min_size=size, max_size=size) if wire else st.builds(varint, NUMBERS)
    return wire, draw(st.lists(number, min_size=1, max_size=3 if item.is_repeated else 1))


@given(content(onnx.ModelProto.DESCRIPTOR))
@few
def test_a_message_is_read_as_protobuf_reads_it(data):
    assert structure(data) == emptied(onnx.ModelProto.FromString(data))


ASCII = st.text(st.characters(max_codepoint=127), max_size=12).map(str.encode)


@given(st.lists(ASCII | st.builds(field, st.integers(0, 25), ASCII), max_size=6))
@many
def test_bytes_are_read_as_protobuf_reads_them_or_refused(pieces):
    data = b"".join(pieces)
    with suppress(ReadError, DecodeError):
        assert structure(data) == emptied(onnx.ModelProto.FromString(data))


def structure(data: bytes) -> onnx.ModelProto:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        path.write_bytes(data)
        with open_file(path) as file:
            found = without_notes(parse(slim(file).data))
    found.DiscardUnknownFields()  # numbers that an enumeration does not have
    return found
