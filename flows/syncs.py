"""`_syncs`: a row per run and list, which later runs read to know what has been seen whole, and when."""

from typing import Any

import dlt

TABLE = "_syncs"
FULL, INCREMENTAL, AUTO = "full", "incremental", "auto"
"""How a list is read: from its first row to its last, only its newest part, or whichever is due."""

COLUMNS: Any = {
    "run": {"data_type": "text", "nullable": False},
    "started": {"data_type": "timestamp"},
    "finished": {"data_type": "timestamp"},
    "mode": {"data_type": "text"},
    "account": {"data_type": "text"},
    "resource": {"data_type": "text", "nullable": False},
    "api_rows": {"data_type": "bigint"},
    "landed_rows": {"data_type": "bigint"},
    "loaded_rows": {"data_type": "bigint"},
    "quarantined_rows": {"data_type": "bigint"},
    "complete": {"data_type": "bool"},
    "history": {"data_type": "bool"},
    "note": {"data_type": "text"},
}


def accounts_with_history(pipeline: dlt.Pipeline, resource: str) -> list[str]:
    """The accounts whose list an earlier run proved whole and kept the history of."""
    if "history" not in pipeline.default_schema.tables.get(TABLE, {}).get("columns", {}):
        return []
    with pipeline.sql_client() as client:
        table = client.make_qualified_table_name(TABLE)
        seen = f"SELECT DISTINCT account FROM {table} WHERE resource = '{resource}' AND mode = '{FULL}'"
        rows = client.execute_sql(f"{seen} AND complete AND history AND account IS NOT NULL") or []
    return [account for (account,) in rows]
