"""Checks of the environment before the first request: certificates, home directory, header values."""

import functools
import os
import ssl
from pathlib import Path

from flows.common.errors import SettingsError

API_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables with the path of trusted certificates, in order: those of `requests`, then the one that Prefect uses."""
CERTIFICATES = (*API_CERTIFICATES, "PREFECT_API_SSL_CERT_FILE")


def certificates() -> str | None:
    """The file or folder of trusted certificates, if set in the environment.

    Raises:
        SettingsError: the certificates cannot be used.
    """
    variable = next((name for name in API_CERTIFICATES if os.environ.get(name)), None)
    if variable is None:
        return None
    _check_certificates(variable)
    return os.environ[variable]


def check_certificates() -> None:
    """Check the certificates in all variables. Raises SettingsError for the first that cannot be used."""
    for variable in CERTIFICATES:
        if os.environ.get(variable):
            _check_certificates(variable)


def _check_certificates(variable: str) -> None:
    place = Path(os.environ[variable])
    if place.is_dir():
        return
    try:
        _read_certificates(place, place.stat().st_mtime_ns)
    except OSError as error:  # includes ssl.SSLError
        is_ssl = isinstance(error, ssl.SSLError)
        reason = "it contains no certificates" if is_ssl else f"{error.strerror}"
        raise SettingsError(
            f"cannot use the certificates in {place.absolute()} ({reason}): change {variable}"
        ) from None


@functools.cache
def _read_certificates(place: Path, modified: int) -> None:
    """Read a file of certificates, which takes 20 ms, once until it is modified. Raises OSError."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(place)


def check_home() -> None:
    """Check that the user has a home directory, which Prefect needs to be imported. Raises SettingsError."""
    try:
        Path.home()
    except RuntimeError:
        raise SettingsError("this user has no home directory: set HOME to a writable folder") from None


def check_header(setting: str, value: str) -> None:
    """Check that a value can be sent in an HTTP header. Raises SettingsError, without the value."""
    for place, character in enumerate(value, 1):
        if not character.isprintable() or ord(character) > 0xFF:
            raise SettingsError(
                f"{setting} cannot be sent in an HTTP header: it has U+{ord(character):04X} at position {place}"
            )
