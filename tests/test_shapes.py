"""Shapes and weights inferred from a configuration equal those of the layer that Keras builds from it."""

import functools
import json
import math
import os
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archlint.analyses.shape_ops import OPERATIONS as OPERATION_RULES
from archlint.analyses.shapes import infer, output_shapes
from archlint.analyses.weights import declared_weights, fans, kernel
from archlint.graph import KINDS, Call, Layer, Model, Output, Shape, Tensor, Weight
from archlint.readers.keras import from_attributes

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops
compute_fans = pytest.importorskip("keras.src.initializers.random_initializers").compute_fans

Case = tuple[Any, ...]  # a function of tensors, and the shape of each tensor without the batch
IMAGE, SEQUENCE, VIDEO = (9, 8, 6), (7, 6), (3, 9, 8, 6)
ANY_IMAGE, ANY_SEQUENCE = (None, None, 6), (None, 6)

DENSE: dict[str, Case] = {
    "a dense layer": (lambda x: layers.Dense(4)(x), (6,)),
    "a dense layer without bias on a sequence": (lambda x: layers.Dense(4, use_bias=False)(x), SEQUENCE),
    "a dense layer on a sequence of any length": (lambda x: layers.Dense(4)(x), ANY_SEQUENCE),
    "an einsum to one axis": (lambda x: layers.EinsumDense("ab,bc->ac", 4, bias_axes="c")(x), (6,)),
    "an einsum of a sequence": (lambda x: layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")(x), SEQUENCE),
    "an einsum with an ellipsis in front": (
        lambda x: layers.EinsumDense("...x,xy->...y", 5, bias_axes="y")(x),
        SEQUENCE,
    ),
    "an einsum with an ellipsis behind": (
        lambda x: layers.EinsumDense("ab...,bc->ac...", 5, bias_axes="c")(x),
        SEQUENCE,
    ),
    "an einsum to two axes": (lambda x: layers.EinsumDense("abc,cde->abde", (None, 3, 5), bias_axes="de")(x), SEQUENCE),
    "an einsum with a bias over an early axis": (
        lambda x: layers.EinsumDense("abc,cde->abde", (None, 3, 5), bias_axes="d")(x),
        SEQUENCE,
    ),
    "an einsum without bias": (lambda x: layers.EinsumDense("abc,cd->abd", (7, 5))(x), SEQUENCE),
    "an einsum over two axes": (lambda x: layers.EinsumDense("abcd,cde->abe", (9, 4), bias_axes="e")(x), IMAGE),
    "an embedding": (lambda x: layers.Embedding(30, 4)(x), (7,)),
    "an embedding of a grid of any height": (lambda x: layers.Embedding(30, 4)(x), (None, 3)),
    "a reversible embedding": (lambda x: layers.ReversibleEmbedding(30, 4)(x), (7,)),
    "an untied reversible embedding": (lambda x: layers.ReversibleEmbedding(30, 4, tie_weights=False)(x), (7,)),
    "a reversible embedding called in reverse": (
        lambda x, y: _both(layers.ReversibleEmbedding(30, 6), x, y),
        (7,),
        SEQUENCE,
    ),
}


def _both(layer: Any, forward: Any, backward: Any) -> Any:
    return [layer(forward), layer(backward, reverse=True)]


CONVOLUTIONS: dict[str, Case] = {
    "a convolution of a sequence": (lambda x: layers.Conv1D(4, 3)(x), SEQUENCE),
    "a causal dilated convolution": (lambda x: layers.Conv1D(4, 3, padding="causal", dilation_rate=2)(x), SEQUENCE),
    "a convolution of a sequence of any length": (lambda x: layers.Conv1D(4, 3, strides=2)(x), ANY_SEQUENCE),
    "a convolution of an image": (lambda x: layers.Conv2D(4, 3)(x), IMAGE),
    "a strided convolution that keeps the borders": (lambda x: layers.Conv2D(4, (3, 2), 2, padding="same")(x), IMAGE),
    "a strided convolution that drops them": (lambda x: layers.Conv2D(4, (2, 3), (2, 3), use_bias=False)(x), IMAGE),
    "a dilated convolution": (lambda x: layers.Conv2D(4, 3, dilation_rate=(2, 3))(x), IMAGE),
    "a grouped convolution": (lambda x: layers.Conv2D(4, 3, groups=2)(x), IMAGE),
    "a convolution of an image of any size": (lambda x: layers.Conv2D(4, 3, padding="same")(x), ANY_IMAGE),
    "a convolution with its channels first": (lambda x: layers.Conv2D(4, 3, data_format="channels_first")(x), IMAGE),
    "a convolution of a volume": (lambda x: layers.Conv3D(4, (1, 3, 2), strides=(1, 2, 1))(x), VIDEO),
    "a depthwise convolution": (lambda x: layers.DepthwiseConv2D(3, 2, depth_multiplier=3)(x), IMAGE),
    "a depthwise convolution of a sequence": (lambda x: layers.DepthwiseConv1D(3, padding="same")(x), SEQUENCE),
    "a depthwise convolution with its channels first": (
        lambda x: layers.DepthwiseConv2D(3, data_format="channels_first", use_bias=False)(x),
        IMAGE,
    ),
    "a separable convolution": (lambda x: layers.SeparableConv2D(4, 3, depth_multiplier=2)(x), IMAGE),
    "a separable convolution of a sequence": (lambda x: layers.SeparableConv1D(4, 3, use_bias=False)(x), SEQUENCE),
    "a transposed convolution": (lambda x: layers.Conv2DTranspose(4, 3, strides=2)(x), IMAGE),
    "a transposed convolution with wide strides": (lambda x: layers.Conv2DTranspose(4, 2, strides=3)(x), IMAGE),
    "a transposed convolution that keeps the borders": (
        lambda x: layers.Conv2DTranspose(4, (3, 4), strides=(2, 1), padding="same")(x),
        IMAGE,
    ),
    "a transposed convolution with output padding": (
        lambda x: layers.Conv2DTranspose(4, (3, 4), strides=2, padding="same", output_padding=1)(x),
        IMAGE,
    ),
    "a transposed convolution with output padding at valid borders": (
        lambda x: layers.Conv2DTranspose(4, 3, strides=3, output_padding=(0, 2))(x),
        IMAGE,
    ),
    "a dilated transposed convolution": (lambda x: layers.Conv2DTranspose(4, 3, dilation_rate=2)(x), IMAGE),
    "a transposed convolution of a sequence": (lambda x: layers.Conv1DTranspose(4, 3, strides=2)(x), ANY_SEQUENCE),
    "a transposed convolution of a volume": (lambda x: layers.Conv3DTranspose(4, 2, strides=2)(x), VIDEO),
    "a spectrally normalised convolution": (lambda x: layers.SpectralNormalization(layers.Conv2D(4, 3))(x), IMAGE),
    "a spectrally normalised dense layer": (lambda x: layers.SpectralNormalization(layers.Dense(4))(x), (6,)),
}

RECURRENT: dict[str, Case] = {
    "an LSTM": (lambda x: layers.LSTM(5)(x), SEQUENCE),
    "an LSTM that returns sequences": (lambda x: layers.LSTM(5, return_sequences=True)(x), ANY_SEQUENCE),
    "an LSTM that returns its states": (lambda x: layers.LSTM(5, return_state=True)(x), SEQUENCE),
    "an LSTM without bias": (lambda x: layers.LSTM(5, use_bias=False)(x), SEQUENCE),
    "a GRU with two biases": (lambda x: layers.GRU(5)(x), SEQUENCE),
    "a GRU with one bias": (lambda x: layers.GRU(5, reset_after=False)(x), SEQUENCE),
    "a GRU that returns everything": (lambda x: layers.GRU(5, return_state=True, return_sequences=True)(x), SEQUENCE),
    "a simple RNN": (lambda x: layers.SimpleRNN(5)(x), SEQUENCE),
    "a cell in an RNN": (lambda x: layers.RNN(layers.LSTMCell(5), return_sequences=True)(x), SEQUENCE),
    "a GRU cell in an RNN": (lambda x: layers.RNN(layers.GRUCell(5))(x), SEQUENCE),
    "two cells in an RNN": (lambda x: layers.RNN([layers.GRUCell(5), layers.LSTMCell(4)])(x), SEQUENCE),
    "a bidirectional LSTM": (lambda x: layers.Bidirectional(layers.LSTM(5))(x), SEQUENCE),
    "a bidirectional LSTM that sums": (
        lambda x: layers.Bidirectional(layers.LSTM(5, return_sequences=True), merge_mode="sum")(x),
        SEQUENCE,
    ),
    "a bidirectional GRU kept apart": (lambda x: layers.Bidirectional(layers.GRU(5), merge_mode=None)(x), SEQUENCE),
    "a bidirectional LSTM with states": (
        lambda x: layers.Bidirectional(layers.LSTM(5, return_state=True))(x),
        SEQUENCE,
    ),
    "a bidirectional layer of two kinds": (
        lambda x: layers.Bidirectional(layers.LSTM(5), backward_layer=layers.GRU(5, go_backwards=True))(x),
        SEQUENCE,
    ),
    "a convolutional LSTM": (lambda x: layers.ConvLSTM2D(4, 3)(x), VIDEO),
    "a convolutional LSTM that returns sequences": (
        lambda x: layers.ConvLSTM2D(4, 3, padding="same", strides=2, return_sequences=True)(x),
        VIDEO,
    ),
    "a convolutional LSTM over sequences": (lambda x: layers.ConvLSTM1D(4, 3, return_state=True)(x), IMAGE),
    "a convolutional LSTM with its channels first": (
        lambda x: layers.ConvLSTM2D(4, 3, data_format="channels_first", use_bias=False)(x),
        VIDEO,
    ),
    "a dense layer at every step": (lambda x: layers.TimeDistributed(layers.Dense(4))(x), SEQUENCE),
    "a convolution at every step": (lambda x: layers.TimeDistributed(layers.Conv2D(4, 3))(x), VIDEO),
    "a flattening at every step": (lambda x: layers.TimeDistributed(layers.Flatten())(x), IMAGE),
    "an LSTM at every step of every step": (
        lambda x: layers.TimeDistributed(layers.TimeDistributed(layers.Dense(4)))(x),
        VIDEO,
    ),
    "a bidirectional LSTM at every step": (
        lambda x: layers.TimeDistributed(layers.Bidirectional(layers.LSTM(5)))(x),
        IMAGE,
    ),
    "a batch normalization at every step": (lambda x: layers.TimeDistributed(layers.BatchNormalization())(x), VIDEO),
}

NORMS: dict[str, Case] = {
    "a batch normalization": (lambda x: layers.BatchNormalization()(x), IMAGE),
    "a batch normalization of the channels in front": (lambda x: layers.BatchNormalization(axis=1)(x), IMAGE),
    "a batch normalization without scale": (lambda x: layers.BatchNormalization(scale=False)(x), IMAGE),
    "a batch normalization without center": (lambda x: layers.BatchNormalization(center=False)(x), ANY_IMAGE),
    "a batch renormalization": (lambda x: layers.BatchNormalization(renorm=True)(x), IMAGE),
    "a layer normalization": (lambda x: layers.LayerNormalization()(x), SEQUENCE),
    "a layer normalization over two axes": (lambda x: layers.LayerNormalization(axis=(-1, 1))(x), SEQUENCE),
    "a layer normalization without center": (lambda x: layers.LayerNormalization(center=False)(x), SEQUENCE),
    "a group normalization": (lambda x: layers.GroupNormalization(3)(x), IMAGE),
    "an RMS normalization": (lambda x: layers.RMSNormalization()(x), SEQUENCE),
    "a unit normalization": (lambda x: layers.UnitNormalization()(x), SEQUENCE),
    "a standardisation": (lambda x: layers.Normalization()(x), SEQUENCE),
    "a standardisation of everything": (lambda x: layers.Normalization(axis=None)(x), SEQUENCE),
    "a standardisation over two axes": (lambda x: layers.Normalization(axis=(1, 2))(x), SEQUENCE),
    "a standardisation by given numbers": (lambda x: layers.Normalization(mean=1.0, variance=2.0)(x), SEQUENCE),
}

SHAPERS: dict[str, Case] = {
    "a flattening": (lambda x: layers.Flatten()(x), IMAGE),
    "a flattening of an image of any size": (lambda x: layers.Flatten()(x), ANY_IMAGE),
    "a flattening of one axis": (lambda x: layers.Flatten()(x), (6,)),
    "a reshape": (lambda x: layers.Reshape((6, 7))(x), SEQUENCE),
    "a reshape with an open axis": (lambda x: layers.Reshape((2, -1, 3))(x), SEQUENCE),
    "a reshape of any length": (lambda x: layers.Reshape((-1, 3))(x), ANY_SEQUENCE),
    "a permutation": (lambda x: layers.Permute((3, 1, 2))(x), IMAGE),
    "a repeated vector": (lambda x: layers.RepeatVector(4)(x), (6,)),
    "zero padding of a sequence": (lambda x: layers.ZeroPadding1D((1, 2))(x), SEQUENCE),
    "zero padding by one number": (lambda x: layers.ZeroPadding2D(2)(x), IMAGE),
    "zero padding by two numbers": (lambda x: layers.ZeroPadding2D((1, 2))(x), IMAGE),
    "zero padding by pairs": (lambda x: layers.ZeroPadding2D(((1, 2), (3, 0)))(x), ANY_IMAGE),
    "zero padding with the channels first": (
        lambda x: layers.ZeroPadding2D(((1, 2), (3, 0)), data_format="channels_first")(x),
        IMAGE,
    ),
    "zero padding of a volume": (lambda x: layers.ZeroPadding3D((1, 2, 3))(x), VIDEO),
    "cropping of a sequence": (lambda x: layers.Cropping1D((1, 2))(x), SEQUENCE),
    "cropping of an image": (lambda x: layers.Cropping2D(((1, 2), (3, 0)))(x), IMAGE),
    "cropping of an image of any size": (lambda x: layers.Cropping2D(1)(x), ANY_IMAGE),
    "cropping of a volume": (lambda x: layers.Cropping3D((0, 2, 3))(x), VIDEO),
    "upsampling of a sequence": (lambda x: layers.UpSampling1D(3)(x), ANY_SEQUENCE),
    "upsampling of an image": (lambda x: layers.UpSampling2D((2, 3))(x), IMAGE),
    "upsampling with the channels first": (lambda x: layers.UpSampling2D(2, data_format="channels_first")(x), IMAGE),
    "upsampling of a volume": (lambda x: layers.UpSampling3D((1, 2, 3))(x), VIDEO),
    "maximum pooling": (lambda x: layers.MaxPooling2D()(x), IMAGE),
    "maximum pooling in small steps": (lambda x: layers.MaxPooling2D(3, strides=(1, 2))(x), IMAGE),
    "average pooling that keeps the borders": (lambda x: layers.AveragePooling2D((2, 3), padding="same")(x), IMAGE),
    "pooling of a sequence of any length": (lambda x: layers.MaxPooling1D(2)(x), ANY_SEQUENCE),
    "pooling with the channels first": (lambda x: layers.MaxPooling1D(2, data_format="channels_first")(x), SEQUENCE),
    "pooling of a volume": (lambda x: layers.AveragePooling3D(2)(x), VIDEO),
    "pooling to a given size": (lambda x: layers.AdaptiveAveragePooling2D((2, 3))(x), IMAGE),
    "global average pooling": (lambda x: layers.GlobalAveragePooling2D()(x), ANY_IMAGE),
    "global maximum pooling that keeps its axes": (lambda x: layers.GlobalMaxPooling2D(keepdims=True)(x), IMAGE),
    "global pooling of a sequence": (lambda x: layers.GlobalMaxPooling1D()(x), SEQUENCE),
    "global pooling with the channels first": (
        lambda x: layers.GlobalAveragePooling2D(data_format="channels_first", keepdims=True)(x),
        IMAGE,
    ),
    "global pooling of a volume": (lambda x: layers.GlobalAveragePooling3D()(x), VIDEO),
}

KEEPERS: dict[str, Case] = {
    "dropout": (lambda x: layers.Dropout(0.5)(x), SEQUENCE),
    "spatial dropout": (lambda x: layers.SpatialDropout1D(0.5)(x), SEQUENCE),
    "alpha dropout": (lambda x: layers.AlphaDropout(0.5)(x), SEQUENCE),
    "noise": (lambda x: layers.GaussianNoise(0.5)(x), SEQUENCE),
    "masking": (lambda x: layers.Masking()(x), SEQUENCE),
    "an identity": (lambda x: layers.Identity()(x), SEQUENCE),
    "an activation": (lambda x: layers.Activation("relu")(x), SEQUENCE),
    "a softmax": (lambda x: layers.Softmax()(x), SEQUENCE),
    "a leaky ReLU": (lambda x: layers.LeakyReLU()(x), SEQUENCE),
    "a PReLU": (lambda x: layers.PReLU()(x), IMAGE),
    "a PReLU shared over places": (lambda x: layers.PReLU(shared_axes=[1, 2])(x), IMAGE),
    "a rescaling": (lambda x: layers.Rescaling(1 / 255)(x), IMAGE),
    "a resizing": (lambda x: layers.Resizing(5, 4)(x), ANY_IMAGE),
    "a crop of the center": (lambda x: layers.CenterCrop(5, 4)(x), IMAGE),
    "a random crop": (lambda x: layers.RandomCrop(5, 4)(x), IMAGE),
    "a random flip": (lambda x: layers.RandomFlip()(x), IMAGE),
    "a category encoding": (lambda x: layers.CategoryEncoding(5)(x), (7,)),
    "a one-hot category encoding": (lambda x: layers.CategoryEncoding(5, output_mode="one_hot")(x), (7,)),
    "a discretization": (lambda x: layers.Discretization([0.0, 1.0])(x), (7,)),
    "a one-hot discretization": (lambda x: layers.Discretization([0.0, 1.0], output_mode="one_hot")(x), (7,)),
}

MERGES: dict[str, Case] = {
    "a sum": (lambda x, y: layers.Add()([x, y]), IMAGE, IMAGE),
    "a sum that broadcasts": (lambda x, y: layers.Add()([x, y]), IMAGE, (1, 1, 6)),
    "a product of different ranks": (lambda x, y: layers.Multiply()([x, y]), SEQUENCE, (6,)),
    "a difference": (lambda x, y: layers.Subtract()([x, y]), ANY_SEQUENCE, ANY_SEQUENCE),
    "an average of three": (lambda x, y, z: layers.Average()([x, y, z]), (6,), (6,), (6,)),
    "a maximum": (lambda x, y: layers.Maximum()([x, y]), (6,), (6,)),
    "a concatenation": (lambda x, y: layers.Concatenate()([x, y]), SEQUENCE, (7, 3)),
    "a concatenation of steps": (lambda x, y: layers.Concatenate(axis=1)([x, y]), ANY_SEQUENCE, SEQUENCE),
    "a dot product": (lambda x, y: layers.Dot(axes=1)([x, y]), (6,), (6,)),
    "a dot product of sequences": (lambda x, y: layers.Dot(axes=(2, 1))([x, y]), SEQUENCE, (6, 4)),
    "a dot product over the last axis": (lambda x, y: layers.Dot(axes=-1)([x, y]), SEQUENCE, (5, 6)),
    "an attention": (lambda x, y: layers.Attention()([x, y]), SEQUENCE, (5, 6)),
    "an attention with a key": (lambda x, y, z: layers.Attention()([x, y, z]), SEQUENCE, (5, 4), (5, 6)),
    "a scaled attention": (lambda x, y: layers.Attention(use_scale=True)([x, y]), SEQUENCE, (5, 6)),
    "an attention by concatenation": (lambda x, y: layers.Attention(score_mode="concat")([x, y]), SEQUENCE, (5, 6)),
    "an attention that tells its scores": (
        lambda x, y: layers.Attention()([x, y], return_attention_scores=True),
        SEQUENCE,
        (5, 6),
    ),
    "an additive attention": (lambda x, y: layers.AdditiveAttention()([x, y]), SEQUENCE, (5, 6)),
    "self-attention": (lambda x: layers.MultiHeadAttention(2, 3)(x, x), SEQUENCE),
    "attention of several heads": (
        lambda x, y: layers.MultiHeadAttention(2, 3, value_dim=4, use_bias=False)(x, y),
        SEQUENCE,
        (5, 8),
    ),
    "attention of several heads with a key": (
        lambda x, y, z: layers.MultiHeadAttention(2, 3)(x, y, z),
        SEQUENCE,
        (5, 8),
        (5, 9),
    ),
    "attention of several heads with a mask": (
        lambda x, y, z: layers.MultiHeadAttention(2, 3)(x, y, attention_mask=z),
        SEQUENCE,
        (5, 8),
        (7, 5),
    ),
    "attention of several heads to another size": (
        lambda x, y: layers.MultiHeadAttention(2, 3, output_shape=(4, 5))(x, y),
        SEQUENCE,
        (5, 8),
    ),
    "attention over two axes": (lambda x: layers.MultiHeadAttention(2, 3, attention_axes=(1, 2))(x, x), IMAGE),
    "attention of several heads that tells its scores": (
        lambda x: layers.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True),
        SEQUENCE,
    ),
    "gated attention": (lambda x: layers.MultiHeadAttention(2, 3, use_gate=True)(x, x), SEQUENCE),
    "grouped-query attention": (lambda x: layers.GroupQueryAttention(3, 4, 2)(x, x), SEQUENCE),
}

