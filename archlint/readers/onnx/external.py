"""Tensors whose data is in another file: that file is looked at from outside, never opened.

https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from archlint.limits import NAME_LENGTH

_KEY = re.compile("location|offset|length|checksum|basepath|prepacked_[0-9]+")
"""What is said of a place; the last is where onnxruntime has laid out the numbers for its own use, in the same file."""


@dataclass(frozen=True, slots=True)
class External:
    """Where a tensor's data is said to be, relative to the model's folder, and how large that file is.

    A `path` that no file can have is cut.

    `fault` is a word for what is wrong with it, None if nothing is:

        no-location, absolute, backslash, outside   no path that stays below the model's folder everywhere
        missing, link, hardlink, not-regular        no plain file that is there and nowhere else
        bad-range                                   offset and length are no numbers, or pass the end of the file
        unknown-key                                 an entry that the format does not know
    """

    path: str
    offset: int | None
    length: int | None
    size: int | None
    fault: str | None


def located(folder: Path, entries: Mapping[str, str]) -> External:
    """What the `external_data` of a tensor points at, for a model in `folder`."""
    location = entries.get("location", "")
    offset, length = _number(entries.get("offset")), _number(entries.get("length"))
    size = None
    fault = path_fault(location)
    if fault is None:
        fault, size = _file(folder, location)
    if fault is None and not _in_range(entries, offset, length, size or 0):
        fault = "bad-range"
    if fault is None and not all(map(_KEY.fullmatch, entries)):
        fault = "unknown-key"
    return External(location[:NAME_LENGTH], offset, length, size, fault)


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[0-9]{1,20}", text) else None


def path_fault(location: str) -> str | None:
    """Why a location is no path that stays below the model's folder everywhere; None if it is one."""
    if not location:
        return "no-location"
    if location.startswith("/") or PureWindowsPath(location).anchor:
        return "absolute"
    if "\\" in location:
        return "backslash"
    return "outside" if ".." in PurePosixPath(location).parts else None


def _file(folder: Path, location: str) -> tuple[str | None, int | None]:
    """What is wrong with the file, and its size; a link is not followed, nor one of the folders on the way."""
    parts = PurePosixPath(location).parts
    status = None
    try:
        for count in range(len(parts)):
            status = os.lstat(folder.joinpath(*parts[: count + 1]))
            if stat.S_ISLNK(status.st_mode):
                return "link", None
    except (OSError, ValueError):
        return "missing", None
    if status is None or not stat.S_ISREG(status.st_mode):
        return "not-regular", None
    return "hardlink" if status.st_nlink > 1 else None, status.st_size


def _in_range(entries: Mapping[str, str], offset: int | None, length: int | None, size: int) -> bool:
    numbers = (("offset", offset), ("length", length))
    if any(number is None for key, number in numbers if key in entries):
        return False
    return (offset or 0) + (length or 0) <= size
