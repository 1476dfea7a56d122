"""Removing deleted rows from storage: after a DELETE, their bytes stay there until they are overwritten.

A DuckDB file is replaced with a copy that was compared with it. PostgreSQL rewrites its tables itself.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from dlt.destinations.exceptions import DatabaseException

from flows.common.errors import first_line
from flows.destinations.schemas import quoted
from flows.destinations.sql import literal
from flows.destinations.target import open_duckdb

OLD = "_drip_flows_old"
CATALOGUE = {
    "duckdb_schemas": "schema_name, comment, tags",
    "duckdb_tables": "schema_name, table_name, sql, comment, tags",
    "duckdb_columns": "schema_name, table_name, column_name, data_type, column_default, is_nullable, comment",
    "duckdb_views": "schema_name, view_name, sql, comment, tags",
    "duckdb_indexes": "schema_name, table_name, index_name, sql, comment, tags",
    "duckdb_constraints": "schema_name, table_name, constraint_text",
    "duckdb_sequences": "schema_name, sequence_name, last_value, increment_by, min_value, max_value, cycle",
    "duckdb_types": "schema_name, type_name, logical_type, labels",
    "duckdb_functions": "schema_name, function_name, parameters, macro_definition",
}
"""The DuckDB functions that list a database's objects, with the columns to compare."""
TABLES = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? ORDER BY ALL"
CHECKSUM = "SELECT count(*), sum(hash(one)::HUGEINT) FROM {table} AS one"
PRIVATE = 0o600


class Differs(Exception):
    """The copy differs from the file."""


def rewrite_duckdb(path: Path, wait: float) -> str:
    """Rewrite a DuckDB file, so that it contains no deleted rows.

    The file keeps its path, permissions and storage version. Other processes cannot write to it meanwhile.

    Args:
        path: the DuckDB file.
        wait: seconds to wait for another process that has it open.

    Returns:
        Why the file was not rewritten, in a sentence; empty if it was.

    Raises:
        SettingsError: another process has it open for longer.
    """
    real = path.resolve()
    open_duckdb(real, wait).close()  # merges the write-ahead log into the file
    log = real.with_name(f"{real.name}.wal")
    try:
        if log.exists():
            raise Differs(f"{log.name} could not be merged into it")
        with tempfile.TemporaryDirectory(prefix=".drip-rewrite-", dir=real.parent) as folder:
            _replace(real, Path(folder) / real.name)
    except (duckdb.Error, OSError, Differs) as error:
        return f"{path} could not be rewritten ({first_line(error)}): the file may still contain the deleted rows"
    return ""


def _replace(old: Path, new: Path) -> None:
    """Copy the file, compare the copy and move it into place, while no other process can write to the file."""
    with _beside_each_other(old, new) as con:
        (name,) = con.execute("SELECT current_database()").fetchone() or ("",)
        con.execute(f"COPY FROM DATABASE {quoted(OLD)} TO {quoted(name)}")
        con.execute("CHECKPOINT")
        _compare(con, name)
        con.execute(f"USE {quoted(OLD)}; DETACH {quoted(name)}")
        _sync_to_disk(new)
        shutil.copymode(old, new)
        if os.geteuid() == 0:
            os.chown(new, old.stat().st_uid, old.stat().st_gid)
        new.replace(old)


@contextmanager
def _beside_each_other(old: Path, new: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a new file with the old one's storage version, and the old file attached read-only."""
    with duckdb.connect() as con:
        con.execute(f"ATTACH {literal(old)} AS {quoted(OLD)} (READ_ONLY)")
        (tags,) = con.execute("SELECT tags FROM duckdb_databases() WHERE database_name = ?", [OLD]).fetchone() or ({},)
        version = str(tags.get("storage_version", "")).rstrip("+")
        con.execute(f"ATTACH {literal(new)} " + (f"(STORAGE_VERSION '{version}')" if version else ""))
        names = "SELECT database_name FROM duckdb_databases() WHERE path = ?"
        ((name,),) = con.execute(names, [str(new)]).fetchall()
        new.chmod(PRIVATE)
        con.execute(f"USE {quoted(name)}")
        yield con


def _compare(con: duckdb.DuckDBPyConnection, new: str) -> None:
    """Compare the objects and rows of the two databases. Raises Differs."""
    for function, columns in CATALOGUE.items():
        query = (
            f"SELECT {columns} FROM {function}() WHERE database_name = ? AND NOT coalesce(internal, false) ORDER BY ALL"
        )
        if function in ("duckdb_constraints", "duckdb_indexes", "duckdb_sequences"):
            query = query.replace("AND NOT coalesce(internal, false) ", "")
        if con.execute(query, [OLD]).fetchall() != con.execute(query, [new]).fetchall():
            raise Differs(f"its copy has different {function.removeprefix('duckdb_')}")
    for table in con.execute(TABLES, [OLD]).fetchall():
        before, after = (con.execute(CHECKSUM.format(table=quoted(one, *table))).fetchall() for one in (OLD, new))
        if before != after:
            raise Differs(f"its copy has different rows in {'.'.join(table)}")


def _sync_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def vacuum(client: Any, tables: Iterable[tuple[str, str]], wait: float) -> str:
    """Rewrite PostgreSQL tables with `VACUUM FULL`, which only their owner may do.

    Args:
        client: dlt's SQL client, outside of a transaction.
        tables: schema and name of each table.
        wait: seconds to wait for readers of a table.

    Returns:
        Why some were not rewritten, in a sentence; empty if all were.
    """
    client.native_connection.notices.clear()
    client.execute_sql(f"SET lock_timeout = {int(wait * 1000)}")
    try:
        for table in tables:
            client.execute_sql(f"VACUUM (FULL, ANALYZE) {quoted(*table)}")
    except DatabaseException as error:
        refused = [first_line(error)]
    else:
        refused = [one.strip() for one in client.native_connection.notices if "permission denied" in one]
    if refused:
        return f"not all tables could be rewritten ({refused[0]}): their files may still contain the deleted rows"
    return ""
