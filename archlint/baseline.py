"""The findings that a team has accepted, as a file: `check` hides what it holds, and reports what is new.

Schema 1, one finding a line, ordered by file, rule and layer, so that two branches that change it can be merged:

    {"schema": 1, "tool": {"name", "version"}, "findings": [{"rule", "name", "file", "layer", "count"} …]}

What makes a finding the same as before is its `rule`, its `file` (named from the folder of the baseline) and its
`layer` (null: the model as a whole). `count` is how many there are of it, which is 1 but for rules that can find
several faults in one layer: once a file has more of them, all are reported, as nobody can tell which is new. `name` is
for people.

An entry is stale if its model is cured: the rule would have spoken (`archlint.judged`) and found fewer, or the file is
gone. Where one other layer has the same fault now (for a file that is gone: one other file), it was renamed to that.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, NamedTuple

import msgspec
from msgspec.structs import replace

from archlint.errors import UsageError
from archlint.judged import Judged
from archlint.limits import BASELINE_BYTES, MIB
from archlint.reports.contract import Checked, Stale, Suppressed, Tool
from archlint.reports.machine import encode
from archlint.rules.finding import Finding
from archlint.rules.rule import Code

SCHEMA = 1
NAME = "archlint-baseline.json"
"""What a baseline is called unless the user says otherwise."""

_CONFLICT = re.compile(rb"^(<{7}|={7}|>{7})", re.MULTILINE)


class Identity(NamedTuple):
    """What makes a finding the same as before."""

    rule: str
    file: str
    layer: str | None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a baseline."""

    rule: Code
    name: str
    file: str
    layer: str | None
    count: Annotated[int, msgspec.Meta(ge=1)]

    @property
    def identity(self) -> Identity:
        """What it is about."""
        return Identity(self.rule, self.file, self.layer)


class _Schema(msgspec.Struct, frozen=True):
    schema: int


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    findings: tuple[Entry, ...]


@dataclass(frozen=True)
class Baseline:
    """The file as the user named it, and what it holds."""

    path: Path
    entries: tuple[Entry, ...]

    @cached_property
    def held(self) -> Mapping[Identity, int]:
        """How many findings it holds of each identity."""
        return {entry.identity: entry.count for entry in self.entries}

    @cached_property
    def files(self) -> frozenset[str]:
        """The files that it holds findings of."""
        return frozenset(entry.file for entry in self.entries)

    @cached_property
    def missing(self) -> frozenset[str]:
        """Those that are no more."""
        # a backslash may stand for a byte that is no text, and the file be there
        return frozenset(file for file in self.files if "\\" not in file and not (self.folder / file).exists())

    @property
    def folder(self) -> Path:
        """The folder that it names files from."""
        return self.path.parent

    def place(self, path: str) -> str:
        """How it names the file at this path: from its own folder, with `/` between folders."""
        try:
            seen = os.path.relpath(path, self.folder)
        except ValueError:  # another drive of Windows
            seen = str(Path(path).absolute())
        return Path(seen).as_posix().encode("utf-8", "backslashreplace").decode()  # JSON holds text only


