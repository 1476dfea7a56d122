"""Arrow schemas and dlt hints, derived from the records and endpoints."""

import functools
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from flows.source import records
from flows.source.endpoints import ACCOUNT_ID, CONNECTION, DATE, ROW_HASH, VERSION, Endpoint
from flows.source.records import field_types, fields_of

ARROW_TYPES: list[tuple[Any, Any]] = [
    (records.Text, pa.string()),
    (records.Int, pa.int64()),
    (records.Bool, pa.bool_()),
    (records.Float, pa.float64()),
    (records.Date, pa.date32()),
    (records.Time, pa.timestamp("us", tz="UTC")),
    (records.Json, pa.string()),
]
DATA_TYPES = {
    pa.string(): "text",
    pa.int64(): "bigint",
    pa.bool_(): "bool",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.timestamp("us", tz="UTC"): "timestamp",
}
"""dlt's data types."""
LINKS = "links"
MISFIT_SUFFIX = "__v_json"
"""If a value does not fit its column's type, the column is NULL and the value is kept as JSON in `<column>__v_json`."""
FIELD_NAME = b"drip_field"
FIELD_HINT = "x-drip-field"
"""Arrow field metadata and dlt column hint with the API's name of a field that is not in the API reference."""


def data_type(endpoint: Endpoint, field: "pa.Field[Any]") -> str:
    """dlt's data type of a declared column."""
    return "json" if field.name in json_columns(endpoint) else DATA_TYPES[field.type]


def arrow_type(annotation: Any) -> Any:
    """The Arrow type of one of the aliases in `records`."""
    return next(arrow for alias, arrow in ARROW_TYPES if alias == annotation)


@functools.cache
def arrow_schema(endpoint: Endpoint) -> pa.Schema:
    """The declared columns: first the account or the connection, if the table has one, and last `_row_hash`.

    `links` is not a column: `links.account` is the account, `links.forms` becomes `links__forms`.
    """
    fields = [pa.field(ACCOUNT_ID, pa.string())] if endpoint.per_account else []
    fields += [pa.field(CONNECTION, pa.string())] if endpoint.connection else []
    fields += [pa.field(name, pa.string()) for name in placing_columns(endpoint)]
    for name, annotation in field_types(endpoint.record).items():
        if name != LINKS:
            fields.append(pa.field(name, arrow_type(annotation)))
    fields += [pa.field(link_column(name), pa.string()) for name in endpoint.linked]
    return pa.schema([*fields, pa.field(ROW_HASH, pa.string())])


def placing_columns(endpoint: Endpoint) -> list[str]:
    """The columns, in addition to the account, that identify the list that a row is from."""
    names = [endpoint.parent_column] if endpoint.parent and endpoint.parent_column else []
    names += [endpoint.sweep_column] if endpoint.sweep else []
    return [*names, VERSION] if endpoint.version else names


def link_column(name: str) -> str:
    """The column for the key `name` of `links`."""
    return f"{LINKS}__{name}"


@functools.cache
def json_columns(endpoint: Endpoint) -> frozenset[str]:
    """The declared JSON columns."""
    declared = {name for name, kind in field_types(endpoint.record).items() if kind == records.Json}
    return frozenset((declared - {LINKS}) | {link_column(name) for name in endpoint.linked})


def extra_columns(endpoint: Endpoint, schema: pa.Schema) -> list["pa.Field[Any]"]:
    """The columns of `schema` that the record does not declare: unknown fields and misfits."""
    declared = set(arrow_schema(endpoint).names)
    return [field for field in schema if field.name not in declared]


def is_outdated(endpoint: Endpoint, schema: pa.Schema) -> bool:
    """Whether the schema of a page is from a version of this project whose record type had other fields.

    Such a page has a JSON column for a field that now has a column of its type, or a column that is no longer declared.
    """
    fields = {field.encode_name for field in fields_of(endpoint.record)}
    names = {(field.metadata or {}).get(FIELD_NAME, b"").decode() for field in schema}
    return bool(names & fields) or any(
        FIELD_NAME not in (extra.metadata or {}) and not extra.name.endswith(MISFIT_SUFFIX)
        for extra in extra_columns(endpoint, schema)
    )


def column_hints(endpoint: Endpoint, extras: Iterable["pa.Field[Any]"] = (), json_type: str = "json") -> dict[str, Any]:
    """dlt's column hints: JSON types, non-nullable keys, the API's names of unknown fields."""
    hints: dict[str, Any] = {name: {"data_type": json_type} for name in sorted(json_columns(endpoint))}
    hints |= {name: {"nullable": False, "data_type": key_type(name)} for name in endpoint.primary_key}
    for extra in extras:
        hints[extra.name] = {"data_type": json_type}
        if api_name := (extra.metadata or {}).get(FIELD_NAME):
            hints[extra.name][FIELD_HINT] = api_name.decode()
    return hints


def key_type(name: str) -> str:
    """dlt's data type of a key column."""
    return "date" if name == DATE else "text"


def texts(table: pa.Table, column: str) -> list[str]:
    """The values of a key column, which are never null."""
    return [str(value) for value in table[column].to_pylist()]


def sql_list(values: Iterable[str]) -> str:
    """The contents of an SQL `IN` list. The values are not escaped, so they must be known to be safe."""
    return ", ".join(f"'{value}'" for value in sorted(values))


def mirror(endpoint: Endpoint, scope: Iterable[str], in_files: bool = False, parts: Iterable[str] = ()) -> Any:
    """The write disposition that makes a table equal to the rows read, for the accounts in `scope`.

    Args:
        endpoint: the endpoint of the table.
        scope: accounts whose list was proven complete; their rows that were not read are deleted. Ignored for a list
            that belongs to the token rather than to an account, since other tokens fill the same table.
        in_files: whether the tables are files that dlt merges itself, as for Delta, rather than a database.
        parts: SQL conditions for the parts of lists that were read; their rows that were not read are deleted too.
    """
    accounts = sql_list(scope) if endpoint.per_account else ""
    owners = [f"{stored(ACCOUNT_ID, in_files)} IN ({accounts})"] if accounts else []
    return mirrored(" OR ".join([*owners, *parts]), ROW_HASH, endpoint.key, in_files)


def stored(column: str, in_files: bool) -> str:
    """A column of the table in a condition. For Delta, it has to be qualified, since the new rows have it too."""
    return f"{{table}}.{column}" if in_files else column


def mirrored(scope: str, version: str, key: str, in_files: bool) -> Any:
    """The write disposition of a mirror.

    Args:
        scope: an SQL condition; rows that match it and were not read are deleted. If empty, no rows are deleted.
        version: the column that changes whenever a row changes.
        key: a key column; rows in which it is empty are filtered out.
        in_files: see `mirror`. Rows for files are not filtered, since the load that creates a table ignores the filter.
    """
    # A load without rows needs a placeholder row, since PostgreSQL rejects empty Parquet files.
    filtered = {} if in_files else {"source_filter": f"{key} <> ''"}
    return filtered | {
        "disposition": "merge",
        "strategy": "cdc",
        "destination_scope": scope or "1 = 0",
        "skip_unchanged_rows": True,
        "row_version_column_name": version,
    }
