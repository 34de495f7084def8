"""The README, and the tables and reports in docs/, show what archlint really does."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from support import FIXTURES, query

from archlint.cli import app
from archlint.reports import Checked, Report
from archlint.rules.finding import Finding, NotChecked

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PROGRAMS = (ROOT / "docs" / "programs.md").read_text("utf-8")
ONNX = (ROOT / "docs" / "onnx.md").read_text("utf-8")


def test_the_json_shown_has_the_fields_of_the_contract():
    shown = json.loads(re.search(r"```json\n(.*?)```", PROGRAMS, re.DOTALL)[1])
    (file,) = shown["files"]
    structs = ((shown, Report), (file, Checked), (file["findings"][0], Finding), (file["not_checked"][0], NotChecked))
    for example, struct in structs:
        assert set(example) == {field.name for field in msgspec.structs.fields(struct)}


def test_every_command_is_in_the_table_and_every_one_in_the_table_exists():
    listed = set(re.findall(r"^\| `archlint (\w+)", README, re.MULTILINE))
    assert listed == {command.name for command in app.registered_commands}


LIFTED = re.findall(r"^\| .*\(`([\w-]+)`\) \| (\d+) \| ([\d,]+) \| ([\d,]+) \| ([\d.]+)% \|$", ONNX, re.MULTILINE)


@pytest.mark.parametrize("row", LIFTED, ids=lambda row: row[0])
def test_the_share_of_nodes_understood_is_that_of_the_exports(row):
    exporter, *shown = row
    files = sorted((FIXTURES / "exports").glob(f"*.{exporter}.onnx"))
    totals = [query(file, "SELECT nodes, layers, lifted FROM model")[0] for file in files]
    nodes, layers, lifted = map(sum, zip(*totals, strict=True))
    assert shown == [str(len(files)), f"{nodes:,}", f"{layers:,}", f"{lifted / nodes:.1%}".rstrip("%")]


def test_the_share_of_nodes_understood_is_shown_for_every_exporter_in_use():
    assert len(LIFTED) == 16
