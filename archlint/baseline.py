"""The findings that a team has accepted, as a file: `check` hides what it holds, and reports what is new.

Schema 1, one finding a line, ordered by file, rule and layer, so that two branches that change it can be merged:

    {"schema": 1, "tool": {"name", "version"}, "findings": [{"rule", "name", "file", "layer", "count", "digest"} …]}

What makes a finding the same as before is its `rule`, its `file` (named from the folder of the baseline), its `layer`
(null: the model as a whole) and, where the finding gives one, the `digest` of what it is about: those about trust do,
so code that was accepted is not mistaken for other code in its place. `count` is how many there are of it, which is 1
but for rules that can find several faults in one layer: once a file has more of them, all are reported, as nobody can
tell which is new. `name` is for people.

An entry is stale if its model is cured: the rule would have spoken (`archlint.judged`) and found fewer. It is, too, if
the file is gone, where the run would have met it: elsewhere it may only be absent here, as what is not downloaded. And
it is if its rule is gone, which shows by others of its family (`LOS`) that are loaded: else a pack of rules may be
missing. Where one other layer has the same fault now (for a file that is gone: one other file), it was renamed to that.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from archlint.errors import UsageError
from archlint.judged import Judged
from archlint.limits import BASELINE_BYTES, BASELINE_ENTRIES, MIB
from archlint.reports.contract import Checked, Stale, Suppressed, Tool
from archlint.reports.machine import encode
from archlint.rules.finding import Finding
from archlint.rules.rule import Code

SCHEMA = 1
NAME = "archlint-baseline.json"
"""What a baseline is called unless the user says otherwise."""

_BOM = b"\xef\xbb\xbf"
_CONFLICT = re.compile(rb"^(<{7}|={7}|>{7})", re.MULTILINE)
_ANCESTOR = re.compile(rb"^\|{7}.*?(?=^={7})", re.MULTILINE | re.DOTALL)
"""What both sides of a conflict come from, which `merge.conflictStyle = diff3` shows as well."""
_FRAME = re.compile(rb'|[{}\]]|"schema": 1,|"tool": \{.*\},|"findings": \[\]?|(?:<{7}|={7}|>{7}).*')
"""A line that is no entry."""
_BYTE = re.compile(r" ?\(byte (\d+)\)")


class Identity(NamedTuple):
    """What makes a finding the same as before."""

    rule: str
    file: str
    layer: str | None
    digest: str | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a baseline."""

    rule: Code
    name: str
    file: str
    layer: str | None
    count: Annotated[int, msgspec.Meta(ge=1)]
    digest: str | None = None

    @property
    def identity(self) -> Identity:
        """What it is about."""
        return Identity(self.rule, self.file, self.layer, self.digest)


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
        """Those that are not there."""
        # a backslash may stand for a byte that is no text, and a link to nothing for what is not downloaded
        return frozenset(file for file in self.files if "\\" not in file and not os.path.lexists(self.folder / file))

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


def _anywhere(_file: str) -> bool:
    return True


def _nothing(_file: str) -> Collection[str]:
    return ()


@dataclass(frozen=True)
class Run:
    """What a run tells of a baseline.

    Attributes:
        judged: the files that were checked.
        meets: whether it would have met a file, named as by the baseline, were it there.
        codes: of all rules that are loaded, whether they ran or not.
        layers: the names of all layers in a file that was checked: what is still there was not renamed.
    """

    judged: Sequence[Judged]
    meets: Callable[[str], bool] = _anywhere
    codes: Collection[str] = ()
    layers: Callable[[str], Collection[str]] = _nothing

    @cached_property
    def files(self) -> Mapping[str, Judged]:
        """The files that were checked, by how the baseline names them."""
        return {file.path: file for file in self.judged}

    @cached_property
    def found(self) -> Mapping[Identity, int]:
        """How many findings there are of each identity, whether they are reported or not."""
        return Counter(_identity(file.path, one) for file in self.files.values() for one in _findings(file.checked))

    def lacks(self, code: str) -> bool:
        """Whether there is no such rule, though there are others of its family."""
        return code not in self.codes and code[:3] in self.families

    @cached_property
    def families(self) -> frozenset[str]:
        """The letters that codes begin with."""
        return frozenset(code[:3] for code in self.codes)


