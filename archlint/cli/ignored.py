"""What a run found, without what the configurations hide."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from archlint.cli.run import Plan, Subject
from archlint.config import Project
from archlint.judged import Judged
from archlint.paths import is_folder
from archlint.reports import Checked
from archlint.reports.contract import Unused
from archlint.suppression import Scope, Wish, suppress, unused, wishes


class Heard(NamedTuple):
    """The files without the findings that are hidden, and the entries of configurations that hide nothing."""

    files: tuple[Checked, ...]
    unused: tuple[Unused, ...]


def without_ignored(plan: Plan, subjects: Sequence[Subject], files: Sequence[Checked]) -> Heard:
    """What is left of the files once each configuration has hidden what its `ignore` names.

    Raises:
        UsageError: an entry of `ignore` names no rule.
    """
    entries = {project: _wishes(plan, project) for project in {subject.project: None for subject in subjects}}
    heard, used = _hidden(entries, subjects, files)
    idle = [
        entry
        for project, of_it in entries.items()
        # those that it takes over from another configuration are there for other files, too
        if (own := of_it[project.inherited :]) and not used.issuperset(own)
        for entry in unused(own, used, _judged(project, subjects, heard), _scope(plan, project))
    ]
    return Heard(heard, tuple(idle))


def _wishes(plan: Plan, project: Project) -> tuple[Wish, ...]:
    entries = project.settings.ignored_findings
    return wishes(entries, plan.known(project), project.name) if entries else ()


def _hidden(
    entries: Mapping[Project, Collection[Wish]], subjects: Sequence[Subject], files: Sequence[Checked]
) -> tuple[tuple[Checked, ...], set[Wish]]:
    """The files without what is hidden, and the entries that hid it."""
    heard, used = [], set[Wish]()
    for subject, file in zip(subjects, files, strict=True):
        project = subject.project
        shown, by = suppress(file, tuple(entries[project]), project.relative(subject.path))
        heard.append(shown)
        used |= by
    return tuple(heard), used


def _judged(project: Project, subjects: Sequence[Subject], files: Sequence[Checked]) -> list[Judged]:
    return [
        subject.judged(file, project.relative(subject.path))
        for subject, file in zip(subjects, files, strict=True)
        if subject.project is project
    ]


def _scope(plan: Plan, project: Project) -> Scope:
    folders = [Path.cwd() / path for path in plan.asked.paths if is_folder(path)]
    return Scope(project.name, project.root, folders, lambda: plan.governed(project))
