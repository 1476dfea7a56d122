"""The stored rows of `recipients` equal those that its query computes, whatever happens to the events."""

import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import pytest

from flows.common.clock import now
from flows.destinations.schemas import quoted, staging_name
from flows.maintenance.copy_to_postgres import copy_to_postgres
from flows.maintenance.forget import forget
from flows.pipeline.dlt_pipeline import NO_COPY_LEFT
from flows.pipeline.event_batch import OUTDATED
from flows.pipeline.load_errors import LoadFailed
from flows.pipeline.marts import queries, recipients
from flows.pipeline.marts.files import marts
from flows.pipeline.marts.queries import STORED, recipients_query
from flows.sandbox import World
from flows.webhooks.load import load, replay
from tests.conftest import PostgresWarehouse, Warehouse, both_destinations
from tests.marts.conftest import deeds_after, events_of, put, there

ACCOUNT, OTHER = "1000001", "1000002"
WITHOUT_STORED_ROWS = f"""
    DROP VIEW drip.recipients; DROP TABLE drip.{STORED} CASCADE; DROP TABLE drip.{OUTDATED};
    DELETE FROM drip._dlt_version WHERE schema LIKE '%{STORED}%'
"""
"""Makes the dataset like one of an earlier version, which has events and computes the rows for each query."""
KILLED = """
import os, signal, sys
from flows.pipeline.marts import recipients
from flows.webhooks.load import load

replace = recipients._replace

def killed(*rows):
    replace(*rows)
    os.kill(os.getpid(), signal.SIGKILL)

recipients._replace = killed
load(sys.argv[1])
"""
"""A load that is killed when it has replaced the rows, before the end of the transaction."""
KINDS = ("received_email", "opened_email", "clicked_email", "bounced", "complained", "unsubscribed_all")


@pytest.fixture(scope="session")
def bodies() -> list[dict[str, Any]]:
    """The deliveries about emails of three months, by time."""
    found = events_of(World(seed=11, sizes={ACCOUNT: 40}), ACCOUNT, 90)
    found += deeds_after(found)
    about = [body for body in found if body["event"].removeprefix("subscriber.") in KINDS]
    return sorted(about, key=lambda body: str(body["occurred_at"]))


@pytest.fixture
def refreshed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which rows each refresh replaced: `all` or `some`."""
    found: list[str] = []
    replace = recipients._replace

    def noted(client: Any, dataset: str, query: str, people: str = "TRUE") -> None:
        replace(client, dataset, query, people)
        found.append("all" if people == "TRUE" else "some")

    monkeypatch.setattr(recipients, "_replace", noted)
    return found


def differing(warehouse: Warehouse) -> int:
    """The number of rows that are stored and not computed, or the reverse."""
    names = ", ".join(map(quoted, marts()["recipients"].columns))
    query = recipients_query(warehouse.destination, "drip", there(warehouse))
    sides = f"SELECT {names} FROM {STORED}", f"SELECT {names} FROM ({query}) AS computed"
    return sum(
        int(warehouse.value(f"SELECT count(*) FROM ({one} EXCEPT ALL {other}) AS extra"))
        for one, other in (sides, sides[::-1])
    )


@both_destinations
def test_the_stored_rows_are_those_of_the_query(
    warehouse: Warehouse, bodies: list[dict[str, Any]], refreshed: list[str], tmp_path: Path, monkeypatch: Any
) -> None:
    spool, destination = tmp_path / "spool", warehouse.destination
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOKS", str(spool))
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOK_DAYS", "1000")
    half = len(bodies) // 2

    put(spool, ACCOUNT, bodies[:half])
    load(destination)  # type: ignore[arg-type]
    rows = warehouse.value("SELECT count(*) FROM recipients")
    assert (refreshed, differing(warehouse)) == (["all"], 0)
    assert rows == warehouse.value(f"SELECT count(*) FROM {STORED}") > 20

    load(destination)  # type: ignore[arg-type]
    assert refreshed == ["all"], "refreshed without an event"

    put(spool, ACCOUNT, bodies[half:])
    with monkeypatch.context() as patch:
        patch.setattr(recipients, "_replace", broken)
        with pytest.raises(LoadFailed):
            load(destination)  # type: ignore[arg-type]
    assert warehouse.value("SELECT count(*) FROM recipients") == rows
    assert warehouse.value(f"SELECT count(*) FROM {OUTDATED}") > 0
    load(destination)  # type: ignore[arg-type]
    assert (refreshed, differing(warehouse)) == (["all", "some"], 0)
    assert warehouse.value("SELECT count(*) FROM recipients") > rows
    assert warehouse.value(f"SELECT count(*) FROM {OUTDATED}") == 0

    monkeypatch.setattr(queries, "SCANNERS", ("",))
    load(destination)  # type: ignore[arg-type]
    assert (refreshed, differing(warehouse)) == (["all", "some", "all"], 0)
    assert warehouse.value("SELECT sum(clicks) FROM recipients") == 0 < len(bodies)

    address, owner = warehouse.rows("SELECT email, subscriber_id FROM recipients WHERE subscriber_id IS NOT NULL")[0]
    forget(address, destination)  # type: ignore[arg-type]
    for name in (STORED, "recipients"):
        assert warehouse.value(f"SELECT count(*) FROM {name} WHERE subscriber_id = '{owner}'") == 0
    if destination == "duckdb":
        assert owner.encode() not in warehouse.path.read_bytes()
    assert differing(warehouse) == 0

    middle = datetime.fromisoformat(bodies[half]["occurred_at"])
    monkeypatch.setenv("SOURCES__DRIP__EVENT_DAYS", str((now() - middle) / timedelta(days=1)))
    load(destination)  # type: ignore[arg-type]
    assert (refreshed[3:], differing(warehouse)) == (["some"], 0)
    assert warehouse.value(f"SELECT count(*) FROM recipients WHERE first_event_at < '{middle}'") == 0

    warehouse.execute(WITHOUT_STORED_ROWS)
    load(destination)  # type: ignore[arg-type]
    assert (refreshed[4:], differing(warehouse)) == (["all"], 0)
    assert warehouse.value(f"SELECT count(*) FROM {STORED}") == warehouse.value("SELECT count(*) FROM recipients") > 0

    warehouse.execute("DELETE FROM drip.subscriber_events")
    load(destination)  # type: ignore[arg-type]
    assert warehouse.value(f"SELECT count(*) FROM {STORED}") == 0
    replay(destination)  # type: ignore[arg-type]
    assert (refreshed[5:], differing(warehouse)) == (["all", "some"], 0)
    assert warehouse.value("SELECT count(*) FROM recipients") > 0


def broken(client: Any, dataset: str, query: str, people: str = "TRUE") -> None:
    """A refresh that ends after its first statement."""
    client.execute_sql(f"DELETE FROM {quoted(dataset, STORED)}")
    raise RuntimeError


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the spool, whose deliveries are kept."""
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOKS", str(tmp_path / "spool"))
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOK_DAYS", "1000")
    return tmp_path / "spool"


