"""Checks of single settings."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from flows.common.errors import SettingsError, unknown
from flows.common.scrubbing import remember
from flows.source.endpoints import ENDPOINTS, HISTORIC
from flows.source.environment_checks import check_header

SCHEMA_MODES = ("evolve", "freeze")


def checked_url(url: str) -> str:
    """`url` without a slash at its end. Raises SettingsError where it is none, or holds what it should not."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if "@" in url:
        raise SettingsError("SOURCES__DRIP__BASE_URL contains credentials: use SOURCES__DRIP__API_KEY instead")
    if not is_url or "?" in url or "#" in url:
        raise SettingsError(f"SOURCES__DRIP__BASE_URL is not a valid base URL: {url!r}")
    return url.rstrip("/")


def check_history(resources: Iterable[str], origin: str) -> None:
    """Check that these resources can have a history. Raises SettingsError naming the `origin` of the names."""
    for name in resources:
        if name not in HISTORIC:
            raise unknown(f"resource in {origin}", name, HISTORIC)


def check_optional(resources: Iterable[str], origin: str) -> None:
    """Refuse names of resources that are none. Raises SettingsError, with the `origin` of the names."""
    for name in resources:
        if name not in ENDPOINTS:
            raise unknown(f"resource in {origin}", name, [one for one in ENDPOINTS if ENDPOINTS[one].optional])


def check_schema(mode: str) -> None:
    """Check how the schema may change. Raises SettingsError."""
    if mode not in SCHEMA_MODES:
        raise unknown("mode in SOURCES__DRIP__SCHEMA", mode, SCHEMA_MODES)


def checked_credential(setting: str, value: str | None) -> str | None:
    """`value` without surrounding white space, such as a pasted line break.

    Raises:
        SettingsError: it cannot be sent in an HTTP header; the message only names the character.
    """
    remember(value)
    stripped = value.strip() if value else value
    remember(stripped)
    check_header(setting, stripped or "")
    return stripped
