"""What is known of a file of training data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archlint.dataset.statistics import Features, Targets

_LISTED = 30


@dataclass(frozen=True, slots=True)
class Values:
    """The values for one input or output: an array, or columns of a table.

    `label` is what the user calls them, `shape` has the samples first, `columns` are a table's names of the last axis.
    `features` is None for texts; both are None where the values were not looked at.
    """

    label: str
    shape: tuple[int, ...]
    features: Features | None = None
    targets: Targets | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """All that is meant for inputs, or all that is meant for outputs.

    `whole` is for the only one there is, `numbered` for several in their order, `named` for those of that name.
    """

    whole: Values | None = None
    numbered: tuple[Values, ...] = ()
    named: Mapping[str, Values] = field(default_factory=dict)

    @property
    def given(self) -> bool:
        """Whether there is anything."""
        return bool(self.whole or self.numbered or self.named)

    def find(self, name: str, number: int, *, alone: bool) -> Values | None:
        """The values for the input or output of this name and number; `alone`: it is the only one."""
        if alone and self.whole:
            return self.whole
        if name in self.named:
            return self.named[name]
        return self.numbered[number] if number < len(self.numbered) else None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A file of training data.

    `seen` are the samples that were looked at: the first ones, where there are more than archlint reads. `validation`
    are those set apart for validation. `tabular`: the columns are a table's, which training code may still change on
    its way to the model (texts to numbers, labels to one-hot rows, gaps to means). `held` names all that is in it.
    """

    name: str
    samples: int
    seen: int
    inputs: Parts
    targets: Parts
    validation: int | None = None
    tabular: bool = False
    held: str = ""

    @property
    def partial(self) -> bool:
        """Whether only the first samples were looked at."""
        return self.seen < self.samples


def listed(names: Sequence[str]) -> str:
    """Names of arrays or columns in a sentence, the first ones of many."""
    more = f" … +{len(names) - _LISTED}" if len(names) > _LISTED else ""
    return ", ".join(name or "(nameless)" for name in names[:_LISTED]) + more
