"""Lists that each campaign or workflow has: they are mirrored completely, resumed list by list, and kept apart."""

from pathlib import Path
from typing import Any

import dlt
import numpy as np
import pytest

from flows.sandbox import Server, World
from flows.source import drip_source
from tests.conftest import Warehouse

FIRST, SECOND = "1000001", "1000002"
STATUSES = ("active", "unsubscribed", "removed")
MEMBERS = "SELECT account_id, campaign_id, subscription_status, id FROM campaign_subscribers"
TRIGGERS = "SELECT account_id, workflow_id, id, trigger_type FROM workflow_triggers"
FAMILIES = ["campaign_subscribers", "workflow_triggers", "forms"]


@pytest.fixture
def world() -> World:
    return World(seed=7, sizes={FIRST: 60, SECOND: 30})


@pytest.fixture(params=["flow", "source alone"])
def load(request: pytest.FixtureRequest, server: Server, warehouse: Warehouse, tmp_path: Path) -> Any:
    """Loads resources with a sync, or with the dlt source alone."""
    if request.param == "flow":
        sync = request.getfixturevalue("sync")
        return lambda **parameters: sync(**parameters)
    destination = dlt.destinations.duckdb(str(warehouse.path))
    pipeline = dlt.pipeline("x", destination=destination, dataset_name="drip", pipelines_dir=str(tmp_path / "dlt"))
    return lambda **parameters: pipeline.run(drip_source(**parameters))


def members(world: World, account: str) -> set[tuple[str, ...]]:
    """The members of each campaign of an account, according to the API."""
    place = world.account(account)
    return {
        (account, campaign["id"], status, person["id"])
        for campaign in place.records["campaigns"].all()
        for status in STATUSES
        for person in place.campaign_subscribers(campaign["id"], status).slice(0, 10_000)
    }


def triggers(world: World, account: str) -> set[tuple[str, ...]]:
    place = world.account(account)
    return {
        (account, workflow["id"], trigger["id"], trigger["trigger_type"])
        for workflow in place.records["workflows"].all()
        for trigger in place.triggers(workflow["id"])
    }


def assert_mirrors(warehouse: Warehouse, world: World) -> None:
    rows = warehouse.rows(MEMBERS)
    assert len(rows) == len(set(rows))
    assert set(rows) == {row for account in world.account_ids for row in members(world, account)}
    rows = warehouse.rows(TRIGGERS)
    assert set(rows) == {row for account in world.account_ids for row in triggers(world, account)}
    forms = {one["id"] for account in world.account_ids for one in world.account(account).records["forms"].all()}
    assert set(warehouse.column("SELECT id FROM forms")) == forms


