"""The settings of the source, found by dlt: `SOURCES__DRIP__<NAME>` in the environment, or `.dlt/`.

A named connection has a section of its own within, `SOURCES__DRIP__<CONNECTION>__<NAME>`.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

import dlt
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.providers.toml import TomlProviderReadException
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.configuration.specs.base_configuration import NotResolved, extract_inner_hint
from dlt.common.typing import TSecretStrValue

from flows.common.errors import SettingsError, first_line, unknown
from flows.common.scrubbing import remember
from flows.source.endpoints import HISTORIC
from flows.source.environment_checks import check_header
from flows.source.setting_names import SECTION, names_with_commas, refuse_unknown
from flows.source.settings_files import settings_folders, unreadable

DEFAULT_HISTORY = ("subscribers",)
CREDENTIALS = ("api_key", "access_token", "password")
"""Settings that a named connection has of its own, or not at all: no token may stand in for another."""
SHARED = (
    "fan_out",
    "coordinator",
    "landing",
    "file_lasts",
    "lock_wait",
    "memory_limit",
    "work_mem",
    "history",
    "history_days",
)
"""Settings of the sync as a whole, which are the same for every connection."""
CONNECTION_NAME = re.compile(r"(?=.{1,40}$)[a-z][a-z0-9]*(_[a-z0-9]+)*")
LISTS = ("connections", "history")
"""Settings that are lists of names."""
PARAMETERS = ("accounts", "resources", "connection", "lists")
"""Of the dlt source. dlt looks for them in the section that connections are in too."""


@configspec
class DripSettings(BaseConfiguration):
    """Every setting of the source with its default."""

    api_key: TSecretStrValue | None = None
    """The API token: user name of HTTP Basic."""
    password: TSecretStrValue = ""
    """Password of HTTP Basic; Drip wants it empty."""
    access_token: TSecretStrValue | None = None
    """An OAuth token, sent as Bearer instead of the API key."""
    connections: list[str] = dataclasses.field(default_factory=list)
    """Names of connections (`acme,zenith`), each with an API key of its own: `SOURCES__DRIP__<CONNECTION>__API_KEY`."""
    connection: Annotated[str, NotResolved()] = ""
    """The connection whose settings these are; empty where none is named."""
    base_url: str = "https://api.getdrip.com/v2"
    """Where the API is."""
    user_agent: str = "drip-flows (open-source sync, dlt and Prefect)"
    """How the requests identify themselves, which Drip asks for."""

    max_retries: int = 3
    """Retries after the first try, for 429, 500, 502, 503, 504, broken connections and unreadable replies."""
    backoff_factor: float = 2.0
    """Seconds before the first retry; doubled before each further one."""
    task_retry_delay: float = 10.0
    """Seconds before a failed list is tried once more, from the pages that landed."""
    timeout: float = 60.0
    """Seconds to wait for a connection, or for the next bytes of a reply."""
    reply_timeout: float = 600.0
    """Seconds that one reply may take as a whole."""
    max_reply_mb: int = 1024
    """Largest reply in MB; a larger one is refused."""

    parallel: int = 8
    """Requests under way at once for this token."""
    rate_limit: int = 3600
    """Requests that the API grants in a window."""
    rate_window: float = 3600.0
    """Seconds of that window."""
    max_wait: float = 7200.0
    """Longest wait, in seconds, for the rate limit; a run that would have to wait longer ends with what it has."""
    max_scans: int = 5
    """How often a list that changes while it is read is read at most, before it is called incomplete."""

    fan_out: str = "threads"
    """Where lists are read: `threads` of the run, `dask` processes, a scheduler (`tcp://host:8786`), `deployment`."""
    coordinator: str = "127.0.0.1"
    """Address of the run, `host` or `host:port`, at which remote readers ask for permission before each request."""

    landing: str = "data/landing"
    """Folder of the landing zone, or URL of one (`s3://bucket/folder`). It holds personal data; a folder is private."""
    keep_landing: bool = False
    """Keep landed pages after they were loaded."""
    resume_max_age: float = 3600.0
    """Maximum age, in seconds, of landed pages to resume from."""
    file_lasts: bool = False
    """The run is in a container, and the DuckDB file or the Delta tables are on a volume that outlives it."""
    lock_wait: float = 60.0
    """Seconds to wait for another run, or a reader, that holds the destination."""
    memory_limit: str = "300MB"
    """DuckDB's memory limit while loading."""
    work_mem: str = "256MB"
    """PostgreSQL's memory for each sort or hash while loading; empty leaves the server's own."""

    overlap: float = 3600.0
    """An incremental sync reads this many seconds before the newest loaded subscriber again."""
    full_every: float = 86400.0
    """Seconds after which the mode `auto` reads an account's subscribers whole again."""

    history: list[str] = dataclasses.field(default_factory=lambda: list(DEFAULT_HISTORY))
    """Resources whose history is kept, of subscribers, broadcasts, campaigns, workflows; `[]` for none."""
    history_days: float = 0.0
    """Days after which a closed version is removed from the history; 0 keeps all."""

    def on_resolved(self) -> None:
        """Refuse what cannot work, naming the setting. Raises SettingsError."""
        for name in CREDENTIALS:
            setattr(self, name, _checked_credential(variable(name, self.connection), getattr(self, name)))
        _check_names(self.connections)
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

    @property
    def token_setting(self) -> str:
        """The setting that the token is in."""
        return variable("access_token" if self.access_token else "api_key", self.connection)


