"""A new column, a type that no longer fits and a list that turns empty are told in the report and to Prefect."""

import json
from typing import Any

import pytest

from flows.maintenance.forget import forget
from flows.pipeline.drift import EMPTIED, NEW_COLUMN, NEW_MISFIT, REFUSED
from flows.reporting.summary import facts
from flows.sandbox import World
from tests.command import assert_plain_error, drip_flows
from tests.conftest import Warehouse

FIRST = "1000001"


def reply(records: list[dict[str, Any]]) -> dict[str, Any]:
    """A rule that answers requests for goals of the first account with these records."""
    match = {"account": FIRST, "resource": "conversions"}
    return {"match": match, "action": {"kind": "raw", "body": json.dumps({"goals": records})}}


def test_drift_is_told_once_and_every_value_is_stored(sync: Any, world: World, warehouse: Warehouse) -> None:
    assert sync(resources=["conversions"]).drift == []
    one, two, three = ({"id": str(number), "name": "Bought"} for number in (1, 2, 3))
    margins = f"SELECT margin FROM conversions WHERE account_id = '{FIRST}' ORDER BY id"
    world.faults = [reply([one | {"margin": 3, "default_value": "much"}, two | {"margin": 4}, three])]
    report = sync(resources=["conversions"])
    told = {(drift.kind, drift.table, drift.column) for drift in report.drift}
    assert told == {(NEW_COLUMN, "conversions", "margin"), (NEW_MISFIT, "conversions", "default_value")}
    assert "conversions has the new column margin" in facts(report)["Schema"]
    assert report.exit_code == 0
    assert warehouse.column(margins) == ["3", "4", None]
    world.faults = [reply([one | {"margin": "three", "default_value": "more"}, two | {"margin": {"a": [1]}}, three])]
    report = sync(resources=["conversions"])
    assert (report.exit_code, report.drift) == (0, [])
    assert warehouse.column(margins) == ['"three"', '{"a": [1]}', None]
    world.faults = [reply([])]
    (emptied,) = sync(resources=["conversions"]).drift
    assert (emptied.kind, emptied.table, emptied.account) == (EMPTIED, "conversions", FIRST)
    assert "it had 3 rows after the last sync" in emptied.text


def test_a_frozen_schema_takes_no_unknown_field(
    sync: Any, world: World, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__SCHEMA", "freeze")
    plain = world.account(FIRST).subscribers.all()[:3]
    ada, ben, *_ = plain
    unknown = [ada | {"shoe": 41, "odd\\name": [1]}, ben | {"shoe": None, "first_name": "Renamed"}, plain[2]]
    world.faults = [subscribers(unknown)]
    report = sync(resources=["subscribers"], accounts=[FIRST])
    assert (report.exit_code, report.failures) == (1, [])
    refused = [(one.kind, one.table, one.column, one.account) for one in report.drift]
    assert refused == [(REFUSED, "subscribers", name, FIRST) for name in ("odd\\name", "shoe")]
    assert "unknown fields in _quarantine: subscribers.odd\\name, subscribers.shoe" in report.summary()
    assert "1 rows have the unknown field shoe" in facts(report)["Schema"]
    assert not {"shoe", "_other_fields"} & warehouse.columns("subscribers").keys()
    rows = warehouse.rows("SELECT id, first_name FROM subscribers ORDER BY id")
    assert rows == sorted((one["id"], "Renamed" if one is ben else one["first_name"]) for one in plain)
    ((record, reason),) = warehouse.rows("SELECT record, reason FROM _quarantine")
    assert json.loads(record) == {"id": ada["id"], "shoe": 41, "odd\\name": [1]}
    assert "odd\\name, shoe" in reason

    assert sync(resources=["subscribers"], accounts=[FIRST]).exit_code == 1, "it is said until somebody acts"
    forget(ada["email"], warehouse.destination)  # type: ignore[arg-type]
    assert warehouse.value("SELECT count(*) FROM _quarantine") == 0

    monkeypatch.setenv("SOURCES__DRIP__SCHEMA", "evolve")
    sync(resources=["subscribers"], accounts=[FIRST])
    monkeypatch.setenv("SOURCES__DRIP__SCHEMA", "freeze")
    report = sync(resources=["subscribers"], accounts=[FIRST])
    assert (report.exit_code, report.drift) == (0, []), "the column is known by now"
    assert warehouse.rows(f"SELECT shoe FROM subscribers WHERE id = '{ada['id']}'") == [("41",)]
    assert warehouse.value("SELECT count(*) FROM _quarantine") == 0


def subscribers(people: list[dict[str, Any]]) -> dict[str, Any]:
    """A rule that answers requests for subscribers of the first account with these people."""
    match = {"account": FIRST, "resource": "subscribers"}
    body = {"subscribers": people, "meta": {"page": 1, "total_pages": 1, "total_count": len(people)}}
    return {"match": match, "action": {"kind": "raw", "body": json.dumps(body)}}


def test_a_mode_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__SCHEMA", "frozen")
    assert_plain_error(drip_flows("sync"), "SOURCES__DRIP__SCHEMA", "frozen")
