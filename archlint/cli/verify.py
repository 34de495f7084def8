"""`archlint verify`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from archlint.cli.judge import FailOn, Trying, exit_code, unproved
from archlint.cli.options import (
    Config,
    Data,
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
    from archlint.cli.run import Plan, Subject
    from archlint.cli.trials import Outcomes
    from archlint.lab.events import Request
    from archlint.reports.verdicts import Verified


class Engine(StrEnum):
    """Which processes train; as `archlint.lab.events.Backend`, whose import takes time."""

    loky = "loky"
    dask = "dask"
    ray = "ray"


class VerdictFormat(StrEnum):
    """How verdicts are reported."""

    full = "full"
    json = "json"
    markdown = "markdown"


def verify(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file: .h5, .hdf5, .keras or .onnx.")],
    data: Data = None,
    target: Targets = None,
    level: Annotated[
        Trying,
        typer.Option(
            help="probe measures for seconds, at the beginning of training; train compares whole trainings, "
            "and needs --data."
        ),
    ] = Trying.probe,
    select: Select = None,
    ignore: Ignore = None,
    preview: Preview = None,
    rules: Rules = None,
    weights: Weights = None,
    seeds: Annotated[
        str,
        typer.Option(
            metavar="N|N..M",
            help="The fewest and the most seeds of each arm, between 3 and 8: it goes on until they have decided.",
        ),
    ] = "3..6",
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Up to eight seeds where six leave it open: finds smaller effects.")
    ] = False,
    budget: Annotated[
        str,
        typer.Option(metavar="TIME", help="How long it may train: 120s, 2m, 1h. What does not fit is left undecided."),
    ] = "120s",
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Epochs of a training; by default by the size of the data.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Samples of a batch; by default 32.")
    ] = None,
    backend: Annotated[
        Engine | None,
        typer.Option(
            help="What to train on: processes of this machine (loky), or a cluster, found by DASK_SCHEDULER_ADDRESS or "
            "RAY_ADDRESS, or else started on this machine. By default loky, where it pays."
        ),
    ] = None,
    jobs: Jobs = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="DIR", help="Draw the curves of each trial there, as PNG."),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(help="Exit with 1 if, after all, there is a finding of this severity or a graver one."),
    ] = None,
    require_proof: Annotated[
        bool, typer.Option("--require-proof", help="Only findings that were confirmed make the exit code 1.")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Findings that are known, and not tried; archlint baseline writes it."),
    ] = None,
    config: Config = None,
    isolated: Isolated = False,
    format: Annotated[VerdictFormat, typer.Option("--format", "-f", help="How to report.")] = VerdictFormat.full,
    output_file: Annotated[
        Path | None, typer.Option("--output-file", "-o", metavar="FILE", help="Write there instead of to the terminal.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Neither plan nor progress, only the report.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name every layer.")] = False,
) -> None:
    """Put the findings of a model file to the test: measure, or train with and without the remedy.

    Checks the file first, then tries each finding whose rule makes a claim (archlint rule NAME says which). What is
    tried, and how long that takes, is said before it begins. The network is built from what archlint read, in a
    process of its own with limits; nothing in the file is executed, and the file is not written. Without --data,
    random inputs stand in where they can, and claims about data stay undecided.

    A verdict has three parts: whether what the finding describes happens (mechanism), whether it does harm (symptom),
    and whether the change that archlint advises helps (remedy). It holds for these data, this optimizer and so many
    epochs. What is refuted counts as advice; what is undecided counts as before.

    Needs TensorFlow and Keras: pip install "archlint[verify]".

    For example: archlint verify model.keras --data train.npz --level train --budget 10m --plot curves

    Exit codes: those of check, after the verdicts; 2 also if the lab could not do its work, 130 after Ctrl-C.
    """
    from archlint.cli.run import Asked, Plan
    from archlint.cli.supplied import supplied
    from archlint.cli.trials import duration, interruptible, see_that_it_can_be_done, seed_range
    from archlint.lab.events import Backend, Level, Request

    see_that_it_can_be_done(backend)
    _prepare(output_file, plot)
    wished = Request(
        path=str(model),
        rules=(),
        level=Level(level),
        seeds=seed_range(seeds),
        thorough=thorough,
        budget=duration(budget),
        epochs=epochs,
        batch_size=batch_size,
        backend=Backend(backend) if backend else None,
        jobs=jobs,
    )
    asked = Asked(
        paths=[str(model)],
        config=config or (),
        isolated=isolated,
        targets=target or (),
        data=context.with_resource(supplied(data, quiet=quiet)),
        overrides=overrides(
            select,
            ignore,
            None,
            rules=rules,
            preview=preview,
            weights=weights,
            fail_on=fail_on and fail_on.value,
            baseline=baseline and str(baseline.absolute()),
        ),
    )
    with interruptible("nothing was written"):
        code = _verified(Plan(asked), wished, Wanted(format, output_file, plot, quiet, verbose, require_proof))
    raise typer.Exit(code)


class Wanted(NamedTuple):
    """What is to be said of the verdicts, and where."""

    format: VerdictFormat
    file: Path | None
    plot: Path | None
    quiet: bool
    verbose: bool
    require_proof: bool


def _prepare(file: Path | None, plot: Path | None) -> None:
    """See that the report can be written and pictures drawn, before there is anything to write or to draw."""
    from archlint.cli.outputs import see_that_it_can_be_written

    see_that_it_can_be_written(file)
    if plot is not None:
        from archlint.reports import curves

        curves.needed()
        with _kept_if_filled(plot):
            curves.folder(plot)


@contextmanager
def _kept_if_filled(folder: Path) -> Iterator[None]:
    """A folder that is made in the block, with those above it, is left behind only if something is in it then."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        yield
    finally:
        for place in made:
            with suppress(OSError):  # it was not made, or is not empty
                place.rmdir()


