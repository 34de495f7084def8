"""The page on the material, made from the passages and from what was measured."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from archlint.lab.events import Ran
from archlint.lab.verdict import Answer, Effect, Part, Verdict
from archlint.reports.verdicts import share
from benchmarks.material.case import Experiment, Passage, Standing
from benchmarks.material.lab import Measured, Said

PATH = Path(__file__).parents[2] / "docs/material.md"

_HEAD = Path(__file__).with_name("head.md")
"""What stands above the passages."""

_ANSWERS: Mapping[Answer, str] = {Answer.yes: "yes", Answer.no: "no", Answer.unclear: "open"}

_EXPLODES = ("Does the loss of *{first}* explode?", "That of *{second}* no longer?")
_QUESTIONS: Mapping[str, tuple[str, str]] = {
    "dying-relu": ("Do units of *{first}* die?", "Those of *{second}* no longer?"),
    "explodes": _EXPLODES,
    "helps": ("", "Does *{second}* do better?"),
    "overfits": ("Does *{first}* overfit?", "Does *{second}* do better?"),
    "redundant-bias": ("Are the biases without effect?", ""),
    "selu-drift": ("Do values of *{first}* drift from their spread?", "Those of *{second}* no longer?"),
    "slow": ("Is the signal of *{first}* lost?", "That of *{second}* no longer?"),
    "tiny-batches": ("", "Do *{second}* do better?"),
    "unstable": _EXPLODES,
    "variance-shift": ("Does dropout shift the variance?", "With *{second}* no longer?"),
}
"""By claim: about the first network, and about the second."""


def page(passages: Sequence[Passage], measured: Mapping[str, Measured]) -> str:
    """The whole page."""
    parts = [_HEAD.read_text("utf-8").strip(), _overview(passages)]
    return "\n\n".join([*parts, *(_section(passage, measured) for passage in passages)]) + "\n"


def surprises(experiments: Iterable[Experiment], measured: Mapping[str, Measured]) -> Iterator[str]:
    """Where what was measured is not what the text goes by, in sentences."""
    for one in experiments:
        if one.slug not in measured:
            yield f"{one.slug} was not measured: --redo {one.slug}"
            continue
        verdicts = measured[one.slug].verdicts
        found = {claim: verdict.outcome for claim, verdict in verdicts.items()}
        if found != one.asks:
            yield f"{one.slug} was found {found}, but the text goes by {dict(one.asks)}"


def _overview(passages: Sequence[Passage]) -> str:
    rows = (f"| [{one.title}](#{_anchor(one.title)}) | {_rules(one)} | {one.standing} |" for one in passages)
    return "\n".join(["| The posts say | Rules | Here it |", "|---|---|---|", *rows])


def _anchor(title: str) -> str:
    """What a heading is called in links."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def _rules(passage: Passage) -> str:
    return ", ".join(dict.fromkeys(one.rule for one in passage.experiments if one.rule)) or "–"


# A passage


def _section(passage: Passage, measured: Mapping[str, Measured]) -> str:
    sources = ", ".join(f"`{source}`" for source in passage.sources)
    parts = [f"## {passage.title}", f"**The posts:** {passage.says} ({sources})"]
    parts.append(f"**Here it {passage.standing}{_stop(passage)}** {passage.conclusion}")
    for experiment in passage.experiments:
        parts += _experiment(experiment, measured[experiment.slug])
    return "\n\n".join(parts)


def _stop(passage: Passage) -> str:
    """What goes on into the conclusion has no full stop."""
    return "" if passage.standing is Standing.partly else "."


def _experiment(experiment: Experiment, measured: Measured) -> Iterator[str]:
    yield f"### {experiment.title}"
    yield f"{_setting(experiment, measured)} {_said(experiment, measured)}"
    yield _verdicts(experiment, measured)
    yield f"![{_alternative(experiment, measured)}](assets/material/{experiment.slug}.png)"


