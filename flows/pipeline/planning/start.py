"""What a sync says at its start: the requests that it will need, by the rows of the last sync."""

from collections.abc import Mapping, Sequence

import dlt

from flows.common.list_key import ListKey
from flows.pipeline.context import SyncRun, connection_of
from flows.pipeline.planning.estimate import waits_for
from flows.pipeline.planning.requests import pages_of, sweep_requests
from flows.pipeline.sync_log import SYNCS_TABLE, last_time, stable_key
from flows.source.endpoints import ENDPOINTS


def expectation(runs: SyncRun, keys: Sequence[ListKey], pipeline: dlt.Pipeline) -> str:
    """The requests that a sync is expected to need, in words; empty if its lists were never synced.

    Args:
        runs: the runs, with the read mode of each account.
        keys: the lists to read.
        pipeline: the pipeline, with the destination's schema.
    """
    tables: set[str] = set(pipeline.default_schema.tables) if pipeline.default_schema_name else set()
    if SYNCS_TABLE not in tables:
        return ""
    with runs.common.target.reader(pipeline) as client:
        rows = last_time(pipeline, client, runs.common.target.kind.dialect, len(keys)).rows
    if not rows:
        return ""
    return "; ".join(_of_connection(runs, [key for key in keys if key.connection == run.connection], rows)
                     for run in runs.known)  # fmt: skip


def _of_connection(runs: SyncRun, keys: Sequence[ListKey], rows: Mapping[ListKey, int]) -> str:
    client = connection_of(runs.of(keys[0].connection)).client if keys else None
    if client is None:
        return "no lists to read"
    needed, left = sum(_requests(runs, key, rows) for key in keys), client.budget.left()
    waits = waits_for(needed, left, client.settings.rate_limit)
    name = f"{keys[0].connection}: " if keys[0].connection else ""
    wait = f", so the sync will wait {waits} time{'s' * (waits != 1)}" if waits else ""
    return (
        f"{name}needs about {needed:,} more requests, going by the last sync; {left:,} are left of the rate limit{wait}"
    )


def _requests(runs: SyncRun, key: ListKey, rows: Mapping[ListKey, int]) -> int:
    """Requests of a list, if it is as long as after the last sync. Those of days are not known."""
    endpoint = ENDPOINTS[key.resource]
    if endpoint.daily:
        return 0
    if runs.of(key.connection).read_mode(key).since:
        return 1
    if endpoint.parent:
        parents = rows.get(stable_key(key.connection, endpoint.parent, key.account_id), 0)
        return 0 if endpoint.version == "parent" else sweep_requests(endpoint, [{}] * parents)
    return pages_of(endpoint, rows.get(stable_key(key.connection, key.resource, key.account_id), 0))
