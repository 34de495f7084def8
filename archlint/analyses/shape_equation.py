"""The equation of an EinsumDense layer: which letters its input, kernel and output have, and how long each is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from archlint.graph import Shape
from archlint.shape_terms import Dim, UnknownError, Use, known, shape_from

# Keras's three forms of equation: plain, with an ellipsis in front, with one behind.
_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


@dataclass(frozen=True, slots=True)
class Equation:
    """An EinsumDense equation on an input shape: the size of every letter, and what follows from them."""

    kernel_letters: str
    output_letters: str
    output: Shape
    sizes: Mapping[str, Dim]
    elided_behind: int

    def kernel(self) -> tuple[int, ...]:
        """The kernel's shape."""
        return tuple(known(self.sizes.get(letter)) for letter in self.kernel_letters)

    def bias(self, axes: object) -> tuple[int, ...]:
        """The shape of a bias over those output letters: 1 along the others that follow the first."""
        if not isinstance(axes, str) or not axes or not set(axes) <= set(self.output_letters):
            raise UnknownError
        first = min(self.output_letters.index(letter) for letter in axes)
        own = (known(self.sizes[letter]) if letter in axes else 1 for letter in self.output_letters[first:])
        return (*own, *(1,) * self.elided_behind)


def equation(use: Use) -> Equation:
    """The layer's equation, read with its input.

    The `output_shape` that the layer states leaves out the batch axis and what an ellipsis stands for.
    """
    match = _EQUATION.fullmatch(str(use.arg("equation")))
    if match is None or match[1] != match[5] or match[3] != match[7] or (match[1] and match[3]):
        raise UnknownError
    shape, (letters, kernel_letters, output_letters) = use.input(), match.group(2, 4, 6)
    elided = len(shape) - len(letters)
    if not shape or elided < 0 or (elided and not (match[1] or match[3])):
        raise UnknownError
    in_front, behind = (elided, 0) if match[1] else (0, elided)
    stated = use.arg("output_shape")
    own = shape_from(stated if isinstance(stated, (list, tuple)) else [stated])
    output = (*shape[: max(1, in_front)], *own, *shape[len(shape) - behind :])
    if len(output) != len(output_letters) + elided:
        raise UnknownError
    sizes = dict(zip(output_letters, output[in_front:], strict=False))
    sizes |= dict(zip(letters, shape[in_front:], strict=False))
    return Equation(kernel_letters, output_letters, output, sizes, behind)
