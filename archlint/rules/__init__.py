"""Rules: Markdown pages with one SQL query each, and the engine that runs them over the facts of a model."""

from archlint.rules.catalogue import choose, find, load
from archlint.rules.configure import configure
from archlint.rules.document import document
from archlint.rules.engine import run
from archlint.rules.finding import Finding, NotChecked, Report
from archlint.rules.rule import Rule
from archlint.rules.sandbox import run_query

__all__ = [
    "Finding",
    "NotChecked",
    "Report",
    "Rule",
    "choose",
    "configure",
    "document",
    "find",
    "load",
    "run",
    "run_query",
]
