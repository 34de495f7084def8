"""The output shapes of layers, one small function per kind; formulas as in Keras 3's `compute_output_shape`."""

from collections.abc import Callable, Mapping

from archlint.analyses.shape_equation import equation
from archlint.analyses.shape_maps import (
    FeatureMap,
    feature_map,
    kernel_sizes,
    padding_of,
    strided,
)
from archlint.analyses.shape_preprocessing import augmentation, preprocessing
from archlint.graph import Shape
from archlint.shape_terms import (
    Dim,
    UnknownError,
    Use,
    axes_of,
    axis_of,
    broadcast,
    each,
    items,
    known,
    natural,
    positive,
    product,
    replaced,
    shape_from,
    total,
    unknown,
    wholes,
)

Shapes = tuple[Shape, ...]


def same(use: Use) -> Shape:
    """One tensor in, one of the same shape out."""
    return use.input()


def given(use: Use) -> Shape:
    """An input layer: what its settings say."""
    return shape_from(use.arg("batch_shape"))


def dense(use: Use) -> Shape:
    """(…, n) → (…, units)."""
    lead = use.input()[:-1]
    return (*lead, positive(use.arg("units"))) if lead else unknown()


def einsum_dense(use: Use) -> Shape:
    """The equation's output: what the layer states, completed by batch and ellipsis."""
    return equation(use).output


def filters(use: Use) -> int:
    """How many channels a convolution puts out."""
    return positive(use.arg("filters"))


def conv(use: Use) -> Shape:
    """(batch, places…, channels) → (batch, visited places…, filters)."""
    before = feature_map(use)
    places = strided(before.places, kernel_sizes(use, before.rank), use)
    return before.over(places).with_channels(filters(use)).shape


def depthwise_conv(use: Use) -> Shape:
    """As `conv`, with `depth_multiplier` channels for every one."""
    before = feature_map(use)
    places = strided(before.places, kernel_sizes(use, before.rank), use)
    channels = positive(use.arg("depth_multiplier", 1)) * known(before.channels)
    return before.over(places).with_channels(channels).shape


def conv_transpose(use: Use) -> Shape:
    """(batch, places…, channels) → (batch, more places…, filters)."""
    before = feature_map(use)
    rank = before.rank
    settings = zip(
        kernel_sizes(use, rank),
        each(use.arg("strides", 1), rank),
        each(use.arg("dilation_rate", 1), rank),
        _extra(use, rank),
        strict=True,
    )
    same_padding = padding_of(use) == "same"
    places = tuple(
        None if size is None else _spread(size, gap * (window - 1) + 1, step, extra, same_padding)
        for size, (window, step, gap, extra) in zip(before.places, settings, strict=True)
    )
    return before.over(places).with_channels(filters(use)).shape


def _extra(use: Use, rank: int) -> tuple[int | None, ...]:
    extra = use.arg("output_padding")
    return (None,) * rank if extra is None else each(extra, rank, least=0)


def _spread(size: int, reach: int, step: int, extra: int | None, same_padding: bool) -> int:
    if same_padding:
        return size * step if extra is None else positive((size - 1) * step + reach % 2 + extra)
    return (size - 1) * step + (max(reach, step) if extra is None else reach + extra)


def embedding(use: Use) -> Shape:
    """(…) → (…, output_dim); a reversible embedding called with `reverse` projects back."""
    if use.constants.get("reverse") is True:
        return (*use.input()[:-1], positive(use.arg("input_dim")))
    return (*use.input(), positive(use.arg("output_dim")))


def states_of(use: Use) -> int:
    """How many state tensors a recurrent layer carries."""
    return 2 if use.layer.kind in ("lstm", "conv_lstm") else 1


def recurrent(use: Use) -> Shapes:
    """(batch, steps, n) → (batch, [steps,] units), and the states where they are returned."""
    shape = use.input()
    if len(shape) != 3 or use.arg("time_major", False):
        raise UnknownError
    return _with_states(use, shape, (positive(use.arg("units")),))


def conv_lstm(use: Use) -> Shapes:
    """(batch, steps, places…, channels) → (batch, [steps,] visited places…, filters), and the states."""
    shape = use.input()
    step = conv_of_step(use)
    return _with_states(use, shape, step.shape[1:])


def conv_of_step(use: Use) -> FeatureMap:
    """One step of a convolutional LSTM: the map that it puts out."""
    shape = use.input()
    before = feature_map(use, (shape[0], *shape[2:])) if len(shape) > 2 else unknown()
    places = strided(before.places, kernel_sizes(use, before.rank), use)
    return before.over(places).with_channels(filters(use))


def _with_states(use: Use, shape: Shape, state: Shape) -> Shapes:
    steps = (shape[1],) if use.arg("return_sequences", False) else ()
    output = (shape[0], *steps, *state)
    states = states_of(use) if use.arg("return_state", False) else 0
    return (output, *((shape[0], *state),) * states)


