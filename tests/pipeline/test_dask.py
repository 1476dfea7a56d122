"""Lists read by other processes give the same tables as threads, and share one rate limit."""

import os
import signal
import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
import pytest
from distributed import Client, LocalCluster

from flows.common.errors import SettingsError
from flows.common.events import Event, ListRead, PageLanded, listening
from flows.orchestration.coordinator import coordinating
from flows.orchestration.fan_out import fan_out
from flows.orchestration.remote_rate_limit import RemoteRateLimit
from flows.pipeline.context import clean_up, connection_of
from flows.pipeline.preparation import prepare
from flows.sandbox import Server, World, serve
from flows.source.errors import Stopped
from flows.source.settings import load_settings
from tests.conftest import Warehouse
from tests.pipeline.conftest import refused, serve_limited

ACCOUNTS = [f"{number}" for number in range(1_000_001, 1_000_005)]
BROKEN = ACCOUNTS[3]
LISTS = ["accounts", "users", "subscribers", "tags"]
LIMIT, WINDOW = 8, 5.0


@pytest.fixture
def sync(sync_flow: Any) -> Any:
    """The flow, because these tests are about Prefect."""
    return sync_flow


@contextmanager
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A Dask cluster of two processes with the current settings, which syncs use. It soon replaces frozen processes."""
    with (
        dask.config.set({"distributed.scheduler.worker-ttl": "12s"}),
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as local,
        Client(local) as client,
    ):
        monkeypatch.setenv("SOURCES__DRIP__FAN_OUT", local.scheduler_address)
        yield client


def most_in_a_window(server: Server) -> int:
    """The maximum number of requests in any rate window, from the sandbox's log."""
    times = sorted(request.time for request in server.log)
    return max(place + 1 - bisect_left(times, at - WINDOW) for place, at in enumerate(times))


def readers(client: Client) -> int:
    """The number of processes that have read lists."""
    return sum(client.run(lambda: bool(__import__("flows.pipeline.context").pipeline.context._connections)).values())


def contents(warehouse: Warehouse, dataset: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables of a dataset, without the columns that identify the load."""
    names = warehouse.column(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{dataset}' "
        "AND table_name NOT LIKE '\\_%' ESCAPE '\\' AND table_type = 'BASE TABLE'"
    )
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for name in names:
        shown = f"SELECT COLUMNS(lambda c: c NOT LIKE '\\_dlt%' ESCAPE '\\') FROM {dataset}.{name}"
        rows[name] = sorted(warehouse.rows(shown), key=repr)
    return rows


def test_accounts_in_two_processes_are_as_from_threads_within_one_budget(
    sync: Any, plain_sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At first a list fails; then a process is killed and the other freezes, and the tables are exact nevertheless."""
    world = World(seed=7, sizes=dict.fromkeys(ACCOUNTS, 30), rate_limit=LIMIT, rate_window=WINDOW)
    world.faults = [{"match": {"account": BROKEN, "resource": "tags"}, "action": {"kind": "status", "status": 403}}]
    monkeypatch.setenv("SOURCES__DRIP__HISTORY", "[]")
    events: list[Event] = []
    with serve_limited(world, monkeypatch, LIMIT, int(WINDOW)) as server, cluster(monkeypatch) as client:
        with listening(events.append):
            report = sync(dataset="dask", resources=LISTS)
        assert [(line.account, line.resource) for line in report.failures] == [(BROKEN, "tags")]
        assert "HTTP 403" in report.failures[0].note
        assert readers(client) == 2
        assert refused(server.log) == 0
        assert most_in_a_window(server) <= LIMIT
        assert report.requests == len(server.log)
        assert sum(isinstance(event, ListRead) for event in events) == len(ACCOUNTS) * 2 + 1
        assert {event.key.account_id for event in events if isinstance(event, PageLanded)} >= set(ACCOUNTS)
        world.faults = None
        killed, frozen = client.run(os.getpid).values()
        os.kill(killed, signal.SIGKILL)
        os.kill(frozen, signal.SIGSTOP)
        assert sync(dataset="dask", resources=LISTS).exit_code == 0
    monkeypatch.setenv("SOURCES__DRIP__FAN_OUT", "threads")
    generous = World(seed=7, sizes=dict.fromkeys(ACCOUNTS, 30))
    with serve(generous) as server:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        monkeypatch.setenv("SOURCES__DRIP__RATE_LIMIT", "3600")
        assert plain_sync(dataset="drip", resources=LISTS).exit_code == 0
    ours, theirs = contents(warehouse, "dask"), contents(warehouse, "drip")
    assert ours.keys() == theirs.keys() == set(LISTS)
    for table, rows in theirs.items():
        assert ours[table] == rows, table


def test_what_reads_for_a_sync_that_has_ended_stops(server: Server, warehouse: Warehouse) -> None:
    runs = prepare(None, "duckdb", "drip")
    settings, stop = load_settings(), threading.Event()
    with coordinating(runs.each) as url:
        ours = RemoteRateLimit(settings, stop, url, runs.common.id)
        ours.take()
        ours.done()
        with pytest.raises(Stopped, match="SOURCES__DRIP__COORDINATOR"):
            RemoteRateLimit(settings, stop, url, "another run").take()
        connection_of(runs.common).client.give_up("it took too long")
        with pytest.raises(Stopped, match="it took too long"):
            ours.take()
    with pytest.raises(Stopped, match="SOURCES__DRIP__COORDINATOR"):
        ours.take()
    clean_up(runs)


@pytest.mark.parametrize(
    ("name", "value"), [("FAN_OUT", "desk"), ("FAN_OUT", "tcp://127.0.0.1:1"), ("COORDINATOR", "203.0.113.1")]
)
def test_a_wrong_setting_is_named(
    name: str, value: str, server: Server, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__FAN_OUT", "dask")
    monkeypatch.setenv(f"SOURCES__DRIP__{name}", value)
    runs = prepare(None, "duckdb", "drip")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(SettingsError, match=f"SOURCES__DRIP__{name}"),
        fan_out(runs),
    ):
        pass
    clean_up(runs)
