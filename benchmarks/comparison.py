"""Compares contenders: seconds of work without start-up, and their ratio to the limit."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.table import Table

from benchmarks.contenders import LIMIT
from benchmarks.measuring import Run

COLUMNS = (
    "",
    "seconds",
    "start",
    "work",
    "x limit",
    "requests",
    "rows that arrived",
    "peak MB",
    "CPU s",
    "sandbox CPU s",
)
LEAST = 0.01
"""Minimum seconds of work that can be measured, so that ratios do not divide by zero."""


class Line(NamedTuple):
    """One contender at one size.

    Attributes:
        name: of the contender.
        run: medians.
        start: start-up, in seconds: the run at the smallest size.
        ratio: its work divided by the work of the limit.
    """

    name: str
    run: Run
    start: float
    ratio: float

    @property
    def work(self) -> float:
        """Seconds of the run without start-up."""
        return max(self.run.seconds - self.start, LEAST)

    def cells(self, size: int) -> tuple[str, ...]:
        """The values of `COLUMNS`."""
        one = self.run
        return (
            self.name,
            f"{one.seconds:.1f}",
            f"{self.start:.1f}",
            f"{self.work:.1f}",
            f"{self.ratio:.1f}",
            f"{one.requests:,.0f}",
            f"{one.rows:,.0f} of {size:,}",
            f"{one.peak_mb:,.0f}",
            f"{one.cpu_seconds:.1f}",
            f"{one.api_seconds:.1f}",
        )


@dataclass
class Comparison:
    """Medians by size and name, or the reason why there are none. The smallest size measures start-up."""

    by_size: dict[int, dict[str, Run | str]] = field(default_factory=dict)

    @property
    def smallest(self) -> int:
        """The size whose run counts as start-up."""
        return min(self.by_size)

    def line(self, size: int, name: str) -> Line | None:
        """One contender at one size; None if it was not measured."""
        line, limit = self._line(size, name), self._line(size, LIMIT.name)
        return line._replace(ratio=line.work / limit.work) if line and limit else None

    def rows(self, size: int) -> Iterator[tuple[str, ...]]:
        """The cells of every contender, or its name and the reason if it was not measured."""
        for name in self.by_size[size]:
            line = self.line(size, name)
            yield line.cells(size) if line else (name, self.reason(size, name))

    def reason(self, size: int, name: str) -> str:
        """Why a contender was not measured, at this size or at the smallest."""
        tried = (self.by_size[at].get(name) for at in (size, self.smallest))
        return next((one for one in tried if isinstance(one, str)), "there is nothing to compare it with")

    def table(self, size: int) -> Table:
        """A table for the terminal, with the reasons below it."""
        rows = list(self.rows(size))
        reasons = "\n".join(f"{name} was not measured: {reason}" for name, *reason in rows if len(reason) == 1)
        table = Table(title=f"{size:,} subscribers", caption=reasons, title_justify="left", caption_justify="left")
        for column in COLUMNS:
            table.add_column(column, justify="right" if column else "left", no_wrap=True)
        for cells in rows:
            if len(cells) == len(COLUMNS):
                table.add_row(*cells)
        return table

    def _line(self, size: int, name: str) -> Line | None:
        run, start = self.by_size[size].get(name), self.by_size[self.smallest].get(name)
        if isinstance(run, Run) and isinstance(start, Run):
            return Line(name, run, start.seconds, 1.0)
        return None