OPERATIONS: dict[str, Case] = {
    "adding a number": (lambda x: x + 1.0, SEQUENCE),
    "adding a list": (lambda x: ops.add(x, np.ones((7, 1))), (1, 6)),
    "adding two tensors": (lambda x, y: x + y, SEQUENCE, (7, 1)),
    "multiplying two tensors of different ranks": (lambda x, y: x * y, IMAGE, SEQUENCE[1:]),
    "choosing": (lambda x, y: ops.where(x > 0, x, y), SEQUENCE, SEQUENCE),
    "casting": (lambda x: ops.cast(x, "float16"), SEQUENCE),
    "a power": (lambda x: ops.power(x, 2.0), SEQUENCE),
    "clipping": (lambda x: ops.clip(x, 0.0, 1.0), SEQUENCE),
    "the function relu": (lambda x: ops.relu(x), SEQUENCE),
    "the function softmax": (lambda x: ops.softmax(x, axis=1), SEQUENCE),
    "a gated linear unit": (lambda x: ops.glu(x), SEQUENCE),
    "a mean": (lambda x: ops.mean(x, axis=1), SEQUENCE),
    "a mean of everything": (lambda x: ops.mean(x), SEQUENCE),
    "a sum that keeps its axes": (lambda x: ops.sum(x, axis=(1, -1), keepdims=True), IMAGE),
    "a maximum of places": (lambda x: ops.max(x, axis=[1, 2]), ANY_IMAGE),
    "a variance": (lambda x: ops.var(x, axis=-1), SEQUENCE),
    "the place of the maximum": (lambda x: ops.argmax(x, axis=-1), SEQUENCE),
    "a weighted average": (lambda x: ops.average(x, axis=1), SEQUENCE),
    "a new axis": (lambda x: ops.expand_dims(x, 1), SEQUENCE),
    "two new axes": (lambda x: ops.expand_dims(x, (1, -1)), SEQUENCE),
    "an axis less": (lambda x: ops.squeeze(x, 1), (1, 6)),
    "all needless axes less": (lambda x: ops.squeeze(x), (1, 6)),
    "the function reshape": (lambda x: ops.reshape(x, (-1, 42)), SEQUENCE),
    "the function reshape of everything": (lambda x: ops.reshape(x, (-1, 3, 2)), SEQUENCE),
    "unravelling": (lambda x: ops.ravel(x), SEQUENCE),
    "a transposition": (lambda x: ops.transpose(x, (0, 2, 1)), SEQUENCE),
    "a transposition of all axes": (lambda x: ops.transpose(x), SEQUENCE),
    "two axes swapped": (lambda x: ops.swapaxes(x, 1, -1), IMAGE),
    "an axis moved": (lambda x: ops.moveaxis(x, 1, -1), IMAGE),
    "two axes moved": (lambda x: ops.moveaxis(x, (1, 3), (3, 2)), IMAGE),
    "tiling": (lambda x: ops.tile(x, (1, 2, 3)), SEQUENCE),
    "repeating": (lambda x: ops.repeat(x, 3, axis=1), SEQUENCE),
    "padding": (lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 3))), SEQUENCE),
    "taking by a list": (lambda x: ops.take(x, [0, 2, 1], axis=1), SEQUENCE),
    "taking one": (lambda x: ops.take(x, 3, axis=1), SEQUENCE),
    "one-hot": (lambda x: ops.one_hot(ops.cast(x, "int32"), 5), (7,)),
    "a first entry": (lambda x: x[:, 0], SEQUENCE),
    "a last entry": (lambda x: x[:, -1, :], ANY_SEQUENCE),
    "a piece": (lambda x: x[:, 1:-2, ::2], SEQUENCE),
    "a piece from behind": (lambda x: x[..., 2:], IMAGE),
    "a piece with a new axis": (lambda x: x[:, None, 2:, 0], SEQUENCE),
    "a matrix product": (lambda x, y: ops.matmul(x, y), SEQUENCE, (6, 4)),
    "a matrix product of batches": (lambda x, y: ops.matmul(x, y), (3, 7, 6), (1, 6, 4)),
    "an einsum of tensors": (lambda x, y: ops.einsum("btd,bsd->bts", x, y), SEQUENCE, (5, 6)),
    "an einsum with dots": (lambda x, y: ops.einsum("...td,...sd->...ts", x, y), IMAGE, (9, 5, 6)),
    "a tensordot": (lambda x, y: ops.tensordot(x, y, axes=((2,), (1,))), SEQUENCE, (6, 4)),
    "stacking": (lambda x, y: ops.stack([x, y], axis=1), SEQUENCE, SEQUENCE),
    "the function concatenate": (lambda x, y: ops.concatenate([x, y], axis=-1), SEQUENCE, SEQUENCE),
    "splitting in equal parts": (lambda x: ops.split(x, 3, axis=-1), SEQUENCE),
    "splitting at indices": (lambda x: ops.split(x, [1, 3], axis=-1), SEQUENCE),
    "unstacking": (lambda x: ops.unstack(x, axis=1), (3, 6)),
    "the largest": (lambda x: list(ops.top_k(x, 2)), SEQUENCE),
    "mean and variance": (lambda x: list(ops.moments(x, axes=[1])), SEQUENCE),
    "resizing an image": (lambda x: ops.image.resize(x, (5, 4)), IMAGE),
    "space to depth": (lambda x: ops.nn.space_to_depth(x, 2), (8, 8, 6)),
    "depth to space": (lambda x: ops.nn.depth_to_space(x, 2), (8, 8, 8)),
    "flipping": (lambda x: ops.flip(x, axis=1), SEQUENCE),
}