def pool(use: Use) -> Shape:
    """(batch, places…, channels) → fewer places; the strides are the pool's size unless stated."""
    before = feature_map(use)
    if use.arg("output_size") is not None:
        return before.over(each(use.arg("output_size"), before.rank)).shape
    size = each(use.arg("pool_size", 2), before.rank)
    strides = each(use.arg("strides", size), before.rank)
    padding = padding_of(use)
    places = (
        _pooled(place, window, step, padding) for place, window, step in zip(before.places, size, strides, strict=True)
    )
    return before.over(places).shape


def _pooled(size: Dim, window: int, step: int, padding: str) -> Dim:
    if size is None:
        return None
    return positive((size - (window if padding == "valid" else 1)) // step + 1)


def global_pool(use: Use) -> Shape:
    """(batch, places…, channels) → (batch, channels), the places kept as 1 with `keepdims`."""
    before = feature_map(use)
    kept = before.places if use.arg("keepdims", False) else ()
    return before.over(1 for _ in kept).shape


def merge(use: Use) -> Shape:
    """Several tensors combined element by element.

    A merge *layer* aligns the samples and leaves the batch aside; an operation aligns whole tensors, among them
    constant lists.
    """
    shapes = use.all_inputs()
    if use.arg("op") is not None or use.layer.kind in ("arithmetic", "where"):
        return broadcast((*shapes, *constant_shapes(use)))
    if not all(shapes):
        raise UnknownError
    batches = {shape[0] for shape in shapes} - {None}
    batch = batches.pop() if len(batches) == 1 else None
    return (batch, *broadcast(shape[1:] for shape in shapes))


def constant_shapes(use: Use) -> list[Shape]:
    """The shapes of the constant lists among an operation's operands."""
    names = {"x", "y", "x1", "x2", "a", "b", "condition"}
    return [
        shape_of_constant(value) for name, value in use.constants.items() if str(name).isdigit() or str(name) in names
    ]


def shape_of_constant(value: object) -> Shape:
    """The shape of a nested list, as numpy would have it; () for a single value.

    Keras wraps arrays as {"class_name": "__numpy__", "config": {"value": nested list}}.
    """
    while isinstance(value, Mapping):
        value = value.get("config", value.get("value"))
    shape: list[int] = []
    while isinstance(value, (list, tuple)):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def concat(use: Use) -> Shape:
    """Joined along one axis, the last one for the layer and the first one for the operation unless stated."""
    shapes = use.all_inputs()
    axis = use.option("axis", "concat_axis", position=1)
    if axis is None:
        axis = -1 if use.arg("op") is None else 0
    axis = axis_of(axis, len(shapes[0]))
    if any(len(shape) != len(shapes[0]) for shape in shapes):
        raise UnknownError
    return replaced(shapes[0], axis, total(shape[axis] for shape in shapes))


def dot(use: Use) -> Shape:
    """Samples multiplied and summed over one axis of each."""
    left, right = use.input(0), use.input(1)
    axes = use.arg("axes")
    first, second = items(axes) if isinstance(axes, (list, tuple)) and len(axes) == 2 else (axes, axes)
    first, second = axis_of(first, len(left)), axis_of(second, len(right))
    if not (first and second):
        raise UnknownError
    rest = (*left[:first], *left[first + 1 :], *right[1:second], *right[second + 1 :])
    return rest if len(rest) > 1 else (*rest, 1)


def attention(use: Use) -> Shapes:
    """Query (…, tq, n) and value (…, tv, m) → (…, tq, m), and the scores where they are asked for."""
    query, value = use.input(0), use.input(1)
    key = use.input(2) if len(use.inputs) > 2 else value
    if min(len(query), len(value), len(key)) < 2:
        raise UnknownError
    output = (*query[:-1], value[-1])
    return (output, (*query[:-1], key[-2])) if _wants_scores(use) else (output,)


def multi_head_attention(use: Use) -> Shapes:
    """Query (batch, t…, n) → (batch, t…, output_shape), and the scores where they are asked for."""
    query = use.input()
    stated = use.arg("output_shape")
    end = query[-1:] if stated is None else each(stated, len(stated) if isinstance(stated, (list, tuple)) else 1)
    output = (*query[:-1], *end)
    return (output, _scores(use, query)) if _wants_scores(use) else (output,)


def _wants_scores(use: Use) -> bool:
    return use.constants.get("return_attention_scores") is True


def _scores(use: Use, query: Shape) -> Shape:
    value = use.input(1)
    if len(query) != 3 or len(value) != 3:
        raise UnknownError
    return (query[0], positive(use.arg("num_heads", use.arg("num_query_heads"))), query[1], value[1])


def flatten(use: Use) -> Shape:
    """(batch, …) → (batch, product)."""
    shape = use.input()
    return (shape[0], product(shape[1:])) if shape else unknown()


def reshaped(shape: Shape, target: tuple[int, ...]) -> Shape:
    """`shape` in the form of `target`, where one -1 stands for what is left."""
    if any(size < -1 for size in target) or target.count(-1) > 1:
        raise UnknownError
    size = product(shape)
    rest = product(dim for dim in target if dim != -1)
    if size is None or rest is None:
        return tuple(None if dim == -1 else dim for dim in target)
    if -1 not in target:
        return target if size == rest else unknown()
    left = size // rest if rest and size % rest == 0 else unknown()
    return tuple(left if dim == -1 else dim for dim in target)


def reshape(use: Use) -> Shape:
    """(batch, …) → (batch, target_shape)."""
    shape = use.input()
    return (shape[0], *reshaped(shape[1:], wholes(use.arg("target_shape")))) if shape else unknown()


def permute(use: Use) -> Shape:
    """(batch, …) → the other axes in the order of `dims`, which counts from 1."""
    shape = use.input()
    dims = axes_of(use.arg("dims"), len(shape))
    return (shape[0], *(shape[dim] for dim in dims)) if len(dims) == len(shape) - 1 and 0 not in dims else unknown()


def repeat_vector(use: Use) -> Shape:
    """(batch, n) → (batch, times, n)."""
    shape = use.input()
    return (shape[0], positive(use.arg("n")), shape[1]) if len(shape) == 2 else unknown()


def margins(value: object, rank: int) -> tuple[int, ...]:
    """The sum of both margins along each axis, from an int, a pair (of one axis), ints, or pairs."""
    if not isinstance(value, (list, tuple)):
        return (2 * natural(value),) * rank
    if rank > 1 and len(value) == rank:
        return tuple(sum(each(margin, 2, least=0)) for margin in value)
    # Keras 1 wrote the four margins of an image in a row; one axis has its two margins in a row.
    sides = each(value, 2 * rank, least=0)
    return tuple(sides[2 * axis] + sides[2 * axis + 1] for axis in range(rank))


def zero_padding(use: Use) -> Shape:
    """More places on all sides."""
    before = feature_map(use)
    extra = margins(use.arg("padding", 1), before.rank)
    return before.over(total((size, more)) for size, more in zip(before.places, extra, strict=True)).shape


def cropping(use: Use) -> Shape:
    """Fewer places on all sides, at least one left."""
    before = feature_map(use)
    cut = margins(use.arg("cropping", 1), before.rank)
    places = (None if size is None else positive(size - less) for size, less in zip(before.places, cut, strict=True))
    return before.over(places).shape


def upsampling(use: Use) -> Shape:
    """Every place repeated `size` times."""
    before = feature_map(use)
    times = each(use.arg("size", 2), before.rank)
    return before.over(product(pair) for pair in zip(before.places, times, strict=True)).shape


def _single(rule: Callable[[Use], Shape]) -> Callable[[Use], Shapes]:
    return lambda use: (rule(use),)


_KEEPERS = (
    "dropout spatial_dropout alpha_dropout gaussian_dropout gaussian_noise stochastic_depth "
    "batch_norm layer_norm group_norm rms_norm unit_norm instance_norm "
    "identity masking activity_regularization cast activation rescaling normalization layer_scale"
)
_MERGERS = "add subtract multiply divide average maximum minimum where arithmetic"

LAYERS: Mapping[str, Callable[[Use], Shapes]] = {
    **{kind: _single(same) for kind in _KEEPERS.split()},
    **{kind: _single(merge) for kind in _MERGERS.split()},
    **dict.fromkeys(("lstm", "gru", "simple_rnn"), recurrent),
    **{kind: _single(conv) for kind in ("conv", "separable_conv", "locally_connected")},
    **{kind: _single(pool) for kind in ("max_pool", "avg_pool")},
    **{kind: _single(global_pool) for kind in ("global_max_pool", "global_avg_pool")},
    "input": _single(given),
    "dense": _single(dense),
    "einsum_dense": _single(einsum_dense),
    "depthwise_conv": _single(depthwise_conv),
    "conv_transpose": _single(conv_transpose),
    "embedding": _single(embedding),
    "conv_lstm": conv_lstm,
    "concat": _single(concat),
    "dot": _single(dot),
    "attention": attention,
    "additive_attention": attention,
    "multi_head_attention": multi_head_attention,
    "flatten": _single(flatten),
    "reshape": _single(reshape),
    "permute": _single(permute),
    "repeat_vector": _single(repeat_vector),
    "zero_padding": _single(zero_padding),
    "cropping": _single(cropping),
    "upsampling": _single(upsampling),
    "augmentation": _single(augmentation),
    "preprocessing": _single(preprocessing),
}
"""The rule of every kind of layer that has one: a layer in use → the shape of each of its outputs."""
