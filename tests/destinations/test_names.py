"""Names that a sync needs are free and accepted by the database; this is checked before the first request."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.common.errors import SettingsError
from flows.destinations.schemas import LONGEST_NAME, staging_name
from flows.destinations.target import resolve_target
from flows.pipeline.context import clean_up
from flows.pipeline.preparation import prepare
from flows.source.decoding.column_names import NAMING
from flows.source.settings import common_settings
from tests.conftest import Warehouse, both_destinations
from tests.destinations.conftest import as_owner

LONG = "d" * LONGEST_NAME
STAGING = f'"{staging_name("drip")}"'


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, and a base URL where nothing listens, so that any API request fails."""
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", "n0body")
    monkeypatch.setenv("SOURCES__DRIP__BASE_URL", "http://127.0.0.1:9/v2")


def check(destination: str, dataset: str = "drip") -> None:
    """Run all checks before the first request."""
    clean_up(prepare(None, destination, dataset))  # type: ignore[arg-type]


@pytest.mark.parametrize("dataset", ["drip", "drip_staging", "staging", "a_b", LONG, LONG[:-1], LONG[:42] + "_e"])
@both_destinations
def test_the_schema_for_staging_is_no_dataset(warehouse: Warehouse, dataset: str) -> None:
    target = resolve_target(warehouse.destination, dataset)  # type: ignore[arg-type]
    destination = target.destination(common_settings())
    config = destination.configuration(destination.spec()._bind_dataset_name(dataset))
    name = config.normalize_staging_dataset_name(_schema(destination))
    assert name == staging_name(dataset) == NAMING.normalize_table_identifier(name)
    assert len(name) <= LONGEST_NAME
    with pytest.raises(SettingsError, match="not a valid name"):
        resolve_target("duckdb", name)


def _schema(destination: Any) -> Any:
    from dlt.common.schema import Schema

    return Schema("drip")


def test_datasets_are_staged_apart() -> None:
    names = [LONG, LONG[:-1], LONG[:-2] + "e", "drip", "drip_staging", "drip_staging_staging"]
    assert len({staging_name(name) for name in names}) == len(names)


@pytest.mark.parametrize("dataset", ["a__b", "drip_", "drip__staging"])
def test_a_name_that_dlt_would_change_is_refused(warehouse: Warehouse, dataset: str) -> None:
    with pytest.raises(SettingsError, match="would be stored as"):
        check("duckdb", dataset)


@pytest.mark.parametrize(
    "made", ["subscribers (email TEXT)", "orders (id INT)", "tags (account_id TEXT, _row_hash TEXT)"]
)
@both_destinations
def test_tables_of_somebody_else_where_rows_would_be_staged(warehouse: Warehouse, made: str) -> None:
    warehouse.execute(f"CREATE SCHEMA {STAGING}; CREATE TABLE {STAGING}.{made}")
    with pytest.raises(SettingsError, match=f"{staging_name('drip')}.*{made.split()[0]}"):
        check(warehouse.destination)


@pytest.mark.parametrize(
    "made",
    [
        "TABLE drip.tags (tag TEXT)",
        "TABLE drip.subscribers_history (id TEXT, _row_hash TEXT, dbt_valid_from TIMESTAMP)",
        "TABLE drip._syncs (id INT)",
        "VIEW drip.subscriber_tags AS SELECT 'x' AS email",
        "TABLE drip.subscriber_changes (account_id TEXT)",
        "TABLE drip.subscriber_tags (account_id TEXT, subscriber_id TEXT, tag TEXT)",
    ],
)
@both_destinations
def test_tables_and_views_of_somebody_else_in_the_dataset(warehouse: Warehouse, made: str) -> None:
    warehouse.execute(f"CREATE SCHEMA drip; CREATE {made}")
    with pytest.raises(SettingsError, match=f"{made.split()[1]} .*not created by it"):
        check(warehouse.destination)


@both_destinations
def test_other_tables_in_the_dataset_are_none_of_our_business(warehouse: Warehouse) -> None:
    warehouse.execute("CREATE SCHEMA drip; CREATE TABLE drip.orders (id INT); CREATE SCHEMA drip_staging")
    check(warehouse.destination)
    assert warehouse.rows("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '%flows%'") == []


