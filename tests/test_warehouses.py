"""Each listed destination is constructed, its SQL is generated and parsed, and it is loaded if it is listed as "run".

Only Delta tables are loaded here; the tests in `pipeline/` run syncs into DuckDB and PostgreSQL.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import dlt
import duckdb
import pytest
import sqlglot
from deltalake import DeltaTable
from sqlglot import exp

from flows.common.errors import SettingsError
from flows.common.list_key import ListKey
from flows.destinations.catalogue import DESTINATIONS, HISTORY, REFUSED, TEXT, DestinationName, check_driver
from flows.destinations.delta import DeltaReader
from flows.destinations.sql import written_for
from flows.destinations.target import resolve_target
from flows.maintenance.forget import forget
from flows.orchestration.deploy import description
from flows.pipeline.context import ConnectionRun, SyncRun
from flows.pipeline.dlt_pipeline import PIPELINE
from flows.pipeline.extract import Extracted
from flows.pipeline.load import landed_lists, source_of
from flows.pipeline.preparation import prepare
from flows.pipeline.sync_log import LATEST, LISTS, RUNS
from flows.pipeline.sync_mode import SEEN
from flows.sandbox import World
from flows.source import DEFAULT_RESOURCES, ENDPOINTS
from flows.source.landing.storage import folder_at
from flows.source.landing.zone import Landing
from flows.source.paginator import ListOutcome
from flows.source.schema import json_columns
from flows.source.settings import load_settings
from tests.conftest import PROJECT, Warehouse
from tests.mirror import assert_mirrors

FIRST, SECOND = "1000001", "1000002"
NOBODY = "n0body"
ACCOUNT = {
    "type": "service_account",
    "project_id": "somewhere",
    "client_email": "me@example.com",
    "private_key": NOBODY,
    "token_uri": "https://example.com",
}
CREDENTIALS = {
    "duckdb": "somewhere.duckdb",
    "postgres": f"postgresql://me:{NOBODY}@127.0.0.1:9/somewhere",
    "motherduck": f"md:somewhere?motherduck_token={NOBODY}",
    "snowflake": f"snowflake://me:{NOBODY}@account/somewhere?warehouse=small",
    "bigquery": json.dumps(ACCOUNT),
    "delta": "somewhere",
}
DATABASES = [name for name, kind in DESTINATIONS.items() if not kind.is_files]
STATEMENTS = {"LATEST": LATEST, "LISTS": LISTS, "RUNS": RUNS, "SEEN": SEEN}


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings for every destination, at addresses where nothing listens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", NOBODY)
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "landing"))
    for name, kind in DESTINATIONS.items():
        monkeypatch.setenv(kind.setting, CREDENTIALS[name])


def test_a_destination_is_listed_if_a_flow_takes_it() -> None:
    assert set(get_args(DestinationName)) == set(DESTINATIONS)


@pytest.mark.parametrize("name", DESTINATIONS)
def test_dlt_can_mirror_there(name: str) -> None:
    check_driver(name)
    caps = resolve_target(name, "drip").destination(load_settings()).capabilities()  # type: ignore[arg-type]
    assert "cdc" in caps.supported_merge_strategies


@pytest.mark.parametrize("name", DESTINATIONS)
def test_a_place_is_named_without_its_secrets(name: str) -> None:
    place = resolve_target(name, "drip").location  # type: ignore[arg-type]
    assert "somewhere" in place
    assert NOBODY not in place


@pytest.mark.parametrize("name", [name for name in DESTINATIONS if name != "duckdb"])
def test_a_place_that_is_not_configured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DESTINATIONS[name].setting)
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # otherwise Google's library looks for Google's metadata server
    with pytest.raises(SettingsError, match=DESTINATIONS[name].setting):
        resolve_target(name, "drip")  # type: ignore[arg-type]


def test_where_dlt_cannot_mirror_nothing_starts() -> None:
    assert "cdc" not in dlt.destinations.clickhouse().capabilities().supported_merge_strategies
    caps = dlt.destinations.filesystem("somewhere").capabilities()
    table: Any = {"table_format": "iceberg"}
    assert "cdc" not in caps.merge_strategies_selector(caps.supported_merge_strategies, table_schema=table)
    for name, reason in REFUSED.items():
        with pytest.raises(SettingsError) as refused:
            prepare(None, name, "drip")  # type: ignore[arg-type]
        assert reason in str(refused.value)


def test_what_does_not_work_is_refused_with_advice() -> None:
    for name, kind in DESTINATIONS.items():
        if HISTORY in kind.without:
            with pytest.raises(SettingsError, match="--no-history"):
                prepare(None, name, "drip")  # type: ignore[arg-type]
            with pytest.raises(SettingsError, match="by hand"):
                forget("somebody@example.com", name)  # type: ignore[arg-type]


def test_a_place_that_cannot_be_reached_is_named_without_its_secrets() -> None:
    with pytest.raises(SettingsError, match="cannot reach md:somewhere") as failed:
        prepare(None, "motherduck", "drip")
    assert NOBODY not in str(failed.value)


def test_the_freshness_is_not_deployed_where_it_cannot_read() -> None:
    def deployed(destination: str) -> list[str]:
        return [one["name"] for one in description(PROJECT, "drip", "process", "", destination)["deployments"]]

    assert {*deployed("snowflake"), "freshness"} == {*deployed("postgres")}
    assert "freshness" not in deployed("snowflake")
    assert {*deployed("postgres"), "report"} == {*deployed("duckdb")} == {*deployed("")}


@dataclass
class Written:
    """The SQL of a load, by table: the statements that create it and that merge into it."""

    made: dict[str, list[str]]
    merged: dict[str, list[str]]


@pytest.fixture(params=DATABASES)
def written(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Written]:
    """The SQL that dlt generates to load an account with empty lists into a destination."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # dlt writes the SQL to files there
    name = request.param
    target = resolve_target(name, "drip")
    run = ConnectionRun(target, DEFAULT_RESOURCES, Landing(folder_at(str(tmp_path)), "landing"), accounts=(FIRST,))
    landed = [
        Extracted(ListKey("", one, FIRST), ListOutcome(True, 0, 0), 0.0)
        for one in DEFAULT_RESOURCES
        if ENDPOINTS[one].per_account
    ]
    place = target.destination(load_settings())
    pipeline = dlt.pipeline(PIPELINE, pipelines_dir=str(tmp_path), destination=place, dataset_name="drip")
    pipeline.extract(
        source_of(SyncRun((run,)), landed_lists(SyncRun((run,)), landed, pipeline)), loader_file_format="parquet"
    )
    pipeline.normalize()
    client = place.client(pipeline.default_schema, place.spec()._bind_dataset_name("drip"))
    tables = {one: client.prepare_load_table(one) for one in DEFAULT_RESOURCES}
    jobs = {one: client.create_table_chain_completed_followup_jobs([table], []) for one, table in tables.items()}
    return name, Written(
        {one: client._get_table_update_sql(one, list(t["columns"].values()), False) for one, t in tables.items()},
        {one: Path(job.new_file_path()).read_text().splitlines() for one, [job] in jobs.items()},
    )


