"""How long syncs of many accounts and people take, and how much space. `python -m benchmarks.scale [--write]`.

Runs the order of lists, the threads, the rate limits and the resumption of a real sync in simulated time, with requests
that only take as long as measured ones. Together with the unit costs, that gives hours, processor time and file sizes.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from unittest.mock import patch

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.simulated_time import SimulatedTime
from benchmarks.unit_costs import UnitCosts, read
from flows.common.list_key import ListKey
from flows.pipeline.context import ConnectionRun, SyncRun
from flows.pipeline.extract import Extracted, gather, submit_all
from flows.pipeline.planning.requests import pages_of
from flows.pipeline.sync import lists_to_read
from flows.pipeline.threads import in_threads
from flows.source.endpoints import DEFAULT_RESOURCES, ENDPOINTS
from flows.source.errors import Stopped
from flows.source.paginator import ListOutcome
from flows.source.rate_limit import RateLimit
from flows.source.settings import DripSettings
from tests.simulation.clock import SimulatedStop

PAGE = Path(__file__).parent.parent / "docs" / "scaling.md"
SECTION = re.compile(r"(?<=<!-- scale -->\n).*?(?=<!-- /scale -->)", re.DOTALL)
HOUR, GIGABYTE = 3_600.0, 1e9
LATENCY = 0.3
"""Seconds of a request."""
ROWS = 1_000
"""Rows of a page of subscribers."""
SHORT_LIST = 50
"""Rows of the lists other than subscribers."""
MAX_HOURS = 8.0
"""Time limit of the nightly full sync that `prefect.yaml` deploys."""
MOST_SYNCS = 5
HEAD = ("accounts", "people each", "keys", "requests", "hours to read", "syncs", "CPU h", *(
    f"{what}, {name}" for name in ("DuckDB", "PostgreSQL") for what in ("first load", "next load", "GB")
))  # fmt: skip


class Scenario(NamedTuple):
    """So many accounts with so many people each, read with so many keys."""

    accounts: int
    people: int
    keys: int


SCENARIOS = (
    Scenario(100, 10_000, 1),
    Scenario(1_000, 10_000, 1),
    Scenario(1_000, 10_000, 100),
    Scenario(1_000, 100_000, 100),
    Scenario(100, 1_000_000, 100),
    Scenario(1, 20_000_000, 1),
    Scenario(1, 100_000_000, 1),
)


class Key:
    """A key with its rate limit.

    Args:
        time: the simulated time.
    """

    def __init__(self, time: SimulatedTime) -> None:
        self.stop = SimulatedStop(time.sleep)
        settings = DripSettings
        self.budget = RateLimit(
            settings.rate_limit, settings.rate_window, settings.max_wait, say=lambda text: None, stop=self.stop
        )
        self.budget.clock = time


@dataclass
class Reading:
    """Reads the lists of a scenario.

    Attributes:
        scenario: what is read.
        costs: the unit costs.
        time: the simulated time.
        requests: requests so far.
    """

    scenario: Scenario
    costs: UnitCosts
    time: SimulatedTime = field(default_factory=SimulatedTime)
    requests: int = 0
    _ends: float = 0.0
    _free: float = 0.0
    _keys: dict[str, Key] = field(default_factory=dict)
    _landed: dict[ListKey, tuple[int, float]] = field(default_factory=dict)

    def syncs(self, most: int = MOST_SYNCS) -> int:
        """Sync until all lists are read to their end. Returns the number of syncs; 0 if `most` are not enough."""
        for number in range(1, most + 1):
            if self._sync():
                return number
        return 0

    def _sync(self) -> bool:
        """Read all lists, as long as a sync may take. Returns whether it came to their end."""
        self._ends = self.time() + MAX_HOURS * HOUR
        runs = self._runs()
        self._keys = {run.connection: Key(self.time) for run in runs.each}
        with patch("flows.pipeline.threads.extract_with_retry", self._extract), in_threads(runs) as submit:
            with self.time.busy():
                pending = submit_all(lists_to_read(runs), lambda key: submit(runs.of(key.connection), key))
            _, failures = gather(pending)
        self.requests += sum(key.budget.requests for key in self._keys.values())
        return not failures

    def _runs(self) -> SyncRun:
        accounts = [str(1_000_001 + number) for number in range(self.scenario.accounts)]
        each = math.ceil(len(accounts) / self.scenario.keys)
        parts = [tuple(accounts[start : start + each]) for start in range(0, len(accounts), each)]
        nowhere: Any = None
        return SyncRun(
            tuple(
                ConnectionRun(nowhere, DEFAULT_RESOURCES, nowhere, connection=f"key{number}", accounts=part)
                for number, part in enumerate(parts)
            )
        )

    def _extract(self, run: ConnectionRun, key: ListKey) -> Extracted:
        """Read a list from the page after the last one that landed, unless the first one is too old."""
        with self.time.busy():
            rows = self.scenario.people if key.resource == "subscribers" else SHORT_LIST
            pages, since = self._landed.get(key, (0, self.time()))
            if self.time() - since > DripSettings.resume_max_age:
                pages, since = 0, self.time()
            for page in range(pages, pages_of(ENDPOINTS[key.resource], rows)):
                self._request(self._keys[run.connection])
                self._landed[key] = (page + 1, since)
                self._decode(min(rows - page * ROWS, ROWS))
        return Extracted(key, ListOutcome(True, rows, rows), 0.0, 0, False)

    def _request(self, key: Key) -> None:
        """One request within the rate limit and the time of the sync. Raises Stopped."""
        key.budget.take()
        if self.time() > self._ends:
            raise Stopped(f"{MAX_HOURS} h are over")
        self.time.sleep(LATENCY)
        key.budget.done()

    def _decode(self, rows: int) -> None:
        """Decode a page. One thread after another, since all need the interpreter."""
        self._free = max(self._free, self.time()) + self.costs.page * rows / ROWS
        self.time.sleep(self._free - self.time())


def line(scenario: Scenario, costs: UnitCosts) -> Iterator[str]:
    """The cells of `HEAD`."""
    reading, pages = Reading(scenario, costs), scenario.accounts * scenario.people / ROWS
    syncs = reading.syncs()
    yield from (f"{scenario.accounts:,}", f"{scenario.people:,}", f"{scenario.keys:,}", f"{reading.requests:,}")
    yield f"{reading.time() / HOUR:,.1f}" if syncs else "never"
    yield str(syncs) if syncs else "-"
    yield f"{pages * costs.page / HOUR:,.2f}"
    for name in ("duckdb", "postgres"):
        one = costs.by_destination[name]
        yield f"{pages * one.first_load / 60:,.0f} min"
        yield f"{pages * one.next_load / 60:,.0f} min"
        yield f"{pages * one.bytes / GIGABYTE:,.1f}"


def section(costs: UnitCosts, lines: Sequence[Sequence[str]]) -> str:
    """The section of docs/scaling.md."""
    head = [f"| {' | '.join(HEAD)} |", f"|{'|'.join('---' for _ in HEAD)}|"]
    words = f"{costs.machine}; {costs.page * 1_000:.0f} ms of processor time a page of {ROWS:,} subscribers."
    return "\n".join([words, "", *head, *(f"| {' | '.join(one)} |" for one in lines), ""])


def main(write: Annotated[bool, typer.Option(help="Write the table to docs/scaling.md.")] = False) -> None:
    """Simulate each scenario, and print a table."""
    costs, console, lines = read(), Console(width=160), list[list[str]]()
    for scenario in SCENARIOS:
        console.print(f"{scenario.accounts:,} x {scenario.people:,} with {scenario.keys:,} keys", style="dim")
        lines.append([*line(scenario, costs)])
    table = Table(*HEAD)
    for cells in lines:
        table.add_row(*cells)
    console.print(table)
    if write:
        PAGE.write_text(SECTION.sub(lambda match: section(costs, lines), PAGE.read_text()))


if __name__ == "__main__":
    typer.run(main)
