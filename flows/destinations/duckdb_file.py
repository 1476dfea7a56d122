"""The DuckDB file: the storage version that it is created with, and the staging schemas of earlier versions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from flows.common.duckdb_in_memory import in_memory
from flows.common.errors import SettingsError
from flows.destinations.schemas import OLD_STAGING_SUFFIX, columns_by_table, is_staging, quoted, staging_name
from flows.destinations.sql import literal

STORAGE_SETTING = "SOURCES__DRIP__STORAGE_VERSION"
COLUMNS = """
    SELECT table_name, column_name FROM duckdb_columns()
    WHERE database_name = current_database() AND schema_name = ?
"""
DLT_COLUMNS = COLUMNS.replace("?", "%s")
"""The same for dlt's client, which has placeholders of its own."""


def create_file(path: Path, version: str) -> None:
    """Create an empty database with a storage version. A file that is there already keeps the one it has.

    Raises:
        SettingsError: DuckDB does not know the version.
    """
    if path.exists() and path.stat().st_size:
        return
    name = f"created_{uuid4().hex}"  # other threads may create files meanwhile
    with in_memory() as con:
        try:
            con.execute(f"ATTACH {literal(path)} AS {name} (STORAGE_VERSION {literal(version)})")
        except duckdb.InvalidInputException:
            raise SettingsError(
                f"{STORAGE_SETTING} is {version!r}, which DuckDB {duckdb.__version__} cannot write: "
                "set it to v1.0.0, a later version of DuckDB, or latest"
            ) from None
        con.execute(f"DETACH {name}")


def drop_staging(execute: Callable[..., Any], dataset: str) -> None:
    """Drop the schemas that earlier versions staged rows of a dataset in. Nothing else is in them.

    Args:
        execute: runs a statement of dlt's client and returns its rows.
        dataset: whose rows they were.
    """
    for schema in (staging_name(dataset), dataset + OLD_STAGING_SUFFIX):
        if is_staging(columns_by_table(execute(DLT_COLUMNS, schema) or [])):
            execute(f"DROP SCHEMA {quoted(schema)} CASCADE")