def parsed(name: str, statement: str) -> exp.Expr:
    """Parse a statement, all of which sqlglot has to support."""
    found = sqlglot.parse_one(statement, dialect=DESTINATIONS[name].dialect)
    assert not isinstance(found, exp.Command), statement
    return found


def test_the_sql_of_a_load(written: tuple[str, Written]) -> None:
    name, sql = written
    for resource, endpoint in ENDPOINTS.items():
        if resource in DEFAULT_RESOURCES:
            assert all(parsed(name, statement) for statement in sql.merged[resource])
            merged = " ".join(sql.merged[resource]).lower()
            assert ("insert into" if name == "duckdb" else "merge into") in merged
            assert "delete" in merged
            if endpoint.per_account:
                assert f"account_id in ('{FIRST}')" in merged
            (made,) = sql.made[resource]
            columns = {one.name.lower(): str(one.kind).lower() for one in parsed(name, made).find_all(exp.ColumnDef)}
            of_json = {columns[column] for column in json_columns(endpoint)}
            assert of_json <= ({"text", "string", "varchar"} if DESTINATIONS[name].json == TEXT else {"json", "jsonb"})


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("name", DATABASES)
def test_our_own_statements(name: str, statement: str) -> None:
    """Translated into each dialect and back into DuckDB's, the statements return the same result."""
    dialect = DESTINATIONS[name].dialect
    escaped = {"bigquery": "`somewhere`.`drip`.`{0}`", "snowflake": '"DRIP"."{0}"'}.get(dialect, '"drip"."{0}"')
    tables = {one: escaped.format(f"_{one}") for one in ("table", "syncs", "people")}
    values = {"lists": 3, "connection": "CAST(NULL AS VARCHAR)", "total": "CAST(NULL AS BIGINT)"}
    sql = written_for(dialect, STATEMENTS[statement], tables, **values)
    found = {table.name for table in parsed(name, sql).find_all(exp.Table)}
    assert found & {"_table", "_syncs", "_people"}
    with duckdb.connect() as con:
        con.execute(HERE)
        here = {one: f"_{one}" for one in tables}
        ours = written_for("duckdb", STATEMENTS[statement], here, **values)
        written = written_for(dialect, STATEMENTS[statement], here, **values)
        theirs = sqlglot.parse_one(written, dialect=dialect).sql("duckdb")
        rows = con.execute(ours).fetchall()
        assert rows
        assert sorted(con.execute(theirs).fetchall(), key=str) == sorted(rows, key=str)


