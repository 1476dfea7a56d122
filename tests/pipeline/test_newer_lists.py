"""Segments, audiences and the steps of workflows: read only where they have changed, and where the token has them."""

from collections import Counter
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from flows.reporting.summary import facts
from flows.sandbox import Server, World
from flows.sandbox.generator.steps import emails
from flows.source import DEFAULT_RESOURCES, ENDPOINTS
from tests.conftest import Warehouse, both_destinations

FIRST, SECOND = "1000001", "1000002"
DETAILS, AUDIENCE = "/details", "/audience"
PATHS = {
    "segments": "/segments", "broadcast_audiences": AUDIENCE, "workflow_details": DETAILS, "email_metrics": "/email",
}  # fmt: skip
KEPT = ["segments", "broadcast_audiences", "workflow_details"]
MOST_ASKED = {"segments": 1, "broadcast_audiences": 3, "workflow_details": 3, "email_metrics": 1}
"""How often an account is asked for a resource that the token does not have, at most."""


@pytest.fixture
def world() -> World:
    return World(seed=7, sizes={FIRST: 150, SECOND: 30})


def statuses(server: Server, ending: str) -> Counter[Any]:
    return Counter(one.status for one in server.log if one.path.endswith(ending))


def ids(world: World, kind: str) -> set[str]:
    return {one["id"] for account in world.account_ids for one in world.account(account).records[kind].all()}


class Changed(NamedTuple):
    """The ids of what was changed."""

    workflow: str
    broadcast: str
    segment: str


def change(world: World) -> Changed:
    """Change and delete one of each kind, and change a broadcast in what says nothing of its audience."""
    records = world.account(FIRST).records
    workflow, broadcast, segment = (records[name].all()[0]["id"] for name in ("workflows", "broadcasts", "segments"))
    meaningless = records["broadcasts"].all()[2]["id"]
    records["workflows"].update(workflow, name="Another name")
    records["segments"].update(segment, name="Another name")
    records["broadcasts"].update(broadcast, subject="Another subject")
    other = {"preview_url": "https://example.com/other", "derived": {"status": "other words"}}
    records["broadcasts"].update(meaningless, **other)
    for name in ("workflows", "broadcasts", "segments"):
        records[name].delete([records[name].all()[1]["id"]])
    return Changed(workflow, broadcast, segment)


def test_they_are_asked_for_where_something_is_new_or_changed(
    sync: Any, server: Server, warehouse: Warehouse, world: World
) -> None:
    assert sync(resources=KEPT, history=KEPT).exit_code == 0
    assert_mirrors(warehouse, world)
    workflows, broadcasts = ids(world, "workflows"), ids(world, "broadcasts")
    assert statuses(server, DETAILS) == {200: len(workflows)}
    assert statuses(server, AUDIENCE) == {200: len(broadcasts)}
    for name in ("workflows", "broadcasts"):
        assert statuses(server, f"/v2/{SECOND}/{name}") == {200: 1}, "also the list that the others depend on"
    kinds = "SELECT DISTINCT (filter IS NULL), (summary IS NULL), (unsupported_types IS NULL) FROM broadcast_audiences"
    assert set(warehouse.rows(kinds)) == {(False, True, True), (True, False, False)}

    changed = change(world)
    server.log.clear()
    report = sync(resources=KEPT, history=KEPT)
    assert report.exit_code == 0, report.failures
    assert_mirrors(warehouse, world)
    assert statuses(server, DETAILS) == {304: len(workflows) - 2, 200: 1}
    asked = [one.path for one in server.log if one.path.endswith(AUDIENCE)]
    assert asked == [f"/v2/{FIRST}/broadcasts/{changed.broadcast}/audience"]
    assert warehouse.value(f"SELECT name FROM workflow_details WHERE id = '{changed.workflow}'") == "Another name"
    assert_history(warehouse, changed)

    server.log.clear()
    sync(resources=KEPT, history=KEPT)
    assert statuses(server, DETAILS) == {304: len(workflows) - 1}
    assert_mirrors(warehouse, world)


def assert_mirrors(warehouse: Warehouse, world: World) -> None:
    for query, kind in (
        ("SELECT id FROM workflow_details", "workflows"),
        ("SELECT broadcast_id FROM broadcast_audiences", "broadcasts"),
        ("SELECT id FROM segments", "segments"),
    ):
        assert sorted(warehouse.column(query)) == sorted(ids(world, kind))
    types = warehouse.columns("segments")
    assert [types[name] for name in ("name", "created_at", "updated_at")] == [
        "VARCHAR",
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMP WITH TIME ZONE",
    ]


def assert_history(warehouse: Warehouse, changed: Changed) -> None:
    """Only what has changed has a second version."""
    several = "SELECT {key} FROM {table}_history GROUP BY account_id, {key} HAVING count(*) > 1"
    assert warehouse.column(several.format(table="segments", key="id")) == [changed.segment]
    assert warehouse.column(several.format(table="workflow_details", key="id")) == [changed.workflow]
    audiences = several.format(table="broadcast_audiences", key="broadcast_id")
    assert warehouse.column(audiences) == [], "a changed broadcast made a version of its audience, which is the same"
    current = "SELECT name FROM workflow_details_history WHERE valid_to IS NULL AND id = '{}'"
    assert warehouse.column(current.format(changed.workflow)) == ["Another name"]


