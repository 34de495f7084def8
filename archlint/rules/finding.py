"""What a run of the rules says about a model."""

from collections.abc import Mapping

import msgspec

from archlint.rules.rule import Severity

Value = int | float | str | None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: `layer` is the path of the layer at fault, None if it is the model as a whole.

    `evidence` holds the other columns of the row that the rule's query returned.
    """

    code: str
    name: str
    severity: Severity
    layer: str | None
    message: str
    advice: str
    fix: str | None
    evidence: Mapping[str, Value]


class NotChecked(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that could not judge this model: the facts it lacked, and why in words.

    `needs` is empty where the rule had its facts but gave up: the model was too much for it.
    """

    code: str
    name: str
    needs: tuple[str, ...]
    why: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rules say of one model: findings by severity and code, and the rules that could not judge.

    `judged` is how many rules could.
    """

    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]
    judged: int
