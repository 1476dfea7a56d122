"""Reconciles the rows of each list in the API, the landing zone and the destination, and appends them to `_syncs`."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import dlt

from flows.common.clock import now
from flows.common.list_key import ListKey
from flows.common.scrubbing import scrub
from flows.pipeline.comments import make_comments
from flows.pipeline.context import ConnectionRun, SyncRun, connection_of
from flows.pipeline.dlt_pipeline import opened_pipeline
from flows.pipeline.drift import emptied
from flows.pipeline.event_audit import audit_events
from flows.pipeline.event_loss import by_account
from flows.pipeline.event_sources import spool_folder
from flows.pipeline.extract import Extracted, ExtractFailure
from flows.pipeline.load import Loaded
from flows.pipeline.report import Spent, SyncReport
from flows.pipeline.report_line import ListReport
from flows.pipeline.sync_log import TOTAL_ROWS, LastTime, append_to_sync_log, last_time, stable_key
from flows.pipeline.sync_log_retention import thin_sync_log
from flows.pipeline.webhook_check import WEBHOOKS, webhook_problems, webhook_query
from flows.source.deliveries.registrations import registrations
from flows.source.endpoints import ACCOUNTS, CONNECTION, ENDPOINTS
from flows.source.schema import texts
from flows.source.settings import common_settings


def stopped_report(runs: SyncRun, reason: str) -> SyncReport:
    """The report of a run that could not do its work at all."""
    return _empty_report(runs, stopped=scrub(reason))


def report(
    runs: SyncRun,
    landed: Sequence[Extracted],
    failures: Sequence[ExtractFailure],
    loaded: Loaded,
    shared: Sequence[str] = (),
) -> SyncReport:
    """Reconcile, compare with the last sync, append to `_syncs`, and delete the landed pages of complete lists."""
    result = reconcile(runs, landed, failures, loaded)
    result.shared, result.events = list(shared), loaded.events
    result.view_problems, result.newest = loaded.view_problems, loaded.newest
    target = runs.common.target
    with opened_pipeline(runs.common) as pipeline:
        with target.reader(pipeline) as client:
            result.webhook_problems = _webhook_problems(pipeline, client, result)
            compare(result, last_time(pipeline, client, target.kind.dialect, len(result.lists)))
        result.drift = [*loaded.drift, *emptied(result.lists)]
        thin_sync_log(pipeline, target.kind, result.finished, common_settings().sync_log_days)
        append_to_sync_log(pipeline, target.kind, loaded.load_id, _rows(runs.common, result))
        result.event_losses = by_account(audit_events(pipeline, runs.common))
        make_comments(pipeline, target)
        with target.reader(pipeline) as client:
            target.drop_staging(client)
    for run in runs.each:
        _delete_landed(run, [line for line in result.lists if line.connection == run.connection])
    return result


def _webhook_problems(pipeline: dlt.Pipeline, client: Any, result: SyncReport) -> dict[str, str]:
    """By account, what is wrong with the webhook of the receiver, where its list of webhooks was read."""
    read = {line.account or "" for line in result.lists if line.resource == WEBHOOKS and line.complete}
    known = registrations(spool_folder()) if read else {}
    if not known:
        return {}
    columns = pipeline.default_schema.get_table_columns(WEBHOOKS)
    rows = client.execute_sql(webhook_query(client.make_qualified_table_name(WEBHOOKS), columns)) or []
    return webhook_problems(known, rows, read)


def reconcile(
    runs: SyncRun, landed: Sequence[Extracted], failures: Sequence[ExtractFailure], loaded: Loaded
) -> SyncReport:
    """Compare the rows of each list: according to the API, received, and in the destination."""
    resources, connections = list(ENDPOINTS), [run.connection for run in runs.each]
    synced = [extracted for extracted in landed if extracted.key.resource in runs.common.resources]
    lists = [_line(runs.of(extracted.key.connection), extracted, loaded) for extracted in synced]
    lists += [_failed_line(runs.of(failure.key.connection), failure, loaded) for failure in failures]
    lists.sort(
        key=lambda line: (connections.index(line.connection), line.account or "", resources.index(line.resource))
    )
    return _empty_report(runs, lists=lists)


def _failed_line(run: ConnectionRun, failure: ExtractFailure, loaded: Loaded) -> ListReport:
    return ListReport(
        failure.key.account_id,
        failure.key.resource,
        total=_total(run, failure.key, loaded) if failure.key.account_id else None,
        note=failure.message,
        mode=run.read_mode(failure.key).mode,
        connection=failure.key.connection,
    )


def _total(run: ConnectionRun, key: ListKey, loaded: Loaded) -> int:
    """Rows of the entire list in the destination; of a list that belongs to the token, if it landed."""
    rows = loaded.rows[key.resource]
    if key.account_id:
        return rows.get(key.account_id, 0)
    return sum(rows.get(row, 0) for row in _row_keys(run, key, run.all_accounts))


def _line(run: ConnectionRun, extracted: Extracted, loaded: Loaded) -> ListReport:
    key, outcome, read = extracted.key, extracted.outcome, run.read_mode(extracted.key)
    count = _count(run, extracted, loaded)
    expected = _expected(run, extracted, count)
    problem = f"{expected} rows were received, but {count} are in the destination" if count != expected else ""
    problem = problem or _unequal_sums(extracted, loaded)
    note = problem if problem and outcome.complete else outcome.note or problem
    return ListReport(
        account=key.account_id,
        resource=key.resource,
        api_rows=outcome.api_rows,
        landed=expected,
        loaded=count,
        total=_total(run, key, loaded),
        repeated=outcome.repeated,
        quarantined=outcome.quarantined,
        seconds=round(extracted.seconds, 2),
        complete=outcome.complete and not problem,
        note=note,
        mode=read.mode,
        available=outcome.available,
        why=read.why,
        saved=_saved(run, extracted, loaded) if extracted.part else 0,
        connection=key.connection,
    )


def _expected(run: ConnectionRun, one: Extracted, count: int) -> int:
    """Rows that should be there; of an endpoint that the token does not have, whatever is there from before."""
    if one.key.resource == ACCOUNTS.resource:
        return len(run.accounts or ())
    return one.outcome.rows if one.outcome.available else count


def _unequal_sums(one: Extracted, loaded: Loaded) -> str:
    """In words, the days whose rows do not add up to the API's summary."""
    return loaded.days[one.key.account_id or ""].note if ENDPOINTS[one.key.resource].daily else ""


