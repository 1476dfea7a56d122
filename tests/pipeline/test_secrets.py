"""The key stays in the settings, and personal data is only accessible to the user."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.sandbox import Server, World, serve
from tests.conftest import Warehouse
from tests.prefect_server import create_database

FIRST, SECOND = "1000001", "1000002"
KEY = "k3y-of-nobody-7781"
IN_HEADERS = b64encode(f"{KEY}:".encode()).decode()
TELLTALES = (KEY, IN_HEADERS, IN_HEADERS.rstrip("="), b64encode(KEY.encode()).decode().rstrip("="))
BREAK_SERVICES = """
    DROP TABLE automation_bucket;
    CREATE TRIGGER kept BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'this event stays'); END;
    INSERT INTO events (occurred, event, resource_id, resource, payload, received, recorded)
    VALUES ('2020-01-01 00:00:00', 'old', 'x', '{}', '{}', '2020-01-01 00:00:00', '2020-01-01 00:00:00');
"""
"""Makes two services of Prefect's server fail, with tracebacks in its own log and in that of a library it uses."""


@pytest.fixture
def world() -> World:
    return World(seed=7, sizes={FIRST: 130, SECOND: 20}, api_key=KEY)


def every_value(path: Path) -> str:
    """The uncompressed contents of a database."""
    with duckdb.connect(path, read_only=True) as con:
        tables = con.execute("SELECT database_name, schema_name, table_name FROM duckdb_tables()").fetchall()
        names = [".".join(f'"{part}"' for part in table) for table in tables]
        return str([con.execute(f"SELECT * FROM {name}").fetchall() for name in names])


def test_the_key_is_nowhere_that_a_run_leaves_and_the_server_prints_nothing(
    server: Server, world: World, warehouse: Warehouse, tmp_path: Path
) -> None:
    (tmp_path / "prefect").mkdir()
    create_database(tmp_path / "prefect" / "prefect.db")
    with closing(sqlite3.connect(tmp_path / "prefect" / "prefect.db")) as con:
        con.executescript(BREAK_SERVICES)
    echo = f'{{"headers": {{"Authorization": "Basic {IN_HEADERS}", "token": "{KEY}"}}}}'
    errors = json.dumps({"errors": [{"code": "x", "message": f"bad header Basic {IN_HEADERS}, token {KEY}"}]})
    world.faults = [
        {"match": {"account": FIRST, "resource": "tags"}, "action": {"kind": "raw", "body": echo}},
        {"match": {"account": FIRST, "resource": "events"}, "action": {"kind": "raw", "body": errors, "status": 403}},
        {"match": {"account": FIRST, "resource": "webhooks"}, "action": {"kind": "reset"}},
    ]
    settings = {"PREFECT_API_URL": "", "PREFECT_HOME": str(tmp_path / "prefect"), "SOURCES__DRIP__KEEP_LANDING": "true"}
    settings |= {"SOURCES__DRIP__MAX_RETRIES": "0", "DLT_DATA_DIR": str(tmp_path / "dlt")}
    words = [str(Path(sys.executable).parent / "drip-flows"), "sync", "--prefect"]
    words += [word for name in ("subscribers", "tags", "events", "webhooks") for word in ("--resource", name)]
    environment = os.environ | settings
    result = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, timeout=240, check=False)
    assert result.returncode == 1, result
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"prefect.db", "warehouse.duckdb", "outcome.json"} <= {path.name for path in files}
    left = {str(path): path.read_bytes() for path in files}
    left |= {"stdout": result.stdout, "stderr": result.stderr, "values": every_value(warehouse.path).encode()}
    for name, content in left.items():
        assert not [word for word in TELLTALES if word.encode() in content], name
    assert b"***" in result.stdout + result.stderr
    assert b"Traceback" not in result.stdout + result.stderr


def test_what_a_run_leaves_is_the_users_own(
    sync: Any, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__KEEP_LANDING", "true")
    before = os.umask(0o022)
    try:
        sync()
    finally:
        os.umask(before)
    left = [warehouse.path, *warehouse.path.parent.glob(".*"), *(tmp_path / "landing").rglob("*"), tmp_path / "landing"]
    assert len(left) > 40
    for path in left:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_a_redirect_to_another_host_does_not_carry_the_key(sync: Any, world: World, server: Server) -> None:
    with serve(World(seed=9, sizes={FIRST: 3}, api_key=KEY)) as elsewhere:
        location = elsewhere.url.replace("127.0.0.1", "localhost") + f"/{FIRST}/tags"
        match = {"account": FIRST, "resource": "tags"}
        world.faults = [{"match": match, "action": {"kind": "redirect", "location": location}}]
        report = sync(resources=["tags"])
        assert report.exit_code != 0
        assert elsewhere.log
        assert [request.authorized for request in elsewhere.log] == [False] * len(elsewhere.log)


def test_an_access_token_is_sent_as_bearer(sync: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DRIP__ACCESS_TOKEN", KEY)
    monkeypatch.delenv("SOURCES__DRIP__API_KEY")
    assert sync(resources=["tags"]).exit_code == 0