CASES = {**DENSE, **CONVOLUTIONS, **RECURRENT, **NORMS, **SHAPERS, **KEEPERS, **MERGES, **OPERATIONS}


@functools.cache
def built_by_keras(name: str) -> Any:
    build, *sizes = CASES[name]
    inputs = [keras.Input(size) for size in sizes]
    return keras.Model(inputs, keras.tree.flatten(build(*inputs)))


def without_hints(model: Model) -> Model:
    """The model without the shapes that the file itself records."""
    return replace(model, calls=tuple(replace(call, recorded={}) for call in model.calls))


def read(model: Any) -> Model:
    return without_hints(from_attributes({"model_config": json.loads(model.to_json())}))


def weights_of(model: Model, shapes: dict[Tensor, Shape]) -> list[Weight]:
    """The weights of all layers, each layer once, by its first call."""
    first: dict[int, Call] = {}
    for call in model.calls:
        first.setdefault(call.layer, call)
    found: list[Weight] = []
    for number, call in first.items():
        layer = model.layers[number]
        declared = declared_weights(layer, [shapes.get(tensor) for tensor in call.inputs], (3, 15))
        assert declared is not None, f"the weights of {layer} are unknown"
        found += declared
    return found


@pytest.mark.parametrize("name", CASES)
def test_shapes_and_weights_are_those_of_keras(name: str) -> None:
    """Shapes of the outputs, shapes of the weights, and which of them training changes."""
    built = built_by_keras(name)
    model = read(built)
    shapes = infer(model)
    weights = weights_of(model, shapes)
    assert [shapes.get(output.tensor) for output in model.outputs] == [tuple(output.shape) for output in built.outputs]
    assert sorted((weight.shape, weight.trainable) for weight in weights) == sorted(
        (tuple(weight.shape), weight.trainable) for weight in built.weights
    )
    assert sum(math.prod(weight.shape) for weight in weights) == built.count_params()


