"""A dataset and a landing zone of the previous version can be continued: nothing is read, stored or reported twice."""

import base64
import io
import tarfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.destinations.schemas import quoted
from flows.pipeline.preparation import prepare
from flows.sandbox import Server, World
from tests.conftest import Warehouse
from tests.marts.conftest import events_of, put
from tests.mirror import assert_mirrors

HERE = Path(__file__).parent
FOR_EVER = "1e12"
OF_NOW = ("attributed_events", "deliverability", "email_clicks", "emails", "people", "recipients", "subscriber_tags")
"""The views whose answers do not depend on the syncs before."""


@pytest.fixture
def world() -> World:
    """The world as the third sync of the previous version read it."""
    return World(seed=7, sizes={"1000001": 12, "1000002": 3})


def restore_database(path: Path) -> None:
    folder = HERE / "database"
    with duckdb.connect(path) as con:
        con.execute((folder / "schema.sql").read_text())
        con.execute((folder / "load.sql").read_text().replace("{folder}", str(folder)))


def restore_landing() -> None:
    """Unpack the landed pages into the part of the landing zone that the next sync resumes from."""
    packed = base64.b64decode((HERE / "landing.tar.gz.base64").read_text())
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(str(prepare(None, "duckdb", "drip").common.landing.folder))


def answers(warehouse: Warehouse, view: str, dataset: str = "drip") -> list[tuple[Any, ...]]:
    """The rows of a view, without when a sync first saw a person, which differs between datasets."""
    names = [name for name in warehouse.columns(view) if name != "first_seen"]
    return sorted(warehouse.rows(f"SELECT {', '.join(map(quoted, names))} FROM {dataset}.{view}"), key=str)


def test_an_upgrade(
    sync: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__RESUME_MAX_AGE", FOR_EVER)
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOKS", str(tmp_path / "spool"))
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOK_DAYS", "1000")
    restore_database(warehouse.path)
    changes = answers(warehouse, "subscriber_changes")
    versions = warehouse.value("SELECT count(*) FROM subscribers_history")
    restore_landing()
    for account in ("1000001", "1000002"):
        put(tmp_path / "spool", account, events_of(world, account, 90))
    report = sync()
    assert report.exit_code == 0, report.failures
    assert report.view_problems == {}
    assert [request.path.rpartition("/")[2] for request in server.log] == ["accounts"]
    assert_mirrors(warehouse, world)
    people = warehouse.value("SELECT count(*) FROM subscribers")
    assert warehouse.value("SELECT count(*) FROM subscribers_history WHERE valid_to IS NULL") == people
    assert warehouse.value("SELECT count(*) FROM subscribers_history") >= versions
    assert warehouse.value("SELECT count(*) FROM subscribers_all WHERE deleted_at IS NULL") == people
    assert warehouse.value("SELECT count(*) FROM people") == people
    assert warehouse.value("SELECT count(DISTINCT run) FROM _syncs") == 3
    assert report.seconds_before is not None
    assert {*changes} <= {*answers(warehouse, "subscriber_changes")}
    assert sync(dataset="fresh", resources=["subscribers", "broadcasts"]).exit_code == 0
    for view in OF_NOW:
        assert answers(warehouse, view) == answers(warehouse, view, "fresh"), view
        assert answers(warehouse, view) or view == "attributed_events", view
    again = sync()
    assert again.exit_code == 0
    assert not any(line.total != line.before for line in again.lists if line.before is not None)
