"""The supported destinations: what each needs, how it was tested, and which features it lacks.

Destination names are looked up here. Destinations that dlt cannot mirror into are rejected here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, get_args

from flows.common.errors import SettingsError, unknown

DestinationName = Literal["duckdb", "postgres", "motherduck", "snowflake", "bigquery", "delta"]
Feature = Literal["history", "views", "forgetting", "freshness and notebooks", "events of webhooks"]
HISTORY, VIEWS, FORGETTING, READING, EVENTS = get_args(Feature)
OURS = ("duckdb", "postgres")
"""SQL dialects that this project writes itself; statements for other dialects are translated from the first one."""
RUN, GENERATED = "run", "constructed, SQL generated"
JSON, TEXT = "json", "text"


@dataclass(frozen=True)
class DestinationKind:
    """A kind of destination.

    Attributes:
        title: the display name.
        setting: the setting that holds its credentials or URL.
        dialect: sqlglot's name of its SQL dialect.
        extra: the extra of this project that installs its driver; empty if no extra is needed.
        driver: a module of the driver, to check that it is installed.
        checked: RUN if the tests run syncs into it; GENERATED if it was only constructed and its SQL generated.
        without: features that do not work or are untested.
        json: dlt's data type for JSON columns. TEXT if it has no JSON type, or dlt cannot load JSON from Parquet.
        table_format: dlt's table format, for tables stored as files.
        place: returns the location for a resolved configuration, without secrets.
    """

    title: str
    setting: str
    dialect: str
    extra: str = ""
    driver: str = ""
    checked: str = GENERATED
    without: frozenset[Feature] = frozenset()
    json: str = JSON
    table_format: Any = None
    place: Callable[[Any], str] = str

    @property
    def is_files(self) -> bool:
        """Whether tables are files that dlt merges itself, rather than a database."""
        return self.table_format is not None

    def refuse(self, feature: Feature, advice: str) -> None:
        """Check that a feature is supported. Raises SettingsError, with `advice`, if it is not."""
        if feature in self.without:
            raise SettingsError(f"{self.title} does not support {feature}: {advice}")


DESTINATIONS: dict[str, DestinationKind] = {
    "duckdb": DestinationKind("DuckDB", "DESTINATION__DUCKDB__CREDENTIALS", "duckdb", checked=RUN),
    "postgres": DestinationKind(
        "PostgreSQL", "DESTINATION__POSTGRES__CREDENTIALS", "postgres", "postgres", "psycopg2", RUN
    ),
    "motherduck": DestinationKind(
        "MotherDuck",
        "DESTINATION__MOTHERDUCK__CREDENTIALS",
        "duckdb",
        # dlt 1.31 reads Arrow tables from DuckDB with a method that DuckDB 2 removed.
        without=frozenset({READING, EVENTS}),
        place=lambda config: f"md:{config.credentials.database}",
    ),
    "snowflake": DestinationKind(
        "Snowflake",
        "DESTINATION__SNOWFLAKE__CREDENTIALS",
        "snowflake",
        "snowflake",
        "snowflake.connector",
        without=frozenset(get_args(Feature)),
        json=TEXT,
        place=lambda config: f"snowflake://{config.credentials.host}/{config.credentials.database}",
    ),
    "bigquery": DestinationKind(
        "BigQuery",
        "DESTINATION__BIGQUERY__CREDENTIALS",
        "bigquery",
        "bigquery",
        "google.cloud.bigquery",
        without=frozenset(get_args(Feature)),
        json=TEXT,
        place=lambda config: f"bigquery://{config.project_id or config.credentials.project_id}",
    ),
    "delta": DestinationKind(
        "Delta tables in a folder or bucket",
        "DESTINATION__FILESYSTEM__BUCKET_URL",
        "duckdb",  # which reads the tables
        "delta",
        "deltalake",
        RUN,
        without=frozenset(get_args(Feature)),
        json=TEXT,
        table_format="delta",
        place=lambda config: str(config.bucket_url),
    ),
}
REFUSED = {
    "clickhouse": "rows deleted upstream cannot be deleted there (dlt has no `cdc` merge strategy for ClickHouse)",
    "iceberg": "rows deleted upstream cannot be deleted there (pyiceberg's merge does not delete)",
}
"""Unsupported destinations that users often ask for, with the reason."""


def warehouse(name: str) -> DestinationKind:
    """The destination kind with this name. Raises SettingsError if it is unknown or not supported."""
    if name in REFUSED:
        raise SettingsError(f"cannot sync into {name}: {REFUSED[name]}; choose one of {', '.join(DESTINATIONS)}")
    if name not in DESTINATIONS:
        raise unknown("destination", name, DESTINATIONS)
    return DESTINATIONS[name]


def check_driver(name: str) -> None:
    """Check that a destination's driver is installed. Raises SettingsError naming the extra to install."""
    found = warehouse(name)
    if found.driver and not _installed(found.driver):
        raise SettingsError(f"{found.title} needs the extra: pip install 'drip-flows[{found.extra}]'")


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing too
        return False