@pytest.mark.parametrize("name", CASES)
def test_fans_are_those_of_the_initializer(name: str) -> None:
    """`fans` counts as `compute_fans` does, on every kernel of the table."""
    model = read(built_by_keras(name))
    shapes = infer(model)
    for call in model.calls:
        layer = model.layers[call.layer]
        weights = declared_weights(layer, [shapes.get(tensor) for tensor in call.inputs], (3, 15)) or ()
        main = kernel(weights)
        assert fans(layer, weights) == (main and compute_fans(main.shape))


ODD = [
    -3,
    -1,
    0,
    1,
    7,
    10**30,
    2.5,
    True,
    None,
    "same",
    "",
    [],
    [0],
    [2, 2],
    [-1],
    [[1]],
    [None, "x"],
    {},
    {"class_name": "?"},
]
SETTINGS = (
    "units filters kernel_size strides padding dilation_rate groups data_format depth_multiplier use_bias "
    "output_padding return_sequences return_state pool_size output_size keepdims axis axes target_shape dims n "
    "size cropping equation output_shape bias_axes input_dim output_dim num_heads key_dim value_dim "
    "batch_shape height width shared_axes merge_mode implementation op output_mode num_tokens"
).split()
CLASS_NAMES = [
    "Conv2D",
    "CuDNNGRU",
    "PReLU",
    "RandomCrop",
    "Resizing",
    "Discretization",
    "CategoryEncoding",
    "StringLookup",
    "TextVectorization",
    "GroupQueryAttention",
    "ReversibleEmbedding",
    "?",
]
SHAPES: list[Shape | None] = [
    None,
    (),
    (None,),
    (None, 6),
    (2, 0, 5),
    (None, 7, 6),
    (None, 9, 8, 6),
    (1, None, 9, 8, 6),
]


