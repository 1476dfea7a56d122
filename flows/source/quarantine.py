"""Records that fit no table, kept as they came in `_quarantine` until the API sends them whole."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from flows.source.schema import mirrored, sql_list, stored
from flows.source.tables import Lists, SourceList

TABLE = "_quarantine"
HASH = "record_hash"
LIST = ("account", "resource")
KEYS = [*LIST, HASH]
SCHEMA = pa.schema(
    [(name, pa.string()) for name in (*KEYS, "reason", "record")] + [("seen", pa.timestamp("us", tz="UTC"))]
)


def quarantine_resource(resources: Sequence[str], lists: Lists) -> DltResource:
    """The table of quarantined records of these resources."""
    format = lists.format
    resource: DltResource = dlt.resource(
        _rows(resources, lists),
        name=TABLE,
        primary_key=KEYS,
        columns={name: {"nullable": False, "data_type": "text"} for name in KEYS},
        write_disposition=mirrored("", HASH, HASH, format.in_files),
        file_format="parquet",
        table_format=format.table_format,
    )
    return resource


def _rows(resources: Sequence[str], lists: Lists) -> Iterator[Any]:
    """All of them at once; those of lists that were proven whole, and did not come again, go."""
    found, in_files = [one for name in resources for one in lists.of(name)], lists.format.in_files
    scope = _scope(found, lists)
    hints = dlt.mark.make_hints(primary_key=KEYS, write_disposition=mirrored(scope, HASH, HASH, in_files))
    yield dlt.mark.with_hints(pa.Table.from_pylist(_records(found, lists), schema=SCHEMA), hints)


def _scope(found: Sequence[SourceList], lists: Lists) -> str:
    """A condition for the records of lists that were proven whole.

    The lists that each token has one of count as one here, whole if all are.
    """
    times = Counter(f"{one.landed.account_id or ''}/{one.landed.endpoint.resource}" for one in found if one.whole)
    whole = sql_list(name for name, count in times.items() if not name.startswith("/") or count == lists.tokens)
    listed = " || '/' || ".join(stored(column, lists.format.in_files) for column in LIST)
    return f"{listed} IN ({whole})" if whole else ""


def _records(found: Sequence[SourceList], lists: Lists) -> list[dict[str, Any]]:
    """The records that fitted nowhere, after a stand-in where that is left out."""
    stand_in = {} if lists.format.in_files else {("", "", ""): dict.fromkeys(KEYS, "")}
    rows: dict[tuple[str, str, str], dict[str, Any]] = {**stand_in}
    for one in found:
        for bad in one.landed.quarantine() if one.outcome.quarantined else ():
            digest = hashlib.blake2b(bad.record.encode(), digest_size=16).hexdigest()
            key = (one.landed.account_id or "", one.landed.endpoint.resource, digest)
            rows[key] = dict(zip(KEYS, key, strict=True)) | {
                "reason": bad.reason,
                "record": bad.record.replace("\0", r"\u0000"),  # PostgreSQL has no such character
                "seen": lists.started,
            }
    return list(rows.values())
