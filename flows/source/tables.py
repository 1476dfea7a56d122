"""The dlt resources of the source: rows, keys and hints of each table."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import dlt
import msgspec
import pyarrow as pa
from dlt.common.pipeline import SupportsPipeline
from dlt.extract import DltResource

from flows.source.decoding.column_names import ColumnNames
from flows.source.endpoints import ACCOUNTS, ROW_HASH, Endpoint
from flows.source.frozen import is_unknown, marked_rows
from flows.source.landed_input import IN_DATABASE, Lists, SourceList, TableFormat, TableLoad
from flows.source.landing.landed_list import BATCH_ROWS, LandedList
from flows.source.landing.storage import parquet
from flows.source.mask_check import table_hints
from flows.source.schema import (
    FIELD_HINT,
    FIELD_NAME,
    arrow_schema,
    column_hints,
    extra_columns,
    json_columns,
    mirror,
    texts,
)

AS_JSON: dict[bytes | str, bytes | str] = {b"drip_kept_as_json": b"yes"}
"""Arrow field metadata of declared columns that are JSON in the destination."""
SCHEMA = "drip"
"""Name of the dlt source, and of its schema."""


def table_resource(
    endpoint: Endpoint, rows: Iterator[Any], format: TableFormat = IN_DATABASE, mask: str = ""
) -> DltResource:
    """The dlt resource of a table, used both to extract and to load its rows.

    Args:
        endpoint: the endpoint of the table.
        rows: its rows.
        format: how the destination stores tables.
        mask: fingerprint of the mask of the rows; empty for none.
    """
    columns = column_hints(endpoint, json_type=format.json)
    disposition = mirror(endpoint, (), format.in_files)
    resource = merge_resource(endpoint.resource, rows, endpoint.primary_key, columns, disposition, format)
    return resource.apply_hints(additional_table_hints=table_hints(mask)) if mask else resource


def merge_resource(
    name: str,
    rows: Iterator[Any],
    primary_key: Sequence[str],
    columns: dict[str, Any],
    disposition: Any,
    format: TableFormat,
) -> DltResource:
    """A dlt resource whose rows are merged into the table `name`.

    Args:
        name: the name of the table.
        rows: Arrow tables.
        primary_key: the key columns.
        columns: dlt's hints of columns.
        disposition: dlt's write disposition; see `mirrored`.
        format: how the destination stores tables.
    """
    resource: DltResource = dlt.resource(
        chain(rows),  # dlt looks up the module of a generator, which reads the paths of all modules (0.2 s)
        name=name,
        primary_key=primary_key,
        columns=columns,
        write_disposition=disposition,
        file_format="parquet",
        table_format=format.table_format,
    )
    return resource


def table_rows(endpoint: Endpoint, lists: Lists) -> Iterator[Any]:
    """The rows of all lists of a table. Missing rows are deleted for accounts whose list was proven complete.

    These accounts, and the columns of unknown fields, are only known after the lists have landed. They are passed as
    hints with the first item, which dlt applies to the rest. There are no items if the table has exactly these rows.
    """
    source_lists, format = lists.of(endpoint.resource), lists.format
    names = ColumnNames(arrow_schema(endpoint).names, lists.known_columns(endpoint.resource))
    known = lists.known_columns(endpoint.resource) if lists.frozen else None
    schema = table_schema(endpoint, (one.landed for one in source_lists), names, known)
    schema = _as_stored(endpoint, schema, lists.known_columns(endpoint.resource).values())
    whole = [one.landed for one in source_lists if one.whole and not one.landed.is_part]
    complete = [landed.account_id for landed in whole if landed.account_id]
    parts = [scope for one in source_lists if (scope := one.landed.scope(one.whole, format.in_files))]
    columns = column_hints(endpoint, [*extra_columns(endpoint, schema), *_kept_as_json(schema)], format.json)
    hints = dlt.mark.make_hints(
        primary_key=endpoint.primary_key,
        columns=columns,
        write_disposition=mirror(endpoint, complete, format.in_files, parts),
    )
    rows = _rows(endpoint, source_lists, schema, names, format.in_files, known)
    start, batch = next(rows), next(rows, schema.empty_table())
    is_all = batch.num_rows < BATCH_ROWS and len(complete) == len(source_lists) > 0
    if not (is_all and lists.are_loaded(TableLoad(endpoint, complete, batch, columns))):
        lists.begin(endpoint.resource)
        yield dlt.mark.with_hints(start, hints)
        yield batch
        yield from rows


def table_schema(
    endpoint: Endpoint, lists: Iterable[LandedList], names: ColumnNames, known: Collection[str] | None = None
) -> pa.Schema:
    """The declared columns, and all extra columns of any page.

    Args:
        endpoint: the endpoint of the table.
        lists: its landed lists.
        names: chooses the column names of unknown fields.
        known: the unknown fields that have a column, if the schema is frozen.
    """
    extras: dict[str, pa.Field[Any]] = {}
    for landed in lists:
        for path in landed.files():
            for extra in extra_columns(endpoint, parquet(path).schema_arrow):
                if known is None or not is_unknown(extra, known):
                    extras[_column(extra, names)] = extra.with_name(_column(extra, names))
    return pa.schema([*arrow_schema(endpoint), *(extras[name] for name in sorted(extras))])


def _as_stored(endpoint: Endpoint, schema: pa.Schema, unknown: Iterable[str]) -> pa.Schema:
    """The columns as the destination has them.

    A field that the record did not declare when the table was made has a JSON column, and keeps it.
    """
    columns = {*unknown} & {*arrow_schema(endpoint).names} - json_columns(endpoint)
    return pa.schema([f.with_type(pa.string()).with_metadata(AS_JSON) if f.name in columns else f for f in schema])


def _kept_as_json(schema: pa.Schema) -> "list[pa.Field[Any]]":
    return [field for field in schema if field.metadata == AS_JSON]


def _json(column: Any) -> Any:
    """The values of a column as JSON."""
    texts = [None if value is None else msgspec.json.encode(value).decode() for value in column.to_pylist()]
    return pa.array(texts, pa.string())


def _column(field: "pa.Field[Any]", names: ColumnNames) -> str:
    api_name = (field.metadata or {}).get(FIELD_NAME)
    return names.column(api_name.decode()) if api_name else field.name


def _rows(
    endpoint: Endpoint,
    lists: Iterable[SourceList],
    schema: pa.Schema,
    names: ColumnNames,
    in_files: bool,
    known: Collection[str] | None,
) -> Iterator[pa.Table]:
    """The rows of all lists in batches, with the table's columns, after a placeholder if the load filters it out."""
    yield schema.empty_table() if in_files else placeholder(endpoint.primary_key, schema)
    batch: list[pa.Table] = []
    taken: set[str] = set()
    for source_list in lists:
        for table in source_list.landed.tables():
            rows = _own(source_list, endpoint, table, taken)
            rows = rows if known is None else marked_rows(endpoint, rows, known)
            batch.append(_conformed(rows, schema, names))
            if sum(part.num_rows for part in batch) >= BATCH_ROWS:
                yield pa.concat_tables(batch)
                batch = []
    if batch:
        yield pa.concat_tables(batch)


