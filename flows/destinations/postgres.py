"""PostgreSQL as the destination: its lock, its checks, and JSON as `jsonb`. Needs the extra `postgres`."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import dlt
import psycopg2
from dlt.destinations.impl.postgres.postgres import PostgresClient

from flows.common.errors import SettingsError, first_line
from flows.destinations.postgres_connection import (
    SETTING,
    connect,
    credentials,
    loading_name,
    location,
    try_loading_driver,
)
from flows.destinations.schemas import Columns, check_staging, columns_by_table, quoted, staging_name, try_schemas
from flows.source.endpoints import ROW_HASH
from flows.source.schema import MISFIT_SUFFIX

POLL_SECONDS = 0.5
OLDEST = 15
"""The major version from which on PostgreSQL knows MERGE."""
MEMORY = re.compile(r"(\d+(kB|MB|GB))?")
WITHOUT_DELAY = """
    SELECT set_config(name, setting, false)
    FROM (VALUES ('idle_session_timeout', '0'), ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'),
                 ('tcp_keepalives_count', '3')) AS wanted (name, setting)
    WHERE name IN (SELECT name FROM pg_settings)
"""
"""The lock is held by an idle session for as long as a run takes, and has to go soon if the run's machine does."""
HOLDER = """
    SELECT coalesce(host(client_addr), 'the server itself'), to_char(backend_start AT TIME ZONE 'UTC', 'HH24:MI')
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint) = %s
"""
LEFT_OVER = "SELECT bool_and(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE application_name = %s"
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
"""By right, the tables of a sync that the user lacks it on."""


_held: dict[tuple[str, str], Any] = {}
"""By database and dataset, the connections of this process that hold its lock."""


class JsonbClient(PostgresClient):
    """Makes JSON columns `jsonb` where dlt would make them `json`, since its fast path cannot copy into `jsonb`.

    The staging tables that it copies into stay `json`, and the merge casts. So do misfits: what `jsonb` cannot hold
    is kept there as it came.
    """

    def _get_column_def_sql(self, c: Any, table: Any = None) -> str:
        if not (self.sql_client.is_staging_dataset_active or c["name"].endswith(MISFIT_SUFFIX)):
            table = {**table, "file_format": None}
        return super()._get_column_def_sql(c, table)


class JsonbPostgres(dlt.destinations.postgres):
    """dlt's destination, with JSON as `jsonb`."""

    @property
    def client_class(self) -> type[JsonbClient]:
        """What creates the tables."""
        return JsonbClient


def destination(dataset: str, work_mem: str, **settings: Any) -> Any:
    """The dlt destination that a dataset is loaded with, and with what else dlt can set there. Raises SettingsError."""
    if not MEMORY.fullmatch(work_mem):
        raise SettingsError(f"SOURCES__DRIP__WORK_MEM is no amount of memory such as 256MB: {work_mem!r}")
    return JsonbPostgres(
        credentials=credentials(dataset, work_mem),
        destination_name="postgres",
        staging_dataset_name_layout=staging_name(dataset),
        **settings,
    )


def check(dataset: str) -> None:
    """Make sure that the dataset can be written to. Raises SettingsError."""
    place = location(credentials())
    with closing(connect()) as connection, connection.cursor() as cursor:
        _check_server(cursor, place)
        _try_dataset(connection, cursor, dataset)
        cursor.execute(COLUMNS, (staging_name(dataset),))
        check_staging(dataset, columns_by_table(cursor.fetchall()))
        _check_rights(cursor, dataset)
    try_loading_driver(dataset)


def contents(dataset: str) -> tuple[Columns, set[str]]:
    """The columns of the tables and views in a dataset, and which of them are views. Raises SettingsError."""
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute(COLUMNS, (dataset,))
        columns = columns_by_table(cursor.fetchall())
        cursor.execute("SELECT viewname FROM pg_views WHERE schemaname = %s", (dataset,))
        return columns, {name for (name,) in cursor.fetchall()}


def owner_of_view(ask: Callable[[str], Any], dataset: str, view: str) -> str:
    """Who owns a view, if this user may not replace it; nothing where it may, or the view is not there."""
    found = ask(
        "SELECT pg_get_userbyid(relowner) FROM pg_class "
        f"WHERE oid = to_regclass('{quoted(dataset, view)}') AND NOT pg_has_role(relowner, 'USAGE')"
    )
    return str(found[0][0]) if found else ""


def _check_server(cursor: Any, place: str) -> None:
    """Refuse a server that no dataset could be kept on. Raises SettingsError."""
    cursor.execute(SERVER)
    version, encoding, read_only = cursor.fetchone()
    problems = {
        f"is PostgreSQL {version}, and {OLDEST} is the oldest that knows MERGE": version < OLDEST,
        f"has the encoding {encoding}, and only UTF8 holds every text": encoding != "UTF8",
        "takes no writes (a replica, perhaps)": read_only,
    }
    for problem in (text for text, is_so in problems.items() if is_so):
        raise SettingsError(f"the database {place} {problem}: change {SETTING}")


def _try_dataset(connection: Any, cursor: Any, dataset: str) -> None:
    """Have PostgreSQL say whether this user may do what a sync of the dataset does. Raises SettingsError."""
    try:
        try:
            _try_schemas(connection, cursor, dataset)
        except (psycopg2.errors.UniqueViolation, psycopg2.errors.DuplicateSchema):
            _try_schemas(connection, cursor, dataset)  # another sync has just made the schema
    except psycopg2.Error as error:
        schemas = " and ".join((dataset, staging_name(dataset)))
        raise SettingsError(
            f"the database {location(credentials())} does not let this user fill the schemas {schemas} "
            f"({first_line(error)}): change {SETTING}, what the user may do, or --dataset"
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
    """Refuse tables of earlier syncs that this user could not write to. Raises SettingsError."""
    cursor.execute(LACKING, {"dataset": dataset, "staging": staging_name(dataset), "mark": ROW_HASH})
    if lacking := cursor.fetchall():
        right, tables = lacking[0]
        raise SettingsError(
            f"the database {location(credentials())} does not let this user {right} in {tables}: "
            f"change {SETTING}, or what the user may do"
        )


@contextmanager
def exclusive(dataset: str, wait: float) -> Iterator[None]:
    """Keep other runs out of a dataset, on whatever machine they are, for as long as the block lasts.

    The lock is an advisory one, which the server frees when the connection ends, however it does. What a killed run
    left at work on the server is ended first: it must not write beside this run.

    Args:
        dataset: what is locked, in the database of the credentials.
        wait: seconds to wait for the other run.

    Raises:
        SettingsError: another run is at it for longer.
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
    raise SettingsError(
        f"another sync is writing to {location(credentials())}, dataset {dataset}, for longer than "
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
            f"a load that was killed is still at work in {location(credentials())} and could not be ended: end the "
            f"sessions there whose application_name is {loading_name(dataset)!r}"
        )


def _lock_key(dataset: str) -> int:
    """A number that only this dataset's lock has; locks are of one database each. Positive, in 63 bits."""
    return int.from_bytes(hashlib.blake2b(f"drip-flows {dataset}".encode(), digest_size=8).digest()) >> 1


def check_lock_is_held(dataset: str) -> None:
    """Make sure that the lock of this process, if it took one, was not lost. Raises SettingsError."""
    place = location(credentials())
    connection = _held.get((place, dataset))
    if connection is None:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        raise SettingsError(
            f"the connection to {place} that held this run's lock broke, so another run may be at "
            "work; what landed is kept: run again"
        ) from None
