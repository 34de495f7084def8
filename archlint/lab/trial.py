"""A trial: one finding, the arms by which its claim is put to the test, and what is known of it beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archlint.lab.events import TrialInfo
from archlint.lab.verdict import Reason
from archlint.rules.finding import Finding

if TYPE_CHECKING:
    from archlint.lab.arms import Arm, Plan
    from archlint.lab.claims.base import Claim

AS_IT_IS = "as it is"
"""The name of the arm that is the model in the file."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A finding and how its claim is tested.

    `before` is the model as it is, `after` with the remedy; None where it could not be built. `names` are those that
    the layers have in both, by path. `adaptive`: the optimizer scales gradients up. `least` are the fewest seeds before
    it is decided. `note` says what could not be tried. With a `reason` nothing is tried, and the trial is undecided.
    """

    info: TrialInfo
    finding: Finding
    claim: "Claim | None" = None
    before: "Arm | None" = None
    after: "Arm | None" = None
    plan: "Plan | None" = None
    names: Mapping[str, str] = field(default_factory=dict)
    optimizer: str = ""
    adaptive: bool = True
    least: int = 3
    assumed: tuple[str, ...] = ()
    note: str | None = None
    reason: Reason | None = None