def _verified(plan: "Plan", wished: "Request", wanted: Wanted) -> int:
    """Check, try, report; the exit code."""
    from msgspec.structs import replace

    from archlint.cli.ignored import without_ignored
    from archlint.cli.known import without_known
    from archlint.cli.run import checked
    from archlint.cli.trials import failures, requested, tested
    from archlint.errors import ReadError

    subject = _only(plan)
    heard = without_ignored(plan, [subject], tuple(checked([subject], None)))
    (file,), stale = without_known(plan, [subject], heard.files)
    if file.error is not None:
        raise ReadError(f"{file.path}: {file.error}")
    outcome = tested(file, requested(plan, subject, file, wished), wanted.quiet)
    report = _report(outcome, wished, plan, subject)
    _write(report, wanted)
    if wanted.plot is not None:
        _draw(report, wanted.plot, wanted.quiet)
    stopped = failures([outcome])
    sys.stderr.writelines(f"archlint: {sentence}\n" for sentence in stopped)
    whole = replace(report, unused=heard.unused, stale=stale)
    if wanted.require_proof and not wanted.quiet:
        sys.stderr.writelines(f"archlint: {sentence}\n" for sentence in unproved(whole, [subject]))
    return 2 if stopped else exit_code(whole, [subject], require_proof=wanted.require_proof)


def _only(plan: "Plan") -> "Subject":
    """The file that was named.

    Raises:
        UsageError: it is no single file.
    """
    from archlint.errors import UsageError

    subjects = plan.subjects()
    if len(subjects) != 1:
        raise UsageError(
            f"{plan.asked.paths[0]} is not one model file but {len(subjects):,}; archlint check --verify takes several"
        )
    return subjects[0]


def _report(outcome: "Outcomes", wished: "Request", plan: "Plan", subject: "Subject") -> "Verified":
    from msgspec.structs import asdict

    from archlint import __version__
    from archlint.reports import summarise
    from archlint.reports.verdicts import Verification, Verified

    heard = outcome.heard
    verification = Verification(
        level=wished.level,
        seeds=(wished.seeds[0], wished.most_seeds),
        budget=wished.budget,
        planned=heard.planned.seconds if heard.planned else 0.0,
        seconds=outcome.seconds,
        assumed=heard.assumed(),
        failed=heard.failed,
        trials=heard.trials(),
    )
    report = summarise([outcome.file], len(subject.rules), __version__, plan.data)
    return Verified(**asdict(report), verification=verification)


def _write(report: "Verified", wanted: Wanted) -> None:
    from archlint.cli.outputs import opened
    from archlint.reports import machine, text, verdicts

    with opened(wanted.file) as stream:
        match wanted.format:
            case VerdictFormat.json:
                stream.write(machine.encode(report, indent=2) + "\n")
            case VerdictFormat.markdown:
                stream.writelines(verdicts.markdown(report))
            case VerdictFormat.full:
                text.write(verdicts.render(report, text.width_of(stream), wanted.verbose), stream)


def _draw(report: "Verified", folder: Path, quiet: bool) -> None:
    from archlint.reports import curves
    from archlint.rules.template import plural

    with _kept_if_filled(folder):
        drawn = curves.draw(curves.folder(folder), report.verification.trials)
    if not quiet:
        said = f"{plural(len(drawn), 'picture')} in {folder}" if drawn else "no picture, as nothing was measured"
        sys.stderr.write(f"{said}\n")
