"""The settings of the source, found by dlt: `SOURCES__DRIP__<NAME>` in the environment, or `.dlt/`."""

import dataclasses
from collections.abc import Iterable
from urllib.parse import urlsplit

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from flows.source.endpoints import HISTORIC
from flows.source.errors import SettingsError, unknown

SECTION = ("sources", "drip")
DEFAULT_HISTORY = ("subscribers",)


@configspec
class DripSettings(BaseConfiguration):
    """Every setting of the source with its default."""

    api_key: TSecretStrValue | None = None
    """The API token: user name of HTTP Basic."""
    password: TSecretStrValue = ""
    """Password of HTTP Basic; Drip wants it empty."""
    access_token: TSecretStrValue | None = None
    """An OAuth token, sent as Bearer instead of the API key."""
    base_url: str = "https://api.getdrip.com/v2"
    """Where the API is."""
    user_agent: str = "drip-flows (open-source sync, dlt and Prefect)"
    """How the requests identify themselves, which Drip asks for."""

    max_retries: int = 3
    """Tries after the first, for 429, 500, 502, 503, 504, broken connections and unreadable replies."""
    backoff_factor: float = 2.0
    """Seconds before the first of those; doubled before each further one."""
    task_retry_delay: float = 10.0
    """Seconds before the Prefect task tries a list once more, from the pages that landed."""
    timeout: float = 60.0
    """Seconds to wait for a connection, or for the next bytes of a reply."""
    reply_timeout: float = 600.0
    """Seconds that one reply may take as a whole."""
    max_reply_mb: int = 1024
    """A reply larger than this is refused: a page that never ends."""

    parallel: int = 8
    """Requests under way at once for this token."""
    rate_limit: int = 3600
    """Requests that the API grants in a window."""
    rate_window: float = 3600.0
    """Seconds of that window."""
    max_wait: float = 7200.0
    """Longest wait, in seconds, for a spent budget to come back before giving up."""
    max_scans: int = 5
    """How often a list that moves while it is read is read again before it is called incomplete."""

    landing: str = "data/landing"
    """Folder of the landing zone. It holds personal data and is made private to the user."""
    keep_landing: bool = False
    """Keep what landed after its load is reconciled."""
    resume_max_age: float = 3600.0
    """Seconds for which what an interrupted run landed still counts as one consistent picture."""
    file_lasts: bool = False
    """The DuckDB file, or folder of Delta tables, is on a volume that outlives the run, which is in a container."""
    lock_wait: float = 60.0
    """Seconds to wait for another run, or a reader, that holds the destination."""
    memory_limit: str = "300MB"
    """DuckDB's memory limit while loading."""
    work_mem: str = "256MB"
    """PostgreSQL's memory for each sort or hash while loading; empty leaves the server's own."""

    overlap: float = 3600.0
    """Seconds before the newest loaded subscriber from which on an incremental sync reads again."""
    full_every: float = 86400.0
    """Seconds after which the mode `auto` reads an account's subscribers whole again."""

    history: list[str] = dataclasses.field(default_factory=lambda: list(DEFAULT_HISTORY))
    """Resources whose history is kept, of subscribers, broadcasts, campaigns, workflows; `[]` for none."""
    history_days: float = 0.0
    """Days after which a closed version is removed from the history; 0 keeps all."""

    def on_resolved(self) -> None:
        """Refuse what cannot work, naming the setting. Raises SettingsError."""
        if not (self.api_key or self.access_token):
            raise SettingsError(
                "no API key: set SOURCES__DRIP__API_KEY, or api_key under [sources.drip] in .dlt/secrets.toml"
            )
        self.base_url = _checked_url(self.base_url)
        check_history(self.history, "SOURCES__DRIP__HISTORY")
        for name in ("parallel", "rate_limit", "rate_window", "max_scans", "timeout", "reply_timeout", "max_reply_mb"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"SOURCES__DRIP__{name.upper()} has to be above 0")
        for name in (
            "max_retries",
            "backoff_factor",
            "task_retry_delay",
            "max_wait",
            "lock_wait",
            "overlap",
            "full_every",
            "history_days",
        ):
            if getattr(self, name) < 0:
                raise SettingsError(f"SOURCES__DRIP__{name.upper()} cannot be below 0")

    @property
    def token(self) -> str:
        """The secret that the requests carry."""
        return str(self.access_token or self.api_key)


def load_settings() -> DripSettings:
    """The settings as dlt finds them now.

    Raises:
        SettingsError: one is missing or wrong; the message names it and holds no secret.
    """
    try:
        return resolve_configuration(DripSettings(), sections=SECTION)
    except ConfigurationException as error:
        raise SettingsError(f"a setting of [sources.drip] is wrong: {_first_line(error)}") from error


def check_history(resources: Iterable[str], origin: str) -> None:
    """Refuse names of resources that no history is kept of. Raises SettingsError, with the `origin` of the names."""
    for name in resources:
        if name not in HISTORIC:
            raise unknown(f"resource in {origin}", name, HISTORIC)


def _checked_url(url: str) -> str:
    """`url` without a slash at its end. Raises SettingsError where it is none, or holds what it should not."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if "@" in url:
        raise SettingsError("SOURCES__DRIP__BASE_URL holds credentials: use SOURCES__DRIP__API_KEY instead")
    if not is_url or "?" in url or "#" in url:
        raise SettingsError(f"SOURCES__DRIP__BASE_URL is not a URL that paths can be added to: {url!r}")
    return url.rstrip("/")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
