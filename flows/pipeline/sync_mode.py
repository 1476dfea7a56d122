"""Sync modes: decides for each account whether to read all subscribers, or only those created since the last sync.

The decision is based only on data in the destination, so it does not depend on local files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import dlt
from dlt.common.utils import chunks

from flows.common.duration import duration
from flows.destinations.sql import written_for
from flows.pipeline.context import ConnectionRun, ReadMode, SyncRun, connection_of
from flows.pipeline.extract import Extracted
from flows.pipeline.sync_log import AUTO, FULL, INCREMENTAL, SYNCS_TABLE
from flows.source.endpoints import ACCOUNT_ID, ENDPOINTS
from flows.source.landing.landed_list import LandedList
from flows.source.list_reader import ISO
from flows.source.schema import texts

Mode = Literal["full", "incremental", "auto"]
MODES = (FULL, INCREMENTAL, AUTO)
AT_ONCE = 1_000
"""Maximum number of keys in a query."""
SUBSCRIBERS = "subscribers"
"""The only list that the API can return in part, by creation time."""

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
"""The earlier syncs by account. Rows newer than its last complete sync do not prove that older ones are loaded."""


class Seen(NamedTuple):
    """Earlier syncs of an account's subscribers.

    Attributes:
        last_full: start of the last complete sync that read the list in full.
        last_complete: start of the last complete sync, full or incremental.
        latest: start of the last sync that loaded the list.
        newest: creation time of the newest subscriber created before `last_complete`.
    """

    last_full: datetime | None = None
    last_complete: datetime | None = None
    latest: datetime | None = None
    newest: datetime | None = None


def with_modes(runs: SyncRun, pipeline: dlt.Pipeline, mode: str) -> SyncRun:
    """The runs with the read mode of each account. It takes one query; none in mode `full`."""
    if mode == FULL or SUBSCRIBERS not in runs.common.resources:
        return runs
    return modes_of(runs, mode, _seen(runs.common, pipeline))


def modes_of(runs: SyncRun, mode: str, seen: Mapping[str, "Seen"]) -> SyncRun:
    """The runs with the read mode of each account, from the earlier syncs by account."""
    if mode == FULL or SUBSCRIBERS not in runs.common.resources:
        return runs
    return SyncRun(
        tuple(
            replace(
                run,
                read_modes={
                    account: _read_mode(run, seen.get(account, Seen()), mode) for account in run.accounts or ()
                },
            )
            for run in runs.each
        )
    )


def count_arrived(pipeline: dlt.Pipeline, runs: SyncRun, landed: Sequence[Extracted]) -> dict[str, int]:
    """By account, how many rows of a landed part are in the destination, to compare with the API's count of it."""
    counts: dict[str, int] = {}
    with runs.common.target.reader(pipeline) as client:
        for extracted in landed:
            if extracted.part and extracted.key.account_id and ENDPOINTS[extracted.key.resource].has_created_filter:
                table = client.make_qualified_table_name(extracted.key.resource)
                landed_list = runs.landed_list(extracted.key)
                keys = {key for page in landed_list.tables() for key in texts(page, landed_list.endpoint.key)}
                counts[extracted.key.account_id] = sum(
                    _count(client, table, landed_list, some_keys) for some_keys in chunks(keys, AT_ONCE)
                )
    return counts


def _count(client: Any, table: str, landed: LandedList, keys: Sequence[str]) -> int:
    places = ", ".join(["%s"] * len(keys))
    query = f"SELECT count(*) FROM {table} WHERE {ACCOUNT_ID} = %s AND {landed.endpoint.key} IN ({places})"
    ((count,),) = client.execute_sql(query, landed.account_id, *keys)
    return int(count)


def _read_mode(run: ConnectionRun, seen: Seen, mode: str) -> ReadMode:
    settings = connection_of(run).settings
    if seen.last_full is None:
        return ReadMode(FULL, "never read completely before")
    if seen.newest is None:
        return ReadMode(FULL, "no subscribers are loaded")
    if seen.latest != seen.last_complete:
        return ReadMode(FULL, "the last sync was incomplete")
    age = (run.started - seen.last_full).total_seconds()
    if mode == AUTO and age > settings.full_every:
        return ReadMode(FULL, f"last read in full {duration(age)} ago, due every {duration(settings.full_every)}")
    since = (seen.newest - timedelta(seconds=settings.overlap)).strftime(ISO)
    return ReadMode(INCREMENTAL, f"last read in full {duration(age)} ago", since)


def _seen(run: ConnectionRun, pipeline: dlt.Pipeline) -> dict[str, Seen]:
    tables: set[str] = set(pipeline.default_schema.tables) if pipeline.default_schema_name else set()
    if not {SYNCS_TABLE, SUBSCRIBERS} <= tables:
        return {}
    with run.target.reader(pipeline) as client:
        return seen_accounts(client, run.target.kind.dialect)


def seen_accounts(client: Any, dialect: str) -> dict[str, Seen]:
    """The earlier syncs by account, from a client of a dataset that has both tables."""
    names = {"syncs": SYNCS_TABLE, "people": SUBSCRIBERS}
    qualified = {name: client.make_qualified_table_name(table) for name, table in names.items()}
    rows: Any = client.execute_sql(written_for(dialect, SEEN, qualified)) or []
    return {account: Seen(*moments) for account, *moments in rows}
