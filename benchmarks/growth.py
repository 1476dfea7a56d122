"""Whether anything grows with the number of syncs: `python -m benchmarks.growth`.

A year of hourly syncs is 8,760. This plays fewer of them, hourly on a simulated clock, and shortens the periods for
which rows are kept in proportion, so that all of them end. Tables, files, memory and processor time are shown after
each tenth. Those of the last tenth must not exceed those of the middle, but for what a sync adds by design: the rows
of people who are new in the API, and their versions.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Annotated
from unittest.mock import patch

import duckdb
import psutil
import typer
from rich.console import Console
from rich.table import Table

from flows.pipeline import sync_log_retention
from flows.sandbox import Server, World, serve
from flows.sandbox.generator.timeline import AS_OF
from tests.simulation.clock import Clock
from tests.simulation.syncs import Syncs

RESOURCES = ["subscribers", "tags"]
SIZE = 5
"""Subscribers of each account."""
SYNC_LOG_DAYS, DAILY_DAYS = 1, 4
"""Instead of 30 and 400. 240 hourly syncs are ten days."""
MEGABYTE = 1_000_000
ALLOWED = 1.05
"""How much larger a figure of the last tenth may be than that of the middle, since files grow in blocks."""
BY_DESIGN = ("subscribers", "subscribers_history")
NOISY = ("CPU s", "memory MB")
"""Figures that other processes affect: they may be larger by half."""
Figures = dict[str, float]


def main(
    syncs: Annotated[int, typer.Option(help="Number of syncs.")] = 240,
    accounts: Annotated[int, typer.Option(help="Number of accounts.")] = 100,
) -> None:
    """Sync hourly in simulated time, and fail if anything grows with the number of syncs."""
    console, found = Console(soft_wrap=True), list[Figures]()
    started = time.monotonic()
    for figures in measure_growth(syncs, accounts):
        found.append(figures)
        console.print(", ".join(f"{name} {value:g}" for name, value in figures.items()), highlight=False)
    table = Table("", "middle", "end", title=f"{syncs} hourly syncs of {accounts} accounts")
    growing = [name for name in found[-1] if _grows(name, found[len(found) // 2][name], found[-1][name])]
    for name in found[-1]:
        table.add_row(name, f"{found[len(found) // 2][name]:g}", f"{found[-1][name]:g}")
    console.print(table)
    console.print(f"{time.monotonic() - started:.0f} s; growing: {', '.join(growing) or 'nothing'}")
    raise typer.Exit(int(bool(growing)))


def _grows(name: str, middle: float, end: float) -> bool:
    return name not in (*BY_DESIGN, "syncs") and end > middle * (1.5 if name in NOISY else ALLOWED)


def measure_growth(syncs: int, accounts: int) -> Iterator[Figures]:
    """Sync hourly so often, and yield figures by name after each tenth."""
    clock = Clock()
    sizes = {str(1_000_001 + number): SIZE for number in range(accounts)}
    world = World(sizes=sizes, as_of=AS_OF - timedelta(hours=syncs), clock=clock)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drip-year-")))
        server = stack.enter_context(serve(world))
        stack.enter_context(_settings(folder, server, world))
        stack.enter_context(patch.object(sync_log_retention, "DAILY_DAYS", DAILY_DAYS))
        runs, seconds = Syncs(world, clock, threads=True), list[float]()
        for number in range(1, syncs + 1):
            seconds.append(_sync(runs, server, clock))
            if number % max(syncs // 10, 1) == 0:
                yield {"syncs": number} | _figures(folder) | {"CPU s": round(median(seconds), 2)}
                seconds.clear()


def _sync(runs: Syncs, server: Server, clock: Clock) -> float:
    """Sync an hour after the last one. Returns the processor seconds that it took."""
    clock.advance(3_600)
    runs.world.move_to(runs.world.now())
    server.log.clear()
    before = time.process_time()
    report = runs.run(resources=RESOURCES)
    if report.exit_code:
        raise RuntimeError(report.summary())
    return time.process_time() - before


@contextmanager
def _settings(folder: Path, server: Server, world: World) -> Iterator[None]:
    ours = {"BASE_URL": server.url, "API_KEY": world.api_key, "LANDING": folder / "landing"}
    ours |= {"SYNC_LOG_DAYS": SYNC_LOG_DAYS, "RATE_LIMIT": 100_000}
    settings = {f"SOURCES__DRIP__{name}": str(value) for name, value in ours.items()}
    settings |= {"DESTINATION__DUCKDB__CREDENTIALS": str(folder / "warehouse.duckdb"), "DLT_DATA_DIR": f"{folder}/dlt"}
    with patch.dict(os.environ, settings):
        yield


def _figures(folder: Path) -> Figures:
    """The rows of each table, and the size of files and of the process."""
    path = folder / "warehouse.duckdb"
    with duckdb.connect(path, read_only=True) as con:
        con.execute("SET search_path = 'drip'")
        query = (
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'drip' AND table_type = 'BASE TABLE'"
        )
        names = sorted(name for (name,) in con.execute(query).fetchall())
        rows = {name: con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in names}
    others = [one for one in folder.rglob("*") if one.is_file() and one != path]
    memory = psutil.Process().memory_info().rss / MEGABYTE
    sizes = {"file MB": round(path.stat().st_size / MEGABYTE, 1), "other files": len(others)}
    return rows | sizes | {"memory MB": round(memory)}


if __name__ == "__main__":
    typer.run(main)
