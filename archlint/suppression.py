"""Findings that a configuration hides, each with the reason that it gives, and entries of it that hide nothing.

An entry is called unused only where the run proves it: nothing was hidden by it, every model file that it is about was
checked, and each of its rules would have spoken (`archlint.judged`). So a run over some files, or with some rules, does
not complain of entries that are there for the others. An entry that is about no file at all is called unused if the
folder that would hold the file was checked as a whole: elsewhere it may be about a model that is not downloaded.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from archlint.errors import UsageError
from archlint.globs import file_matches, layer_matches
from archlint.judged import Judged
from archlint.reports.contract import Checked, Suppressed, Unused
from archlint.rules.catalogue import choose
from archlint.rules.finding import Finding
from archlint.rules.rule import Rule


class Entry(Protocol):
    """One `[[tool.archlint.ignore]]`."""

    @property
    def rule(self) -> str:
        """A selector of rules, as for `--select`."""

    @property
    def file(self) -> str:
        """A pattern for files, from the folder of the configuration."""

    @property
    def layer(self) -> str:
        """A pattern for layers; only `*` is about findings on the model as a whole, too."""

    @property
    def digest(self) -> str:
        """That of the content that it is about; `*`: of any."""

    @property
    def why(self) -> str:
        """The reason."""


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """An entry and the rules that it names."""

    entry: Entry
    rules: tuple[Rule, ...]
    codes: frozenset[str]

    def is_about(self, path: str) -> bool:
        """Whether it is about this file."""
        return file_matches((self.entry.file,), path)

    def hides(self, finding: Finding) -> bool:
        """Whether it hides this finding in a file that it is about."""
        if finding.code not in self.codes or self.entry.digest not in ("*", finding.evidence.get("digest")):
            return False
        return self.entry.layer == "*" or (finding.layer is not None and layer_matches(self.entry.layer, finding.layer))


def wishes(entries: Iterable[Entry], rules: Sequence[Rule], config: str) -> tuple[Wish, ...]:
    """The entries of a configuration with the rules that they name, out of all that are loaded.

    Raises:
        UsageError: an entry names no rule.
    """
    return tuple(_wish(entry, rules, config) for entry in entries)


def _wish(entry: Entry, rules: Sequence[Rule], config: str) -> Wish:
    try:
        named = choose(rules, (entry.rule,), preview=True)
    except UsageError as error:
        raise UsageError(f"{config}: in ignore, {error}") from error
    return Wish(entry, named, frozenset(rule.code for rule in named))


def suppress(checked: Checked, wishes: Sequence[Wish], path: str) -> tuple[Checked, frozenset[Wish]]:
    """The file without the findings that its configuration hides, and the entries that hide one.

    Args:
        checked: what was found in the file.
        wishes: the entries of the configuration; where several hide a finding, the first says why.
        path: the file, named from the folder of the configuration, with `/` between folders.
    """
    about = [wish for wish in wishes if wish.is_about(path)] if checked.findings else []
    if not about:
        return checked, frozenset()
    hiding = [(finding, [wish for wish in about if wish.hides(finding)]) for finding in checked.findings]
    hidden = tuple(Suppressed(finding=finding, by="ignore", why=by[0].entry.why) for finding, by in hiding if by)
    shown = tuple(finding for finding, by in hiding if not by)
    used = frozenset(wish for _, by in hiding for wish in by)
    return replace(checked, findings=shown, suppressed=(*checked.suppressed, *hidden)), used


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run was to check, as far as one configuration governs it.

    Attributes:
        config: the file of the configuration, as reports name it.
        root: its folder.
        folders: the folders that were searched for models as a whole.
        models: finds the model files that it governs, checked or not, named from its folder. That takes time in a large
            folder, so it is only asked where it matters.
    """

    config: str
    root: Path
    folders: Sequence[Path]
    models: Callable[[], Collection[str]]


def unused(
    wishes: Iterable[Wish], used: Collection[Wish], judged: Sequence[Judged], scope: Scope
) -> tuple[Unused, ...]:
    """The entries of a configuration that hid nothing, and have nothing left to hide."""
    idle = [wish for wish in wishes if wish not in used and _is_settled(wish, judged)]
    seen = {file.path for file in judged}
    others = set(scope.models()) - seen if idle else set()
    return tuple(
        Unused(
            config=scope.config,
            rule=wish.entry.rule,
            file=wish.entry.file,
            layer=wish.entry.layer,
            why=wish.entry.why,
        )
        for wish in idle
        if not any(map(wish.is_about, others))
        and (any(map(wish.is_about, seen)) or _would_be_seen(wish.entry.file, scope))
    )


def _is_settled(wish: Wish, judged: Iterable[Judged]) -> bool:
    """Whether the rules of an entry would have spoken in all files of the run that it is about."""
    stable = {rule.code for rule in wish.rules if rule.stage == "stable"}  # others run where they are asked for only
    return all((stable or wish.codes) <= file.settled for file in judged if wish.is_about(file.path))


def _would_be_seen(pattern: str, scope: Scope) -> bool:
    """Whether all files that match the pattern would lie in a folder that was searched, and there is none."""
    home = (scope.root / _home(pattern)).resolve()
    searched = any(home.is_relative_to(folder.resolve()) for folder in scope.folders)
    # a search passes over files without the ending of a model
    return searched and not (scope.root / pattern.strip("/")).is_file()


def _home(pattern: str) -> Path:
    """The folder that holds whatever matches a pattern: the part before its first wildcard."""
    if "/" not in pattern.rstrip("/"):
        return Path()  # a name alone is one anywhere
    folders = pattern.strip("/").split("/")[:-1]
    return Path(*takewhile(lambda folder: not any(sign in folder for sign in "*?["), folders))
