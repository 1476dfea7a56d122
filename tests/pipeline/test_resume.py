"""Requests are not repeated: a run that was killed, interrupted or out of its rate limit is resumed."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flows.orchestration.fan_out import LISTS_AT_ONCE
from flows.sandbox import Server, World, serve
from tests.conftest import Warehouse

ACCOUNT = "1000001"
PAGES, PAGE = 20, 100
FIXED = 11 + 4
"""Requests other than for pages of subscribers: the accounts, the user, and all pages of the other lists."""
PARALLEL = 2
SILENCE = 1.0
"""Seconds without a request; a request takes a tenth of that."""
LOST_PER_STOP = LISTS_AT_ONCE + PARALLEL + 1
"""Requests that a kill or Ctrl-C may cost: per list a page not landed yet, those in flight, and the accounts."""


@pytest.fixture
def world() -> World:
    return World(seed=5, sizes={ACCOUNT: PAGES * PAGE}, largest_page=PAGE)


@pytest.fixture
def slow_server(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A slow sandbox, so that a run can be interrupted in the middle."""
    with serve(world, latency=0.1) as server:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        monkeypatch.setenv("SOURCES__DRIP__API_KEY", world.api_key)
        monkeypatch.setenv("SOURCES__DRIP__PARALLEL", str(PARALLEL))
        yield server


def wait_for_requests(server: Server, process: subprocess.Popen[str], count: int) -> None:
    """Wait until the server has received this many requests, or the process has ended."""
    wait_until(lambda: len(server.log) >= count, process)


def wait_until_only_this_is_awaited(server: Server, process: subprocess.Popen[str], resource: str) -> None:
    """Wait until the resource was requested and no more requests arrive, or the process has ended."""
    wait_until(lambda: any(one.path.endswith(resource) for one in server.log), process)
    seen = -1
    while seen < len(server.log) and process.poll() is None:
        seen = len(server.log)
        time.sleep(SILENCE)


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until the condition is true, or the process has ended."""
    deadline = time.monotonic() + 120
    while not is_so() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def assert_exact(warehouse: Warehouse, world: World) -> None:
    rows = warehouse.column("SELECT id FROM subscribers")
    assert len(rows) == len(set(rows)) == PAGES * PAGE
    assert set(rows) == set(world.account(ACCOUNT).subscribers.ids())


def interrupt(process: subprocess.Popen[str], number: int) -> None:
    """Send a signal that the process can handle, and check that it ends soon and says how to go on."""
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, output + errors
    assert "run the same command again" in errors.strip().splitlines()[-1]
    assert "Traceback" not in output + errors


def test_killed_again_and_again_it_pays_for_no_page_twice(
    command: Any, sync: Any, slow_server: Server, warehouse: Warehouse, world: World
) -> None:
    kills = (15, 27)  # so late that restarting each time would exceed the allowed cost
    for count in kills:
        process = command()
        wait_for_requests(slow_server, process, count)
        process.kill()
        process.communicate()
    assert sync().exit_code == 0
    assert_exact(warehouse, world)
    assert len(slow_server.log) <= PAGES + FIXED + LOST_PER_STOP * len(kills)


def test_interrupted_it_says_how_to_go_on(
    command: Any, sync: Any, slow_server: Server, warehouse: Warehouse, world: World
) -> None:
    process = command()
    wait_for_requests(slow_server, process, 12)
    interrupt(process, signal.SIGINT)
    assert sync().exit_code == 0
    assert_exact(warehouse, world)
    assert len(slow_server.log) <= PAGES + FIXED + LOST_PER_STOP


def test_interrupted_while_it_waits_it_ends_soon(command: Any, slow_server: Server, world: World) -> None:
    """It waits for a reply that takes 90 s and, with other lists, for the rate limit, whose window is an hour."""
    slow = {"match": {"resource": "subscribers"}, "action": {"kind": "slow", "seconds": 90}}
    spent = {"match": {"resource": "tags"}, "action": {"kind": "spend_budget"}}
    world.faults = [slow, spent]
    process = command()
    wait_until_only_this_is_awaited(slow_server, process, "/tags")
    assert any(one.path.endswith("/subscribers") for one in slow_server.log)
    interrupt(process, signal.SIGTERM)


def pages_read(server: Server) -> list[int]:
    return sorted(int(one.query["page"]) for one in server.log if one.path.endswith("/subscribers"))


def test_what_landed_too_long_ago_is_read_again(
    sync: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = {"resource": "subscribers", "page": PAGES}
    world.faults = [{"match": last, "action": {"kind": "status", "status": 403}}]
    assert sync(resources=["subscribers"]).exit_code == 1
    world.faults = None
    monkeypatch.setenv("SOURCES__DRIP__RESUME_MAX_AGE", "0.001")
    server.log.clear()
    assert sync(resources=["subscribers"]).exit_code == 0
    assert pages_read(server) == [*range(1, PAGES + 1)]
    assert_exact(warehouse, world)


def test_a_wait_that_is_too_long_keeps_what_landed(
    sync: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__RATE_LIMIT", "15")
    monkeypatch.setenv("SOURCES__DRIP__MAX_WAIT", "1")
    report = sync(resources=["subscribers", "tags"])
    assert report.exit_code == 1
    assert any("SOURCES__DRIP__MAX_WAIT" in line.note for line in report.failures)
    assert len(server.log) <= 15
    monkeypatch.setenv("SOURCES__DRIP__RATE_LIMIT", "3600")
    assert sync(resources=["subscribers", "tags"]).exit_code == 0
    assert pages_read(server) == [*range(1, PAGES + 1)], "a page was read twice, or not at all"
    assert_exact(warehouse, world)


def test_what_is_kept_is_never_loaded_again(
    sync: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__KEEP_LANDING", "true")
    landing = warehouse.path.parent / "landing"
    sync(resources=["tags"])
    world.account(ACCOUNT).records["tags"].add("Brand new")
    sync(resources=["tags"])
    assert "Brand new" in warehouse.column("SELECT tag FROM tags")
    assert len(list(landing.rglob("tags/*/*.parquet"))) == 2, "one of each run"
