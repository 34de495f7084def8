"""The output shapes of operations that work element by element, and of others that leave the shape as it is."""

from collections.abc import Mapping

from archlint.graph import Shape
from archlint.readers.onnx.shapes.terms import Call, Rule, same
from archlint.shape_terms import broadcast

UNCHANGED = (
    # Functions of one number. tf2onnx writes Erfc, which ONNX does not define: every exact GELU of Keras has one.
    "Abs Acos Acosh Asin Asinh Atan Atanh BitCast BitwiseNot Cast CastLike Ceil Celu Clip Cos Cosh Elu Erf Erfc Exp "
    "Floor Gelu HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Log Mish Neg Not PRelu Reciprocal Relu Round Selu "
    "Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt SwiGLU Swish Tan Tanh ThresholdedRelu "
    # Over one or more axes.
    "CumProd CumSum Hardmax LogSoftmax ReverseSequence RotaryEmbedding Softmax Trilu "
    # Normalizations that give nothing else.
    "GroupNormalization InstanceNormalization LRN LpNormalization MeanVarianceNormalization RMSNormalization "
    "Dropout Bernoulli OptionalGetElement RandomNormalLike RandomUniformLike EyeLike "
    "DequantizeLinear QuantizeLinear "
    "Scatter ScatterElements ScatterND TensorScatter"
).split()

BROADCAST = (
    "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min "
    "Mod Mul Or Pow StringConcat Sub Sum Where Xor"
).split()


def combined(call: Call) -> Shape:
    """Tensors combined element by element, as numpy has it.

    Before opset 7, the second one was fitted to the first.
    """
    if call.node.opset < 7 and call.node.standard and call.attr("broadcast"):
        return call.shape()
    shapes = call.all_shapes()
    return shapes[0] if shapes.count(shapes[0]) == len(shapes) else broadcast(shapes)


RULES: Mapping[str, Rule] = {**dict.fromkeys(UNCHANGED, same), **dict.fromkeys(BROADCAST, combined)}
