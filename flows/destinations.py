"""Where the data goes: the destination as dlt is configured for it, checked before a request is spent."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dlt
import duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from filelock import FileLock, Timeout

from flows import elsewhere
from flows.delta import delta_reader
from flows.duckdb_merge import ReplacingDuckDb
from flows.project import project_path
from flows.source.errors import SettingsError
from flows.source.settings import DripSettings
from flows.warehouses import WAREHOUSES, DestinationName, Warehouse, check_driver

DEFAULT_DUCKDB = "data/warehouse.duckdb"
DUCKDB_SETTING = "DESTINATION__DUCKDB__CREDENTIALS"
MOTHERDUCK = "; MotherDuck is a destination of its own, motherduck"
DATASET_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Target:
    """A destination and a dataset in it.

    Attributes:
        name: of the dlt destination.
        dataset: the schema that the tables are in.
        path: of a DuckDB file; None for all else.
        location: names the place, without secrets: what is locked, landed for and shown.
    """

    name: DestinationName
    dataset: str
    path: Path | None
    location: str

    @property
    def kind(self) -> Warehouse:
        """What there is to know of its kind."""
        return WAREHOUSES[self.name]

    @property
    def is_local(self) -> bool:
        """Whether it is files of the machine that the sync runs on."""
        return bool(self.path or self.kind.is_files) and urlsplit(self.location).scheme in ("", "file")

    def destination(self, settings: DripSettings) -> Any:
        """The dlt destination, credentials resolved by dlt."""
        if self.name == "postgres":
            return _postgres().destination(self.dataset, settings.work_mem)
        if self.path is None:
            return elsewhere.destination(self.name)
        limits = {"memory_limit": settings.memory_limit, "preserve_insertion_order": False}
        credentials = DuckDbCredentials(str(self.path), global_config=limits)
        return ReplacingDuckDb(credentials=credentials, destination_name="duckdb")

    def check(self, settings: DripSettings) -> None:
        """Make sure that it can be written to. Raises SettingsError."""
        if self.name == "postgres":
            _postgres().check(self.dataset)
        elif self.path is None:
            elsewhere.check(self.name, self.dataset)
        else:
            _check_duckdb(self.path, self.dataset, settings.lock_wait)

    def reader(self, pipeline: dlt.Pipeline) -> Any:
        """A context manager with what answers SELECTs, as dlt's SQL client does."""
        return delta_reader(pipeline) if self.kind.is_files else pipeline.sql_client()

    def held_open(self, pipeline: dlt.Pipeline) -> Any:
        """A context manager: a DuckDB file stays open between dlt's jobs; closing it writes everything in its place."""
        return pipeline.sql_client() if self.path else nullcontext()

    @contextmanager
    def lock(self, wait: float) -> Iterator[None]:
        """Keep other runs out, however this one ends. Raises SettingsError where one is at it for `wait` seconds."""
        if self.name == "postgres":
            with _postgres().exclusive(self.dataset, wait):
                yield
            return
        beside = self.path and self.path.with_name(f".{self.path.name}.sync-lock")
        lock = FileLock(beside or elsewhere.lock_file(self.location, self.dataset), timeout=wait)
        try:
            with lock:
                yield
        except Timeout:
            raise SettingsError(
                f"another sync is writing to {self.location}, for longer than SOURCES__DRIP__LOCK_WAIT "
                f"({wait:.0f} s); wait for it to end, or stop it"
            ) from None


def resolve_target(name: DestinationName, dataset: str) -> Target:
    """The destination `name` as dlt is configured for it. Raises SettingsError."""
    if not DATASET_NAME.fullmatch(dataset):
        raise SettingsError(f"dataset {dataset!r} is no name for a schema: use lower-case letters, digits and _")
    check_driver(name)
    if name == "duckdb":
        path = _duckdb_path()
        return Target(name, dataset, path, str(path))
    if name == "postgres":
        postgres = _postgres()
        return Target(name, dataset, None, postgres.location(postgres.credentials()))
    return Target(name, dataset, None, elsewhere.location(name))


def open_duckdb(path: Path, wait: float, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection, once no other process holds the file. Raises SettingsError after `wait` seconds."""
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
    """The configured file, in the project where its path is relative; dlt would take the working directory."""
    key = "destination.duckdb.credentials"
    configured: Any = dlt.secrets.get(key) or dlt.config.get(key) or DEFAULT_DUCKDB  # a path may be in either file
    database = DuckDbCredentials(configured).database if isinstance(configured, str) else configured["database"]
    if not database or database.startswith((":", "md:")):
        raise SettingsError(f"{DUCKDB_SETTING} has to be the path of a file, not {database!r}{MOTHERDUCK}")
    return project_path(database)


def _postgres() -> Any:
    """The module that knows PostgreSQL, whose driver is an extra."""
    from flows import postgres

    return postgres


def _check_duckdb(path: Path, dataset: str, wait: float) -> None:
    if path.stem == dataset:
        raise SettingsError(
            f"a file named {path.name} cannot hold a dataset named {dataset!r}, DuckDB takes one for the other: "
            f"change {DUCKDB_SETTING} or --dataset"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.sync-lock")
        probe.touch(mode=0o600)
    except OSError as error:
        raise SettingsError(f"cannot write to {path} ({error.strerror}): change {DUCKDB_SETTING}") from None
    if path.exists():
        open_duckdb(path, wait).close()


def _why_not(path: Path, error: duckdb.Error, wait: float | None) -> str:
    """DuckDB's words, which name the process that holds the file, in one line."""
    words = str(error).split("See also")[0].splitlines()[0].strip()
    if wait is None:
        return f"cannot open {path}: {words}; change {DUCKDB_SETTING}"
    return f"cannot open {path} after {wait:.0f} s: {words} Close what holds it, or change {DUCKDB_SETTING}."
