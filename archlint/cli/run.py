"""A run: the files that were named, each checked by the rules of the configuration that governs it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from archlint.config import Project, Projects
from archlint.errors import UsageError
from archlint.evidence import Evidence
from archlint.judged import Judged
from archlint.paths import is_folder, model_files
from archlint.pool import Job, check_all, workers_for
from archlint.reports import Checked
from archlint.rules import Rule
from archlint.rules.catalogue import refuse_unknown
from archlint.selection import chosen_rules, known_rules

if TYPE_CHECKING:
    from archlint.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the options of a command ask for.

    Attributes:
        overrides: the options that are settings, too, as `archlint.config.with_cli` takes them.
        targets: what `--target` names: a runtime, columns of the data.
    """

    paths: Sequence[str]
    config: Sequence[str] = ()
    isolated: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    targets: Sequence[str] = ()
    data: Path | None = None


class Subject(NamedTuple):
    """A file, the configuration that governs it, and the rules and evidence that judge it."""

    path: str
    project: Project
    rules: tuple[Rule, ...]
    evidence: Evidence

    def judged(self, checked: Checked, path: str) -> Judged:
        """The file after it was checked; `path` is how a configuration or baseline names it."""
        return Judged(path, checked, self.rules, self.evidence)


class Plan:
    """Which files a run checks, and by what.

    Raises:
        UsageError: an option or a configuration cannot be used, or there is nothing to check.
        PageError: a rule page is none.
    """

    def __init__(self, asked: Asked) -> None:
        from archlint.targets import told_apart

        runtime, columns = told_apart(asked.targets, data=asked.data is not None)
        self.asked = asked
        self.projects = Projects(asked.config, asked.isolated, {**asked.overrides, "target": runtime})
        self.data = _loaded(asked.data, columns)
        self._evidence: dict[Project, Evidence] = {}
        self._known: dict[tuple[str, ...], tuple[Rule, ...]] = {}
        self._chosen: dict[tuple[Project, tuple[str, ...]], tuple[Rule, ...]] = {}

    def subjects(self) -> tuple[Subject, ...]:
        """The files, in the order in which they are reported."""
        return tuple(self._subject(path) for path in model_files(self.asked.paths, self._excluded))

    def governed(self, project: Project) -> frozenset[str]:
        """All model files that a configuration governs, checked or not, named from its folder."""
        try:
            found = model_files([str(project.root)], self._excluded)
        except UsageError:  # there are none
            return frozenset()
        return frozenset(project.relative(path) for path in found if self.projects.of(path) is project)

    def rules_of(self, subjects: Iterable[Subject]) -> tuple[Rule, ...]:
        """The rules that judge any of the files, by code."""
        different = {rule.code: rule for subject in subjects for rule in subject.rules}
        return tuple(different[code] for code in sorted(different))

    def known(self, project: Project) -> tuple[Rule, ...]:
        """All rules that a configuration can name: the built-in ones and those of its folders."""
        folders = project.settings.rules
        if folders not in self._known:
            self._known[folders] = known_rules(project)
        return self._known[folders]

    def _excluded(self, path: str, named: bool) -> bool:
        # a folder that is named is governed as what is in it, or the folder above the current one had a say in `.`
        project = self.projects.of(str(Path(path, "within")) if named and is_folder(path) else path)
        return (project.settings.force_exclude or not named) and project.excludes(path)

    def _subject(self, path: str) -> Subject:
        project = self.projects.of(path)
        if project not in self._evidence:
            settings = project.settings
            budget = settings.weight_bytes
            self._evidence[project] = Evidence(settings.target, settings.weights, self.data, budget=budget)
        return Subject(path, project, self._rules(project, path), self._evidence[project])

    def _rules(self, project: Project, path: str) -> tuple[Rule, ...]:
        key = (project, project.ignored_rules_for(path))
        if key not in self._chosen:
            self._chosen[key] = self._choice(*key)
        return self._chosen[key]

    def _choice(self, project: Project, ignored: Sequence[str]) -> tuple[Rule, ...]:
        known = self.known(project)
        for option in ("select", "ignore"):  # first, so that no configuration is blamed for them
            refuse_unknown(known, self.asked.overrides.get(option) or ())
        return chosen_rules(project, known, ignored)


def _loaded(path: Path | None, columns: Sequence[str]) -> "Dataset | None":
    if path is None:
        return None
    from archlint.dataset import load as load_data  # here: it needs numpy

    return load_data(path, columns)


def checked(subjects: Sequence[Subject], workers: int | None) -> Iterator[Checked]:
    """What the rules say of each file, in order; with so many processes, or as many as are worth it."""
    from archlint.cli.progress import bars

    with bars(len(subjects)) as shown:
        seen = {one.project: replace(one.evidence, progress=shown.weights) for one in subjects}
        jobs = [Job(one.path, one.rules, seen[one.project]) for one in subjects]
        yield from check_all(jobs, workers_for(jobs, workers), shown.files)
