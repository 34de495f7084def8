"""archlint: a linter and advisor for neural-network architectures."""

__version__ = "0.1.0"
