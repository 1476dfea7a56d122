"""Reading a dataset without changing a byte of it: dlt's clients open DuckDB files for writing."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from flows.destinations.schemas import quoted
from flows.destinations.target import Target, open_duckdb
from flows.source.endpoints import ACCOUNT_ID, Endpoint
from flows.source.tables import SCHEMA

READABLE = ("duckdb", "postgres")
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
SCHEMAS = "SELECT schema FROM {table} WHERE schema_name = %s ORDER BY inserted_at DESC LIMIT 1"
VERSIONS = "_dlt_version"


class ReadOnlyDataset:
    """A dataset, open for reading. It runs SELECTs like dlt's SQL client.

    Args:
        connection: of DuckDB or psycopg2.
        dataset: the schema that the tables are in.
        dialect: duckdb or postgres.
    """

    def __init__(self, connection: Any, dataset: str, dialect: str) -> None:
        self._connection, self._dataset, self._dialect = connection, dataset, dialect
        self.tables = {name for (name,) in self.execute_sql(TABLES, dataset)}

    def make_qualified_table_name(self, table: str) -> str:
        """The quoted name of a table with its schema."""
        return quoted(self._dataset, table)

    def execute_sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a SELECT, whose parameters are written as `%s`."""
        if self._dialect == "duckdb":
            found: list[tuple[Any, ...]] = self._connection.execute(query.replace("%s", "?"), list(values)).fetchall()
            return found
        with self._connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def schema_tables(self) -> dict[str, Any]:
        """The tables in dlt's schema of the dataset, by name; empty if nothing was loaded."""
        if VERSIONS not in self.tables:
            return {}
        rows = self.execute_sql(SCHEMAS.format(table=self.make_qualified_table_name(VERSIONS)), SCHEMA)
        tables: dict[str, Any] = json.loads(rows[0][0])["tables"] if rows else {}
        return tables

    def row_counts(self, endpoint: Endpoint) -> dict[str | None, int]:
        """Number of rows by account; under None if the list belongs to the token."""
        if endpoint.resource not in self.tables:
            return {}
        owner = ACCOUNT_ID if endpoint.per_account else "NULL"
        table = self.make_qualified_table_name(endpoint.resource)
        return dict(self.execute_sql(f"SELECT {owner}, count(*) FROM {table} GROUP BY 1"))


@contextmanager
def read_only(target: Target, wait: float) -> Iterator[ReadOnlyDataset | None]:
    """The dataset of a target; None if there is none yet, or if it can only be read through dlt.

    Raises:
        SettingsError: another process has the DuckDB file open for `wait` seconds, or PostgreSQL cannot be reached.
    """
    if target.name not in READABLE or (target.path is not None and not target.path.exists()):
        yield None
        return
    with closing(_connection(target, wait)) as connection:
        yield ReadOnlyDataset(connection, target.dataset, target.kind.dialect)


def _connection(target: Target, wait: float) -> Any:
    if target.path is not None:
        return open_duckdb(target.path, wait, read_only=True)
    from flows.destinations import postgres_connection  # needs the extra `postgres`

    connection = postgres_connection.connect()
    connection.set_session(readonly=True)
    return connection
