"""Which neutral kind a Keras class or operation is, in every version of Keras."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_CLASSES = {
    "input": "InputLayer Input",
    "dense": "Dense TimeDistributedDense",
    "einsum_dense": "EinsumDense",
    "conv": "Conv1D Conv2D Conv3D Convolution1D Convolution2D Convolution3D AtrousConvolution1D AtrousConvolution2D",
    "depthwise_conv": "DepthwiseConv1D DepthwiseConv2D",
    "separable_conv": "SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D",
    "conv_transpose": "Conv1DTranspose Conv2DTranspose Conv3DTranspose Convolution2DTranspose Convolution3DTranspose "
    "Deconvolution2D Deconvolution3D Deconv2D Deconv3D",
    "locally_connected": "LocallyConnected1D LocallyConnected2D",
    "embedding": "Embedding ReversibleEmbedding",
    "lstm": "LSTM LSTMV1 LSTMV2 CuDNNLSTM LSTMCell",
    "gru": "GRU GRUV1 GRUV2 CuDNNGRU GRUCell",
    "simple_rnn": "SimpleRNN SimpleRNNCell",
    "conv_lstm": "ConvLSTM1D ConvLSTM2D ConvLSTM3D",
    "batch_norm": "BatchNormalization BatchNormalizationV1 BatchNormalizationV2 SyncBatchNormalization",
    "layer_norm": "LayerNormalization",
    "group_norm": "GroupNormalization",
    "rms_norm": "RMSNormalization",
    "unit_norm": "UnitNormalization",
    "instance_norm": "InstanceNormalization",
    "dropout": "Dropout",
    "spatial_dropout": "SpatialDropout1D SpatialDropout2D SpatialDropout3D",
    "alpha_dropout": "AlphaDropout",
    "gaussian_dropout": "GaussianDropout",
    "gaussian_noise": "GaussianNoise",
    "stochastic_depth": "StochasticDepth",
    "activation": "Activation ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax SReLU ParametricSoftplus",
    "max_pool": "MaxPooling1D MaxPooling2D MaxPooling3D MaxPool1D MaxPool2D MaxPool3D AdaptiveMaxPooling1D "
    "AdaptiveMaxPooling2D AdaptiveMaxPooling3D",
    "avg_pool": "AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D "
    "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D",
    "global_max_pool": "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlobalMaxPool1D GlobalMaxPool2D "
    "GlobalMaxPool3D",
    "global_avg_pool": "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D "
    "GlobalAvgPool2D GlobalAvgPool3D",
    "add": "Add CustomScaleLayer",  # CustomScaleLayer: InceptionResNetV2's scaled residual sum
    "subtract": "Subtract",
    "multiply": "Multiply",
    "average": "Average",
    "maximum": "Maximum",
    "minimum": "Minimum",
    "concat": "Concatenate",
    "dot": "Dot",
    "attention": "Attention",
    "additive_attention": "AdditiveAttention",
    "multi_head_attention": "MultiHeadAttention GroupedQueryAttention GroupQueryAttention",
    "reshape": "Reshape",
    "flatten": "Flatten",
    "permute": "Permute",
    "identity": "Identity",
    "masking": "Masking",
    "activity_regularization": "ActivityRegularization",
    "zero_padding": "ZeroPadding1D ZeroPadding2D ZeroPadding3D",
    "cropping": "Cropping1D Cropping2D Cropping3D",
    "upsampling": "UpSampling1D UpSampling2D UpSampling3D",
    "repeat_vector": "RepeatVector",
    "rescaling": "Rescaling",
    "normalization": "Normalization",
    "preprocessing": "Resizing CenterCrop Discretization CategoryEncoding Hashing HashedCrossing IntegerLookup "
    "StringLookup TextVectorization MelSpectrogram STFTSpectrogram Pipeline",
    "augmentation": "RandomCrop RandomFlip RandomTranslation RandomRotation RandomZoom RandomContrast RandomBrightness "
    "RandomHeight RandomWidth RandomShear RandomColorDegeneration RandomColorJitter RandomErasing RandomGaussianBlur "
    "RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomSaturation RandomSharpness "
    "AutoContrast Equalization Solarization AugMix CutMix MixUp RandAugment MaxNumBoundingBoxes",
    "layer_scale": "LayerScale",
    "lambda": "Lambda",
}
_KIND_OF_CLASS = {name: kind for kind, names in _CLASSES.items() for name in names.split()}

_OPERATIONS = {
    "add": "add add_v2 add_n bias_add",
    "subtract": "subtract sub",
    "multiply": "multiply mul",
    "divide": "divide div true_divide truediv real_div",
    "maximum": "maximum",
    "minimum": "minimum",
    "concat": "concatenate concat concat_v2",
    "stack": "stack pack",
    "dot": "matmul mat_mul batch_mat_mul batch_mat_mul_v2 batch_dot dot einsum tensordot vdot inner outer",
    "where": "where select select_v2",
    "reshape": "reshape squeeze expand_dims ravel",
    "permute": "transpose permute swapaxes moveaxis",
    "reduce": "mean reduce_mean sum reduce_sum max reduce_max min reduce_min prod reduce_prod std var logsumexp amax "
    "amin average argmax argmin any all",
    "slice": "get_item getitem strided_slice slice gather gather_v2 take",
    "split": "split split_v unstack",
    "cast": "cast",
    "identity": "identity stop_gradient copy",
    "zero_padding": "pad pad_v2",
    "arithmetic": "neg negative abs absolute square sqrt rsqrt pow power exp log log1p expm1 clip clip_by_value sign "
    "erf round floor ceil sin cos reciprocal floordiv mod l2_normalize greater greater_equal less less_equal equal "
    "not_equal logical_and logical_or logical_not",
}
_KIND_OF_OPERATION = {name: kind for kind, names in _OPERATIONS.items() for name in names.split()}

ACTIVATIONS = frozenset(
    "linear relu relu6 leaky_relu elu selu celu gelu silu hard_silu mish sigmoid hard_sigmoid log_sigmoid "
    "tanh hard_tanh tanh_shrink soft_shrink hard_shrink softplus softsign softmax log_softmax sparsemax exponential "
    "glu threshold squareplus sparse_plus sparse_sigmoid prelu srelu".split()
)
_ACTIVATION_ALIASES = {
    "swish": "silu",
    "hard_swish": "hard_silu",
    "re_lu": "relu",
    "leaky_re_lu": "leaky_relu",
    "leakyrelu": "leaky_relu",
    "p_re_lu": "prelu",
    "s_re_lu": "srelu",
    "thresholded_re_lu": "threshold",
    "parametric_softplus": "softplus",
    "hard_relu": "relu",
    "logistic": "sigmoid",
    "exp": "exponential",
}

_HELPERS = frozenset({"CustomScaleLayer", "LayerScale", "StochasticDepth"})
"""Layers that keras.applications registers under the package of users' own classes."""

