"""The documents at the root of the repository as pages of the site."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

PLACES = {
    "ARCHITECTURE.md": "project/architecture.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "rules/README.md": "rules/pages.md",
}
"""Where in the site a document is shown."""

_LINK = re.compile(r"\[(?P<text>[^]\n]+)\]\((?P<target>[^)\s]+)\)")
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def pages() -> dict[str, str]:
    """Each document, with links that lead where the site has it."""
    return {place: _linked(name, (ROOT / name).read_text("utf-8"), place) for name, place in PLACES.items()}


def section(name: str, heading: str) -> str:
    """What a document says under one of its headings, without links into itself."""
    text = (ROOT / name).read_text("utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"{name} has no section {heading}")
    return _linked(name, found[1].strip(), "comparison.md")


def _linked(name: str, text: str, place: str) -> str:
    """The text with its links turned: to the site where it has the file, else to nothing."""
    parts = _FENCED.split(text)
    folder = Path(name).parent
    up = "../" * place.count("/")
    return "".join(
        part if part.startswith("```") else _LINK.sub(lambda f: _turned(f, folder, up), part) for part in parts
    )


def _turned(found: re.Match[str], folder: Path, up: str) -> str:
    text, target = found["text"], found["target"]
    if "://" in target:
        return found[0]
    path, _, anchor = target.partition("#")
    file = (folder / path).as_posix() if path else ""
    if file.startswith("docs/"):
        file = file.removeprefix("docs/")
    elif file in PLACES:
        file = PLACES[file]
    elif not re.fullmatch(r"rules/[A-Z]{3}\d{3}-.*\.md", file):
        return text
    return f"[{text}]({up}{file}{'#' + anchor if anchor else ''})"
