"""The settings of the source, read by dlt: `SOURCES__DRIP__<NAME>` in the environment, or `.dlt/`.

Each named connection has its own subsection, `SOURCES__DRIP__<CONNECTION>__<NAME>`.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Annotated, Any

import dlt
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.exceptions import ConfigurationException, ConfigValueCannotBeCoercedException
from dlt.common.configuration.providers.toml import TomlProviderReadException
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.configuration.specs.base_configuration import NotResolved, extract_inner_hint
from dlt.common.typing import TSecretStrValue

from flows.common.errors import SettingsError, first_line
from flows.common.scrubbing import remember
from flows.source.decoding.masking import Mask
from flows.source.environment_checks import check_header
from flows.source.mask_setting import check_actions, mask_of
from flows.source.setting_checks import check_history, check_optional, check_schema, checked_credential, checked_url
from flows.source.setting_names import SECTION, names_with_commas, refuse_unknown
from flows.source.settings_cache import kept
from flows.source.settings_files import no_token, unreadable
from flows.source.wrong_type import wrong_type

DEFAULT_HISTORY = ("subscribers",)
CREDENTIALS = ("api_key", "access_token", "password")
"""Settings that a named connection does not inherit, so that it never uses the token of another one."""
SHARED = ("fan_out", "coordinator", "landing", "file_lasts", "lock_wait", "memory_limit", "storage_version", "work_mem",
           "history", "history_days", "sync_log_days", "optional_resources", "webhooks", "webhook_secrets",
           "webhook_days", "event_days", "attribution_days", "comments", "schema", "mask", "mask_key")  # fmt: skip
"""Settings of the sync, which cannot differ between connections."""
ABOVE_ZERO = ("parallel", "rate_limit", "rate_window", "max_scans", "timeout", "reply_timeout", "max_reply_mb",
              "email_metrics_days", "email_metrics_rate_limit", "email_metrics_rate_window")  # fmt: skip
NOT_NEGATIVE = ("max_retries", "backoff_factor", "task_retry_delay", "max_wait", "lock_wait", "overlap", "full_every",
                "history_days", "sync_log_days", "email_metrics_refresh_days", "webhook_days", "event_days",
                "attribution_days")  # fmt: skip
CONNECTION_NAME = re.compile(r"(?=.{1,40}$)[a-z][a-z0-9]*(_[a-z0-9]+)*")
LISTS = ("connections", "history", "optional_resources")
"""Settings that are lists of names."""
PARAMETERS = ("accounts", "resources", "connection", "lists")
"""Parameters of the dlt source, which dlt looks for in the same section."""


@configspec
class DripSettings(BaseConfiguration):
    """Every setting of the source with its default."""

    api_key: TSecretStrValue | None = None
    """The API token, sent as the user name of HTTP Basic."""
    password: TSecretStrValue = ""
    """Password of HTTP Basic; empty for Drip."""
    access_token: TSecretStrValue | None = None
    """An OAuth token, sent as Bearer instead of the API key."""
    connections: list[str] = dataclasses.field(default_factory=list)
    """Names of connections (`acme,zenith`), each with its own API key: `SOURCES__DRIP__<CONNECTION>__API_KEY`."""
    connection: Annotated[str, NotResolved()] = ""
    """The connection that these settings belong to; empty if no connections are named."""
    base_url: str = "https://api.getdrip.com/v2"
    """Base URL of the API."""
    user_agent: str = "drip-flows (open-source sync, dlt and Prefect)"
    """User agent of the requests, which Drip asks for."""

    max_retries: int = 3
    """Retries after the first try, for 429, 500, 502, 503, 504, broken connections and unreadable replies."""
    backoff_factor: float = 2.0
    """Seconds before the first retry; doubled for each further one."""
    task_retry_delay: float = 10.0
    """Seconds before a failed list is retried once, resuming from the landed pages."""
    timeout: float = 60.0
    """Seconds to wait for a connection, or for the next bytes of a reply."""
    reply_timeout: float = 600.0
    """Maximum duration of a reply in seconds."""
    max_reply_mb: int = 1024
    """Maximum size of a reply in MB."""

    parallel: int = 8
    """Maximum number of concurrent requests for this token."""
    rate_limit: int = 3600
    """Requests that the API allows per window."""
    rate_window: float = 3600.0
    """Length of the window in seconds."""
    max_wait: float = 7200.0
    """Maximum wait for the rate limit in seconds; lists that would have to wait longer fail."""
    max_scans: int = 5
    """Maximum number of attempts to read a list that changes meanwhile, before it is reported as incomplete."""

    fan_out: str = "threads"
    """Where lists are read: `threads` of the run, `dask` processes, a scheduler (`tcp://host:8786`), `deployment`."""
    coordinator: str = "127.0.0.1"
    """Address of the run, `host` or `host:port`, where remote workers ask for permission before each request."""

    landing: str = "data/landing"
    """Folder or URL (`s3://bucket/folder`) of the landing zone. It contains personal data; folders are made private."""
    keep_landing: bool = False
    """Keep landed pages after they are loaded."""
    resume_max_age: float = 3600.0
    """Maximum age, in seconds, of landed pages to resume from."""
    file_lasts: bool = False
    """Confirms, for a run in a container, that the DuckDB file or the Delta tables are on a persistent volume."""
    lock_wait: float = 60.0
    """Seconds to wait for another run or reader that has the destination locked or open."""
    memory_limit: str = "300MB"
    """DuckDB's memory limit while loading."""
    storage_version: str = "v1.0.0"
    """The oldest DuckDB that can open a new DuckDB file; `latest` for the one installed. A file keeps its version."""
    work_mem: str = "256MB"
    """PostgreSQL's memory for each sort or hash while loading; empty for the server's default."""

    overlap: float = 3600.0
    """An incremental sync reads again from this many seconds before the newest loaded subscriber."""
    full_every: float = 86400.0
    """Seconds after which the mode `auto` reads all subscribers of an account again."""

    optional_resources: list[str] = dataclasses.field(default_factory=list)
    """Optional resources to include in every sync that is started without `--resource`: `email_metrics,segments`."""
    email_metrics_days: int = 366
    """Days that `email_metrics` goes back."""
    email_metrics_refresh_days: int = 14
    """Recent days of `email_metrics` that are read again, at most once a day: opens, clicks and orders come late."""
    email_metrics_rate_limit: int = 20
    """Requests for `email_metrics` that the API grants to an account in a window, apart from the others."""
    email_metrics_rate_window: float = 3600.0
    """Length of the window of `EMAIL_METRICS_RATE_LIMIT` in seconds."""

    history: list[str] = dataclasses.field(default_factory=lambda: list(DEFAULT_HISTORY))
    """Resources whose history is kept, such as `["subscribers", "campaigns"]`; see docs/tables.md. `[]` for none."""
    history_days: float = 0.0
    """Days after which closed versions are deleted from the history; 0 keeps all."""
    attribution_days: float = 5.0
    """Days after a click in which the view `attributed_events` attributes a custom event to its email."""
    comments: bool = True
    """Whether a sync comments on the tables and columns in DuckDB and PostgreSQL."""
    schema: str = "evolve"
    """What to do with unknown fields: `evolve` adds a column, `freeze` puts them in `_quarantine` and exits with 1."""

    sync_log_days: float = 30.0
    """Days that `_syncs` keeps all runs; then one a day for 400 days, then the newest of each list. 0 keeps all."""

    webhooks: str = "data/webhooks"
    """Folder of the webhook receiver: deliveries that wait to be loaded, and the secrets of the delivery URLs."""
    webhook_secrets: TSecretStrValue | None = None
    """JSON object of account ids and secrets of delivery URLs, instead of the file in that folder."""
    webhook_days: float = 14.0
    """Days that a delivery is kept in the spool after it came; deliveries that are not loaded yet are kept longer."""
    event_days: float = 0.0
    """Days after which an event is removed from subscriber_events; 0 keeps all."""

    mask: dict[str, str] = dataclasses.field(default_factory=dict)
    """Fields to mask before anything is written, as JSON: `{"email": "hmac", "custom_fields.*name*": "drop"}`."""
    mask_key: TSecretStrValue | None = None
    """The secret that the tokens of `hmac` depend on: the same key, the same tokens."""

    def on_resolved(self) -> None:
        """Check the values. Raises SettingsError naming the setting."""
        for name in CREDENTIALS:
            setattr(self, name, checked_credential(variable(name, self.connection), getattr(self, name)))
        _check_names(self.connections)
        self.base_url = checked_url(self.base_url)
        check_history(self.history, "SOURCES__DRIP__HISTORY")
        check_optional(self.optional_resources, variable("optional_resources"))
        check_schema(self.schema)
        remember(self.mask_key)
        check_actions(self.mask)
        for name in ABOVE_ZERO:
            if getattr(self, name) <= 0:
                raise SettingsError(f"SOURCES__DRIP__{name.upper()} must be greater than 0")
        for name in NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise SettingsError(f"SOURCES__DRIP__{name.upper()} cannot be negative")

    @property
    def masking(self) -> Mask:
        """What is masked. Raises SettingsError if it needs a key and there is none."""
        return mask_of(self.mask, self.mask_key)

    @property
    def token(self) -> str:
        """The secret that is sent with requests."""
        return str(self.access_token or self.api_key)

    @property
    def token_setting(self) -> str:
        """The setting that contains the token."""
        return variable("access_token" if self.access_token else "api_key", self.connection)


