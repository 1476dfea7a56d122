"""PostgreSQL as the destination: its connection, its lock, its checks, and JSON as `jsonb`.

The credentials are dlt's: `DESTINATION__POSTGRES__CREDENTIALS`. Needs the extra `postgres`.
"""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import dlt
import psycopg2
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from dlt.destinations.impl.postgres.postgres import PostgresClient

from flows.scrubbing import remember, remember_credentials, scrub
from flows.source.errors import SettingsError
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
RIGHTS = """
    SELECT current_setting('server_version_num')::int / 10000,
           current_setting('server_encoding'),
           current_setting('transaction_read_only')::bool,
           has_database_privilege(current_database(), 'CREATE')
               OR count(*) FILTER (WHERE has_schema_privilege(oid, 'CREATE')) = 2
    FROM pg_namespace WHERE nspname IN (%s, %s)
"""


@configspec(init=False)
class UrlCredentials(PostgresCredentials):
    """dlt's credentials, as a URL that every driver reads alike.

    SQLAlchemy, which dlt has write the URL, leaves spaces in the password and the database and turns those of options
    into `+`. psycopg2 takes some of that; the libpq within ADBC's driver takes none of it.
    """

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
        place = f"{user}{password}@{host}" + (f":{url.port}" if url.port else "")
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
    return f"{found.host}:{found.port}/{found.database}"


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
    return JsonbPostgres(credentials=credentials(dataset, work_mem), destination_name="postgres", **settings)


def check(dataset: str) -> None:
    """Make sure that the dataset can be written to, and that its lock was not lost. Raises SettingsError."""
    place = location(credentials())
    if (place, dataset) in _held:
        _check_lock(_held[place, dataset])
    with closing(connect()) as connection, connection.cursor() as cursor:
        cursor.execute(RIGHTS, (dataset, f"{dataset}_staging"))
        version, encoding, read_only, may_create = cursor.fetchone()
    _try_loading_driver(dataset)
    problems = {
        f"is PostgreSQL {version}, and {OLDEST} is the oldest that knows MERGE": version < OLDEST,
        f"has the encoding {encoding}, and only UTF8 holds every text": encoding != "UTF8",
        "takes no writes (a replica, perhaps)": read_only,
        f"does not let this user create the schemas {dataset} and {dataset}_staging": not may_create,
    }
    for problem in (text for text, is_so in problems.items() if is_so):
        raise SettingsError(f"the database {place} {problem}: change {SETTING}, or what it may do")


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
