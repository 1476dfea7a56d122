"""Behaviour that is specific to PostgreSQL. Common behaviour is tested together with DuckDB."""

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from adbc_driver_postgresql import dbapi

from flows.common.errors import SettingsError
from flows.common.events import Event, listening
from flows.destinations import postgres as module
from flows.pipeline.preparation import prepare
from flows.sandbox import Server, World
from tests.command import drip_flows
from tests.conftest import PREFECT_API_URL, PostgresWarehouse, Warehouse
from tests.postgres import PASSWORD, new_database
from tests.prefect_runs import log_of, newest_run
from tests.processes import command

SETTING = "DESTINATION__POSTGRES__CREDENTIALS"
on_postgres = pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)

FIRST = "1000001"


def run_command(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    return command("sync", "--destination", "postgres", *words, folder=folder, **settings)


@on_postgres
def test_types(sync: Any, warehouse: Warehouse, world: World) -> None:
    person = world.account(FIRST).records["subscribers"].all()[0]
    world.account(FIRST).records["subscribers"].update(person["id"], favourite={"a": 1}, first_name=7.5)
    for _ in range(2):
        assert sync(resources=["subscribers", "accounts"]).exit_code == 0
        types = warehouse.columns("subscribers")
        assert {types[name] for name in ("custom_fields", "tags", "favourite")} == {"jsonb"}
        assert types["first_name__v_json"] == "json"
        assert types["created_at"] == warehouse.columns("_syncs")["started"] == "timestamp with time zone"
        assert (types["lead_score"], types["prospect"]) == ("bigint", "boolean")
        world.account(FIRST).records["subscribers"].update(person["id"], later=[1])
    assert types["later"] == "jsonb"


@contextmanager
def reading(url: str, query: str) -> Iterator[list[Any]]:
    """Repeat a query in another session while the block runs. Yields the list of its distinct results."""
    answers: list[Any] = []
    done = threading.Event()

    def ask() -> None:
        with closing(psycopg2.connect(url)) as con, con.cursor() as cursor:
            while not done.wait(0.002):
                cursor.execute(query)
                answers.append(cursor.fetchall())
                con.commit()

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield answers
        finally:
            done.set()
            asking.result()


@on_postgres
@pytest.mark.parametrize("world", [World(seed=3, sizes={FIRST: 1_000})], ids=[""])
def test_a_reader_sees_the_old_or_the_new(sync: Any, warehouse: PostgresWarehouse, world: World) -> None:
    sync(resources=["subscribers"])
    people = world.account(FIRST).records["subscribers"]
    ids = [person["id"] for person in people.all()]
    people.delete(ids[:250])
    for person in ids[250:]:
        people.update(person, first_name="Changed", tags=["changed"])
    query = """
        SELECT count(*), count(*) FILTER (WHERE first_name = 'Changed'),
               (SELECT count(*) FROM drip.subscriber_tags WHERE tag = 'changed')
        FROM drip.subscribers
    """
    with reading(warehouse.url, query) as answers:
        assert sync(resources=["subscribers"]).exit_code == 0
    assert {row for (row,) in answers} == {(1_000, 0, 0), (750, 750, 750)}


@on_postgres
def test_two_machines_at_once(
    sync: Any, server: Server, warehouse: PostgresWarehouse, world: World, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A run elsewhere is in the middle of its requests when this process begins its own."""
    resources = ["tags", "subscribers"]
    words = [word for resource in resources for word in ("--resource", resource)]
    slow = {"kind": "slow", "seconds": 1.0}
    world.faults = [{"match": {"resource": "tags"}, "when": {"times": 1}, "action": slow}]
    with ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(
            run_command, tmp_path / "there", *words, SOURCES__DRIP__LANDING=str(tmp_path / "there" / "landing")
        )
        while len(server.log) < 2 and not elsewhere.done():  # the first, of the accounts, is before the lock
            time.sleep(0.005)
        assert not elsewhere.done(), elsewhere.result()
        monkeypatch.setenv("SOURCES__DRIP__LOCK_WAIT", "120")
        said: list[Event] = []
        with listening(said.append):
            report = sync(resources=resources)
        assert elsewhere.result().returncode == 0, elsewhere.result()
    assert report.exit_code == 0, report.failures
    assert "going by the last sync" in str(said), "it did not wait for the other to end"
    people = warehouse.column("SELECT id FROM subscribers")
    assert len(people) == len(set(people)) == sum(len(world.account(one).subscribers) for one in world.account_ids)
    assert warehouse.value("SELECT count(DISTINCT run) FROM _syncs WHERE complete") == 2


@on_postgres
def test_a_run_leaves_no_session_open(sync: Any, warehouse: PostgresWarehouse) -> None:
    assert sync(resources=["tags"]).exit_code == 0
    ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 20
    while left := warehouse.value(ours):  # a session ends a little later than its connection
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


@on_postgres
def test_a_run_elsewhere_is_named(server: Server, warehouse: PostgresWarehouse, tmp_path: Path) -> None:
    with module.exclusive("drip", 0):
        result = drip_flows("sync", "--destination", "postgres", folder=tmp_path)
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert "another sync" in line
    assert "connected from 127.0.0.1" in line
    assert "SOURCES__DRIP__LOCK_WAIT" in line
    with module.exclusive("drip", 0):
        pass


def test_what_a_killed_run_left_at_work_is_ended(postgres: str) -> None:
    left = psycopg2.connect(module.credentials("drip").to_native_representation())
    other = psycopg2.connect(module.credentials("drip_two").to_native_representation())
    with closing(left), closing(other), module.exclusive("drip", 0):
        with pytest.raises(psycopg2.OperationalError):
            left.cursor().execute("SELECT 1")
        other.cursor().execute("SELECT 1")


def test_loads_into_other_databases_of_the_server_go_on(
    postgres: str, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, new_database(postgres_server))
    elsewhere = psycopg2.connect(module.credentials("drip").to_native_representation())
    monkeypatch.setenv(SETTING, postgres)
    with closing(elsewhere), module.exclusive("drip", 0):
        elsewhere.cursor().execute("SELECT 1")


def test_a_run_that_begins_does_not_end_the_checks_of_another(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = dbapi.connect

    def connect_while_another_begins(url: str) -> Any:
        connection = connect(url)
        with module.exclusive("drip", 0), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return connection

    monkeypatch.setattr(dbapi, "connect", connect_while_another_begins)
    module.check("drip")


def test_a_lost_lock_is_noticed_before_the_load(postgres: str) -> None:
    with module.exclusive("drip", 0):
        module.check_lock_is_held("drip")
        with closing(psycopg2.connect(postgres)) as con:
            con.cursor().execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        with pytest.raises(SettingsError, match="held this run's lock was lost"):
            module.check_lock_is_held("drip")


def test_memory_reaches_every_loading_connection(postgres: str) -> None:
    with closing(psycopg2.connect(module.credentials("drip", "123MB").to_native_representation())) as con:
        cursor = con.cursor()
        cursor.execute("SHOW work_mem")
        assert cursor.fetchone() == ("123MB",)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "postgresql://user:password@host"),
        (f"mysql//{PASSWORD}", "postgresql://user:password@host"),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:port/db", "postgresql://user:password@host"),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:9/db", "127.0.0.1:9/db.*refused"),
        (f"postgresql://postgres:x{PASSWORD}@HERE", 'password authentication failed for user "postgres"'),
        (
            f"postgresql://reader:{PASSWORD}@HERE",
            "write to the schemas drip and _drip_flows_staging_drip.*permission denied",
        ),
    ],
    ids=["none", "no URL", "no port", "nobody there", "wrong password", "no right"],
)
def test_credentials_that_do_not_do(
    server: Server, warehouse: Warehouse, postgres: str, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    with closing(psycopg2.connect(postgres)) as con, con, con.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'reader'")
        if not cursor.fetchone():
            cursor.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    monkeypatch.setenv(SETTING, url.replace("HERE", postgres.partition("@")[2]))
    with pytest.raises(SettingsError, match=words) as caught:
        prepare(None, "postgres", "drip")
    assert SETTING in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@on_postgres
def test_the_password_is_nowhere_that_a_run_leaves(
    prefect_server: None, server: Server, warehouse: PostgresWarehouse, tmp_path: Path
) -> None:
    warehouse.execute("CREATE SCHEMA drip; CREATE VIEW drip.workflows AS SELECT 1 AS odd, '' AS _row_hash")
    result = run_command(
        tmp_path / "x",
        "--verbose",
        "--resource",
        "workflows",
        SOURCES__DRIP__KEEP_LANDING="true",
        PREFECT_API_URL=PREFECT_API_URL,
    )
    assert result.returncode == 1, result
    log = log_of(newest_run(), "workflows")
    left = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    left |= {"output": (result.stdout + result.stderr).encode(), "log": log.encode()}
    assert "workflows" in log
    for name, content in left.items():
        assert PASSWORD.encode() not in content, name
