"""What the API has, what landed and what is in the destination now, compared list by list and kept in `_syncs`."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from flows.common.scrubbing import scrub
from flows.pipeline.context import ConnectionRun, SyncRun, connection_of
from flows.pipeline.dlt_pipeline import pipeline_of
from flows.pipeline.extract import Extracted, ExtractFailure
from flows.pipeline.load import Loaded
from flows.pipeline.report import ListReport, Spent, SyncReport
from flows.pipeline.sync_log import TOTAL_ROWS, LastTime, append_to_sync_log, last_time, list_name
from flows.source.endpoints import ACCOUNTS, CONNECTION, ENDPOINTS
from flows.source.schema import texts


def stopped_report(runs: SyncRun, reason: str) -> SyncReport:
    """The report of a run that could not do its work."""
    return _empty_report(runs, stopped=scrub(reason))


def report(
    runs: SyncRun,
    landed: Sequence[Extracted],
    failures: Sequence[ExtractFailure],
    loaded: Loaded,
    shared: Sequence[str] = (),
) -> SyncReport:
    """Reconcile, compare with the last time, keep the result in `_syncs`, put away what is safely loaded."""
    result = reconcile(runs, landed, failures, loaded)
    result.shared = list(shared)
    pipeline = pipeline_of(runs.common)
    target = runs.common.target
    with target.held_open(pipeline):
        with target.reader(pipeline) as client:
            compare(result, last_time(pipeline, client, target.kind.dialect, len(result.lists)))
        append_to_sync_log(pipeline, target.kind, loaded.load_id, _rows(runs.common, result))
    for run in runs.each:
        _put_away(run, [line for line in result.lists if line.connection == run.connection])
    return result


def reconcile(
    runs: SyncRun, landed: Sequence[Extracted], failures: Sequence[ExtractFailure], loaded: Loaded
) -> SyncReport:
    """Compare, list by list, what the API said with what came and with what the destination holds now."""
    resources, connections = list(ENDPOINTS), [run.connection for run in runs.each]
    lists = [_line(runs.of(one.connection), one, loaded) for one in landed if one.resource in runs.common.resources]
    lists += [_failed_line(runs.of(failure.connection), failure, loaded) for failure in failures]
    lists.sort(key=lambda one: (connections.index(one.connection), one.account or "", resources.index(one.resource)))
    return _empty_report(runs, lists=lists)


def _failed_line(run: ConnectionRun, failure: ExtractFailure, loaded: Loaded) -> ListReport:
    return ListReport(
        failure.account,
        failure.resource,
        total=_total(failure.resource, failure.account, loaded),
        note=failure.message,
        mode=run.choice(failure.resource, failure.account).mode,
        connection=run.connection,
    )


def _total(resource: str, account: str | None, loaded: Loaded) -> int | None:
    """Rows in the destination of an account's list; None for a list that each token has one of."""
    return loaded.rows[resource].get(account, 0) if account else None


def _line(run: ConnectionRun, one: Extracted, loaded: Loaded) -> ListReport:
    outcome, choice = one.outcome, run.choice(one.resource, one.account)
    expected = len(run.accounts or ()) if one.resource == ACCOUNTS.resource else outcome.rows
    count = _count(run, one, loaded)
    differs = count != expected
    note = outcome.note or (f"{expected} rows came and {count} are in the destination" if differs else "")
    return ListReport(
        account=one.account,
        resource=one.resource,
        api_rows=outcome.api_rows,
        landed=expected,
        loaded=count,
        total=_total(one.resource, one.account, loaded) if one.account else count,
        repeated=outcome.repeated,
        quarantined=outcome.quarantined,
        seconds=round(one.seconds, 2),
        complete=outcome.complete and not differs,
        note=note,
        mode=choice.mode,
        why=choice.why,
        saved=_saved(run, one, loaded) if one.part else 0,
        connection=run.connection,
    )


def compare(result: SyncReport, last: LastTime) -> None:
    """Note beside the result what was there the last time."""
    result.seconds_before = last.seconds
    for line in result.lists:
        line.before = last.rows.get(list_name(line.connection, line.resource, line.account))


def _count(run: ConnectionRun, one: Extracted, loaded: Loaded) -> int:
    """Rows in the destination that can be compared with those that came."""
    rows = loaded.rows[one.resource]
    if one.part:
        return loaded.arrived.get(one.account or "", 0)
    if ENDPOINTS[one.resource].per_account:
        return rows.get(one.account, 0)
    return sum(rows.get(key, 0) for key in _keys(run, one.resource))


def _keys(run: ConnectionRun, resource: str) -> Iterable[str]:
    """The rows that a run has of a list that each token has one of: another token may have put its own beside them."""
    if resource == ACCOUNTS.resource:
        return run.accounts or ()
    return {key for table in run.unit(resource, None).tables() for key in texts(table, ENDPOINTS[resource].key)}


def _saved(run: ConnectionRun, one: Extracted, loaded: Loaded) -> int:
    """Requests that the whole list would have cost more than the part that was read."""
    pages = len(run.unit(one.resource, one.account).files())
    whole = loaded.rows[one.resource].get(one.account, 0) / (ENDPOINTS[one.resource].per_page or 1)
    return max(0, math.ceil(whole) - pages)


def _empty_report(runs: SyncRun, **known: Any) -> SyncReport:
    run = runs.common
    budgets = [(one.connection, connection_of(one).client.budget) for one in runs.each]
    return SyncReport(
        run=run.id,
        started=run.started,
        finished=datetime.now(UTC),
        location=run.target.location,
        dataset=run.target.dataset,
        budgets=[Spent(connection, budget.requests, budget.remaining) for connection, budget in budgets],
        **known,
    )


def _rows(run: ConnectionRun, result: SyncReport) -> list[dict[str, Any]]:
    """One row per list, with the columns of `_syncs`."""
    head = {"run": result.run, "started": result.started, "finished": result.finished}
    return [
        head
        | {
            "mode": line.mode,
            CONNECTION: line.connection or None,
            "account": line.account,
            "resource": line.resource,
            "api_rows": line.api_rows,
            "landed_rows": line.landed,
            "loaded_rows": line.loaded,
            TOTAL_ROWS: line.total,
            "quarantined_rows": line.quarantined,
            "complete": line.complete,
            "history": line.resource in run.history,
            "note": line.note.replace("\0", r"\0"),  # the API's own words may hold what PostgreSQL does not
        }
        for line in result.lists
    ]


def _put_away(run: ConnectionRun, lists: Sequence[ListReport]) -> None:
    """What is reconciled is removed, or kept where no later run takes it for its own; the rest is gone on from."""
    keep = connection_of(run).settings.keep_landing
    for line in lists:
        if line.complete:
            unit = run.unit(line.resource, line.account)
            run.landing.keep(unit, run.id) if keep else unit.clear()
    if not keep and all(line.complete for line in lists):
        run.landing.remove()