HERE = """
    CREATE TABLE _table (run TEXT, account TEXT, resource TEXT, mode TEXT, landed_rows INT, loaded_rows INT,
        complete BOOL, started TIMESTAMPTZ, finished TIMESTAMPTZ);
    INSERT INTO _table VALUES
        ('a', '1', 'tags', 'full', 5, 5, TRUE, '2026-06-01 08:00:00+00', '2026-06-01 08:01:00+00'),
        ('a', '1', 'subscribers', 'full', 9, 9, TRUE, '2026-06-01 08:00:00+00', '2026-06-01 08:01:00+00'),
        ('a', '2', 'subscribers', 'full', 7, 7, FALSE, '2026-06-01 08:00:00+00', '2026-06-01 08:01:00+00'),
        ('b', '1', 'subscribers', 'incremental', 1, 1, TRUE, '2026-06-02 08:00:00+00', '2026-06-02 08:01:00+00'),
        ('c', '1', 'tags', 'full', 4, 4, TRUE, '2026-05-01 08:00:00+00', '2026-05-01 08:01:00+00');
    CREATE TABLE _syncs AS FROM _table;
    CREATE TABLE _people AS SELECT '1' AS account_id, TIMESTAMPTZ '2026-05-31 08:00:00+00' AS created_at
"""
"""Three runs, two of them in the same week, and one subscriber."""


class DeltaWarehouse(Warehouse):
    """Delta tables in a folder, queried with DuckDB."""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        folders = [log.parent for log in (self.path / self.dataset).glob("*/_delta_log")]
        with duckdb.connect() as con:
            return DeltaReader({folder.name: DeltaTable(folder) for folder in folders}, con).execute_sql(query)


def test_delta_tables_are_a_mirror(sync: Any, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "lake"))
    lake = DeltaWarehouse(tmp_path / "lake")
    lists = ("subscribers", "tags", "webhooks")
    assert sync(destination="delta", history=False, resources=["accounts", *lists]).exit_code == 0
    assert_mirrors(lake, world, lists)
    assert lake.value("SELECT count(*) FROM accounts") == 2
    people = world.account(FIRST).records["subscribers"]
    gone, changed = (person["id"] for person in people.all()[:2])
    people.delete([gone])
    people.update(changed, first_name="Zoë", brand_new={"a": 1})
    people.add({"id": "newcomer000000000000", "email": "new@example.com", "created_at": "2026-06-01T08:00:00Z"})
    world.account(SECOND).records["webhooks"].clear()
    report = sync(destination="delta", history=False, resources=["subscribers", "webhooks"])
    assert report.exit_code == 0
    assert_mirrors(lake, world, lists)
    assert lake.rows(f"SELECT first_name, brand_new FROM subscribers WHERE id = '{changed}'") == [("Zoë", '{"a":1}')]
    assert {line.before for line in report.lists if line.resource == "subscribers"} == {130, 20}
    people.add({"id": "latecomer00000000000", "email": "late@example.com", "created_at": "2026-06-02T08:00:00Z"})
    report = sync(destination="delta", history=False, mode="incremental", resources=["subscribers"])
    assert {line.mode for line in report.lists} == {"incremental"}
    assert report.exit_code == 0
    assert_mirrors(lake, world, ["subscribers"])
