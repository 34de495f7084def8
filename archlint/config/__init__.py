"""Configuration: which settings govern a file, what they are, and what is wrong with them.

`Projects(...).of(path)` is the whole use of it; `Settings` is the table of all there is to set.
"""

from archlint.config.project import Project, Projects, with_cli
from archlint.config.reference import builtins, reference, schema, shown
from archlint.config.settings import Ignored, Settings

__all__ = [
    "Ignored",
    "Project",
    "Projects",
    "Settings",
    "builtins",
    "reference",
    "schema",
    "shown",
    "with_cli",
]
