"""Draws what `archlint check` prints for a faulty model as docs/faulty.svg; run it when that changes."""

import io
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "faulty.svg"
COMMAND = ("archlint", "check", "fixtures/models/faulty.h5")
COLUMNS = 90

# rich's own template loads a font from elsewhere
FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, monospace }}
.{unique_id}-title {{ font: bold 18px sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def picture() -> str:
    """The terminal in which the command has run, as SVG."""
    console = Console(record=True, file=io.StringIO(), width=COLUMNS, force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(printed().rstrip()))
    svg = console.export_svg(title=" ".join(COMMAND), code_format=FORMAT, unique_id="archlint")
    return "\n".join(line.strip() for line in svg.replace("</text>", "</text>\n").splitlines() if line.strip()) + "\n"


def printed() -> str:
    """What the command prints to a terminal with colours."""
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    environment |= {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", *COMMAND, "--exit-zero"]
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8", check=True
    )
    return run.stdout


if __name__ == "__main__":
    PICTURE.write_text(picture(), "utf-8")
