"""What the panels of a picture have in common. Colours are Okabe and Ito's, safe for the colour-blind."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Look(NamedTuple):
    """How an arm is drawn."""

    colour: str
    mark: str


LOOKS = (Look("#d55e00", "o"), Look("#0072b2", "s"), Look("#009e73", "^"))
"""Of the model as it is, of that with the change, and of a third one that no claim has so far."""


def clean(axes: "Axes", title: str) -> None:
    """A light grid, no frame, and a title on the left."""
    axes.set_title(title, loc="left", fontsize=10, parse_math=False)
    axes.grid(color="0.92", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
