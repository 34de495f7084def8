"""archlint in Python: `archlint.check`, and the report that it returns."""

from archlint.api.linter import Linter, Options, check
from archlint.api.report import FindingsError, Report, known_level

__all__ = ["FindingsError", "Linter", "Options", "Report", "check", "known_level"]
