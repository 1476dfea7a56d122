"""Copying a DuckDB dataset to PostgreSQL, and comparing all values afterwards."""

import decimal
import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import dlt
import duckdb
import pyarrow as pa
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

from flows.common.errors import SettingsError
from flows.common.events import tell
from flows.dataset.files import lock_wait
from flows.destinations import postgres, postgres_connection
from flows.destinations.relations import relations
from flows.destinations.schemas import quoted
from flows.destinations.sql_clients import sql_client
from flows.destinations.target import DUCKDB_SETTING, Target, open_duckdb, resolve_target
from flows.pipeline.context import ConnectionRun
from flows.pipeline.dlt_pipeline import NO_COPY_LEFT, PIPELINE
from flows.pipeline.event_batch import OUTDATED
from flows.pipeline.marts.queries import STORED
from flows.pipeline.marts.recipients import invalidate_recipients
from flows.pipeline.marts.refresh import make_marts
from flows.pipeline.views import make_views
from flows.source.landing.landed_list import BATCH_ROWS
from flows.source.landing.storage import folder_at
from flows.source.landing.zone import Landing
from flows.source.settings import DripSettings
from flows.source.tables import SCHEMA

STAGED = "insert-from-staging"
"""dlt's replace strategy: ADBC cannot copy into `jsonb`, so rows are inserted from a staging table."""
SELECTED = {
    "duckdb": {"json": "CAST({0} AS VARCHAR)", "timestamp": "epoch_us({0})"},
    "postgres": {"json": "{0}::text", "timestamp": "(extract(epoch FROM {0}) * 1000000)::bigint"},
}
"""SQL expressions, by database and dlt data type, that read a column as the same value from both databases."""
EXACT = decimal.Context(prec=1_000_000)
FETCHED = 10_000
COMPUTED = (STORED, OUTDATED)
"""Tables that are not copied, but computed from the events in the copy."""
Columns = dict[str, Any]
Schema = dict[str, Any]
"""dlt's tables, by name."""


@dataclass(frozen=True)
class Compared:
    """A table in both databases: the number of rows, and a checksum of all values, independent of row order."""

    table: str
    before: tuple[int, str]
    after: tuple[int, str]

    @property
    def same(self) -> bool:
        """Whether the rows are the same in both."""
        return self.before == self.after


def copy_to_postgres(dataset: str, replace: bool) -> list[Compared]:
    """Copy a dataset from the configured DuckDB file to the configured PostgreSQL database, and compare them.

    Both datasets are locked meanwhile. No API request is made.

    Args:
        dataset: name of the dataset in both.
        replace: whether existing tables may be replaced.

    Returns:
        The comparison of each table. Tables without rows are not copied: the next sync creates them, and those that
        exist are emptied.

    Raises:
        SettingsError: one of the databases cannot be opened, or the dataset exists and may not be replaced.
    """
    source, target = resolve_target("duckdb", dataset), resolve_target("postgres", dataset)
    if source.path is None or not source.path.exists():
        raise SettingsError(f"{source.location} does not exist: change {DUCKDB_SETTING}")
    target.check(DripSettings())
    wait = lock_wait()
    with source.lock(wait), target.lock(wait), closing(open_duckdb(source.path, wait, read_only=True)) as con:
        schema = _schema(con, dataset)
        _check_absent(target, replace)
        _load(con, target, schema)
        return list(_comparisons(con, target, schema))


def _schema(con: duckdb.DuckDBPyConnection, dataset: str) -> Schema:
    """dlt's schema of the tables that are copied: those with rows. Raises SettingsError if there is no such dataset."""
    known = dlt.dataset(dlt.destinations.duckdb(credentials=DuckDbCredentials(con)), dataset, schema=SCHEMA).schema
    if known.is_new:
        raise SettingsError(f"the DuckDB file has no dataset {dataset}: change --dataset or {DUCKDB_SETTING}")
    con.execute(f"SET search_path = '{dataset}'; SET TimeZone = 'UTC'")
    tables = {
        name: table for name, table in known.tables.items() if not name.startswith("_dlt") and name not in COMPUTED
    }
    return {name: table for name, table in tables.items() if con.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall()}


def _check_absent(target: Target, replace: bool) -> None:
    """Check that the target has no tables, or that they may be replaced. Raises SettingsError."""
    with closing(postgres_connection.connect()) as there, there.cursor() as cursor:
        cursor.execute("SELECT 1 FROM information_schema.tables WHERE table_schema = %s LIMIT 1", (target.dataset,))
        if cursor.fetchone() and not replace:
            raise SettingsError(f"{target.location} already has a dataset {target.dataset}: --replace overwrites it")


