"""Retention of `_syncs`, which gets a row per list and run: all runs for some days, then one a day, then none.

dlt's `_dlt_loads`, which gets a row per run, keeps those of the runs in `_syncs`.

The newest row of each kind is always kept, since the read mode, the history and the report depend on it.
"""

from datetime import datetime, timedelta
from typing import Any

import dlt

from flows.destinations.catalogue import HISTORY, DestinationKind
from flows.destinations.sql_clients import sql_client
from flows.pipeline.sync_log import SYNCS_TABLE

DAILY_DAYS = 400
"""Days that one run a day is kept for."""
KEPT = """
    SELECT _dlt_id FROM (
        SELECT _dlt_id, finished,
            row_number() OVER (
                PARTITION BY connection, account, resource, mode, complete, history ORDER BY finished DESC
            ) AS of_kind,
            row_number() OVER (
                PARTITION BY connection, account, resource, CAST(finished AS DATE) ORDER BY complete DESC, finished DESC
            ) AS of_day
        FROM {table}
    ) AS ranked
    WHERE of_kind = 1 OR (of_day = 1 AND finished >= %s)
"""
"""Rows that are kept whatever their age: the newest of each list and kind, and the last complete one of each day."""
LOADS = """
    DELETE FROM {loads} WHERE schema_name = %s
    AND load_id < (SELECT min(_dlt_load_id) FROM {syncs} WHERE finished >= %s)
    AND load_id NOT IN (SELECT _dlt_load_id FROM {syncs})
    AND load_id NOT IN (SELECT _dlt_load_id FROM {states})
"""
"""Deletes old loads but for those of runs that are kept, and those that dlt needs to find the state of a pipeline."""


def thin_sync_log(pipeline: dlt.Pipeline, kind: DestinationKind, now: datetime, days: float) -> None:
    """Delete old rows of `_syncs` and `_dlt_loads`, once a day.

    Args:
        pipeline: the pipeline of the run, before its own rows are appended.
        kind: the kind of destination; nothing is deleted from those that this project writes no SQL for.
        now: the current time, with time zone.
        days: days that all runs are kept for; 0 keeps everything.
    """
    if not days or HISTORY in kind.without:
        return
    with sql_client(pipeline) as client:
        table = client.make_qualified_table_name(SYNCS_TABLE)
        newest: Any = (client.execute_sql(f"SELECT max(finished) FROM {table}") or [(None,)])[0][0]
        if newest is None or newest.date() == now.date():
            return
        kept = KEPT.format(table=table)
        delete = f"DELETE FROM {table} WHERE finished < %s AND _dlt_id NOT IN ({kept})"
        oldest, schema = now - timedelta(days=days), pipeline.default_schema
        client.execute_sql(delete, oldest, now - timedelta(days=DAILY_DAYS))
        names = {"loads": schema.loads_table_name, "states": schema.state_table_name, "syncs": SYNCS_TABLE}
        tables = {key: client.make_qualified_table_name(name) for key, name in names.items()}
        client.execute_sql(LOADS.format(**tables), schema.name, oldest)
