"""The target of a sync: a destination as configured in dlt, and a dataset in it."""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dlt
import duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from filelock import FileLock, Timeout

from flows.common.errors import LockHeld, SettingsError, first_line
from flows.common.project import project_path
from flows.destinations import configured
from flows.destinations.catalogue import DESTINATIONS, DestinationKind, DestinationName, check_driver
from flows.destinations.delta import delta_reader
from flows.destinations.duckdb import ReplacingDuckDb
from flows.destinations.duckdb_file import COLUMNS, create_file, drop_staging
from flows.destinations.schemas import Columns, check_staging, columns_by_table, staging_name, try_schemas
from flows.destinations.sql_clients import sql_client
from flows.source.decoding.column_names import NAMING
from flows.source.settings import DripSettings

DEFAULT_DUCKDB = "data/warehouse.duckdb"
DUCKDB_SETTING = "DESTINATION__DUCKDB__CREDENTIALS"
MOTHERDUCK = "; for MotherDuck, use --destination motherduck"
DATASET_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
POLL_SECONDS = 0.5
EARLY_CHECKPOINTS = "SET GLOBAL checkpoint_threshold = '16MB'"
"""DuckDB's default. A commit above it goes to the file only. dlt sets 1 GB, so that all rows are logged first."""
MISREAD = "?\\"
"""Characters in a path that DuckDB or dlt misread: DuckDB takes `?` for the start of a query string."""
SCHEMAS = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database()"
VIEWS = "SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND schema_name = ?"


@dataclass(frozen=True)
class Target:
    """A destination and a dataset in it.

    Attributes:
        name: name of the destination.
        dataset: the schema that the tables are in.
        path: the DuckDB file; None for other destinations.
        location: the location without secrets, for locks, the landing zone and messages.
    """

    name: DestinationName
    dataset: str
    path: Path | None
    location: str

    @property
    def kind(self) -> DestinationKind:
        """The kind of destination."""
        return DESTINATIONS[self.name]

    @property
    def is_local(self) -> bool:
        """Whether the data is in files on the machine that runs the sync."""
        return bool(self.path or self.kind.is_files) and urlsplit(self.location).scheme in ("", "file")

    def destination(self, settings: DripSettings) -> Any:
        """The dlt destination, with credentials from dlt's configuration. Creates the DuckDB file if it is missing."""
        if self.name == "postgres":
            return _postgres().destination(self.dataset, settings.work_mem)
        if self.path is None:
            return configured.destination(self.name, self.dataset)
        create_file(self.path, settings.storage_version)
        limits = {"memory_limit": settings.memory_limit, "preserve_insertion_order": False}
        credentials = DuckDbCredentials(global_config=limits, statements=[EARLY_CHECKPOINTS])
        credentials.database = str(self.path)  # as an argument, it would be parsed as a URL
        return ReplacingDuckDb(
            credentials=credentials,
            destination_name="duckdb",
            staging_dataset_name_layout=staging_name(self.dataset),
        )

    def check(self, settings: DripSettings) -> None:
        """Check that it can be written to. Raises SettingsError."""
        with self.checked(settings):
            pass

    @contextmanager
    def checked(self, settings: DripSettings) -> Iterator[None]:
        """Check that it can be written to, and keep the DuckDB file open in the block. Raises SettingsError."""
        if self.path:
            with _checked_duckdb(self.path, self.dataset, settings):
                yield
            return
        if self.name == "postgres":
            _postgres().check(self.dataset)
        else:
            configured.check(self.name, self.dataset)
        yield

    def drop_staging(self, client: Any) -> None:
        """Drop the schemas that earlier versions staged rows in, in DuckDB. PostgreSQL needs its staging schema.

        Args:
            client: dlt's.
        """
        if self.path:
            drop_staging(client.execute_sql, self.dataset)

    @contextmanager
    def held_open(self, wait: float) -> Iterator[None]:
        """Keep a DuckDB file open between jobs and queries, for each close runs a checkpoint.

        Raises:
            SettingsError: another process has the DuckDB file open for `wait` seconds, or the lock was lost.
        """
        if self.name == "postgres":
            _postgres().check_lock_is_held(self.dataset)
        with closing(open_duckdb(self.path, wait)) if self.path and self.path.exists() else nullcontext():
            yield

    def contents(self, wait: float) -> tuple[Columns, set[str]]:
        """The columns of the dataset's tables and views, and the names of its views. Raises SettingsError."""
        if self.name == "postgres":
            columns, views = _postgres().contents(self.dataset)
            return columns, views
        if self.path is None or not self.path.exists():
            return {}, set()
        with closing(open_duckdb(self.path, wait)) as con:
            columns = columns_by_table(con.execute(COLUMNS, [self.dataset]).fetchall())
            return columns, {name for (name,) in con.execute(VIEWS, [self.dataset]).fetchall()}

    def reader(self, pipeline: dlt.Pipeline) -> Any:
        """A context manager whose value runs SELECTs like dlt's SQL client."""
        return delta_reader(pipeline) if self.kind.is_files else sql_client(pipeline)

    @contextmanager
    def lock(self, wait: float) -> Iterator[None]:
        """Lock the dataset against other runs. Raises SettingsError if another run holds it for `wait` seconds."""
        if self.name == "postgres":
            with _postgres().exclusive(self.dataset, wait):
                yield
            return
        file = _lock_beside(self.path) if self.path else configured.lock_file(self.location, self.dataset)
        _check_lock_file(file)
        try:
            with FileLock(file, timeout=wait):
                yield
        except Timeout:
            raise LockHeld(
                f"another sync is still writing to {self.location} after SOURCES__DRIP__LOCK_WAIT "
                f"({wait:.0f} s); wait for it to end, or stop it"
            ) from None


