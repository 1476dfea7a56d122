"""What the environment has to get right for requests: certificates, and text that can be sent in a header."""

import os
import ssl
from pathlib import Path

from flows.common.errors import SettingsError

API_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name the certificates to trust: those of `requests`, then the one that Prefect goes by."""
CERTIFICATES = (*API_CERTIFICATES, "PREFECT_API_SSL_CERT_FILE")


def certificates() -> str | None:
    """The file or folder of certificates that the API's has to match, if the environment names one.

    Raises:
        SettingsError: it cannot be used.
    """
    variable = next((name for name in API_CERTIFICATES if os.environ.get(name)), None)
    if variable is None:
        return None
    _check_certificates(variable)
    return os.environ[variable]


def check_certificates() -> None:
    """Raise SettingsError for the first variable that names certificates which cannot be used."""
    for variable in CERTIFICATES:
        if os.environ.get(variable):
            _check_certificates(variable)


def _check_certificates(variable: str) -> None:
    place = Path(os.environ[variable])
    if place.is_dir():
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(place)
    except OSError as error:  # so is ssl.SSLError
        is_ssl = isinstance(error, ssl.SSLError)
        reason = "it holds no certificates" if is_ssl else f"{error.strerror}"
        raise SettingsError(
            f"cannot use the certificates in {place.absolute()} ({reason}): change {variable}"
        ) from None


def check_home() -> None:
    """Raise SettingsError where the user has no home directory, without which Prefect cannot be imported."""
    try:
        Path.home()
    except RuntimeError:
        raise SettingsError("this user has no home directory: set HOME to a folder that can be written to") from None


def check_header(setting: str, value: str) -> None:
    """Refuse text that cannot be sent in an HTTP header. Raises SettingsError, which does not repeat the text."""
    for place, character in enumerate(value, 1):
        if not character.isprintable() or ord(character) > 0xFF:
            raise SettingsError(
                f"{setting} has a character that no HTTP header can carry: U+{ord(character):04X}, at position {place}"
            )
