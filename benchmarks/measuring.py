"""Runs contenders in turns and computes the medians of their costs."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.api import Api
from benchmarks.command import Cost, Place
from benchmarks.contenders import Contender


@dataclass(frozen=True)
class Run:
    """The cost of one run, or the medians of several.

    Attributes:
        seconds: duration of the process.
        cpu_seconds: processor time of the process and its children.
        peak_mb: their maximum memory, in megabytes.
        api_seconds: processor time of the sandbox.
        requests: requests that the sandbox answered.
        pages: those of them for pages of subscribers.
        reading: seconds between the first and the last request for subscribers.
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
    """A contender failed; the message is the last line of its output."""


@contextmanager
def place(settings: Mapping[str, str]) -> Iterator[Place]:
    """A temporary place with these environment variables."""
    with tempfile.TemporaryDirectory(prefix="drip-benchmark-") as folder:
        yield Place(Path(folder), settings)


def run(contender: Contender, api: Api, there: Place) -> Run:
    """Run a contender once. Raises Failed."""
    api.answered()
    before = api.cpu_seconds()
    cost = checked(there.start(api.url, api.api_key, contender.command(api, there)).wait())
    used, answered = api.cpu_seconds() - before, api.answered()
    return Run(cost.seconds, cost.cpu_seconds, cost.peak_mb, used, *answered, _rows(there, contender))


def checked(cost: Cost) -> Cost:
    """The cost, if the command succeeded. Raises Failed."""
    if cost.code:
        lines = cost.output.strip().splitlines() or ["it printed nothing"]
        raise Failed(f"exit {cost.code}: {lines[-1]}")
    return cost


def in_turns(
    contenders: Sequence[Contender], apis: Mapping[int, Api], runs: int, done: Callable[[int, str, Run], None]
) -> dict[int, dict[str, Run | str]]:
    """By size and name, the medians of at least `runs` runs into an empty place, or the reason why there are none.

    Sizes and contenders take turns, so that other load on the machine affects all of them alike.

    Args:
        contenders: what is measured.
        apis: the sandboxes by size.
        runs: number of runs of each.
        done: called with each run, its number of subscribers and the name of the contender.
    """
    found: dict[int, dict[str, list[Run]]] = {size: {one.name: [] for one in contenders} for size in apis}
    failed = {(size, one.name): one.missing for size in apis for one in contenders if one.missing}
    for _, size, one in product(range(runs), _turn(apis), contenders):
        if (size, one.name) in failed:
            continue
        try:
            measured = _in_empty_place(one, apis[size])
        except Failed as failure:
            failed[size, one.name] = str(failure)
        else:
            found[size][one.name].append(measured)
            done(apis[size].subscribers, one.name, measured)
    return {
        size: {name: failed.get((size, name)) or medians(each) for name, each in by_name.items()}
        for size, by_name in found.items()
    }


def _turn(sizes: Iterable[int]) -> list[int]:
    """The order of sizes: the smallest, which measures start-up, before each of the others."""
    smallest, *others = sorted(sizes)
    return [size for other in others for size in (smallest, other)] or [smallest]


def _in_empty_place(contender: Contender, api: Api) -> Run:
    os.sync()  # so that this run does not wait for writes of the previous one
    with place(contender.settings) as there:
        if contender.again:
            run(contender, api, there)
            api.change()
            os.sync()
        return run(contender, api, there)


def medians(runs: list[Run]) -> Run:
    """The median of each field."""
    return Run(*(median(getattr(one, field.name) for one in runs) for field in fields(Run)))


def _rows(there: Place, contender: Contender) -> int:
    with duckdb.connect(there.warehouse, read_only=True) as con:
        ((rows,),) = con.execute(contender.count).fetchall()
    return int(rows)
