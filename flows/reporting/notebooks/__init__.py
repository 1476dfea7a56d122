"""The notebooks as one page to share: run them, take the code out, put the charts in."""

from flows.reporting.notebooks.choice import Choice, ReportFailed
from flows.reporting.notebooks.report import DEFAULT_OUTPUT, Report, write_report

__all__ = ["DEFAULT_OUTPUT", "Choice", "Report", "ReportFailed", "write_report"]
