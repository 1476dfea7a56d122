"""Whether Prefect can be used, found out before a flow is run: it would try for minutes, and say so in tracebacks."""

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from prefect.client.base import ServerType
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, PREFECT_HOME, temporary_settings

from flows.common.error_message import innermost
from flows.common.errors import SettingsError

ANSWER_SECONDS = 5.0
"""For Prefect's API to answer the check of it; it does in milliseconds, or through a slow network in a second."""


def check_prefect() -> None:
    """Make sure that a flow can be run: Prefect's API answers, or its files can be written where it runs its own.

    Raises:
        SettingsError: naming the setting to change.
    """
    if url := PREFECT_API_URL.value():
        _check_answers(url)
    else:
        _check_writable(PREFECT_HOME.value())


def _check_answers(url: str) -> None:
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            _ask()
    except Exception as error:
        where = urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()
        raise SettingsError(
            f"Prefect's API does not answer at {where} ({_reason(error)}): start it, or change PREFECT_API_URL"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return innermost(error)


def _ask() -> None:
    """Ask Prefect's API for its version; Prefect Cloud, which has none, whether it is well."""
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
            f"Prefect keeps files in {home}, which cannot be written to ({error.strerror}): change PREFECT_HOME"
        ) from None
