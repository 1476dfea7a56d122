"""What a later run has to know of the figures that were read: by day when, and by email where it belongs.

`_email_metrics_days` has the API's own summary of each day as well, which the rows of the day add up to.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from dlt.extract import DltResource

from flows.source.email_records import COUNTS
from flows.source.endpoints import ACCOUNT_ID, DATE, ROW_HASH
from flows.source.landed_input import Lists
from flows.source.landing.daily_list import EMAIL_ID, NODE_ID, WORKFLOW_ID, DailyList
from flows.source.schema import key_type, mirrored
from flows.source.tables import merge_resource, placeholder

RESOURCE = "email_metrics"
DAYS, PLACEMENTS = "_email_metrics_days", "_email_placements"
TIME = pa.timestamp("us", tz="UTC")
DAY_COLUMNS = {
    ACCOUNT_ID: pa.string(), DATE: pa.date32(), "read_at": TIME, "listed": pa.bool_(), "requests": pa.int64(),
    "emails": pa.int64(), **dict.fromkeys(COUNTS, pa.int64()),
}  # fmt: skip
PLACEMENT_COLUMNS = {
    ACCOUNT_ID: pa.string(), EMAIL_ID: pa.string(), WORKFLOW_ID: pa.string(), NODE_ID: pa.string(),
    "asked_from": pa.date32(), "asked_to": pa.date32(),
}  # fmt: skip
KEYS = {DAYS: [ACCOUNT_ID, DATE], PLACEMENTS: [ACCOUNT_ID, EMAIL_ID]}


def state_resources(lists: Lists) -> list[DltResource]:
    """Both tables, of the lists that are loaded. Their rows are added and changed, never deleted."""
    return [
        _resource(DAYS, DAY_COLUMNS, lists, _day_rows),
        _resource(PLACEMENTS, PLACEMENT_COLUMNS, lists, _placement_rows),
    ]


def _resource(
    name: str, columns: dict[str, Any], lists: Lists, rows: Callable[[DailyList], list[dict[str, Any]]]
) -> DltResource:
    keys, in_files = KEYS[name], lists.format.in_files
    schema = pa.schema([*columns.items(), (ROW_HASH, pa.string())])

    hints: Any = {key: {"nullable": False, "data_type": key_type(key)} for key in keys}

    def tables() -> Iterator[Any]:
        found = [row for one in lists.of(RESOURCE) if isinstance(one.landed, DailyList) for row in rows(one.landed)]
        yield from () if in_files else (placeholder(keys, schema),)
        yield pa.Table.from_pylist(list(map(_hashed, found)), schema=schema)

    return merge_resource(name, tables(), keys, hints, mirrored("", ROW_HASH, ACCOUNT_ID, in_files), lists.format)


def _day_rows(unit: DailyList) -> list[dict[str, Any]]:
    return [
        {ACCOUNT_ID: unit.account_id, DATE: mark.day, "read_at": mark.read_at, "listed": mark.listed,
         "requests": mark.requests, "emails": mark.api_rows, **mark.summary}
        for mark in unit.marks().values()
    ]  # fmt: skip


def _placement_rows(unit: DailyList) -> list[dict[str, Any]]:
    return [
        {ACCOUNT_ID: unit.account_id, EMAIL_ID: email, WORKFLOW_ID: place.workflow_id, NODE_ID: place.node_id,
         "asked_from": place.asked_from, "asked_to": place.asked_to}
        for email, place in unit.placements().items()
    ]  # fmt: skip


def _hashed(row: dict[str, Any]) -> dict[str, Any]:
    return row | {ROW_HASH: "|".join(map(str, row.values()))}
