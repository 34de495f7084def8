"""What a run found, without what the baselines hold."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from archlint.cli.run import Subject
from archlint.judged import Judged
from archlint.paths import as_named
from archlint.reports import Checked
from archlint.reports.contract import Stale

if TYPE_CHECKING:
    from archlint.baseline import Baseline


class New(NamedTuple):
    """The files without the findings that are known, and the entries of baselines of which models are cured."""

    files: tuple[Checked, ...]
    stale: tuple[Stale, ...]


def without_known(subjects: Sequence[Subject], files: Sequence[Checked]) -> New:
    """What is left of the files once the baseline of each has hidden what it holds.

    Raises:
        UsageError: a baseline is none, or cannot be read.
    """
    named = {path: None for subject in subjects if (path := subject.project.settings.baseline)}
    if not named:
        return New(tuple(files), ())
    from archlint.baseline import read, stale

    baselines = {path: read(Path(as_named(Path(path)))) for path in named}
    new = tuple(_hidden(subject, file, baselines) for subject, file in zip(subjects, files, strict=True))
    old = [entry for path, held in baselines.items() for entry in stale(held, _judged(path, held, subjects, new))]
    return New(new, tuple(old))


def _hidden(subject: Subject, file: Checked, baselines: "Mapping[str, Baseline]") -> Checked:
    from archlint.baseline import hide

    path = subject.project.settings.baseline
    return hide(file, baselines[path], baselines[path].place(subject.path)) if path else file


def _judged(path: str, baseline: "Baseline", subjects: Sequence[Subject], files: Sequence[Checked]) -> list[Judged]:
    return [
        subject.judged(file, baseline.place(subject.path))
        for subject, file in zip(subjects, files, strict=True)
        if subject.project.settings.baseline == path
    ]
