"""Tensors whose numbers are in other files, wherever a model holds them: runtimes read these, too.

The graph in plain Python has the initializers and constants of what is computed. Tensors are also attributes of any
node, indices of sparse ones, defaults of functions, and parts of functions that nothing calls or of a training.
"""

from collections.abc import Iterator
from typing import Any

from archlint.readers.onnx.tensors import EXTERNAL

SINGLE = frozenset("initialization algorithm g t sparse_tensor values indices".split())
REPEATED = frozenset(
    "training_info functions node initializer sparse_initializer attribute attribute_proto graphs tensors "
    "sparse_tensors".split()
)
"""The fields, of whatever message, that lead to tensors."""


def elsewhere(model: Any) -> Iterator[tuple[Any, str]]:
    """Each TensorProto of a ModelProto that has its numbers in another file, with a name for it.

    The initializers of the graph itself are left out: whoever reads the graph has them.
    """
    graph = model.graph
    parts = (*graph.sparse_initializer, *graph.node, *model.functions, *model.training_info)
    pending = [(part, "") for part in reversed(parts)]
    while pending:
        message, name = pending.pop()
        kind = message.DESCRIPTOR.name
        if kind == "TensorProto":
            if message.data_location == EXTERNAL:
                yield message, message.name or name
            continue
        if kind == "NodeProto":
            name = message.name or next(iter(message.output), message.op_type)
        for field, value in reversed(message.ListFields()):
            if field.name in SINGLE:
                pending.append((value, name))
            elif field.name in REPEATED:
                pending += ((item, name) for item in reversed(value))
