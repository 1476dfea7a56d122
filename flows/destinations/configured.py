"""Destinations that need nothing beyond dlt's configuration: MotherDuck, Snowflake, BigQuery, Delta tables.

Functions take the name from `flows.destinations.catalogue`. The lock only excludes other runs on the same machine.
"""

import getpass
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.schema import Schema

from flows.common.errors import SettingsError, first_line
from flows.common.scrubbing import remember, scrub
from flows.destinations.catalogue import DESTINATIONS
from flows.destinations.duckdb import BoundMotherDuck
from flows.destinations.schemas import DLT_LOADS, DLT_VERSION, check_staging, staging_name
from flows.source.endpoints import ENDPOINTS

SECRETS = ("password", "token", "private_key", "private_key_passphrase", "aws_secret_access_key")
"""Attributes of dlt's credentials that hold secrets."""


def destination(name: str, dataset: str) -> Any:
    """The dlt destination to load a dataset with. Only databases have a staging dataset."""
    if DESTINATIONS[name].is_files:
        return dlt.destinations.filesystem()
    made = BoundMotherDuck if name == "motherduck" else getattr(dlt.destinations, name)
    return made(destination_name=name, staging_dataset_name_layout=staging_name(dataset))


def location(name: str) -> str:
    """The location, without secrets. Raises SettingsError if the destination is not configured."""
    return DESTINATIONS[name].place(_configuration(name, "drip"))


def check(name: str, dataset: str) -> None:
    """Connect once, before any API request. Raises SettingsError with the driver's message, secrets removed."""
    config = _configuration(name, dataset)
    try:
        client = destination(name, dataset).client(Schema(dataset), config)
        if DESTINATIONS[name].is_files:
            client.fs_client.makedirs(client.bucket_path, exist_ok=True)
            return
        with client:
            _make_schemas(client, dataset)
    except SettingsError:
        raise
    except Exception as error:
        # Each driver raises its own errors, some without a common base class.
        place, setting = DESTINATIONS[name].place(config), DESTINATIONS[name].setting
        raise SettingsError(f"cannot reach {place}: {scrub(first_line(error))}; check {setting}") from None


def _make_schemas(client: Any, dataset: str) -> None:
    """Create the schemas if they are missing, and check the staging schema. Raises SettingsError."""
    tables = [DLT_VERSION, DLT_LOADS, *ENDPOINTS]
    if not client.sql_client.has_dataset():
        client.sql_client.create_dataset()
    with client.with_staging_dataset():
        if client.sql_client.has_dataset():
            found = {
                table: {name.lower() for name in columns}
                for table, columns in client.get_storage_tables(tables)
                if columns
            }
            check_staging(dataset, found)
        else:
            client.sql_client.create_dataset()


def lock_file(place: str, dataset: str) -> Path:
    """The lock file, which excludes other runs of this user on this machine."""
    named = f"{_user()}\0{place}\0{dataset}"
    digest = hashlib.blake2b(named.encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"drip-flows-{digest}.sync-lock"


def _user() -> str:
    """The user name, or the user id if it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13
        return str(os.getuid())


def _configuration(name: str, dataset: str) -> Any:
    found = destination(name, dataset)
    try:
        config = found.configuration(found.spec()._bind_dataset_name(dataset))
        remember(*(str(value) for secret in SECRETS if (value := getattr(config.credentials, secret, None))))
        return config
    except (ConfigurationException, ValueError):
        # The message is left out, since it may contain the value that could not be parsed.
        kind = DESTINATIONS[name]
        raise SettingsError(f"{kind.title} is not configured: set {kind.setting} as dlt documents it") from None
