"""Reading Delta tables with DuckDB, so that this project's SELECTs work as on a database.

dlt would use a DuckDB extension, which is downloaded on first use; `deltalake` is already installed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dlt
import duckdb
from dlt.destinations.exceptions import DatabaseUndefinedRelation

SETTINGS = "SET TimeZone = 'UTC'; SET disabled_optimizers = 'filter_pushdown'"
"""Filters are not pushed down to Arrow, which cannot compare the string type that `deltalake` writes after a merge."""


class DeltaReader:
    """Runs SELECTs over the tables of a dataset, with the two methods of dlt's SQL client that this project uses."""

    def __init__(self, tables: dict[str, Any], con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        con.execute(SETTINGS)
        for name, table in tables.items():
            con.register(name, table.to_pyarrow_dataset())

    def make_qualified_table_name(self, name: str) -> str:
        """The quoted table name."""
        return f'"{name}"'

    def execute_sql(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query. Raises DatabaseUndefinedRelation if a table does not exist yet."""
        try:
            return self.con.execute(sql.replace("%s", "?"), values).fetchall()
        except duckdb.CatalogException as error:
            raise DatabaseUndefinedRelation(error) from None


@contextmanager
def delta_reader(pipeline: dlt.Pipeline) -> Iterator[DeltaReader]:
    """A reader over the latest version of each table."""
    from dlt.common.libs.deltalake import get_delta_tables  # needs the extra `delta`

    tables: dict[str, Any] = get_delta_tables(pipeline) if pipeline.default_schema_name else {}
    with duckdb.connect() as con:
        yield DeltaReader(tables, con)
