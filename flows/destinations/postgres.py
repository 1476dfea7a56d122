"""PostgreSQL as the destination: its connection, its lock, its checks, and JSON as `jsonb`.

The credentials are dlt's: `DESTINATION__POSTGRES__CREDENTIALS`. Needs the extra `postgres`.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import dlt
import psycopg2
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.typing import TSecretStrValue
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from dlt.destinations.impl.postgres.postgres import PostgresClient

from flows.common.errors import SettingsError, first_line
from flows.common.scrubbing import remember, remember_credentials, scrub
from flows.destinations.schemas import Columns, check_staging, columns_by_table, quoted, staging_name, try_schemas
from flows.source.endpoints import ROW_HASH
from flows.source.schema import MISFIT_SUFFIX

SETTING = "DESTINATION__POSTGRES__CREDENTIALS"
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


@configspec(init=False)
class UrlCredentials(PostgresCredentials):
    """dlt's credentials, as a URL that every driver reads alike.

    SQLAlchemy, which dlt has write the URL, leaves spaces in the password and the database and turns those of options
    into `+`. psycopg2 takes some of that; the libpq within ADBC's driver takes none of it.

    User, password and host are optional: libpq finds them by itself (`PGUSER`, `PGPASSWORD`, `PGPASSFILE`, a socket).
    """

    username: str | None = None  # type: ignore[assignment]
    password: TSecretStrValue | None = None  # type: ignore[assignment]
    host: str | None = None  # type: ignore[assignment]

    def parse_native_representation(self, native_value: Any) -> None:
        """Take the URL without the white space around it."""
        remember_credentials(str(native_value))
        super().parse_native_representation(native_value.strip() if isinstance(native_value, str) else native_value)
        remember(self.password)

    def to_native_representation(self) -> str:
        """The URL, with everything but its separators encoded where it has to be."""
        url = self.to_url()
        user = quote(url.username or "", safe="")
        password = f":{quote(str(url.password), safe='')}" if url.password else ""
        host = f"[{url.host}]" if ":" in (url.host or "") else quote(url.host or "", safe=".,-_")
        login = f"{user}{password}@" if user or password else ""
        place = f"{login}{host}" + (f":{url.port}" if url.port else "")
        query = urlencode(dict(url.query), doseq=True, quote_via=quote)
        return f"{url.drivername}://{place}/{quote(url.database or '', safe='')}?{query}"


_held: dict[tuple[str, str], Any] = {}
"""By database and dataset, the connections of this process that hold its lock."""


def credentials(dataset: str = "", work_mem: str = "") -> UrlCredentials:
    """The credentials as dlt finds them; with a dataset, marked as the loading connections of it.

    Args:
        dataset: whose load it is for. Whoever takes the dataset's lock ends connections so marked.
        work_mem: memory of one sort or hash of the load, as PostgreSQL writes it; empty leaves the server's own.

    Raises:
        SettingsError: they are missing or no URL; the message holds none of them.
    """
    try:
        found = resolve_configuration(UrlCredentials(), sections=("destination", "postgres", "credentials"))
    except (ConfigurationException, ValueError):
        raise SettingsError(f"set {SETTING} to a URL, postgresql://user:password@host:5432/database") from None
    if not found.host:  # dlt needs one; libpq prefers that of the query, where an empty one is its default socket
        found.host, found.query = "localhost", {"host": os.environ.get("PGHOST", ""), **(found.query or {})}
    if dataset:
        own = found.query or {}
        memory = [f"-cwork_mem={work_mem}"] if work_mem else []
        options = " ".join([*memory, *([own["options"]] if own.get("options") else [])])  # the last one wins
        found.query = {**own, **({"options": options} if options else {}), "application_name": loading_name(dataset)}
    return found


def loading_name(dataset: str) -> str:
    """The `application_name` of the connections that load a dataset, in letters that a URL carries unchanged."""
    return f"drip-flows-load-{hashlib.blake2b(dataset.encode(), digest_size=6).hexdigest()}"


def location(found: PostgresCredentials) -> str:
    """Where it is, without secrets."""
    query = found.query or {}
    return f"{query.get('host') or found.host}:{query.get('port', found.port)}/{found.database}"


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
    """Make sure that the dataset can be written to, and that its lock was not lost. Raises SettingsError."""
    place = location(credentials())
    if (place, dataset) in _held:
        _check_lock(_held[place, dataset])
    with closing(connect()) as connection, connection.cursor() as cursor:
        _check_server(cursor, place)
        _try_dataset(connection, cursor, dataset)
        cursor.execute(COLUMNS, (staging_name(dataset),))
        check_staging(dataset, columns_by_table(cursor.fetchall()))
        _check_rights(cursor, dataset)
    _try_loading_driver(dataset)


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


def _check_lock(connection: Any) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        raise SettingsError(
            f"the connection to {location(credentials())} that held this run's lock broke, so another run may be at "
            "work; what landed is kept: run again"
        ) from None


def _try_loading_driver(dataset: str) -> None:
    """Connect once as the load will, with ADBC's driver and everything that the load sets. Raises SettingsError."""
    try:
        from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]
    except ImportError:
        raise SettingsError("PostgreSQL needs the extra: pip install 'drip-flows[postgres]'") from None
    found = credentials(dataset)
    try:
        dbapi.connect(found.to_native_representation()).close()
    except dbapi.Error as error:
        raise _cannot_connect(found, error) from None


def _cannot_connect(found: PostgresCredentials, error: Exception) -> SettingsError:
    """The server's or driver's own words, without secrets."""
    words = " ".join(scrub(str(error)).split())
    return SettingsError(f"cannot connect to {location(found)}: {words}; check {SETTING}")


def connect() -> Any:
    """A connection in autocommit. Raises SettingsError, in the server's own words."""
    found = credentials()
    try:
        connection = psycopg2.connect(found.to_native_representation())
    except psycopg2.Error as error:
        raise _cannot_connect(found, error) from None
    connection.autocommit = True
    return connection
