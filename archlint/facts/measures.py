"""What can be read off the shapes of a layer's tensors, and off its kernel."""

from math import inf

from archlint.analyses import initial
from archlint.analyses.field_layers import Length
from archlint.analyses.parameters import Parameters
from archlint.facts.settings import integer
from archlint.graph import Layer, Shape

_UNITS = ("units", "filters", "output_dim")


def shape_text(shape: Shape | None) -> str | None:
    """`28x28x3`: the shape without its batch, unknown dimensions as `?`."""
    return None if shape is None else "x".join("?" if size is None else str(size) for size in shape[1:])


def channel_axis(layer: Layer, shape: Shape) -> int:
    """The axis of a tensor of this shape that holds the layer's channels."""
    before = 1 + layer.time_distributed
    if layer.args.get("data_format") != "channels_first" or len(shape) <= before + 1:
        return -1
    kernel = layer.args.get("kernel_size")
    # Of a convolutional LSTM, a sequence has an axis of time before the channels, and its last step has none.
    return -1 - len(kernel) if layer.traits.recurrent and isinstance(kernel, list) else before


def positions(layer: Layer, shape: Shape | None) -> int | None:
    """How many places a feature map of this shape has; 1 for a vector, None where it is not known."""
    if shape is None:
        return None
    axis = channel_axis(layer, shape) % len(shape) if shape else 0
    count = 1
    for size in (size for place, size in enumerate(shape) if place not in (0, axis)):
        if size is None:
            return None
        count *= size
    return count


def steps(layer: Layer, shape: Shape | None) -> int | None:
    """The time steps that a recurrent layer runs over; None where they are open."""
    axis = 0 if layer.args.get("time_major") else 1 + layer.time_distributed
    return shape[axis] if shape and layer.traits.recurrent and len(shape) > axis + 1 else None


def finite(length: Length) -> float | None:
    """A stretch of a map; None for all of a map of any size."""
    return None if length == inf else float(length)


def softmax_units(last: Layer, shape: Shape | None) -> int | None:
    """The size of the axis that the layer's softmax runs over; None if it has no softmax."""
    if last.activation != "softmax" or not shape:
        return None
    axis = last.args.get("axis", -1) if last.traits.activation else -1
    if not isinstance(axis, int):
        return None
    place = axis if axis < 0 else axis + last.time_distributed
    return shape[place] if -len(shape) <= place < len(shape) else None


def declared_units(layer: Layer) -> int | None:
    """The features a layer puts out, by its settings alone."""
    own = next((size for name in _UNITS if (size := integer(layer.args.get(name))) is not None), None)
    if own is None or layer.args.get("merge_mode") != "concat":  # of a bidirectional layer
        return own
    return own + ((declared_units(layer.backward) if layer.backward else own) or 0)


def init_gain(layer: Layer, found: Parameters) -> float | None:
    """Variance of a kernel element at initialization times the products that one output sums up."""
    initializer = layer.args.get("kernel_initializer", layer.args.get("depthwise_initializer"))
    if not (isinstance(initializer, dict) and found.fans and found.kernel):
        return None
    variance = initial.variance(initializer, found.fans, found.kernel)
    summed = initial.summed_inputs(layer, found.kernel)
    return None if variance is None or summed is None else variance * summed
