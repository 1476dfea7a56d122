"""`SOURCES__DRIP__SCHEMA=freeze`: rows are loaded without their unknown fields, which go to `_quarantine`.

dlt's own schema contract cannot do this: `freeze` fails the load, `discard_row` loses the row, and `discard_value`
loses the value. Its modes would apply to new columns of the API reference, too, after an upgrade.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import msgspec
import pyarrow as pa

from flows.source.decoding.decoder import Quarantined
from flows.source.endpoints import ACCOUNT_ID, ROW_HASH, Endpoint
from flows.source.landing.landed_list import LandedList
from flows.source.landing.storage import parquet
from flows.source.records import OTHER_FIELDS
from flows.source.schema import FIELD_NAME, arrow_schema, extra_columns

FREEZE = "freeze"
REASON = "unknown fields, and the schema is frozen: {0}"
HASH_SUFFIX = "-frozen"
"""Ends the hash of a row without its unknown fields, so that the row is loaded again when the schema evolves again."""


def is_unknown(field: "pa.Field[Any]", known: Collection[str]) -> bool:
    """Whether a column has values of a field that is not in the API reference and has no column in the dataset.

    Args:
        field: the column of a page.
        known: the API's names of unknown fields that have a column.
    """
    name = (field.metadata or {}).get(FIELD_NAME)
    return name is not None and name.decode() not in known


def unknown_columns(endpoint: Endpoint, schema: pa.Schema, known: Collection[str]) -> list[str]:
    """The columns of a page with unknown fields."""
    return [field.name for field in extra_columns(endpoint, schema) if is_unknown(field, known)]


def marked_rows(endpoint: Endpoint, table: pa.Table, known: Collection[str]) -> pa.Table:
    """The rows of a page, with the hash of those that have unknown fields marked."""
    names = unknown_columns(endpoint, table.schema, known)
    if not names:
        return table
    columns = table.select(names).to_pydict()
    concerned = [any(value is not None for value in row) for row in zip(*columns.values(), strict=True)]
    hashes = table[ROW_HASH].to_pylist()
    marked = [f"{one}{HASH_SUFFIX}" if marks else one for one, marks in zip(hashes, concerned, strict=True)]
    place = table.column_names.index(ROW_HASH)
    return table.set_column(place, table.field(ROW_HASH), pa.array(marked, pa.string()))


def unknown_fields(landed: LandedList, known: Collection[str]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """The key columns and the unknown fields, by the API's names, of each row of a list that has some."""
    endpoint = landed.endpoint
    if not any(unknown_columns(endpoint, parquet(path).schema_arrow, known) for path in landed.files()):
        return
    keys = [name for name in endpoint.primary_key if name != ACCOUNT_ID and name in arrow_schema(endpoint).names]
    for table in landed.tables():
        names = unknown_columns(endpoint, table.schema, known)
        api_names = {name: _api_name(table.field(name)) for name in names}
        for row in table.select([*keys, *names]).to_pylist() if names else ():
            if fields := _fields({api_names[name]: row[name] for name in names if row[name] is not None}):
                yield {key: str(row[key]) for key in keys}, fields


def _api_name(field: "pa.Field[Any]") -> str:
    return (field.metadata or {})[FIELD_NAME].decode()


def _fields(values: dict[str, str]) -> dict[str, Any]:
    """The fields of a row as JSON values; those that share a column separately."""
    found: dict[str, Any] = {name: json.loads(value) for name, value in values.items()}
    others: dict[str, Any] = found.pop(OTHER_FIELDS, {})
    return found | others


def refused_records(landed: LandedList, known: Collection[str]) -> Iterator[Quarantined]:
    """A record for `_quarantine` of each row with unknown fields: its key and these fields."""
    for key, fields in unknown_fields(landed, known):
        yield Quarantined(REASON.format(", ".join(sorted(fields))), msgspec.json.encode(key | fields).decode())


def refused_counts(landed: LandedList, known: Collection[str]) -> dict[str, int]:
    """The number of rows with each unknown field of a list, by name."""
    counts = Counter(name for _, fields in unknown_fields(landed, known) for name in fields)
    return dict(sorted(counts.items()))
