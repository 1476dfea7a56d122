"""Runs of contenders, one after another in turns, and the medians of what they cost."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.api import Api
from benchmarks.command import Cost, Place
from benchmarks.contenders import Contender


@dataclass(frozen=True)
class Run:
    """What one run cost, or the medians of several.

    Attributes:
        seconds: of the whole process.
        cpu_seconds: processor time of it and its children.
        peak_mb: most memory that they held.
        api_seconds: processor time of the sandbox.
        requests: that the sandbox answered.
        pages: of these, of subscribers.
        reading: seconds from the first request for subscribers to the last.
        rows: distinct subscribers in the database.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    api_seconds: float
    requests: float
    pages: float
    reading: float
    rows: float


class Failed(Exception):
    """A contender did not end well; the message is the last line it said."""


@contextmanager
def place(settings: Mapping[str, str]) -> Iterator[Place]:
    """A place with these settings in its environment, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="drip-benchmark-") as folder:
        yield Place(Path(folder), settings)


def run(contender: Contender, api: Api, there: Place) -> Run:
    """Run it once. Raises Failed."""
    api.answered()
    before = api.cpu_seconds()
    cost = checked(there.start(api.url, api.api_key, contender.command(api, there)).wait())
    used, answered = api.cpu_seconds() - before, api.answered()
    return Run(cost.seconds, cost.cpu_seconds, cost.peak_mb, used, *answered, _rows(there, contender))


def checked(cost: Cost) -> Cost:
    """The cost of a command that ended well. Raises Failed."""
    if cost.code:
        lines = cost.output.strip().splitlines() or ["it said nothing"]
        raise Failed(f"exit {cost.code}: {lines[-1]}")
    return cost


def in_turns(contenders: Sequence[Contender], api: Api, runs: int, say: Callable[[str], None]) -> dict[str, Run | str]:
    """By name, the medians of so many runs of each into an empty place, or why there are none.

    They take turns, so that whatever else the machine does meanwhile meets them all.
    """
    found: dict[str, list[Run]] = {}
    failed = {one.name: one.missing for one in contenders if one.missing}
    for turn in range(1, runs + 1):
        for one in contenders:
            if one.name in failed:
                continue
            try:
                with place(one.settings) as there:
                    cost = run(one, api, there)
                found.setdefault(one.name, []).append(cost)
                say(f"{api.subscribers:,} subscribers, {one.name}, {turn} of {runs}: {cost.seconds:.2f} s")
            except Failed as failure:
                failed[one.name] = str(failure)
    return {one.name: failed.get(one.name) or medians(found[one.name]) for one in contenders}


def medians(runs: list[Run]) -> Run:
    """Of each figure."""
    return Run(*(median(getattr(one, field.name) for one in runs) for field in fields(Run)))


def _rows(there: Place, contender: Contender) -> int:
    with duckdb.connect(there.warehouse, read_only=True) as con:
        ((rows,),) = con.execute(contender.count).fetchall()
    return int(rows)
