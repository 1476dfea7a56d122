"""Lists of several pages that move while they are read, over real HTTP."""

from typing import Any

import pytest

from flows.sandbox import World
from tests.conftest import Warehouse

ACCOUNT = "1000001"
PEOPLE = {"account": ACCOUNT, "resource": "subscribers"}


@pytest.fixture
def world() -> World:
    """One account whose subscribers take five pages."""
    return World(seed=3, sizes={ACCOUNT: 5_000})


def api_ids(world: World) -> list[str]:
    return sorted(world.account(ACCOUNT).subscribers.ids())


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_deletions_in_mid_scan_end_exact(sync: Any, world: World, warehouse: Warehouse, page: int) -> None:
    delete = {"kind": "delete", "count": 300}
    world.faults = [{"match": PEOPLE, "when": {"after": page, "times": 1}, "action": delete}]
    report = sync(resources=["subscribers"])
    assert report.exit_code == 0, report.failures
    assert len(api_ids(world)) == 4_700
    assert sorted(warehouse.column("SELECT id FROM subscribers")) == api_ids(world)


def test_arrivals_in_mid_scan_lose_and_repeat_nobody(sync: Any, world: World, warehouse: Warehouse) -> None:
    before = set(api_ids(world))
    world.faults = [{"match": PEOPLE, "when": {"after": 2}, "action": {"kind": "arrive", "count": 7}}]
    report = sync(resources=["subscribers"])
    assert report.exit_code == 0, report.failures
    rows = warehouse.column("SELECT id FROM subscribers")
    assert len(rows) == len(set(rows))
    assert before <= set(rows)


def test_a_list_that_cannot_be_proven_whole_deletes_nothing(sync: Any, world: World, warehouse: Warehouse) -> None:
    sync(resources=["subscribers"])
    people = world.account(ACCOUNT).records["subscribers"]
    gone, stays = api_ids(world)[:2]
    people.delete([gone])
    people.update(stays, first_name="Changed")
    world.faults = [{"match": PEOPLE, "action": {"kind": "meta", "values": {"total_count": 6_000}}}]
    report = sync(resources=["subscribers"])
    assert report.exit_code == 1
    assert "6000" in report.failures[0].note
    assert warehouse.value(f"SELECT count(*) FROM subscribers WHERE id = '{gone}'") == 1
    assert warehouse.value(f"SELECT first_name FROM subscribers WHERE id = '{stays}'") == "Changed"
    assert warehouse.rows("SELECT account, complete FROM _syncs WHERE NOT complete") == [(ACCOUNT, False)]
