"""Target figures, and whether measurements meet them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from benchmarks.comparison import Comparison, Line
from benchmarks.contenders import AGAIN, AIRBYTE, GUIDE, SYNC, WITH_HISTORY
from benchmarks.findings import Finding

OF_LIMIT = {SYNC.name: 2.0, WITH_HISTORY.name: 3.0, AGAIN.name: 2.5}
OF_AIRBYTE, OF_GUIDE = 7.0, 45.0
PAGE = 1_000
WORSE, MOST_MB = 1.2, 700
TASK_SECONDS, TWICE = 0.03, 2.2
HELP_SECONDS, OVER_EMPTY_FLOW, ALONE_SECONDS, OF_IMPORTS = 0.5, 1.5, 3.0, 2.5
IN_PARALLEL = 6.0


def beside_others(found: Comparison, size: int) -> Iterator[Finding]:
    """Targets relative to the limit, PyAirbyte and the configuration guide, each without start-up."""
    ours = found.line(size, SYNC.name)
    if not ours:
        yield Finding(f"{size:,} subscribers", found.reason(size, SYNC.name), False)
        return
    for name, most in OF_LIMIT.items():
        if line := found.line(size, name):
            yield at_most(f"{size:,} subscribers, {name}, times the limit", line.ratio, most)
    for name, least in ((AIRBYTE, OF_AIRBYTE), (GUIDE.name, OF_GUIDE)):
        if theirs := found.line(size, name):
            faster = _per_row(theirs) / _per_row(ours)
            yield at_least(f"{size:,} subscribers, times as fast per row as {name}", faster, least)
    pages = -(-size // PAGE)
    yield at_most(f"{size:,} subscribers, requests for their pages", ours.run.pages, pages)


def growing(found: Comparison, sizes: Sequence[int]) -> Iterator[Finding]:
    """Targets for the largest size relative to the one before, and for memory."""
    lines = {size: line for size in sizes if (line := found.line(size, SYNC.name))}
    for size in set(sizes) - lines.keys():
        yield Finding(f"{size:,} subscribers", found.reason(size, SYNC.name), False)
    for (size, before), (larger, line) in [*pairwise(lines.items())][-1:]:
        what = f"{larger:,} subscribers, ratio to the limit against that of {size:,}"
        yield at_most(what, line.ratio / before.ratio, WORSE)
    for size, line in lines.items():
        yield at_most(f"{size:,} subscribers, peak memory", line.run.peak_mb, MOST_MB, " MB")


def of_accounts(seconds: Mapping[int, float], lists: int) -> Iterator[Finding]:
    """Targets for the seconds of syncs, by number of accounts with `lists` lists each."""
    if {100, 200} <= seconds.keys():
        a_task = seconds[100] / (100 * lists)
        yield Finding(
            f"100 accounts, {lists} lists each",
            f"{a_task:.3f} s a task, at most {TASK_SECONDS}",
            a_task <= TASK_SECONDS,
        )
        yield at_most("200 accounts, times the seconds of 100", seconds[200] / seconds[100], TWICE)


def at_most(what: str, figure: float, most: float, unit: str = "") -> Finding:
    """A finding that holds if the figure is at most `most`."""
    return Finding(what, f"{figure:,.2f}{unit}, at most {most:g}{unit}", figure <= most)


def at_least(what: str, figure: float, least: float, unit: str = "") -> Finding:
    """A finding that holds if the figure is at least `least`."""
    return Finding(what, f"{figure:,.2f}{unit}, at least {least:g}{unit}", figure >= least)


def _per_row(line: Line) -> float:
    return line.work / max(line.run.rows, 1)
