"""The jobs that copy Parquet files into PostgreSQL, which share what ADBC knows of the server.

For each ADBC database object, the driver reads all types and columns of the server. dlt makes one for each file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from dlt.destinations.impl.postgres.factory import get_adbc_driver_location
from dlt.destinations.impl.postgres.postgres import PostgresParquetCopyJob

from flows.destinations.postgres_connection import UrlCredentials, loading_name, location

_first: dict[tuple[str, str], Any] = {}
"""The first ADBC connection by location and `application_name`. The connections of the jobs share its database object,
which it keeps."""
_opening = Lock()
"""The driver counts the connections of a database object without a lock."""


class SharingCopyJob(PostgresParquetCopyJob):
    """dlt's job, with a connection that shares the database object of the other jobs."""

    @contextmanager
    def _connect(self) -> Iterator[Any]:  # type: ignore[override]  # dlt only uses it in a `with`
        found: Any = self._job_client.config.credentials
        with _opening:
            connection = _shared(found).adbc_clone()
        try:
            yield connection
        finally:
            with _opening:
                connection.close()


def close_shared(place: str, dataset: str) -> None:
    """Close the first connection of the loads of a dataset at a location, if there is one."""
    with _opening:
        if connection := _first.pop((place, loading_name(dataset)), None):
            connection.close()


def _shared(found: UrlCredentials) -> Any:
    from adbc_driver_manager import dbapi

    key = location(found), str((found.query or {}).get("application_name"))
    if key not in _first:
        address = {"uri": found.to_native_representation()}
        # Autocommit, so that it is not idle in a transaction, which servers may limit.
        _first[key] = dbapi.connect(driver=get_adbc_driver_location(), db_kwargs=address, autocommit=True)
    return _first[key]
