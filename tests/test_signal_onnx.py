"""The signal of ONNX files whose weights are as they were initialized, against running them.

What an export does not tell is how its weights were drawn, so the prediction goes by the numbers themselves.
"""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from archlint.facts import build
from archlint.readers import open_model

EXPORTS = Path(__file__).parents[1] / "fixtures" / "exports"
WIDTH, DEPTH, SAMPLES = 192, 5, 64

Rows = dict[str, dict[str, Any]]


def predicted(path: Path) -> Rows:
    """The rows of `signal` by the name of the last node of the layer."""
    sql = """
        SELECT node.name, layer.kind, signal.* FROM signal JOIN layer ON layer.id = signal.layer
        JOIN node ON node.id = (SELECT max(id) FROM node WHERE node.layer = signal.layer) ORDER BY layer.id
    """
    with open_model(path) as model, closing(build(model)) as facts:
        cursor = facts.connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return {row[0]: dict(zip(names, row, strict=True)) for row in cursor}


def outputs(model: onnx.ModelProto, inputs: Any) -> Mapping[str, Any]:
    """The first output of every node, by the node's name."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    del whole.graph.output[:]
    whole.graph.output.extend(helper.make_empty_tensor_value_info(node.output[0]) for node in model.graph.node)
    made = ReferenceEvaluator(whole).run(None, {model.graph.input[0].name: inputs})
    return dict(zip((node.name.strip("/") for node in model.graph.node), made, strict=True))


def factor(predicted: float, measured: Any) -> float:
    return float(max(predicted / measured, measured / predicted))


@pytest.fixture
def weights() -> list[Any]:
    """Kernels as PyTorch stores them, drawn by He's rule."""
    random = np.random.default_rng(7)
    return [random.normal(0, np.sqrt(2 / WIDTH), (WIDTH, WIDTH)).astype("float32") for _ in range(DEPTH)]


@pytest.fixture
def mlp(weights: list[Any], tmp_path: Path) -> Path:
    """Linear layers and ReLUs as `torch.onnx.export` writes them."""
    nodes, value = [], "x"
    for place in range(DEPTH):
        inputs = [value, f"{place}.weight", f"{place}.bias"]
        nodes.append(helper.make_node("Gemm", inputs, [f"z{place}"], name=f"/{place}/Gemm", transB=1))
        nodes.append(helper.make_node("Relu", [f"z{place}"], [f"a{place}"], name=f"/{place}/Relu"))
        value = f"a{place}"
    zeros = np.zeros(WIDTH, "float32")
    stored = [numpy_helper.from_array(kernel, f"{place}.weight") for place, kernel in enumerate(weights)]
    stored += [numpy_helper.from_array(zeros, f"{place}.bias") for place in range(DEPTH)]
    start, end = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", WIDTH]) for name in ("x", value)
    )
    graph = helper.make_graph(nodes, "mlp", [start], [end], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "mlp.onnx")
    return tmp_path / "mlp.onnx"


def test_activations_of_a_net_at_initialization_are_predicted_from_its_weights(mlp: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(SAMPLES, WIDTH)).astype("float32")
    values = outputs(onnx.load(mlp), noise)
    rows = predicted(mlp)
    assert len(rows) == 2 * DEPTH
    for name, row in rows.items():
        assert row["certainty"] == "exact"
        assert factor(row["rms"], np.sqrt(np.mean(values[name] ** 2))) < 1.2
        assert factor(row["input_std"], np.sqrt(values[name].var(axis=0).mean())) < 1.2


def test_gradients_of_a_net_at_initialization_are_predicted_from_its_weights(mlp: Path, weights: list[Any]) -> None:
    random = np.random.default_rng(0)
    values = outputs(onnx.load(mlp), random.normal(size=(SAMPLES, WIDTH)).astype("float32"))
    gradient = random.normal(size=(SAMPLES, WIDTH))
    scale, rows = np.linalg.norm(gradient), predicted(mlp)
    for place in reversed(range(DEPTH)):
        assert factor(rows[f"{place}/Relu"]["gradient"], np.linalg.norm(gradient) / scale) < 1.25
        gradient = gradient * (values[f"{place}/Gemm"] > 0)
        assert factor(rows[f"{place}/Gemm"]["gradient"], np.linalg.norm(gradient) / scale) < 1.25
        gradient = gradient @ weights[place]


@pytest.mark.parametrize("name", ["untrained.torch.onnx", "untrained.keras.onnx"])
def test_a_fresh_convolutional_net_is_predicted_from_its_export(name: str) -> None:
    model = onnx.load(EXPORTS / name)
    shape = [size.dim_value or SAMPLES for size in model.graph.input[0].type.tensor_type.shape.dim]
    values = outputs(model, np.random.default_rng(0).normal(size=shape).astype("float32"))
    rows = {node: row for node, row in predicted(EXPORTS / name).items() if row["certainty"] == "exact"}
    factors = [factor(row["rms"], np.sqrt(np.mean(values[node] ** 2))) for node, row in rows.items()]
    assert {row["kind"] for row in rows.values()} >= {"conv", "activation", "max_pool", "dense"}
    assert np.median(factors) < 1.15
    assert max(factors) < 1.75  # a single draw of eight and of sixteen filters
