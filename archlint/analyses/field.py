"""Receptive fields: how wide a stretch of the input's map one value can depend on, along each axis of the map.

The recurrence is that of Araujo et al. 2019 ("Computing Receptive Fields of Convolutional Neural Networks", Distill):
neighbouring places of a map see stretches of the input that begin `jump` places apart. A window of k taps, d places
apart, makes the stretch (k - 1) * d * jump wider, and its stride multiplies the jump. Padding and cropping change
neither.

What the recurrence leaves open is settled like this. Where ways meet, the narrowest and the widest stretch are kept;
that the ways may be displaced against each other is not counted, nor are the statistics that a norm takes of a map. In
an enlarged map the places see differently much; theirs is the mean. The map itself is what the first window slides
over: the model's input, or what reshaping, resizing or an embedding have made of it by then.

The rules by kind are in `field_layers`; this module walks the model once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from archlint.analyses.field_layers import LAID_OUT, MAPPED, MIXED, RULES, Span, Spans, placed
from archlint.analyses.shapes import KNOWN_WRAPPERS, wrappers
from archlint.analyses.windows import place_axes
from archlint.graph import Model, Shape, Tensor
from archlint.shape_terms import UnknownError, Use, unknown

T = TypeVar("T")

Seen = Spans | None
"""None: no window has been slid over the value yet, so which of its axes hold places is not settled."""


class Field(NamedTuple):
    """The receptive field of a layer along one axis of the map: what its inputs see, and what its output sees."""

    incoming: Span
    outgoing: Span


def fields(model: Model, shapes: Mapping[Tensor, Shape]) -> dict[int, tuple[Field, ...]]:
    """The fields along the axes of the map, by the layer's index; layers without a map, or without clarity, have none.

    Of a layer that is called several times, the narrowest and the widest stretches count.
    """
    seen: dict[int, Seen] = {}
    found: dict[int, list[tuple[Seen, Seen]]] = {}
    for number, call in enumerate(model.calls):
        use = Use(model.layers[call.layer], tuple(map(shapes.get, call.inputs)), call.constants)
        incoming = None
        try:
            incoming = _incoming(use, [_seen(model, seen, tensor) for tensor in call.inputs])
            seen[number] = _outgoing(use, incoming, shapes.get(Tensor(number)))
        except UnknownError:
            pass
        found.setdefault(call.layer, []).append((incoming, seen.get(number)))
    return {layer: _common(calls) for layer, calls in found.items()}


def _common(calls: Iterable[tuple[Seen, Seen]]) -> tuple[Field, ...]:
    try:
        return tuple(map(Field, *map(_met, zip(*calls, strict=True))))
    except UnknownError:
        return ()


def _seen(model: Model, seen: Mapping[int, Seen], tensor: Tensor) -> Seen:
    """What a tensor sees. Further outputs (states, scores) have other axes than the first one, but for parts of it."""
    spans = seen[tensor.call] if tensor.call in seen else unknown()
    alike = tensor.output == 0 or model.layers[model.calls[tensor.call].layer].kind == "split"
    return spans if alike or (spans is not None and _in_one_place(spans)) else unknown()


def _in_one_place(spans: Spans) -> bool:
    return all(span.axis is None for span in spans)


def _incoming(use: Use, inputs: Sequence[Seen]) -> Seen:
    """What the inputs of a layer see together."""
    if any(inputs):
        return inputs[0] if len(inputs) == 1 else _met(tuple(_aligned(use, inputs)))
    if None not in inputs:
        return () if use.layer.kind != "input" else None
    starts = use.layer.kind in MAPPED and use.arg("op") is None
    return _untouched(use.input(), place_axes(use)) if starts else None


def _untouched(shape: Shape, axes: Iterable[int | None]) -> Spans:
    """What the input sees of itself."""
    return tuple(Span(axis, shape[axis]) if axis is not None else unknown() for axis in axes)


def _aligned(use: Use, inputs: Sequence[Seen]) -> Iterator[Spans]:
    """The inputs that depend on the map, their axes counted alike: shapes with fewer axes lack them in front."""
    shapes = use.all_inputs()
    rank = max(map(len, shapes))
    axes = next([span.axis for span in spans] for spans in inputs if spans)
    for spans, shape in zip(inputs, shapes, strict=True):
        lacking = rank - len(shape)
        if spans:
            yield _shifted(spans, lacking) if lacking else spans
        elif spans is None and len(shape) > 2:  # the input itself, not some features beside it
            yield _untouched(shape, axes)


def _shifted(spans: Spans, by: int) -> Spans:
    return placed(spans, lambda span, axis: span.along(axis + by))


def _met(sides: Sequence[Seen]) -> Spans:
    """What a value sees that is made of values that see this."""
    first, *others = (side or () for side in sides)
    if all(side is first for side in others):
        return first
    if any(len(side) != len(first) for side in others):
        raise UnknownError
    return tuple(map(_meeting, zip(first, *others, strict=True)))


def _meeting(spans: Sequence[Span]) -> Span:
    several = [span for span in spans if span.axis is not None] or spans[:1]
    (axis, jump), size = _only((span.axis, span.jump) for span in several), _only(span.size for span in spans)
    if sum(span.axis is None and span.most < span.everything for span in spans) > 1:
        raise UnknownError  # single places, perhaps far from each other
    return Span(axis, size, jump, min(span.least for span in spans), max(span.most for span in spans))


def _only(values: Iterable[T]) -> T:
    different = set(values)
    return different.pop() if len(different) == 1 else unknown()


def _outgoing(use: Use, incoming: Seen, made: Shape | None) -> Seen:
    """What a layer's output sees whose inputs see `incoming`; `made` is the output's shape."""
    kind = use.layer.kind
    if kind in ("lambda", "custom") or not wrappers(use.layer) <= KNOWN_WRAPPERS:
        raise UnknownError
    if made == ():  # one number for all samples: a constant in disguise, or statistics
        return ()
    if incoming is None:
        return _without_places(use)
    if _in_one_place(incoming):
        return incoming
    return RULES[kind](use, incoming, made) if kind in RULES else unknown()


def _without_places(use: Use) -> Seen:
    """What becomes of a value that no window has been slid over."""
    kind = use.layer.kind
    if kind in MIXED or (kind == "dense" and len(use.input()) == 2):
        return ()
    return None if kind in LAID_OUT or use.arg("op") in ("resize", "one_hot") else unknown()
