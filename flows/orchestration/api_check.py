"""Check that Prefect is usable before a flow is run. Prefect itself would retry for minutes and print tracebacks."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from prefect.client.base import ServerType
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, PREFECT_HOME, temporary_settings

from flows.common.error_message import innermost
from flows.common.errors import SettingsError

NO_API = (
    "PREFECT_API_URL is not set: using Prefect's database in {home}, which takes half a minute. To use a server, run "
    "`prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api` first"
)
ANSWER_SECONDS = 5.0
"""Time allowed for Prefect's API to answer. It takes milliseconds, or about a second on a slow network."""


def check_prefect(say: Callable[[str], None] | None = None) -> None:
    """Check that Prefect's API answers or, if none is configured, that Prefect's home folder is writable.

    Args:
        say: is told if no API is configured, and what happens then.

    Raises:
        SettingsError: the check failed; names the setting to change.
    """
    if url := PREFECT_API_URL.value():
        _check_answers(url)
    else:
        _check_writable(PREFECT_HOME.value())
        if say:
            say(NO_API.format(home=PREFECT_HOME.value()))


def api_url() -> str:
    """The address of Prefect's API, without credentials; empty if none is configured."""
    return _without_credentials(PREFECT_API_URL.value() or "")


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _check_answers(url: str) -> None:
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            _ask()
    except Exception as error:
        raise SettingsError(
            f"Prefect's API does not answer at {_without_credentials(url)} ({_reason(error)}): start it, or change "
            "PREFECT_API_URL"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return innermost(error)


def _ask() -> None:
    """Request the version of Prefect's API; on Prefect Cloud, which has none, its health check."""
    settings: dict[str, Any] = {"timeout": ANSWER_SECONDS}
    with get_client(httpx_settings=settings, sync_client=True) as client:
        if client.server_type == ServerType.CLOUD:
            if error := client.api_healthcheck():
                raise error
        else:
            client.api_version()


def _check_writable(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return
    except OSError as error:
        raise SettingsError(
            f"Prefect's home folder {home} is not writable ({error.strerror}): change PREFECT_HOME"
        ) from None
