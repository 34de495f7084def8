"""All the rules there are: the built-in pages and those of the user, and how people name them.

Reading and proving sixty pages takes long enough to be felt, so proved rules are kept in the user's cache folder, under
a key made of everything that the proof depends on.
"""

import os
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from time import monotonic

import msgspec

from archlint.errors import PageError, ReadError, UsageError
from archlint.limits import PAGE_BYTES, PAGES, PROOF_SECONDS
from archlint.readers.files import open_file
from archlint.rules.proof import SCHEMA, no_facts, prove
from archlint.rules.rule import Rule

PACKAGE = Path(__file__).parents[1]
_CODE_PREFIX = re.compile(r"[A-Za-z]{1,3}[0-9]{0,3}")


class _Cached(msgspec.Struct, frozen=True):
    key: bytes
    rules: tuple[Rule, ...]


def built_in() -> Path:
    """The folder of the built-in pages: inside the installed package, or beside it in a checkout."""
    installed = PACKAGE / "_rules"
    return installed if installed.is_dir() else PACKAGE.parent / "rules"


def load(folders: Sequence[Path] = ()) -> tuple[Rule, ...]:
    """The built-in rules and those of the user's folders, proved, ordered by code.

    Raises:
        PageError: a page is no rule, or two pages claim the same code or name.
        UsageError: a folder cannot be read.
    """
    different = {_real(folder): folder for folder in (built_in(), *folders)}
    pages = dict(islice((page for folder in different.values() for page in _pages(folder)), PAGES + 1))
    if len(pages) > PAGES:
        raise UsageError(f"there are more than {PAGES} rule pages, archlint's own included; name fewer folders")
    key, cache = _key(pages), _cache_file(pages)
    cached = _cached(cache, key)
    if cached is None:
        cached = tuple(sorted(parse_and_prove(pages.items()), key=lambda rule: rule.code))
        _refuse_duplicates(cached)
        _keep(cache, _Cached(key, cached))
    return cached


def parse_and_prove(pages: Iterable[tuple[Path, bytes]]) -> Iterator[Rule]:
    """The rules on the pages, proved against one empty database; PageError at the first page that is no rule."""
    from archlint.rules.page import parse  # here: Markdown and YAML take 60 ms that a warm cache saves

    asked, left = tuple(pages), float(PROOF_SECONDS)
    strangers = strange(str(path) for path, _ in asked)
    with no_facts(strange=bool(strangers)) as empty:
        for path, content in asked:
            if left < 0:
                raise PageError(f"{path}: proving other pages took {PROOF_SECONDS} s; name fewer, or simpler ones")
            start = monotonic()
            rule = prove(parse(path, _decoded(path, content)), empty)
            left -= monotonic() - start if str(path) in strangers else 0
            yield rule


def strange(paths: Iterable[str]) -> frozenset[str]:
    """The pages that are none of archlint's own."""
    own = str(built_in())
    return frozenset(path for path in paths if path.rpartition(os.sep)[0] != own)


def find(rules: Sequence[Rule], word: str) -> Rule:
    """The rule with this code or name, in whatever case; UsageError, with the nearest names, if there is none."""
    for rule in rules:
        if names(rule, word):
            return rule
    raise UsageError(f"there is no rule {word!r}{_suggestion(rules, word)}")


def choose(
    rules: Sequence[Rule], select: Sequence[str] = (), ignore: Sequence[str] = (), preview: bool = False
) -> tuple[Rule, ...]:
    """The rules that `select` names (all if it is empty) without those that `ignore` names.

    A selector is a code, the beginning of one (`LOS`), a name, or a glob over either (`*-norm`). Rules in preview are
    left out unless `preview` asks for them.

    Raises:
        UsageError: a selector names no rule, or one of `select` only rules in preview, without `preview`.
    """
    refuse_unknown(rules, (*select, *ignore))
    available = [rule for rule in rules if preview or rule.stage != "preview"]
    for selector in select:
        if not any(matches(rule, selector) for rule in available):
            raise UsageError(f"{selector!r} selects only rules in preview: pass --preview, or set preview = true")
    return tuple(
        rule
        for rule in available
        if (not select or any(matches(rule, selector) for selector in select))
        and not any(matches(rule, selector) for selector in ignore)
    )


def refuse_unknown(rules: Sequence[Rule], selectors: Iterable[str]) -> None:
    """Refuses a selector that names no rule, with UsageError and the nearest names."""
    for selector in selectors:
        if not any(matches(rule, selector) for rule in rules):
            raise UsageError(f"no rule is selected by {selector!r}{_suggestion(rules, selector)}")


