"""The state of a dataset: when each list arrived, how large the history is, what the webhooks delivered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import pandas as pd

from flows.common.errors import SettingsError
from flows.dataset.present import present
from flows.dataset.reader import has_column, query, tables
from flows.destinations.catalogue import DestinationName
from flows.pipeline.history import SUFFIX, VALID_FROM, VALID_TO
from flows.pipeline.sync_log import LISTS, SYNCS_TABLE, TOTAL_ROWS, ListTimes, lists_of, per_list
from flows.source.endpoints import CONNECTION

DELIVERIES = "subscriber_events"
RECEIVED_AT = "received_at"
NAMES = "SELECT id, name FROM accounts"
NAMED_TABLES = "SELECT 1 AS found FROM information_schema.tables WHERE table_schema = $dataset AND table_name = $table"
LAST = f"""
    SELECT run, started, finished, complete FROM {SYNCS_TABLE}
    WHERE finished = (SELECT max(finished) FROM {SYNCS_TABLE})
"""
VERSIONS = f"""
    SELECT count(*) AS n, count(*) FILTER (WHERE {VALID_TO} IS NULL) AS current, min({VALID_FROM}) AS since
    FROM {{table}}
"""
RECEIVED = f"SELECT count(*) AS n, max({RECEIVED_AT}) AS newest FROM {DELIVERIES}"


class LastSync(msgspec.Struct):
    """The sync that ended last: `lists` were read, `whole` of them arrived whole."""

    run: str
    started: datetime
    finished: datetime
    lists: int
    whole: int


class HistorySize(msgspec.Struct):
    """The history of a resource: how many versions it has, how many of them are current, and since when."""

    table: str
    versions: int
    current: int
    since: datetime | None


class Deliveries(msgspec.Struct):
    """What webhooks delivered: so many events, the newest of them received at that moment."""

    events: int
    newest: datetime | None


@dataclass(frozen=True)
class Status:
    """The state of a dataset at `now`. `names` has the names of the accounts by id."""

    now: datetime
    last: LastSync
    lists: list[ListTimes]
    names: dict[str, str]
    history: list[HistorySize]
    deliveries: Deliveries | None


def status(destination: DestinationName = "duckdb", dataset: str = "drip") -> Status:
    """The state of a dataset, without asking the API.

    Raises:
        SettingsError: there is no data, or no sync has ended yet.
    """
    there = set(tables(destination, dataset)["table"])
    if SYNCS_TABLE not in there:
        raise SettingsError(f"no sync has filled the dataset {dataset} yet")
    history = [_history(name, destination, dataset) for name in sorted(there) if name.endswith(SUFFIX)]
    last = _last(query(LAST, None, destination, dataset))
    return Status(
        present(last.finished, destination).to_pydatetime(),
        last,
        list_times(destination, dataset),
        account_names(destination, dataset),
        history,
        _deliveries(destination, dataset) if DELIVERIES in there else None,
    )


def list_times(destination: DestinationName, dataset: str, *, or_demo: bool = True) -> list[ListTimes]:
    """When each list arrived, and its rows. Raises DatasetError; `or_demo` is as in `query`."""
    has_connections = has_column(SYNCS_TABLE, CONNECTION, destination, dataset, or_demo=or_demo)
    has_totals = has_column(SYNCS_TABLE, TOTAL_ROWS, destination, dataset, or_demo=or_demo)
    statement = per_list(LISTS, SYNCS_TABLE, has_connections, has_totals)
    frame = query(statement, None, destination, dataset, or_demo=or_demo)
    rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False)
    return lists_of([[_plain(value) for value in row] for row in rows])


def account_names(destination: DestinationName, dataset: str, *, or_demo: bool = True) -> dict[str, str]:
    """The names of the accounts by id, of those that have one. Raises DatasetError."""
    there = query(NAMED_TABLES, {"dataset": dataset, "table": "accounts"}, destination, dataset, or_demo=or_demo)
    if there.empty:
        return {}
    frame = query(NAMES, None, destination, dataset, or_demo=or_demo).dropna()
    return dict(zip(frame["id"], frame["name"], strict=True))


def _last(rows: pd.DataFrame) -> LastSync:
    if rows.empty:
        raise SettingsError("no sync has ended yet")
    first = rows.iloc[0]
    whole = int(rows["complete"].fillna(False).sum())
    return LastSync(first["run"], first["started"].to_pydatetime(), first["finished"].to_pydatetime(), len(rows), whole)


def _history(table: str, destination: DestinationName, dataset: str) -> HistorySize:
    row = query(VERSIONS.format(table=table), None, destination, dataset).iloc[0]
    return HistorySize(table, int(row["n"]), int(row["current"]), _moment(row["since"]))


def _deliveries(destination: DestinationName, dataset: str) -> Deliveries:
    row = query(RECEIVED, None, destination, dataset).iloc[0]
    return Deliveries(int(row["n"]), _moment(row["newest"]))


def _plain(value: Any) -> Any:
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value


def _moment(value: Any) -> datetime | None:
    return None if pd.isna(value) else value.to_pydatetime()
