"""TOML: the few values that settings are made of, written so that any text is shown and none acts on a terminal."""

import re
from collections.abc import Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def value(given: object) -> str:
    """A value of a setting in one line."""
    match given:
        case bool():
            return str(given).lower()
        case str():
            return quoted(given)
        case Mapping():
            entries = ", ".join(f"{key(name)} = {value(item)}" for name, item in given.items())
            return f"{{ {entries} }}" if entries else "{}"
        case list() | tuple():
            return f"[{', '.join(map(value, given))}]"
        case int() if abs(given) >= 2**63:
            return hex(given)  # decimal digits of a huge one would be refused by Python
    return str(given)


def line(name: str, given: object, width: int = 100) -> str:
    """A key and its value; a long list takes a line for each element."""
    text = f"{key(name)} = {value(given)}"
    if len(text) <= width or not isinstance(given, (list, tuple)):
        return text
    return f"{key(name)} = [\n" + "".join(f"  {value(item)},\n" for item in given) + "]"


def key(name: str) -> str:
    """A key, quoted if it has to be."""
    return name if _BARE.fullmatch(name) else quoted(name)


def quoted(text: str) -> str:
    """A text between quotes, with everything escaped that is not printable."""
    return f'"{"".join(map(_sign, text))}"'


def _sign(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"
