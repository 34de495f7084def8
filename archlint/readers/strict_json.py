"""JSON from files nobody vouches for: one loader with limits, so that no configuration can exhaust the process."""

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

from archlint.errors import ReadError
from archlint.limits import INTEGER_DIGITS, JSON_BYTES, JSON_DEPTH, JSON_TOKENS

_BRACKET = re.compile(r"[\[\]{}]")

Json = Any
"""A parsed JSON value: dict, list, str, int, float, bool or None."""


def loads(data: bytes | str, what: str) -> Json:
    """Parse `data`; `what` names it in errors ("model_config").

    Numbers that mean nothing become None: integers of too many digits, NaN and infinities (which Keras does write).

    Raises:
        ReadError: too long, too deep, no JSON, or a key that stands twice in one object.
    """
    text = _decode(data, what)
    if sum(map(text.count, "{}[],:")) > JSON_TOKENS or _depth(text) > JSON_DEPTH:
        raise ReadError(f"its {what} is nested or long beyond any honest model; it was not read")
    try:
        return json.loads(
            text,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
            object_pairs_hook=lambda pairs: _object(pairs, what),
        )
    except (ValueError, RecursionError) as error:
        raise ReadError(
            f"its {what} is not valid JSON ({_reason(error)}); the file is damaged: save it again"
        ) from error


def _decode(data: bytes | str, what: str) -> str:
    if len(data) > JSON_BYTES:
        raise ReadError(f"its {what} is {len(data):,} bytes long, more than any honest model needs; it was not read")
    if isinstance(data, str):
        return data
    try:
        return data.decode(json.detect_encoding(data), "surrogatepass")
    except UnicodeDecodeError as error:
        raise ReadError(f"its {what} is not text; the file is damaged: save it again") from error


def _depth(text: str) -> int:
    """Upper bound of the nesting; brackets inside strings count, which only matters far above honest files."""
    if text.count("{") + text.count("[") <= JSON_DEPTH:
        return 0
    depth = deepest = 0
    for bracket in _BRACKET.finditer(text):
        depth += 1 if bracket[0] in "{[" else -1
        deepest = max(deepest, depth)
    return deepest


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= INTEGER_DIGITS else None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _object(pairs: list[tuple[str, Json]], what: str) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs):
        _refuse_duplicate([key for key, _ in pairs], what)
    return made


def _refuse_duplicate(keys: list[str], what: str) -> NoReturn:
    twice = Counter(keys).most_common(1)[0][0]
    raise ReadError(f"its {what} has the key {twice!r} twice in one object, so readers would disagree; it was not read")


def _reason(error: Exception) -> str:
    return getattr(error, "msg", "too deep")