MODEL_CLASSES = frozenset({"Sequential", "Functional", "Model"})
RECURRENT_WRAPPERS = frozenset({"RNN"})
STACKED_CELLS = "StackedRNNCells"
_KERAS_MODULES = re.compile(r"(keras|tf_keras|tensorflow|tensorflow\.keras|tensorflow\.python\.keras)(\.|$)")


@lru_cache(maxsize=512)
def snake_case(name: str) -> str:
    """`GlorotUniform` to `glorot_uniform`, `SGD` to `sgd`, `AdamW` to `adam_w`."""
    partly = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", partly).lower()


def activation_name(name: str) -> str:
    """The snake_case name of an activation, `custom` for one that Keras does not have."""
    snake = snake_case(name.rsplit(">", 1)[-1])
    snake = _ACTIVATION_ALIASES.get(snake, snake)
    return snake if snake in ACTIVATIONS else "custom"


def kind_of_class(class_name: str, module: str | None, registered_name: str | None) -> str:
    """The neutral kind of a layer class; `custom` for a class that is not Keras's own.

    Keras goes by the registered name only where a class was registered, which names a package: `my>Dense`.
    """
    package, _, bare = class_name.rpartition(">")
    registered_package, _, registered = (registered_name or "").rpartition(">")
    if registered_package and (bare != registered or package not in ("", registered_package)):
        return "custom"
    package = package or registered_package
    foreign = module is not None and not _KERAS_MODULES.match(module)
    kind = _KIND_OF_CLASS.get(bare, "custom")
    if package == "Custom" and bare in _HELPERS and not foreign:
        return kind
    return "custom" if package not in ("", "keras") or foreign else kind


def kind_of_operation(operation: str, tensors: int) -> str:
    """The neutral kind of an operation called on so many tensors (plain constants not counted)."""
    if activation_name(operation) != "custom" and operation not in ("exp", "linear"):
        return "activation"
    kind = _KIND_OF_OPERATION.get(operation, "operation")
    if kind in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "where") and tensors < 2:
        return "arithmetic"
    if kind == "dot" and tensors < 2:
        return "operation"
    return kind


def is_operation(class_name: str, module: str | None, config: Mapping[str, Any]) -> bool:
    """Whether this is a call of a bare function (`keras.ops.add`), not a layer.

    `.h5` files name no module; there only the configuration tells `ops.Add` from the layer `Add`: a layer's says
    whether it is trainable.
    """
    if class_name in (
        "TFOpLambda",
        "SlicingOpLambda",
        "TensorFlowOpLayer",
        "ClassMethod",
        "InstanceMethod",
        "InstanceProperty",
    ):
        return True
    if module is not None:
        return ".ops." in module
    if class_name not in _KIND_OF_CLASS and {"name"} <= set(config) <= {"name", "dtype"}:
        return ">" not in class_name  # any operation without settings, be it known here or not
    operation = snake_case(class_name)
    is_known = operation in _KIND_OF_OPERATION or activation_name(operation) != "custom"
    return "trainable" not in config and is_known and class_name != "Input"


def operation_name(class_name: str, config: Mapping[str, Any]) -> str:
    """The snake_case name of the function that an operation layer calls: `add`, `reduce_mean`, `get_item` …"""
    if class_name == "SlicingOpLambda":
        return "get_item"
    if class_name == "TensorFlowOpLayer":
        node = config.get("node_def")
        name = node.get("op") if isinstance(node, dict) else None
        return snake_case(str(name))
    function = config.get("function")
    if class_name == "TFOpLambda" and isinstance(function, str):
        return snake_case(function.rsplit(".", 1)[-1])
    return snake_case(class_name)
