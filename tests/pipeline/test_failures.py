"""A failed list is not refreshed, a rejected token stops everything, and a transient fault has no effect."""

from typing import Any

import pytest

from flows.sandbox import Server, World, serve
from flows.sandbox.faults import PASSING_FAULTS
from tests.conftest import Warehouse
from tests.mirror import assert_mirrors

FIRST, SECOND = "1000001", "1000002"
TAGS = {"account": FIRST, "resource": "tags"}
LASTING = {
    "403": ({"kind": "status", "status": 403}, "HTTP 403"),
    "404": ({"kind": "status", "status": 404}, "HTTP 404"),
    "422": ({"kind": "status", "status": 422}, "HTTP 422"),
    "500": ({"kind": "status", "status": 500}, "HTTP 500"),
    "html": ({"kind": "html"}, "not a JSON object"),
    "truncated": ({"kind": "truncate"}, "not a JSON object"),
    "cut": ({"kind": "cut"}, "incomplete reply"),
    "reset": ({"kind": "reset"}, "no answer"),
    "no list": ({"kind": "raw", "body": '{"message": "hello"}'}, "no list 'tags'"),
    "null list": ({"kind": "raw", "body": '{"tags": null}'}, "no list 'tags'"),
}
TRIES = {"403": 1, "404": 1, "422": 1, "500": 8, "html": 8, "truncated": 8, "cut": 8, "reset": 8}


def asked(server: Server, account: str, name: str) -> int:
    return sum(request.path.endswith(f"/{account}/{name}") for request in server.log)


def test_lists_that_keep_failing_keep_their_old_rows(
    sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of a number of accounts fails in its own way."""
    failing = {str(1_000_001 + place): name for place, name in enumerate(LASTING)}
    healthy = str(1_000_001 + len(LASTING))
    world = World(seed=7, sizes=dict.fromkeys([*failing, healthy], 1))
    of_failing = f"SELECT * FROM {{}} WHERE account_id <> '{healthy}' ORDER BY ALL"
    with serve(world) as server:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        sync(resources=["tags", "webhooks"])
        old = warehouse.rows(of_failing.format("tags"))
        assert {row[0] for row in warehouse.rows("SELECT account_id FROM tags")} == {*failing, healthy}
        for account in failing:
            world.account(account).records["tags"].clear()
            world.account(account).records["webhooks"].clear()
        world.account(healthy).records["tags"].add("Fresh")
        world.faults = [
            {"match": {"account": account, "resource": "tags"}, "action": LASTING[name][0]}
            for account, name in failing.items()
        ]
        server.log.clear()
        report = sync(resources=["tags", "webhooks"])
        assert report.exit_code == 1
        notes = {(failure.account, failure.resource): failure.note for failure in report.failures}
        assert notes.keys() == {(account, "tags") for account in failing}
        for account, name in failing.items():
            assert LASTING[name][1] in notes[account, "tags"]
            assert asked(server, account, "tags") == TRIES.get(name, asked(server, account, "tags")), name
        assert warehouse.rows(of_failing.format("tags")) == old
        assert warehouse.value(f"SELECT count(*) FROM tags WHERE account_id = '{healthy}' AND tag = 'Fresh'") == 1
        assert warehouse.rows(of_failing.format("webhooks")) == []


def test_passing_faults_cost_nothing(sync: Any, world: World, warehouse: Warehouse, server: Server) -> None:
    # Once each, three requests apart, so that no list meets more faults than it has attempts.
    world.faults = [
        {"when": {"after": 3 * number, "times": 1}, "action": fault} for number, fault in enumerate(PASSING_FAULTS)
    ]
    report = sync()
    assert world.faults.fired == [1] * len(PASSING_FAULTS)
    assert report.exit_code == 0, report.failures
    assert_mirrors(warehouse, world)
    assert report.requests == len(server.log)


def test_a_token_that_is_refused_in_mid_run_stops_all(
    sync: Any, world: World, warehouse: Warehouse, server: Server
) -> None:
    sync(resources=["subscribers"])
    before = warehouse.rows("SELECT * FROM subscribers ORDER BY ALL")
    world.account(FIRST).records["subscribers"].clear()
    server.log.clear()
    world.faults = [{"when": {"after": 4}, "action": {"kind": "status", "status": 401}}]
    report = sync()
    assert report.exit_code == 2
    assert "rejected" in report.stopped
    assert len(server.log) <= 4 + 8
    assert warehouse.rows("SELECT * FROM subscribers ORDER BY ALL") == before


def test_a_key_in_a_failing_reply_is_not_repeated(sync: Any, world: World) -> None:
    world.faults = [{"match": TAGS, "action": {"kind": "raw", "body": f"<b>{world.api_key}</b>"}}]
    (failure,) = sync(resources=["tags"]).failures
    assert world.api_key not in failure.note
    assert "***" in failure.note


def test_a_list_without_pages_that_pages_after_all(sync: Any, world: World, warehouse: Warehouse) -> None:
    counts = {FIRST: 100, SECOND: 120}
    for account, count in counts.items():
        tags = world.account(account).records["tags"]
        for number in range(count - len(tags)):
            tags.add(f"extra {number}")
    world.faults = [{"match": {"resource": "tags"}, "action": {"kind": "paginate_100"}}]
    assert sync(resources=["tags"]).exit_code == 0
    assert dict(warehouse.rows("SELECT account_id, count(*) FROM tags GROUP BY 1")) == counts
