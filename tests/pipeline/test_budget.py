"""The rate limit is used fully, with almost no refused requests, and results are exact under random faults."""

from typing import Any

import pytest

from flows.sandbox import World, serve
from flows.sandbox.faults import PASSING_FAULTS
from tests.conftest import Warehouse
from tests.mirror import assert_mirrors
from tests.pipeline.conftest import refused, serve_limited

SIZES = {str(1_000_001 + number): 30 for number in range(8)}
RESOURCES = ["campaigns", "custom_fields", "tags", "webhooks"]
REQUESTS = 1 + len(RESOURCES) * len(SIZES)


def test_a_known_budget_is_used_and_not_exceeded(
    sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(sizes=SIZES, rate_limit=12, rate_window=2)
    with serve_limited(world, monkeypatch, 12, 2) as server:
        assert sync(resources=RESOURCES).exit_code == 0
        assert refused(server.log) <= 3
        assert REQUESTS <= len(server.log) <= REQUESTS + 3
    assert_mirrors(warehouse, world, RESOURCES)


def test_a_budget_that_the_settings_do_not_know_is_read_from_the_headers(
    sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(sizes=SIZES, rate_limit=10, rate_window=2)
    with serve_limited(world, monkeypatch, 3_600, 2) as server:
        assert sync(resources=RESOURCES).exit_code == 0
        assert refused(server.log) <= 2 * (REQUESTS // 10 + 2)
    assert_mirrors(warehouse, world, RESOURCES)


def test_random_faults_cost_nothing(sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [
        {"when": {"probability": 0.03, "seed": 100 + number}, "action": fault}
        for number, fault in enumerate(PASSING_FAULTS)
    ]
    world = World(sizes=SIZES, faults=faults)
    with serve(world) as server:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        report = sync()
        assert sum(world.faults.fired) > 5
        assert report.exit_code == 0, report.failures
        assert report.requests == len(server.log)
    assert_mirrors(warehouse, world)
