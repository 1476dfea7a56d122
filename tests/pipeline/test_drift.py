"""A new column, a type that no longer fits and a list that turns empty are told in the report and to Prefect."""

import json
from typing import Any

from flows.pipeline.drift import EMPTIED, NEW_COLUMN, NEW_MISFIT
from flows.reporting.summary import facts
from flows.sandbox import World

FIRST = "1000001"


def reply(records: list[dict[str, Any]]) -> dict[str, Any]:
    """A rule that answers requests for goals of the first account with these records."""
    match = {"account": FIRST, "resource": "conversions"}
    return {"match": match, "action": {"kind": "raw", "body": json.dumps({"goals": records})}}


def test_drift_is_told_once(sync: Any, world: World) -> None:
    assert sync(resources=["conversions"]).drift == []
    goal = {"id": "1", "name": "Bought"}
    world.faults = [reply([goal | {"margin": 3, "default_value": "much"}])]
    report = sync(resources=["conversions"])
    told = {(one.kind, one.table, one.column) for one in report.drift}
    assert told == {(NEW_COLUMN, "conversions", "margin"), (NEW_MISFIT, "conversions", "default_value")}
    assert "conversions has the new column margin" in facts(report)["Schema"]
    assert report.exit_code == 0
    world.faults = [reply([goal | {"margin": 4, "default_value": "more"}])]
    assert sync(resources=["conversions"]).drift == []
    world.faults = [reply([])]
    (emptied,) = sync(resources=["conversions"]).drift
    assert (emptied.kind, emptied.table, emptied.account) == (EMPTIED, "conversions", FIRST)
    assert "it had 1 rows after the last sync" in emptied.text