@pytest.mark.parametrize("kind", KINDS)
def test_odd_settings_make_unknown_shapes_and_no_error(kind: str) -> None:
    """Whatever stands in a file: the answer is None or shapes of plain integers, never an exception."""
    pick = random.Random(kind)
    for _ in range(300):
        args = {name: pick.choice(ODD) for name in pick.sample(SETTINGS, pick.randrange(12))}
        wrapper = pick.choice([None, None, "Bidirectional", "TimeDistributed", "SpectralNormalization", "Other"])
        layer = Layer("odd", kind, pick.choice(CLASS_NAMES), args, wrapper, pick.choice([0, 0, 1, 9]))
        inputs = pick.choices(SHAPES, k=pick.randrange(4))
        for shape in output_shapes(layer, inputs, {}):
            assert shape is None or all(size is None or type(size) is int for size in shape)
        for weight in declared_weights(layer, inputs, ()) or ():
            assert all(type(size) is int for size in weight.shape)


@pytest.mark.parametrize("name", OPERATION_RULES)
def test_odd_arguments_of_operations_make_unknown_shapes_and_no_error(name: str) -> None:
    pick = random.Random(name)
    places = ["0", "1", "2", "axis", "axes", "keepdims", "shape", "repeats", "indices_or_sections", "num", "k", "key"]
    for _ in range(300):
        constants = {place: pick.choice(ODD) for place in pick.sample(places, pick.randrange(6))}
        layer = Layer("odd", "operation", "?", {"op": name})
        for shape in output_shapes(layer, pick.choices(SHAPES, k=pick.randrange(4)), constants):
            assert shape is None or all(size is None or type(size) is int for size in shape)


