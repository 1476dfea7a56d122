"""A sync materialises an asset per table; those with a failed list fail, and each failed list has an event."""

import time
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from flows.sandbox import World
from tests.conftest import PROJECT, Warehouse
from tests.deployment.commands import filled_in, prefect

FIRST, SECOND = "1000001", "1000002"
GONE = {"match": {"account": FIRST, "resource": "tags"}, "action": {"kind": "status", "status": 404}}
PATIENCE = 60


def events(prefix: str, wanted: int) -> list[dict[str, Any]]:
    """The events whose names begin with a prefix, once there are as many as wanted."""
    until, found = time.monotonic() + PATIENCE, []
    chosen = {"filter": {"event": {"prefix": [prefix]}}, "limit": 50}
    with get_client(sync_client=True) as client:  # it retries if the server is busy
        while time.monotonic() < until and len(found) < wanted:
            found = client.request("POST", "/events/filter", json=chosen).json()["events"]
            time.sleep(0.1)
    return found


DRIFTED = "drip.table.assets.subscribers"


def test_assets_and_list_events(sync_flow: Any, world: World, warehouse: Warehouse) -> None:
    world.faults = [GONE]
    report = sync_flow(resources=["accounts", "users", "tags", "subscribers"], dataset="assets")
    assert report.exit_code == 1
    place = f"duckdb://{str(warehouse.path).strip('/')}/assets/"
    found = {
        one["resource"]["prefect.resource.id"].removeprefix(place): (one["event"].rpartition(".")[2], one["payload"])
        for one in events("prefect.asset.materialization", 4)
        if one["resource"]["prefect.resource.id"].startswith(place)
    }
    assert {name: status for name, (status, _) in found.items()} == {
        "accounts": "succeeded", "users": "succeeded", "tags": "failed", "subscribers": "succeeded"
    }  # fmt: skip
    people = found["subscribers"][1]
    assert (people["rows"], people["complete"], people["lists"], people["run"]) == (150, True, 2, report.run)
    newest = max(one["created_at"] for account in (FIRST, SECOND) for one in world.account(account).subscribers.all())
    assert people["newest_record"].replace("+00:00", "Z") == newest
    tags = found["tags"][1]
    assert (tags["complete"], tags["lists"], tags["complete_lists"]) == (False, 2, 1)
    assert len(tags["failed"]) == 1
    assert f"{FIRST} (" in tags["failed"][0]
    assert "HTTP 404" in tags["failed"][0]
    (failed,) = [one for one in events("drip.list.failed", 1) if one["resource"]["drip.dataset"] == "assets"]
    assert failed["resource"]["prefect.resource.id"] == f"drip.list.tags.{FIRST}"
    assert "HTTP 404" in failed["payload"]["note"]
    assert any(one["prefect.resource.id"].startswith("prefect.flow-run.") for one in failed["related"])

    people = world.account(FIRST).records["subscribers"]
    people.update(people.all()[0]["id"], favourite_colour="blue")
    assert sync_flow(resources=["subscribers"], dataset="assets").exit_code == 0
    (drift,) = [one for one in events("drip.schema.drift", 1) if one["resource"]["prefect.resource.id"] == DRIFTED]
    assert (drift["payload"]["column"], drift["payload"]["kind"]) == ("favourite_colour", "new column")


@pytest.mark.usefixtures("prefect_server")
def test_prefect_accepts_the_example_automations(tmp_path: Any) -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    block = CustomWebhookNotificationBlock(name="ear", url="http://127.0.0.1:1", json_data={"body": "{{body}}"})
    filled = tmp_path / "automations.yaml"
    filled.write_text(filled_in(block.save("assets-ear", overwrite=True), "asset-automations.yaml"))
    output = prefect("automation", "create", "--from-file", str(filled), cwd=PROJECT)
    assert "Created 3 automation(s)" in output
    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            if automation.name.startswith("drip - "):
                client.delete_automation(automation.id)