def check_dataset_name(dataset: str) -> None:
    """Check that a dataset can have this name. Raises SettingsError."""
    if not DATASET_NAME.fullmatch(dataset):
        raise SettingsError(f"dataset {dataset!r} is not a valid name: use lower-case letters, digits and _")
    if (stored := NAMING.normalize_table_identifier(dataset)) != dataset:
        raise SettingsError(f"the dataset {dataset!r} would be stored as {stored!r}: change --dataset")


def resolve_target(name: DestinationName, dataset: str) -> Target:
    """The target for a destination, from dlt's configuration. Raises SettingsError."""
    check_dataset_name(dataset)
    check_driver(name)
    if name == "duckdb":
        path = _duckdb_path()
        return Target(name, dataset, path, str(path))
    if name == "postgres":
        from flows.destinations import postgres_connection

        return Target(name, dataset, None, postgres_connection.location(postgres_connection.credentials()))
    return Target(name, dataset, None, configured.location(name))


def open_duckdb(path: Path, wait: float, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Connect, waiting up to `wait` seconds while another process has the file open. Raises SettingsError."""
    deadline = time.monotonic() + wait
    while True:
        try:
            return duckdb.connect(path, read_only=read_only)
        except duckdb.IOException as error:
            held = "lock" in str(error).lower()
            if not held or time.monotonic() > deadline:
                raise SettingsError(_why_not(path, error, wait if held else None)) from None
        time.sleep(POLL_SECONDS)


def _duckdb_path() -> Path:
    """The configured file. A relative path starts at the project folder; dlt would use the working directory."""
    key = "destination.duckdb.credentials"
    configured: Any = dlt.secrets.get(key) or dlt.config.get(key) or DEFAULT_DUCKDB  # it may be in either file
    if isinstance(configured, str):
        database = DuckDbCredentials(configured).database if "://" in configured else configured
    else:
        database = configured["database"]
    if not database or database.startswith((":", "md:")):
        raise SettingsError(f"{DUCKDB_SETTING} must be the path of a file, not {database!r}{MOTHERDUCK}")
    if os.sep == "/" and (odd := {*MISREAD} & {*database}):
        raise SettingsError(
            f"the path of a DuckDB file cannot contain {' or '.join(sorted(odd))}: change {DUCKDB_SETTING}"
        )
    return project_path(database)


def _postgres() -> Any:
    """The PostgreSQL module, imported late because its driver is an extra."""
    from flows.destinations import postgres

    return postgres


def _lock_beside(path: Path) -> Path:
    """The lock file of a DuckDB file, the same for every symbolic link to it."""
    real = path.resolve()
    return real.with_name(f".{real.name}.sync-lock")


def _check_lock_file(file: Path) -> None:
    """Check that the lock file is missing or empty, since locking truncates it. Raises SettingsError."""
    if file.is_symlink() or (file.exists() and not (file.is_file() and file.stat().st_size == 0)):
        raise SettingsError(f"{file} is needed as a lock file, but is not an empty file: move it away")


@contextmanager
def _checked_duckdb(path: Path, dataset: str, settings: DripSettings) -> Iterator[None]:
    """Check the file, and keep it open in the block, since each opening takes 20 ms of processor time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock_beside(path)
        _check_lock_file(lock)
        lock.touch(mode=0o600)
    except OSError as error:
        raise SettingsError(f"cannot write to {path} ({error.strerror}): change {DUCKDB_SETTING}") from None
    with _file_to_try(path, settings.storage_version) as file, closing(open_duckdb(file, settings.lock_wait)) as con:
        _try_duckdb(con, path, dataset)
        check_staging(dataset, columns_by_table(con.execute(COLUMNS, [staging_name(dataset)]).fetchall()))
        yield


@contextmanager
def _file_to_try(path: Path, version: str) -> Iterator[Path]:
    """The file, or if missing, a temporary one of that name, so that a sync that cannot start creates no database."""
    if path.exists():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="drip-trial-") as folder:
        create_file(trial := Path(folder) / path.name, version)
        yield trial


def _try_duckdb(con: duckdb.DuckDBPyConnection, path: Path, dataset: str) -> None:
    """Check that the file can hold a dataset of this name. Raises SettingsError."""
    con.begin()
    try:
        try_schemas(con.execute, dataset, [name for (name,) in con.execute(SCHEMAS).fetchall()])
    except duckdb.Error as error:
        words = f"{path} cannot hold a dataset named {dataset!r} ({first_line(error)})"
        raise SettingsError(f"{words}: change {DUCKDB_SETTING} or --dataset") from None
    finally:
        con.rollback()


def _why_not(path: Path, error: duckdb.Error, wait: float | None) -> str:
    """DuckDB's message on one line; it names the process that has the file open."""
    words = str(error).split("See also")[0].splitlines()[0].strip()
    if wait is None:
        return f"cannot open {path}: {words}; change {DUCKDB_SETTING}"
    return f"cannot open {path} after {wait:.0f} s: {words} Close what has it open, or change {DUCKDB_SETTING}."
