"""archlint: a linter and advisor for neural-network architectures.

    report = archlint.check(model)
    report.raise_for("warning")

A model is a path, the bytes of a file, a Keras model or an onnx.ModelProto.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archlint import keras
    from archlint.api import FindingsError, Report, check
    from archlint.errors import (
        ArchitectureWarning,
        ArchlintError,
        PageError,
        QueryError,
        ReadError,
        UsageError,
    )
    from archlint.reports.contract import Checked
    from archlint.rules.finding import Finding

__version__ = "0.1.0"

__all__ = [
    "ArchitectureWarning",
    "ArchlintError",
    "Checked",
    "Finding",
    "FindingsError",
    "PageError",
    "QueryError",
    "ReadError",
    "Report",
    "UsageError",
    "__version__",
    "check",
    "keras",
]

_HOMES = {
    "check": "api",
    "Checked": "reports.contract",
    "Finding": "rules.finding",
    "FindingsError": "api",
    "Report": "api",
}
"""The modules of what is not in `errors`."""


def __getattr__(name: str) -> Any:
    # Imported when asked for: the command line needs the version alone, and starts in milliseconds.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "keras":
        return import_module("archlint.keras")
    return getattr(import_module(f"archlint.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
