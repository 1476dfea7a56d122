"""Delta tables, read by DuckDB: this project's own SELECTs are answered as a database would answer them.

dlt's way needs an extension of DuckDB that is downloaded when it is first used; `deltalake` is there anyway.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dlt
import duckdb
from dlt.destinations.exceptions import DatabaseUndefinedRelation

SETTINGS = "SET TimeZone = 'UTC'; SET disabled_optimizers = 'filter_pushdown'"
"""Arrow would filter, and cannot compare texts in the form that `deltalake` writes them in after a merge."""


class DeltaReader:
    """Answers SELECTs over the tables of a dataset, with the two methods of dlt's SQL client that we use."""

    def __init__(self, tables: dict[str, Any], con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        con.execute(SETTINGS)
        for name, table in tables.items():
            con.register(name, table.to_pyarrow_dataset())

    def make_qualified_table_name(self, name: str) -> str:
        """The name in SQL."""
        return f'"{name}"'

    def execute_sql(self, sql: str, *values: Any) -> list[Any]:
        """The rows. Raises DatabaseUndefinedRelation where a table is not there yet."""
        try:
            return self.con.execute(sql.replace("%s", "?"), values).fetchall()
        except duckdb.CatalogException as error:
            raise DatabaseUndefinedRelation(error) from None


@contextmanager
def delta_reader(pipeline: dlt.Pipeline) -> Iterator[DeltaReader]:
    """A reader of the newest version of each table."""
    from dlt.common.libs.deltalake import get_delta_tables  # an extra

    tables: dict[str, Any] = get_delta_tables(pipeline) if pipeline.default_schema_name else {}
    with duckdb.connect() as con:
        yield DeltaReader(tables, con)