def variable(name: str, connection: str = "") -> str:
    """The environment variable of a setting, of a named connection's own if there is one."""
    return "__".join([*SECTION, *([connection] if connection else []), name]).upper()


def common_settings() -> DripSettings:
    """What holds for the sync as a whole, as dlt finds it now. There need be no token.

    Raises:
        SettingsError: a setting is wrong or unknown; the message names it and holds no secret.
    """
    settings = _resolved()
    refuse_unknown(DripSettings.get_resolvable_fields(), settings.connections)
    return settings


def load_settings(connection: str = "") -> DripSettings:
    """The settings of one token as dlt finds them now; those of a named connection fall back to the common ones.

    Raises:
        SettingsError: one is missing, wrong or unknown; the message names it and holds no secret.
    """
    settings = _resolved(connection)
    refuse_unknown([*DripSettings.get_resolvable_fields(), *PARAMETERS], settings.connections)
    if not (settings.api_key or settings.access_token):
        raise SettingsError(_no_token(settings))
    check_header(variable("user_agent", settings.connection), settings.user_agent)
    return settings


def every_settings() -> list[DripSettings]:
    """The settings of each named connection, in their order; those of the one token where none is named.

    Raises:
        SettingsError: one is missing or wrong, or two connections have the same token.
    """
    common = common_settings()
    each = [load_settings(name) for name in common.connections or [""]]
    for settings in each:
        for name in SHARED:
            if getattr(settings, name) != getattr(common, name):
                raise SettingsError(
                    f"{variable(name, settings.connection)}: this holds for all connections, set {variable(name)}"
                )
    tokens = {(one.base_url, one.token): one.connection for one in reversed(each)}
    for one in each:
        if (first := tokens[one.base_url, one.token]) != one.connection:
            raise SettingsError(
                f"the connections {first} and {one.connection} have one token: change {one.token_setting}"
            )
    return each


def check_history(resources: Iterable[str], origin: str) -> None:
    """Refuse names of resources that no history is kept of. Raises SettingsError, with the `origin` of the names."""
    for name in resources:
        if name not in HISTORIC:
            raise unknown(f"resource in {origin}", name, HISTORIC)


def _resolved(connection: str = "") -> DripSettings:
    section = ".".join([*SECTION, *([connection] if connection else [])])
    try:
        own = _own(connection) if connection else {}
        lists = names_with_commas(".".join(SECTION), LISTS)
        return resolve_configuration(DripSettings(), sections=SECTION, explicit_value={**lists, **own} or None)
    except TomlProviderReadException as error:
        raise unreadable(error) from None
    except ConfigurationException as error:
        raise SettingsError(f"a setting of [{section}] is wrong: {first_line(error)}") from error
    except SettingsError as error:
        raise SettingsError(f"connection {connection}: {error}" if connection else str(error)) from None


def _own(connection: str) -> dict[str, Any]:
    """A connection's name, and what stands in its own section: credentials, or none, and whatever else is there.

    Asked for here, since dlt would find a common setting in the environment before a connection's own in a file.
    """
    place = ".".join([*SECTION, connection, ""])
    credentials = {name: dlt.secrets.get(place + name, str) for name in CREDENTIALS}
    lists = names_with_commas(place.rstrip("."), LISTS)
    fields, taken = DripSettings.get_resolvable_fields(), {*CREDENTIALS, *lists}
    hints = {name: hint for name, hint in fields.items() if name not in taken}
    others = {name: dlt.config.get(place + name, extract_inner_hint(hint)) for name, hint in hints.items()}
    own = {name: value for name, value in others.items() if value is not None}
    return {**own, **lists, **credentials, "password": credentials["password"] or "", "connection": connection}


def _no_token(settings: DripSettings) -> str:
    section = ".".join([*SECTION, settings.connection]).rstrip(".")
    searched = " and ".join(map(str, settings_folders()))
    text = f"set {variable('api_key', settings.connection)}, or api_key under [{section}] in secrets.toml"
    text += f" (searched in {searched})"
    if settings.connection:
        return f"no API key of connection {settings.connection}: {text}"
    return f"no API key: {text}" + (", or name a connection" if settings.connections else "")


def _check_names(connections: Sequence[str]) -> None:
    """Refuse names that no section can have. Raises SettingsError."""
    taken = {*PARAMETERS, *(one.name for one in dataclasses.fields(DripSettings))}
    for name in connections:
        if not CONNECTION_NAME.fullmatch(str(name)):
            raise SettingsError(
                f"{variable('connections')}: {name!r} is no name for a connection: use lower-case letters, digits and _"
            )
        if name in taken:
            raise SettingsError(f"{variable('connections')}: {name!r} is the name of a setting; take another")
        if connections.count(name) > 1:
            raise SettingsError(f"{variable('connections')}: {name!r} is there twice")


def _checked_credential(setting: str, value: str | None) -> str | None:
    """`value` without the white space around it, as a paste or `echo` leaves it.

    Raises:
        SettingsError: it holds what no HTTP header can carry; the message names the character only.
    """
    remember(value)
    stripped = value.strip() if value else value
    remember(stripped)
    check_header(setting, stripped or "")
    return stripped


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
