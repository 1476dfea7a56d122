"""The tables and views of a dataset as the database's catalogue has them, with their comments."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DIALECTS = ("duckdb", "postgres")
"""Destinations whose catalogue can be read."""
CATALOGUE = {
    "duckdb": """
        SELECT relation.name, relation.is_view, relation.comment, '', seen.column_name, seen.data_type, seen.comment
        FROM duckdb_columns() AS seen JOIN (
            SELECT table_oid AS oid, table_name AS name, FALSE AS is_view, comment FROM duckdb_tables()
            WHERE database_name = current_database() AND schema_name = %s
            UNION ALL
            SELECT view_oid, view_name, TRUE, comment FROM duckdb_views()
            WHERE database_name = current_database() AND schema_name = %s
        ) AS relation ON relation.oid = seen.table_oid AND relation.name = seen.table_name
        WHERE seen.database_name = current_database() AND seen.schema_name = %s
        ORDER BY seen.table_name, seen.column_index
    """,
    "postgres": """
        SELECT relname, relkind IN ('v', 'm'), obj_description(pg_class.oid, 'pg_class'),
            CASE WHEN pg_has_role(relowner, 'USAGE') THEN '' ELSE pg_get_userbyid(relowner) END,
            attname, format_type(atttypid, NULL), col_description(pg_class.oid, attnum)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = %s AND nspname = %s AND nspname = %s AND relkind IN ('r', 'p', 'f', 'v', 'm')
            AND attnum > 0 AND NOT attisdropped
        ORDER BY relname, attnum
    """,
}
"""By dialect: a row per column, with the schema as the value of each parameter."""


@dataclass(frozen=True)
class ColumnThere:
    """A column: its type in the database, and its comment, empty if it has none."""

    data_type: str
    comment: str


@dataclass(frozen=True)
class Relation:
    """A table or view.

    Attributes:
        is_view: whether it is a view.
        comment: its comment; empty if it has none.
        owner: who owns it, if this user may not replace it; otherwise empty.
        columns: by name, in order.
    """

    is_view: bool
    comment: str
    owner: str
    columns: dict[str, ColumnThere] = field(default_factory=dict)


def relations(execute: Callable[..., Any], dialect: str, dataset: str) -> dict[str, Relation]:
    """The tables and views of a dataset by name.

    Args:
        execute: runs a statement of dlt's client and returns its rows.
        dialect: one of DIALECTS.
        dataset: the schema that they are in.
    """
    found: dict[str, Relation] = {}
    for name, is_view, comment, owner, column, data_type, text in execute(CATALOGUE[dialect], *[dataset] * 3) or []:
        relation = found.setdefault(name, Relation(bool(is_view), comment or "", owner))
        relation.columns[column] = ColumnThere(data_type, text or "")
    return found
