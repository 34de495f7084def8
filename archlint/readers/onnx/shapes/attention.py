"""The output shapes of attention and of normalizations with more than one result."""

from collections.abc import Mapping

from archlint.graph import Shape
from archlint.readers.onnx.shapes.terms import Call, Rules, Shapes
from archlint.shape_terms import Dim, axis_of, positive, product, total, unknown


def heads(shape: Shape, count: object) -> Shape:
    """(batch, heads, length, size), from that or from (batch, length, heads * size)."""
    if len(shape) == 4:
        return shape
    batch, length, width = shape if len(shape) == 3 else unknown()
    number = positive(count)
    return (batch, number, length, None if width is None else width // number)


def attention(call: Call) -> Shapes:
    """Values weighted for each query, in the form of the queries; keys and values with those of the past; scores."""
    query = heads(call.shape(0), call.attr("q_num_heads"))
    key = heads(call.shape(1), call.attr("kv_num_heads"))
    value = heads(call.shape(2), call.attr("kv_num_heads"))
    length = total((key[2], _past(call)))
    batch, number, steps, _ = query
    packed = len(call.shape(0)) == 3
    output = (batch, steps, product((number, value[3]))) if packed else (batch, number, steps, value[3])
    present = tuple((*shape[:2], length, shape[3]) for shape in (key, value))
    return (output, *present, (batch, number, steps, length))


def _past(call: Call) -> Dim:
    return call.shape_or_open(4, 4)[2] if call.has(4) else 0


def linear_attention(call: Call) -> Shapes:
    """(batch, length, heads * size) → the same with the values' size, and a matrix for each head."""
    readers, kept = positive(call.whole("q_num_heads")), call.attr("kv_num_heads")
    query, key, value = call.shape_or_open(0, 3), heads(call.shape(1), kept), heads(call.shape(2), kept)
    return ((*query[:2], product((readers, value[3]))), (query[0], positive(kept), key[3], value[3]))


def batch_norm(call: Call) -> Shapes:
    """The input's shape, and what training computes for every channel."""
    channels = call.shapes.get(call.name(1))
    return (call.shape(), channels, channels, channels, channels)


def layer_norm(call: Call) -> Shapes:
    """The input's shape, and mean and deviation, which have one number for all axes from `axis` on."""
    shape = call.shape()
    axis = axis_of(call.attr("axis", -1), len(shape))
    parameters = tuple(1 if number >= axis else dim for number, dim in enumerate(shape))
    return (shape, parameters, parameters)


def quantized(call: Call) -> Shapes:
    """The numbers, their scale and their zero point."""
    return (call.shape(), (), ())


MANY: Mapping[str, Rules] = {
    "Attention": attention,
    "BatchNormalization": batch_norm,
    "DynamicQuantizeLinear": quantized,
    "LayerNormalization": layer_norm,
    "LinearAttention": linear_attention,
    "SimplifiedLayerNormalization": layer_norm,
}
