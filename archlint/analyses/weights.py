"""The weights that a layer has once it is built: name, shape, and whether training changes them.

One small function per kind; shapes as in the `build` methods of Keras 3 (and of Keras 2 for layers that 3 dropped).
Names are Keras 3's, with a path where a layer holds sub-layers: `query/kernel`, `backward/bias`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from archlint.analyses.shape_equation import equation
from archlint.analyses.shape_layers import conv_of_step, filters
from archlint.analyses.shape_maps import feature_map, kernel_sizes, padding_of, strided
from archlint.analyses.shapes import KNOWN_WRAPPERS, without_time, wrappers
from archlint.graph import Layer, Shape, Weight
from archlint.shape_terms import (
    UnknownError,
    Use,
    axes_of,
    axis_of,
    believable,
    each,
    known,
    last,
    positive,
    unknown,
)

Weights = tuple[Weight, ...]

KERNELS = ("kernel", "depthwise_kernel", "embeddings")
"""What the main weight of a layer is called."""


def declared_weights(
    layer: Layer, inputs: Sequence[Shape | None], keras_version: tuple[int, ...]
) -> tuple[Weight, ...] | None:
    """The weights of a layer called on these input shapes; None where they cannot be known."""
    try:
        weights = _wrapped(Use(layer, tuple(inputs)))
    except UnknownError:
        return None
    return _in_version(weights, layer, keras_version) if all(believable(weight.shape) for weight in weights) else None


def kernel(weights: Iterable[Weight]) -> Weight | None:
    """The main weight: of an attention layer the query's, of a bidirectional layer the forward one."""
    return next((weight for weight in weights if weight.name.rpartition("/")[2] in KERNELS), None)


def fans(layer: Layer, weights: Iterable[Weight]) -> tuple[int, int] | None:
    """(fan_in, fan_out) as Keras's initializers count them from the shape of the kernel.

    That is (shape[-2], shape[-1]) times the receptive field, whatever the layer does with its kernel: for depthwise and
    transposed convolutions, and for attention, it is not the number of inputs that a unit sums up.
    """
    main = None if layer.traits.opaque else kernel(weights)
    if main is None:
        return None
    *field, fan_in, fan_out = (1, 1, *main.shape) if len(main.shape) > 1 else (main.shape * 2 or (1, 1))
    return fan_in * math.prod(field), fan_out * math.prod(field)


def _in_version(weights: Weights, layer: Layer, version: tuple[int, ...]) -> Weights:
    """Keras 2 calls the kernel of a depthwise convolution by its full name."""
    if layer.kind != "depthwise_conv" or not (0,) < version[:1] < (3,):
        return weights
    return tuple(replace(weight, name="depthwise_kernel") if weight.name == "kernel" else weight for weight in weights)


def _wrapped(use: Use) -> Weights:
    around = wrappers(use.layer)
    if not around <= KNOWN_WRAPPERS:
        raise UnknownError
    use = without_time(use)
    own = _both_ways(use) if "Bidirectional" in around else _rule(use)
    return (*own, _largest_singular_vector(own)) if "SpectralNormalization" in around else own


def _largest_singular_vector(weights: Weights) -> Weight:
    main = kernel(weights)
    if main is None:
        raise UnknownError
    return Weight("vector_u", (1, main.shape[-1]), trainable=False)


def _both_ways(use: Use) -> Weights:
    backward = _rule(replace(use, layer=use.layer.backward or use.layer))
    return (*_within("forward", _rule(use)), *_within("backward", backward))


def _within(part: str, weights: Weights) -> Weights:
    return tuple(replace(weight, name=f"{part}/{weight.name}") for weight in weights)


def _rule(use: Use) -> Weights:
    kind = use.layer.kind
    if kind in WEIGHTLESS or (use.arg("op") is not None and kind not in ("custom", "lambda")):
        return ()
    return LAYERS[kind](use) if kind in LAYERS and not _altered(use) else unknown()


def _altered(use: Use) -> bool:
    """Whether the weights were taken apart or packed after building: LoRA, quantization."""
    return bool(use.arg("lora_rank") or use.arg("quantization_config")) or "quantized" in str(use.arg("dtype")).lower()


