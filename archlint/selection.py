"""Which rules a project runs, and how they are set."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from archlint.config import Project
from archlint.errors import UsageError
from archlint.paths import as_named
from archlint.rules import Rule, choose, configure, load
from archlint.rules.catalogue import matches, refuse_unknown


def known_rules(project: Project) -> tuple[Rule, ...]:
    """All rules that a project can name: the built-in ones and those of its folders.

    Raises:
        PageError: a page is no rule.
        UsageError: there is no such folder.
    """
    return load([Path(as_named(Path(folder))) for folder in project.settings.rules])


def chosen_rules(project: Project, known: Sequence[Rule], ignored: Sequence[str] = ()) -> tuple[Rule, ...]:
    """The rules that the settings leave, with their options and severities.

    Args:
        project: whose settings.
        known: all rules that it can name.
        ignored: rules that do not run on the file at hand.

    Raises:
        UsageError: a setting names no rule or no option of one, or no rule is left.
    """
    settings = project.settings
    for key, selectors in _named(project):
        with _blamed(project, f": {key}"):
            refuse_unknown(known, selectors)
    with _blamed(project):
        ours = configure(known, settings.options, settings.severity)
        left = choose(ours, settings.select, settings.ignored_rules, settings.preview)
        if not left:
            raise UsageError("no rule is left, as `ignore` takes out all that `select` names; name fewer rules in it")
    return tuple(rule for rule in left if not any(matches(rule, selector) for selector in ignored))


def _named(project: Project) -> Iterator[tuple[str, Iterable[str]]]:
    """The settings that name rules, and what they name."""
    settings = project.settings
    yield "select", settings.select
    yield "ignore", settings.ignored_rules
    yield "severity", settings.severity
    yield "per-file-ignores", (selector for rules in settings.per_file_ignores.values() for selector in rules)


@contextmanager
def _blamed(project: Project, place: str = "") -> Iterator[None]:
    """Let an error of the block say where its cause is written, if that is a file."""
    try:
        yield
    except UsageError as error:
        if project.source is None:
            raise
        raise UsageError(f"{project.name}{place}: {error}") from error
