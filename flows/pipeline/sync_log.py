"""`_syncs`: a row per run and list.

It says how old each list is, how many rows it had, how long a sync took, and what has been seen whole.
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
from flows.pipeline.declared_tables import declare_table
from flows.source.endpoints import CONNECTION

SYNCS_TABLE = "_syncs"
FULL, INCREMENTAL, AUTO = "full", "incremental", "auto"
"""How a list is read: from its first row to its last, only its newest part, or whichever is due."""

TOTAL_ROWS = "total_rows"
"""Rows of a list in the destination after a sync, whichever part of them it read, and whether or not that arrived."""

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
"""Rows per INSERT: databases limit the parameters of a statement."""
NO_ACCOUNT = "the token"
"""Whose the lists are that no account has one of, where no connection is named."""
LOOK_BACK_DAYS = 7
"""Days before the newest sync. A list that was last tried earlier is given up: its account or resource is gone."""

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
                CASE WHEN mode = '{FULL}' THEN loaded_rows END AS counted
            FROM {{table}}
        ) AS counts
        WHERE finished >= (SELECT max(finished) FROM {{table}}) - INTERVAL '{LOOK_BACK_DAYS} days'
    ) AS tries
    GROUP BY token, account, resource ORDER BY token, account, resource
"""
"""A row per list: when it last arrived, its rows after the last sync that read all of it, and after the one before.

An account's list is the same whichever connection reads it.
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
"""A row per list: how many rows it had after the last sync that tells."""

RUNS = """
    SELECT started, finished FROM {table}
    GROUP BY run, started, finished HAVING count(*) = {lists} ORDER BY finished DESC LIMIT 1
"""


class ListTimes(msgspec.Struct):
    """One list of one account in the syncs until now; None where there is none.

    Attributes:
        connection: of a list that each token has one of, if it is named.
        whole: when it last arrived whole.
        rows: in the destination, after the last sync that loaded it.
        rows_before: after the sync before that one.
    """

    connection: str | None
    account: str | None
    resource: str
    whole: datetime | None
    rows: int | None
    rows_before: int | None


class LastTime(msgspec.Struct):
    """What a run is compared with.

    Attributes:
        rows: of each list, by its name, in the destination after the last sync of it.
        seconds: that the last sync of as many lists took; None where there was none.
    """

    rows: dict[ListKey, int] = {}
    seconds: float | None = None


def stable_key(connection: str | None, resource: str, account: str | None) -> ListKey:
    """The key of a list across runs: without the connection if it belongs to an account, which several may read."""
    return ListKey("" if account else connection or "", resource, account)


def lists_query(table: str, has_connections: bool, dialect: str = OURS[0]) -> str:
    """`LISTS` of a table, which may be from a time when it had no column with the connection."""
    connection = CONNECTION if has_connections else "CAST(NULL AS VARCHAR)"
    return written_for(dialect, LISTS, {"table": table}, connection=connection)


def latest_query(table: str, has_connections: bool, has_totals: bool, dialect: str = OURS[0]) -> str:
    """`LATEST` of a table, which may be from a time when it had no column with the connection, or with the total."""
    connection = CONNECTION if has_connections else "CAST(NULL AS VARCHAR)"
    total = TOTAL_ROWS if has_totals else "CAST(NULL AS BIGINT)"
    return written_for(dialect, LATEST, {"table": table}, connection=connection, total=total)


def declare_sync_log(pipeline: dlt.Pipeline, kind: DestinationKind) -> None:
    """Declare `_syncs`, unless dlt has to write it; see `append_to_sync_log`."""
    if HISTORY not in kind.without:
        columns = COLUMNS | DLT_COLUMNS
        declare_table(pipeline, SYNCS_TABLE, [{"name": name, **hints} for name, hints in columns.items()])


def append_to_sync_log(pipeline: dlt.Pipeline, kind: DestinationKind, load_id: str, rows: list[dict[str, Any]]) -> None:
    """Append rows to `_syncs`.

    Args:
        pipeline: of the run, after its load.
        kind: of the destination. Where this project does not write SQL of its own, dlt loads the rows, which takes a
            second pipeline run (0.7 s).
        load_id: dlt's id of the run's load.
        rows: by column; all columns of `COLUMNS`.
    """
    if HISTORY in kind.without:
        columns, format = COLUMNS, kind.table_format
        syncs = dlt.resource(rows, name=SYNCS_TABLE, write_disposition="append", columns=columns, table_format=format)
        pipeline.run(syncs, loader_file_format="parquet")
        return
    names = [*COLUMNS, *DLT_COLUMNS]
    with pipeline.sql_client() as client, client.begin_transaction():
        table = client.make_qualified_table_name(SYNCS_TABLE)
        for part in chunks(rows, ROWS_AT_ONCE):
            places = ", ".join([f"({', '.join(['%s'] * len(names))})"] * len(part))
            values = [value for row in part for value in (*(row[name] for name in COLUMNS), load_id, uniq_id())]
            client.execute_sql(f"INSERT INTO {table} ({', '.join(names)}) VALUES {places}", *values)


def last_time(pipeline: dlt.Pipeline, client: SqlClientBase[Any], dialect: str, lists: int) -> LastTime:
    """The sync before this one, whose `lists` are not in `_syncs` yet; nothing where there was none."""
    table = client.make_qualified_table_name(SYNCS_TABLE)
    latest = latest_query(table, _has(pipeline, CONNECTION), _has(pipeline, TOTAL_ROWS), dialect)
    try:
        known = client.execute_sql(latest) or []
        runs = client.execute_sql(written_for(dialect, RUNS, {"table": table}, lists=lists)) or []
    except DatabaseUndefinedRelation:
        return LastTime()
    seconds = [(finished - started).total_seconds() for started, finished in runs]
    rows = {stable_key(connection, resource, account): total for connection, account, resource, total in known}
    return LastTime(rows, seconds[0] if seconds else None)


def lists_of(rows: Sequence[Sequence[Any]]) -> list[ListTimes]:
    """The rows of `LISTS`."""
    return [ListTimes(*row) for row in rows]


def accounts_with_history(pipeline: dlt.Pipeline, resource: str) -> list[str]:
    """The accounts whose list an earlier run proved whole and kept the history of."""
    if not _has(pipeline, "history"):
        return []
    with pipeline.sql_client() as client:
        table = client.make_qualified_table_name(SYNCS_TABLE)
        seen = f"SELECT DISTINCT account FROM {table} WHERE resource = '{resource}' AND mode = '{FULL}'"
        rows = client.execute_sql(f"{seen} AND complete AND history AND account IS NOT NULL") or []
    return [account for (account,) in rows]


def _has(pipeline: dlt.Pipeline, column: str) -> bool:
    """Whether the table, as the last sync left it, has a column."""
    return column in pipeline.default_schema.tables.get(SYNCS_TABLE, {}).get("columns", {})