def layer(kind: str, class_name: str = "?", **args: Any) -> Layer:
    return Layer("it", kind, class_name, args)


KERAS_2: dict[str, tuple[Layer, Shape, Shape, set[tuple[int, ...]]]] = {
    "cuDNN's LSTM has two biases in a row": (
        layer("lstm", "CuDNNLSTM", units=5),
        (None, 7, 6),
        (None, 5),
        {(6, 20), (5, 20), (40,)},
    ),
    "cuDNN's GRU has two biases in a row": (
        layer("gru", "CuDNNGRU", units=5),
        (None, 7, 6),
        (None, 5),
        {(6, 15), (5, 15), (30,)},
    ),
    "a GRU that does not say so has one bias": (
        layer("gru", "GRU", units=5),
        (None, 7, 6),
        (None, 5),
        {(6, 15), (5, 15), (15,)},
    ),
    "a batch normalization may have its axis in a list": (
        layer("batch_norm", axis=[3]),
        (None, 9, 8, 6),
        (None, 9, 8, 6),
        {(6,)},
    ),
    "a batch normalization over several axes keeps the rank": (
        layer("batch_norm", axis=[1, 3]),
        (None, 9, 8, 6),
        (None, 9, 8, 6),
        {(1, 9, 1, 6)},
    ),
    "a locally connected layer has a kernel for every place": (
        layer("locally_connected", "LocallyConnected2D", filters=4, kernel_size=[3, 3], implementation=1),
        (None, 9, 8, 6),
        (None, 7, 6, 4),
        {(42, 54, 4), (7, 6, 4)},
    ),
    "a locally connected layer may store it densely": (
        layer("locally_connected", "LocallyConnected1D", filters=4, kernel_size=[3], implementation=2),
        (None, 7, 6),
        (None, 5, 4),
        {(7, 6, 5, 4), (5, 4)},
    ),
    "a locally connected layer may store it sparsely": (
        layer("locally_connected", "LocallyConnected1D", filters=4, kernel_size=[3], implementation=3),
        (None, 7, 6),
        (None, 5, 4),
        {(5 * 3 * 6 * 4,), (5, 4)},
    ),
    "a convolution may have further batch axes": (
        layer("conv", "Conv2D", filters=4, kernel_size=[3, 3]),
        (None, 5, 9, 8, 6),
        (None, 5, 7, 6, 4),
        {(3, 3, 6, 4), (4,)},
    ),
    "zero padding may state four margins in a row": (
        layer("zero_padding", "ZeroPadding2D", padding=[1, 2, 3, 4]),
        (None, 9, 8, 6),
        (None, 12, 15, 6),
        set(),
    ),
}


