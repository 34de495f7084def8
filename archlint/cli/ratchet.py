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
    from archlint.baseline import Baseline, Entry, Run
    from archlint.cli.run import Asked, Plan, Subject
    from archlint.config import Project
    from archlint.reports import Checked
    from archlint.reports.contract import Stale

_ENTRIES = 100
"""Stale entries that are listed; of more, how many there are is said."""


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
        bool, typer.Option("--prune", help="Only take out what is no longer there, or move it to its new name.")
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
    """Accept what is found in model files: write it down, so that check only reports what is new.

    Where there is a baseline already, what is found in these files takes the place of what it held of them; entries
    about other files stay unless these are gone from a folder that is named, and so do those about rules that did not
    run. With --prune, entries of which the layer or the file has another name follow it.

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
        _prune(asked, output_file, jobs)
    else:
        _accept(asked, output_file, jobs)


def _accept(asked: "Asked", named: Path | None, jobs: int | None) -> None:
    """Write what is found, over what there is."""
    from archlint.baseline import Baseline, read, renewed
    from archlint.cli.known import run_of
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
    files = _found(plan, subjects, jobs)
    _refuse_parts(files, path)
    run = run_of(plan, before, subjects, files)
    _write(before, renewed(before, run), run)
    _tell_what_to_do_next(path, subjects)


def _prune(asked: "Asked", named: Path | None, jobs: int | None) -> None:
    """Take out what is stale, follow what was renamed, and say what it is."""
    from archlint.baseline import hide, pruned, read, stale
    from archlint.cli.known import run_of
    from archlint.cli.run import Plan

    plan = Plan(_with_paths(asked, named))
    subjects = plan.subjects() if plan.asked.paths else ()
    path = named or _configured({subject.project for subject in subjects if asked.paths} or {_here(asked)})
    before = read(path, both_sides=True)
    places = [before.place(subject.path) for subject in subjects]
    files = [hide(file, before, at) for at, file in zip(places, _found(plan, subjects, jobs), strict=True)]
    _refuse_parts((file for at, file in zip(places, files, strict=True) if asked.paths or at in before.files), path)
    run = run_of(plan, before, subjects, files)
    if not asked.paths:
        run = replace(run, meets=lambda _file: True)
    outdated = stale(before, run)
    for entry in outdated[:_ENTRIES]:
        typer.echo(_outcome(entry))
    if len(outdated) > _ENTRIES:
        typer.echo(f"… +{len(outdated) - _ENTRIES:,}")
    if not outdated:
        typer.echo("nothing is stale here; where a check says so, repeat its options (--target, --rules …)")
    _write(before, pruned(before, run), run)


def _outcome(entry: "Stale") -> str:
    """What has become of an entry."""
    from msgspec.structs import replace as changed

    from archlint.reports.text import safe_text
    from archlint.reports.wording import stale_entry

    if entry.renamed is None:
        return f"stale: {stale_entry(entry)}"
    return f"moved: {stale_entry(changed(entry, renamed=None, gone=None))} -> {safe_text(entry.renamed)}"


def _with_paths(asked: "Asked", named: Path | None) -> "Asked":
    """What was asked for; if it does not say about which files, about those that the baseline names.

    Where one of them is gone, it is looked for among all files that the configuration governs.
    """
    from archlint.baseline import NAME, read
    from archlint.cli.run import Plan

    if asked.paths:
        return asked
    here = _here(asked)
    held = read(named or _configured({here}), both_sides=True)
    paths = [str(held.folder / file) for file in sorted(held.files - held.missing)]
    if held.missing:
        plan = Plan(replace(asked, targets=(), data=None))
        paths += [str(here.root / file) for file in sorted(plan.governed(plan.projects.of(NAME)))]
    return replace(asked, paths=paths)


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


def _found(plan: "Plan", subjects: "Sequence[Subject]", jobs: int | None) -> "tuple[Checked, ...]":
    """The files with all that is found in them and not hidden by a configuration."""
    from archlint.cli.ignored import without_ignored
    from archlint.cli.run import checked

    return without_ignored(plan, subjects, tuple(checked(subjects, jobs))).files


def _refuse_parts(files: "Iterable[Checked]", path: Path) -> None:
    """ReadError where there may be more than was found: nothing is to be written then."""
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


def _write(before: "Baseline", entries: "Sequence[Entry]", run: "Run") -> None:
    """Write the baseline, and say how much it holds, and what of it nobody can judge."""
    from archlint import __version__
    from archlint.baseline import written
    from archlint.cli.outputs import opened
    from archlint.reports.text import escaped

    with opened(before.path) as stream:
        stream.write(written(entries, __version__))
    known = f"; before, it held {_counted(before.entries)}" if before.entries else ""
    typer.echo(escaped(f"{before.path} holds {_counted(entries)}{known}"))
    foreign = [entry for entry in entries if run.codes and entry.rule[:3] not in run.families]
    for family in sorted({entry.rule[:3] for entry in foreign}):
        count = _counted([entry for entry in foreign if entry.rule.startswith(family)])
        advice = "name their pack with --rules, or delete the lines"
        typer.echo(f"kept: {count} by rules {family}, of which none is loaded; {advice}")


def _tell_what_to_do_next(path: Path, subjects: "Iterable[Subject]") -> None:
    """Say how check learns of the baseline, if a configuration does not name it."""
    from archlint.config import toml
    from archlint.paths import as_named
    from archlint.reports.text import escaped

    project = next((one.project for one in subjects if not _names(one.project, path)), None)
    if project is None:
        return
    line = f"baseline = {toml.value(project.relative(str(path)))}"
    file = as_named(project.source) if project.source else "archlint.toml"
    table = "[tool.archlint] in " if file.endswith("pyproject.toml") else ""
    typer.echo(escaped(f"now add `{line}` to {table}{file}, or check with --baseline {path}"))


def _names(project: "Project", path: Path) -> bool:
    stated = project.settings.baseline
    return stated is not None and Path(stated).resolve() == path.resolve()


def _counted(entries: "Sequence[Entry]") -> str:
    from archlint.rules.template import plural

    findings = plural(sum(entry.count for entry in entries), "finding")
    return f"{findings} of {plural(len({entry.file for entry in entries}), 'file')}"
