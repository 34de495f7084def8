"""A file of a run, and what the silence of a rule about it proves.

An entry that hides a finding, in a configuration or a baseline, is out of date if there is nothing left to hide. That a
run found nothing shows it only where the rule would have spoken: it ran, it had its facts, and it came to an end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from archlint.evidence import Evidence
from archlint.reports.contract import Checked
from archlint.rules.rule import Rule

_OF_THE_RUNTIME = frozenset({"model.target"})
_OF_THE_DATA = frozenset({"model.samples", "output.target_low"})


@dataclass(frozen=True)
class Judged:
    """A file of a run.

    `path` names it from the folder of the configuration or baseline that is asked about, with `/` between folders.
    `rules` are those that ran on it, `evidence` what they went by.
    """

    path: str
    checked: Checked
    rules: Sequence[Rule]
    evidence: Evidence

    @cached_property
    def settled(self) -> frozenset[str]:
        """The codes of the rules that would have spoken of their fault, were it there."""
        if self.checked.format is None:
            return frozenset()
        silenced = {rule.code for rule in self.checked.not_checked}
        return frozenset(
            rule.code
            for rule in self.rules
            if not self.checked.format.startswith(rule.formats) or (rule.code not in silenced and self._as_ever(rule))
        )

    def _as_ever(self, rule: Rule) -> bool:
        """Whether the rule says as much as in a run with other evidence, where it can speak without any.

        Without a target, rules about runtimes are silent; with data, some find that there is no fault after all.
        """
        told = self.evidence.target is not None or _OF_THE_RUNTIME.isdisjoint(rule.needs)
        return told and (self.evidence.data is None or _OF_THE_DATA.isdisjoint(rule.needs))
