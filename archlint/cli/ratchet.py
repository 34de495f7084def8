"""`archlint baseline`."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archlint.cli.options import (
    Config,
    Data,
    Exclude,
    ForceExclude,
    Ignore,
    Isolated,
    Jobs,
    Preview,
    Rules,
    Select,
    Targets,
    Weights,
    overrides,
)

if TYPE_CHECKING:
    from archlint.baseline import Baseline, Entry
    from archlint.cli.run import Asked, Plan, Subject
    from archlint.config import Project
    from archlint.judged import Judged
    from archlint.reports import Checked


def baseline(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH…",
            help="Model files, folders or globs, as for check; with --prune, by default those that the baseline names.",
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output-file",
            "-o",
            metavar="FILE",
            help="The baseline; by default the one that the configuration names, or archlint-baseline.json.",
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Only take out what is no longer there; accept nothing new.")
    ] = False,
    select: Select = None,
    ignore: Ignore = None,
    preview: Preview = None,
    rules: Rules = None,
    target: Targets = None,
    data: Data = None,
    weights: Weights = None,
    exclude: Exclude = None,
    force_exclude: ForceExclude = None,
    config: Config = None,
    isolated: Isolated = False,
    jobs: Jobs = None,
) -> None:
    """Accept what is found in model files: write it down, so that check --baseline only reports what is new.

    Where there is a baseline already, what is found in these files takes the place of what it held of them; entries
    about other files stay unless these are gone, and so do those about rules that did not run.

    Exit codes: 0 written, 2 something could not be checked, and nothing was written.
    """
    from archlint.cli.run import Asked

    settings = overrides(
        select, ignore, exclude, rules=rules, preview=preview, weights=weights, force_exclude=force_exclude
    )
    asked = Asked(
        paths=paths or (), config=config or (), isolated=isolated, overrides=settings, targets=target or (), data=data
    )
    if prune:
        _prune(_with_paths(asked, output_file), output_file, jobs)
    else:
        _accept(asked, output_file, jobs)


def _accept(asked: "Asked", named: Path | None, jobs: int | None) -> None:
    """Write what is found, over what there is."""
    from archlint.baseline import Baseline, read, renewed
    from archlint.cli.run import Plan
    from archlint.errors import UsageError

    if not asked.paths:
        raise UsageError("name the files or folders whose findings are accepted, as archlint baseline PATH…")
    plan = Plan(asked)
    subjects = plan.subjects()
    if not subjects:
        raise UsageError("every file that was named is excluded, so there is nothing to accept; name others")
    path = named or _configured({subject.project for subject in subjects})
    before = read(path) if path.exists() else Baseline(path, ())
    _write(before, renewed(before, _judged(plan, subjects, jobs, before)))


def _prune(asked: "Asked", named: Path | None, jobs: int | None) -> None:
    """Take out what is stale, and say what it is."""
    from archlint.baseline import hide, pruned, read, stale
    from archlint.cli.run import Plan
    from archlint.reports.wording import stale_entry

    plan = Plan(asked)
    subjects = plan.subjects() if asked.paths else ()
    before = read(named or _configured({subject.project for subject in subjects} or {_here(asked)}))
    judged = _judged(plan, subjects, jobs, before)
    new = [replace(file, checked=hide(file.checked, before, file.path)) for file in judged]
    for entry in stale(before, new):
        typer.echo(f"stale: {stale_entry(entry)}")
    _write(before, pruned(before, new))


def _with_paths(asked: "Asked", named: Path | None) -> "Asked":
    """What was asked for, about the files that the baseline names if it does not say about which."""
    from archlint.baseline import read

    if asked.paths:
        return asked
    held = read(named or _configured({_here(asked)}))
    files = (held.folder / file for file in sorted(held.files))
    return replace(asked, paths=[str(file) for file in files if file.exists()])


def _here(asked: "Asked") -> "Project":
    """What governs the current folder."""
    from archlint.baseline import NAME
    from archlint.config import Projects

    return Projects(asked.config, asked.isolated, asked.overrides).of(NAME)


def _configured(projects: "Collection[Project]") -> Path:
    """The baseline that configurations name."""
    from archlint.baseline import NAME
    from archlint.errors import UsageError
    from archlint.paths import as_named

    named = sorted({project.settings.baseline or NAME for project in projects})
    if len(named) > 1:
        raise UsageError(f"these files have different baselines ({', '.join(named)}); name one as --output-file FILE")
    return Path(as_named(Path(named[0])))


def _judged(plan: "Plan", subjects: "Sequence[Subject]", jobs: int | None, baseline: "Baseline") -> "list[Judged]":
    """The files with all that is found in them and not hidden by a configuration.

    Raises:
        ReadError: some could not be checked to the end.
    """
    from archlint.cli.ignored import without_ignored
    from archlint.cli.run import checked

    files = without_ignored(plan, subjects, tuple(checked(subjects, jobs))).files
    _refuse_parts(files, baseline.path)
    return [subject.judged(file, baseline.place(subject.path)) for subject, file in zip(subjects, files, strict=True)]


def _refuse_parts(files: "Iterable[Checked]", path: Path) -> None:
    """Write nothing where there may be more than was found."""
    from archlint.errors import ReadError
    from archlint.reports.text import safe_text

    failures = [f"{file.path}: {why}" for file in files for why in _failures(file)]
    for failure in failures:
        typer.echo(f"archlint: {safe_text(failure)}", err=True)
    if failures:
        raise ReadError(f"{path} is not written, as not everything could be checked; mend or leave out what is named")


def _failures(file: "Checked") -> "Iterator[str]":
    """Why a file, or a rule on it, did not come to an end."""
    if file.error is not None:
        yield file.error
    for rule in file.not_checked:
        if not rule.needs:
            yield f"{rule.name} gave up: {rule.why}; leave the rule out with --ignore {rule.code}"


def _write(before: "Baseline", entries: "Sequence[Entry]") -> None:
    """Write the baseline, and say how much it holds."""
    from archlint import __version__
    from archlint.baseline import written
    from archlint.cli.outputs import opened
    from archlint.reports.text import escaped

    with opened(before.path) as stream:
        stream.write(written(entries, __version__))
    known = f"; before, it held {_counted(before.entries)}" if before.entries else ""
    typer.echo(escaped(f"{before.path} holds {_counted(entries)}{known}"))


def _counted(entries: "Sequence[Entry]") -> str:
    from archlint.rules.template import plural

    findings = plural(sum(entry.count for entry in entries), "finding")
    return f"{findings} of {plural(len({entry.file for entry in entries}), 'file')}"
