"""A run that exceeds its time limit loads what has arrived, and the next run resumes."""

from typing import Any

import pytest

from flows.sandbox import World
from tests.conftest import Warehouse
from tests.mirror import assert_mirrors
from tests.pipeline.conftest import refused, serve_limited

SECONDS = 6
GRANTED, NEVER = 12, 3_600
RESOURCES = ["subscribers", "broadcasts", "campaigns", "workflows", "forms", "tags", "custom_fields", "webhooks"]


def test_a_run_that_takes_too_long_ends_in_order(
    sync: Any, world: World, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_limited(world, monkeypatch, GRANTED, NEVER) as server:
        report = sync(resources=RESOURCES, max_hours=SECONDS / 3_600)
        late = [line for line in report.lists if not line.complete]
        assert report.exit_code == 1
        assert 0 < len(late) < len(report.lists)
        assert all("max_hours" in line.note for line in late), late
        assert len(server.log) <= GRANTED
        assert not refused(server.log)
        arrived = {(line.account, line.resource) for line in report.lists if line.complete}
        counted = warehouse.rows("SELECT account, resource FROM _syncs WHERE complete")
        assert set(counted) == arrived
    with serve_limited(world, monkeypatch, 1_000, NEVER) as server:
        assert sync(resources=RESOURCES).exit_code == 0
        assert_mirrors(warehouse, world, RESOURCES)
