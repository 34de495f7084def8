"""What the layers do to receptive fields, one small function per kind."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf, prod
from typing import Any

from archlint.analyses.shape_ops import aligned_key
from archlint.analyses.shapes import output_shapes
from archlint.analyses.windows import MOST_PLACES, SLIDING, Window, place_axes, windows
from archlint.graph import Shape
from archlint.shape_terms import Dim, UnknownError, Use, axes_of, axis_of, each, known, unknown

Ratio = Fraction | int

Length = Ratio | float
"""In places of the input; `inf` is all of an input of any size."""


@dataclass(frozen=True, slots=True)
class Span:
    """What the values of a tensor see of the input's map along one axis, which is `size` places long.

    `axis` is the axis of the tensor along which other places see other stretches: `jump` apart, or, where `jump` is
    None, in no regular order (a flattened map). None: the tensor has one place only.
    """

    axis: int | None
    size: Dim
    jump: Ratio | None = 1
    least: Length = 1
    most: Length = 1

    @property
    def step(self) -> Ratio:
        """The jump, which must be regular."""
        return unknown() if self.jump is None else self.jump

    def along(self, axis: int | None, *, ordered: bool = True) -> "Span":
        """The same stretches, along another axis."""
        return replace(self, axis=axis, jump=self.jump if ordered and axis is not None else None)

    def strided(self, factor: Ratio) -> "Span":
        """The same stretches, so many times as far apart."""
        if factor == 1:
            return self
        jump = self.step * factor
        if max(jump.numerator, jump.denominator) > MOST_PLACES:
            raise UnknownError
        return replace(self, jump=jump)

    def widened(self, places: Ratio) -> "Span":
        """Stretches that take in so many further places of the tensor."""
        if places == 0:
            return self
        more = places * self.step
        if more > MOST_PLACES:
            raise UnknownError
        return replace(self, least=self.least + more, most=self.most + more)

    @property
    def everything(self) -> Length:
        """What one value can see at most."""
        return inf if self.size is None else self.size

    def whole(self) -> "Span":
        """One place that sees all of the axis."""
        return Span(None, self.size, None, max(self.least, self.everything), max(self.most, self.everything))


Spans = tuple[Span, ...]
"""One span for every axis of the map; () of a value that depends on no map."""

Rule = Callable[[Use, Spans, Shape | None], Spans]
"""A layer in use, what its inputs see, the shape of its output → what its output sees."""


def placed(spans: Spans, rule: Callable[[Span, int], Span]) -> Spans:
    """The spans, `rule` applied to those that have an axis of the tensor, and to that axis."""
    return tuple(span if span.axis is None else rule(span, span.axis) for span in spans)


def same(use: Use, spans: Spans, made: Shape | None) -> Spans:
    """Every place sees what it saw."""
    if use.arg("op") == "CumSum" or (made is not None and len(made) != max(map(len, use.all_inputs()))):
        raise UnknownError
    return spans


def slid(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """A window slides along the places."""
    windows_of = dict(zip(place_axes(use), windows(use), strict=True))

    def rule(span: Span, axis: int) -> Span:
        return _under(use, span, windows_of[axis]) if axis in windows_of else _beside(use, span, axis)

    return placed(spans, rule)


def _under(use: Use, span: Span, window: Window) -> Span:
    if use.layer.kind != "conv_transpose":
        return span.widened(window.reach - 1).strided(window.stride)
    # Only every period-th tap meets an input, so many places from the last one as the dilation leaves over
    taps = max(Fraction(1), Fraction(window.kernel, window.period))
    between = Fraction(window.dilation * window.period, window.stride)
    return span.widened((taps - 1) * between).strided(Fraction(1, window.stride))


def _beside(use: Use, span: Span, axis: int) -> Span:
    """Of an axis that is no place of the layer's: it must be one that the layer is mapped over."""
    return span if axis <= use.layer.time_distributed else unknown()


