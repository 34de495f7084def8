"""Findings as people and programs read them: one module per format, and the JSON contract in `contract`."""

from archlint.reports.contract import Checked, Report, summarise

__all__ = ["Checked", "Report", "summarise"]
