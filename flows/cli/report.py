"""`drip-flows report`: progress on stderr, the place of the page on stdout."""

from collections.abc import Sequence

from rich.text import Text

from flows.cli.output import remark, remarks, say
from flows.reporting.notebooks import Choice, write_report


def show_report(output: str, accounts: Sequence[str] | None, since: str | None, until: str | None) -> None:
    """Write a report, and say where it is. Raises SettingsError and ReportFailed."""
    with remarks.status(Text("Starting the notebooks")) as status:
        begun: set[str] = set()

        def progress(notebook: str, cell: int, cells: int) -> None:
            if not remarks.is_terminal and notebook not in begun:
                remark(f"Running {notebook}")
            begun.add(notebook)
            status.update(Text(f"Running {notebook}: cell {cell} of {cells}"))

        written = write_report(output, Choice(accounts, since, until), progress)
    say(written.summary())
