"""archlint in Python: `archlint.check`, and the report that it returns."""

from archlint.api.linter import Linter, Options, check, refuse_unknown_options
from archlint.api.report import FindingsError, Report, known_level

__all__ = ["FindingsError", "Linter", "Options", "Report", "check", "known_level", "refuse_unknown_options"]