def compare(result: SyncReport, last: LastTime) -> None:
    """Add the rows and seconds of the last sync to the report."""
    result.seconds_before = last.seconds
    for line in result.lists:
        line.before = last.rows.get(stable_key(line.connection, line.resource, line.account))


def _count(run: ConnectionRun, extracted: Extracted, loaded: Loaded) -> int:
    """Rows in the destination to compare with the received rows."""
    key, rows = extracted.key, loaded.rows[extracted.key.resource]
    if ENDPOINTS[key.resource].daily:
        return loaded.days[key.account_id or ""].rows
    if extracted.part:
        return loaded.arrived.get(key.account_id or "", 0)
    if ENDPOINTS[key.resource].per_account:
        return rows.get(key.account_id, 0)
    return sum(rows.get(row, 0) for row in _row_keys(run, key, run.accounts or ()))


def _row_keys(run: ConnectionRun, key: ListKey, accounts: Iterable[str]) -> Iterable[str]:
    """The keys of this token's rows in a table that tokens share; those of the accounts are given."""
    if key.resource == ACCOUNTS.resource:
        return accounts
    column = ENDPOINTS[key.resource].key
    return {row_key for table in run.landed_list(key).tables() for row_key in texts(table, column)}


def _saved(run: ConnectionRun, extracted: Extracted, loaded: Loaded) -> int:
    """Requests saved by reading only a part of the list."""
    key = extracted.key
    if not ENDPOINTS[key.resource].has_created_filter:
        return 0
    pages_in_full = loaded.rows[key.resource].get(key.account_id, 0) / (ENDPOINTS[key.resource].per_page or 1)
    return max(0, math.ceil(pages_in_full) - len(run.landed_list(key).files()))


def _empty_report(runs: SyncRun, **known: Any) -> SyncReport:
    run = runs.common
    budgets = [(run.connection, connection_of(run).client.budget) for run in runs.each]
    return SyncReport(
        run=run.id,
        started=run.started,
        finished=now(),
        location=run.target.location,
        dataset=run.target.dataset,
        destination=run.target.name,
        account_names=runs.account_names,
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
            "note": line.note.replace("\0", r"\0"),  # messages of the API may contain NUL, which PostgreSQL rejects
        }
        for line in result.lists
    ]


def _delete_landed(run: ConnectionRun, lists: Sequence[ListReport]) -> None:
    """Delete the landed pages of complete lists, or archive them if set. A later run resumes the other lists."""
    keep = connection_of(run).settings.keep_landing
    for line in lists:
        if line.complete:
            landed = run.landed_list(run.key(line.resource, line.account))
            run.landing.keep(landed, run.id) if keep else landed.clear()
    if not keep and all(line.complete for line in lists):
        run.landing.remove()
