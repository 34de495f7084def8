"""What a run of the rules says about a model."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from archlint.rules.rule import Severity

Value = int | float | str | None

Outcome = Literal["confirmed", "mechanism only", "remedy refuted", "refuted", "inconclusive"]


class Proof(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a trial of a finding has shown, by training or by measuring; `sentence` says it to people.

    `claimed` is the severity before, where the outcome made it advice. `effect` is how much higher the loss (`metric`)
    is without the remedy, as a share; it lies between `low` and `high` with 95 %.
    """

    outcome: Outcome
    sentence: str
    claimed: Severity | None = None
    metric: str | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int = 0


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault: `layer` is the path of the layer at fault, None if it is the model as a whole.

    `evidence` holds the other columns of the row that the rule's query returned. `verdict` is there if it was tried.
    """

    code: str
    name: str
    severity: Severity
    layer: str | None
    message: str
    advice: str
    fix: str | None
    evidence: Mapping[str, Value]
    verdict: Proof | None = None


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
