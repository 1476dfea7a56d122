"""A failed run ends in a state that Prefect can raise and that contains the report."""

from datetime import timedelta
from typing import Any

import pytest
from prefect.states import get_state_exception

from flows.freshness import NotFresh, freshness
from flows.pipeline.report import SyncReport
from flows.reporting.freshness import FreshnessReport
from flows.sandbox import World
from flows.sync import SyncFailed
from flows.sync import sync as flow
from tests.conftest import Warehouse

FIRST = "1000001"


def forbid(world: World, resource: str, status: int) -> None:
    world.faults = [{"match": {"account": FIRST, "resource": resource}, "action": {"kind": "status", "status": status}}]


@pytest.mark.parametrize(("resource", "status"), [("tags", 403), ("webhooks", 404)])
@pytest.mark.usefixtures("prefect_server", "server", "warehouse")
def test_a_sync_that_failed_raises_its_report(world: World, resource: str, status: int) -> None:
    forbid(world, resource, status)
    state: Any = flow(resources=[resource], return_state=True)
    error = get_state_exception(state)
    assert isinstance(error, SyncFailed)
    assert isinstance(error, SyncReport)
    assert error.exit_code == 1
    assert f"{resource} of {FIRST} (北の本屋 01): HTTP {status}" in str(error)
    assert str(error) == state.message


@pytest.mark.usefixtures("prefect_server", "server", "warehouse")
def test_a_sync_that_is_called_without_its_state_raises(world: World) -> None:
    world.faults = [{"action": {"kind": "status", "status": 401}}]
    with pytest.raises(SyncFailed, match="SOURCES__DRIP__API_KEY") as caught:
        flow(resources=["tags"])
    assert caught.value.exit_code == 2


@pytest.mark.usefixtures("prefect_server")
def test_a_check_that_failed_raises_its_report(sync: Any, warehouse: Warehouse) -> None:
    sync(resources=["accounts", "tags"])
    warehouse.execute(f"UPDATE drip._syncs SET started = started - INTERVAL '{timedelta(hours=9)}'")
    warehouse.execute(f"UPDATE drip._syncs SET finished = finished - INTERVAL '{timedelta(hours=9)}'")
    with pytest.raises(NotFresh, match=f"tags of {FIRST} \\(北の本屋 01\\): was last complete 9.0 h ago") as caught:
        freshness(resources=["tags"])
    assert isinstance(caught.value, FreshnessReport)
    assert caught.value.problems
