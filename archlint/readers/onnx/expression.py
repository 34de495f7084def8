"""A small language for patterns of operations: arithmetic as one writes it, in Python's syntax.

    x * Sigmoid(x)                                   the SiLU, whichever factor comes first
    x * 0.5 * (1 + Erf(x * 0.7071))                  the GELU, in whatever order it is multiplied
    (x - Mean(x)) / Sqrt(Mean((x - Mean(x))**2) + E)

A name in small letters is a value that data flows into, one in capitals a constant; the same name is the same value.
A number is a constant that is that number in all its elements, up to rounding. `Op(…)` is an operation by ONNX's name,
`Mean(…)` is any of several (see `FAMILIES`); what it reads beyond the arguments written must be constant. Products
and sums match whatever the order and the nesting, with Div and Reciprocal, Sub and Neg for the inverses. `~e` is e
seen through casts, reshapes, scales and masks.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations

from archlint.readers.onnx.steps import Program, Step

FAMILIES = {
    "Mean": frozenset({"ReduceMean", "GlobalAveragePool"}),
    "Product": frozenset({"MatMul", "Gemm"}),
    "Map": frozenset({"Conv", "ConvTranspose"}),
    "Flat": frozenset({"Reshape", "Squeeze", "Flatten"}),
    "Bounded": frozenset({"Clip", "Max"}),
}
THROUGH = frozenset(
    "Cast Reshape Transpose Squeeze Unsqueeze Expand Flatten Dropout Mul Div Add Sub Where Clip".split()
)
_INVERSE = {"*": "Div", "+": "Sub"}
_UNARY = {"*": "Reciprocal", "+": "Neg"}
_NEUTRAL = {"*": 1.0, "+": 0.0}
_STEP_OF = {"*": "Mul", "+": "Add"}
_MOST_PARTS = 5
_FARTHEST = 12
"""Operations that are seen through in a row."""

_MOST_SEEN = 64
"""Values that are looked at on the way."""
_TOLERANCE = 2e-3


@dataclass(frozen=True, slots=True)
class Value:
    """A named value: of data if the name is in small letters, a constant if it is in capitals."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    """A constant of one number."""

    value: float


@dataclass(frozen=True, slots=True)
class Operation:
    """One of some operations, on these arguments."""

    ops: frozenset[str]
    args: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Parts:
    """A product (`*`) or sum (`+`) of parts, of which some are inverted."""

    sign: str
    parts: "tuple[tuple[Expression, bool], ...]"


@dataclass(frozen=True, slots=True)
class Square:
    """A value multiplied by itself, as Pow or as Mul."""

    of: "Expression"


@dataclass(frozen=True, slots=True)
class Seen:
    """Something seen through operations that only rearrange, scale or mask."""

    of: "Expression"


Expression = Value | Number | Operation | Parts | Square | Seen


@dataclass(frozen=True, slots=True)
class Match:
    """What an expression was found to be: the values of its names, and the steps it took."""

    names: Mapping[str, str]
    steps: frozenset[int]

    def bound(self, name: str, value: str) -> "Match | None":
        """This match with a name bound, None if it is bound to something else."""
        if name in self.names:
            return self if self.names[name] == value else None
        return Match({**self.names, name: value}, self.steps)

    def taking(self, step: int) -> "Match":
        """This match with one more step."""
        return Match(self.names, self.steps | {step})


@cache
def parse(text: str) -> Expression:
    """The expression that a text says."""
    return _expression(ast.parse(text, mode="eval").body)


def _expression(tree: ast.expr) -> Expression:
    match tree:
        case ast.Name(id=name):
            return Value(name)
        case ast.Constant(value=int() | float() as number):
            return Number(float(number))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return Number(-float(number))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return Operation(frozenset({"Neg"}), (_expression(inner),))
        case ast.UnaryOp(op=ast.Invert(), operand=inner):
            return Seen(_expression(inner))
        case ast.Call(func=ast.Name(id=name), args=args):
            return Operation(FAMILIES.get(name, frozenset({name})), tuple(map(_expression, args)))
        case ast.BinOp(op=ast.Pow(), left=inner, right=ast.Constant(value=2)):
            return Square(_expression(inner))
        case ast.BinOp(op=ast.Mult() | ast.Div()):
            # 1 / x has one part, for there may be no one in the graph: Reciprocal(x)
            return Parts("*", tuple(part for part in _parts(tree, ast.Mult, ast.Div) if part[0] != Number(1)))
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return Parts("+", tuple(_parts(tree, ast.Add, ast.Sub)))
    raise ValueError(f"no pattern: {ast.unparse(tree)}")


def _parts(tree: ast.expr, plain: type, inverse: type, inverted: bool = False) -> Iterator[tuple[Expression, bool]]:
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, (plain, inverse)):
        yield from _parts(tree.left, plain, inverse, inverted)
        yield from _parts(tree.right, plain, inverse, inverted ^ isinstance(tree.op, inverse))
    else:
        yield _expression(tree), inverted


def roots(expression: Expression) -> frozenset[str]:
    """The operations that a match can end in."""
    match expression:
        case Operation(ops=ops):
            return ops
        case Parts(sign=sign):
            return frozenset({_STEP_OF[sign], _INVERSE[sign], _UNARY[sign]})
        case Square():
            return frozenset({"Pow", "Mul"})
        case Seen(of=inner):
            return roots(inner)
    raise ValueError("a pattern must be an operation")


def families(expression: Expression) -> Iterator[frozenset[str]]:
    """The operations that a match must have, one of each set: where a graph has none, there is no need to look."""
    match expression:
        case Operation(ops=ops, args=args):
            yield ops
            for arg in args:
                yield from families(arg)
        case Parts(parts=parts):
            for part, _ in parts:
                yield from families(part)
        case Square(of=inner) | Seen(of=inner):
            yield from families(inner)


def matches(program: Program, expression: Expression, step: Step) -> Iterator[Match]:
    """The ways in which an expression says how a step's value is made, with nothing else reading what is inside."""
    for found in _match(program, expression, step.outputs[0], Match({}, frozenset())):
        inner = [
            name for number in found.steps for name in program.steps[number].outputs if name and name != step.outputs[0]
        ]
        if all(name not in program.ends and _only_read_by(program, name, found.steps) for name in inner):
            yield found


