"""A rate limit shared by several processes, and a wait for it that Prefect shows."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client

from flows.orchestration.shared_rate_limit import BUSY_SECONDS, WAITING, SharedRateLimit, limit_name
from flows.sandbox import Server, World
from flows.source.settings import load_settings
from tests.conftest import PREFECT_API_URL, Warehouse
from tests.mirror import assert_mirrors
from tests.pipeline.conftest import serve_limited

RESOURCES = ["subscribers", "tags"]


@pytest.fixture
def sync(sync_flow: Any) -> Any:
    """The flow, because these tests are about Prefect."""
    return sync_flow


@pytest.fixture
def prefect(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def leased(limit: SharedRateLimit, requests: int) -> float:
    """Take requests, and ask again while Prefect's database is busy, as a sync does."""
    while (seconds := limit.lease(requests)) == BUSY_SECONDS:
        time.sleep(seconds)
    return seconds


def test_processes_take_their_requests_from_one_count(
    prefect: SyncPrefectClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__RATE_LIMIT", "40")
    one, other = SharedRateLimit(prefect, load_settings()), SharedRateLimit(prefect, load_settings())
    assert [leased(one, 30), leased(other, 10)] == [0, 0]
    assert leased(other, 10) == pytest.approx(10 * 3_600 / 40)


@contextmanager
def cutting_connections(times: int) -> Iterator[SyncPrefectClient]:
    """A client of the Prefect server, whose connection is cut at the first increments of a limit."""
    increments: list[str] = []

    class Forward(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path.endswith("/increment"):
                increments.append(self.path)
                if len(increments) <= times:
                    self.close_connection = True
                    return
            place = urlsplit(PREFECT_API_URL)
            reply = httpx.request(
                self.command, f"{place.scheme}://{place.netloc}{self.path}", content=body, headers=dict(self.headers)
            )
            self.send_response(reply.status_code)
            self.send_header("content-length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_POST = do_PATCH = forward  # noqa: N815  # the names that http.server expects

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with SyncPrefectClient(f"http://127.0.0.1:{server.server_port}/api") as client:
            yield client
        server.shutdown()


@pytest.mark.parametrize("times", [1, 2])
def test_a_connection_that_is_cut_is_opened_again(
    times: int,
    prefect: SyncPrefectClient,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__RATE_LIMIT", "40")
    with cutting_connections(times) as client, caplog.at_level(logging.WARNING, "flows"):
        assert SharedRateLimit(client, load_settings()).lease(30) == 0
    taken = prefect.read_global_concurrency_limit_by_name(limit_name(load_settings())).active_slots
    assert (taken, "counts alone" in caplog.text) == ((30, False) if times == 1 else (0, True))


def test_another_token_has_another_count(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = limit_name(load_settings())
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", "another")
    assert limit_name(load_settings()) != ours


def test_a_sync_takes_every_request_from_it(
    prefect: SyncPrefectClient, sync: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(seed=7, sizes={"1000001": 200}, largest_page=10)  # so that the list takes twenty requests
    with serve_limited(world, monkeypatch, 3_600, 3_600) as server:
        assert sync(resources=["subscribers"]).exit_code == 0
        assert len(server.log) > 20
    taken = prefect.read_global_concurrency_limit_by_name(limit_name(load_settings())).active_slots
    assert len(server.log) <= taken + 10 <= len(server.log) + 50  # leased in blocks, some of which have decayed


def test_what_another_process_has_used_up_is_waited_for(
    prefect: SyncPrefectClient, sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(seed=7, sizes={"1000001": 30}, rate_limit=30, rate_window=6)
    with serve_limited(world, monkeypatch, 30, 3_600) as server:
        monkeypatch.setenv("SOURCES__DRIP__MAX_WAIT", "0")  # any wait would fail the lists with that reason
        assert leased(SharedRateLimit(prefect, load_settings()), 30) == 0
        starved = sync(resources=RESOURCES)
        assert "SOURCES__DRIP__MAX_WAIT" in starved.stopped
        assert not server.log
        monkeypatch.setenv("SOURCES__DRIP__MAX_WAIT", "60")
        monkeypatch.setenv("SOURCES__DRIP__RATE_WINDOW", "6")
        assert sync(resources=RESOURCES).exit_code == 0
    assert_mirrors(warehouse, world, RESOURCES)


def test_a_wait_is_a_state_of_the_flow_run(
    prefect: SyncPrefectClient, sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(seed=7, sizes={"1000001": 30, "1000002": 30}, rate_limit=3, rate_window=4)
    with serve_limited(world, monkeypatch, 3, 4):
        assert sync(resources=RESOURCES).exit_code == 0
    (newest,) = prefect.read_flow_runs(sort="START_TIME_DESC", limit=1)
    names = [(state.name, state.message or "") for state in prefect.read_flow_run_states(newest.id)]
    waits = [message for name, message in names if name == WAITING]
    assert waits
    assert "waiting until" in waits[0]
    assert [name for name, _ in names][-2:] == ["Running", "Completed"]
