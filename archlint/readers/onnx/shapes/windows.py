"""The output shapes of windows that move over maps (batch, channels, places…): convolution and pooling."""

from collections.abc import Mapping
from dataclasses import dataclass

from archlint.graph import Shape
from archlint.readers.onnx.shapes.terms import Call, Rule, Rules, Shapes, agreed
from archlint.shape_terms import Dim, UnknownError, each, known, positive, product, unknown, wholes

PADDINGS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True, slots=True)
class Window:
    """How a window moves along one axis. `reach` is how many places it spans, dilation included."""

    reach: Dim
    step: int
    before: int
    after: int
    same: bool
    ceil: bool

    def visited(self, size: Dim) -> Dim:
        """How many places it visits of `size`, at least one."""
        if size is None or (self.reach is None and not self.same):
            return None
        if self.same:
            return positive(-(-size // self.step))
        room = size + self.before + self.after - known(self.reach)
        steps = -(-room // self.step) if self.ceil else room // self.step
        alone_in_padding = self.ceil and steps * self.step >= size + self.before
        return positive(steps + (0 if alone_in_padding else 1))

    def spread(self, size: Dim, extra: int) -> Dim:
        """How many places it makes of `size` when it is transposed."""
        if size is None or self.reach is None:
            return None
        full = (size - 1) * self.step + self.reach + extra
        if self.same:  # where it does not even fill the places, the standard and onnxruntime differ
            return size * self.step if full >= size * self.step else None
        return positive(full - self.before - self.after)


def windows(call: Call, kernel: Shape) -> tuple[Window, ...]:
    """The window of a convolution or pooling, axis by axis."""
    rank = len(kernel)
    mode = call.attr("auto_pad", "NOTSET")
    same, ceil = str(mode).startswith("SAME"), call.flag("ceil_mode")
    pads = wholes(call.attr("pads", [0, 0] * rank)) if mode == "NOTSET" else (0, 0) * rank
    if mode not in PADDINGS or len(pads) != 2 * rank:
        raise UnknownError
    strides, gaps = each(call.attr("strides", 1), rank), each(call.attr("dilations", 1), rank)
    reaches = (None if size is None else gap * (size - 1) + 1 for size, gap in zip(kernel, gaps, strict=True))
    axes = zip(reaches, strides, pads[:rank], pads[rank:], strict=True)
    return tuple(Window(*axis, same, ceil) for axis in axes)


def visited(call: Call, places: Shape, kernel: Shape) -> Shape:
    """The places that a window visits."""
    return tuple(window.visited(size) for window, size in zip(windows(call, kernel), places, strict=True))


def conv(first: int = 0, second: int = 1) -> Rule:
    """(batch, channels, places…) and a kernel (filters, channels / group, places…)."""

    def rule(call: Call) -> Shape:
        kernel = call.shape(second)
        shape = call.shape_or_open(first, len(kernel)) if len(kernel) > 2 else unknown()
        return (shape[0], kernel[0], *visited(call, shape[2:], _kernel_places(call, kernel)))

    return rule


def _kernel_places(call: Call, kernel: Shape) -> Shape:
    """The kernel's places: those of the stored tensor, which the attribute repeats."""
    stated = call.attr("kernel_shape")
    return kernel[2:] if stated is None else agreed(kernel[2:], wholes(stated))


def conv_transpose(call: Call) -> Shape:
    """A kernel (channels, filters / group, places…) spread over more places."""
    kernel = call.shape(1)
    shape = call.shape_or_open(0, len(kernel)) if len(kernel) > 2 else unknown()
    filters = product((kernel[1], positive(call.whole("group", 1))))
    return (shape[0], filters, *_spread(call, shape[2:], _kernel_places(call, kernel)))


def _spread(call: Call, places: Shape, kernel: Shape) -> Shape:
    rank = len(kernel)
    stated = call.attr("output_shape")
    if stated is not None:  # some exporters state batch and channels as well
        sizes = wholes(stated)
        return tuple(map(positive, sizes[-rank:])) if len(sizes) in (rank, rank + 2) else unknown()
    extra = each(call.attr("output_padding", 0), rank, least=0)
    axes = zip(windows(call, kernel), places, extra, strict=True)
    return tuple(window.spread(size, more) for window, size, more in axes)


def pool(call: Call) -> Shape:
    """Fewer places, by the stated window."""
    shape = map_of(call)
    return (*shape[:2], *visited(call, shape[2:], each(call.attr("kernel_shape"), len(shape) - 2)))


def map_of(call: Call) -> Shape:
    """The first input, which must have places."""
    return call.shape() if len(call.shape()) > 2 else unknown()


def global_pool(call: Call) -> Shape:
    """One place."""
    shape = map_of(call)
    return (*shape[:2], *(1,) * (len(shape) - 2))


def max_unpool(call: Call) -> Shape:
    """As many places as are stated, or as the pooling began with at least."""
    if call.has(2):
        return call.sizes(2)
    shape = map_of(call)
    moves = windows(call, each(call.attr("kernel_shape"), len(shape) - 2))
    return (*shape[:2], *(window.spread(size, 0) for window, size in zip(moves, shape[2:], strict=True)))


def causal_conv(call: Call) -> Shapes:
    """A map of the same shape, and the places that the next call begins with."""
    batch, channels, _ = call.shape_or_open(0, 3)
    size = call.shape_or_open(1, 3)[2]
    return (call.shape(), (batch, channels, None if size is None else positive(size) - 1))


RULES: Mapping[str, Rule] = {
    "AveragePool": pool,
    "Conv": conv(),
    "ConvInteger": conv(),
    "ConvTranspose": conv_transpose,
    "DeformConv": conv(),
    "GlobalAveragePool": global_pool,
    "GlobalLpPool": global_pool,
    "GlobalMaxPool": global_pool,
    "LpPool": pool,
    "MaxPool": pool,
    "MaxUnpool": max_unpool,
    "QLinearConv": conv(0, 3),
}

MANY: Mapping[str, Rules] = {"CausalConvWithState": causal_conv}
