"""The output shapes of onnxruntime's own operations (domain com.microsoft), as its tools write them."""

from collections.abc import Mapping

from archlint.graph import Shape
from archlint.readers.onnx.shapes.attention import layer_norm
from archlint.readers.onnx.shapes.elementwise import combined
from archlint.readers.onnx.shapes.layout import joined
from archlint.readers.onnx.shapes.products import fused_matmul, gemm, matmul, packed_matmul
from archlint.readers.onnx.shapes.terms import Call, Rule, Rules, Shapes, same
from archlint.readers.onnx.shapes.windows import conv, global_pool, pool
from archlint.shape_terms import UnknownError, broadcast, last, positive, product, unknown, wholes

UNCHANGED = (
    "BiasDropout BiasGelu BiasSoftmax BitmaskDropout DequantizeLinear FastGelu Gelu GroupNorm "
    "Inverse QLinearLeakyRelu QLinearSigmoid QLinearSoftmax QuantizeLinear QuickGelu RotaryEmbedding Trilu"
).split()


def skip_norm(call: Call) -> Shapes:
    """The input's shape; the sum of input and skipped input comes last."""
    shape = call.shape()
    return (shape, None, None, shape)


def embedding_norm(call: Call) -> Shapes:
    """Word, position and segment embeddings added up: (batch, length, width); a mask; the sum itself."""
    tokens, table = call.shape_or_open(0, 2), call.shape_or_open(2, 2)
    embedded = (*tokens, table[1])
    return (embedded, (tokens[0],), embedded)


def attention(call: Call) -> Shapes:
    """Projection and attention in one: (batch, length, n) and weights (n, 3 * width) → (batch, length, width)."""
    shape, weights = call.shape_or_open(0, 3), call.shape_or_open(1, 2)
    sizes = call.attr("qkv_hidden_sizes")
    if sizes is not None:
        return ((*shape[:2], positive(wholes(sizes)[-1] if sizes else None)),)
    return ((*shape[:2], None if weights[1] is None else weights[1] // 3),)


def multi_head_attention(call: Call) -> Shapes:
    """(batch, length, width) → the same with the values' width, which may be packed with the queries or keys."""
    query = call.shape()
    if len(query) == 5:  # (batch, length, heads, 3, size)
        return ((*query[:2], product((query[2], query[4]))),)
    if len(query) != 3:
        raise UnknownError
    value = call.shape(2) if call.has(2) else query
    if len(value) == 4:  # (batch, heads, length, size)
        return ((*query[:2], product((value[1], value[3]))),)
    return ((*query[:2], last(value)),)


def grouped_attention(call: Call) -> Shapes:
    """(batch, length, width) of the queries, which may be packed with keys and values."""
    query = call.shape_or_open(0, 3)
    if call.has(1):
        return (query,)
    readers, kept = positive(call.whole("num_heads")), positive(call.whole("kv_num_heads"))
    width = None if query[2] is None else query[2] // (readers + 2 * kept) * readers
    return ((*query[:2], width),)


def quantized_sum(call: Call) -> Shape:
    """Two tensors combined, each followed by scale and zero point."""
    return broadcast((call.shape(0), call.shape(3)))


def quantized_concat(call: Call) -> Shape:
    """Tensors joined, each followed by scale and zero point; those of the result come first."""
    shapes = [call.shape(number) for number in range(2, len(call.node.inputs), 3)]
    return joined(shapes or unknown(), call.whole("axis"))


def channels_before_places(rule: Rule) -> Rule:
    """The rule where the channels are not last."""
    return lambda call: unknown() if call.flag("channels_last") else rule(call)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(UNCHANGED, same),
    "BiasAdd": combined,
    "DynamicQuantizeMatMul": matmul(),
    "FusedConv": conv(),
    "FusedGemm": gemm(),
    "FusedMatMul": fused_matmul,
    "MatMulInteger16": matmul(),
    "MatMulIntegerToFloat": matmul(),
    "MatMulNBits": packed_matmul,
    "QGemm": gemm(0, 3),
    "QLinearAdd": quantized_sum,
    "QLinearAveragePool": channels_before_places(pool),
    "QLinearConcat": quantized_concat,
    "QLinearConv": channels_before_places(conv(0, 3)),
    "QLinearGlobalAveragePool": channels_before_places(global_pool),
    "QLinearMul": quantized_sum,
    "TransposeMatMul": fused_matmul,
}

MANY: Mapping[str, Rules] = {
    "Attention": attention,
    "EmbedLayerNormalization": embedding_norm,
    "GroupQueryAttention": grouped_attention,
    "LayerNormalization": layer_norm,
    "MultiHeadAttention": multi_head_attention,
    "SimplifiedLayerNormalization": layer_norm,
    "SkipLayerNormalization": skip_norm,
    "SkipSimplifiedLayerNormalization": skip_norm,
}