def test_a_sync_of_one_account_a_kill_and_a_rebuild(
    warehouse: Warehouse, sync: Any, bodies: list[dict[str, Any]], spool: Path
) -> None:
    half = len(bodies) // 2
    others = [body | {"data": body["data"] | {"account_id": OTHER}} for body in bodies]
    counts = "SELECT account_id, count(*) FROM recipients GROUP BY account_id ORDER BY account_id"

    put(spool, ACCOUNT, bodies[:half])
    put(spool, OTHER, others[:half])
    assert sync(resources=["tags"], accounts=[ACCOUNT]).exit_code == 0
    before = warehouse.rows(counts)
    assert ([account for account, _ in before], differing(warehouse)) == ([ACCOUNT, OTHER], 0)

    put(spool, ACCOUNT, bodies[half:])
    put(spool, OTHER, others[half:])
    loading = [sys.executable, "-c", KILLED, warehouse.destination]
    assert subprocess.run(loading, check=False).returncode == -signal.SIGKILL
    assert warehouse.rows(counts) == before
    assert warehouse.value(f"SELECT count(*) FROM {OUTDATED}") > 0 < differing(warehouse)
    assert sync(resources=["tags"], accounts=[ACCOUNT]).exit_code == 0
    after = warehouse.rows(counts)
    assert (after > before, differing(warehouse)) == (True, 0)
    assert warehouse.value(f"SELECT count(*) FROM {OUTDATED}") == 0

    assert sync(resources=["tags"], rebuild=True).exit_code == 0
    assert (warehouse.rows(counts), differing(warehouse)) == (after, 0)
    assert warehouse.value(f"SELECT count(*) FROM {STORED}") == sum(rows for _, rows in after)


def test_a_copy_to_postgres_computes_the_rows_anew(
    warehouse: Warehouse, postgres: str, bodies: list[dict[str, Any]], spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, half = PostgresWarehouse(warehouse.path, url=postgres), len(bodies) // 2
    put(spool, ACCOUNT, bodies[:half])
    load("duckdb")
    load("postgres")
    put(spool, ACCOUNT, bodies[half:])
    with monkeypatch.context() as patch:
        patch.setattr(recipients, "_replace", broken)
        with pytest.raises(LoadFailed):
            load("duckdb")

    dlt.config[NO_COPY_LEFT] = False  # as in a new process
    compared = copy_to_postgres("drip", replace=True)
    assert [one.table for one in compared if not one.same] == []
    assert {one.table for one in compared} >= {"subscriber_events", "_event_spools"}
    assert differing(copy) == 0 < differing(warehouse)
    assert copy.value(f"SELECT count(*) FROM {OUTDATED}") == 0
    assert copy.value(f'SELECT count(*) FROM "{staging_name("drip")}".subscriber_events') == 0
    assert load("postgres").deliveries == 0

    warehouse.execute("DELETE FROM drip.subscriber_events")
    copy_to_postgres("drip", replace=True)
    for name in ("subscriber_events", STORED, "recipients"):
        assert copy.value(f"SELECT count(*) FROM {name}") == 0, name
