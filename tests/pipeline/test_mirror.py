"""After a sync, the tables contain exactly the API's records of the synced accounts."""

from typing import Any

import pytest

from flows.pipeline.report import SyncReport
from flows.sandbox import Server, World
from flows.source import ENDPOINTS
from tests.conftest import Warehouse, both_destinations
from tests.mirror import LISTS, api_keys, assert_mirrors, rows_of, table_keys

FIRST, SECOND = "1000001", "1000002"
CHANGED = ["subscribers", "webhooks", "tags"]


def test_every_list_of_every_account_arrives_and_one_account_leaves_the_others_alone(
    sync_flow: Any, plain_sync: Any, warehouse: Warehouse, world: World, server: Server
) -> None:
    """First as a flow, then without Prefect."""
    assert_all_arrived(sync_flow(), warehouse, world, server)
    before = {name: rows_of(warehouse, name, SECOND) for name in LISTS}
    for account in world.account_ids:
        for resource in LISTS:
            world.account(account).records[resource].clear()
    report = plain_sync(accounts=[FIRST])
    assert report.exit_code == 0
    for resource in LISTS:
        assert rows_of(warehouse, resource, SECOND) == before[resource], resource
        assert warehouse.value(f"SELECT count(*) FROM {resource} WHERE account_id = '{FIRST}'") == 0


def assert_all_arrived(report: SyncReport, warehouse: Warehouse, world: World, server: Server) -> None:
    """Every list of every account is there, was read with no more requests than it has pages, and is in `_syncs`."""
    assert report.exit_code == 0
    assert_mirrors(warehouse, world)
    assert set(warehouse.column("SELECT id FROM accounts")) == set(world.account_ids)
    assert warehouse.column("SELECT email FROM users") == [world.user["email"]]
    further_pages = sum(request.query.get("page", "1") != "1" for request in server.log)
    assert len(server.log) <= 2 + 9 * len(world.account_ids) + further_pages
    rows = warehouse.rows("SELECT account, resource, api_rows, landed_rows, loaded_rows, complete, mode FROM _syncs")
    assert len(rows) == len(report.lists) == 2 + 9 * len(world.account_ids)
    assert all(api == landed == loaded and complete for _, _, api, landed, loaded, complete, _ in rows)
    assert {row[-1] for row in rows} == {"full"}


@both_destinations
def test_deleted_changed_and_added_rows_and_tags(sync: Any, warehouse: Warehouse, world: World) -> None:
    sync(resources=CHANGED)
    people = world.account(FIRST).records["subscribers"]
    gone, changed = (person["id"] for person in people.all()[:2])
    people.delete([gone])
    people.update(changed, first_name="Zoë", lead_score=99, tags=["a", "b", "a", "Ünïcode 😀"])
    people.add({"id": "newcomer000000000000", "email": "new@example.com", "status": "active"})
    world.account(SECOND).records["webhooks"].clear()
    world.account(FIRST).records["tags"].add("Brand new")
    assert sync(resources=CHANGED).exit_code == 0
    assert_mirrors(warehouse, world, CHANGED)
    assert warehouse.rows(f"SELECT first_name, lead_score FROM subscribers WHERE id = '{changed}'") == [("Zoë", 99)]
    assert warehouse.value(f"SELECT count(*) FROM webhooks WHERE account_id = '{SECOND}'") == 0
    tagged = {
        (account, person["id"], tag)
        for account in world.account_ids
        for person in world.account(account).records["subscribers"].all()
        for tag in person.get("tags") or ()
    }
    rows = warehouse.rows("SELECT account_id, subscriber_id, tag FROM subscriber_tags")
    assert len(rows) == len(set(rows))
    assert set(rows) == tagged


def test_one_list_of_one_account_into_an_empty_warehouse(sync: Any, warehouse: Warehouse, world: World) -> None:
    assert sync(resources=["accounts", "tags"], accounts=[FIRST]).exit_code == 0
    assert warehouse.column("SELECT id FROM accounts") == [FIRST]
    assert set(table_keys(warehouse, "tags")) == {key for key in api_keys(world, "tags") if key[0] == FIRST}
    assert not warehouse.columns("subscribers")


def test_an_account_that_vanished_keeps_its_rows(sync: Any, warehouse: Warehouse, world: World) -> None:
    sync(resources=["accounts", "subscribers"])
    kept = warehouse.value(f"SELECT count(*) FROM subscribers WHERE account_id = '{SECOND}'")
    world.remove_account(SECOND)
    assert sync(resources=["accounts", "subscribers"]).exit_code == 0
    assert warehouse.value(f"SELECT count(*) FROM subscribers WHERE account_id = '{SECOND}'") == kept > 0


@pytest.mark.parametrize("resource", LISTS)
def test_types_are_declared(resource: str) -> None:
    from flows.source.schema import arrow_schema

    assert arrow_schema(ENDPOINTS[resource]).names[0] == "account_id"
