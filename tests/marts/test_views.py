"""The marts exist after every sync, follow what is synced, and leave other people's tables alone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pytest

from flows.destinations.relations import relations
from flows.maintenance.forget import forget
from flows.pipeline.marts import refresh
from flows.pipeline.marts.files import marts
from flows.pipeline.marts.queries import mart_queries
from flows.sandbox import World
from flows.sandbox.generator.timeline import AS_OF
from flows.source.deliveries.events import events_of as rows_of_deliveries
from flows.source.deliveries.spool import Delivery
from flows.webhooks.load import load as load_deliveries
from tests.conftest import Warehouse, both_destinations
from tests.marts.conftest import events_of, put

FIRST, SECOND = "1000001", "1000002"


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings have deliveries spooled."""
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOKS", str(tmp_path / "spool"))
    return tmp_path / "spool"


def sizes(warehouse: Warehouse) -> dict[str, int]:
    """The number of rows of each mart."""
    return {name: warehouse.value(f"SELECT count(*) FROM {name}") for name in marts()}


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The statements of each refresh that replaced a view."""
    found: list[list[str]] = []
    real = refresh._execute

    def noted(begin: Any, execute: Any, statements: Any) -> Any:
        found.append(list(statements))
        return real(begin, execute, found[-1])

    monkeypatch.setattr(refresh, "_execute", noted)
    return found


@both_destinations
def test_they_follow_what_is_synced(
    sync: Any, world: World, warehouse: Warehouse, spool: Path, executed: list[list[str]], monkeypatch: Any
) -> None:
    for _ in range(2):
        assert sync(resources=["tags"]).view_problems == {}
    assert [len(statements) for statements in executed] == [len(marts())], "the second sync replaced views"
    assert set(sizes(warehouse).values()) == {0}
    for name, mart in marts().items():
        assert list(warehouse.columns(name)) == list(mart.columns)

    monkeypatch.setenv("SOURCES__DRIP__ATTRIBUTION_DAYS", "30")
    world.move_to(AS_OF - timedelta(days=40))
    sync(resources=["subscribers"])
    assert len(executed) == 2
    names = {name for name in marts() for statement in executed[1] if f'VIEW "drip"."{name}"' in statement}
    assert {"people", "subscribers_all", "list_growth"} <= names
    assert "email_clicks" not in names, "it has no source that is new"
    before = sizes(warehouse)
    assert before["people"] == before["subscribers_all"] == warehouse.value("SELECT count(*) FROM subscribers") > 100

    second = warehouse.value(f"SELECT count(*) FROM subscribers WHERE account_id = '{SECOND}'")
    world.move_to(AS_OF)
    assert sync(resources=["subscribers"], accounts=[FIRST]).view_problems == {}
    gone = "SELECT count(*) FROM subscribers_all WHERE deleted_at IS NOT NULL AND account_id = '{}'"
    assert warehouse.value(gone.format(FIRST)) > 0 == warehouse.value(gone.format(SECOND))
    assert warehouse.value(f"SELECT count(*) FROM people WHERE account_id = '{SECOND}'") == second
    assert_views_follow_events_and_forgetting(world, warehouse, spool)


def assert_views_follow_events_and_forgetting(world: World, warehouse: Warehouse, spool: Path) -> None:
    """Events fill the views about emails, and who is forgotten leaves every view."""
    put(spool, FIRST, events_of(world, FIRST, 40))
    load_deliveries(warehouse.destination)  # type: ignore[arg-type]
    after = sizes(warehouse)
    assert all(after[name] > 0 for name in ("recipients", "emails", "deliverability"))
    newest = "SELECT email, subscriber_id FROM recipients ORDER BY first_event_at DESC LIMIT 1"
    ((address, owner),) = warehouse.rows(newest)
    forget(address, warehouse.destination)  # type: ignore[arg-type]
    for view, column in (("recipients", "subscriber_id"), ("people", "subscriber_id"), ("subscribers_all", "id")):
        assert warehouse.value(f"SELECT count(*) FROM {view} WHERE {column} = '{owner}'") == 0


@both_destinations
def test_a_relation_of_somebody_else_is_left_alone_and_told(sync: Any, warehouse: Warehouse) -> None:
    warehouse.execute(
        "CREATE SCHEMA drip; CREATE TABLE drip.people (name TEXT); INSERT INTO drip.people VALUES ('Ada'); "
        "CREATE VIEW drip.emails AS SELECT 1 AS mine"
    )
    report = sync(resources=["subscribers"])
    assert report.exit_code == 0
    assert report.view_problems.keys() == {"people", "emails"}
    assert all("did not create" in reason for reason in report.view_problems.values())
    assert warehouse.rows("SELECT * FROM people") == [("Ada",)]
    assert warehouse.rows("SELECT * FROM emails") == [(1,)]
    assert warehouse.value("SELECT count(*) FROM subscribers_all") > 0
    warehouse.execute("DROP TABLE drip.people; DROP VIEW drip.emails")
    assert sync(resources=["subscribers"]).view_problems == {}
    assert warehouse.value("SELECT count(*) FROM people") > 0


def test_a_window_of_attribution_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA drip")
        fill_events(con, [
            touch("clicked_email", 0, delivery_id="d", email_id="e", url="https://x.example.com", user_agent="Safari"),
            touch("performed_custom_event", 6, action="bought", value=1250),
        ])  # fmt: skip
        for days, attributed in ((5, False), (7, True)):
            monkeypatch.setenv("SOURCES__DRIP__ATTRIBUTION_DAYS", str(days))
            query = query_of(con, "attributed_events")
            found = con.execute(f"SELECT value_in_cents, email_id, days_since_click, is_attributed FROM ({query})")
            assert found.fetchall() == [(1250, "e", 6.0, attributed)]


def test_scanners_of_a_large_world_are_recognized() -> None:
    world = World(seed=7, sizes={FIRST: 2_000})
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA drip")
        fill_events(con, [one for one in events_of(world, FIRST, 40) if one["event"].endswith("clicked_email")])
        rows = con.execute(f"SELECT ip_address, is_scanner FROM ({query_of(con, 'email_clicks')})").fetchall()
    scanners = [flagged for address, flagged in rows if address.startswith("198.51.100.")]
    people = [flagged for address, flagged in rows if not address.startswith("198.51.100.")]
    assert len(scanners) > 150 < len(people)
    assert sum(scanners) >= 0.95 * len(scanners)
    assert sum(people) <= 0.01 * len(people)


@pytest.mark.parametrize(
    ("seconds", "urls", "flagged"),
    [
        ([0, 1], "ab", [True, True]),
        ([0, 2], "ab", [False, False]),
        ([0, 2, 5], "abc", [True] * 3),
        ([0, 3, 6], "abc", [False] * 3),
        ([0, 1, 2, 3], "aaaa", [False] * 4),
        ([0, 2, 4], "aba", [False] * 3),
        ([0, 0, 0, 600], "abcd", [True, True, True, False]),
    ],
)
def test_links_in_quick_succession(seconds: list[int], urls: str, flagged: list[bool]) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA drip")
        fill_events(con, [
            touch("clicked_email", at / 86_400, delivery_id="d", email_id="e", url=url, user_agent="Safari")
            for at, url in zip(seconds, urls, strict=True)
        ])  # fmt: skip
        query = f"SELECT is_scanner FROM ({query_of(con, 'email_clicks')}) ORDER BY clicked_at, url"
        assert [found for (found,) in con.execute(query).fetchall()] == flagged


def touch(event: str, days: float, **properties: Any) -> dict[str, Any]:
    """A delivery some days after the start."""
    at = AS_OF - timedelta(days=30) + timedelta(days=days)
    data = {"account_id": FIRST, "subscriber": {"id": "p", "email": "p@example.com"}, "properties": properties}
    return {"event": f"subscriber.{event}", "data": data, "occurred_at": at.isoformat()}


def fill_events(con: duckdb.DuckDBPyConnection, bodies: list[dict[str, Any]]) -> None:
    """Make the table of events from deliveries."""
    deliveries = [Delivery(number, FIRST, 0, msgspec.json.encode(body)) for number, body in enumerate(bodies, 1)]
    rows = pa.Table.from_pylist(list(rows_of_deliveries(deliveries).rows.values()))  # noqa: F841
    con.execute("CREATE TABLE drip.subscriber_events AS SELECT * REPLACE (properties::JSON AS properties) FROM rows")


def query_of(con: duckdb.DuckDBPyConnection, name: str) -> str:
    """The SELECT of a mart over the tables of a connection."""

    def execute(statement: str, *values: str) -> Any:
        return con.execute(statement.replace("%s", "?"), values).fetchall()

    return mart_queries("duckdb", "drip", relations(execute, "duckdb", "drip"))[name]
