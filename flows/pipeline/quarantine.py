"""Records that fit no table, kept as they came in `_quarantine` until the API sends them whole."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from flows.pipeline.context import Runs
from flows.pipeline.extract import Landed
from flows.source.schema import mirrored, sql_list, stored

TABLE = "_quarantine"
HASH = "record_hash"
LIST = ("account", "resource")
KEYS = [*LIST, HASH]
SCHEMA = pa.schema(
    [(name, pa.string()) for name in (*KEYS, "reason", "record")] + [("seen", pa.timestamp("us", tz="UTC"))]
)


def quarantine_resource(runs: Runs, landed: Sequence[Landed]) -> DltResource:
    """The table of quarantined records; those of lists that were proven whole, and did not come again, go.

    The lists that each token has one of count as one here, whole if all are.
    """
    times = Counter(f"{one.account or ''}/{one.resource}" for one in landed if one.whole)
    whole = sql_list(name for name, found in times.items() if not name.startswith("/") or found == len(runs.each))
    kind = runs.common.target.kind
    listed = " || '/' || ".join(stored(column, kind.is_files) for column in LIST)
    resource: DltResource = dlt.resource(
        [pa.Table.from_pylist(_rows(runs, landed, kind.is_files), schema=SCHEMA)],
        name=TABLE,
        primary_key=KEYS,
        columns={name: {"nullable": False, "data_type": "text"} for name in KEYS},
        write_disposition=mirrored(f"{listed} IN ({whole})" if whole else "", HASH, HASH, kind.is_files),
        file_format="parquet",
        table_format=kind.table_format,
    )
    return resource


def _rows(runs: Runs, landed: Sequence[Landed], in_files: bool) -> list[dict[str, Any]]:
    """The records that fitted nowhere, after a stand-in where that is left out."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {} if in_files else {("", "", ""): dict.fromkeys(KEYS, "")}
    for one in landed:
        unit = runs.of(one.connection).unit(one.resource, one.account)
        for bad in unit.quarantine() if one.outcome.quarantined else ():
            digest = hashlib.blake2b(bad.record.encode(), digest_size=16).hexdigest()
            key = (one.account or "", one.resource, digest)
            rows[key] = dict(zip(KEYS, key, strict=True)) | {
                "reason": bad.reason,
                "record": bad.record.replace("\0", r"\u0000"),  # PostgreSQL has no such character
                "seen": runs.common.started,
            }
    return list(rows.values())