def _only_read_by(program: Program, value: str, steps: frozenset[int]) -> bool:
    readers = program.readers.get(value, ())
    return len(readers) <= len(steps) and steps.issuperset(readers)


def _match(program: Program, expression: Expression, value: str, so_far: Match) -> Iterator[Match]:
    match expression:
        case Value(name=name):
            if (value in program.static) is name[0].isupper() and (found := so_far.bound(name, value)):
                yield found
        case Number(value=number):
            if _is(program, value, number):
                yield so_far
        case Operation(ops=ops, args=args):
            yield from _operation(program, ops, args, value, so_far)
        case Square(of=inner):
            yield from _square(program, inner, value, so_far)
        case Seen(of=inner):
            yield from _seen(program, inner, value, so_far)
        case Parts(sign=sign, parts=parts):
            for leaves, steps in _leaves(program, sign, value, len(parts)):
                taken = Match(so_far.names, so_far.steps | steps)
                for order in permutations(leaves):
                    if all(_may_be(program, part, name) for (part, _), (name, _) in zip(parts, order, strict=True)):
                        yield from _each(program, sign, parts, order, taken)


def _may_be(program: Program, part: Expression, value: str) -> bool:
    """Whether a value can be a part at all: asked before anything dearer, as most orders of most products fail here."""
    match part:
        case Value(name=name):
            return (value in program.static) is name[0].isupper()
        case Number():
            return value in program.static
        case Operation(ops=ops):
            return value in program.maker and program.steps[program.maker[value]].op in ops
    return True


def _is(program: Program, value: str, number: float) -> bool:
    found = program.scalar(value) if value in program.static else None
    return found is not None and abs(found - number) <= _TOLERANCE * max(abs(number), 1e-6)


def _operation(
    program: Program, ops: frozenset[str], args: Sequence[Expression], value: str, so_far: Match
) -> Iterator[Match]:
    number = program.maker.get(value)
    if number is None:
        return
    step = program.steps[number]
    if step.op not in ops or step.outputs[0] != value or len(step.inputs) < len(args):
        return
    if any(name and name not in program.static for name in step.inputs[len(args) :]):
        return
    found = [so_far.taking(number)]
    for arg, name in zip(args, step.inputs, strict=False):
        found = [deeper for partial in found for deeper in _match(program, arg, name, partial)]
    yield from found


