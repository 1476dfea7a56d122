"""What a page of subscribers costs in each destination. `python -m benchmarks.unit_costs`.

Syncs subscribers of the sandbox twice into DuckDB and into PostgreSQL, with history, one in a hundred changed in
between. Writes docs/unit-costs.json, which docs/scaling.md is derived from.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import duckdb
import msgspec
import psycopg2
import typer
from rich.console import Console

from benchmarks import api
from benchmarks.command import Place
from benchmarks.machine import machine
from flows.pipeline.context import SyncRun
from flows.pipeline.extract import Extracted
from flows.pipeline.load import Loaded, load_with_retry
from flows.pipeline.sync import Runner, sync
from flows.source.dlt_run_context import in_project
from tests.postgres import serve_postgres

FIGURES = Path(__file__).parent.parent / "docs" / "unit-costs.json"
ACCOUNT, PAGE = "1000001", 1_000
BLOCK = 262_144
"""Bytes of a block of a DuckDB file."""
BLOCKS = "SELECT count(DISTINCT block_id) FROM pragma_storage_info('drip.{table}') WHERE persistent AND block_id >= 0"
TABLES = ("subscribers", "subscribers_history")


class Destination(msgspec.Struct):
    """What 1,000 subscribers cost in a destination, with history.

    Attributes:
        first_load: seconds of the first load.
        next_load: seconds of a load of the same ones, 1 % of them changed.
        bytes: size of the table and of its history after that.
    """

    first_load: float
    next_load: float
    bytes: float


class UnitCosts(msgspec.Struct):
    """Costs on a machine.

    Attributes:
        machine: its description.
        page: processor seconds of reading a page of 1,000 subscribers.
        page_bytes: size of the page.
        landed_bytes: size of the page in the landing zone.
        by_destination: costs by name of the destination.
    """

    machine: str
    page: float
    page_bytes: float
    landed_bytes: float
    by_destination: dict[str, Destination]


class Timed:
    """A runner of a sync that notes when its load began and how long it took."""

    def __init__(self, landing: Path) -> None:
        self.landing, self.began, self.reading, self.load, self.landed = landing, 0.0, 0.0, 0.0, 0

    def run(self, destination: str) -> None:
        """Sync the subscribers."""
        self.began = time.process_time()
        report = sync(resources=["subscribers"], destination=destination, runner=Runner(load=self._load))  # type: ignore[arg-type]
        assert report.exit_code == 0, report.failures  # noqa: S101 - timings of a failed sync mean nothing

    def _load(self, runs: SyncRun, landed: Sequence[Extracted]) -> Loaded:
        self.reading = time.process_time() - self.began
        self.landed = sum(one.stat().st_size for one in self.landing.rglob("*.parquet"))
        began = time.monotonic()
        try:
            return load_with_retry(runs, landed)
        finally:
            self.load = time.monotonic() - began


@contextmanager
def place(served: api.Api) -> Iterator[tuple[Place, str]]:
    """An empty DuckDB file and PostgreSQL server that the settings point to, and the URL of the latter."""
    with tempfile.TemporaryDirectory(prefix="drip-costs-") as folder, serve_postgres() as url, in_project():
        there = Place(Path(folder), {"SOURCES__DRIP__RATE_LIMIT": str(api.PLENTY)})
        os.environ.update(there.environment(served.url, served.api_key))
        os.environ["DESTINATION__POSTGRES__CREDENTIALS"] = url
        yield there, url


def measure(size: int) -> UnitCosts:
    """The costs, from syncs of so many subscribers."""
    pages, found = size / PAGE, dict[str, Destination]()
    with api.running({ACCOUNT: size}) as served, place(served) as (there, url):
        timed = Timed(there.folder / "landing")
        for destination in ("duckdb", "postgres"):
            timed.run(destination)
            first, landed, reading = timed.load, timed.landed, timed.reading
            served.change()
            timed.run(destination)
            stored = _in_duckdb(there.warehouse) if destination == "duckdb" else _in_postgres(url)
            found[destination] = Destination(first / pages, timed.load / pages, stored / pages)
        body = served.page_bytes(ACCOUNT)
    return UnitCosts(machine(), reading / pages, body, landed / pages, found)


def _in_duckdb(file: Path) -> int:
    with duckdb.connect(file, read_only=True) as con:
        return sum(BLOCK * con.execute(BLOCKS.format(table=table)).fetchall()[0][0] for table in TABLES)


def _in_postgres(url: str) -> int:
    con: Any = psycopg2.connect(url)
    with con, con.cursor() as cursor:
        cursor.execute("SELECT sum(pg_total_relation_size('drip.' || name)) FROM unnest(%s) AS name", [[*TABLES]])
        return int(cursor.fetchone()[0])


def read() -> UnitCosts:
    """The committed costs."""
    return msgspec.json.decode(FIGURES.read_bytes(), type=UnitCosts)


def main(size: Annotated[int, typer.Option(help="Subscribers.")] = 100_000) -> None:
    """Measure, and write docs/unit-costs.json."""
    costs = measure(size)
    FIGURES.write_bytes(msgspec.json.format(msgspec.json.encode(costs)) + b"\n")
    Console().print_json(FIGURES.read_text())


if __name__ == "__main__":
    typer.run(main)