def variable(name: str, connection: str = "") -> str:
    """The environment variable of a setting, or of a connection's own setting."""
    return "__".join([*SECTION, *([connection] if connection else []), name]).upper()


def common_settings() -> DripSettings:
    """The current settings of the sync, which need not include a token.

    Raises:
        SettingsError: a setting is invalid or unknown; the message names it and contains no secrets.
    """
    settings = _resolved("")
    refuse_unknown(DripSettings.get_resolvable_fields(), settings.connections)
    return settings


def load_settings(connection: str = "") -> DripSettings:
    """The current settings for one token. Those of a named connection fall back to the common settings.

    Raises:
        SettingsError: a setting is missing, invalid or unknown; the message names it and contains no secrets.
    """
    settings = _resolved(connection)
    refuse_unknown([*DripSettings.get_resolvable_fields(), *PARAMETERS], settings.connections)
    if not (settings.api_key or settings.access_token):
        raise no_token(variable("api_key", settings.connection), settings.connection, bool(settings.connections))
    check_header(variable("user_agent", settings.connection), settings.user_agent)
    return settings


def every_settings() -> list[DripSettings]:
    """The settings of each named connection, in order, or of the only token if no connections are named.

    Raises:
        SettingsError: a setting is missing or invalid, or two connections have the same token.
    """
    common = common_settings()
    each = [load_settings(name) for name in common.connections or [""]]
    for settings in each:
        for name in SHARED:
            if getattr(settings, name) != getattr(common, name):
                raise SettingsError(
                    f"{variable(name, settings.connection)}: it cannot differ between connections, set {variable(name)}"
                )
    tokens = {(one.base_url, one.token): one.connection for one in reversed(each)}
    for one in each:
        if (first := tokens[one.base_url, one.token]) != one.connection:
            raise SettingsError(
                f"the connections {first} and {one.connection} have the same token: change {one.token_setting}"
            )
    return each