def _with_bias(use: Use, weights: Iterable[Weight], *bias: int) -> Weights:
    return (*weights, Weight("bias", bias)) if use.arg("use_bias", True) else tuple(weights)


def dense(use: Use) -> Weights:
    """kernel (n, units), bias (units)."""
    units = positive(use.arg("units"))
    return _with_bias(use, [Weight("kernel", (known(last(use.input())), units))], units)


def einsum_dense(use: Use) -> Weights:
    """kernel and bias as the equation and `bias_axes` say."""
    letters, axes = equation(use), use.arg("bias_axes")
    own = (Weight("kernel", letters.kernel()),)
    return own if axes is None else (*own, Weight("bias", letters.bias(axes)))


def conv(use: Use) -> Weights:
    """kernel (window…, channels / groups, filters), bias (filters)."""
    before, groups = feature_map(use), positive(use.arg("groups", 1))
    channels = known(before.channels)
    if channels % groups:
        raise UnknownError
    shape = (*kernel_sizes(use, before.rank), channels // groups, filters(use))
    return _with_bias(use, [Weight("kernel", shape)], filters(use))


def conv_transpose(use: Use) -> Weights:
    """kernel (window…, filters, channels), bias (filters)."""
    before = feature_map(use)
    shape = (*kernel_sizes(use, before.rank), filters(use), known(before.channels))
    return _with_bias(use, [Weight("kernel", shape)], filters(use))


def depthwise_conv(use: Use) -> Weights:
    """kernel (window…, channels, multiplier), bias (channels x multiplier)."""
    before, multiplier = feature_map(use), positive(use.arg("depth_multiplier", 1))
    channels = known(before.channels)
    shape = (*kernel_sizes(use, before.rank), channels, multiplier)
    return _with_bias(use, [Weight("kernel", shape)], channels * multiplier)


def separable_conv(use: Use) -> Weights:
    """A depthwise kernel, a pointwise kernel (1…, channels x multiplier, filters), bias (filters)."""
    before, multiplier = feature_map(use), positive(use.arg("depth_multiplier", 1))
    channels = known(before.channels)
    depthwise = (*kernel_sizes(use, before.rank), channels, multiplier)
    pointwise = (*(1,) * before.rank, channels * multiplier, filters(use))
    own = [Weight("depthwise_kernel", depthwise), Weight("pointwise_kernel", pointwise)]
    return _with_bias(use, own, filters(use))


def locally_connected(use: Use) -> Weights:
    """A kernel of its own for every place, stored in one of Keras 2's three ways; bias (places…, filters)."""
    before = feature_map(use)
    window = kernel_sizes(use, before.rank)
    places = tuple(known(place) for place in strided(before.places, window, use))
    own = Weight("kernel", _local_kernel(use, window, places))
    return _with_bias(use, [own], *places, filters(use))


def _local_kernel(use: Use, window: tuple[int, ...], places: tuple[int, ...]) -> tuple[int, ...]:
    before, implementation = feature_map(use), use.arg("implementation", 1)
    channels = known(before.channels)
    if implementation == 1:
        return (math.prod(places), math.prod(window) * channels, filters(use))
    if implementation == 2:
        after = before.over(places).with_channels(filters(use))
        return tuple(known(dim) for dim in (*before.shape[1:], *after.shape[1:]))
    if implementation == 3 and padding_of(use) == "valid":
        return (math.prod(places) * math.prod(window) * channels * filters(use),)
    raise UnknownError


def embedding(use: Use) -> Weights:
    """embeddings (input_dim, output_dim); a reversible one has another way back unless the two are tied."""
    size = (positive(use.arg("input_dim")), positive(use.arg("output_dim")))
    own = (Weight("embeddings", size),)
    untied = use.layer.class_name == "ReversibleEmbedding" and not use.arg("tie_weights", True)
    return (*own, Weight("reverse_embeddings", size[::-1])) if untied else own


def _recurrent(use: Use, gates: int, *bias: int) -> Weights:
    units = positive(use.arg("units"))
    own = [
        Weight("kernel", (known(last(use.input())), gates * units)),
        Weight("recurrent_kernel", (units, gates * units)),
    ]
    return _with_bias(use, own, *bias)


def simple_rnn(use: Use) -> Weights:
    """kernel (n, units), recurrent_kernel (units, units), bias (units)."""
    return _recurrent(use, 1, positive(use.arg("units")))


def lstm(use: Use) -> Weights:
    """Four gates side by side; cuDNN's own layer has two biases in a row."""
    biases = 2 if use.layer.class_name.startswith("CuDNN") else 1
    return _recurrent(use, 4, biases * 4 * positive(use.arg("units")))


def gru(use: Use) -> Weights:
    """Three gates side by side; two biases in a row (cuDNN), one below the other (`reset_after`), or one."""
    size = 3 * positive(use.arg("units"))
    if use.layer.class_name.startswith("CuDNN"):
        return _recurrent(use, 3, 2 * size)
    return _recurrent(use, 3, 2, size) if use.arg("reset_after", False) else _recurrent(use, 3, size)


def conv_lstm(use: Use) -> Weights:
    """Four gates side by side, for the input (window…, channels, 4 filters) and the state."""
    step, size = conv_of_step(use), 4 * filters(use)
    window = kernel_sizes(use, step.rank)
    shape = use.input()
    channels = known(shape[2] if step.channels_first else shape[-1])
    own = [Weight("kernel", (*window, channels, size)), Weight("recurrent_kernel", (*window, filters(use), size))]
    return _with_bias(use, own, size)


def _scale_and_center(use: Use, shape: tuple[int, ...]) -> Weights:
    gamma = (Weight("gamma", shape),) if use.arg("scale", True) else ()
    beta = (Weight("beta", shape),) if use.arg("center", True) else ()
    return gamma + beta


def batch_norm(use: Use) -> Weights:
    """gamma, beta, and the moving statistics, each as long as the axis."""
    shape = use.input()
    axes = axes_of(use.arg("axis", -1), len(shape))
    # Over several axes, which only Keras 2 can, the weights keep the rank of the input.
    sizes = tuple(known(shape[axis]) if axis in axes else 1 for axis in range(len(shape)))
    if len(axes) == 1:
        sizes = (sizes[axes[0]],)
    moving = ["moving_mean", "moving_variance"]
    if use.arg("renorm", False):
        moving += ["moving_stddev", "renorm_mean", "renorm_stddev"]
    statistics = (Weight(name, sizes, trainable=False) for name in moving)
    return (*_scale_and_center(use, sizes), *statistics)


def _sizes_at(use: Use, axes: object) -> tuple[int, ...]:
    shape = use.input()
    return tuple(known(shape[axis]) for axis in axes_of(axes, len(shape)))


def layer_norm(use: Use) -> Weights:
    """gamma and beta over the normalised axes."""
    sizes = _sizes_at(use, use.arg("axis", -1))
    return (Weight("gamma", sizes),) if use.arg("rms_scaling", False) else _scale_and_center(use, sizes)


def group_norm(use: Use) -> Weights:
    """gamma and beta over the channel axis."""
    shape = use.input()
    return _scale_and_center(use, (known(shape[axis_of(use.arg("axis", -1), len(shape))]),))


def rms_norm(use: Use) -> Weights:
    """scale over the normalised axes."""
    return (Weight("scale", _sizes_at(use, use.arg("axis", -1))),)


def normalization(use: Use) -> Weights:
    """mean, variance and count as adapted to data; none where mean and variance are settings."""
    if use.arg("mean") is not None:
        return ()
    shape, stated = use.input(), use.layer.args.get("axis", -1)
    axes = () if stated is None else axes_of(stated, len(shape))
    sizes = tuple(known(shape[axis]) for axis in sorted(axes))
    shapes = {"mean": sizes, "variance": sizes, "count": ()}
    return tuple(Weight(name, shape, trainable=False) for name, shape in shapes.items())


def activation(use: Use) -> Weights:
    """A PReLU has a slope for every entry of a sample, or one for all along its shared axes."""
    if use.layer.class_name in ("SReLU", "ParametricSoftplus"):
        raise UnknownError
    if use.layer.class_name != "PReLU":
        return ()
    shape, stated = use.input(), use.arg("shared_axes")
    shared = () if stated is None else axes_of(stated, len(shape))
    alpha = tuple(1 if axis in shared else known(dim) for axis, dim in enumerate(shape) if axis)
    return (Weight("alpha", alpha),)


def preprocessing(use: Use) -> Weights:
    """Those that change pixels or numbers have none; lookups and pipelines may carry tables."""
    return () if use.layer.class_name in TABLELESS else unknown()


def layer_scale(use: Use) -> Weights:
    """gamma, one factor for every channel."""
    return (Weight("gamma", (positive(use.arg("projection_dim")),)),)


def attention(use: Use) -> Weights:
    """Scalars where the score is scaled or concatenated."""
    scale = (Weight("scale", ()),) if use.arg("use_scale", False) else ()
    concat = (Weight("concat_score_weight", ()),) if use.arg("score_mode", "dot") == "concat" else ()
    return scale + concat


def additive_attention(use: Use) -> Weights:
    """scale, one factor for every feature of the query."""
    return (Weight("scale", (known(last(use.input())),)),) if use.arg("use_scale", True) else ()


def multi_head_attention(use: Use) -> Weights:
    """query, key, value (n, heads, size) and attention_output (heads, size, outputs…), each with its bias.

    The inputs are query, value and, where given, key. In grouped-query attention keys and values have fewer heads.
    """
    grouped = use.layer.class_name.startswith("Group")
    heads = positive(use.arg("num_query_heads" if grouped else "num_heads"))
    shared_heads = positive(use.arg("num_key_value_heads")) if grouped else heads
    size = positive(use.arg("head_dim" if grouped else "key_dim"))
    value_size = size if grouped else positive(use.arg("value_dim", size))
    query, value = use.input(0), use.input(1)
    key = use.input(2) if _has_key(use) else value
    outputs = _outputs(None if grouped else use.arg("output_shape"), query)
    return (
        *_projection(use, "query", query, (heads, size)),
        *_projection(use, "key", key, (shared_heads, size)),
        *(_projection(use, "gate", query, (heads, value_size)) if use.arg("use_gate", False) else ()),
        *_projection(use, "value", value, (shared_heads, value_size)),
        *_within("attention_output", _with_bias(use, [Weight("kernel", (heads, value_size, *outputs))], *outputs)),
    )


def _has_key(use: Use) -> bool:
    """Whether the third input is a key; a mask among the inputs differs from the value in more than its last axis."""
    return len(use.inputs) > 2 and use.input(1)[:-1] == use.input(2)[:-1]


def _outputs(stated: object, query: Shape) -> tuple[int, ...]:
    if stated is None:
        return (known(query[-1]),)
    return each(stated, len(stated) if isinstance(stated, (list, tuple)) else 1)


def _projection(use: Use, name: str, shape: Shape, heads: tuple[int, int]) -> Weights:
    if len(shape) < 2:
        raise UnknownError
    return _within(name, _with_bias(use, [Weight("kernel", (known(shape[-1]), *heads))], *heads))


TABLELESS = frozenset(("Resizing", "CenterCrop", "CategoryEncoding", "Discretization", "Hashing", "HashedCrossing"))

WEIGHTLESS = frozenset(
    "input dropout spatial_dropout alpha_dropout gaussian_dropout gaussian_noise stochastic_depth unit_norm "
    "identity reshape flatten permute masking activity_regularization cast "
    "max_pool avg_pool global_max_pool global_avg_pool "
    "add subtract multiply divide average maximum minimum concat stack dot where "
    "zero_padding cropping upsampling repeat_vector slice split reduce arithmetic rescaling augmentation".split()
)

LAYERS: Mapping[str, Callable[[Use], Weights]] = {
    "dense": dense,
    "einsum_dense": einsum_dense,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "depthwise_conv": depthwise_conv,
    "separable_conv": separable_conv,
    "locally_connected": locally_connected,
    "embedding": embedding,
    "simple_rnn": simple_rnn,
    "lstm": lstm,
    "gru": gru,
    "conv_lstm": conv_lstm,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": group_norm,
    "rms_norm": rms_norm,
    "normalization": normalization,
    "activation": activation,
    "layer_scale": layer_scale,
    "attention": attention,
    "additive_attention": additive_attention,
    "multi_head_attention": multi_head_attention,
    "preprocessing": preprocessing,
}
"""The rule of every kind that can have weights."""
