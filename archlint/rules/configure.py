"""What users change about rules: the values of their options, and how grave their findings are."""

from collections.abc import Mapping, Sequence

import msgspec

from archlint.errors import UsageError
from archlint.rules.catalogue import find, matches, names, refuse_unknown
from archlint.rules.option import OptionValue
from archlint.rules.rule import Rule, Severity


def configure(
    rules: Sequence[Rule],
    options: Mapping[str, Mapping[str, object]],
    severities: Mapping[str, Severity],
) -> tuple[Rule, ...]:
    """The rules as a user wants them.

    Args:
        options: by code or name of a rule, the values of options; these are written `min-params` or `min_params`.
        severities: by selector, the severity of all findings of the rules that it names. A rule's own code or name
            goes before a selector of several, and of two such selectors the later one.

    Raises:
        UsageError: there is no such rule or option, or a value does not fit its option.
    """
    refuse_unknown(rules, severities)
    values: dict[str, dict[str, OptionValue]] = {}
    for word, given in options.items():
        rule = find(rules, word)
        values.setdefault(rule.code, {}).update(_value(rule, name, value) for name, value in given.items())
    return tuple(_configured(rule, values.get(rule.code, {}), _severity(rule, severities)) for rule in rules)


def _value(rule: Rule, written: str, given: object) -> tuple[str, OptionValue]:
    name = written.replace("-", "_")
    if name not in rule.options:
        known = ", ".join(known.replace("_", "-") for known in rule.options)
        options = f"its options are {known}" if known else "it has no options"
        raise UsageError(f"{rule.code} {rule.name} has no option {written!r}; {options}")
    try:
        return name, rule.options[name].checked(given)
    except ValueError as error:
        raise UsageError(f"the option {written} of {rule.code} {rule.name} {error}") from error


def _severity(rule: Rule, severities: Mapping[str, Severity]) -> Severity | None:
    """The severity by the most specific selector that names the rule; None if none does."""
    of_several = [severity for selector, severity in severities.items() if matches(rule, selector)]
    its_own = [severity for selector, severity in severities.items() if names(rule, selector)]
    return next(reversed(its_own or of_several), None)


def _configured(rule: Rule, values: Mapping[str, OptionValue], severity: Severity | None) -> Rule:
    if severity is not None:
        rule = msgspec.structs.replace(rule, severity=severity, overridden=True)
    return msgspec.structs.replace(rule, values={**rule.values, **values}) if values else rule
