"""The configuration reference, and the JSON schema from which editors complete and explain the keys."""

import msgspec

from archlint.config import reference, schema

_HEAD = """\
# Settings

Every key of an `archlint.toml`, and of the table `[tool.archlint]` in a `pyproject.toml`.
[Configuring](../configuring.md) explains where configurations are looked for and how keys work together.

[archlint.schema.json](archlint.schema.json) is the JSON schema of the file. An editor that knows
schemas of TOML (Taplo, Even Better TOML) completes and explains the keys where the first line is
`#:schema` with the place of that file.

"""


def pages() -> dict[str, str]:
    """The reference, and the schema itself."""
    return {
        "reference/configuration.md": _HEAD + reference(),
        "reference/archlint.schema.json": msgspec.json.format(msgspec.json.encode(schema())).decode() + "\n",
    }
