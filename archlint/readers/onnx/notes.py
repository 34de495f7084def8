"""What PyTorch's dynamo exporter notes on its nodes, under these keys."""

from archlint.readers.onnx.graph import Node

SCOPES = "pkg.torch.onnx.name_scopes"
CALL = "pkg.torch.onnx.fx_node"
RULES = "pkg.onnxscript.rewriter.rule_name"

_TRAINING = "_native_batch_norm_legit_functional"


def was_training(node: Node) -> bool:
    """Whether a batch norm was training when it was exported, whatever the graph computes."""
    return _TRAINING in node.metadata.get(CALL, "")