def test_complete_mirrors_day_after_day_until_a_list_is_not_whole(
    load: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(resources=["campaigns", "campaign_subscribers", "workflow_triggers", "workflows", "forms"])
    for parents in (f"{account}/{name}" for account in world.account_ids for name in ("campaigns", "workflows")):
        assert len([one for one in server.log if one.path.endswith(parents)]) == 1
    assert_mirrors(warehouse, world)
    statuses = set(warehouse.column("SELECT DISTINCT subscription_status FROM campaign_subscribers"))
    assert statuses == set(STATUSES)

    before = set(warehouse.rows(MEMBERS))
    world.move_to(world.as_of.replace(month=9))
    gone = world.account(FIRST).records["campaigns"].all()[0]["id"]
    world.account(FIRST).records["campaigns"].delete([gone])
    world.account(SECOND).records["workflows"].clear()
    load(resources=FAMILIES)
    assert_mirrors(warehouse, world)
    moved = {row[:2] + row[3:] for row in before - set(warehouse.rows(MEMBERS))}
    assert moved & {row[:2] + row[3:] for row in warehouse.rows(MEMBERS)}, "nobody changed status between the two days"

    monkeypatch.setenv("SOURCES__DRIP__MAX_SCANS", "2")
    before = set(warehouse.rows(MEMBERS))
    delete_campaigns_and_miscount_one(world)
    load(resources=["campaign_subscribers"])
    now = set(warehouse.rows(MEMBERS))
    assert {row for row in before if row[0] == FIRST} <= now, "one list that is not whole keeps all of its account"
    assert {row for row in now if row[0] == SECOND} == members(world, SECOND) < before


def delete_campaigns_and_miscount_one(world: World) -> None:
    """Delete a campaign of each account; the first account has a list whose count is wrong."""
    for account in world.account_ids:
        campaigns = world.account(account).records["campaigns"]
        campaigns.delete([campaigns.all()[1]["id"]])
    last = world.account(FIRST).records["campaigns"].all()[-1]["id"]
    wrong = {"kind": "meta", "values": {"total_count": 7_000}}
    world.faults = [{"match": {"path": f"/campaigns/{last}/", "status": "active"}, "action": wrong}]


def test_parents_that_failed_are_asked_for_again(sync: Any, server: Server, warehouse: Warehouse, world: World) -> None:
    world.faults = [
        {"match": {"path": "1/campaigns$"}, "when": {"times": 1}, "action": {"kind": "status", "status": 403}}
    ]
    (failure,) = sync(resources=["campaigns", "campaign_subscribers"], accounts=[FIRST]).failures
    assert failure.resource == "campaigns"
    assert set(warehouse.rows(MEMBERS)) == members(world, FIRST)


def test_a_missing_list_fails_and_the_next_sync_goes_on_from_the_lists_that_landed(
    sync: Any, server: Server, warehouse: Warehouse, world: World
) -> None:
    missing = parent_in_the_middle(world)  # whose series is there
    world.faults = [{"match": {"path": missing}, "action": {"kind": "status", "status": 404}}]
    (failure,) = sync(resources=["campaign_subscribers"], accounts=[FIRST]).failures
    assert "HTTP 404" in failure.note
    assert missing in failure.note
    read = {(one.path, one.query.get("status")) for one in server.log if one.status == 200 and "/campaigns" in one.path}
    assert len(read) > 3
    world.faults = None
    server.log.clear()
    assert sync(resources=["campaign_subscribers"], accounts=[FIRST]).exit_code == 0
    again = {(one.path, one.query.get("status")) for one in server.log}
    assert not read & again
    assert set(warehouse.rows(MEMBERS)) == members(world, FIRST)


def parent_in_the_middle(world: World) -> str:
    campaigns = world.account(FIRST).records["campaigns"].all()
    return str(campaigns[len(campaigns) // 2]["id"])


def test_a_series_deleted_before_its_turn_is_no_failure_but_an_id_that_is_none_is(
    sync: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = parent_in_the_middle(world)
    account = world.account(FIRST)
    original = account.campaign_subscribers

    def deleting(campaign_id: str, status: str) -> Any:
        account.records["campaigns"].delete([gone])
        return original(campaign_id, status)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(account, "campaign_subscribers", deleting)
        assert sync(resources=["campaign_subscribers"], accounts=[FIRST]).exit_code == 0
    assert [one.status for one in server.log if gone in one.path] == [404]
    before = set(warehouse.rows(MEMBERS))
    assert before == members(world, FIRST)

    account.records["campaigns"].delete([parent_in_the_middle(world)])
    for name in ("../subscribers", "{x}", "ä"):
        account.records["campaigns"].add({"id": name, "name": "odd"})
    server.log.clear()
    (failure,) = sync(resources=["campaign_subscribers"], accounts=[FIRST]).failures
    assert failure.note.count("cannot be used in a path") == 3
    assert not [one.path for one in server.log if one.path.endswith(f"{FIRST}/subscribers")]
    assert set(warehouse.rows(MEMBERS)) == before


def test_who_is_found_in_two_statuses_is_there_once(
    sync: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody unsubscribes after the active members were read and before the unsubscribed ones are."""
    account = world.account(FIRST)
    monkeypatch.setattr(
        account,
        "campaign_subscribers",
        lambda campaign, status: account.subscribers.pick(np.arange(2 if status != "removed" else 0)),
    )
    report = sync(resources=["campaign_subscribers"], accounts=[FIRST])
    assert report.exit_code == 0, report.failures
    rows = warehouse.rows(MEMBERS)
    assert len({(campaign, one) for _, campaign, _, one in rows}) == len(rows)
    assert {status for _, _, status, _ in rows} == {"unsubscribed"}
