"""Small nets of every family, to measure their signal at initialization; each takes `keras` or `tf_keras`."""

from collections.abc import Callable
from functools import partial
from typing import Any

Keras = Any
Net = Callable[[Keras], Any]

WIDTH = 192


def mlp(
    keras: Keras,
    activation: str,
    initializer: str = "glorot_uniform",
    depth: int = 5,
    taper: float = 1.0,
    **settings: Any,
) -> Any:
    """Dense layers and a softmax; each has `taper` of the units of the one before."""
    layers = keras.layers
    net = keras.Sequential([keras.Input((WIDTH,))])
    for number in range(depth):
        units = int(WIDTH * taper**number)
        net.add(layers.Dense(units, activation=activation, kernel_initializer=initializer, **settings))
    net.add(layers.Dense(10, activation="softmax"))
    return net


def interleaved(keras: Keras, make: Callable[[Any], list[Any]], initializer: str = "he_normal", depth: int = 4) -> Any:
    """Dense layers, behind each of them the layers that `make` makes; ends in a sigmoid."""
    layers = keras.layers
    net = keras.Sequential([keras.Input((WIDTH,))])
    for _ in range(depth):
        net.add(layers.Dense(WIDTH, kernel_initializer=initializer))
        for layer in make(layers):
            net.add(layer)
    net.add(layers.Dense(16, activation="sigmoid"))
    return net


def vgg(keras: Keras) -> Any:
    """Convolutions by threes, max pooling, dense layers; He."""
    layers = keras.layers
    conv = partial(layers.Conv2D, padding="same", activation="relu", kernel_initializer="he_uniform")
    stack = [
        conv(16, 3),
        conv(16, 3),
        layers.MaxPooling2D(),
        conv(32, 3),
        conv(32, 3),
        layers.MaxPooling2D(),
        conv(32, 3),
    ]
    dense = [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dropout(0.5)]
    return keras.Sequential([keras.Input((16, 16, 3)), *stack, *dense, layers.Dense(10, activation="softmax")])


def resnet(keras: Keras, first: bool = True) -> Any:
    """Version 1 (norm and ReLU behind the convolution, ReLU behind the sum) or version 2 (both in front)."""
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    for filters, stride in ((16, 1), (16, 1), (32, 2), (32, 1)):
        x = (_block_v1 if first else _block_v2)(layers, x, filters, stride)
    x = layers.GlobalAveragePooling2D()(x if first else layers.ReLU()(layers.BatchNormalization()(x)))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def _block_v1(layers: Any, x: Any, filters: int, stride: int) -> Any:
    y = layers.Conv2D(filters, 3, strides=stride, padding="same")(x)
    y = layers.Activation("relu")(layers.BatchNormalization()(y))
    y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
    if stride > 1:
        x = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides=stride)(x))
    return layers.Activation("relu")(layers.Add()([x, y]))


def _block_v2(layers: Any, x: Any, filters: int, stride: int) -> Any:
    y = layers.ReLU()(layers.BatchNormalization()(x))
    if stride > 1:
        x = layers.Conv2D(filters, 1, strides=stride)(y)
    y = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(y)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    return layers.Add()([x, layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)])