def _load(con: duckdb.DuckDBPyConnection, target: Target, schema: Schema) -> None:
    """Replace the target's tables, keeping all column names, and create the views over them."""
    with tempfile.TemporaryDirectory(prefix="drip-copy-") as folder:
        run = ConnectionRun(target, tuple(schema), Landing(folder_at(folder), ""))
        dlt.config[NO_COPY_LEFT] = True
        pipeline = dlt.pipeline(
            PIPELINE,
            pipelines_dir=folder,
            destination=postgres.destination(target.dataset, DripSettings.work_mem, replace_strategy=STAGED),
            dataset_name=target.dataset,
        )
        pipeline.run(copied(con, target.dataset, schema), loader_file_format="parquet")
        _empty_others(pipeline, target, schema)
        make_views(pipeline, run)
        make_marts(pipeline, target)


def _empty_others(pipeline: dlt.Pipeline, target: Target, schema: Schema) -> None:
    """Empty the target's tables of an earlier sync or copy that were not replaced, since they have no rows now."""
    known = {name for name in pipeline.default_schema.tables if not name.startswith("_dlt")}
    with sql_client(pipeline) as client, client.begin_transaction():
        there = relations(client.execute_sql, target.name, target.dataset)
        for name in sorted((known - {*schema}) & there.keys()):
            client.execute_sql(f"DELETE FROM {quoted(target.dataset, name)}")
        if STORED in there:
            invalidate_recipients(client, target.dataset)


@dlt.source(name=SCHEMA, section=SCHEMA)
def copied(con: duckdb.DuckDBPyConnection, dataset: str, schema: Schema) -> Any:
    """The tables of an open DuckDB dataset as a dlt source."""
    for name, table in schema.items():
        tell(f"copying {name}")
        # One cursor per table, since dlt interleaves them.
        yield dlt.resource(
            _batches(con.cursor(), f'"{dataset}"."{name}"', table["columns"]),
            name=name,
            columns=table["columns"],
            write_disposition="replace",
            file_format="parquet",
        )


def _batches(con: duckdb.DuckDBPyConnection, table: str, columns: Columns) -> Iterator[pa.Table]:
    casts = ", ".join(
        f'CAST("{name}" AS VARCHAR) AS "{name}"' for name, c in columns.items() if c["data_type"] == "json"
    )
    rows: Any = con.sql(f"SELECT * {f'REPLACE ({casts})' if casts else ''} FROM {table}")
    for batch in rows.to_arrow_reader(BATCH_ROWS):
        yield pa.Table.from_batches([batch])


def _comparisons(con: duckdb.DuckDBPyConnection, target: Target, schema: Schema) -> Iterator[Compared]:
    with closing(postgres_connection.connect()) as there:
        there.autocommit = False  # a server-side cursor needs a transaction
        for name, table in schema.items():
            tell(f"comparing {name}")
            here = con.execute(f'SELECT {_asked("duckdb", table["columns"])} FROM "{name}"')
            before = _checksum(here, table["columns"])
            with there, there.cursor(name="compared") as cursor:
                cursor.execute(f'SELECT {_asked("postgres", table["columns"])} FROM "{target.dataset}"."{name}"')
                yield Compared(name, before, _checksum(cursor, table["columns"]))


def _asked(database: str, columns: Columns) -> str:
    """SQL for the columns that yields the same values in both databases."""
    forms = SELECTED[database]
    return ", ".join(forms.get(hints["data_type"], "{0}").format(f'"{name}"') for name, hints in columns.items())


def _checksum(cursor: Any, columns: Columns) -> tuple[int, str]:
    """The number of rows and the sum of their hashes. A sum, so that equal rows do not cancel each other out."""
    json_at = [index for index, hints in enumerate(columns.values()) if hints["data_type"] == "json"]
    count = total = 0
    while rows := cursor.fetchmany(FETCHED):
        for row in rows:
            values = list(row)
            for index in json_at:
                values[index] = _canonical(values[index])
            total += int.from_bytes(hashlib.blake2b(repr(values).encode(), digest_size=8).digest())
        count += len(rows)
    return count, f"{total % 2**64:016x}"


def _canonical(text: str | None) -> str | None:
    """JSON text with sorted keys and normalized numbers, since `jsonb` does not keep their original form."""
    if text is None:
        return None
    return json.dumps(json.loads(text, parse_float=_number, parse_int=_number), sort_keys=True)


def _number(text: str) -> list[str]:
    """A normalized number, distinguishable from a string with the same text."""
    return ["number", str(decimal.Decimal(text).normalize(EXACT))]
