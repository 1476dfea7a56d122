"""The PostgreSQL destination: lock, checks, and JSON columns as `jsonb`. Needs the extra `postgres`."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import dlt
import psycopg2
from dlt.common.destination.client import LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.destinations.impl.postgres.postgres import PostgresClient, PostgresParquetCopyJob

from flows.common.errors import LockHeld, SettingsError, first_line
from flows.destinations.postgres_connection import (
    SETTING,
    connect,
    credentials,
    loading_name,
    location,
    try_loading_driver,
)
from flows.destinations.postgres_copy import SharingCopyJob, close_shared
from flows.destinations.schemas import Columns, check_staging, columns_by_table, quoted, staging_name, try_schemas
from flows.source.endpoints import ROW_HASH
from flows.source.schema import MISFIT_SUFFIX

POLL_SECONDS = 0.5
OLDEST = 15
"""Oldest supported major version: the first with MERGE."""
MEMORY = re.compile(r"(\d+(kB|MB|GB))?")
WITHOUT_DELAY = """
    SELECT set_config(name, setting, false)
    FROM (VALUES ('idle_session_timeout', '0'), ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'),
                 ('tcp_keepalives_count', '3')) AS wanted (name, setting)
    WHERE name IN (SELECT name FROM pg_settings)
"""
"""The session that holds the lock is idle during the run. It must not time out, and must end soon if its host dies."""
HOLDER = """
    SELECT coalesce(host(client_addr), 'the server itself'), to_char(backend_start AT TIME ZONE 'UTC', 'HH24:MI')
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint) = %s
        AND datname = current_database()
"""
LEFT_OVER = """
    SELECT bool_and(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
    WHERE application_name = %s AND datname = current_database()
"""
"""Both views show the sessions of all databases of the server, which may have a dataset of the same name."""
SERVER = """
    SELECT current_setting('server_version_num')::int / 10000,
           current_setting('server_encoding'),
           current_setting('transaction_read_only')::bool
"""
SCHEMAS = "SELECT nspname FROM pg_namespace"
COLUMNS = """
    SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %s AND relkind IN ('r', 'p', 'f', 'v', 'm') AND attnum > 0 AND NOT attisdropped
"""
LACKING = """
    SELECT needed, string_agg(quote_ident(nspname) || '.' || quote_ident(relname), ', ' ORDER BY nspname, relname)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace,
        unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS needed
    WHERE (nspname = %(staging)s OR (nspname = %(dataset)s AND needed <> 'TRUNCATE')) AND relkind IN ('r', 'p')
        AND (left(relname, 1) = '_'
            OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = %(mark)s))
        AND NOT has_table_privilege(pg_class.oid, needed)
    GROUP BY needed ORDER BY needed
"""
"""The tables, by privilege, on which the user lacks that privilege."""


_held: dict[tuple[str, str], Any] = {}
"""This process's connections that hold a lock, by (location, dataset)."""


class JsonbClient(PostgresClient):
    """Creates JSON columns as `jsonb`. dlt creates them as `json`, because ADBC cannot copy Parquet into `jsonb`.

    Staging tables keep `json`, and the merge casts. `__v_json` columns keep `json` too: they hold values that
    `jsonb` cannot represent.
    """

    def _get_column_def_sql(self, c: Any, table: Any = None) -> str:
        if not (self.sql_client.is_staging_dataset_active or c["name"].endswith(MISFIT_SUFFIX)):
            table = {**table, "file_format": None}
        return super()._get_column_def_sql(c, table)

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """The job that loads `file_path`."""
        job = super().create_load_job(table, file_path, load_id, restore)
        return SharingCopyJob(file_path) if isinstance(job, PostgresParquetCopyJob) else job


class JsonbPostgres(dlt.destinations.postgres):
    """dlt's destination, with JSON columns as `jsonb`."""

    @property
    def client_class(self) -> type[JsonbClient]:
        """The client that creates the tables."""
        return JsonbClient


def destination(dataset: str, work_mem: str, **settings: Any) -> Any:
    """The dlt destination to load a dataset with; `settings` are passed on to dlt. Raises SettingsError."""
    if not MEMORY.fullmatch(work_mem):
        raise SettingsError(f"SOURCES__DRIP__WORK_MEM must be an amount of memory such as 256MB, not {work_mem!r}")
    return JsonbPostgres(
        credentials=credentials(dataset, work_mem),
        destination_name="postgres",
        staging_dataset_name_layout=staging_name(dataset),
        **settings,
    )


def check(dataset: str) -> None:
    """Check that the dataset can be written to. Raises SettingsError."""
    place = location(credentials())
    with closing(connect()) as connection, connection.cursor() as cursor:
        _check_server(cursor, place)
        _try_dataset(connection, cursor, dataset)
        cursor.execute(COLUMNS, (staging_name(dataset),))
        check_staging(dataset, columns_by_table(cursor.fetchall()))
        _check_rights(cursor, dataset)
    try_loading_driver(dataset)


def contents(dataset: str) -> tuple[Columns, set[str]]:
    """The columns of a dataset's tables and views, and the names of its views. Raises SettingsError."""
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute(COLUMNS, (dataset,))
        columns = columns_by_table(cursor.fetchall())
        cursor.execute("SELECT viewname FROM pg_views WHERE schemaname = %s", (dataset,))
        return columns, {name for (name,) in cursor.fetchall()}


