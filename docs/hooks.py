"""Adds the pages to the site that are generated: rules, reference, and the documents at the root of the repository."""

import re

from generate import pages, rules
from generate.documents import section
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_INCLUDED = re.compile(r"<!-- README: (?P<heading>.+?) -->")


def on_config(config: MkDocsConfig) -> None:
    """List every rule in the navigation, grouped by family."""
    for entry in config.nav or ():
        if isinstance(entry, dict) and "Rules" in entry:
            entry["Rules"] += rules.navigation()


def on_files(files: Files, *, config: MkDocsConfig) -> None:
    """Add the generated pages."""
    for place, content in pages().items():
        files.append(File.generated(config, place, content=content))


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Put sections of the README where a page asks for them."""
    return _INCLUDED.sub(lambda found: section("README.md", found["heading"]), markdown)
