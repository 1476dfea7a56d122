"""Moving to PostgreSQL: all that a DuckDB dataset holds, copied there and compared value by value."""

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
from flows.destinations.target import DUCKDB_SETTING, Target, open_duckdb, resolve_target
from flows.pipeline.context import ConnectionRun
from flows.pipeline.dlt_pipeline import PIPELINE
from flows.pipeline.views import make_views
from flows.source.landing.landed_list import BATCH_ROWS
from flows.source.landing.storage import folder_at
from flows.source.landing.zone import Landing
from flows.source.settings import DripSettings
from flows.source.tables import SCHEMA

STAGED = "insert-from-staging"
"""How a table is replaced: nothing can be copied into `jsonb`, only inserted from a staging table."""
SELECTED = {
    "duckdb": {"json": "CAST({0} AS VARCHAR)", "timestamp": "epoch_us({0})"},
    "postgres": {"json": "{0}::text", "timestamp": "(extract(epoch FROM {0}) * 1000000)::bigint"},
}
"""By database and dlt data type, how to ask for a column so that it reads the same from both."""
EXACT = decimal.Context(prec=1_000_000)
FETCHED = 10_000
Columns = dict[str, Any]
Schema = dict[str, Any]
"""dlt's tables, by name."""


@dataclass(frozen=True)
class Compared:
    """A table in both databases: how many rows, and a checksum over all their values, whatever their order."""

    table: str
    before: tuple[int, str]
    after: tuple[int, str]

    @property
    def same(self) -> bool:
        """Whether both hold the same."""
        return self.before == self.after


def copy_to_postgres(dataset: str, replace: bool) -> list[Compared]:
    """Copy a dataset from the DuckDB file to the PostgreSQL of the settings, and compare. The API is not asked.

    Syncs of both are kept out meanwhile.

    Args:
        dataset: its name, the same in both.
        replace: whether tables that are there already may be replaced.

    Returns:
        What there is of each table, in both. Tables without rows are left to the next sync.

    Raises:
        SettingsError: one of them cannot be opened, or the dataset is there already and may not be replaced.
    """
    source, target = resolve_target("duckdb", dataset), resolve_target("postgres", dataset)
    if source.path is None or not source.path.exists():
        raise SettingsError(f"there is no {source.location} to copy: change {DUCKDB_SETTING}")
    target.check(DripSettings())
    wait = lock_wait()
    with source.lock(wait), target.lock(wait), closing(open_duckdb(source.path, wait, read_only=True)) as con:
        schema = _schema(con, dataset)
        _refuse_what_is_there(target, replace)
        _load(con, target, schema)
        return list(_comparisons(con, target, schema))


def _schema(con: duckdb.DuckDBPyConnection, dataset: str) -> Schema:
    """The tables that have rows, as dlt knows them. Raises SettingsError where there is no such dataset."""
    known = dlt.dataset(dlt.destinations.duckdb(credentials=DuckDbCredentials(con)), dataset, schema=SCHEMA).schema
    if known.is_new:
        raise SettingsError(f"the DuckDB file has no dataset {dataset}: change --dataset or {DUCKDB_SETTING}")
    con.execute(f"SET search_path = '{dataset}'; SET TimeZone = 'UTC'")
    tables = {name: table for name, table in known.tables.items() if not name.startswith("_dlt")}
    return {name: table for name, table in tables.items() if con.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall()}


def _refuse_what_is_there(target: Target, replace: bool) -> None:
    with closing(postgres_connection.connect()) as there, there.cursor() as cursor:
        cursor.execute("SELECT 1 FROM information_schema.tables WHERE table_schema = %s LIMIT 1", (target.dataset,))
        if cursor.fetchone() and not replace:
            raise SettingsError(f"{target.location} has a dataset {target.dataset} already: --replace overwrites it")


def _load(con: duckdb.DuckDBPyConnection, target: Target, schema: Schema) -> None:
    """Replace the target's tables, with the names that unknown fields have, and make the views over them."""
    with tempfile.TemporaryDirectory(prefix="drip-copy-") as folder:
        run = ConnectionRun(target, tuple(schema), Landing(folder_at(folder), ""))
        pipeline = dlt.pipeline(
            PIPELINE,
            pipelines_dir=folder,
            destination=postgres.destination(target.dataset, DripSettings.work_mem, replace_strategy=STAGED),
            dataset_name=target.dataset,
        )
        pipeline.run(copied(con, target.dataset, schema), loader_file_format="parquet")
        make_views(pipeline, run)


@dlt.source(name=SCHEMA, section=SCHEMA)
def copied(con: duckdb.DuckDBPyConnection, dataset: str, schema: Schema) -> Any:
    """The tables of an open DuckDB dataset as a dlt source."""
    for name, table in schema.items():
        tell(f"copying {name}")
        # A cursor each: dlt reads several tables by turns.
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
        there.autocommit = False  # a cursor that the server keeps needs a transaction
        for name, table in schema.items():
            tell(f"comparing {name}")
            here = con.execute(f'SELECT {_asked("duckdb", table["columns"])} FROM "{name}"')
            before = _checksum(here, table["columns"])
            with there, there.cursor(name="compared") as cursor:
                cursor.execute(f'SELECT {_asked("postgres", table["columns"])} FROM "{target.dataset}"."{name}"')
                yield Compared(name, before, _checksum(cursor, table["columns"]))


def _asked(database: str, columns: Columns) -> str:
    """The columns as SQL that gives the same values in both databases."""
    forms = SELECTED[database]
    return ", ".join(forms.get(hints["data_type"], "{0}").format(f'"{name}"') for name, hints in columns.items())


def _checksum(cursor: Any, columns: Columns) -> tuple[int, str]:
    """Rows, and the sum of a hash of each; equal rows do not cancel each other out."""
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
    """JSON text with keys in order and numbers in one form: `jsonb` keeps what they mean, not how they are written."""
    if text is None:
        return None
    return json.dumps(json.loads(text, parse_float=_number, parse_int=_number), sort_keys=True)


def _number(text: str) -> list[str]:
    """A number, told apart from a text that looks like one."""
    return ["number", str(decimal.Decimal(text).normalize(EXACT))]
