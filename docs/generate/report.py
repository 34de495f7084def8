"""The reference of the JSON report, made from its structs."""

from typing import Any

import msgspec

from archlint.reports import contract
from generate.markdown import plain, table

_HEAD = """\
# The JSON report

`--format json` prints one report; [report.schema.json](report.schema.json) is its JSON schema. {text}

"""


def pages() -> dict[str, str]:
    """The reference, and the JSON schema itself."""
    schema = msgspec.json.schema(contract.Report)
    text = (contract.__doc__ or "").partition("\n\n")[2]
    sections = (_section(name, fields) for name, fields in schema["$defs"].items())
    return {
        "reference/report.md": _HEAD.format(text=text) + "\n\n".join(sections) + "\n",
        "reference/report.schema.json": msgspec.json.format(msgspec.json.encode(schema)).decode(),
    }


def _section(name: str, struct: dict[str, Any]) -> str:
    required = struct.get("required", ())
    rows = [
        (f"`{field}`", type_of(described), "always" if field in required else "")
        for field, described in struct["properties"].items()
    ]
    return f"## {name}\n\n{plain(struct.get('description', ''))}\n\n{table(('Field', 'Type', 'There'), rows)}"


def type_of(described: dict[str, Any]) -> str:
    """The type that a JSON schema gives to a value, in words."""
    if "$ref" in described:
        name = described["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in described:
        return " or ".join(map(type_of, described["anyOf"]))
    if "enum" in described:
        return " or ".join(f"`{value}`" for value in described["enum"])
    if described.get("type") == "array":
        return f"list of {type_of(described['items'])}" if "items" in described else "list"
    return str(described.get("type", "anything"))
