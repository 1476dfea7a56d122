"""A resource can be added with one entry in the table of endpoints and one record type."""

from typing import Any

import pytest

from flows.sandbox import World
from flows.source.endpoints import ENDPOINTS, Endpoint
from flows.source.records import Int, Record, Text
from tests.conftest import Warehouse

FIRST = "1000001"


class Goal(Record):
    """An alternative record type for conversions, with fewer fields and another name."""

    id: Text = None
    name: Text = None
    default_value: Int = None


GOALS = Endpoint("goals", "/{account_id}/goals", "goals", Goal, optional=True)


def test_a_resource_is_an_entry_and_a_record(
    sync: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENDPOINTS, GOALS.resource, GOALS)  # type: ignore[arg-type]
    assert sync(resources=["goals"]).exit_code == 0
    expected = sorted(
        (one["id"], one["name"], one["default_value"]) for one in world.account(FIRST).records["conversions"].all()
    )
    query = f"SELECT id, name, default_value FROM goals WHERE account_id = '{FIRST}' ORDER BY id"
    assert warehouse.rows(query) == expected
    assert warehouse.columns("goals")["status"] == "JSON"  # a field that its record does not declare
    world.account(FIRST).records["conversions"].clear()
    assert sync(resources=["goals"]).exit_code == 0
    assert warehouse.rows(query) == []
