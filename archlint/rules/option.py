"""What users may set for a rule: a number, a text or a switch that its query gets as a parameter."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

OptionName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]
OptionValue = bool | int | float | str

_TYPES: Mapping[type, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}
_LARGEST = 2**63 - 1  # of SQLite's integers


class Option(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An option of a rule; its type is that of its default.

    `minimum` and `maximum` bound a number, both included.
    """

    default: OptionValue
    description: Annotated[str, msgspec.Meta(pattern=r"^\S[^\n]*$")]
    minimum: int | float = -_LARGEST
    maximum: int | float = _LARGEST

    def __post_init__(self) -> None:
        """Refuses a default that is not what users may set, with ValueError."""
        try:
            self.checked(self.default)
        except ValueError as error:
            raise ValueError(f"the default {error}") from error
        if isinstance(self.default, str) and _is_number(self.default):
            raise ValueError(f"YAML reads {self.default} as text: write the number as 0.001 or 1.0e-3")

    def checked(self, given: object) -> OptionValue:
        """The value that the query gets for what a user wrote; ValueError, with what is expected, if it does not fit.

        NaN and infinity are no numbers here: no comparison with them does what it seems to.
        """
        if type(given) not in _TYPES[type(self.default)] or not isinstance(given, OptionValue):
            raise ValueError(f"must be {self.expected()}, not {given!r}")
        if not isinstance(given, str) and not self.minimum <= given <= self.maximum:
            raise ValueError(f"must be {self.expected()}, not {given!r}")
        return float(given) if isinstance(self.default, float) else given

    def expected(self) -> str:
        """What users may write, in words."""
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return "a text"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind}{self._range()}"

    def _range(self) -> str:
        match self.minimum > -_LARGEST, self.maximum < _LARGEST:
            case True, True:
                return f" from {self.minimum} to {self.maximum}"
            case True, False:
                return f" of at least {self.minimum}"
            case False, True:
                return f" of at most {self.maximum}"
        return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
