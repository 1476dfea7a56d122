"""Destinations that dlt's configuration alone describes: MotherDuck, Snowflake, BigQuery, Delta tables.

Each is found by the name that `flows.destinations.catalogue` has for it. They have no lock that other machines see.
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
"""Attributes of dlt's credentials."""


def destination(name: str, dataset: str) -> Any:
    """The dlt destination that a dataset is loaded with. Files are merged without staging."""
    if DESTINATIONS[name].is_files:
        return dlt.destinations.filesystem()
    made = BoundMotherDuck if name == "motherduck" else getattr(dlt.destinations, name)
    return made(destination_name=name, staging_dataset_name_layout=staging_name(dataset))


def location(name: str) -> str:
    """Where it is, without secrets. Raises SettingsError where dlt is not told."""
    return DESTINATIONS[name].place(_configuration(name, "drip"))


def check(name: str, dataset: str) -> None:
    """Reach it once, before a request is spent. Raises SettingsError, in its own words without secrets."""
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
        # Each driver has errors of its own, and some of them no common base.
        place, setting = DESTINATIONS[name].place(config), DESTINATIONS[name].setting
        raise SettingsError(f"cannot reach {place}: {scrub(first_line(error))}; check {setting}") from None


def _make_schemas(client: Any, dataset: str) -> None:
    """Make the schemas where they are not there, and look at what is staged in. Raises SettingsError."""
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
    """What a run locks, so that no other run of this user on this machine writes beside it."""
    named = f"{_user()}\0{place}\0{dataset}"
    digest = hashlib.blake2b(named.encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"drip-flows-{digest}.sync-lock"


def _user() -> str:
    """The user's name, or the number where the system has no name for it, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the latter from Python 3.13 on
        return str(os.getuid())


def _configuration(name: str, dataset: str) -> Any:
    found = destination(name, dataset)
    try:
        config = found.configuration(found.spec()._bind_dataset_name(dataset))
        remember(*(str(value) for secret in SECRETS if (value := getattr(config.credentials, secret, None))))
        return config
    except (ConfigurationException, ValueError):
        # Their words may repeat what they could not read.
        kind = DESTINATIONS[name]
        raise SettingsError(f"{kind.title} is not configured: set {kind.setting}, as dlt's page on it says") from None
