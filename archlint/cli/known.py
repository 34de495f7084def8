"""What a run found, without what the baselines hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from archlint.cli.run import Plan, Subject
from archlint.paths import as_named
from archlint.reports import Checked
from archlint.reports.contract import Stale

if TYPE_CHECKING:
    from archlint.baseline import Baseline, Run


class New(NamedTuple):
    """The files without the findings that are known, and the entries of baselines of which models are cured."""

    files: tuple[Checked, ...]
    stale: tuple[Stale, ...]


def without_known(plan: Plan, subjects: Sequence[Subject], files: Sequence[Checked]) -> New:
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
    old = [entry for path, held in baselines.items() for entry in stale(held, _run(plan, path, held, subjects, new))]
    return New(new, tuple(old))


def _hidden(subject: Subject, file: Checked, baselines: "Mapping[str, Baseline]") -> Checked:
    from archlint.baseline import hide

    path = subject.project.settings.baseline
    return hide(file, baselines[path], baselines[path].place(subject.path)) if path else file


def _run(plan: Plan, path: str, baseline: "Baseline", subjects: Sequence[Subject], files: Sequence[Checked]) -> "Run":
    """What the run tells of the baseline at a path."""
    ours = [pair for pair in zip(subjects, files, strict=True) if pair[0].project.settings.baseline == path]
    return run_of(plan, baseline, [subject for subject, _ in ours], [file for _, file in ours])


def run_of(plan: Plan, baseline: "Baseline", subjects: Sequence[Subject], files: Sequence[Checked]) -> "Run":
    """What these files of a run tell of a baseline."""
    from archlint.baseline import Run

    judged = [subject.judged(file, baseline.place(subject.path)) for subject, file in zip(subjects, files, strict=True)]
    paths = {file.path: Path(subject.path) for subject, file in zip(subjects, judged, strict=True)}
    projects = {subject.project: None for subject in subjects}
    codes = frozenset(rule.code for project in projects for rule in plan.known(project))
    return Run(judged, Search(plan, baseline.folder), codes, lambda file: _layers(paths[file]))


def _layers(path: Path) -> frozenset[str]:
    """The names of all layers and nodes in a file."""
    from archlint.readers import open_model

    with open_model(path) as model:
        nodes = model.exchange.nodes if model.exchange else ()
        return frozenset(layer.name for layer in model.layers) | {node.name for node in nodes}


@dataclass(frozen=True)
class Search:
    """Whether a run would have met a file, named from a folder, were it there: itself, or in a folder."""

    plan: Plan
    folder: Path

    @cached_property
    def _named(self) -> list[Path]:
        return [Path(asked).resolve() for asked in self.plan.asked.paths]

    def __call__(self, file: str) -> bool:
        """Whether the file is one that was named, or lies in a folder that was and is not excluded from it."""
        path = (self.folder / file).resolve()
        if path in self._named:
            return True
        within = any(path.is_relative_to(folder) for folder in self._named)
        return within and not self.plan.projects.of(str(path)).excludes(str(path))
