"""Generates the chart and the tables of docs/benchmarks.md from docs/benchmark.json.

Run `python -m benchmarks.published` to generate them again.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import altair as alt
import msgspec
import pandas as pd

from benchmarks.comparison import COLUMNS, Comparison
from benchmarks.findings import Finding
from benchmarks.measuring import Run

PROJECT = Path(__file__).parent.parent
PAGE, FIGURES, CHART = (PROJECT / "docs" / name for name in ("benchmarks.md", "benchmark.json", "benchmark.svg"))
SECTION = re.compile(r"(?<=<!-- speed -->\n).*?(?=<!-- /speed -->)", re.DOTALL)
WIDTH, BAR = 560, 26


class Each(NamedTuple):
    """One run: the number of subscribers of all accounts, the contender, and its cost."""

    subscribers: int
    name: str
    run: Run


class Published(msgspec.Struct):
    """A complete measurement.

    Attributes:
        machine: description of the machine.
        versions: of the packages and of the other tools, or why they are missing.
        busy: load average at the start.
        runs: number of runs that the medians are of.
        by_size: the comparison of all contenders.
        findings: the findings of every part.
        each: every run that the medians are of.
    """

    machine: str
    versions: list[str]
    busy: float
    runs: int
    by_size: dict[int, dict[str, Run | str]]
    findings: list[Finding]
    each: list[Each] = []

    @property
    def comparison(self) -> Comparison:
        """The comparison of the contenders."""
        return Comparison(self.by_size)


def write(found: Published) -> None:
    """Write the figures, the chart and the section of the page."""
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    chart(found).save(CHART)
    PAGE.write_text(with_section(PAGE.read_text(), found))


def read() -> Published:
    """The committed measurement."""
    return msgspec.json.decode(FIGURES.read_bytes(), type=Published)


def with_section(text: str, found: Published) -> str:
    """The page with its section on speed replaced."""
    return SECTION.sub(lambda match: "\n".join([*section(found), ""]), text)


def section(found: Published) -> Iterator[str]:
    """The section on speed, as lines of Markdown."""
    size = max(found.by_size)
    yield f"![Seconds for {size:,} subscribers](benchmark.svg)"
    yield ""
    runs = f"{found.runs} run{'s' * (found.runs > 1)} of each, the medians"
    yield f"{size:,} subscribers of one account, from the sandbox into a DuckDB file: {runs}."
    yield f"{found.machine}; load average {found.busy:.1f} at the start."
    yield f"{'; '.join(found.versions)}."
    yield ""
    yield from _table(COLUMNS, (row for row in found.comparison.rows(size) if len(row) == len(COLUMNS)))
    yield ""
    for name, *reason in found.comparison.rows(size):
        if len(reason) == 1:
            yield f"{name} was not measured: {reason[0]}."
            yield ""
    yield from _table(
        ("target", "measured", ""), ((f.what, f.figures, "" if f.holds else "missed") for f in found.findings)
    )


def chart(found: Published) -> alt.Chart:
    """Bars of the seconds without start-up."""
    size = max(found.by_size)
    lines = [line for name in found.by_size[size] if (line := found.comparison.line(size, name))]
    frame = pd.DataFrame(
        {
            "name": [line.name for line in lines],
            "seconds": [line.work for line in lines],
            "label": [f"{line.work:.1f} s, {line.run.rows:,.0f} rows" for line in lines],
        }
    )
    base = alt.Chart(frame).encode(
        y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=240)),
        x=alt.X("seconds:Q", title=f"seconds for {size:,} subscribers, without what starting costs"),
    )
    labels = base.mark_text(align="left", dx=4).encode(text="label:N")
    drawn: alt.Chart = (base.mark_bar() + labels).properties(width=WIDTH, height=alt.Step(BAR))
    return drawn


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    write(read())
