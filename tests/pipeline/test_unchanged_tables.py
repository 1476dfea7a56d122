"""A load leaves out the tables that already hold the rows that landed, and no others."""

from typing import Any

import dlt
import pytest

from flows.sandbox import World
from tests.conftest import Warehouse, both_destinations
from tests.mirror import LISTS, assert_mirrors

FIRST = "1000001"
ALWAYS = {"accounts", "users"}


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The tables that each load of the test loaded."""
    loads: list[set[str]] = []
    run = dlt.Pipeline.run

    def recorded(*args: Any, **options: Any) -> Any:
        info = run(*args, **options)
        loads.append({job.job_file_info.table_name for one in info.load_packages for job in one.jobs["completed_jobs"]})
        return info

    monkeypatch.setattr(dlt.Pipeline, "run", recorded)
    return loads


def tables(load: set[str]) -> set[str]:
    """Without the tables that dlt loads its own state into."""
    return {name for name in load if not name.startswith("_dlt")}


def test_tables_without_changes_are_left_out(
    plain_sync: Any, warehouse: Warehouse, world: World, loaded: list[set[str]]
) -> None:
    plain_sync()
    assert tables(loaded[0]) == {*LISTS, *ALWAYS}
    report = plain_sync()
    assert report.exit_code == 0
    assert {line.loaded == line.total for line in report.lists} == {True}
    assert tables(loaded[1]) == ALWAYS
    changes = {"subscribers": "change", "tags": "add", "webhooks": "delete"}
    people, tags, webhooks = (world.account(FIRST).records[resource] for resource in changes)
    people.update(people.all()[0]["id"], first_name="Zoë")
    tags.add("Brand new")
    webhooks.delete([webhooks.all()[0]["id"]])
    plain_sync()
    assert tables(loaded[2]) == {*changes, *ALWAYS}
    assert_mirrors(warehouse, world)


def test_the_quarantine_is_loaded_while_it_has_records_and_every_sync_has_a_load(
    plain_sync: Any, warehouse: Warehouse, world: World, loaded: list[set[str]]
) -> None:
    resources, inject = ["accounts", "tags"], {"kind": "inject", "records": [7]}
    plain_sync(resources=resources)
    assert warehouse.rows("SELECT * FROM _quarantine") == []
    world.faults = [{"match": {"account": FIRST, "resource": "tags"}, "action": inject}]
    plain_sync(resources=resources)
    assert warehouse.value("SELECT count(*) FROM _quarantine") == 1
    world.faults = None
    plain_sync(resources=resources)
    assert warehouse.value("SELECT count(*) FROM _quarantine") == 0
    plain_sync(resources=resources)
    assert ["_quarantine" in load for load in loaded] == [False, True, True, False]

    assert plain_sync(resources=["tags"]).exit_code == 0, "there is nothing to load"
    assert "tags" not in loaded[4]
    assert warehouse.value("SELECT count(*) FROM _syncs JOIN _dlt_loads ON _dlt_load_id = load_id") == 4 * 3 + 2
    assert warehouse.value("SELECT count(DISTINCT _dlt_load_id) FROM _syncs") == 5


@both_destinations
def test_tables_edited_by_hand_are_loaded(
    plain_sync: Any, warehouse: Warehouse, world: World, loaded: list[set[str]]
) -> None:
    edits = {
        "webhooks": "DELETE FROM drip.webhooks",
        "tags": "UPDATE drip.tags SET _row_hash = 'another'",
        "custom_fields": "INSERT INTO drip.custom_fields SELECT * FROM drip.custom_fields",
        "campaigns": f"UPDATE drip.campaigns SET account_id = 'another' WHERE account_id = '{FIRST}'",
    }
    resources = ["subscribers", *edits]
    plain_sync(resources=resources)
    for edit in edits.values():
        warehouse.execute(edit)
    plain_sync(resources=resources)
    assert tables(loaded[1]) == {*edits}
