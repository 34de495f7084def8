"""What a rule is: the front matter of its page, its examples and its query."""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

import msgspec

from archlint.limits import LINE_LENGTH
from archlint.rules.option import Option, OptionName, OptionValue
from archlint.targets import Target

Severity = Literal["error", "warning", "advice"]
Stage = Literal["stable", "preview"]
Format = Literal["keras", "onnx"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The severities, the gravest first."""

Level = Severity | Literal["never"]
"""From which severity on findings count."""

FORMATS: tuple[Format, ...] = get_args(Format)
"""The families of formats; the format of a model begins with its family: `keras_h5`, `keras_zip`, `onnx`."""

Code = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}[0-9]{3}$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Line = Annotated[str, msgspec.Meta(pattern=r"^\S[^\n]*$", max_length=LINE_LENGTH)]


def at_least(level: Level) -> tuple[Severity, ...]:
    """The severities that count from a level on; of `never` none."""
    return () if level == "never" else SEVERITIES[: SEVERITIES.index(level) + 1]


class FrontMatter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The YAML at the head of a page.

    `message`, `advice` and `fix` are templates over the columns that the query selects. `options` are the parameters of
    the query by name. `claim` is what the lab can test, `remedy` the change it can make.
    """

    code: Code
    name: Name
    severity: Severity
    stage: Stage
    formats: Annotated[tuple[Format, ...], msgspec.Meta(min_length=1)]
    message: Line
    advice: Line
    fix: Line | None = None
    claim: Name | None = None
    remedy: Name | None = None
    options: Mapping[OptionName, Option] = {}
    sources: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1)]


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A model on which the rule has to fire, or to stay silent.

    `code` is Keras code that defines `model` (`language` is python), the attributes of an .h5 file (json), or a model
    in ONNX's text syntax (onnx); `line` is where its block begins in the page. `target` is the runtime it is meant for;
    `elsewhere`: its weights are said to be in a file that is not there. `values` are the options that it sets.
    """

    fires: bool
    language: str
    target: Target | None = None
    elsewhere: bool = False
    values: Mapping[str, OptionValue] = {}
    code: str
    description: str
    line: int

    @property
    def format(self) -> Format:
        """The family of formats that the example is written in."""
        return "onnx" if self.language == "onnx" else "keras"


class Rule(FrontMatter, frozen=True, kw_only=True):
    """A whole page, and what users set about it.

    `needs` are the facts (`table.column`) that the query reads; the proof fills them in. `values` are the options that
    differ from their defaults. `severity` is the page's, which its query may grade row by row; or the user's, which
    then holds for all rows (`overridden`).
    """

    path: str
    title: str
    markdown: str
    sections: Mapping[str, str]
    examples: tuple[Example, ...]
    sql: str
    sql_line: int
    needs: tuple[str, ...] = ()
    values: Mapping[str, OptionValue] = {}
    overridden: bool = False

    def parameters(self) -> dict[str, OptionValue]:
        """What the query's parameters are bound to: the options, by name."""
        return {name: self.values.get(name, option.default) for name, option in self.options.items()}

    def templates(self) -> tuple[str, ...]:
        """The templates that a finding is worded with."""
        return tuple(text for text in (self.message, self.advice, self.fix) if text is not None)