def names(rule: Rule, word: str) -> bool:
    """Whether the word is the rule's code or name, in whatever case."""
    return word.lower() in (rule.code.lower(), rule.name)


def matches(rule: Rule, selector: str) -> bool:
    """Whether a selector names the rule."""
    if _CODE_PREFIX.fullmatch(selector) and rule.code.startswith(selector.upper()):
        return True
    return any(fnmatchcase(known, selector.lower()) for known in (rule.code.lower(), rule.name))


def _suggestion(rules: Iterable[Rule], word: str) -> str:
    known = list(dict.fromkeys(known for rule in rules for known in (rule.code, rule.name, rule.code[:3])))
    close = [*get_close_matches(word.upper(), known), *get_close_matches(word.lower(), known)]
    return (
        f"; did you mean {' or '.join(close)}?"
        if close
        else "; write a code like NRM001 or a name like bias-before-norm"
    )


def page_files(place: Path) -> list[Path]:
    """The pages in a folder, its README left out; a file is a page itself."""
    if not place.is_dir():
        return [place]
    return [path for path in sorted(place.glob("*.md")) if path.name.lower() != "readme.md"]


def _real(place: Path) -> Path:
    """Where a page or folder is, whatever links lead there; UsageError if there is none."""
    try:
        return place.resolve(strict=True)
    except FileNotFoundError as error:
        raise UsageError(f"{place} does not exist; give a rule page or a folder of them") from error
    except (OSError, ValueError, RuntimeError) as error:  # the latter two: a null character, links in a circle
        raise UsageError(f"there is no rule page and no folder of them at {place}; mend the path") from error


def _pages(place: Path) -> Iterator[tuple[Path, bytes]]:
    for path in page_files(place):
        yield path, read_page(path)


def read_page(path: Path) -> bytes:
    """What is in the file of a page; PageError if it is no file, cannot be read, or is longer than any page."""
    if path.exists() and not path.is_file():
        raise PageError(f"{path}: the page is no regular file; give a rule page or a folder of them")
    try:
        with open_file(path) as file:
            content = file.pread(PAGE_BYTES + 1, 0)
    except ReadError as error:
        raise PageError(f"{path}: the page cannot be read: {error}") from error
    except OSError as error:
        raise PageError(f"{path}: the page cannot be read: {error.strerror}") from error
    if len(content) > PAGE_BYTES:
        raise PageError(f"{path}: the page is longer than {PAGE_BYTES // 1024} KiB; shorten it")
    return content


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PageError(f"{path}: the page is not UTF-8: {error.reason} at byte {error.start}") from error


def _refuse_duplicates(rules: Iterable[Rule]) -> None:
    owners: dict[str, Rule] = {}
    for rule in rules:
        for known in (rule.code, rule.name):
            if known in owners:
                raise PageError(f"{rule.path}: {known} is taken by {owners[known].path}: choose another one")
            owners[known] = rule


def _key(pages: dict[Path, bytes]) -> bytes:
    """A digest of what decides the outcome of a proof: pages, schema, SQLite, and the code of this package itself."""
    digest = blake2b(sqlite3.sqlite_version.encode(), digest_size=16)
    code = {path: path.read_bytes() for path in (SCHEMA, *sorted(Path(__file__).parent.glob("*.py")))}
    for path, content in (pages | code).items():
        digest.update(blake2b(bytes(path)).digest() + blake2b(content).digest())
    return digest.digest()


def _cache_file(pages: Iterable[Path]) -> Path | None:
    folders = sorted({str(path.parent.absolute()) for path in pages})
    cache = _cache_folder()
    return cache and cache / f"rules-{blake2b(repr(folders).encode(), digest_size=8).hexdigest()}.msgpack"


def _cache_folder() -> Path | None:
    """Where this platform keeps caches; None for a user without a home."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home)) / "archlint" / "Cache"
    usual = home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else usual) / "archlint"  # relative ones are to be ignored, says XDG


def _cached(cache: Path | None, key: bytes) -> tuple[Rule, ...] | None:
    if cache is None:
        return None
    try:
        kept = msgspec.msgpack.decode(cache.read_bytes(), type=_Cached)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return kept.rules if kept.key == key else None


def _keep(cache: Path | None, cached: _Cached) -> None:
    """Writes the cache in one step, so that nobody reads half of it; a cache that cannot be written is no fault."""
    if cache is None:
        return
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        draft = cache.with_suffix(f".{os.getpid()}")
        draft.write_bytes(msgspec.msgpack.encode(cached))
        draft.replace(cache)
    except OSError:
        return
