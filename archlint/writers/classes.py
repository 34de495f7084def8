"""What the classes of all versions of Keras are called in Keras 3, and where they are."""

from archlint.graph import Layer
from archlint.writers.errors import refuse

_RENAMED = {
    **{f"Convolution{rank}D": f"Conv{rank}D" for rank in (1, 2, 3)},
    **{f"AtrousConvolution{rank}D": f"Conv{rank}D" for rank in (1, 2)},
    **{f"Convolution{rank}DTranspose": f"Conv{rank}DTranspose" for rank in (2, 3)},
    **{f"Deconv{name}{rank}D": f"Conv{rank}DTranspose" for name in ("", "olution") for rank in (2, 3)},
    **{f"SeparableConvolution{rank}D": f"SeparableConv{rank}D" for rank in (1, 2)},
    **{f"{way}Pool{rank}D": f"{way}Pooling{rank}D" for way in ("Max", "GlobalMax") for rank in (1, 2, 3)},
    **{f"AvgPool{rank}D": f"AveragePooling{rank}D" for rank in (1, 2, 3)},
    **{f"GlobalAvgPool{rank}D": f"GlobalAveragePooling{rank}D" for rank in (1, 2, 3)},
    **dict.fromkeys("LSTMV1 LSTMV2 CuDNNLSTM LSTMCell".split(), "LSTM"),
    **dict.fromkeys("GRUV1 GRUV2 CuDNNGRU GRUCell".split(), "GRU"),
    **dict.fromkeys("BatchNormalizationV1 BatchNormalizationV2 SyncBatchNormalization".split(), "BatchNormalization"),
    "Input": "InputLayer",
    "SimpleRNNCell": "SimpleRNN",
    "TimeDistributedDense": "Dense",
    "ThresholdedReLU": "ReLU",
    "GroupedQueryAttention": "GroupQueryAttention",
}
_MERGES = {
    "add": "Add",
    "multiply": "Multiply",
    "concat": "Concatenate",
    "average": "Average",
    "maximum": "Maximum",
    "dot": "Dot",
}
_GONE = frozenset(
    "LocallyConnected1D LocallyConnected2D SReLU ParametricSoftplus RandomHeight RandomWidth "
    "InstanceNormalization".split()
)
_PLAIN = "keras.layers"
_MODULES = {
    "LayerScale": "keras.src.applications.convnext",
    "StochasticDepth": "keras.src.applications.convnext",
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
}


def class_of(layer: Layer) -> tuple[str, str]:
    """The module and the name of the Keras 3 class that a layer is of.

    Raises:
        WriteError: there is none.
    """
    name = layer.class_name.rpartition(">")[2]
    if layer.traits.opaque or layer.kind == "rnn":
        refuse(layer, "what it computes is not in its file")
    if name in _GONE:
        refuse(layer, "Keras 3 has no such layer")
    if name == "Merge":
        name = _MERGES[layer.kind]
    name = _RENAMED.get(name, name)
    return _MODULES.get(name, _PLAIN), name
