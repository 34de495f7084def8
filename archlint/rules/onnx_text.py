"""Turns an example in ONNX's text syntax into a real file.

The syntax knows no tensor without values, and nobody wants to read the values of a kernel. So a value that is declared
between `<` and `>` and made by no node is a weight: it is filled with random numbers, the same ones every time. With
`weights=elsewhere` they are stored in a file beside the model, which is not written: a model that lost its data.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from archlint.errors import PageError
from archlint.rules.rule import Example, Rule

if TYPE_CHECKING:
    from numpy.random import Generator
    from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto

_LINE = re.compile(r"\(line: (?P<line>\d+) ")


def save(rule: Rule, example: Example, path: Path) -> None:
    """Writes the model to an `.onnx` file.

    Raises:
        PageError: the text is no ONNX, or declares a weight without its size.
    """
    model = _parsed(rule, example)
    try:
        weights = _weights(model.graph)
        model.graph.initializer.extend(_elsewhere(weights) if example.elsewhere else weights)
    except ValueError as error:
        raise PageError(f"{rule.path}:{example.line}: {error}") from error
    path.write_bytes(model.SerializeToString())


def _parsed(rule: Rule, example: Example) -> "ModelProto":
    from onnx import parser

    try:
        return parser.parse_model(example.code)
    except parser.ParseError as error:
        said = str(error).replace("\\n", "\n").rstrip("'\"")  # it is the text of a bytes object
        found = _LINE.search(said)
        line = example.line + (int(found["line"]) if found else 0)
        what = said.splitlines()[-1].rstrip(".")
        raise PageError(f"{rule.path}:{line}: the example is no ONNX in its text syntax: {what}") from error


def _weights(graph: "GraphProto") -> "Iterator[TensorProto]":
    from numpy.random import default_rng

    random = default_rng(0)
    made = set(chain.from_iterable(node.output for node in graph.node))
    yield from (_weight(declared, random) for declared in graph.value_info if declared.name not in made)


def _elsewhere(weights: "Iterable[TensorProto]") -> "Iterator[TensorProto]":
    """The weights without their data, which is said to be in another file, one after the other."""
    from onnx.external_data_helper import set_external_data

    offset = 0
    for tensor in weights:
        length = len(tensor.raw_data)
        set_external_data(tensor, "model.onnx.data", offset, length)
        tensor.ClearField("raw_data")
        offset += length
        yield tensor


def _weight(declared: "ValueInfoProto", random: "Generator") -> "TensorProto":
    """Numbers as a trained model may have them; those of a vector are positive, as it may be a variance."""
    from onnx import helper, numpy_helper

    tensor = declared.type.tensor_type
    if not all(size.HasField("dim_value") for size in tensor.shape.dim):
        raise ValueError(f"the weight {declared.name} must be declared with numbers for its sizes")
    shape = [size.dim_value for size in tensor.shape.dim]
    values = random.normal(0, 0.1, shape) if len(shape) > 1 else random.uniform(0.5, 1.5, shape)
    return numpy_helper.from_array(values.astype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)), declared.name)
