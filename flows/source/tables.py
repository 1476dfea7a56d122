"""The dlt resources of the source: the rows of each table, with the keys of `endpoints` and the hints of `schema`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import dlt
import pyarrow as pa
from dlt.common.pipeline import SupportsPipeline
from dlt.extract import DltResource

from flows.source.decoding.column_names import ColumnNames
from flows.source.endpoints import ACCOUNTS, ROW_HASH, Endpoint
from flows.source.landing.landed_list import BATCH_ROWS, LandedList
from flows.source.landing.storage import parquet
from flows.source.paginator import ListOutcome
from flows.source.schema import FIELD_HINT, FIELD_NAME, arrow_schema, column_hints, extra_columns, mirror, texts

SCHEMA = "drip"
"""Name of the dlt source, and of its schema."""


@dataclass(frozen=True)
class TableFormat:
    """What tables are made of at a destination.

    Attributes:
        json: dlt's data type of a JSON column.
        in_files: whether dlt merges files, as it does for Delta, rather than have a database do it.
        table_format: dlt's name for the format of these files.
    """

    json: str = "json"
    in_files: bool = False
    table_format: Any = None


@dataclass(frozen=True)
class SourceList:
    """A list that has landed.

    Attributes:
        landed: where.
        outcome: how it was read.
        whole: whether it was proven to be the whole list: what is not in it is gone.
        accounts: of the list of accounts, the ids of those that are synced.
    """

    landed: LandedList
    outcome: ListOutcome
    whole: bool
    accounts: Sequence[str] = ()


class Lists(Protocol):
    """Where a source takes its lists from."""

    @property
    def format(self) -> TableFormat:
        """Of the tables that they are loaded into."""

    @property
    def started(self) -> datetime:
        """When reading began."""

    @property
    def tokens(self) -> int:
        """How many tokens the lists are of."""

    def of(self, resource: str) -> Sequence[SourceList]:
        """The lists of a resource, which have landed when this returns."""

    def known_columns(self, resource: str) -> Mapping[str, str]:
        """By the API's name, the columns that fields which the reference does not know have already."""


@dataclass(frozen=True)
class LandedLists:
    """Lists that have landed before: a source made of them sends no request."""

    lists: Sequence[SourceList]
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    format: TableFormat = TableFormat()
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    tokens: int = 1

    def of(self, resource: str) -> Sequence[SourceList]:
        """Those of a resource."""
        return [one for one in self.lists if one.landed.endpoint.resource == resource]

    def known_columns(self, resource: str) -> Mapping[str, str]:
        """Those that the destination has."""
        return self.columns.get(resource, {})


def table_resource(endpoint: Endpoint, rows: Iterator[Any], format: TableFormat = TableFormat()) -> DltResource:
    """The dlt resource of a table: whoever reads, lands or loads its rows."""
    resource: DltResource = dlt.resource(
        rows,
        name=endpoint.resource,
        primary_key=endpoint.primary_key,
        columns=column_hints(endpoint, json_type=format.json),
        write_disposition=mirror(endpoint, (), format.in_files),
        file_format="parquet",
        table_format=format.table_format,
    )
    return resource


def table_rows(endpoint: Endpoint, lists: Lists) -> Iterator[Any]:
    """The rows of all lists of a table. Rows of accounts whose list was proven whole, and did not come, go.

    What is only known once the lists have landed, columns of unknown fields and these accounts, are hints on the first
    item; dlt keeps them for the rest.
    """
    found, format = lists.of(endpoint.resource), lists.format
    names = ColumnNames(arrow_schema(endpoint).names, lists.known_columns(endpoint.resource))
    schema = table_schema(endpoint, (one.landed for one in found), names)
    whole = [one.landed.account_id for one in found if one.whole and one.landed.account_id]
    hints = dlt.mark.make_hints(
        primary_key=endpoint.primary_key,
        columns=column_hints(endpoint, extra_columns(endpoint, schema), format.json),
        write_disposition=mirror(endpoint, whole, format.in_files),
    )
    rows = _rows(endpoint, found, schema, names, format.in_files)
    yield dlt.mark.with_hints(next(rows), hints)
    yield from rows


def table_schema(endpoint: Endpoint, lists: Iterable[LandedList], names: ColumnNames) -> pa.Schema:
    """The declared columns, and all extra ones that any page of any account has."""
    extras: dict[str, pa.Field[Any]] = {}
    for landed in lists:
        for path in landed.files():
            for extra in extra_columns(endpoint, parquet(path).schema_arrow):
                extras[_column(extra, names)] = extra.with_name(_column(extra, names))
    return pa.schema([*arrow_schema(endpoint), *(extras[name] for name in sorted(extras))])


def _column(field: "pa.Field[Any]", names: ColumnNames) -> str:
    api_name = (field.metadata or {}).get(FIELD_NAME)
    return names.column(api_name.decode()) if api_name else field.name


def _rows(
    endpoint: Endpoint,
    lists: Iterable[SourceList],
    schema: pa.Schema,
    names: ColumnNames,
    in_files: bool,
) -> Iterator[pa.Table]:
    """The rows of all lists in the columns of the table, in batches, after the stand-in row where that is left out."""
    yield schema.empty_table() if in_files else stand_in(endpoint.primary_key, schema)
    batch: list[pa.Table] = []
    taken: set[str] = set()
    for one in lists:
        for table in one.landed.tables():
            batch.append(_conformed(_own(one, endpoint, table, taken), schema, names))
            if sum(part.num_rows for part in batch) >= BATCH_ROWS:
                yield pa.concat_tables(batch)
                batch = []
    if batch:
        yield pa.concat_tables(batch)


def stand_in(keys: Sequence[str], schema: pa.Schema) -> pa.Table:
    """A row that the merge filters out: a table for which nothing came has to be merged all the same."""
    row = {field.name: "" if field.name in (*keys, ROW_HASH) else None for field in schema}
    return pa.Table.from_pylist([row], schema=schema)


def _own(one: SourceList, endpoint: Endpoint, table: pa.Table, taken: set[str]) -> pa.Table:
    """The rows of a list that each token has one of, without those that another token's list has already `taken`.

    Of the accounts themselves, those that are synced by this token.
    """
    if endpoint.per_account:
        return table
    keys = texts(table, endpoint.key)
    theirs = {*keys} - {*one.accounts} if endpoint.resource == ACCOUNTS.resource else {*taken}
    taken.update(keys)
    return table.filter(pa.array([key not in theirs for key in keys], pa.bool_()))


def _conformed(table: pa.Table, schema: pa.Schema, names: ColumnNames) -> pa.Table:
    """The page in all columns of the table, null where it has none."""
    columns = {_column(field, names): table[field.name] for field in table.schema}
    arrays = [columns.get(f.name, pa.nulls(table.num_rows, f.type)) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def known_columns(pipeline: SupportsPipeline | dlt.Pipeline) -> dict[str, dict[str, str]]:
    """By table of a pipeline in step with its destination, the columns of fields that the reference does not know."""
    if SCHEMA not in pipeline.schemas:
        return {}
    tables = pipeline.schemas[SCHEMA].tables
    return {
        name: {str(c[FIELD_HINT]): n for n, c in table["columns"].items() if FIELD_HINT in c}  # type: ignore[literal-required]
        for name, table in tables.items()
    }
