"""Requests are not repeated: a killed run is resumed, and a used-up rate limit is waited for."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flows.orchestration.fan_out import LISTS_AT_ONCE
from flows.sandbox import Server, World, serve
from tests.conftest import Warehouse
from tests.pipeline.conftest import refused, serve_limited

ACCOUNT = "1000001"
PAGES, PAGE = 20, 100
FIXED = 11 + 4
"""Requests other than for pages of subscribers: the accounts, the user, and all pages of the other lists."""
PARALLEL = 2
SILENCE = 1.0
"""Seconds without a request; a request takes a tenth of that."""
LOST_BY_A_KILL = LISTS_AT_ONCE + PARALLEL + 1
"""Requests that a kill may cost: a page per list answered but not landed yet, those in flight, and the accounts."""


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


def test_killed_again_and_again_it_pays_for_no_page_twice(
    command: Any, sync: Any, slow_server: Server, warehouse: Warehouse, world: World
) -> None:
    kills = (15, 28, 38)  # so late that restarting each time would exceed the allowed cost
    for count in kills:
        process = command()
        wait_for_requests(slow_server, process, count)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert sync().exit_code == 0
    assert_exact(warehouse, world)
    assert len(slow_server.log) <= PAGES + FIXED + LOST_BY_A_KILL * len(kills)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_says_how_to_go_on(
    command: Any, sync: Any, slow_server: Server, warehouse: Warehouse, world: World, number: int, code: int
) -> None:
    process = command()
    wait_for_requests(slow_server, process, 12)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == code, output + errors
    assert "run the same command again" in errors.strip().splitlines()[-1]
    assert "Traceback" not in output + errors
    assert sync().exit_code == 0
    assert_exact(warehouse, world)
    assert len(slow_server.log) <= PAGES + FIXED + LOST_BY_A_KILL


@pytest.mark.parametrize("fault", [{"kind": "slow", "seconds": 90}, {"kind": "spend_budget"}])
def test_interrupted_while_it_waits_it_ends_soon(
    command: Any, slow_server: Server, world: World, fault: dict[str, Any]
) -> None:
    world.faults = [{"match": {"resource": "tags"}, "action": fault}]
    process = command()
    wait_until_only_this_is_awaited(slow_server, process, "/tags")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)  # less than the 90 s of the reply and the hour of the rate window
    assert process.returncode == 130, output + errors
    assert "run the same command again" in errors.strip().splitlines()[-1]
    assert "Traceback" not in output + errors


def test_what_landed_too_long_ago_is_read_again(
    command: Any, sync: Any, slow_server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = command()
    wait_for_requests(slow_server, process, 20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    monkeypatch.setenv("SOURCES__DRIP__RESUME_MAX_AGE", "0.001")
    slow_server.log.clear()
    assert sync().exit_code == 0
    assert len(slow_server.log) >= PAGES + 11
    assert_exact(warehouse, world)


def test_a_spent_budget_is_waited_for(
    warehouse: Warehouse, sync: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = World(seed=5, sizes={ACCOUNT: PAGES * PAGE}, largest_page=PAGE, rate_limit=10, rate_window=2.0)
    with serve_limited(limited, monkeypatch, 10, 2) as server:
        report = sync()
        assert report.exit_code == 0, report.failures
        assert_exact(warehouse, limited)
        assert refused(server.log) <= 3


def test_a_wait_that_is_too_long_keeps_what_landed(
    sync: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__RATE_LIMIT", "15")
    monkeypatch.setenv("SOURCES__DRIP__MAX_WAIT", "1")
    report = sync()
    assert report.exit_code == 1
    assert any("SOURCES__DRIP__MAX_WAIT" in line.note for line in report.failures)
    spent = len(server.log)
    assert spent <= 15
    monkeypatch.setenv("SOURCES__DRIP__RATE_LIMIT", "3600")
    assert sync().exit_code == 0
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
