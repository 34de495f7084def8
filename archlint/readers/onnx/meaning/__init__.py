"""What single operations mean: each becomes a neutral layer with Keras's settings and its weights.

The table says it for every operation that archlint knows. What is not there, or does not fit, means nothing to it: an
opaque `operation`. So does what is malformed.
"""

from collections.abc import Mapping

from archlint.graph import Weight
from archlint.readers.onnx.graph import FLOATS, Constant, Graph
from archlint.readers.onnx.meaning.activations import ACTIVATIONS, activation, clip
from archlint.readers.onnx.meaning.kernels import RECURRENT, conv, embedding, picked, recurrent
from archlint.readers.onnx.meaning.norms import batch_norm, norm
from archlint.readers.onnx.meaning.plain import concat, dropout, merge, plain, product, reshape, resize, transpose
from archlint.readers.onnx.meaning.pools import global_pool, pool, reduction
from archlint.readers.onnx.meaning.terms import Meaner, Meaning, careful, input_of
from archlint.readers.onnx.steps import RANDOM, Program, Step

_DEFINED = frozenset({"", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "com.microsoft"})
"""Domains whose operators are public: ONNX's and onnxruntime's."""


def opaque(prog: Program, step: Step) -> Meaning:
    """An operation whose meaning is not known; what it holds is counted."""
    kind = "operation" if step.node.domain in _DEFINED else "custom"
    if step.op in RANDOM:
        return Meaning(kind, {"op": step.op})  # what it reads is a shape at most
    held = [constant for body in step.node.bodies.values() for constant in _held(body)]
    constants = [prog.graph.constants[name] for name in dict.fromkeys(step.inputs) if name in prog.graph.constants]
    weights = [Weight("stored", item.shape) for item in (*constants, *held) if _is_weight(item)]
    return Meaning(kind, {"op": step.op}, tuple(weights))


def _held(body: Graph) -> list[Constant]:
    inner = [constant for node in body.nodes for deeper in node.bodies.values() for constant in _held(deeper)]
    return [*body.constants.values(), *inner]


def _is_weight(constant: Constant) -> bool:
    return constant.dtype in FLOATS and constant.elements > 1


_PLAIN = {
    "slice": "Slice",
    "split": "Split",
    "zero_padding": "Pad",
    "cast": "Cast CastLike",
    "repeat_vector": "Tile",
    "attention": "Attention MultiHeadAttention GroupQueryAttention",
    "unit_norm": "LpNormalization",
    "instance_norm": "MeanVarianceNormalization",
    "arithmetic": "Abs Acos Acosh Asin Asinh Atan Atanh BitShift BitwiseNot Ceil Cos Cosh CumSum Erf Exp Floor IsInf "
    "IsNaN Log LRN Neg Not Reciprocal Round Shrink Sign Sin Sinh Sqrt Tan Trilu",
}
_MERGES = {
    "add": "Add Sum QLinearAdd",
    "subtract": "Sub",
    "multiply": "Mul QLinearMul And",
    "divide": "Div",
    "maximum": "Max Or",
    "minimum": "Min",
    "average": "Mean",
    "where": "Where",
    "operation": "Pow Mod Equal Greater GreaterOrEqual Less LessOrEqual Xor",
}
_REDUCTIONS = (
    "ReduceMean ReduceMax ReduceMin ReduceSum ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp "
    "ReduceSumSquare ArgMax ArgMin"
)

MEANINGS: Mapping[str, Meaner] = {
    **{op: plain(kind) for kind, ops in _PLAIN.items() for op in ops.split()},
    **{op: merge(kind) for kind, ops in _MERGES.items() for op in ops.split()},
    **dict.fromkeys(ACTIVATIONS.keys() - {"Affine"}, activation),
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv"), conv),
    **dict.fromkeys(("MatMul", "Gemm", "Einsum", "MatMulInteger", "QLinearMatMul", "QGemm", "FusedMatMul"), product),
    **dict.fromkeys(RECURRENT, recurrent),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "DepthToSpace", "SpaceToDepth"), reshape),
    **dict.fromkeys(_REDUCTIONS.split(), reduction),
    "BatchNormalization": batch_norm,
    "LayerNormalization": norm("layer_norm"),
    "SkipLayerNormalization": norm("layer_norm", first=2),
    "InstanceNormalization": norm("instance_norm"),
    "GroupNormalization": norm("group_norm"),
    "RMSNormalization": norm("rms_norm"),
    "SimplifiedLayerNormalization": norm("rms_norm"),
    "Clip": clip,
    "Transpose": transpose,
    "Resize": resize,
    "Upsample": resize,
    "Concat": concat,
    "Dropout": dropout,
    "Gather": embedding,
    "GatherElements": picked,
    "GatherND": picked,
    "MaxPool": pool("max_pool"),
    "AveragePool": pool("avg_pool"),
    "QLinearAveragePool": pool("avg_pool"),
    "QLinearConcat": concat,
    "LpPool": pool("avg_pool"),
    "GlobalMaxPool": global_pool("global_max_pool"),
    "GlobalAveragePool": global_pool("global_avg_pool"),
    "QLinearGlobalAveragePool": global_pool("global_avg_pool"),
    "GlobalLpPool": global_pool("global_avg_pool"),
}


@careful
def _known(prog: Program, step: Step) -> Meaning | None:
    known = step.node.standard or step.node.domain == "com.microsoft"
    return MEANINGS[step.op](prog, step) if known and step.op in MEANINGS and input_of(step, 0) else None


def meaning(prog: Program, step: Step) -> Meaning:
    """What a step means; opaque if nothing that is known."""
    return _known(prog, step) or opaque(prog, step)
