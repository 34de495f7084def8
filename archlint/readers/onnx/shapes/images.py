"""The output shapes of operations that scale, sample or put together maps (batch, channels, places…)."""

from collections.abc import Mapping, Sequence

import numpy as np

from archlint.graph import Shape
from archlint.readers.onnx.shapes.terms import Call, Rule
from archlint.readers.onnx.shapes.windows import map_of
from archlint.shape_terms import Dim, UnknownError, axes_of, known, natural, positive, product, unknown


def resize(call: Call) -> Shape:
    """By factors, or to sizes; opset 11 put regions of interest between the input and the factors."""
    shape = call.shape()
    axes = axes_of(call.attr("axes", list(range(len(shape)))), len(shape))
    if call.has(3):
        return _placed(shape, axes, _to_sizes(call, [shape[axis] for axis in axes]))
    if call.attr("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise UnknownError
    return _placed(shape, axes, _scaled(call, 1 if call.node.opset < 11 else 2, [shape[axis] for axis in axes]))


def upsample(call: Call) -> Shape:
    """By factors, which opset 9 made an input."""
    shape = call.shape()
    return _scaled(call, 1, shape)


def _placed(shape: Shape, axes: Sequence[int], sizes: Sequence[Dim]) -> Shape:
    result = list(shape)
    for axis, size in zip(axes, sizes, strict=True):
        result[axis] = size
    return tuple(result)


def _scaled(call: Call, number: int, sizes: Sequence[Dim]) -> Shape:
    factors = call.attr("scales")
    if factors is None:
        name = call.name(number)
        if name not in call.known:
            return (None,) * len(sizes)
        factors = call.sure(number).tolist()
    if not isinstance(factors, list) or len(factors) != len(sizes):
        raise UnknownError
    return tuple(_times(size, factor) for size, factor in zip(sizes, factors, strict=True))


def _times(size: Dim, factor: object) -> Dim:
    """In single precision, as runtimes do it."""
    if not isinstance(factor, (int, float)) or not 0 < factor < 2**31:
        raise UnknownError
    return None if size is None else int(np.floor(np.float32(size) * np.float32(factor)))


def _to_sizes(call: Call, before: Sequence[Dim]) -> Shape:
    sizes = call.sizes(3)
    policy = call.attr("keep_aspect_ratio_policy", "stretch")
    if not sizes or len(sizes) != len(before):
        raise UnknownError
    if policy == "stretch":
        return sizes
    ratios = [known(size) / positive(old) for size, old in zip(sizes, before, strict=True)]
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    return tuple(int(ratio * known(old) + 0.5) for old in before)


def grid_sample(call: Call) -> Shape:
    """The places are those of the grid."""
    grid = call.shape(1)
    return (*map_of(call)[:2], *grid[1:-1]) if len(grid) == len(call.shape()) else unknown()


def affine_grid(call: Call) -> Shape:
    """A point of two or three coordinates for each place of the stated size."""
    batch, _, *places = call.sizes(1) if len(call.sizes(1)) in (4, 5) else unknown()
    return (batch, *places, len(places))


def columns_to_image(call: Call) -> Shape:
    """(batch, channels * block, blocks) → (batch, channels, places…)."""
    shape, block = call.shape_or_open(0, 3), product(call.sizes(2))
    channels = None if shape[1] is None or block is None else shape[1] // positive(block)
    return (shape[0], channels, *call.sizes(1))


def region_align(call: Call) -> Shape:
    """(regions, channels, places…) of the stated size."""
    size = (positive(call.whole("output_height", 1)), positive(call.whole("output_width", 1)))
    return (call.shape(1)[0] if call.shape(1) else unknown(), call.shape_or_open(0, 4)[1], *size)


def region_pool(call: Call) -> Shape:
    """As `region_align`; the sizes are in one attribute."""
    sizes = call.attr("pooled_shape")
    places = tuple(natural(size) for size in sizes) if isinstance(sizes, list) else unknown()
    return (call.shape(1)[0] if call.shape(1) else unknown(), call.shape_or_open(0, 4)[1], *places)


def decoded_image(call: Call) -> Shape:
    """(height, width, channels), as the encoded image has them."""
    return (None, None, 1 if call.attr("pixel_format") == "Grayscale" else 3)


RULES: Mapping[str, Rule] = {
    "AffineGrid": affine_grid,
    "Col2Im": columns_to_image,
    "GridSample": grid_sample,
    "ImageDecoder": decoded_image,
    "MaxRoiPool": region_pool,
    "Resize": resize,
    "RoiAlign": region_align,
    "Upsample": upsample,
}
