"""The settings that govern a file: those of the closest configuration, going up from its folder."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from archlint.config.given import given
from archlint.config.origin import Origin
from archlint.config.parsing import Table, parse
from archlint.config.settings import Settings
from archlint.config.sources import Source, found_in, merged, read, with_bases
from archlint.errors import UsageError
from archlint.globs import file_matches
from archlint.paths import as_named


@dataclass(frozen=True, eq=False)
class Project:
    """Settings and the files they govern; one object for all files of one configuration.

    Attributes:
        settings: what the configuration, `--config` and the options of the command line state together.
        root: the folder that patterns start from: that of the configuration, or the current one if there is none.
        source: the configuration; None without any.
        bases: the configurations that it extends, the closest first.
        inherited: how many of the findings in `ignore`, the first ones, come from those.
    """

    settings: Settings
    root: Path
    source: Path | None = None
    bases: tuple[Path, ...] = ()
    inherited: int = 0

    @property
    def name(self) -> str:
        """The configuration as messages name it."""
        return as_named(self.source) if self.source else "the defaults"

    def relative(self, path: str) -> str:
        """A file named from the root, with `/` between folders; one outside begins with `../`.

        A `/` at the end, which says that it is a folder, stays. A file on another drive is named in full.
        """
        try:
            named = os.path.relpath(path or ".", self.root)
        except ValueError:
            named = path
        return named.replace(os.sep, "/") + ("/" if path.endswith(("/", os.sep)) else "")

    def excludes(self, path: str) -> bool:
        """Whether `exclude` is about a file, or a folder if the path ends with `/`."""
        if not self.settings.exclude:
            return False
        named = self.relative(path)
        return named != "./" and file_matches(self.settings.exclude, named)  # in Git, too, `*` is not the root itself

    def ignored_rules_for(self, path: str) -> tuple[str, ...]:
        """The rules that `per-file-ignores` keeps from a file."""
        ignores = self.settings.per_file_ignores
        named = self.relative(path) if ignores else ""
        return tuple(rule for glob, rules in ignores.items() if file_matches((glob,), named) for rule in rules)


class Projects:
    """Finds the project of each file; every folder is looked at once."""

    def __init__(
        self,
        config: Sequence[str] = (),
        isolated: bool = False,
        overrides: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Take what the command line says of configurations.

        Args:
            config: the values of `--config`: a file, which then governs everything, and settings as KEY=VALUE, which
                hold whatever a configuration states.
            isolated: no configuration is looked for.
            overrides: the arguments of `with_cli`, which hold above all of that.

        Raises:
            UsageError: a value of `--config` is neither, or contradicts another.
        """
        file, self._stated = given(config)
        if file and isolated:
            raise UsageError(f"--config {file.name} and --isolated contradict each other; leave one of them out")
        self._here = Path.cwd()
        self._overrides = overrides
        self._known: dict[str, Project] = {}
        self._single = self._made(read(file)) if file else self._made() if isolated else None
        self._without = self._single or self._made()

    def of(self, path: str) -> Project:
        """The project of a file; of "", that of the current folder.

        Raises:
            UsageError: its configuration cannot be used.
        """
        if self._single:
            return self._single
        folder = os.path.split(os.path.normpath(self._here / (path or "within")))[0]
        if folder not in self._known:
            self._known |= self._looked_up(folder)
        return self._known[folder]

    def _looked_up(self, folder: str) -> dict[str, Project]:
        """The project of a folder, and of all between it and the configuration."""
        passed: list[str] = []
        for place in map(str, (Path(folder), *Path(folder).parents)):
            passed.append(place)
            if place in self._known:
                return dict.fromkeys(passed, self._known[place])
            if source := found_in(place):
                return dict.fromkeys(passed, self._made(source))
        return dict.fromkeys(passed, self._without)

    def _made(self, source: Source | None = None) -> Project:
        if source is None:
            return Project(self._settings({}), self._here)
        closest, *bases = with_bases(source)
        table: Table = {}
        for part in (*reversed(bases), closest):
            table = merged(table, part.table) | _added(table, part.table)
        settings = self._settings(table)
        inherited = [one for base in bases for one in base.table.get("ignore", ()) if isinstance(one, dict)]
        paths = tuple(base.path for base in bases)
        return Project(
            settings, source.path.parent, source.path, paths, 0 if "ignore" in self._stated else len(inherited)
        )

    def _settings(self, table: Table) -> Settings:
        # every part was parsed by itself, so that an error names it
        settings = parse(merged(table, self._stated), Origin("the settings"))
        return with_cli(replace(settings, extend=None), **self._overrides)


def _added(base: Table, own: Table) -> dict[str, Any]:
    """The lists that add up: what a configuration hides or passes over, one that extends it does, too."""
    return {key: [*base.get(key, ()), *own.get(key, ())] for key in ("ignore", "exclude") if key in base or key in own}


def with_cli(
    settings: Settings,
    *,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    rules: Sequence[str | Path] | None = None,
    baseline: str | Path | None = None,
    **others: object,
) -> Settings:
    """The settings with the options of a command line on top; None is an option that was not given.

    Args:
        settings: those of a configuration.
        select: takes the place of `select` and of the rules in `ignore`; findings that `ignore` hides stay hidden.
        ignore: is added.
        exclude: is added.
        rules: is added; paths start from the current folder.
        baseline: takes the place of `baseline`; it starts from the current folder, too.
        others: settings by their names in `Settings`, whose place they take.
    """
    kept = settings.ignored_findings if select else settings.ignore
    pages = [_absolute(path) for path in rules or ()]
    return replace(
        settings,
        select=tuple(select or settings.select),
        ignore=(*kept, *(ignore or ())),
        exclude=(*settings.exclude, *(exclude or ())),
        rules=(*settings.rules, *pages),
        baseline=_absolute(baseline) if baseline else settings.baseline,
        **{name: value for name, value in others.items() if value is not None},
    )


def _absolute(path: str | Path) -> str:
    return os.path.normpath(Path.cwd() / path)
