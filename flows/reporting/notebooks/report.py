"""A report: the first three notebooks as one HTML page, in a file or a bucket."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec

import pandas as pd

from flows.common.errors import SettingsError
from flows.common.project import ROOT
from flows.dataset.files import database_file
from flows.reporting.notebooks.choice import Choice
from flows.source.landing.storage import folder_at, write_atomically

NOTEBOOKS = ROOT / "notebooks"
SHARED = ("01-data-health", "02-audience", "03-sending")
"""What they show are numbers; the fourth lists people."""
DEFAULT_OUTPUT = "data/report.html"
NEEDED = ("nbconvert", "nbclient", "vl_convert", "altair")
TITLE = "Drip report"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        place: its absolute path, or its URL in a bucket.
        link: a URL of it.
        charts: in it.
        size: in bytes.
    """

    place: str
    link: str
    charts: int
    size: int

    def summary(self) -> str:
        """A line about it."""
        return f"Report with {self.charts} charts ({self.size / MEGABYTE:.1f} MB): {self.place}"


def write_report(output: str, choice: Choice, progress: Callable[[str, int, int], None]) -> Report:
    """Run the notebooks, and write what they show as one HTML page.

    Args:
        output: a path, which is relative to the project, or the URL of an object in a bucket.
        choice: of accounts and days.
        progress: is called before each cell with the name of the notebook, the number of the cell and of all.

    Raises:
        ReportFailed: a cell of a notebook failed, such as for an unknown account.
        SettingsError: there is no data, or no notebook; something to run them is not installed; the page cannot be
            written.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise SettingsError(f"a report needs {missing[0]}: install drip-flows[notebooks]")
    database_file()
    _check_days(choice)
    from flows.reporting.notebooks.execution import run_notebooks  # these are an extra
    from flows.reporting.notebooks.page import number_of_charts, page

    made = datetime.now(UTC)
    notebook = run_notebooks([NOTEBOOKS / f"{name}.ipynb" for name in SHARED], choice, progress)
    charts = number_of_charts(notebook)
    content = page(notebook, made, TITLE).encode()
    return Report(*_write(output, content), charts, len(content))


def _check_days(choice: Choice) -> None:
    """Raises SettingsError where something is not a day."""
    for name, day in (("since", choice.since), ("until", choice.until)):
        try:
            pd.Timestamp(day) if day is not None else None
        except ValueError:
            raise SettingsError(f"{name}: {day!r} is not a day, such as 2026-01-31") from None


def _write(output: str, content: bytes) -> tuple[str, str]:
    """Write the page; its path or URL, and a URL of it. Raises SettingsError."""
    try:
        place = folder_at(output)
        write_atomically(place, content)
        return str(place), place.as_uri()
    except (OSError, ValueError, ImportError) as error:
        raise SettingsError(f"cannot write the report to {output}: {error}") from None
