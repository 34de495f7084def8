"""What h5py reads from HDF5 files: paths come on standard input, a line each; for each goes out a line of JSON.

A process of its own, as the library behind h5py crashes and hangs on damaged files: a crash is the end of this process,
and so is a file that takes more than a second of the processor's time.
"""

import hashlib
import json
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

SECONDS = 1.0
NUMBERS = 2**20
"""Bytes of a dataset up to which its numbers are compared."""

Facts = dict[str, Any]
"""What a file says: of groups and datasets by path, of attributes by `path@name`, of numbers by `path=`.

None stands for what cannot be read: of an object, then nothing is known of what is below it, of `path@` none of its
attributes.
"""


def plain(value: Any) -> Any:
    """The value of an attribute, as JSON."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if getattr(value, "shape", ()) is None:
        return "nothing"
    found = np.asarray(value)
    if found.dtype == bool:
        found = found.astype("i1")  # an enumeration, of which h5py makes truth values
    if found.dtype.kind in "OSU":
        return [list(found.shape), [plain(item) for item in found.ravel().tolist()]]
    return numbers(found)


def numbers(found: Any) -> list[Any]:
    """Numbers in short."""
    native = np.ascontiguousarray(found.astype(found.dtype.newbyteorder("="), copy=False))
    return [native.dtype.name, list(found.shape), hashlib.sha1(native.tobytes()).hexdigest()]


def _or_none(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception:
        return None


def facts(path: str) -> Facts:
    """What h5py reads of a file."""
    import h5py

    with h5py.File(path) as file:
        found: dict[str, Any] = {"": "group", **_attributes("", file)}
        places: dict[int, list[str]] = {h5py.h5o.get_info(file.id).addr: [""]}
        pending = [("", file)]
        while pending:
            above, group = pending.pop()
            for inner, member in _members(above, group):
                found[inner] = None
                if member is None:
                    continue
                names = places.setdefault(h5py.h5o.get_info(member.id).addr, [])
                names.append(inner)
                if len(names) == 1:
                    found |= _object(inner, member)
                if len(names) == 1 and isinstance(member, h5py.Group):
                    pending.append((inner, member))
    # Objects of several names: which one counts is not said.
    return found | {alias: None for aliases in places.values() if len(aliases) > 1 for alias in aliases}


def _members(path: str, group: Any) -> Iterator[tuple[str, Any]]:
    """What a group holds itself, with its path; None for what cannot be read."""
    import h5py

    names = _or_none(lambda: list(group))
    if names is None:
        yield f"{path}/", None
    for name in names or ():
        link = _or_none(lambda name=name: group.get(name, getlink=True))
        if link is None or isinstance(link, h5py.HardLink):
            yield f"{path}/{name}", _or_none(lambda name=name: group[name])


def _object(path: str, member: Any) -> Facts:
    import h5py

    if isinstance(member, h5py.Group):
        return {path: "group", **_attributes(path, member)}
    if not isinstance(member, h5py.Dataset) or member.shape is None:
        return {path: None}
    dtype = _or_none(lambda: member.dtype)
    if dtype is None or dtype.kind not in "fiub":
        return {path: None}
    described = {path: [dtype.name, list(member.shape)], f"{path}=": _or_none(lambda: _numbers(member))}
    return {**described, **_attributes(path, member)}


def _numbers(member: Any) -> Any:
    return numbers(member[()]) if member.size * member.dtype.itemsize <= NUMBERS else None


def _attributes(path: str, member: Any) -> Facts:
    names = _or_none(lambda: list(member.attrs))
    if names is None:
        return {f"{path}@": None}
    return {f"{path}@{name}": _or_none(lambda name=name: plain(member.attrs[name])) for name in names}


def _serve() -> None:
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # the default of its signal is to end the process
        found = _or_none(partial(facts, line.rstrip("\n")))
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    _serve()