def slid_over_time(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """The window of a convolutional LSTM slides over each step, and over the state of the step before."""
    steps, windows_of = known(use.input()[1]), dict(zip(place_axes(use), windows(use), strict=True))
    dropped = not use.arg("return_sequences", False)

    def rule(span: Span, axis: int) -> Span:
        if axis not in windows_of:
            return span.whole() if axis == 1 else unknown()
        once = _under(use, span, windows_of[axis])
        often = once.widened((steps - 1) * (windows_of[axis].kernel - 1))
        return replace(once, most=often.most).along(axis - dropped)

    return placed(spans, rule)


_NEIGHBOURS = {"nearest": 0, "bilinear": 1, "bicubic": 3}
"""How many more places an enlarged map blends into one."""


def enlarged(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """Every place becomes several."""
    places = place_axes(use)
    times = dict(zip(places, each(use.arg("size"), len(places)), strict=True))
    interpolation = str(use.arg("interpolation", "nearest"))
    blended = _NEIGHBOURS[interpolation] if interpolation in _NEIGHBOURS else unknown()

    def rule(span: Span, axis: int) -> Span:
        if axis not in times:
            return _beside(use, span, axis)
        return span.widened(blended * (times[axis] > 1)).strided(Fraction(1, times[axis]))

    return placed(spans, rule)


def gathered(spans: Spans, axes: Iterable[int], *, dropped: bool = False) -> Spans:
    """All places along these axes become one; `dropped`: the axes themselves go, too."""
    gone = set(axes)

    def rule(span: Span, axis: int) -> Span:
        if axis in gone:
            return span.whole()
        return span.along(axis - sum(other < axis for other in gone)) if dropped else span

    return placed(spans, rule)


def dense(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """The last axis is mixed."""
    return gathered(spans, [len(use.input()) - 1])


def recurrent(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """All steps are mixed: a later one sees the earlier ones."""
    first = 0 if use.arg("time_major", False) else 1 + use.layer.time_distributed
    return gathered(spans, range(first, len(use.input())))


def attention(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """Every position sees every other one: along the last axis but one, or all or the stated ones if it has heads."""
    last = len(use.input()) - 1
    if use.layer.kind != "multi_head_attention":
        return gathered(spans, (last - 1, last))
    stated = use.arg("attention_axes")
    axes = range(1, last) if stated is None else axes_of(stated, last + 1)
    return gathered(spans, (*axes, last))


def global_pool(use: Use, spans: Spans, made: Shape | None) -> Spans:
    """All places become one."""
    return _reduced(use, spans, tuple(place_axes(use)), made)


def reduced(use: Use, spans: Spans, made: Shape | None) -> Spans:
    """An operation over axes, all of them where none is named."""
    rank, axis = len(use.input()), use.option("axis", "axes", position=1)
    return _reduced(use, spans, tuple(range(rank)) if axis is None else axes_of(axis, rank), made)


def _reduced(use: Use, spans: Spans, axes: tuple[int, ...], made: Shape | None) -> Spans:
    """Axes that became one place; the output's shape says whether they are still there, or whether it was others."""
    rank, after = len(use.input()), made or unknown()
    dropped = len(after) == rank - len(axes)
    if not dropped and (len(after) != rank or any(after[axis] != 1 for axis in axes)):
        raise UnknownError
    return gathered(spans, axes, dropped=dropped)


def flatten(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """All axes become one, in which places are mixed with channels."""
    shape, first = use.input(), 1 + use.layer.time_distributed

    def rule(span: Span, axis: int) -> Span:
        if axis < first:
            return span
        return span.along(None if shape[axis] == 1 else first, ordered=False)

    return placed(spans, rule)


def reshaped(use: Use, spans: Spans, made: Shape | None) -> Spans:
    """An axis that stays whole stays what it is, one that is merged into another loses its order."""
    before, after = _blocks(use.input()), _blocks(made or unknown())

    def rule(span: Span, axis: int) -> Span:
        if axis == 0:  # the batch, whatever is done to the rest
            return span
        inner, outer = before[axis]
        if inner == outer:
            return span.along(None)
        new = next((axis for axis, block in enumerate(after) if _holds(block, (inner, outer))), None)
        return span.along(new, ordered=after[new] == (inner, outer)) if new is not None else unknown()

    if before[0] != after[0]:
        raise UnknownError
    return placed(spans, rule)


def _blocks(shape: Shape) -> list[tuple[int, int]]:
    """Of each axis but the batch, how many elements one step along it passes, and the whole axis."""
    sizes = [known(size) for size in shape[1:]]
    blocks = [(prod(sizes[axis + 1 :]), prod(sizes[axis:])) for axis in range(len(sizes))]
    return [(prod(sizes), prod(sizes)), *blocks]


def _holds(block: tuple[int, int], part: tuple[int, int]) -> bool:
    """Whether a step within `part` is one within `block`, and along no other axis."""
    return block[0] <= part[0] < part[1] <= block[1] and part[0] % block[0] == 0 == block[1] % part[1]


def permuted(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """The axes change places; a shape whose sizes are their own numbers shows how, if `perm` does not say it."""
    rank, stated = len(use.input()), use.arg("perm")
    shown = (
        output_shapes(use.layer, [tuple(range(rank))], use.constants)[0] if stated is None else axes_of(stated, rank)
    )
    order = shown or unknown()
    return placed(spans, lambda span, axis: span.along(order.index(axis) if axis in order else unknown()))


def repeated(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """A new axis in front of all others."""
    if use.arg("op") is not None:  # Tile
        raise UnknownError
    return placed(spans, lambda span, axis: span.along(axis + 1))


def stacked(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """A new axis."""
    new = axis_of(use.option("axis", position=1) or 0, len(use.input()) + 1)
    return placed(spans, lambda span, axis: span.along(axis + (axis >= new)))


def sliced(use: Use, spans: Spans, made: Shape | None) -> Spans:
    """A part of the tensor: one place along an axis, or some."""
    if use.arg("op") in ("get_item", "getitem"):
        return _indexed(spans, aligned_key(use))
    return _shortened(spans, use.input(), made or unknown())


def _indexed(spans: Spans, key: Sequence[Any]) -> Spans:
    """`tensor[key]`: an integer leaves one place, a slice some, perhaps not all of those between its ends."""
    kept = [(place, part) for place, part in enumerate(key) if part is not None]
    numbers = [number for number, part in enumerate(key) if isinstance(part, int)]

    def rule(span: Span, axis: int) -> Span:
        place, part = kept[axis]
        if place in numbers:
            return span.along(None)
        return span.strided(abs(part.step or 1)).along(place - sum(number < place for number in numbers))

    return placed(spans, rule)


def _shortened(spans: Spans, before: Shape, after: Shape) -> Spans:
    """A part of which only the shape is known: an axis of more than half its places has not lost every second one."""
    if len(after) == len(before):
        return placed(spans, lambda span, axis: span if 2 * known(after[axis]) > known(before[axis]) + 1 else unknown())
    gone = [axis for axis in range(len(before)) if (*before[:axis], *before[axis + 1 :]) == after]
    if len(gone) != 1:
        raise UnknownError
    return placed(spans, lambda span, axis: span.along(None if axis in gone else axis - (axis > gone[0])))


def split(use: Use, spans: Spans, _made: Shape | None) -> Spans:
    """Parts of the channels or of the places."""
    return spans if use.arg("op") != "unstack" else unknown()


_KEEPERS = (
    "dropout spatial_dropout alpha_dropout gaussian_dropout gaussian_noise stochastic_depth "
    "batch_norm layer_norm group_norm rms_norm unit_norm instance_norm zero_padding cropping "
    "identity masking activity_regularization cast activation rescaling normalization layer_scale"
)
_MERGERS = "add subtract multiply divide average maximum minimum where arithmetic concat"

RULES: Mapping[str, Rule] = {
    **dict.fromkeys((*_KEEPERS.split(), *_MERGERS.split()), same),
    **dict.fromkeys(SLIDING, slid),
    **dict.fromkeys(("lstm", "gru", "simple_rnn", "rnn"), recurrent),
    **dict.fromkeys(("attention", "additive_attention", "multi_head_attention"), attention),
    **dict.fromkeys(("global_max_pool", "global_avg_pool"), global_pool),
    "conv_lstm": slid_over_time,
    "upsampling": enlarged,
    "dense": dense,
    "reduce": reduced,
    "flatten": flatten,
    "reshape": reshaped,
    "permute": permuted,
    "repeat_vector": repeated,
    "stack": stacked,
    "slice": sliced,
    "split": split,
}
"""The rule of every kind that has one, for inputs that depend on a map and have several places."""

MAPPED = SLIDING | {"zero_padding", "upsampling", "global_max_pool", "global_avg_pool"}
"""Kinds of layers that settle which axes of the input hold places."""

MIXED = frozenset("lstm gru simple_rnn rnn attention additive_attention multi_head_attention".split())
"""Kinds behind which an input that no window has been slid over has no places any more."""

LAID_OUT = frozenset(
    (*_KEEPERS.split(), *_MERGERS.split(), *"input dense embedding preprocessing augmentation".split())
) | {"reshape", "flatten", "permute", "repeat_vector", "stack", "slice", "split"}
"""Kinds that such an input passes and still is one, be it in another form."""