@pytest.mark.parametrize("name", KERAS_2)
def test_forms_that_only_older_files_have(name: str) -> None:
    it, shape, expected, weights = KERAS_2[name]
    assert output_shapes(it, [shape], {}) == (expected,)
    assert {weight.shape for weight in declared_weights(it, [shape], (2, 2)) or ()} == weights


def test_a_depthwise_kernel_has_its_full_name_in_keras_2() -> None:
    it = layer("depthwise_conv", kernel_size=[3, 3])
    names = {
        version: [weight.name for weight in declared_weights(it, [(None, 9, 8, 6)], version) or ()]
        for version in ((2, 4), (3, 15))
    }
    assert names == {(2, 4): ["depthwise_kernel", "bias"], (3, 15): ["kernel", "bias"]}


def test_a_raw_operation_keeps_its_constants_apart() -> None:
    raw = layer("permute", "TensorFlowOpLayer", op="transpose")
    assert output_shapes(raw, [(None, 7, 6)], {"constants": {"1": [0, 2, 1]}}) == ((None, 6, 7),)


def test_a_raw_operation_with_attributes_is_unknown() -> None:
    raw = layer("reduce", "TensorFlowOpLayer", op="mean")
    assert output_shapes(raw, [(None, 7, 6)], {"constants": {"1": [1]}}) == (None,)