def read(path: Path, *, both_sides: bool = False) -> Baseline:
    """The baseline in a file.

    Args:
        path: the file.
        both_sides: of one with the marks of a merge conflict, take what either side holds.

    Raises:
        UsageError: the file is none, or cannot be read.
    """
    content = _content(path)
    if both_sides and _CONFLICT.search(content):
        return _bounded(Baseline(path, _united(path, content)))
    try:
        schema = msgspec.json.decode(content, type=_Schema).schema
        if schema != SCHEMA:
            raise UsageError(
                f"the baseline {path} has schema {schema}, this archlint reads {SCHEMA}; use the archlint that wrote "
                "it, or write another one with `archlint baseline PATH… -o FILE`"
            )
        return _bounded(Baseline(path, msgspec.json.decode(content, type=_Document).findings))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _no_baseline(path, content, error) from error


def _bounded(baseline: Baseline) -> Baseline:
    if len(baseline.entries) > BASELINE_ENTRIES:
        raise UsageError(
            f"the baseline {baseline.path} has more than {BASELINE_ENTRIES:,} entries; split it by folders of models"
        )
    return baseline


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
    return content.removeprefix(_BOM)


def _united(path: Path, content: bytes) -> tuple[Entry, ...]:
    """What either side of a conflict holds, which each line tells by itself.

    Raises:
        UsageError: a line is not as archlint writes it.
    """
    held: dict[Identity, Entry] = {}
    # the lines of the ancestor are left empty, so that the others keep their numbers
    both = _ANCESTOR.sub(lambda found: b"\n" * found[0].count(b"\n"), content)
    for number, line in enumerate(map(bytes.strip, both.split(b"\n")), 1):
        if not _FRAME.fullmatch(line):
            entry = _entry(path, line, number)
            held[entry.identity] = max(entry, held.get(entry.identity, entry), key=lambda one: one.count)
    return tuple(held.values())


def _entry(path: Path, line: bytes, number: int) -> Entry:
    try:
        return msgspec.json.decode(line.removesuffix(b","), type=Entry)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"the baseline {path} has the marks of a merge conflict, and line {number} is not as archlint writes it; "
            "resolve the conflict by hand"
        ) from error


def _no_baseline(path: Path, content: bytes, error: Exception) -> UsageError:
    if _CONFLICT.search(content):
        return UsageError(
            f"the baseline {path} has the marks of a merge conflict; `archlint baseline --prune -o {quote(str(path))}` "
            "takes what both sides hold and leaves out what is no longer there"
        )
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else _with_line(str(error), content)
    return UsageError(f"{path} is no baseline ({reason}); mend it, take it from your version control, or name another")


def _with_line(reason: str, content: bytes) -> str:
    """The reason with the number of a line for that of a byte."""
    return _BYTE.sub(lambda found: f" in line {content.count(10, 0, int(found[1])) + 1}", reason)


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


def stale(baseline: Baseline, run: Run) -> tuple[Stale, ...]:
    """The entries of which the models are cured, in the order of the baseline.

    Args:
        baseline: what was accepted.
        run: its files are without the findings that the baseline holds (`hide`).
    """
    left = _left(baseline, run)
    new_names = _renamed(baseline, run, left)
    return tuple(
        Stale(
            baseline=str(baseline.path),
            rule=entry.rule,
            name=entry.name,
            file=entry.file,
            layer=entry.layer,
            count=entry.count - left[entry.identity],
            renamed=_difference(entry.identity, new_names.get(entry.identity)),
            gone=_gone(entry, baseline, run),
        )
        for entry in baseline.entries
        if left.get(entry.identity, entry.count) < entry.count
    )


def _difference(old: Identity, new: Identity | None) -> str | None:
    """The file or layer by which the new identity differs."""
    return new and (new.file if new.file != old.file else new.layer)


def _gone(entry: Entry, baseline: Baseline, run: Run) -> Literal["file", "rule"] | None:
    if entry.file in baseline.missing:
        return "file"
    return "rule" if run.lacks(entry.rule) else None


