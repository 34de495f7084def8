"""Findings put to the test: the lab is asked, and its verdicts are put beside the findings."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from archlint.cli.run import Subject
from archlint.cli.watching import watched
from archlint.errors import UsageError
from archlint.lab.events import Done, Ended, Event, Failed, Measured, Planned, Profiled, Ran, Request
from archlint.lab.isolated import verify
from archlint.lab.verdict import Outcome, Verdict
from archlint.reports import Checked
from archlint.reports.text import safe_text
from archlint.reports.verdicts import Attempt
from archlint.reports.wording import sentence
from archlint.rules.finding import Finding, Proof
from archlint.rules.rule import SEVERITIES

if TYPE_CHECKING:
    from archlint.cli.run import Plan

HARMLESS = (Outcome.refuted, Outcome.mechanism_only)
"""What fails no build: it does not happen, or it does no harm."""

START = 120.0
"""Seconds for TensorFlow to start and for a few steps of each arm to be timed, which the budget does not cover."""

SLACK = 2.0
"""How much longer than its budget the lab may take before it is ended: it looks at the clock between two seeds."""

INTERRUPTED = 130
"""What a shell calls a program that was ended by Ctrl-C."""

_TAKES: Mapping[str, Sequence[str]] = {
    "loky": ("joblib",),
    "dask": ("joblib", "dask", "distributed"),
    "ray": ("joblib", "ray"),
}
"""What is imported for each backend."""

DAY = 86_400
"""Seconds that a budget may have at most."""


@dataclass
class Heard:
    """What the lab has said so far."""

    planned: Planned | None = None
    failed: str | None = None
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    runs: dict[tuple[int, str, int], Ran] = field(default_factory=dict)
    measured: list[Measured] = field(default_factory=list)
    profiles: list[Profiled] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        """Remember what will be reported."""
        match event:
            case Planned():
                self.planned = event
            case Ran():
                self.runs[event.number, event.arm, event.seed] = event
            case Measured():
                self.measured.append(event)
            case Profiled():
                self.profiles.append(event)
            case Ended():
                self.verdicts[event.number] = event.verdict
            case Done() if self.planned:
                numbers = (info.number for info in self.planned.trials)
                self.verdicts = dict(zip(numbers, event.verdicts, strict=True))
            case Failed():
                self.failed = event.sentence

    def assumed(self) -> tuple[str, ...]:
        """What was taken for granted, in planning and later."""
        planned = self.planned.assumed if self.planned else ()
        later = (note for verdict in self.verdicts.values() for note in verdict.assumed)
        return tuple(dict.fromkeys((*planned, *later)))

    def trials(self) -> tuple[Attempt, ...]:
        """What was planned, each with what was seen of it."""
        return tuple(
            Attempt(
                info=info,
                verdict=self.verdicts.get(info.number),
                runs=tuple(ran for (number, *_), ran in self.runs.items() if number == info.number),
                measured=tuple(one for one in self.measured if one.number == info.number),
                profiles=tuple(one for one in self.profiles if one.number == info.number),
            )
            for info in (self.planned.trials if self.planned else ())
        )


class Outcomes(NamedTuple):
    """A file with verdicts beside its findings, and what the lab has said."""

    file: Checked
    heard: Heard
    seconds: float


def claimed(subject: Subject, file: Checked) -> list[Finding]:
    """The findings of a file whose rules make a claim that can be put to the test."""
    codes = {rule.code for rule in subject.rules if rule.claim}
    return [finding for finding in file.findings if finding.code in codes]


def see_that_it_can_be_done(backend: str | None = None) -> None:
    """Refuse at once what would fail after minutes.

    Raises:
        UsageError: TensorFlow or Keras is missing, or what the backend takes.
    """
    missing = [name for name, module in (("TensorFlow", "tensorflow"), ("Keras", "keras")) if find_spec(module) is None]
    if missing:
        raise UsageError(f"verifying trains with {' and '.join(missing)}: pip install 'archlint[verify]'")
    lacking = [name for name in _TAKES.get(backend or "", ()) if find_spec(name) is None]
    if lacking:
        raise UsageError(f"--backend {backend} takes {' and '.join(lacking)}: pip install 'archlint[cluster]'")


def requested(plan: "Plan", subject: Subject, file: Checked, wished: Request) -> Request:
    """What to ask of the lab about one file: what the user wishes for, of what is left of the findings."""
    from archlint.targets import told_apart

    asked = plan.asked
    _, columns = told_apart(asked.targets, data=asked.data is not None)
    return replace(
        wished,
        path=str(Path(subject.path).absolute()),
        rules=subject.rules,
        only=tuple((finding.code, finding.layer) for finding in claimed(subject, file)),
        data=str(asked.data.absolute()) if asked.data else None,
        columns=tuple(columns),
        weights=subject.evidence.weights,
    )


def tested(file: Checked, request: Request, quiet: bool = False) -> Outcomes:
    """The file after the lab has tried its findings; nothing is started if there is none to try."""
    heard, began = Heard(), monotonic()
    if request.only:
        with watched(file, request, quiet=quiet) as shown:

            def tell(event: Event) -> None:
                heard.hear(event)
                shown(event)

            verify(request, tell, START + SLACK * request.budget)
    return Outcomes(judged(file, heard.trials()), heard, monotonic() - began)


def judged(file: Checked, trials: Iterable[Attempt]) -> Checked:
    """The file with a verdict in each finding that was tried; what was refuted is advice from now on."""
    verdicts: dict[tuple[str, str | None], list[Verdict]] = {}
    for trial in trials:
        if trial.verdict is not None:
            verdicts.setdefault((trial.info.code, trial.info.layer), []).append(trial.verdict)
    # A rule may fire twice at a layer; trials are in the order of the findings
    queues = {key: iter(waiting) for key, waiting in verdicts.items()}
    findings = [
        _proved(finding, next(queues.get((finding.code, finding.layer), iter(())), None)) for finding in file.findings
    ]
    ordered = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
    return replace(file, findings=tuple(ordered))


def _proved(finding: Finding, verdict: Verdict | None) -> Finding:
    if verdict is None:
        return finding
    downgraded = verdict.outcome in HARMLESS and finding.severity != "advice"
    proof = Proof(
        outcome=verdict.outcome.value,
        sentence=verdict.sentence,
        claimed=finding.severity if downgraded else None,
        seeds=verdict.seeds,
    )
    if verdict.effects:
        first = verdict.effects[0]
        proof = replace(proof, metric=first.metric, effect=first.mean, low=first.low, high=first.high)
    return replace(finding, severity="advice" if downgraded else finding.severity, verdict=proof)


def duration(text: str) -> float:
    """The seconds that `120s`, `2m`, `1h` or a bare number stand for.

    Raises:
        UsageError: it is none of these, or not more than nothing.
    """
    units: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= DAY:
        raise UsageError(f"--budget {text} is no duration up to a day; write 120s, 2m or 1h")
    return seconds


@contextmanager
def interruptible(what: str) -> Iterator[None]:
    """Ctrl-C in the block ends the program with one sentence, and the exit code that shells expect of it."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"\narchlint: interrupted; {what}\n")
        sys.exit(INTERRUPTED)


def seed_range(text: str) -> tuple[int, int]:
    """The fewest and the most seeds: `3..6`, or `5` for just as many.

    Raises:
        UsageError: it is neither, or not within 3 and 8.
    """
    least, dots, most = text.partition("..")
    fewest, highest = (int(part) if part.isdecimal() else 0 for part in (least, most if dots else least))
    if not 3 <= fewest <= highest <= 8:
        raise UsageError(f"--seeds {text} is no number from 3 to 8, nor two of them such as 3..6")
    return fewest, highest


def all_tested(
    plan: "Plan", subjects: Sequence[Subject], files: Sequence[Checked], wished: Request, quiet: bool
) -> list[Outcomes]:
    """Every file after the lab has tried its findings; those without any stay as they are."""
    return [
        tested(file, requested(plan, subject, file, wished), quiet)
        for subject, file in zip(subjects, files, strict=True)
    ]


def failures(outcomes: Sequence[Outcomes]) -> list[str]:
    """Why the lab could not do what was asked, a sentence for each file."""
    return [f"{safe_text(one.file.path)}: {sentence(one.heard.failed)}" for one in outcomes if one.heard.failed]