def owner_of_view(ask: Callable[[str], Any], dataset: str, view: str) -> str:
    """The owner of a view that this user may not replace; empty if it may, or the view does not exist."""
    found = ask(
        "SELECT pg_get_userbyid(relowner) FROM pg_class "
        f"WHERE oid = to_regclass('{quoted(dataset, view)}') AND NOT pg_has_role(relowner, 'USAGE')"
    )
    return str(found[0][0]) if found else ""


def _check_server(cursor: Any, place: str) -> None:
    """Check the server's version, encoding and write access. Raises SettingsError."""
    cursor.execute(SERVER)
    version, encoding, read_only = cursor.fetchone()
    problems = {
        f"is PostgreSQL {version}, but version {OLDEST} or later is needed, for MERGE": version < OLDEST,
        f"has the encoding {encoding}, but only UTF8 can store every text": encoding != "UTF8",
        "is read-only (possibly a replica)": read_only,
    }
    for problem in (text for text, is_so in problems.items() if is_so):
        raise SettingsError(f"the database {place} {problem}: change {SETTING}")


def _try_dataset(connection: Any, cursor: Any, dataset: str) -> None:
    """Check that this user is allowed to do what a sync of the dataset does. Raises SettingsError."""
    try:
        try:
            _try_schemas(connection, cursor, dataset)
        except (psycopg2.errors.UniqueViolation, psycopg2.errors.DuplicateSchema):
            _try_schemas(connection, cursor, dataset)  # another sync has just made the schema
    except psycopg2.Error as error:
        schemas = " and ".join((dataset, staging_name(dataset)))
        raise SettingsError(
            f"the database {location(credentials())} does not let this user write to the schemas {schemas} "
            f"({first_line(error)}): change {SETTING}, the user's privileges, or --dataset"
        ) from None


def _try_schemas(connection: Any, cursor: Any, dataset: str) -> None:
    cursor.execute(SCHEMAS)
    existing = [name for (name,) in cursor.fetchall()]
    connection.autocommit = False
    try:
        try_schemas(cursor.execute, dataset, existing)
    finally:
        connection.rollback()
        connection.autocommit = True


def _check_rights(cursor: Any, dataset: str) -> None:
    """Check that this user may write to the tables of earlier syncs. Raises SettingsError."""
    cursor.execute(LACKING, {"dataset": dataset, "staging": staging_name(dataset), "mark": ROW_HASH})
    if lacking := cursor.fetchall():
        right, tables = lacking[0]
        raise SettingsError(
            f"the database {location(credentials())} does not let this user {right} in {tables}: "
            f"change {SETTING}, or the user's privileges"
        )


@contextmanager
def exclusive(dataset: str, wait: float) -> Iterator[None]:
    """Lock a dataset against other runs, on any machine, while the block runs.

    The lock is an advisory lock, which the server releases when the connection ends for any reason. Sessions that a
    killed run left active in the database are terminated first, so that they cannot write concurrently.

    Args:
        dataset: the dataset to lock, in the database of the credentials.
        wait: seconds to wait for another run.

    Raises:
        SettingsError: another run holds the lock for longer, or its sessions cannot be terminated.
    """
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute(WITHOUT_DELAY)
        _acquire(cursor, dataset, wait)
        _end_left_over(cursor, dataset)
        held = (location(credentials()), dataset)
        _held[held] = connection
        try:
            yield
        finally:
            close_shared(*held)
            del _held[held]


def _acquire(cursor: Any, dataset: str, wait: float) -> None:
    key, deadline = _lock_key(dataset), time.monotonic() + wait
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (key,))
        if cursor.fetchone()[0]:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    cursor.execute(HOLDER, (key,))
    address, since = cursor.fetchone() or ("a run that has just ended", "now")
    raise LockHeld(
        f"another sync is still writing to {location(credentials())}, dataset {dataset}, after "
        f"SOURCES__DRIP__LOCK_WAIT ({wait:.0f} s): connected from {address} since {since} UTC; "
        "wait for it to end, or stop it"
    )


def _end_left_over(cursor: Any, dataset: str) -> None:
    try:
        cursor.execute(LEFT_OVER, (loading_name(dataset),))
        (ended,) = cursor.fetchone()
    except psycopg2.Error:
        ended = False
    if ended is False:
        raise SettingsError(
            f"a load whose run was killed is still active in {location(credentials())} and could not be terminated: "
            f"terminate the sessions there whose application_name is {loading_name(dataset)!r}"
        )


def _lock_key(dataset: str) -> int:
    """The key of the dataset's advisory lock, unique within a database: a positive 63-bit number."""
    return int.from_bytes(hashlib.blake2b(f"drip-flows {dataset}".encode(), digest_size=8).digest()) >> 1


def check_lock_is_held(dataset: str) -> None:
    """Check that the lock, if this process took it, is still held. Raises SettingsError."""
    place = location(credentials())
    connection = _held.get((place, dataset))
    if connection is None:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        raise SettingsError(
            f"the connection to {place} that held this run's lock was lost, so another run may have started; "
            "the landed pages are kept: run again"
        ) from None
