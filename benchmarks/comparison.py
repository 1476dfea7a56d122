"""Contenders beside each other: seconds less what starting costs, and how many times the limit that is."""

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
"""Seconds of work that are told from none."""


class Line(NamedTuple):
    """One contender at one size.

    Attributes:
        name: whose.
        run: medians.
        start: seconds at the smallest size.
        ratio: of its work to that of the limit.
    """

    name: str
    run: Run
    start: float
    ratio: float

    @property
    def work(self) -> float:
        """Seconds that the rows cost."""
        return max(self.run.seconds - self.start, LEAST)

    def cells(self, size: int) -> tuple[str, ...]:
        """As `COLUMNS` has them."""
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
    """Medians by size and name, or why there are none. The smallest size is what starting costs."""

    by_size: dict[int, dict[str, Run | str]] = field(default_factory=dict)

    @property
    def smallest(self) -> int:
        """The size that is taken off the others."""
        return min(self.by_size)

    def line(self, size: int, name: str) -> Line | None:
        """One contender at one size; None where it was not measured."""
        line, limit = self._line(size, name), self._line(size, LIMIT.name)
        return line._replace(ratio=line.work / limit.work) if line and limit else None

    def rows(self, size: int) -> Iterator[tuple[str, ...]]:
        """The cells of every contender; of one that was not measured its name and the reason."""
        for name in self.by_size[size]:
            line = self.line(size, name)
            yield line.cells(size) if line else (name, self.reason(size, name))

    def reason(self, size: int, name: str) -> str:
        """Why one was not measured, at this size or at the smallest."""
        tried = (self.by_size[at].get(name) for at in (size, self.smallest))
        return next((one for one in tried if isinstance(one, str)), "there is nothing to compare it with")

    def table(self, size: int) -> Table:
        """For a terminal; reasons stand below it."""
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