def placeholder(keys: Sequence[str], schema: pa.Schema) -> pa.Table:
    """A row that the merge filters out, so that a table without new rows is merged too."""
    row = {field.name: placeholder_value(field) if field.name in (*keys, ROW_HASH) else None for field in schema}
    return pa.Table.from_pylist([row], schema=schema)


def placeholder_value(field: "pa.Field[Any]") -> Any:
    """The value of a key column in the placeholder row."""
    return "" if pa.types.is_string(field.type) else pa.scalar(0, field.type).as_py()


def _own(source_list: SourceList, endpoint: Endpoint, table: pa.Table, taken: set[str]) -> pa.Table:
    """The rows to load from a list that belongs to the token, without those `taken` from the lists of other tokens.

    For the list of accounts, these are the accounts that are synced with this token.
    """
    if endpoint.per_account:
        return table
    keys = texts(table, endpoint.key)
    theirs = {*keys} - {*source_list.accounts} if endpoint.resource == ACCOUNTS.resource else {*taken}
    taken.update(keys)
    return table.filter(pa.array([key not in theirs for key in keys], pa.bool_()))


def _conformed(table: pa.Table, schema: pa.Schema, names: ColumnNames) -> pa.Table:
    """The page with all columns of the table; columns that it lacks are null."""
    columns: dict[str, Any] = {_column(field, names): table[field.name] for field in table.schema}
    columns |= {field.name: _json(columns[field.name]) for field in _kept_as_json(schema)}
    arrays = [columns.get(f.name, pa.nulls(table.num_rows, f.type)) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def known_columns(pipeline: SupportsPipeline | dlt.Pipeline) -> dict[str, dict[str, str]]:
    """The columns of fields that are not in the API reference, by table. The pipeline's schema must be up to date."""
    return {
        name: {str(c[FIELD_HINT]): n for n, c in table["columns"].items() if FIELD_HINT in c}
        for name, table in tables_of(pipeline).items()
    }


def tables_of(pipeline: SupportsPipeline | dlt.Pipeline) -> Mapping[str, Any]:
    """The tables in dlt's schema of the source, by name; none before the first load."""
    return pipeline.schemas[SCHEMA].tables if SCHEMA in pipeline.schemas else {}
