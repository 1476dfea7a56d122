"""Compares the cost of history with the load of the mirror, and an incremental sync with a full one.

`python -m benchmarks.history 1000000`, or `... 200000 --destination postgres`. Runs real syncs of the sandbox over
HTTP and measures the steps of their loads.
"""

import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from prefect.testing.utilities import prefect_test_harness
from rich.console import Console
from rich.table import Table

from benchmarks.command import Place
from flows.orchestration.settings import DEFAULTS
from flows.sandbox import Server, World, serve
from tests.postgres import serve_postgres

ACCOUNT = "1000001"
CHANGED = 0.01
MOST_TIMES = 2.0
"""Maximum seconds of the history step, relative to the load of the mirror."""
ARRIVALS, MOST_REQUESTS = 1_000, 3
NEW_HASHES = "UPDATE {subscribers} SET _row_hash = md5(_row_hash)"


class Clock:
    """Seconds that the last load spent on the mirror and on the history."""

    def __init__(self) -> None:
        from flows.pipeline import load

        self.mirror = self.history = self._began = 0.0
        prepared, keep = load.pipeline_of, load.keep_history

        @wraps(prepared)
        def begin(run: Any) -> Any:
            pipeline = prepared(run)
            self._began = time.monotonic()
            return pipeline

        @wraps(keep)
        def timed(pipeline: Any, run: Any) -> None:
            started = time.monotonic()
            keep(pipeline, run)
            self.mirror, self.history = started - self._began, time.monotonic() - started

        load.pipeline_of, load.keep_history = begin, timed  # type: ignore[assignment]


def sync(destination: str, mode: str = "full") -> Any:
    """Sync the subscribers. Returns the report."""
    from flows.sync import sync as flow

    state: Any = flow(resources=["subscribers"], destination=destination, mode=mode, return_state=True)  # type: ignore
    report = state.result(raise_on_failure=False)
    assert report.exit_code == 0, report.failures  # noqa: S101 - timings of a failed sync mean nothing
    return report


def versions(destination: str) -> int:
    """The number of rows in the history."""
    from flows.dataset import query

    return int(query("SELECT count(*) AS versions FROM subscribers_history", destination=destination)["versions"][0])  # type: ignore


def history_of_new_hashes(destination: str) -> None:
    """Run only the history step, after changing the hash of every row and nothing else."""
    from flows.pipeline import load
    from flows.pipeline.context import clean_up
    from flows.pipeline.dlt_pipeline import release_pipeline
    from flows.pipeline.preparation import prepare

    runs = prepare(["subscribers"], destination, "drip")  # type: ignore[arg-type]
    run = runs.common
    pipeline = load.pipeline_of(run)
    pipeline.sync_destination()
    with pipeline.sql_client() as client:
        client.execute_sql(NEW_HASHES.format(subscribers=client.make_qualified_table_name("subscribers")))
    load.keep_history(pipeline, run)
    release_pipeline(run)
    clean_up(runs)


def measure(size: int, destination: str, server: Server, world: World) -> Iterator[tuple[str, ...]]:
    """A line per step: name, seconds of the mirror and of the history, versions added, whether it meets its target."""
    clock, people = Clock(), world.account(ACCOUNT).subscribers
    sync(destination)
    yield "first sync", f"{clock.mirror:.1f}", f"{clock.history:.1f}", f"{versions(destination):,}", ""
    changed = people.sample(round(size * CHANGED))
    for one in changed:
        people.update(one, lead_score=1_000)
    before = versions(destination)
    sync(destination)
    added = versions(destination) - before
    holds = clock.history < MOST_TIMES * clock.mirror and added == len(changed)
    yield f"{CHANGED:.0%} changed", f"{clock.mirror:.1f}", f"{clock.history:.1f}", f"{added:,}", _word(holds)
    history_of_new_hashes(destination)
    added = versions(destination) - before - added
    yield "every hash, nothing else", "", f"{clock.history:.1f}", f"{added:,}", _word(added == 0)
    world.account(ACCOUNT).arrive(ARRIVALS)
    server.log.clear()
    before = versions(destination)
    sync(destination, mode="incremental")
    requests = sum(one.path.endswith("/subscribers") for one in server.log)
    added = versions(destination) - before
    what = f"incremental, {requests} requests"
    holds = requests <= MOST_REQUESTS and added == ARRIVALS
    yield what, f"{clock.mirror:.1f}", f"{clock.history:.1f}", f"{added:,}", _word(holds)


def _word(holds: bool) -> str:
    return "holds" if holds else "BROKEN"


@contextmanager
def settings(place: Place, server: Server, world: World, destination: str) -> Iterator[None]:
    """Point syncs of this process to the place, or to a new PostgreSQL server."""
    os.environ.update(place.environment(server.url, world.api_key))
    if destination == "duckdb":
        yield
        return
    with serve_postgres() as url:
        os.environ["DESTINATION__POSTGRES__CREDENTIALS"] = url
        yield


def main(
    size: Annotated[int, typer.Argument(help="Subscribers.")] = 1_000_000,
    destination: Annotated[str, typer.Option(help="duckdb or postgres.")] = "duckdb",
) -> None:
    """Measure, and print a table. Exits with 1 if a target is missed."""
    os.environ.update(DEFAULTS)
    title = f"{size:,} subscribers on {destination}; {platform.machine()}, {os.cpu_count()} cores"
    table = Table("sync", "mirror, s", "history, s", "versions added", "", title=title, title_justify="left")
    world = World(seed=1, sizes={ACCOUNT: size})
    with (
        prefect_test_harness(server_startup_timeout=180),
        tempfile.TemporaryDirectory(prefix="drip-history-") as folder,
        serve(world) as server,
        settings(Place(Path(folder)), server, world, destination),
    ):
        lines = list(measure(size, destination, server, world))
    for line in lines:
        table.add_row(*line)
    Console().print(table)
    raise SystemExit(int(any("BROKEN" in line for line in lines)))


if __name__ == "__main__":
    typer.run(main)
