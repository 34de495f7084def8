"""Tests pages: that each example has the promised outcome, and that each condition of the query is needed for it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from archlint.errors import ArchlintError, PageError, QueryError
from archlint.rules.catalogue import page_files, parse_and_prove, read_page
from archlint.rules.engine import run
from archlint.rules.examples import Specimen, build
from archlint.rules.finding import Report, Value
from archlint.rules.mutants import Mutant, mutants
from archlint.rules.proof import at
from archlint.rules.rule import Example, Rule
from archlint.rules.sandbox import Sandbox, guarded


class ExampleResult(msgspec.Struct, frozen=True, kw_only=True):
    """One example, and the codes of all rules that fired on it."""

    example: Example
    fired: tuple[str, ...]


class PageResult(msgspec.Struct, frozen=True, kw_only=True):
    """What testing a page showed. Each failure is one sentence that begins with `file:line`.

    `mutants` counts the conditions that were taken out in turn; `rule` is None for a page that is no rule.
    """

    path: str
    rule: Rule | None = None
    examples: tuple[ExampleResult, ...] = ()
    mutants: int = 0
    failures: tuple[str, ...] = ()


def prove_pages(paths: Iterable[Path], catalogue: Sequence[Rule]) -> Iterator[PageResult]:
    """Tests the pages among `paths`, and in the folders among them; every rule runs on every example.

    Args:
        catalogue: the rules that run on the examples besides those on the pages.
    """
    tested = [_parsed(path) for path in _expanded(paths)]
    rules = {Path(rule.path).resolve(): rule for rule in (*catalogue, *(result.rule for result in tested)) if rule}
    for result in tested:
        yield prove_page(result.rule, tuple(rules.values())) if result.rule else result


def prove_page(rule: Rule, rules: Sequence[Rule]) -> PageResult:
    """Tests the page of a proved rule; `rules`, itself among them, run on its examples."""
    failures, specimens, results = [*_taken(rule, rules), *_unshown(rule)], [], []
    for example in rule.examples:
        try:
            specimen = build(rule, example)
            report = run(_as_shown(rule, example, rules), specimen.connection, specimen.absent)
        except PageError as error:  # not a missing Keras, which is no fault of the page
            failures.append(str(error))
            continue
        specimens.append(specimen)
        results.append(ExampleResult(example=example, fired=_codes(report)))
        failures += _broken_promise(rule, example, report)
    deletions = list(mutants(rule.sql))
    if not failures:
        failures += [_unnoticed(rule, mutant) for mutant in survivors(rule, deletions, specimens)]
    for specimen in specimens:
        specimen.connection.close()
    return PageResult(
        path=rule.path, rule=rule, examples=tuple(results), mutants=len(deletions), failures=tuple(failures)
    )


def survivors(rule: Rule, deletions: Iterable[Mutant], specimens: Iterable[Specimen]) -> list[Mutant]:
    """The mutants that return the same rows as the rule on all examples: their conditions do nothing there."""
    alive = list(deletions)
    for specimen in specimens:
        with guarded(specimen.connection) as sandbox:
            shown = _with_options(rule, specimen.example)
            expected = _rows(sandbox, shown, rule.sql)
            alive = [mutant for mutant in alive if _rows(sandbox, shown, mutant.sql) == expected]
    return alive


def _with_options(rule: Rule, example: Example) -> Rule:
    """The rule with the options that the example sets."""
    return msgspec.structs.replace(rule, values=example.values)


def _as_shown(rule: Rule, example: Example, rules: Iterable[Rule]) -> list[Rule]:
    """The rules, that of the page as its example wants it."""
    return [_with_options(rule, example) if other.path == rule.path else other for other in rules]


def _rows(sandbox: Sandbox, rule: Rule, sql: str) -> set[tuple[Value, ...]] | None:
    """The different rows of a query, or None if there are more than one may return: that, too, is a difference."""
    try:
        return set(sandbox.query(sql, rule.parameters()).rows)
    except QueryError:
        return None


def _expanded(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from page_files(path)


def _parsed(path: Path) -> PageResult:
    try:
        (rule,) = parse_and_prove([(path, read_page(path))])
    except ArchlintError as error:
        return PageResult(path=str(path), failures=(str(error),))
    return PageResult(path=str(path), rule=rule)


def _taken(rule: Rule, rules: Iterable[Rule]) -> Iterator[str]:
    for other in rules:
        for known in {rule.code, rule.name} & {other.code, other.name}:
            if other.path != rule.path:
                yield f"{rule.path}: {known} is taken by {other.path}: choose another one"


def _unshown(rule: Rule) -> Iterator[str]:
    """The formats that the page names without showing them, and those it shows without naming them."""
    shown = {(example.format, example.fires) for example in rule.examples}
    for family in rule.formats:
        for fires, section in ((True, "Fires"), (False, "Stays silent")):
            if (family, fires) not in shown:
                yield f"{rule.path}: its formats name {family}, but {section} has no example of it: add one"
    for example in rule.examples:
        if example.format not in rule.formats:
            yield f"{rule.path}:{example.line}: the example is {example.format}, which the page's formats do not name"


def _codes(report: Report) -> tuple[str, ...]:
    return tuple(sorted({finding.code for finding in report.findings}))


def _broken_promise(rule: Rule, example: Example, report: Report) -> list[str]:
    place = f"{rule.path}:{example.line}"
    unjudged = [verdict.why for verdict in report.not_checked if verdict.code == rule.code]
    if unjudged:
        return [f"{place}: {rule.code} does not check this example: {unjudged[0]}"]
    messages = [finding.message for finding in report.findings if finding.code == rule.code]
    if example.fires and not messages:
        return [f"{place}: {rule.code} should fire on this example but stays silent"]
    if messages and not example.fires:
        return [f"{place}: {rule.code} should stay silent on this example but says: {messages[0]}"]
    return []


def _unnoticed(rule: Rule, mutant: Mutant) -> str:
    return (
        f"{at(rule, mutant.start)}: no example notices when the condition `{mutant.condition}` is taken out: "
        "add a near miss, or delete the condition"
    )
