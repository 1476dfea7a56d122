"""`_syncs`: a row per run and list.

It records when each list arrived, its number of rows, the duration of the sync, and whether the list was complete.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dlt
import msgspec
from dlt.common.utils import chunks, uniq_id
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from flows.common.list_key import ListKey
from flows.destinations.catalogue import HISTORY, OURS, DestinationKind
from flows.destinations.sql import written_for
from flows.destinations.sql_clients import sql_client
from flows.pipeline.declared_tables import declare_table
from flows.source.endpoints import CONNECTION

SYNCS_TABLE = "_syncs"
FULL, INCREMENTAL, AUTO = "full", "incremental", "auto"
"""Sync modes: read the entire list, only its newest part, or whichever of the two is due."""

TOTAL_ROWS = "total_rows"
"""Column with the rows of the entire list in the destination, even if the sync read only a part or failed to."""

COLUMNS: Any = {
    "run": {"data_type": "text", "nullable": False},
    "started": {"data_type": "timestamp"},
    "finished": {"data_type": "timestamp"},
    "mode": {"data_type": "text"},
    CONNECTION: {"data_type": "text"},
    "account": {"data_type": "text"},
    "resource": {"data_type": "text", "nullable": False},
    "api_rows": {"data_type": "bigint"},
    "landed_rows": {"data_type": "bigint"},
    "loaded_rows": {"data_type": "bigint"},
    TOTAL_ROWS: {"data_type": "bigint"},
    "quarantined_rows": {"data_type": "bigint"},
    "complete": {"data_type": "bool"},
    "history": {"data_type": "bool"},
    "note": {"data_type": "text"},
}

DLT_COLUMNS: Any = {
    "_dlt_load_id": {"data_type": "text", "nullable": False},
    "_dlt_id": {"data_type": "text", "nullable": False, "unique": True, "row_key": True},
}
ROWS_AT_ONCE = 500
"""Rows per INSERT, since databases limit the number of parameters of a statement."""
NO_ACCOUNT = "the API key"
"""Owner, for display, of lists that belong to the API key, if no connections are named."""
LOOK_BACK_DAYS = 7
"""Days before the latest sync. Lists that were last read earlier are ignored: their account or resource is gone."""

LISTS = f"""
    SELECT token, account, resource,
        max(finished) FILTER (WHERE complete) AS whole,
        max(counted) FILTER (WHERE nth = 1) AS rows_now,
        max(counted) FILTER (WHERE nth = 2) AS rows_before
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY token, account, resource, counted IS NULL ORDER BY finished DESC
        ) AS nth
        FROM (
            SELECT *, CASE WHEN account IS NULL THEN {{connection}} END AS token,
                CASE WHEN mode = '{FULL}' THEN COALESCE(CASE WHEN account IS NULL THEN {{total}} END, loaded_rows) END
                    AS counted
            FROM {{table}}
        ) AS counts
        WHERE finished >= (SELECT max(finished) FROM {{table}}) - INTERVAL '{LOOK_BACK_DAYS} days'
    ) AS tries
    GROUP BY token, account, resource ORDER BY token, account, resource
"""
"""A row per list: when it was last complete, and its rows after the last two syncs that read it in full.

The lists of an account are the same regardless of the connection that reads them. The list of accounts counts with all
accounts that the connection has access to, also where a sync reads a few of them.
"""

LATEST = f"""
    SELECT token, account, resource, total FROM (
        SELECT *, row_number() OVER (PARTITION BY token, account, resource ORDER BY finished DESC) AS nth
        FROM (
            SELECT *, CASE WHEN account IS NULL THEN {{connection}} END AS token,
                COALESCE({{total}}, CASE WHEN mode = '{FULL}' THEN loaded_rows END) AS total
            FROM {{table}}
        ) AS counts
        WHERE total IS NOT NULL
    ) AS tries
    WHERE nth = 1
"""
"""A row per list: its rows after the last sync that recorded them."""

RUNS = """
    SELECT started, finished FROM {table}
    GROUP BY run, started, finished HAVING count(*) = {lists} ORDER BY finished DESC LIMIT 1
