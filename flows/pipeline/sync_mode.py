"""Modes: whose subscribers are read whole, and of whom only those who came since the newest loaded one.

All that the decision needs is in the destination, so a lost working directory loses nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import dlt
from dlt.common.utils import chunks

from flows.destinations.sql import written_for
from flows.pipeline.context import ConnectionRun, ReadMode, SyncRun, connection_of
from flows.pipeline.extract import Extracted
from flows.pipeline.sync_log import AUTO, FULL, INCREMENTAL, SYNCS_TABLE
from flows.source.endpoints import ACCOUNT_ID
from flows.source.landing.landed_list import LandedList
from flows.source.list_reader import ISO
from flows.source.schema import texts

Mode = Literal["full", "incremental", "auto"]
MODES = (FULL, INCREMENTAL, AUTO)
AT_ONCE = 1_000
"""Keys in one query."""
SUBSCRIBERS = "subscribers"
"""The one list that the API gives in part: by when people were created."""

SEEN = f"""
    SELECT seen.account, seen.last_full, seen.last_complete, seen.latest, max(person.created_at)
    FROM (
        SELECT account, max(started) AS latest, max(started) FILTER (WHERE complete) AS last_complete,
            max(started) FILTER (WHERE complete AND mode = '{FULL}') AS last_full
        FROM {{syncs}} WHERE resource = '{SUBSCRIBERS}' AND landed_rows IS NOT NULL GROUP BY account
    ) AS seen
    LEFT JOIN {{people}} AS person ON person.account_id = seen.account AND person.created_at <= seen.last_complete
    GROUP BY seen.account, seen.last_full, seen.last_complete, seen.latest
"""
"""What loaded rows of each account say. Rows younger than its last complete sync are no proof of the ones before."""


class Seen(NamedTuple):
    """What earlier runs loaded of an account's subscribers.

    Attributes:
        whole: when the last one began that read the list whole.
        good: when the last one began that read all it had asked for.
        latest: when the last one began that loaded anything.
        newest: creation time of the newest subscriber that was there then.
    """

    last_full: datetime | None = None
    last_complete: datetime | None = None
    latest: datetime | None = None
    newest: datetime | None = None


def with_modes(runs: SyncRun, pipeline: dlt.Pipeline, mode: str) -> SyncRun:
    """The runs, with what is decided for each account's subscribers. One query, and none for full syncs."""
    if mode == FULL or SUBSCRIBERS not in runs.common.resources:
        return runs
    seen = _seen(runs.common, pipeline)
    return SyncRun(
        tuple(
            replace(run, read_modes={one: _read_mode(run, seen.get(one, Seen()), mode) for one in run.accounts or ()})
            for run in runs.each
        )
    )


def count_arrived(pipeline: dlt.Pipeline, runs: SyncRun, landed: Sequence[Extracted]) -> dict[str, int]:
    """By account, how many rows of the part that landed are in the destination: the API's count is of that part."""
    counts: dict[str, int] = {}
    with runs.common.target.reader(pipeline) as client:
        for one in landed:
            if one.part and one.key.account_id:
                table = client.make_qualified_table_name(one.key.resource)
                landed = runs.landed_list(one.key)
                keys = {key for page in landed.tables() for key in texts(page, landed.endpoint.key)}
                found = (_count(client, table, landed, some) for some in chunks(keys, AT_ONCE))
                counts[one.key.account_id] = sum(found)
    return counts


def _count(client: Any, table: str, landed: LandedList, keys: Sequence[str]) -> int:
    places = ", ".join(["%s"] * len(keys))
    query = f"SELECT count(*) FROM {table} WHERE {ACCOUNT_ID} = %s AND {landed.endpoint.key} IN ({places})"
    ((count,),) = client.execute_sql(query, landed.account_id, *keys)
    return int(count)


def _read_mode(run: ConnectionRun, seen: Seen, mode: str) -> ReadMode:
    settings = connection_of(run).settings
    if seen.last_full is None:
        return ReadMode(FULL, "never read whole before")
    if seen.newest is None:
        return ReadMode(FULL, "nobody of it is loaded")
    if seen.latest != seen.last_complete:
        return ReadMode(FULL, "the last sync did not get all it had asked for")
    age = (run.started - seen.last_full).total_seconds()
    if mode == AUTO and age > settings.full_every:
        return ReadMode(FULL, f"last read whole {_hours(age)} ago, due every {_hours(settings.full_every)}")
    since = (seen.newest - timedelta(seconds=settings.overlap)).strftime(ISO)
    return ReadMode(INCREMENTAL, f"last read whole {_hours(age)} ago", since)


def _seen(run: ConnectionRun, pipeline: dlt.Pipeline) -> dict[str, Seen]:
    tables: set[str] = set(pipeline.default_schema.tables) if pipeline.default_schema_name else set()
    if not {SYNCS_TABLE, SUBSCRIBERS} <= tables:
        return {}
    with run.target.reader(pipeline) as client:
        names = {"syncs": SYNCS_TABLE, "people": SUBSCRIBERS}
        qualified = {name: client.make_qualified_table_name(table) for name, table in names.items()}
        rows: Any = client.execute_sql(written_for(run.target.kind.dialect, SEEN, qualified)) or []
    return {account: Seen(*moments) for account, *moments in rows}


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"
