"""The destinations there are: what each needs, how it was checked, and what does not work there.

Whoever is told a destination by name finds it here, and is refused here where dlt cannot mirror into it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, get_args

from flows.common.errors import SettingsError, unknown

DestinationName = Literal["duckdb", "postgres", "motherduck", "snowflake", "bigquery", "delta"]
Feature = Literal["history", "views", "forgetting", "freshness and notebooks"]
HISTORY, VIEWS, FORGETTING, READING = get_args(Feature)
OURS = ("duckdb", "postgres")
"""The dialects of SQL that this project's own statements are written for; others are made of the first."""
RUN, GENERATED = "run", "constructed, SQL generated"
JSON, TEXT = "json", "text"


@dataclass(frozen=True)
class DestinationKind:
    """A kind of destination.

    Attributes:
        title: its name for people.
        setting: what says where it is.
        dialect: of its SQL, by sqlglot's name.
        extra: of this project, that brings its driver; none where it is always there.
        driver: a module of that.
        checked: RUN, where syncs of the tests fill it; GENERATED, where it was only made and its SQL written.
        without: what does not work there, or was never seen to.
        json: dlt's type of the columns that hold JSON. TEXT where there is none, or dlt copies none from Parquet.
        table_format: dlt's, of tables in a bucket.
        place: names it by its resolved configuration, without secrets.
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
        """Whether dlt merges files rather than have a database do it."""
        return self.table_format is not None

    def refuse(self, feature: Feature, advice: str) -> None:
        """Refuse what does not work there. Raises SettingsError with what to do instead."""
        if feature in self.without:
            raise SettingsError(f"{self.title} is without {feature}: {advice}")


DESTINATIONS: dict[str, DestinationKind] = {
    "duckdb": DestinationKind("DuckDB", "DESTINATION__DUCKDB__CREDENTIALS", "duckdb", checked=RUN),
    "postgres": DestinationKind(
        "PostgreSQL", "DESTINATION__POSTGRES__CREDENTIALS", "postgres", "postgres", "psycopg2", RUN
    ),
    "motherduck": DestinationKind(
        "MotherDuck",
        "DESTINATION__MOTHERDUCK__CREDENTIALS",
        "duckdb",
        # dlt 1.31 asks DuckDB for Arrow by a name that DuckDB 2 dropped.
        without=frozenset({READING}),
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
        "duckdb",  # that of its reader
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
    "clickhouse": "dlt cannot remove there what is gone upstream (it has no merge strategy `cdc` for ClickHouse)",
    "iceberg": "dlt cannot remove there what is gone upstream (pyiceberg's merge deletes nothing)",
}
"""Destinations that are often asked for, and why there is no mirror there."""


def warehouse(name: str) -> DestinationKind:
    """The destination of that name. Raises SettingsError where there is none."""
    if name in REFUSED:
        raise SettingsError(f"no sync into {name}: {REFUSED[name]}; choose one of {', '.join(DESTINATIONS)}")
    if name not in DESTINATIONS:
        raise unknown("destination", name, DESTINATIONS)
    return DESTINATIONS[name]


def check_driver(name: str) -> None:
    """Make sure that what a destination needs is installed. Raises SettingsError with the extra that it is in."""
    found = warehouse(name)
    if found.driver and not _installed(found.driver):
        raise SettingsError(f"{found.title} needs the extra: pip install 'drip-flows[{found.extra}]'")


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False