"""


class ListTimes(msgspec.Struct):
    """A list in the syncs until now. Values are None if there are none.

    Attributes:
        connection: the connection, for a list that belongs to the token rather than to an account.
        account: the account, for a list that belongs to an account.
        resource: the resource.
        whole: when it was last complete.
        rows: rows in the destination after the last sync that loaded it in full.
        rows_before: rows after the previous one.
    """

    connection: str | None
    account: str | None
    resource: str
    whole: datetime | None
    rows: int | None
    rows_before: int | None


class LastTime(msgspec.Struct):
    """The last sync, to compare a run with.

    Attributes:
        rows: by list, its rows in the destination after its last sync.
        seconds: duration of the last sync with the same number of lists; None if there was none.
    """

    rows: dict[ListKey, int] = {}
    seconds: float | None = None


def stable_key(connection: str | None, resource: str, account: str | None) -> ListKey:
    """The key of a list across runs: without the connection if it belongs to an account, which several may read."""
    return ListKey("" if account else connection or "", resource, account)


def per_list(query: str, table: str, has_connections: bool, has_totals: bool, dialect: str = OURS[0]) -> str:
    """`LISTS` or `LATEST` for a table, which lacks the connection or the total if an older version created it."""
    connection = CONNECTION if has_connections else "CAST(NULL AS VARCHAR)"
    total = TOTAL_ROWS if has_totals else "CAST(NULL AS BIGINT)"
    return written_for(dialect, query, {"table": table}, connection=connection, total=total)


def declare_sync_log(pipeline: dlt.Pipeline, kind: DestinationKind) -> None:
    """Declare `_syncs`, unless dlt writes it; see `append_to_sync_log`."""
    if HISTORY not in kind.without:
        columns = COLUMNS | DLT_COLUMNS
        declare_table(pipeline, SYNCS_TABLE, [{"name": name, **hints} for name, hints in columns.items()])


def append_to_sync_log(pipeline: dlt.Pipeline, kind: DestinationKind, load_id: str, rows: list[dict[str, Any]]) -> None:
    """Append rows to `_syncs`.

    Args:
        pipeline: the pipeline of the run, after its load.
        kind: the kind of destination. For those that this project writes no SQL for, dlt loads the rows, which takes
            a second pipeline run (0.7 s).
        load_id: dlt's id of the run's load.
        rows: the rows as dictionaries with all columns of `COLUMNS`.
    """
    if HISTORY in kind.without:
        columns, format = COLUMNS, kind.table_format
        syncs = dlt.resource(rows, name=SYNCS_TABLE, write_disposition="append", columns=columns, table_format=format)
        pipeline.run(syncs, loader_file_format="parquet")
        return
    names = [*COLUMNS, *DLT_COLUMNS]
    with sql_client(pipeline) as client, client.begin_transaction():
        table = client.make_qualified_table_name(SYNCS_TABLE)
        for part in chunks(rows, ROWS_AT_ONCE):
            places = ", ".join([f"({', '.join(['%s'] * len(names))})"] * len(part))
            values = [value for row in part for value in (*(row[name] for name in COLUMNS), load_id, uniq_id())]
            client.execute_sql(f"INSERT INTO {table} ({', '.join(names)}) VALUES {places}", *values)


def last_time(pipeline: dlt.Pipeline, client: SqlClientBase[Any], dialect: str, lists: int) -> LastTime:
    """The sync before this one, which has `lists` lists and is not in `_syncs` yet; empty if there was none."""
    table = client.make_qualified_table_name(SYNCS_TABLE)
    latest = per_list(LATEST, table, _has(pipeline, CONNECTION), _has(pipeline, TOTAL_ROWS), dialect)
    try:
        known = client.execute_sql(latest) or []
        runs = client.execute_sql(written_for(dialect, RUNS, {"table": table}, lists=lists)) or []
    except DatabaseUndefinedRelation:
        return LastTime()
    seconds = [(finished - started).total_seconds() for started, finished in runs]
    rows = {stable_key(connection, resource, account): total for connection, account, resource, total in known}
    return LastTime(rows, seconds[0] if seconds else None)


def lists_of(rows: Sequence[Sequence[Any]]) -> list[ListTimes]:
    """The results of `LISTS`."""
    return [ListTimes(*row) for row in rows]


def accounts_with_history(pipeline: dlt.Pipeline, resource: str) -> list[str]:
    """Accounts whose list was proven complete by an earlier full sync that kept its history."""
    if not _has(pipeline, "history"):
        return []
    with sql_client(pipeline) as client:
        table = client.make_qualified_table_name(SYNCS_TABLE)
        seen = f"SELECT DISTINCT account FROM {table} WHERE resource = '{resource}' AND mode = '{FULL}'"
        rows = client.execute_sql(f"{seen} AND complete AND history AND account IS NOT NULL") or []
    return [account for (account,) in rows]


def _has(pipeline: dlt.Pipeline, column: str) -> bool:
    """Whether `_syncs` had this column after the last sync."""
    return column in pipeline.default_schema.tables.get(SYNCS_TABLE, {}).get("columns", {})
