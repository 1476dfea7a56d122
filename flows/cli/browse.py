"""`drip-flows open`: the tables in DuckDB's own UI, or in Datasette."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from flows.cli.output import activity, remark
from flows.common.errors import SettingsError
from flows.common.program import LAB, make, program
from flows.common.project import project_root
from flows.dataset.files import database_file, open_for_reading
from flows.destinations.schemas import quoted

DUCKDB, DATASETTE = "duckdb", "datasette"
ROWS_AT_ONCE = 10_000
TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_catalog = current_database() AND table_schema = ? AND NOT starts_with(table_name, '_dlt') ORDER BY 1
"""


def browse(dataset: str) -> int:
    """Open the database in whichever program is installed. Returns its exit code.

    Raises:
        SettingsError: there is no data, or neither program is installed.
    """
    file = database_file()
    if found := shutil.which(DUCKDB):
        remark(f"While DuckDB's UI is open, syncs into {file} wait; close the UI with Ctrl-C")
        return subprocess.run([found, "-readonly", "-ui", str(file)], check=False).returncode  # noqa: S603 - the user's own
    if found := shutil.which(DATASETTE):
        return _in_datasette(found, file, dataset)
    raise SettingsError(
        f"neither DuckDB's command nor Datasette is on the PATH: install one of them (`pip install duckdb-cli`, "
        f"`pip install datasette`), ask with `{program()} query`, or open the notebooks with "
        f"`{make('lab', project_root(), LAB)}`"
    )


def _in_datasette(found: str, file: Path, dataset: str) -> int:
    """Serve a copy of the tables as SQLite, in a private folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="drip-browse-") as folder:
        copy = Path(folder) / f"{dataset}.sqlite"
        with activity("Copying the tables for Datasette, which reads SQLite"):
            copy_to_sqlite(file, dataset, copy)
        return subprocess.run([found, "serve", "--open", "--immutable", str(copy)], check=False).returncode  # noqa: S603


def copy_to_sqlite(file: Path, dataset: str, copy: Path) -> None:
    """Copy the tables and views of a dataset into a new SQLite file, everything but numbers as text.

    Raises:
        SettingsError: the dataset has no tables.
    """
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL, 0o600))
    with closing(open_for_reading(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.execute("SET TimeZone = 'UTC'")
        names = [name for (name,) in source.execute(TABLES, [dataset]).fetchall()]
        if not names:
            raise SettingsError(f"no dataset {dataset} in {file}")
        for name in names:
            _copy_table(source, target, dataset, name)
        target.commit()


def _copy_table(source: duckdb.DuckDBPyConnection, target: sqlite3.Connection, dataset: str, name: str) -> None:
    rows = source.execute(f"SELECT * FROM {quoted(dataset, name)}")
    columns = [quoted(column[0]) for column in rows.description or ()]
    target.execute(f"CREATE TABLE {quoted(name)} ({', '.join(columns)})")
    insert = f"INSERT INTO {quoted(name)} VALUES ({', '.join('?' * len(columns))})"
    while batch := rows.fetchmany(ROWS_AT_ONCE):
        target.executemany(insert, [tuple(map(_stored, row)) for row in batch])


def _stored(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str) else str(value)