@both_destinations
def test_the_view_has_every_email_that_a_workflow_sends(
    sync: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__EMAIL_METRICS_DAYS", "5")
    sync(resources=["workflow_details", "email_metrics"])
    expected = {
        (account, one["id"], node, str(email))
        for account in world.account_ids
        for one in world.account(account).records["workflows"].all()
        for node, email, _ in emails(world.account(account).book, one["id"])
    }
    query = "SELECT account_id, workflow_id, node_id, automation_email_id FROM workflow_emails"
    rows = warehouse.rows(query)
    assert len(rows) == len(expected)
    assert set(rows) == expected
    assert set(warehouse.column("SELECT DISTINCT depth FROM workflow_emails")) == {1, 3}
    joined = """
        SELECT count(*) FROM email_metrics AS metric
        JOIN workflow_emails AS step USING (account_id, workflow_id, node_id)
        WHERE step.automation_email_id = metric.email_id
    """
    in_workflows = warehouse.value("SELECT count(*) FROM email_metrics WHERE workflow_id IS NOT NULL")
    assert warehouse.value(joined) == in_workflows > 0


def test_endpoints_that_the_token_does_not_have_are_said_once_and_are_no_failure(
    sync: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__EMAIL_METRICS_DAYS", "3")
    sync(resources=[*MOST_ASKED, "tags"])
    before = {name: sorted(warehouse.rows(f"SELECT * FROM {name}"), key=str) for name in MOST_ASKED}
    assert all(before.values())
    world.faults = [{"match": {"resource": name}, "action": {"kind": "status", "status": 404}} for name in MOST_ASKED]
    world.move_to(world.as_of + timedelta(days=40))
    server.log.clear()
    report = sync(resources=[*MOST_ASKED, "tags"])
    assert report.exit_code == 0, report.failures
    for name, most in MOST_ASKED.items():
        assert facts(report)["Not available"].count(name) == 1
        assert sorted(warehouse.rows(f"SELECT * FROM {name}"), key=str) == before[name]
        refused = [one for one in server.log if one.status == 404 and one.path.endswith(PATHS[name])]
        assert 0 < len(refused) <= most * len(world.account_ids), name


def test_a_workflow_that_is_deleted_before_its_turn_is_no_failure(
    sync: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = world.account(FIRST)
    gone = account.records["workflows"].all()[2]["id"]
    original = account.details

    def deleting(workflow: Any) -> Any:
        account.records["workflows"].delete([gone])
        return original(workflow)

    monkeypatch.setattr(account, "details", deleting)
    report = sync(resources=["workflow_details"], accounts=[FIRST])
    assert report.exit_code == 0, report.failures
    expected = {one["id"] for one in account.records["workflows"].all()}
    assert set(warehouse.column("SELECT id FROM workflow_details")) == expected


PAGED = {"per_page": "1000", "page": "1"}
USUAL: dict[str, dict[str, str]] = {
    "/broadcasts": {"status": "all", "direction": "asc", "page": "1", "per_page": "100"},
    "/campaigns": {"page": "1"},
    "/workflows": {"page": "1"},
    "/subscribers": {"status": "all", **PAGED},
    "/custom_field_identifiers": {},
    "/goals": {},
    "/event_actions": PAGED,
    "/tags": {},
    "/webhooks": {},
}
"""What a sync asks each account for."""


def test_a_sync_without_them_asks_for_exactly_what_it_did_before(
    sync: Any, server: Server, warehouse: Warehouse, world: World
) -> None:
    assert sync().exit_code == 0
    expected: list[tuple[str, dict[str, str]]] = [("/v2/accounts", {}), ("/v2/user", {})]
    expected += [(f"/v2/{account}{path}", query) for account in world.account_ids for path, query in USUAL.items()]
    sent = [(one.path, one.query) for one in server.log]
    assert sorted(sent, key=str) == sorted(expected, key=str)
    assert {*warehouse.column("SELECT table_name FROM duckdb_tables()")} & ENDPOINTS.keys() == {*DEFAULT_RESOURCES}


def test_one_record_that_is_missing_while_others_are_there_fails(sync: Any, world: World) -> None:
    missing = world.account(FIRST).records["workflows"].all()[1]["id"]
    world.faults = [{"match": {"path": f"{missing}/details"}, "action": {"kind": "status", "status": 404}}]
    (failure,) = sync(resources=["workflow_details"], accounts=[FIRST]).failures
    assert missing in failure.note


def test_they_are_gone_on_from(
    sync: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__PARALLEL", "1")
    workflows = [one["id"] for one in world.account(FIRST).records["workflows"].all()]
    world.faults = [{"match": {"path": f"{workflows[3]}/details"}, "action": {"kind": "status", "status": 500}}]
    assert sync(resources=["workflow_details"], accounts=[FIRST]).exit_code == 1
    world.faults = None
    server.log.clear()
    assert sync(resources=["workflow_details"], accounts=[FIRST]).exit_code == 0
    again = [one.path for one in server.log if one.path.endswith(DETAILS)]
    assert again == [f"/v2/{FIRST}/workflows/{one}/details" for one in workflows[3:]]
    assert set(warehouse.column("SELECT id FROM workflow_details")) == set(workflows)