@kept
def _resolved(connection: str) -> DripSettings:
    section = ".".join([*SECTION, *([connection] if connection else [])])
    try:
        known = names_with_commas(".".join(SECTION), LISTS) | (_own(connection) if connection else {})
        return resolve_configuration(DripSettings(), sections=SECTION, explicit_value=known or None)
    except TomlProviderReadException as error:
        raise unreadable(error) from None
    except ConfigValueCannotBeCoercedException as error:
        name = error.field_name.rpartition(".")[2]
        raise wrong_type(error, variable(name, connection), getattr(DripSettings, name, "")) from None
    except ConfigurationException as error:
        raise SettingsError(f"a setting of [{section}] is invalid: {first_line(error)}") from error
    except SettingsError as error:
        raise SettingsError(f"connection {connection}: {error}" if connection else str(error)) from None


def _own(connection: str) -> dict[str, Any]:
    """A connection's name and the settings in its own section. Credentials that are not there are None.

    They are read here, since dlt would prefer a common setting in the environment to a connection's own in a file.
    """
    place = ".".join([*SECTION, connection, ""])
    credentials = {name: dlt.secrets.get(place + name, str) for name in CREDENTIALS}
    lists = names_with_commas(place.rstrip("."), LISTS)
    taken = {*CREDENTIALS, *lists}
    hints = {name: hint for name, hint in DripSettings.get_resolvable_fields().items() if name not in taken}
    others = {name: dlt.config.get(place + name, extract_inner_hint(hint)) for name, hint in hints.items()}
    own = {name: value for name, value in others.items() if value is not None}
    return {**own, **lists, **credentials, "password": credentials["password"] or "", "connection": connection}


def _check_names(connections: Sequence[str]) -> None:
    """Check that the names can be used as sections. Raises SettingsError."""
    taken = {*PARAMETERS, *(one.name for one in dataclasses.fields(DripSettings))}
    for name in connections:
        subject = f"{variable('connections')}: {name!r}"
        if not CONNECTION_NAME.fullmatch(str(name)):
            raise SettingsError(f"{subject} is not a valid name: use lower-case letters, digits and _")
        if name in taken:
            raise SettingsError(f"{subject} is the name of a setting; use another name")
        if connections.count(name) > 1:
            raise SettingsError(f"{subject} is listed twice")