def _setting(experiment: Experiment, measured: Measured) -> str:
    data = (experiment.data.__doc__ or "").partition("\n")[0]
    scope = next(iter(measured.verdicts.values())).scope
    first, second = experiment.arms
    optimizer = _capital(scope.optimizer).replace("Sgd", "SGD")
    sizes = "" if experiment.after is None else f", batches of {experiment.batch_size}"
    return f"*{first}* against *{second}*: {data} {optimizer}{sizes}."


def _said(experiment: Experiment, measured: Measured) -> str:
    """What archlint says of the first network, in full where the passage is about it."""
    first, second = experiment.arms
    about = [one for one in measured.before if one.code == experiment.rule][:1]
    others = [one for one in measured.before if one.code != experiment.rule]
    also = f", {'besides' if about else 'only'} {_listed(others)}" if others else ""
    if not about:
        return f"archlint says nothing about this{also}."
    (finding,) = about
    cured = "" if any(one.code == finding.code for one in measured.after) else f" Of *{second}* it does not."
    return f"archlint says of *{first}* {_linked(finding)}: “{finding.message}”{also}.{cured}"


def _listed(findings: Iterable[Said]) -> str:
    return ", ".join(dict.fromkeys(map(_linked, findings)))


def _linked(finding: Said) -> str:
    return f"[{finding.name}](rules/{finding.code}-{finding.name}.md)"


def _alternative(experiment: Experiment, measured: Measured) -> str:
    """The picture in words."""
    lowest = (f"{_best(measured.runs, arm)} ({arm})" for arm in experiment.arms)
    return f"Training and validation loss of both networks by epoch; lowest validation loss {' and '.join(lowest)}."


def _best(runs: Iterable[Ran], arm: str) -> str:
    """The median over seeds of the lowest validation loss."""
    found = [ran.best if ran.best is not None else float("inf") for ran in runs if ran.arm == arm]
    return f"{median(found):.3g}".replace("inf", "not finite")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# Verdicts


def _verdicts(experiment: Experiment, measured: Measured) -> str:
    rows = (row for claim, verdict in measured.verdicts.items() for row in _rows(claim, verdict, experiment.arms))
    return "\n".join(["| question | answer | measured | |", "|---|---|---|---|", *rows])


def _rows(claim: str, verdict: Verdict, arms: tuple[str, str]) -> Iterator[str]:
    """What was found out about the first network, and about the second."""
    asked = [question.format(first=arms[0], second=arms[1]) for question in _QUESTIONS[claim]]
    first = verdict.symptom if verdict.mechanism.answer is Answer.untested else verdict.mechanism
    compared = "; ".join(map(_compared, verdict.effects))
    told = [_part(first), compared or _part(verdict.remedy)]
    told[bool(compared) or not asked[0]] += f". {verdict.note}" if verdict.note else ""
    for question, part, text in zip(asked, (first, verdict.remedy), told, strict=True):
        if question and part.answer is not Answer.untested:
            yield f"| {question} | {_ANSWERS[part.answer]} | {text} | {_extent(verdict)} |"


def _extent(verdict: Verdict) -> str:
    scope, seeds = verdict.scope, f"{verdict.seeds} {'seed' if verdict.seeds == 1 else 'seeds'}"
    if scope.epochs:
        return f"{scope.epochs} epochs, {seeds}"
    return f"{scope.steps} steps, {seeds}" if scope.steps else f"before training, {seeds}"


def _part(part: Part) -> str:
    """What a probe has measured, or a mean over seeds."""
    if part.value is None:
        return "–"
    interval = "" if part.low is None else f" [{_number(part, part.low)}, {_number(part, part.high)}]"
    limit = "" if part.threshold is None else f"; limit {_number(part, part.threshold)}"
    metric = (part.metric or "").replace(" with the change", "")
    return f"{metric} {_number(part, part.value)}{interval}{limit}"


def _number(part: Part, value: float | None) -> str:
    """As a share where it is one."""
    assert value is not None
    is_share = part.low is not None or "share" in (part.metric or "")
    return f"{value:.0%}" if is_share else f"{value:.2g}"


def _compared(effect: Effect) -> str:
    """How much higher the loss of the first network is."""
    return f"{effect.metric} {share(effect.mean)} [{share(effect.low)}, {share(effect.high)}]"
