"""The same network, whoever exported it, is the same architecture."""

import pytest
from support import FIXTURES, query

EXPORTS = FIXTURES / "exports"

KERNELS = {
    "mlp": "dense(32):relu dense(16):tanh dense(5):softmax",
    "cnn": "conv(8):relu conv(16):relu6 dense(10):softmax",
    "untrained": "conv(8):relu conv(16):relu6 dense(10):softmax",
    "residual": "conv(16):None conv(16):None conv(16):relu conv(8):None conv(8):relu conv(8):relu dense(10):linear",
    "lstm": "dense(3):softmax embedding(8):None lstm(12):tanh lstm(6):tanh",
    "gru": "dense(1):sigmoid embedding(8):None gru(6):tanh",
    "transformer": "dense(16):None dense(16):None dense(32):gelu dense(4):softmax dense(48):None embedding(16):None",
    "transformer_packed": "dense(16):None dense(16):None dense(32):gelu dense(4):softmax dense(48):None "
    "embedding(16):None",
    "activations": "dense(8):elu dense(8):gelu dense(8):gelu dense(8):hard_sigmoid dense(8):hard_silu "
    "dense(8):leaky_relu dense(8):mish dense(8):prelu dense(8):relu6 dense(8):selu dense(8):sigmoid dense(8):silu "
    "dense(8):softplus dense(8):softsign",
    "norms": "conv(8):relu conv(8):relu dense(16):relu dense(16):relu dense(16):relu dense(4):linear",
    "norms_native": "conv(8):relu conv(8):relu dense(16):relu dense(16):relu dense(16):relu dense(4):linear",
    "functions": "dense(16):leaky_relu dense(16):leaky_relu dense(4):linear",
}
"""Every layer with a kernel, its width and the activation its value meets first, in alphabetical order."""

_KERAS_ATTENTION = (
    "dense(16):None dense(16):None dense(16):None dense(16):None dense(16):None dense(32):gelu dense(4):softmax "
    "embedding(16):None"
)
_KERAS_2_ACTIVATIONS = KERNELS["activations"].replace(" dense(8):hard_silu", "")
OTHERWISE = {
    # Keras has one kernel each for query, key and value; by itself it leaves them as they are.
    "transformer.keras": _KERAS_ATTENTION,
    "transformer.tf2onnx": _KERAS_ATTENTION,
    "transformer.keras-static": "dense(16):None dense(32):gelu dense(4):softmax einsum_dense(16):None "
    "einsum_dense(8):None einsum_dense(8):None einsum_dense(8):None embedding(16):None",
    # Keras 2 has neither the hard swish nor the RMS normalization.
    "activations.tf2onnx": _KERAS_2_ACTIVATIONS,
    "norms.tf2onnx": "conv(8):relu conv(8):relu dense(16):relu dense(16):relu dense(4):linear",
    # On PyTorch, Keras unrolls recurrence over time: one kernel each for input and state, called at every step.
    "lstm.keras-torch": "dense(24):None dense(24):None dense(24):None dense(24):None dense(3):softmax dense(48):None "
    "dense(48):None embedding(8):None",
    "gru.keras-torch": "dense(1):sigmoid dense(18):None dense(18):None dense(18):None dense(18):None embedding(8):None",
    # Keras's GRU with reset_after is no ONNX GRU to tf2onnx, but a Loop.
    "gru.keras": "dense(1):sigmoid embedding(8):None",
    # The quantizer cuts off at the largest value that it saw, below 6, and drops both clips.
    "cnn.qdq": "conv(16):relu conv(8):relu dense(10):softmax",
    "cnn.qoperator": "conv(16):relu conv(8):relu dense(10):softmax",
}
"""What exporters really do differently."""

FILES = sorted(path.name.removesuffix(".onnx") for path in EXPORTS.glob("*.onnx"))
NETWORKS = [name for name in FILES if name.partition(".")[0] in KERNELS]


def file(name):
    return EXPORTS / f"{name}.onnx"


def test_every_export_is_of_a_known_network():
    assert {name.partition(".")[0] for name in FILES} == {*KERNELS, "branch", "loop"}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_export_has_the_kernels_widths_and_activations_of_its_network(name):
    expected = OTHERWISE.get(name) or KERNELS[name.partition(".")[0]]
    rows = query(file(name), "SELECT kind, units, effective_activation FROM layer WHERE weighted")
    found = sorted(f"{kind}({units}):{activation}" for kind, units, activation in rows)
    assert found == sorted(expected.split())