def densenet(keras: Keras) -> Any:
    """Two dense blocks, between them a transition by average pooling."""
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    for block in range(2):
        for _ in range(5):
            y = layers.ReLU()(layers.BatchNormalization()(x))
            y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(32, 1, use_bias=False)(y)))
            x = layers.Concatenate()([x, layers.Conv2D(8, 3, padding="same", use_bias=False)(y)])
        if block == 0:
            x = layers.Conv2D(28, 1, use_bias=False)(layers.ReLU()(layers.BatchNormalization()(x)))
            x = layers.AveragePooling2D(2)(x)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def mobilenet(keras: Keras, norm: bool = True) -> Any:
    """Depthwise and pointwise convolutions in turn."""
    layers = keras.layers
    net = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(16, 3, strides=2, padding="same")])
    for filters, stride in ((32, 1), (64, 2), (64, 1)):
        depthwise = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)
        for conv in (depthwise, layers.Conv2D(filters, 1, padding="same", use_bias=False)):
            for layer in [conv, *([layers.BatchNormalization()] if norm else []), layers.ReLU(max_value=6.0)]:
                net.add(layer)
    for layer in (layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax")):
        net.add(layer)
    return net


def inverted(keras: Keras) -> Any:
    """Inverted residuals with squeeze-and-excitation, as in MobileNetV3 and EfficientNet."""
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Activation("silu")(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(inputs)))
    for _ in range(3):
        y = layers.Activation("silu")(layers.BatchNormalization()(layers.Conv2D(64, 1, use_bias=False)(x)))
        y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
        y = layers.Activation("silu")(layers.BatchNormalization()(y))
        gate = layers.Reshape((1, 1, 64))(layers.GlobalAveragePooling2D()(y))
        gate = layers.Conv2D(64, 1, activation="sigmoid")(layers.Conv2D(8, 1, activation="silu")(gate))
        y = layers.BatchNormalization()(layers.Conv2D(16, 1, use_bias=False)(layers.Multiply()([y, gate])))
        x = layers.Add()([layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))(y), x])
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def inception(keras: Keras) -> Any:
    """Four ways side by side, with max and average pooling in two of them; separable convolutions behind."""
    layers = keras.layers
    conv = partial(layers.Conv2D, padding="same", activation="relu")
    inputs = keras.Input((16, 16, 3))
    x = conv(24, 3)(inputs)
    for _ in range(2):
        pooled = layers.AveragePooling2D(3, strides=1, padding="same")(x)
        highest = layers.MaxPooling2D(3, strides=1, padding="same")(x)
        ways = [conv(16, 1)(x), conv(16, 3)(conv(16, 1)(x)), conv(16, 1)(pooled), conv(16, 1)(highest)]
        x = layers.Concatenate()(ways)
    x = layers.SeparableConv2D(48, 3, activation="relu", padding="same")(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.GlobalMaxPooling2D()(x)))


def unet(keras: Keras) -> Any:
    """Down by max pooling, up by transposed convolution and by upsampling, joined by concatenation."""
    layers = keras.layers
    conv = partial(layers.Conv2D, padding="same", activation="relu", kernel_initializer="he_normal")
    inputs = keras.Input((16, 16, 3))
    first = conv(16, 3)(conv(16, 3)(inputs))
    second = conv(32, 3)(layers.MaxPooling2D()(first))
    bottom = conv(64, 3)(layers.MaxPooling2D()(second))
    x = layers.Conv2DTranspose(32, 2, strides=2, padding="same")(bottom)
    x = conv(32, 3)(layers.Concatenate()([x, second]))
    x = conv(16, 3)(layers.UpSampling2D()(x))
    x = conv(16, 3)(layers.Concatenate()([x, first]))
    return keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(x))


def grouped(keras: Keras) -> Any:
    """Group norm, strides, dilation and padding of its own."""
    layers = keras.layers
    stack = [
        layers.ZeroPadding2D(1),
        layers.Conv2D(32, 3),
        layers.GroupNormalization(8),
        layers.Activation("silu"),
        layers.Conv2D(32, 3, padding="same", dilation_rate=2, groups=4),
        layers.GroupNormalization(8),
        layers.Activation("silu"),
        layers.Conv2D(64, 3, strides=2),
        layers.LayerNormalization(),
        layers.Activation("gelu"),
        layers.SpatialDropout2D(0.2),
        layers.Flatten(),
    ]
    return keras.Sequential([keras.Input((14, 14, 3)), *stack, layers.Dense(10, activation="softmax")])


