"""The freshness check from the command line, without Prefect: it answers at once."""

from collections.abc import Sequence

from rich.markup import escape

from flows.freshness import Limits, check_freshness
from flows.terminal import checked_destination, console


def show_freshness(
    limits: Limits, accounts: Sequence[str] | None, resources: Sequence[str] | None, destination: str, dataset: str
) -> int:
    """Check, and say what is wrong. Returns the exit code. Raises SettingsError."""
    name = checked_destination(destination, accounts)
    report = check_freshness(limits, accounts, resources, name, dataset)
    for problem in report.problems:
        console.print(f"[red]{problem.resource} of {problem.account}[/]: {escape(problem.text)}", soft_wrap=True)
    if not report.problems:
        console.print(report.summary(), soft_wrap=True)
    return 1 if report.problems else 0