def test_custom_layers_are_unknown() -> None:
    assert output_shapes(layer("custom", units=5), [(None, 6)], {}) == (None,)
    assert declared_weights(layer("custom", units=5), [(None, 6)], (3,)) is None


def test_quantized_and_adapted_layers_have_unknown_weights() -> None:
    assert declared_weights(layer("dense", units=5, lora_rank=2), [(None, 6)], (3,)) is None


def test_shapes_that_no_machine_could_hold_are_unknown() -> None:
    wide, deep = layer("dense", units=2**62), layer("reshape", op="expand_dims")
    assert output_shapes(wide, [(4, 4, 3)], {}) == (None,)
    assert declared_weights(wide, [(None, 4)], (3,)) is None
    assert output_shapes(deep, [(1,) * 32], {"axis": 0}) == (None,)


def test_recorded_shapes_help_where_computing_fails() -> None:
    """Behind a custom layer the shapes go on from what the file records."""
    calls = (
        Call(0),
        Call(1, (Tensor(0),), recorded={0: (None, 6)}),
        Call(2, (Tensor(1),), recorded={0: (None, 99)}),
    )
    nodes = (layer("input", batch_shape=[None, 3]), layer("custom"), layer("dense", units=5))
    model = Model(None, "keras_h5", None, None, nodes, calls, (Output("it", Tensor(2)),))
    assert infer(model) == {Tensor(0): (None, 3), Tensor(1): (None, 6), Tensor(2): (None, 5)}
