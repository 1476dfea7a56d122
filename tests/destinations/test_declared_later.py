"""A field that the reference comes to name: datasets that have it as JSON already go on."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from flows.sandbox import World
from flows.source import endpoints, records
from tests.conftest import Warehouse, both_destinations

FIELD = "initial_status"


@both_destinations
def test_a_field_that_was_not_declared_before_goes_on_in_its_column(
    sync: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = endpoints.ENDPOINTS["subscribers"]
    fields = [
        (one.name, one.type, one.default) for one in msgspec.structs.fields(records.Subscriber) if one.name != FIELD
    ]
    older = msgspec.defstruct("Older", fields, bases=(records.Record,), kw_only=True)
    monkeypatch.setitem(endpoints.ENDPOINTS, "subscribers", replace(declared, record=older))  # type: ignore[arg-type]
    assert sync(resources=["subscribers"]).exit_code == 0
    before = sorted(warehouse.rows(f"SELECT id, {FIELD} FROM subscribers"))
    assert {value for _, value in before} == {'"active"', '"unconfirmed"'}
    monkeypatch.setitem(endpoints.ENDPOINTS, "subscribers", declared)  # type: ignore[arg-type]
    person = world.account("1000001").records["subscribers"].all()[0]["id"]
    world.account("1000001").records["subscribers"].update(person, initial_status="unconfirmed", first_name="New")
    report = sync(resources=["subscribers"])
    assert report.exit_code == 0, report.failures
    after = dict(warehouse.rows(f"SELECT id, {FIELD} FROM subscribers"))
    assert after.pop(person) == '"unconfirmed"'
    assert sorted(after.items()) == [row for row in before if row[0] != person]
