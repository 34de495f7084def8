"""A page for each rule, as `archlint rule NAME` prints it, and the index of all of them."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from pathlib import PurePath
from typing import Any

from archlint.rules import Rule, document, load
from generate.markdown import plain, table

FAMILIES = {
    "ACT": "Activations",
    "CNV": "Convolutions",
    "DAT": "Training data",
    "DRP": "Dropout",
    "GRF": "The graph",
    "INI": "Initialization",
    "LOS": "Losses, outputs and metrics",
    "NRM": "Normalization",
    "NUM": "Numbers",
    "ONX": "Exported models",
    "OPT": "Optimizers",
    "REG": "Regularization",
    "RNN": "Recurrent layers",
    "SEC": "Trust",
    "TRF": "Transfer learning",
    "WGT": "Stored weights",
}
"""What the first letters of a code stand for."""

_INFO = re.compile(r'^```(?P<language>\w+) (?P<about>[^`"\n]+)$', re.MULTILINE)

_HEAD = """\
---
hide: [toc]
---

# Rules

{count} rules. `archlint rule NAME` prints the page of each in the terminal; [How a page is written](pages.md) says what
the parts of a page mean, [Configuring](../configuring.md) how to choose rules and set their options. Severities are
those that a rule starts from: some grade a finding by its evidence.
"""


@cache
def catalogue() -> tuple[Rule, ...]:
    """The built-in rules."""
    return load()


def pages() -> dict[str, str]:
    """The pages and their index."""
    return {"rules/index.md": _index(catalogue())} | {f"rules/{place(rule)}": _page(rule) for rule in catalogue()}


def navigation() -> list[dict[str, Any]]:
    """The entries of the sidebar."""
    return [
        {f"{family} {FAMILIES[family]}": [{f"{rule.code} {rule.name}": f"rules/{place(rule)}"} for rule in rules]}
        for family, rules in _families(catalogue())
    ]


def place(rule: Rule) -> str:
    """The file of a rule's page among the rules."""
    return PurePath(rule.path).name


def link(rule: Rule, folder: str = "rules/") -> str:
    """A link to a rule's page, which shows its code."""
    return f'[{rule.code}]({folder}{place(rule)} "{rule.name}")'


def _page(rule: Rule) -> str:
    return _INFO.sub('```\\g<language> title="\\g<about>"', document(rule))


def _families(rules: Iterable[Rule]) -> Iterator[tuple[str, list[Rule]]]:
    for family, members in groupby(rules, key=lambda rule: rule.code[:3]):
        yield family, list(members)


def _index(rules: tuple[Rule, ...]) -> str:
    parts = [_HEAD.format(count=len(rules))]
    for family, members in _families(rules):
        parts += [f"## {family}: {FAMILIES[family]}", table(_COLUMNS, map(_row, members))]
    return "\n\n".join(parts) + "\n"


_COLUMNS = ("Code", "Name", "What is wrong", "Severity", "Stage", "Formats", "Options")


def _row(rule: Rule) -> tuple[str, ...]:
    options = ", ".join(f"`{name.replace('_', '-')}`" for name in rule.options)
    name = f"[{rule.name}]({place(rule)})"
    return rule.code, name, plain(rule.title), rule.severity, rule.stage, ", ".join(rule.formats), options
