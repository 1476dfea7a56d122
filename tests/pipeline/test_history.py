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
VERSIONS = "SELECT count(*), count(valid_to) FROM subscribers_history"
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
def test_what_changes_is_kept_and_told_and_forgotten_in_time(
    day: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = world.account(FIRST).subscribers
    world.account(SECOND).subscribers.clear()
    leaver, mover, returner, extended = people.ids()[:4]
    people.update(mover, status="active", tags=["a", "b"], custom_fields={"plan": "free", "seats": 3, "old": True})
    people.update(returner, tags=["x"])
    kept = people.get(returner)
    began = day().started
    assert warehouse.rows(EVENTS) == []
    assert warehouse.rows(VERSIONS) == [(12, 0)]

    (newcomer,) = world.account(SECOND).arrive(1)
    change(world, mover, extended, gone=[leaver, returner])
    second = day().started
    day()
    assert warehouse.rows(VERSIONS) == [(12 + 3, 4)], "new are those of mover, extended and newcomer"
    assert_ignored_fields_are_current(warehouse, extended)
    people.add({**kept, "status": "unsubscribed", "tags": ["x", "y"]})
    last = day().started
    assert warehouse.rows(VERSIONS) == [(16, 4)]
    expected = [
        *events_of_change(second, leaver, mover, returner, newcomer["id"]),
        (last, FIRST, returner, "returned", None, None, None),
        (last, FIRST, returner, "status", None, kept["status"], "unsubscribed"),
        (last, FIRST, returner, "tag_added", None, None, "y"),
    ]
    assert sorted(warehouse.rows(EVENTS), key=str) == sorted(expected, key=str)
    assert_the_query_in_the_documents_finds(warehouse, began, 12)
    assert_open_is_mirror(warehouse)

    monkeypatch.setenv("SOURCES__DRIP__HISTORY_DAYS", "1e-6")
    day()
    assert warehouse.rows(VERSIONS) == [(12, 0)]
    assert [row[:4] for row in warehouse.rows(EVENTS)] == [
        (second, SECOND, newcomer["id"], "arrived"),
        (last, FIRST, returner, "returned"),
    ], "what only closed versions told is forgotten"


def change(world: World, mover: str, extended: str, gone: list[str]) -> None:
    """Change some people of the first account, and fields of all of them that history ignores."""
    people = world.account(FIRST).subscribers
    people.delete(gone)
    for person in people.ids():
        people.update(person, utc_offset=61, nothing_new=None)
    people.update(extended, brand_new={"a": 1})
    fields = {"plan": "pro", "seats": 3, "new": [1]}
    people.update(mover, status="unsubscribed", tags=["b", "c", "b"], custom_fields=fields)


def events_of_change(seen: Any, leaver: str, mover: str, returner: str, newcomer: str) -> list[tuple[Any, ...]]:
    return [
        (seen, FIRST, leaver, "left", None, None, None),
        (seen, FIRST, returner, "left", None, None, None),
        (seen, FIRST, mover, "custom_field", "new", None, "[1]"),
        (seen, FIRST, mover, "custom_field", "old", "true", None),
        (seen, FIRST, mover, "custom_field", "plan", '"free"', '"pro"'),
        (seen, FIRST, mover, "status", None, "active", "unsubscribed"),
        (seen, FIRST, mover, "tag_added", None, None, "c"),
        (seen, FIRST, mover, "tag_removed", None, "a", None),
        (seen, SECOND, newcomer, "arrived", None, None, None),
    ]


def assert_ignored_fields_are_current(warehouse: Warehouse, extended: str) -> None:
    here = f"account_id = '{FIRST}' AND valid_to IS NULL"
    assert warehouse.rows(f"SELECT DISTINCT utc_offset FROM subscribers_history WHERE {here}") == [(61,)]
    versions = warehouse.rows(f"SELECT brand_new IS NULL FROM subscribers_history WHERE id = '{extended}' ORDER BY 1")
    assert versions == [(False,), (True,)]
    assert_open_is_mirror(warehouse)


def assert_the_query_in_the_documents_finds(warehouse: Warehouse, began: Any, count: int) -> None:
    """The documented query of the people at a moment, which is before the first sync as it is written there."""
    (query,) = [one for one in re.findall(r"```sql\n(.*?)```", TABLES.read_text(), re.DOTALL) if "valid_from" in one]
    assert len(warehouse.rows(re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00", str(began), query))) == count
    assert warehouse.rows(query) == []


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