def transformer(keras: Keras, norm_first: bool = True) -> Any:
    """Two encoder blocks over tokens, with the norm in front or behind the sum."""
    layers = keras.layers
    inputs = keras.Input((16,), dtype="int32")
    x = layers.Embedding(200, 64)(inputs)
    for _ in range(2):
        y = layers.LayerNormalization()(x) if norm_first else x
        x = layers.Add()([x, layers.MultiHeadAttention(4, 16)(y, y)])
        y = x = x if norm_first else layers.LayerNormalization()(x)
        y = layers.LayerNormalization()(y) if norm_first else y
        y = layers.Dropout(0.1)(layers.Dense(64)(layers.Dense(128, activation="gelu")(y)))
        x = layers.Add()([x, y])
        x = x if norm_first else layers.LayerNormalization()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def recurrent(keras: Keras, kind: str, bidirectional: bool = False) -> Any:
    """Two recurrent layers over sequences of vectors."""
    layers = keras.layers
    wrap = layers.Bidirectional if bidirectional else lambda made: made
    layer = getattr(layers, kind)
    inputs = keras.Input((16, 32))
    x = wrap(layer(64))(wrap(layer(64, return_sequences=True))(inputs))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def text(keras: Keras) -> Any:
    """Words, an LSTM, a dense layer for each step, mean over the steps."""
    layers = keras.layers
    inputs = keras.Input((12,), dtype="int32")
    x = layers.LSTM(48, return_sequences=True)(layers.SpatialDropout1D(0.2)(layers.Embedding(100, 32)(inputs)))
    x = layers.GlobalAveragePooling1D()(layers.TimeDistributed(layers.Dense(32, activation="relu"))(x))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def wavenet(keras: Keras) -> Any:
    """Causal dilated convolutions whose tanh is gated by a sigmoid, with skips."""
    layers = keras.layers
    inputs = keras.Input((32, 4))
    x, skips = layers.Conv1D(32, 2, padding="causal")(inputs), []
    for dilation in (1, 2, 4, 8):
        conv = partial(layers.Conv1D, 32, 2, padding="causal", dilation_rate=dilation)
        gated = layers.Multiply()([conv(activation="tanh")(x), conv(activation="sigmoid")(x)])
        skips.append(layers.Conv1D(32, 1)(gated))
        x = layers.Add()([x, skips[-1]])
    x = layers.Conv1D(32, 1, activation="relu")(layers.ReLU()(layers.Add()(skips)))
    return keras.Model(inputs, layers.Conv1D(8, 1, activation="softmax")(x))


def nested(keras: Keras) -> Any:
    """An autoencoder of two models, the decoder tapering up."""
    layers = keras.layers
    encoder = keras.Sequential(
        [keras.Input((WIDTH,)), layers.Dense(96, activation="tanh"), layers.Dense(32, activation="relu")],
        name="encoder",
    )
    inputs = keras.Input((32,))
    hidden = layers.BatchNormalization()(layers.Dense(64, activation="elu")(inputs))
    decoder = keras.Model(inputs, layers.Dense(WIDTH)(hidden), name="decoder")
    whole = keras.Input((WIDTH,))
    return keras.Model(whole, decoder(encoder(whole)))


def siamese(keras: Keras) -> Any:
    """One tower for two inputs, their difference, and what its square says."""
    layers = keras.layers
    tower = keras.Sequential(
        [keras.Input((64,)), layers.Dense(96, activation="relu"), layers.Dense(64, activation="relu")], name="tower"
    )
    one, other = keras.Input((64,)), keras.Input((64,))
    gap = layers.Subtract()([tower(one), tower(other)])
    return keras.Model([one, other], layers.Dense(4)(layers.Dense(64, activation="relu")(gap)))


def photographs(keras: Keras) -> Any:
    """Scales bytes to -1..1 itself; ends in one value for each of two tasks."""
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = layers.Conv2D(32, 3, strides=2, activation="relu")(x)
    x = layers.Flatten()(layers.AveragePooling2D(2)(layers.Conv2D(32, 3, activation="relu")(x)))
    return keras.Model(inputs, [layers.Dense(5, activation="softmax")(x), layers.Dense(1)(layers.Dense(32)(x))])


