"""The element types of a node's outputs: those of its first input, but for the exceptions in these tables."""

from collections.abc import Callable, Mapping

from archlint.readers.onnx.shapes.terms import Call
from archlint.readers.onnx.tensors import dtype_name

Dtypes = tuple[str | int | None, ...]
"""For each output its type: by name, by the number of an input that has the same, or unknown."""

Deciding = Callable[[Call], Dtypes]
"""A rule for types that depend on attributes."""

SAME: Dtypes = (0,) * 8

FIXED: Mapping[str, Dtypes] = {
    **dict.fromkeys(
        (
            "And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not OptionalHasElement Or RegexFullMatch Xor"
        ).split(),
        ("bool",),
    ),
    **dict.fromkeys("ArgMax ArgMin NonMaxSuppression NonZero SequenceLength Shape Size".split(), ("int64",)),
    "BatchNormalization": (0, 3, 4, 3, 4),
    "CastLike": (1,),
    "CausalConvWithState": (0, 0),
    "ConvInteger": ("int32",),
    "DynamicQuantizeLinear": ("uint8", "float", "uint8"),
    "ImageDecoder": ("uint8",),
    "LinearAttention": (0, 3),
    "MatMulInteger": ("int32",),
    "MaxPool": (0, "int64"),
    "OneHot": (2,),
    "QLinearConv": (7,),
    "QLinearMatMul": (7,),
    "TopK": (0, "int64"),
    "Unique": (0, "int64", "int64", "int64"),
    "Where": (1,),
}

FIXED_MICROSOFT: Mapping[str, Dtypes] = {
    "EmbedLayerNormalization": (2, "int32", 2),
    "MatMulInteger16": ("int32",),
    "MatMulIntegerToFloat": (2,),
    "QGemm": (8,),
    "QLinearConcat": (1,),
    "QLinearConv": (7,),
}


def stated(attribute: str = "dtype", default: str | int | None = 0) -> Deciding:
    """The type whose number is an attribute."""

    def rule(call: Call) -> Dtypes:
        number = call.attr(attribute)
        return (default,) if number is None else (dtype_name(number) if isinstance(number, int) else None,)

    return rule


def cast(call: Call) -> Dtypes:
    """The type to cast to: a number, or before opset 6 its name in capitals."""
    name = call.attr("to")
    return (name.lower(),) if isinstance(name, str) else stated("to", None)(call)


def quantized(call: Call) -> Dtypes:
    """As the zero point, unless stated."""
    zero_point: str | int = 2 if call.has(2) else "uint8"
    return stated("output_dtype", zero_point)(call) if call.attr("output_dtype") else (zero_point,)


def dequantized(call: Call) -> Dtypes:
    """As the scale, unless stated."""
    return stated("output_dtype", 1)(call) if call.attr("output_dtype") else (1,)


def filled(call: Call) -> Dtypes:
    """As the tensor to fill with."""
    tensor = call.tensor("value")
    return ("float" if tensor is None else tensor.dtype,)


def dropout(call: Call) -> Dtypes:
    """The mask was no boolean before opset 10."""
    return (0, "bool" if call.node.opset >= 10 else 0)


def layer_norm(call: Call) -> Dtypes:
    """Mean and deviation are computed in another precision."""
    stash = stated("stash_type", "float")(call)[0]
    return (0, stash, stash)


DECIDED: Mapping[str, Deciding] = {
    "Bernoulli": stated(),
    "BitCast": stated("to", None),
    "BlackmanWindow": stated("output_datatype", "float"),
    "Cast": cast,
    "ConstantOfShape": filled,
    "DequantizeLinear": dequantized,
    "Dropout": dropout,
    "EyeLike": stated(),
    "HammingWindow": stated("output_datatype", "float"),
    "HannWindow": stated("output_datatype", "float"),
    "LayerNormalization": layer_norm,
    "Multinomial": stated("dtype", "int32"),
    "QuantizeLinear": quantized,
    "RandomNormal": stated("dtype", "float"),
    "RandomNormalLike": stated(),
    "RandomUniform": stated("dtype", "float"),
    "RandomUniformLike": stated(),
    "SimplifiedLayerNormalization": layer_norm,
}


def output_dtypes(call: Call) -> list[str | None]:
    """The type of each output, as far as it is known."""
    op = call.node.op
    if op in DECIDED:
        dtypes = DECIDED[op](call)
    elif call.node.standard:
        dtypes = FIXED.get(op, SAME)
    else:
        dtypes = FIXED_MICROSOFT.get(op, SAME)
    wanted = dtypes[: len(call.node.outputs)]
    return [call.dtypes.get(call.name(item)) if isinstance(item, int) else item for item in wanted]
