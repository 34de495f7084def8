"""Claims: what findings say happens, each with the test that confirms or refutes it, by the name in `claim:`."""

from collections.abc import Mapping

from archlint.lab.claims.base import Claim, Judged, Work
from archlint.lab.claims.drift import SeluDrift
from archlint.lab.claims.dying import DyingRelu
from archlint.lab.claims.explosions import Explodes, Unstable
from archlint.lab.claims.helps import Helps
from archlint.lab.claims.overfits import Overfits
from archlint.lab.claims.redundant import RedundantBias
from archlint.lab.claims.shift import VarianceShift
from archlint.lab.claims.slow import Slow
from archlint.lab.claims.symmetric import Symmetric
from archlint.lab.claims.tiny import TinyBatches

__all__ = ["CLAIMS", "Claim", "Judged", "Work"]

_LISTED = (
    DyingRelu,
    Explodes,
    Helps,
    Overfits,
    RedundantBias,
    SeluDrift,
    Slow,
    Symmetric,
    TinyBatches,
    Unstable,
    VarianceShift,
)

CLAIMS: Mapping[str, Claim] = {claim.name: claim() for claim in _LISTED}
"""Every claim by the name that pages use."""
