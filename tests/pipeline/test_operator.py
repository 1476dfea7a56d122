"""What an operator sees of a run in Prefect: named tasks, progress, and a report whether it succeeds or fails."""

import json
import time
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterTags
from prefect.client.schemas.objects import TaskRun

from flows.orchestration.artifacts import LINK_KEY, LISTS_KEY, SUMMARY_KEY
from flows.orchestration.progress_artifact import PROGRESS_KEY
from flows.sandbox import World
from tests.conftest import Warehouse
from tests.pipeline.conftest import GONE
from tests.prefect_runs import artifacts, newest_run

FIRST, SECOND = "1000001", "1000002"


@pytest.fixture
def sync(sync_flow: Any) -> Any:
    """The flow, because these tests are about Prefect."""
    return sync_flow


def task_runs(*tags: str) -> list[TaskRun]:
    wanted = TaskRunFilter(tags=TaskRunFilterTags(all_=list(tags)))
    with get_client(sync_client=True) as client:
        return client.read_task_runs(task_run_filter=wanted)


def not_a_number(name: str) -> None:
    pytest.fail(f"{name} in a table: Prefect does not show it")


def test_a_list_is_found_by_its_name_and_tags(sync: Any) -> None:
    sync(resources=["tags"], accounts=[SECOND])
    name, deadline = f"extract tags of {SECOND} (Harbour & Pine 02)", time.monotonic() + 15
    while name not in {run.name for run in task_runs(f"account:{SECOND}", "resource:tags")}:
        assert time.monotonic() < deadline
        time.sleep(0.2)  # the server records task runs a little later


def test_the_report_of_a_run_that_went_well(sync: Any, plain_sync: Any, world: World, warehouse: Warehouse) -> None:
    resources = ["accounts", "users", "subscribers", "tags"]
    plain_sync(resources=resources)
    world.account(SECOND).records["tags"].add("Fresh")
    report = sync(resources=resources)
    left = artifacts(newest_run())
    rows = json.loads(str(left[LISTS_KEY].data), parse_constant=not_a_number)
    there = warehouse.rows(f"SELECT account, resource, loaded_rows FROM _syncs WHERE run = '{report.run}'")
    accounts = [row["account"].partition(" ")[0] or None for row in rows]
    shown = zip(accounts, rows, strict=True)
    assert {(account, row["resource"], row["loaded"]) for account, row in shown} == set(there)
    changes = {(row["account"], row["resource"]): row["change"] for row in rows if row["change"]}
    assert changes == {(f"{SECOND} (Harbour & Pine 02)".replace("&", "&amp;"), "tags"): 1}
    text = str(left[SUMMARY_KEY].data)
    assert f"All {len(rows)} lists arrived" in text
    assert "+1 tags since the last sync" in text
    (budget,) = report.budgets
    assert f"{report.requests} used, {budget.left:,} left" in text
    assert f"last sync {report.seconds_before:.1f} s" in text
    assert "## Failures" not in text
    assert f"/artifacts/artifact/{left[SUMMARY_KEY].id}" in str(left[LINK_KEY].data)
    assert left[PROGRESS_KEY].data == 100.0
    assert "finished" in str(left[PROGRESS_KEY].description)


def test_the_report_of_a_list_that_failed(sync: Any, world: World) -> None:
    world.faults = [GONE]
    assert sync(resources=["tags", "webhooks"]).exit_code == 1
    run = newest_run()
    left = artifacts(run)
    text = str(left[SUMMARY_KEY].data)
    assert "1 of 4 lists are incomplete" in text
    assert "HTTP 404" in text
    assert "check the account" in text
    assert f"drip-flows sync --account {FIRST} --resource tags" in text
    rows = json.loads(str(left[LISTS_KEY].data), parse_constant=not_a_number)
    assert [(row["account"], row["loaded"]) for row in rows if not row["complete"]] == [
        (f"{FIRST} (北の本屋 01)", None)
    ]
    assert run.state
    assert f"tags of {FIRST} (北の本屋 01): HTTP 404" in str(run.state.message)


def test_a_reply_is_not_taken_for_markdown(sync: Any, world: World) -> None:
    world.faults = [GONE | {"action": {"kind": "raw", "body": "<h1>*back* | soon</h1>"}}]
    assert sync(resources=["tags"]).exit_code == 1
    left = artifacts(newest_run())
    for key in (SUMMARY_KEY, LISTS_KEY):
        assert "<h1>" not in str(left[key].data)
        assert "back" in str(left[key].data)


def test_the_report_of_a_run_that_was_refused(sync: Any, world: World) -> None:
    world.faults = [{"action": {"kind": "status", "status": 401}}]
    assert sync().exit_code == 2
    left = artifacts(newest_run())
    assert "The sync failed" in str(left[SUMMARY_KEY].data)
    assert "SOURCES\\_\\_DRIP\\_\\_API\\_KEY" in str(left[SUMMARY_KEY].data)
    assert "interrupted" in str(left[PROGRESS_KEY].description)


def test_the_report_of_a_run_that_could_not_begin(
    prefect_server: None, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.sync import sync as flow

    monkeypatch.delenv("SOURCES__DRIP__API_KEY", raising=False)
    state: Any = flow(return_state=True)
    assert state.is_failed()
    assert "no API key" in str(artifacts(newest_run())[SUMMARY_KEY].data)
