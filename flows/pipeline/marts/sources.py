"""What the marts select from: the tables of a dataset with the expected columns, empty where they are not synced."""

from collections.abc import Container, Mapping
from functools import cache

import pyarrow as pa

from flows.destinations.schemas import quoted
from flows.pipeline.event_batch import TABLE as EVENTS
from flows.pipeline.history import OPENED_AS, VALID_FROM, VALID_TO, history_table
from flows.pipeline.sync_log import COLUMNS as SYNC_COLUMNS
from flows.pipeline.sync_log import SYNCS_TABLE
from flows.source.deliveries.events import COLUMNS as EVENT_COLUMNS
from flows.source.deliveries.events import MISFITS
from flows.source.endpoints import ENDPOINTS, HISTORIC, ROW_HASH, VERSION
from flows.source.schema import arrow_schema, data_type

TYPES = {
    "text": "VARCHAR",
    "bigint": "BIGINT",
    "bool": "BOOLEAN",
    "double": "DOUBLE PRECISION",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
}
JSON = {"duckdb": "JSON", "postgres": "JSONB"}
NO_ROWS = "WHERE FALSE"
AS_TEXT = {"duckdb": "{0} ->> '$'", "postgres": "CAST({0} AS JSONB) #>> '{{}}'"}
"""By dialect, the text of a JSON value that is a string, a number or a boolean."""


@cache
def source_columns() -> dict[str, dict[str, str]]:
    """By table and column, dlt's data types of everything that marts may select from."""
    found = {name: _columns_of(arrow_schema(endpoint), name) for name, endpoint in ENDPOINTS.items()}
    own = {VALID_FROM: "timestamp", VALID_TO: "timestamp", OPENED_AS: "text"}
    found |= {history_table(name): found[name] | own for name in HISTORIC}
    found[EVENTS] = {name: kind for name, kind in EVENT_COLUMNS.items() if name not in MISFITS}
    found[SYNCS_TABLE] = {name: hints["data_type"] for name, hints in SYNC_COLUMNS.items()}
    return found


def _columns_of(schema: pa.Schema, resource: str) -> dict[str, str]:
    fields = [field for field in schema if field.name not in (ROW_HASH, VERSION)]
    return {field.name: data_type(ENDPOINTS[resource], field) for field in fields}


def source(
    table: str, dataset: str, there: Mapping[str, str], dialect: str, needed: Container[str], where: str = ""
) -> str:
    """A subquery with the expected columns of a table.

    Args:
        table: its name.
        dataset: the schema that it is in.
        there: the columns that it has with their types in the database; empty if there is no such table.
        dialect: duckdb or postgres.
        needed: the names of the columns to select, among others.
        where: a condition on the rows.
    """
    columns = {name: kind for name, kind in source_columns()[table].items() if name in needed}
    if not there:
        return f"({no_rows(columns, dialect)})"
    parts = ", ".join(_column(name, kind, there.get(name), dialect) for name, kind in columns.items())
    return f"(SELECT {parts} FROM {quoted(dataset, table)}{where and f' WHERE {where}'})"


def no_rows(columns: Mapping[str, str], dialect: str) -> str:
    """A SELECT of columns of these data types without rows."""
    return f"SELECT {', '.join(_column(name, kind, None, dialect) for name, kind in columns.items())} {NO_ROWS}"


def sql_type(kind: str, dialect: str) -> str:
    """A data type of dlt in SQL."""
    return TYPES.get(kind) or JSON[dialect]


def _column(name: str, kind: str, stored: str | None, dialect: str) -> str:
    """A column as its expected type: NULL if it is missing; the text of JSON where a field was stored as such."""
    wanted, own = sql_type(kind, dialect), quoted(name)
    if stored is None:
        return f"CAST(NULL AS {wanted}) AS {own}"
    if kind == "json":
        return own if stored.upper() == wanted else f"CAST({own} AS {wanted}) AS {own}"
    if stored.upper().startswith("JSON"):
        return f"CAST({AS_TEXT[dialect].format(own)} AS {wanted}) AS {own}"
    return own
