"""`_quarantine`: records that fit no table, as received, until the API returns them without errors."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from flows.source.decoding.decoder import Quarantined
from flows.source.frozen import refused_records
from flows.source.landed_input import Lists, SourceList
from flows.source.schema import DATA_TYPES, mirrored, sql_list, stored
from flows.source.tables import merge_resource

TABLE = "_quarantine"
HASH = "record_hash"
LIST = ("account", "resource")
KEYS = [*LIST, HASH]
SCHEMA = pa.schema(
    [(name, pa.string()) for name in (*KEYS, "reason", "record")] + [("seen", pa.timestamp("us", tz="UTC"))]
)


def quarantine_resource(resources: Sequence[str], lists: Lists) -> DltResource:
    """The dlt resource with the quarantined records of these resources."""
    columns = {one.name: {"nullable": one.name not in KEYS, "data_type": DATA_TYPES[one.type]} for one in SCHEMA}
    disposition = mirrored("", HASH, HASH, lists.format.in_files)
    return merge_resource(TABLE, _rows(resources, lists), KEYS, columns, disposition, lists.format)


def _rows(resources: Sequence[str], lists: Lists) -> Iterator[Any]:
    """All quarantined records, in one table. For complete lists, records that were not received again are deleted.

    There are none if there is nothing to add or delete.
    """
    source_lists, in_files = [one for name in resources for one in lists.of(name)], lists.format.in_files
    scope = _scope(source_lists, lists)
    hints = dlt.mark.make_hints(primary_key=KEYS, write_disposition=mirrored(scope, HASH, HASH, in_files))
    records = _records(source_lists, lists)
    if records or lists.need_quarantine():
        rows = [*([] if in_files else [dict.fromkeys(KEYS, "")]), *records]  # a placeholder if the load filters it out
        yield dlt.mark.with_hints(pa.Table.from_pylist(rows, schema=SCHEMA), hints)


def _scope(source_lists: Sequence[SourceList], lists: Lists) -> str:
    """An SQL condition for the records of lists that were proven complete.

    Lists that belong to tokens rather than accounts count as one list here, complete if all of them are.
    """
    times = Counter(
        f"{source_list.landed.account_id or ''}/{source_list.landed.endpoint.resource}"
        for source_list in source_lists
        if source_list.whole
    )
    complete = sql_list(name for name, count in times.items() if not name.startswith("/") or count == lists.tokens)
    listed = " || '/' || ".join(stored(column, lists.format.in_files) for column in LIST)
    return f"{listed} IN ({complete})" if complete else ""


def _records(source_lists: Sequence[SourceList], lists: Lists) -> list[dict[str, Any]]:
    """The quarantined records."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for source_list in source_lists:
        for bad in _quarantined(source_list, lists):
            digest = record_hash(bad.record)
            key = (source_list.landed.account_id or "", source_list.landed.endpoint.resource, digest)
            rows[key] = dict(zip(KEYS, key, strict=True)) | {
                "reason": bad.reason,
                "record": without_nul(bad.record),
                "seen": lists.started,
            }
    return list(rows.values())


def _quarantined(source_list: SourceList, lists: Lists) -> Iterator[Quarantined]:
    """The records of a list that fit no table; if the schema is frozen, also the unknown fields of rows."""
    if source_list.outcome.quarantined:
        yield from source_list.landed.quarantine()
    if lists.frozen:
        yield from refused_records(source_list.landed, lists.known_columns(source_list.landed.endpoint.resource))


def record_hash(record: str) -> str:
    """The hash that identifies a record in the table."""
    return hashlib.blake2b(record.encode(), digest_size=16).hexdigest()


def without_nul(record: str) -> str:
    """A record with its NUL characters escaped, since PostgreSQL has no such character."""
    return record.replace("\0", r"\u0000")