def _square(program: Program, inner: Expression, value: str, so_far: Match) -> Iterator[Match]:
    number = program.maker.get(value)
    if number is None:
        return
    step = program.steps[number]
    power = step.op == "Pow" and len(step.inputs) == 2 and _is(program, step.inputs[1], 2.0)
    if power or (step.op == "Mul" and len(step.inputs) == 2 and len(set(step.inputs)) == 1):
        yield from _match(program, inner, step.inputs[0], so_far.taking(number))


def _seen(program: Program, inner: Expression, value: str, so_far: Match) -> Iterator[Match]:
    pending, seen = [(value, so_far)], set()
    while pending:
        name, partial = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        found = list(_match(program, inner, name, partial))
        yield from found
        # An operation that was found is nothing to see through; a mere name may have to be bound further up.
        if (found and not isinstance(inner, Value)) or len(seen) >= _MOST_SEEN:
            continue
        number = program.maker.get(name)
        far = len(partial.steps) - len(so_far.steps) >= _FARTHEST
        if number is not None and program.steps[number].op in THROUGH and not far:
            step = program.steps[number]
            pending += [(read, partial.taking(number)) for read in step.inputs if read not in program.static]


_Leaf = tuple[str, bool]


def _leaves(program: Program, sign: str, value: str, count: int) -> Iterator[tuple[tuple[_Leaf, ...], frozenset[int]]]:
    """The ways to take a value apart into so many parts, each perhaps inverted."""
    if count > _MOST_PARTS:
        return
    pending: list[tuple[tuple[_Leaf, ...], frozenset[int]]] = [(((value, False),), frozenset())]
    seen = set()
    while pending:
        leaves, steps = pending.pop()
        if leaves in seen:
            continue
        seen.add(leaves)
        if len(leaves) == count and steps:
            yield leaves, steps
        for place, (name, inverted) in enumerate(leaves):
            number = program.maker.get(name)
            parts = _apart(program, program.steps[number], sign, inverted) if number is not None else ()
            if number is not None and parts and len(leaves) + len(parts) - 1 <= count:
                pending.append(((*leaves[:place], *parts, *leaves[place + 1 :]), steps | {number}))


def _apart(program: Program, step: Step, sign: str, inverted: bool) -> tuple[_Leaf, ...]:
    match step.inputs:
        case (of,) if step.op == _UNARY[sign]:
            return ((of, not inverted),)
        case neutral, of if step.op == _INVERSE[sign] and _is(program, neutral, _NEUTRAL[sign]):  # 1 / x, 0 - x
            return ((of, not inverted),)
        case left, right if step.op in (_STEP_OF[sign], _INVERSE[sign]):
            return (left, inverted), (right, inverted ^ (step.op == _INVERSE[sign]))
    return ()


def _each(
    program: Program, sign: str, parts: Sequence[tuple[Expression, bool]], leaves: Sequence[_Leaf], so_far: Match
) -> Iterator[Match]:
    found = [so_far]
    for (part, wanted), (name, inverted) in sorted(zip(parts, leaves, strict=True), key=_specific):
        if wanted == inverted:
            found = [deeper for partial in found for deeper in _match(program, part, name, partial)]
        elif isinstance(part, Number) and name in program.static:
            found = found if _is(program, name, _undone(sign, part.value)) else []
        elif not (isinstance(part, Value) and part.name[0].isupper() and name in program.static):
            return
        else:  # x / K where x * K was asked for, and the other way round: a constant is a constant
            found = [deeper for partial in found for deeper in _match(program, part, name, partial)]
    yield from found


def _specific(pair: tuple[tuple[Expression, bool], _Leaf]) -> int:
    """Numbers and operations first: they fail fast."""
    part = pair[0][0]
    return 2 if isinstance(part, Value) else 0 if isinstance(part, Number) else 1


def _undone(sign: str, number: float) -> float:
    if sign == "+":
        return -number
    return 1 / number if number else float("inf")
