"""Connections to PostgreSQL, with dlt's setting `DESTINATION__POSTGRES__CREDENTIALS`."""

import hashlib
import os
from typing import Any
from urllib.parse import quote, urlencode

import psycopg2
import psycopg2.extras
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.typing import TSecretStrValue
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from flows.common.errors import SettingsError
from flows.common.scrubbing import remember, remember_credentials, scrub

SETTING = "DESTINATION__POSTGRES__CREDENTIALS"


@configspec(init=False)
class UrlCredentials(PostgresCredentials):
    """dlt's credentials, written as a URL that all drivers parse the same way.

    dlt formats the URL with SQLAlchemy, which does not encode spaces in the password and database name and encodes
    those in options as `+`. psycopg2 accepts some of that; the libpq in ADBC's driver accepts none of it.

    User, password and host are optional: libpq has defaults for them (`PGUSER`, `PGPASSWORD`, `PGPASSFILE`, a socket).
    """

    username: str | None = None  # type: ignore[assignment]
    password: TSecretStrValue | None = None  # type: ignore[assignment]
    host: str | None = None  # type: ignore[assignment]

    def parse_native_representation(self, native_value: Any) -> None:
        """Parse the URL, ignoring surrounding white space."""
        remember_credentials(str(native_value))
        super().parse_native_representation(native_value.strip() if isinstance(native_value, str) else native_value)
        remember(self.password)

    def to_native_representation(self) -> str:
        """The URL, with every part percent-encoded."""
        url = self.to_url()
        user = quote(url.username or "", safe="")
        password = f":{quote(str(url.password), safe='')}" if url.password else ""
        host = f"[{url.host}]" if ":" in (url.host or "") else quote(url.host or "", safe=".,-_")
        login = f"{user}{password}@" if user or password else ""
        place = f"{login}{host}" + (f":{url.port}" if url.port else "")
        query = urlencode(dict(url.query), doseq=True, quote_via=quote)
        return f"{url.drivername}://{place}/{quote(url.database or '', safe='')}?{query}"


CHECKING = "drip-flows-check"
"""The `application_name` of a check, which needs no lock: the next run that takes it must not end this connection."""


def credentials(dataset: str = "", work_mem: str = "") -> UrlCredentials:
    """The credentials as dlt resolves them.

    Args:
        dataset: the dataset to load, if any; sets `application_name`. The next run that takes the dataset's lock
            ends connections with that name.
        work_mem: memory for each sort or hash of the load, in PostgreSQL's notation; empty for the server's setting.

    Raises:
        SettingsError: they are missing or not a URL; the message contains no part of them.
    """
    try:
        found = resolve_configuration(UrlCredentials(), sections=("destination", "postgres", "credentials"))
    except (ConfigurationException, ValueError):
        raise SettingsError(f"set {SETTING} to a URL, postgresql://user:password@host:5432/database") from None
    if not found.host:  # dlt requires a host; libpq prefers the one in the query, where empty is the default socket
        found.host, found.query = "localhost", {"host": os.environ.get("PGHOST", ""), **(found.query or {})}
    if dataset:
        own = found.query or {}
        memory = [f"-cwork_mem={work_mem}"] if work_mem else []
        options = " ".join([*memory, *([own["options"]] if own.get("options") else [])])  # the last one wins
        found.query = {**own, **({"options": options} if options else {}), "application_name": loading_name(dataset)}
    return found


def loading_name(dataset: str) -> str:
    """The `application_name` of connections that load a dataset; it needs no URL encoding."""
    return f"drip-flows-load-{hashlib.blake2b(dataset.encode(), digest_size=6).hexdigest()}"


def location(found: PostgresCredentials) -> str:
    """The database's location, without secrets."""
    query = found.query or {}
    return f"{query.get('host') or found.host}:{query.get('port', found.port)}/{found.database}"


def try_loading_driver(dataset: str) -> None:
    """Connect once like the load, with ADBC's driver and the load's settings. Raises SettingsError."""
    try:
        from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]
    except ImportError:
        raise SettingsError("PostgreSQL needs the extra: pip install 'drip-flows[postgres]'") from None
    found = credentials(dataset)
    found.query = {**(found.query or {}), "application_name": CHECKING}
    try:
        dbapi.connect(found.to_native_representation()).close()
    except dbapi.Error as error:
        raise _cannot_connect(found, error) from None


def _cannot_connect(found: PostgresCredentials, error: Exception) -> SettingsError:
    """An error with the server's or driver's message, secrets removed."""
    words = " ".join(scrub(str(error)).split())
    return SettingsError(f"cannot connect to {location(found)}: {words}; check {SETTING}")


def connect() -> Any:
    """A connection in autocommit mode. Raises SettingsError with the server's message."""
    found = credentials()
    try:
        connection = psycopg2.connect(found.to_native_representation())
    except psycopg2.Error as error:
        raise _cannot_connect(found, error) from None
    connection.autocommit = True
    return connection


def return_json_as_text(connection: Any) -> None:
    """Make a connection return JSON as text, as DuckDB does. Arrow cannot hold objects of any shape in one column."""
    for register in (psycopg2.extras.register_default_json, psycopg2.extras.register_default_jsonb):
        register(connection, loads=str)
