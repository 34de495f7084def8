"""The output shapes of matrix products and of sums of products."""

import re
from collections.abc import Mapping, Sequence

from archlint.graph import Shape
from archlint.readers.onnx.shapes.terms import Call, Rule, merged
from archlint.shape_terms import Dim, UnknownError, broadcast, positive, unknown


def product_of(left: Shape, right: Shape) -> Shape:
    """A matrix product over the last two axes, the others broadcast; a vector counts as a matrix for the while."""
    if not left or not right:
        raise UnknownError
    merged(left[-1], right[-2:][0])
    columns = right[-1:] if len(right) > 1 else ()
    return (*broadcast((left[:-2], right[:-2])), *left[-2:-1], *columns)


def matmul(first: int = 0, second: int = 1) -> Rule:
    """The product of two inputs."""
    return lambda call: product_of(call.shape(first), call.shape(second))


def turned(shape: Shape, flag: bool) -> Shape:
    """`shape` with its last two axes exchanged, if so."""
    return (*shape[:-2], *reversed(shape[-2:])) if flag else shape


def gemm(first: int = 0, second: int = 1) -> Rule:
    """The product of two matrices, either of them transposed."""

    def rule(call: Call) -> Shape:
        left, right = call.shape_or_open(first, 2), call.shape_or_open(second, 2)
        return product_of(turned(left, call.flag("transA")), turned(right, call.flag("transB")))

    return rule


def fused_matmul(call: Call) -> Shape:
    """`MatMul` of onnxruntime, with flags; the batch axes may be turned, too, which is left open."""
    if call.flag("transBatchA") or call.flag("transBatchB"):
        raise UnknownError
    left, right = call.shape(0), call.shape(1)
    return product_of(turned(left, call.flag("transA")), turned(right, call.flag("transB")))


def packed_matmul(call: Call) -> Shape:
    """A product with weights of few bits: (…, K) → (…, N)."""
    lead = call.shape()[:-1]
    return (*lead, positive(call.whole("N"))) if lead else unknown()


def determinant(call: Call) -> Shape:
    """(…, n, n) → (…)."""
    return call.shape()[:-2] if len(call.shape()) > 1 else unknown()


def einsum(call: Call) -> Shape:
    """The axes that the equation names; without an arrow, those named once, in the order of the alphabet."""
    equation = call.attr("equation")
    inputs, arrow, output = re.sub(r"\s", "", equation if isinstance(equation, str) else unknown()).partition("->")
    shapes, terms = call.all_shapes(), inputs.split(",")
    if len(terms) != len(shapes) or not all(re.fullmatch(r"[a-zA-Z]*(\.{3})?[a-zA-Z]*", term) for term in terms):
        raise UnknownError
    sizes, elided = _named_sizes(terms, shapes)
    if not arrow:
        once = sorted(letter for letter in sizes if inputs.count(letter) == 1)
        output = ("..." if "..." in inputs else "") + "".join(once)
    front, dots, back = output.partition("...")
    if not set(front + back) <= set(sizes):
        raise UnknownError
    return (*(sizes[name] for name in front), *(elided if dots else ()), *(sizes[name] for name in back))


def _named_sizes(terms: Sequence[str], shapes: Sequence[Shape]) -> tuple[dict[str, Dim], Shape]:
    """The size behind every letter, and the common shape of what the ellipses stand for."""
    sizes: dict[str, Dim] = {}
    elided: list[Shape] = []
    for term, shape in zip(terms, shapes, strict=True):
        front, dots, back = term.partition("...")
        end = len(shape) - len(back)
        if end < len(front) or (not dots and end != len(front)):
            raise UnknownError
        elided.append(shape[len(front) : end])
        for letter, dim in zip(front + back, (*shape[: len(front)], *shape[end:]), strict=True):
            (sizes[letter],) = broadcast(((sizes.get(letter, dim),), (dim,)))
    return sizes, broadcast(elided)


RULES: Mapping[str, Rule] = {
    "Det": determinant,
    "Einsum": einsum,
    "Gemm": gemm(),
    "MatMul": matmul(),
    "MatMulInteger": matmul(),
    "QLinearMatMul": matmul(0, 3),
}
