"""History keeps the versions of each row and the changes between them, in both destinations."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from flows.sandbox import World
from tests.conftest import Warehouse, both_destinations
from tests.readme import TABLES

FIRST, SECOND = "1000001", "1000002"
EVENTS = (
    "SELECT seen_at, account_id, subscriber_id, change, field, from_value, to_value FROM subscriber_changes "
    "ORDER BY seen_at, account_id, subscriber_id, change, field, to_value"
)
PEOPLE = "SELECT account_id, id, status, email, lead_score, utc_offset, tags, custom_fields FROM"


@pytest.fixture
def world() -> World:
    return World(seed=7, sizes={FIRST: 12, SECOND: 5})


@pytest.fixture
def day(sync: Any) -> Callable[..., Any]:
    """Sync the subscribers again, and return the report."""

    def run(**parameters: Any) -> Any:
        report = sync(**{"resources": ["subscribers"]} | parameters)
        assert report.exit_code == 0, report.lists
        return report

    return run


def assert_open_is_mirror(warehouse: Warehouse) -> None:
    open_ones = warehouse.rows(f"{PEOPLE} subscribers_history WHERE valid_to IS NULL ORDER BY 1, 2")
    assert open_ones == warehouse.rows(f"{PEOPLE} subscribers ORDER BY 1, 2")


@both_destinations
def test_what_happens_to_people_is_told(day: Any, warehouse: Warehouse, world: World) -> None:
    one, other = world.account(FIRST).subscribers, world.account(SECOND).subscribers
    other.clear()
    leaver, mover, returner = one.ids()[:3]
    one.update(mover, status="active", tags=["a", "b"], custom_fields={"plan": "free", "seats": 3, "old": True})
    one.update(returner, tags=["x"])
    kept = one.get(returner)
    began = day().started
    assert warehouse.rows(EVENTS) == []

    one.delete([leaver, returner])
    (newcomer,) = world.account(SECOND).arrive(1)
    one.update(
        mover, status="unsubscribed", tags=["b", "c", "b"], custom_fields={"plan": "pro", "seats": 3, "new": [1]}
    )
    second = day().started
    day()
    one.add({**kept, "status": "unsubscribed", "tags": ["x", "y"]})
    last = day().started

    expected = [
        (second, FIRST, leaver, "left", None, None, None),
        (second, FIRST, returner, "left", None, None, None),
        (second, FIRST, mover, "custom_field", "new", None, "[1]"),
        (second, FIRST, mover, "custom_field", "old", "true", None),
        (second, FIRST, mover, "custom_field", "plan", '"free"', '"pro"'),
        (second, FIRST, mover, "status", None, "active", "unsubscribed"),
        (second, FIRST, mover, "tag_added", None, None, "c"),
        (second, FIRST, mover, "tag_removed", None, "a", None),
        (second, SECOND, newcomer["id"], "arrived", None, None, None),
        (last, FIRST, returner, "returned", None, None, None),
        (last, FIRST, returner, "status", None, kept["status"], "unsubscribed"),
        (last, FIRST, returner, "tag_added", None, None, "y"),
    ]
    assert sorted(warehouse.rows(EVENTS), key=str) == sorted(expected, key=str)
    (query,) = [one for one in re.findall(r"```sql\n(.*?)```", TABLES.read_text(), re.DOTALL) if "valid_from" in one]
    assert len(warehouse.rows(re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00", str(began), query))) == 12
    assert warehouse.rows(query) == []
    assert_open_is_mirror(warehouse)


@both_destinations
def test_only_what_changes_is_kept_and_closed_versions_are_forgotten_in_time(
    day: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    day()
    (baseline,) = warehouse.rows("SELECT count(*), count(valid_to) FROM subscribers_history")
    assert baseline == (17, 0)
    people = world.account(FIRST).subscribers
    extended, changed, gone = people.ids()[:3]
    for person in people.ids():
        people.update(person, utc_offset=61, nothing_new=None)
    people.update(extended, brand_new={"a": 1})
    people.update(changed, status="undeliverable")
    people.delete([gone])
    day()
    day()
    assert warehouse.rows("SELECT count(*), count(valid_to) FROM subscribers_history") == [(19, 3)]
    here = f"account_id = '{FIRST}' AND valid_to IS NULL"
    assert warehouse.rows(f"SELECT DISTINCT utc_offset FROM subscribers_history WHERE {here}") == [(61,)]
    versions = warehouse.rows(f"SELECT brand_new IS NULL FROM subscribers_history WHERE id = '{extended}' ORDER BY 1")
    assert versions == [(False,), (True,)]
    assert_open_is_mirror(warehouse)
    assert {row[3] for row in warehouse.rows(EVENTS)} == {"status", "left"}

    monkeypatch.setenv("SOURCES__DRIP__HISTORY_DAYS", "1e-6")
    day()
    assert warehouse.rows("SELECT count(*), count(valid_to) FROM subscribers_history") == [(16, 0)]
    assert warehouse.rows(EVENTS) == []


@both_destinations
def test_history_off_and_on_again(
    day: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__HISTORY", "[]")
    day()
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_name IN ('subscribers_history', '{}')"
    assert warehouse.rows(tables.format("subscriber_changes")) == [(0,)]
    world.account(FIRST).arrive(1)
    day(history=True)
    world.account(FIRST).arrive(1)
    day(history=False)
    assert warehouse.rows(EVENTS) == []
    monkeypatch.setenv("SOURCES__DRIP__HISTORY", '["subscribers", "campaigns"]')
    day(resources=["subscribers", "campaigns", "tags"])
    assert [row[3] for row in warehouse.rows(EVENTS)] == ["arrived"]
    assert warehouse.rows("SELECT count(*) FROM campaigns_history") == warehouse.rows("SELECT count(*) FROM campaigns")
    assert_open_is_mirror(warehouse)