def pruned(baseline: Baseline, run: Run) -> tuple[Entry, ...]:
    """What is left of a baseline once the stale is taken out, and what was renamed has its new name.

    No finding is accepted that was not, and of what was renamed no more than were.

    Args:
        baseline: what was accepted.
        run: its files are without the findings that the baseline holds (`hide`).
    """
    left = _left(baseline, run)
    new_names = _renamed(baseline, run, left)
    return tuple(
        entry for held in baseline.entries if (entry := _followed(held, left, new_names.get(held.identity), run))
    )


def _followed(entry: Entry, left: Mapping[Identity, int], new: Identity | None, run: Run) -> Entry | None:
    """What has become of an entry; None if its findings are gone."""
    if new:
        return replace(entry, file=new.file, layer=new.layer, count=min(entry.count, run.found[new]))
    count = min(entry.count, left.get(entry.identity, entry.count))
    return replace(entry, count=count) if count else None


def renewed(baseline: Baseline, run: Run) -> tuple[Entry, ...]:
    """All that was found, and of an older baseline what this run cannot judge: other files, rules that did not run.

    Args:
        baseline: the older one; one without entries if there is none.
        run: its files have all of their findings.
    """
    left = _left(baseline, run)
    kept = [entry for entry in baseline.entries if entry.identity not in left]
    found = Counter(
        (_identity(file.path, finding), finding.name) for file in run.judged for finding in file.checked.findings
    )
    entries = {entry.identity: entry for entry in kept} | {
        identity: Entry(**identity._asdict(), name=name, count=count) for (identity, name), count in found.items()
    }
    return tuple(entries.values())


def written(entries: Iterable[Entry], version: str) -> str:
    """The text of a baseline, the same for the same entries."""
    ordered = sorted(
        entries,
        key=lambda entry: (entry.file, entry.rule, entry.layer is not None, entry.layer or "", entry.digest or ""),
    )
    lines = ",".join(f"\n    {encode(entry)}" for entry in ordered)
    tool = encode(Tool(name="archlint", version=version))
    return f'{{\n  "schema": {SCHEMA},\n  "tool": {tool},\n  "findings": [{lines}\n  ]\n}}\n'


def _left(baseline: Baseline, run: Run) -> Mapping[Identity, int]:
    """How many findings there are now of each entry, as far as the run tells."""
    return {identity: run.found[identity] for identity in baseline.held if _is_decided(identity, baseline, run)}


def _is_decided(identity: Identity, baseline: Baseline, run: Run) -> bool:
    """Whether the run tells how many findings there are."""
    if identity.file in baseline.missing:
        return run.meets(identity.file)
    if identity.file not in run.files:
        return False
    return identity.rule in run.files[identity.file].settled or run.lacks(identity.rule)


def _findings(checked: Checked) -> Iterator[Finding]:
    """All findings, also those that are not reported."""
    yield from checked.findings
    yield from (hidden.finding for hidden in checked.suppressed)


def _identity(path: str, finding: Finding) -> Identity:
    digest = finding.evidence.get("digest")
    return Identity(finding.code, path, finding.layer, digest if isinstance(digest, str) else None)


def _renamed(baseline: Baseline, run: Run, left: Mapping[Identity, int]) -> Mapping[Identity, Identity]:
    """What has another layer or file now, where there is no doubt: one finding is gone, one is new."""
    cured = [identity for identity, count in left.items() if not count]
    shown = {_identity(file.path, finding) for file in run.judged for finding in file.checked.findings}
    new = shown - baseline.held.keys()
    layers = _paired(
        [old for old in cured if old.layer is not None],
        [fresh for fresh in new if fresh.layer is not None],
        lambda one: (one.rule, one.file, one.digest),
    )
    moved = [old for old in cured if old.file in baseline.missing]
    elsewhere = [fresh for fresh in new if fresh.file not in baseline.files]
    # a folder of models that is moved has the same layers several times, so the names of the files go first
    files = _paired(moved, elsewhere, lambda one: (one.rule, one.layer, one.digest)) | _paired(
        moved, elsewhere, lambda one: (one.rule, one.layer, one.digest, PurePosixPath(one.file).name)
    )
    return {old: fresh for old, fresh in layers.items() if old.layer not in run.layers(old.file)} | files


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
