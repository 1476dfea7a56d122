"""Where the data goes: the destination as dlt is configured for it, checked before a request is spent."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dlt
import duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from filelock import FileLock, Timeout

from flows.source.errors import SettingsError
from flows.source.settings import DripSettings

DestinationName = Literal["duckdb", "postgres"]
DEFAULT_DUCKDB = "data/warehouse.duckdb"
DUCKDB_SETTING = "DESTINATION__DUCKDB__CREDENTIALS"
DATASET_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Target:
    """A destination and a dataset in it.

    Attributes:
        name: of the dlt destination.
        dataset: the schema that the tables are in.
        path: of a DuckDB file; None for a server.
        location: names the place, without secrets: what is locked, landed for and shown.
    """

    name: DestinationName
    dataset: str
    path: Path | None
    location: str

    def destination(self, settings: DripSettings) -> Any:
        """The dlt destination, credentials resolved by dlt."""
        if self.path is None:
            return _postgres().destination(self.dataset, settings.work_mem)
        limits = {"memory_limit": settings.memory_limit, "preserve_insertion_order": False}
        return dlt.destinations.duckdb(credentials=DuckDbCredentials(str(self.path), global_config=limits))

    def check(self, settings: DripSettings) -> None:
        """Make sure that it can be written to. Raises SettingsError."""
        if self.path is None:
            _postgres().check(self.dataset)
        else:
            _check_duckdb(self.path, self.dataset, settings.lock_wait)

    @contextmanager
    def lock(self, wait: float) -> Iterator[None]:
        """Keep other runs out, however this one ends. Raises SettingsError where one is at it for `wait` seconds."""
        if self.path is None:
            with _postgres().exclusive(self.dataset, wait):
                yield
            return
        lock = FileLock(self.path.absolute().with_name(f".{self.path.name}.sync-lock"), timeout=wait)
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
    if name == "duckdb":
        path = _duckdb_path()
        return Target(name, dataset, path, str(path))
    postgres = _postgres()
    return Target(name, dataset, None, postgres.location(postgres.credentials()))


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
    """The configured file; dlt's own default would be a file per pipeline in the working directory."""
    configured: Any = dlt.secrets.get("destination.duckdb.credentials") or DEFAULT_DUCKDB
    database = DuckDbCredentials(configured).database if isinstance(configured, str) else configured["database"]
    if not database or database.startswith((":", "md:")):
        raise SettingsError(f"{DUCKDB_SETTING} has to be the path of a file, not {database!r}")
    return Path(database).expanduser()


def _postgres() -> Any:
    """The module that knows PostgreSQL, whose driver is an extra. Raises SettingsError where that is missing."""
    try:
        from flows import postgres
    except ImportError:
        raise SettingsError("PostgreSQL needs the extra: pip install 'drip-flows[postgres]'") from None
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