@pytest.mark.parametrize("what", ["content", "folder", "link"])
def test_a_lock_file_that_is_something_else(warehouse: Warehouse, what: str) -> None:
    lock = warehouse.path.with_name(".warehouse.duckdb.sync-lock")
    other = warehouse.path.with_name("notes")
    other.write_text("keep me")
    {"content": lambda: lock.write_text("keep me"), "folder": lock.mkdir, "link": lambda: lock.symlink_to(other)}[
        what
    ]()
    target = resolve_target("duckdb", "drip")
    with pytest.raises(SettingsError, match=r"sync-lock.*not an empty file"):
        check("duckdb")
    with pytest.raises(SettingsError, match="not an empty file"), target.lock(0):
        pass
    assert what == "folder" or lock.read_text() == "keep me"


def test_one_database_has_one_lock_whatever_leads_to_it(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb.connect(warehouse.path).close()
    link = warehouse.path.with_name("link.duckdb")
    link.symlink_to(warehouse.path)
    first = resolve_target("duckdb", "drip")
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(link))
    second = resolve_target("duckdb", "drip")
    with first.lock(0), pytest.raises(SettingsError, match="another sync"), second.lock(0):
        pass


@pytest.mark.parametrize(
    ("file", "dataset"),
    [
        ("Drip.duckdb", "drip"),
        ("drip.v2.duckdb", "drip"),
        ("DATA", "data"),
        ("warehouse.duckdb", "temp"),
        ("warehouse.duckdb", "system"),
        ("warehouse.duckdb", "information_schema"),
        ("_drip_flows_staging_drip.duckdb", "drip"),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_a_dataset_that_duckdb_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, dataset: str, exists: bool
) -> None:
    path = tmp_path / file
    if exists:
        duckdb.connect(path).close()
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "landing"))
    with pytest.raises(SettingsError, match=f"{file} cannot hold a dataset named '{dataset}'.*--dataset"):
        check("duckdb", dataset)
    assert path.exists() == exists


@pytest.mark.parametrize("dataset", ["pg_mine", "pg_catalog", "pg_temp"])
def test_a_dataset_that_postgres_refuses(warehouse: Warehouse, postgres: str, dataset: str) -> None:
    with pytest.raises(SettingsError, match=f"write to the schemas {dataset} .*change.*--dataset"):
        check("postgres", dataset)


@both_destinations
def test_what_is_tried_leaves_nothing(warehouse: Warehouse) -> None:
    for dataset in ("drip", "select", LONG):
        check(warehouse.destination, dataset)
    if warehouse.destination == "duckdb":
        assert not warehouse.path.exists()
        duckdb.connect(warehouse.path).close()
        check("duckdb")
    warehouse.dataset = "public" if warehouse.destination == "postgres" else "main"
    assert warehouse.rows("SELECT 1 FROM information_schema.schemata WHERE schema_name IN ('drip', 'select')") == []
    assert warehouse.rows("SELECT 1 FROM information_schema.tables WHERE table_name LIKE '_drip_flows%'") == []


@pytest.mark.parametrize("dataset", ["temp", "a__b"])
def test_the_command_refuses_before_it_asks_the_api(warehouse: Warehouse, dataset: str) -> None:
    from flows.cli.commands import run_sync

    with pytest.raises(SettingsError, match="--dataset"):
        run_sync(None, None, "duckdb", dataset)


MADE = f"CREATE SCHEMA drip; CREATE SCHEMA {STAGING}; GRANT ALL ON SCHEMA drip, {STAGING} TO limited;"
OWN_TABLE = "CREATE TABLE drip.tags (account_id TEXT, _row_hash TEXT)"


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ("SELECT 1", "permission denied"),
        (f"{MADE} REVOKE TEMPORARY ON DATABASE HERE FROM PUBLIC", "permission denied to create temporary tables"),
        (f"{MADE} {OWN_TABLE}; GRANT SELECT, INSERT, UPDATE ON drip.tags TO limited", "DELETE in drip.tags"),
        (f"{MADE} REVOKE CREATE ON SCHEMA {STAGING} FROM limited", "permission denied for schema _drip_flows_staging"),
    ],
    ids=["schemas", "temporary tables", "rows", "staging"],
)
def test_what_a_role_may_not_do(postgres: str, warehouse: Warehouse, limited: str, statements: str, words: str) -> None:
    as_owner(postgres, statements.replace("HERE", postgres.rpartition("/")[2]))
    with pytest.raises(SettingsError, match=words):
        check("postgres")


def test_a_role_that_may_do_all_it_has_to(postgres: str, warehouse: Warehouse, limited: str) -> None:
    as_owner(postgres, f"{MADE} {OWN_TABLE}; GRANT ALL ON drip.tags TO limited")
    check("postgres")
