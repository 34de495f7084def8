"""What meanings are written in: a layer in the making, and careful readers of attributes and inputs.

An attribute that is not what it should be raises `UnknownError` where it is read, as in `shape_terms`, and no operation
checks anything twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from math import prod
from typing import Any, ParamSpec

from archlint.graph import Shape, Weight
from archlint.readers.onnx.graph import FLOATS
from archlint.readers.onnx.steps import Program, Step
from archlint.shape_terms import UnknownError, each, unknown, wholes


@dataclass(frozen=True, slots=True)
class Meaning:
    """A layer in the making. `weights` is None where what the file stores does not tell their shapes."""

    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[Weight, ...] | None = ()
    wrapper: str | None = None


Meaner = Callable[[Program, Step], Meaning | None]
"""Gives the meaning of a step, None if it has none that is known."""

P = ParamSpec("P")


def careful(mean: Callable[P, Meaning | None]) -> Callable[P, Meaning | None]:
    """A meaner that finds no meaning in what is malformed."""

    @wraps(mean)
    def careful(*args: P.args, **kwargs: P.kwargs) -> Meaning | None:
        try:
            return mean(*args, **kwargs)
        except UnknownError:
            return None

    return careful


def attribute(step: Step, name: str, default: Any) -> Any:
    """An attribute, whatever it is; the default where it is left out."""
    value = step.attrs.get(name)
    return default if value is None else value


def number(step: Step, name: str, default: float) -> float:
    """An attribute that is a number; UnknownError if it is none."""
    value = attribute(step, name, default)
    return float(value) if isinstance(value, (int, float)) else unknown()


def text_of(step: Step, name: str, default: str) -> str:
    """An attribute that is a text."""
    value = attribute(step, name, default)
    return value if isinstance(value, str) else unknown()


def wholes_of(step: Step, name: str) -> list[int]:
    """A list of integers, empty where it is left out."""
    return list(wholes(attribute(step, name, [])))


def input_of(step: Step, place: int) -> str:
    """The name of an input, empty where it is left out."""
    return step.inputs[place] if place < len(step.inputs) else ""


def setting(prog: Program, step: Step, name: str, place: int, default: float) -> float | None:
    """A number that older opsets give as an attribute, newer ones as an input; None where it is not known."""
    if name in step.attrs:
        return number(step, name, default)
    value = input_of(step, place)
    return prog.scalar(value) if value else default


def elements(prog: Program, value: str) -> int | None:
    """How many elements a value has."""
    sizes = known_sizes(prog.shape(value))
    return None if sizes is None else prod(sizes)


def known_sizes(shape: Shape | None) -> tuple[int, ...] | None:
    """A shape without open dimensions, else None."""
    if shape is None:
        return None
    sizes = tuple(size for size in shape if size is not None)
    return sizes if len(sizes) == len(shape) else None


def stored_weights(prog: Program, step: Step, places: Mapping[str, int]) -> tuple[Weight, ...]:
    """The weights among the inputs, by name and place: those that are constant."""
    return tuple(
        Weight(name, shape)
        for name, place in places.items()
        if (value := input_of(step, place)) and value in prog.static and (shape := known_sizes(prog.shape(value)))
    )


def constant_weights(prog: Program, step: Step) -> tuple[Weight, ...]:
    """Constants of several numbers that a plain operation works with: a positional embedding, a layer scale."""
    return tuple(
        Weight("stored", shape)
        for name in dict.fromkeys(step.inputs)
        if name in prog.static and prog.values.dtypes.get(name) in FLOATS
        if (shape := known_sizes(prog.shape(name))) is not None and prod(shape) > 1
    )


def per_axis(step: Step, name: str, rank: int) -> list[int]:
    """An attribute with one integer per axis, 1 where it is left out."""
    return list(each(wholes_of(step, name) or 1, rank))


_AUTO_PADS = {"VALID": "valid", "SAME_UPPER": "same", "SAME_LOWER": "same"}


def padding_of(step: Step, window: Sequence[int]) -> dict[str, Any]:
    """Keras's word for the padding where it has one, else the pads as ONNX has them."""
    auto, rank = text_of(step, "auto_pad", ""), len(window)
    if auto not in ("", "NOTSET"):
        return {"padding": _AUTO_PADS[auto]} if auto in _AUTO_PADS else unknown()
    pads = wholes_of(step, "pads") or [0] * 2 * rank
    if not any(pads):
        return {"padding": "valid"}
    if len(pads) != 2 * rank:
        return unknown()
    both = [before + after for before, after in zip(pads[:rank], pads[rank:], strict=True)]
    return {"padding": "same"} if both == _overlap(step, window) else {"padding": "explicit", "pads": pads}


def _overlap(step: Step, window: Sequence[int]) -> list[int]:
    """Per axis the pads before and after with which the output is as large as Keras's "same" makes it.

    That is as far as the kernel reaches over the edge; of a transposed one, as far as it reaches over a stride.
    """
    rank = len(window)
    reach = [rate * (size - 1) for size, rate in zip(window, per_axis(step, "dilations", rank), strict=True)]
    if step.op != "ConvTranspose":
        return reach
    strides, ends = per_axis(step, "strides", rank), each(wholes_of(step, "output_padding") or 0, rank, least=0)
    return [far + 1 - stride + end for far, stride, end in zip(reach, strides, ends, strict=True)]


def reduced_axes(prog: Program, step: Step) -> list[int] | None:
    """The axes of a reduction, an attribute or an input; None where not known, UnknownError where they are nonsense."""
    given = prog.known(input_of(step, 1))
    if given is None:
        return wholes_of(step, "axes") if "axes" in step.attrs else None
    return [int(axis) for axis in given.flat] if given.dtype.kind in "iu" else None