def read(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        UsageError: the file is none, or cannot be read.
    """
    content = _content(path)
    try:
        schema = msgspec.json.decode(content, type=_Schema).schema
        if schema != SCHEMA:
            raise UsageError(
                f"the baseline {path} has schema {schema}, this archlint reads {SCHEMA}; use the archlint that wrote "
                "it, or delete it and write it anew with `archlint baseline`"
            )
        return Baseline(path, msgspec.json.decode(content, type=_Document).findings)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _no_baseline(path, content, error) from error


def _content(path: Path) -> bytes:
    again = f"`archlint baseline PATH… -o {path}` writes it"
    if not path.exists():
        raise UsageError(f"there is no baseline {path}; {again}")
    if not path.is_file():
        raise UsageError(f"{path} is no file, so no baseline; name another one")
    try:
        with path.open("rb") as stream:
            content = stream.read(BASELINE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the baseline {path} cannot be read ({error.strerror}); {again}") from error
    if len(content) > BASELINE_BYTES:
        raise UsageError(f"{path} is longer than {BASELINE_BYTES // MIB} MiB, so no baseline; name another file")
    return content


def _no_baseline(path: Path, content: bytes, error: Exception) -> UsageError:
    if _CONFLICT.search(content):
        return UsageError(
            f"the baseline {path} has the marks of a merge conflict; take either side, "
            "then write it anew with `archlint baseline`"
        )
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
    return UsageError(f"{path} is no baseline ({reason}); name another file, or delete it and write it anew")


def hide(checked: Checked, baseline: Baseline, path: str) -> Checked:
    """The file without the findings that the baseline holds.

    Args:
        checked: what was found in the file.
        baseline: what was accepted.
        path: the file as the baseline names it (`Baseline.place`).
    """
    if path not in baseline.files:
        return checked
    found = Counter(_identity(path, finding) for finding in checked.findings)
    known = {identity for identity, count in found.items() if count <= baseline.held.get(identity, 0)}
    hidden = tuple(
        Suppressed(finding=finding, by="baseline") for finding in checked.findings if _identity(path, finding) in known
    )
    shown = tuple(finding for finding in checked.findings if _identity(path, finding) not in known)
    return replace(checked, findings=shown, suppressed=(*checked.suppressed, *hidden))


def stale(baseline: Baseline, judged: Sequence[Judged]) -> tuple[Stale, ...]:
    """The entries of which the models are cured, in the order of the baseline.

    Args:
        baseline: what was accepted.
        judged: the files of the run, without the findings that the baseline holds (`hide`).
    """
    left = _left(baseline, judged)
    cured = [entry for entry in baseline.entries if left.get(entry.identity, entry.count) < entry.count]
    new_names = _renamed({entry.identity for entry in cured if not left[entry.identity]}, baseline, judged)
    return tuple(
        Stale(
            baseline=str(baseline.path),
            rule=entry.rule,
            file=entry.file,
            layer=entry.layer,
            renamed=new_names.get(entry.identity),
        )
        for entry in cured
    )


def pruned(baseline: Baseline, judged: Sequence[Judged]) -> tuple[Entry, ...]:
    """What is left of a baseline once the stale is taken out; nothing is added."""
    left = _left(baseline, judged)
    counted = ((entry, min(entry.count, left.get(entry.identity, entry.count))) for entry in baseline.entries)
    return tuple(replace(entry, count=count) for entry, count in counted if count)


def renewed(baseline: Baseline, judged: Sequence[Judged]) -> tuple[Entry, ...]:
    """All that was found, and of an older baseline what this run cannot judge: other files, rules that did not run.

    Args:
        baseline: the older one; one without entries if there is none.
        judged: the files of the run, with all of their findings.
    """
    left = _left(baseline, judged)
    kept = [entry for entry in baseline.entries if entry.identity not in left]
    found = Counter(
        (_identity(file.path, finding), finding.name) for file in judged for finding in file.checked.findings
    )
    entries = {entry.identity: entry for entry in kept} | {
        identity: Entry(rule=identity.rule, name=name, file=identity.file, layer=identity.layer, count=count)
        for (identity, name), count in found.items()
    }
    return tuple(entries.values())


def written(entries: Iterable[Entry], version: str) -> str:
    """The text of a baseline, the same for the same entries."""
    ordered = sorted(entries, key=lambda entry: (entry.file, entry.rule, entry.layer is not None, entry.layer or ""))
    lines = ",".join(f"\n    {encode(entry)}" for entry in ordered)
    tool = encode(Tool(name="archlint", version=version))
    return f'{{\n  "schema": {SCHEMA},\n  "tool": {tool},\n  "findings": [{lines}\n  ]\n}}\n'


def _left(baseline: Baseline, judged: Iterable[Judged]) -> Mapping[Identity, int]:
    """How many findings there are now of each entry, as far as the run tells."""
    files = {file.path: file for file in judged}
    missing = baseline.missing - files.keys()
    found = Counter(_identity(file.path, finding) for file in files.values() for finding in _findings(file.checked))
    return {
        identity: found[identity]
        for identity in baseline.held
        if identity.file in missing or (identity.file in files and identity.rule in files[identity.file].settled)
    }


def _findings(checked: Checked) -> Iterator[Finding]:
    """All findings, also those that are not reported."""
    yield from checked.findings
    yield from (hidden.finding for hidden in checked.suppressed)


def _identity(path: str, finding: Finding) -> Identity:
    return Identity(finding.code, path, finding.layer)


def _renamed(cured: Iterable[Identity], baseline: Baseline, judged: Iterable[Judged]) -> Mapping[Identity, str]:
    """The new layer or file of entries whose findings are gone, where there is no doubt: one is gone, one is new."""
    missing = baseline.missing
    new = {_identity(file.path, finding) for file in judged for finding in file.checked.findings} - baseline.held.keys()
    layers = _paired(
        [old for old in cured if old.layer is not None],
        [fresh for fresh in new if fresh.layer is not None],
        lambda one: (one.rule, one.file),
    )
    moved = [old for old in cured if old.file in missing]
    elsewhere = [fresh for fresh in new if fresh.file not in baseline.files]
    # a folder of models that is moved has the same layers several times, so the names of the files go first
    files = _paired(moved, elsewhere, lambda one: (one.rule, one.layer)) | _paired(
        moved, elsewhere, lambda one: (one.rule, one.layer, PurePosixPath(one.file).name)
    )
    return {old: str(fresh.layer) for old, fresh in layers.items()} | {old: fresh.file for old, fresh in files.items()}


def _paired(
    old: Iterable[Identity], new: Iterable[Identity], key: Callable[[Identity], object]
) -> dict[Identity, Identity]:
    """What is new by what is old, where just one of each has the same key."""
    olds, news = _grouped(old, key), _grouped(new, key)
    return {group[0]: news[same][0] for same, group in olds.items() if len(group) == 1 == len(news.get(same, ()))}


def _grouped(identities: Iterable[Identity], key: Callable[[Identity], object]) -> Mapping[object, Sequence[Identity]]:
    groups: dict[object, list[Identity]] = {}
    for identity in identities:
        groups.setdefault(key(identity), []).append(identity)
    return groups
