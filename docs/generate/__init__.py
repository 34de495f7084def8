"""The pages of the site that are made from the code: what the code says is not written down a second time."""

from generate import commands, configuration, documents, facts, report, rules


def pages() -> dict[str, str]:
    """The content of every generated file by its place in `docs/`."""
    return {
        **rules.pages(),
        **documents.pages(),
        **configuration.pages(),
        "reference/commands.md": commands.page(),
        "reference/facts.md": facts.page(),
        **report.pages(),
    }
