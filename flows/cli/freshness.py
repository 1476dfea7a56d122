"""The freshness check from the command line, without Prefect: it answers at once."""

from collections.abc import Sequence

from flows.cli.console import checked_destination, console
from flows.common.console import marked
from flows.freshness import FreshnessReport, Limits, check_freshness
from flows.source.settings import common_settings


def show_freshness(
    limits: Limits, accounts: Sequence[str] | None, resources: Sequence[str] | None, destination: str, dataset: str
) -> int:
    """Check, and say what is wrong. Returns the exit code. Raises SettingsError."""
    common_settings()  # refuses what is unknown or wrong, as the flow does
    name = checked_destination(destination, accounts)
    report = check_freshness(limits, accounts, resources, name, dataset)
    show_report(report)
    return 1 if report.problems else 0


def show_report(report: FreshnessReport) -> None:
    """Every problem in a line, or that there is none."""
    for problem in report.problems:
        console.print(marked(f"{problem.resource} of {problem.account}", f": {problem.text}"), soft_wrap=True)
    if not report.problems:
        console.print(report.summary(), soft_wrap=True)
