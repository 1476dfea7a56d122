"""A dataset and a landing zone of the previous version can be continued: nothing is read, stored or reported twice."""

import base64
import io
import tarfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.pipeline.preparation import prepare
from flows.sandbox import Server, World
from tests.conftest import Warehouse
from tests.mirror import assert_mirrors

HERE = Path(__file__).parent
FOR_EVER = "1e12"


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
        archive.extractall(str(prepare(None, "duckdb", "drip").common.landing.folder), filter="data")


def test_an_upgrade(
    sync: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__RESUME_MAX_AGE", FOR_EVER)
    restore_database(warehouse.path)
    versions = warehouse.value("SELECT count(*) FROM subscribers_history")
    restore_landing()
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
    again = sync()
    assert again.exit_code == 0
    assert not any(line.total != line.before for line in again.lists if line.before is not None)