VISIBLE_NORMS = {
    "batch_norm batch_norm": "cnn.dynamo cnn.dynamo-raw cnn.dynamo-train cnn.keras-static cnn.keras-torch "
    "cnn.torch-nofold cnn.torch-opset7 cnn.torch-train untrained.dynamo untrained.torch-nofold",
    "batch_norm": "cnn.keras",  # its second convolution has no bias and took the norm in
    "": "cnn.torch cnn.torch-half cnn.tf2onnx cnn.qdq cnn.qoperator cnn.onnxruntime residual.torch residual.keras "
    "residual.tf2onnx untrained.torch untrained.keras mlp.torch lstm.torch",
    "batch_norm batch_norm batch_norm batch_norm batch_norm batch_norm": "residual.dynamo residual.dynamo-train "
    "residual.keras-static residual.keras-torch residual.torch-nofold residual.torch-opset7 residual.torch-train",
    "layer_norm layer_norm layer_norm": "transformer.torch transformer.torch-opset14 transformer.torch-train "
    "transformer.dynamo transformer.dynamo-train transformer.dynamo-opset23 transformer.keras transformer.keras-static "
    "transformer.tf2onnx transformer.onnxruntime transformer_packed.torch transformer_packed.torch-opset14 "
    "transformer_packed.dynamo transformer_packed.dynamo-opset23",
    "batch_norm group_norm instance_norm layer_norm rms_norm": "norms.torch norms.torch-opset14 norms.torch-nofold "
    "norms.torch-train norms.dynamo norms_native.dynamo norms_native.dynamo-opset23",
    "batch_norm group_norm group_norm layer_norm rms_norm": "norms.keras norms.keras-static",  # a group per channel
    "batch_norm group_norm group_norm layer_norm": "norms.tf2onnx",
}


@pytest.mark.parametrize(
    ("name", "norms"), [(name, norms) for norms, names in VISIBLE_NORMS.items() for name in names.split()]
)
def test_a_norm_is_found_unless_the_exporter_folded_it(name, norms):
    found = query(file(name), "SELECT kind FROM layer WHERE norm ORDER BY kind")
    assert [kind for (kind,) in found] == norms.split()


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(("transformer", "residual"))])
def test_residual_sums_and_attention_are_found(name):
    found = query(file(name), "SELECT kind FROM layer WHERE kind IN ('add', 'attention') ORDER BY kind")
    attention = ["attention"] if name.startswith("transformer") else []
    assert [kind for (kind,) in found] == ["add", "add", *attention]


@pytest.mark.parametrize(
    ("name", "biases"),
    [
        ("cnn.dynamo", [1, 0]),  # noted by the exporter, although both have a bias now
        ("cnn.dynamo-train", [1, 0]),
        ("cnn.torch-nofold", [1, None]),  # none in the file does not mean none in the model
        ("cnn.torch", [1, 1]),
    ],
)
def test_a_bias_before_a_folded_norm_is_known_where_the_exporter_says_so(name, biases):
    found = query(file(name), "SELECT use_bias FROM layer WHERE kind = 'conv' ORDER BY id")
    assert [bias for (bias,) in found] == biases


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("cnn.torch", "x conv1 relu1 pool1 conv2 relu2 pool2 head softmax"),
        ("residual.torch", "x stem Relu layer1.conv1 layer1/Relu layer1.conv2 layer1/Add layer1/Relu_1 layer2.conv1 "
         "layer2/Relu layer2.conv2 layer2.shortcut.0 layer2/Add layer2/Relu_1 ReduceMean fc"),
        ("cnn.dynamo", "input conv1 bn1 relu1 pool1 conv2 bn2 relu2 pool2 head softmax"),
        ("mlp.keras", "x sequential_1/dense_1 sequential_1/dense_1/Relu sequential_1/dense_1_2 "
         "sequential_1/dense_1_2/Tanh sequential_1/dense_2_1 sequential_1/dense_2_1/Softmax"),
    ],
)  # fmt: skip
def test_layers_are_called_as_their_modules_were(name, names):
    found = query(file(name), "SELECT name FROM layer ORDER BY id")
    assert [name for (name,) in found] == names.split()


STAGES = {name: "training" for name in FILES if name.endswith("-train")} | dict.fromkeys(
    # neither dropout nor batch norm: training mode leaves no trace
    [name for name in FILES if name.endswith("-train") and name.startswith(("mlp", "lstm", "gru", "activations"))],
    "inference",
)


@pytest.mark.parametrize("name", FILES)
def test_an_export_is_for_inference_unless_its_graph_shows_training(name):
    assert query(file(name), "SELECT stage FROM model") == [(STAGES.get(name, "inference"),)]


@pytest.mark.parametrize("name", FILES)
def test_only_control_flow_stays_opaque(name):
    opaque = query(file(name), "SELECT DISTINCT class_name FROM layer WHERE opaque ORDER BY class_name")
    expected = {"gru.keras": ["Loop", "ReverseSequence"], "branch.dynamo": ["If"], "loop.torch-script": ["If", "Loop"]}
    assert [name for (name,) in opaque] == expected.get(name, [])


@pytest.mark.parametrize("name", FILES)
def test_every_node_belongs_to_a_layer_or_is_known_not_to(name):
    ((nodes, lifted, opaque),) = query(
        file(name),
        "SELECT nodes, lifted, (SELECT count(*) FROM node JOIN layer ON layer.id = node.layer WHERE layer.opaque) "
        "FROM model",
    )
    assert nodes - lifted == opaque


@pytest.mark.parametrize("name", FILES)
def test_the_shape_of_every_layer_is_known(name):
    without = query(
        file(name), "SELECT name FROM layer WHERE output_shape IS NULL AND NOT opaque AND name IS NOT 'cond'"
    )
    assert without == []
