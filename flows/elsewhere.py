"""Destinations that dlt's configuration alone describes: MotherDuck, Snowflake, BigQuery, Delta tables.

Each is found by the name that `flows.warehouses` has for it. They have no lock that other machines see.
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

from flows.source.errors import SettingsError, first_line
from flows.warehouses import WAREHOUSES

SECRETS = ("password", "token", "private_key")


def destination(name: str) -> Any:
    """The dlt destination."""
    return dlt.destinations.filesystem() if WAREHOUSES[name].is_files else getattr(dlt.destinations, name)()


def location(name: str) -> str:
    """Where it is, without secrets. Raises SettingsError where dlt is not told."""
    return WAREHOUSES[name].place(_configuration(name, "drip"))


def check(name: str, dataset: str) -> None:
    """Reach it once, before a request is spent. Raises SettingsError, in its own words without secrets."""
    config = _configuration(name, dataset)
    try:
        client = destination(name).client(Schema(dataset), config)
        if WAREHOUSES[name].is_files:
            client.fs_client.makedirs(client.bucket_path, exist_ok=True)
            return
        with client.sql_client as connected:
            connected.execute_sql("SELECT 1")
    except Exception as error:
        # Each driver has errors of its own, and some of them no common base.
        place, setting = WAREHOUSES[name].place(config), WAREHOUSES[name].setting
        raise SettingsError(f"cannot reach {place}: {_words(error, config)}; check {setting}") from None


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
    found = destination(name)
    try:
        return found.configuration(found.spec()._bind_dataset_name(dataset))
    except (ConfigurationException, ValueError):
        # Their words may repeat what they could not read.
        kind = WAREHOUSES[name]
        raise SettingsError(f"{kind.title} is not configured: set {kind.setting}, as dlt's page on it says") from None


def _words(error: Exception, config: Any) -> str:
    words = first_line(error)
    for secret in (getattr(config.credentials, name, None) for name in SECRETS):
        words = words.replace(str(secret), "***") if secret else words
    return words
