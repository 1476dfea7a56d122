"""The report: what the API has, what landed, what is in the destination now, and what to do where they differ."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dlt
import msgspec
from prefect import task

from flows.extract import Failure, Landed
from flows.load import Loaded, pipeline_of
from flows.run import Run, tools_of
from flows.source.endpoints import ACCOUNTS, ENDPOINTS
from flows.syncs import COLUMNS, FULL, SYNCS_TABLE, LastTime, last_time


class ListReport(msgspec.Struct):
    """One line of the report: one list of one account.

    Attributes:
        api_rows: rows by the API, None where it could not be asked.
        landed: distinct rows that came.
        loaded: rows of the list in the destination now, None where it was not loaded.
        before: rows of it after the sync that last loaded it, None where there was none.
        complete: what came was proven to be all there is, and is all there is in the destination.
        note: why not; empty where it is.
        mode: full, or incremental: then all counts are of the part that was asked for.
        why: it was read so, where that was chosen.
        saved: requests that reading all of it would have cost more.
    """

    account: str | None
    resource: str
    api_rows: int | None = None
    landed: int | None = None
    loaded: int | None = None
    before: int | None = None
    repeated: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    complete: bool = False
    note: str = ""
    mode: str = FULL
    why: str = ""
    saved: int = 0


class SyncReport(msgspec.Struct):
    """What a run did.

    Attributes:
        requests_left: of the token's budget, by the API; None where it did not say.
        seconds_before: that the last sync of as many lists took; None where there was none.
        stopped: why, in a line, the run could not do its work at all; empty where it could.
    """

    run: str
    started: datetime
    finished: datetime
    location: str
    dataset: str
    lists: list[ListReport] = []
    requests: int = 0
    requests_left: int | None = None
    seconds_before: float | None = None
    stopped: str = ""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished - self.started).total_seconds()

    @property
    def failures(self) -> list[ListReport]:
        """The lists that did not arrive whole."""
        return [line for line in self.lists if not line.complete]

    @property
    def exit_code(self) -> int:
        """0: all arrived; 1: some lists did not; 2: nothing could start, or the token was refused."""
        if self.stopped:
            return 2
        return 1 if self.failures else 0

    def summary(self) -> str:
        """The run in one line."""
        if self.stopped:
            return self.stopped
        accounts = len({line.account for line in self.lists if line.account})
        rows = sum(line.loaded or 0 for line in self.lists if line.complete)
        text = (
            f"{rows:,} rows of {accounts} account{'s' * (accounts != 1)} in {self.location}, dataset "
            f"{self.dataset}; {self.requests} requests, {self.seconds:.1f} s"
        )
        bad = len(self.failures)
        return f"{text}; {bad} of {len(self.lists)} lists did not arrive whole" if bad else text


def stopped_report(run: Run, reason: str) -> SyncReport:
    """The report of a run that could not do its work."""
    return _empty_report(run, stopped=reason)


@task(name="report", persist_result=False)
def report(
    run: Run, accounts: Sequence[str], landed: Sequence[Landed], failures: Sequence[Failure], loaded: Loaded
) -> SyncReport:
    """Reconcile, compare with the last time, keep the result in `_syncs`, put away what is safely loaded."""
    result = reconcile(run, accounts, landed, failures, loaded)
    pipeline = pipeline_of(run)
    with run.target.reader(pipeline) as client:
        compare(result, last_time(client, run.target.kind.dialect, len(result.lists)))
    _keep(pipeline, run, result)
    _put_away(run, result)
    return result


def reconcile(
    run: Run, accounts: Sequence[str], landed: Sequence[Landed], failures: Sequence[Failure], loaded: Loaded
) -> SyncReport:
    """Compare, list by list, what the API said with what came and with what the destination holds now."""
    lists = [_line(run, one, accounts, loaded) for one in landed if one.resource in run.resources]
    lists += [
        ListReport(
            failure.account,
            failure.resource,
            note=failure.message,
            mode=run.choice(failure.resource, failure.account).mode,
        )
        for failure in failures
        if failure.resource in run.resources
    ]
    order = list(ENDPOINTS)
    lists.sort(key=lambda line: (line.account or "", order.index(line.resource)))
    return _empty_report(run, lists=lists)


def _line(run: Run, one: Landed, accounts: Sequence[str], loaded: Loaded) -> ListReport:
    outcome, choice = one.outcome, run.choice(one.resource, one.account)
    expected = len(accounts) if one.resource == ACCOUNTS.resource else outcome.rows
    count = _count(one, accounts, loaded)
    # Another token may have put its user beside ours: more rows than came are no difference there.
    differs = count != expected and (ENDPOINTS[one.resource].per_account or count < expected)
    note = outcome.note or (f"{expected} rows came and {count} are in the destination" if differs else "")
    return ListReport(
        account=one.account,
        resource=one.resource,
        api_rows=outcome.api_rows,
        landed=expected,
        loaded=count,
        repeated=outcome.repeated,
        quarantined=outcome.quarantined,
        seconds=round(one.seconds, 2),
        complete=outcome.complete and not differs,
        note=note,
        mode=choice.mode,
        why=choice.why,
        saved=_saved(run, one, loaded) if one.part else 0,
    )


def compare(result: SyncReport, last: LastTime) -> None:
    """Note beside the result what was there the last time."""
    result.seconds_before = last.seconds
    for line in result.lists:
        line.before = last.rows.get((line.account, line.resource))


def _count(one: Landed, accounts: Sequence[str], loaded: Loaded) -> int:
    """Rows in the destination that can be compared with those that came."""
    rows = loaded.rows[one.resource]
    if one.part:
        return loaded.arrived.get(one.account or "", 0)
    if one.resource == ACCOUNTS.resource:
        return sum(rows.get(account, 0) for account in accounts)
    return rows.get(one.account, 0)


def _saved(run: Run, one: Landed, loaded: Loaded) -> int:
    """Requests that the whole list would have cost more than the part that was read."""
    pages = len(run.unit(one.resource, one.account).files())
    whole = loaded.rows[one.resource].get(one.account, 0) / (ENDPOINTS[one.resource].per_page or 1)
    return max(0, math.ceil(whole) - pages)


def _empty_report(run: Run, **known: Any) -> SyncReport:
    budget = tools_of(run).client.budget
    return SyncReport(
        run=run.id,
        started=run.started,
        finished=datetime.now(UTC),
        location=run.target.location,
        dataset=run.target.dataset,
        requests=budget.requests,
        requests_left=budget.remaining,
        **known,
    )


def _keep(pipeline: dlt.Pipeline, run: Run, result: SyncReport) -> None:
    """Append one row per list to `_syncs`."""
    head = {"run": result.run, "started": result.started, "finished": result.finished}
    rows = [
        head
        | {
            "mode": line.mode,
            "account": line.account,
            "resource": line.resource,
            "api_rows": line.api_rows,
            "landed_rows": line.landed,
            "loaded_rows": line.loaded,
            "quarantined_rows": line.quarantined,
            "complete": line.complete,
            "history": line.resource in run.history,
            "note": line.note.replace("\0", r"\0"),  # the API's own words may hold what PostgreSQL does not
        }
        for line in result.lists
    ]
    syncs = dlt.resource(
        rows,
        name=SYNCS_TABLE,
        write_disposition="append",
        columns=COLUMNS,
        table_format=run.target.kind.table_format,
    )
    pipeline.run(syncs, loader_file_format="parquet")


def _put_away(run: Run, result: SyncReport) -> None:
    """What is reconciled is removed, or kept where no later run takes it for its own; the rest is gone on from."""
    keep = tools_of(run).settings.keep_landing
    for line in result.lists:
        if line.complete:
            unit = run.unit(line.resource, line.account)
            run.landing.keep(unit, run.id) if keep else unit.clear()
    if not (keep or result.failures):
        run.landing.remove()