def _special(name: str, **settings: Any) -> Callable[[Any], list[Any]]:
    return lambda layers: [getattr(layers, name)(**settings)]


NETS: dict[str, Net] = {
    "relu he": partial(mlp, activation="relu", initializer="he_normal", depth=10),
    "relu glorot": partial(mlp, activation="relu"),
    "relu orthogonal": partial(mlp, activation="relu", initializer="orthogonal"),
    "relu fixed": partial(mlp, activation="relu", initializer="random_normal", depth=3),
    "relu truncated": partial(mlp, activation="relu", initializer="truncated_normal", depth=3),
    "relu biased": partial(mlp, activation="relu", initializer="he_uniform", bias_initializer="ones", depth=3),
    "leaky": partial(interleaved, make=lambda layers: [layers.LeakyReLU()]),
    "elu": partial(mlp, activation="elu", initializer="he_normal", depth=8),
    "selu": partial(mlp, activation="selu", initializer="lecun_normal", depth=12),
    "selu tapering": partial(mlp, activation="selu", taper=0.75, depth=6),
    "gelu": partial(mlp, activation="gelu"),
    "silu": partial(mlp, activation="silu", initializer="he_uniform"),
    "tanh": partial(mlp, activation="tanh", depth=8),
    "tanh lecun": partial(mlp, activation="tanh", initializer="lecun_uniform", depth=4),
    "sigmoid": partial(mlp, activation="sigmoid", depth=4),
    "softplus": partial(mlp, activation="softplus", depth=4),
    "mish": partial(mlp, activation="mish", depth=4),
    "softsign": partial(mlp, activation="softsign", depth=4),
    "hard sigmoid": partial(mlp, activation="hard_sigmoid", depth=3),
    "linear": partial(mlp, activation="linear", initializer="orthogonal", depth=6),
    "linear uniform": partial(mlp, activation="linear", initializer="random_uniform", depth=3),
    "prelu": partial(interleaved, make=_special("PReLU")),
    "dropout": partial(interleaved, make=lambda layers: [layers.ReLU(), layers.Dropout(0.5)]),
    "alpha dropout": partial(
        interleaved,
        make=lambda layers: [layers.Activation("selu"), layers.AlphaDropout(0.2)],
        initializer="lecun_normal",
    ),
    "noise": partial(
        interleaved, make=lambda layers: [layers.GaussianNoise(0.5), layers.ReLU(), layers.GaussianDropout(0.3)]
    ),
    "dropout and norm": partial(
        interleaved, make=lambda layers: [layers.ReLU(), layers.Dropout(0.5), layers.BatchNormalization()]
    ),
    "batch norm": partial(interleaved, make=lambda layers: [layers.BatchNormalization(), layers.ReLU()], depth=6),
    "layer norm": partial(
        interleaved, make=lambda layers: [layers.LayerNormalization(), layers.Activation("gelu")], depth=6
    ),
    "vgg": vgg,
    "resnet v1": resnet,
    "resnet v2": partial(resnet, first=False),
    "densenet": densenet,
    "mobilenet": mobilenet,
    "mobilenet without norm": partial(mobilenet, norm=False),
    "inverted residuals": inverted,
    "inception": inception,
    "unet": unet,
    "group norm": grouped,
    "transformer": transformer,
    "transformer, norm behind": partial(transformer, norm_first=False),
    "lstm": partial(recurrent, kind="LSTM"),
    "gru": partial(recurrent, kind="GRU"),
    "simple rnn": partial(recurrent, kind="SimpleRNN"),
    "bidirectional lstm": partial(recurrent, kind="LSTM", bidirectional=True),
    "text": text,
    "wavenet": wavenet,
    "nested": nested,
    "siamese": siamese,
    "photographs": photographs,
}
"""Every net by name."""

IN_KERAS_2 = ("relu he", "resnet v1", "bidirectional lstm", "nested", "transformer")
"""Nets that are measured in Keras 2, too."""
