"""`_event_audit`: changes that the history of subscribers shows, beside the webhook events that should tell of them.

A row per account and interval between two full syncs. Late events change what is known of an interval, so each sync
audits the intervals of the last days again.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dlt

from flows.common.clock import now
from flows.destinations.catalogue import EVENTS
from flows.destinations.sql_clients import sql_client
from flows.pipeline.context import ConnectionRun
from flows.pipeline.declared_tables import create_declared, declare_table
from flows.pipeline.event_audit_sql import CREATED, INTERVALS, PEOPLE, RECEIVED, AuditSql
from flows.pipeline.event_batch import TABLE as EVENTS_TABLE
from flows.pipeline.event_loss import AuditedInterval, first_missing_hour
from flows.pipeline.event_sources import spool_folder
from flows.pipeline.events import declare_events
from flows.pipeline.history import history_table
from flows.pipeline.sync_log import SYNCS_TABLE
from flows.source.deliveries.registrations import registrations, unregistered
from flows.source.settings import common_settings

TABLE = "_event_audit"
SUBSCRIBERS_HISTORY = history_table("subscribers")
DAYS = 7.0
"""Intervals that ended within so many days are audited again. Drip repeats a refused delivery for three days."""
ON_THE_WAY = timedelta(minutes=15)
"""Time in which an event is delivered and loaded, unless something is wrong."""
COLUMNS: dict[str, Any] = {
    "account_id": {"data_type": "text", "nullable": False},
    "interval_start": {"data_type": "timestamp", "nullable": False},
    "interval_end": {"data_type": "timestamp", "nullable": False},
    "changes": {"data_type": "bigint"},
    "missing_events": {"data_type": "bigint"},
    "events": {"data_type": "bigint"},
    "unconfirmed_events": {"data_type": "bigint"},
    "loss": {"data_type": "double"},
    "loss_low": {"data_type": "double"},
    "loss_high": {"data_type": "double"},
    "first_missing_hour": {"data_type": "timestamp"},
    "missing_kinds": {"data_type": "text"},
    "settled": {"data_type": "bool"},
}
FIRST_EVENTS = "SELECT account_id, min(received_at) FROM {table} GROUP BY account_id"
Key = tuple[str, datetime]
"""Account and end of an interval."""


def audit_events(pipeline: dlt.Pipeline, run: ConnectionRun) -> list[AuditedInterval]:
    """Audit the intervals of the last days, and write them to `_event_audit`.

    Without a history of subscribers, a registered webhook or events there is nothing to audit.

    Args:
        pipeline: of the run, whose events, histories and sync log are up to date.
        run: the run.
    """
    if EVENTS in run.target.kind.without or SUBSCRIBERS_HISTORY not in pipeline.default_schema.tables:
        return []
    registered = {account: one.at for account, one in registrations(spool_folder()).items()}
    if EVENTS_TABLE not in pipeline.default_schema.tables:
        if not registered:
            return []
        declare_events(pipeline, run.target)
    declare_table(pipeline, TABLE, [{"name": name, **hints} for name, hints in COLUMNS.items()])
    create_declared(pipeline)
    with sql_client(pipeline) as client, client.begin_transaction():
        gone = unregistered(spool_folder())
        first = {account: moment for account, moment in _first_events(client).items() if account not in gone}
        listening = first | registered
        return _Audit(client, run).write(listening) if listening else []


def _first_events(client: Any) -> dict[str, datetime]:
    """When the first event of each account came, for webhooks that were registered elsewhere."""
    table = client.make_qualified_table_name(EVENTS_TABLE)
    return dict(client.execute_sql(FIRST_EVENTS.format(table=table)) or [])


def _kept_since(started: datetime) -> datetime:
    """Since when no event and no version of a subscriber has been deleted for its age."""
    settings = common_settings()
    limits = [days for days in (settings.event_days, settings.history_days) if days]
    return started - timedelta(days=min(limits)) if limits else datetime(1970, 1, 1, tzinfo=UTC)


class _Audit:
    """Audits through an SQL client of dlt, in a transaction."""

    def __init__(self, client: Any, run: ConnectionRun) -> None:
        names = {"syncs": SYNCS_TABLE, "history": SUBSCRIBERS_HISTORY, "events": EVENTS_TABLE}
        tables = {name: client.make_qualified_table_name(table) for name, table in names.items()}
        oldest, dialect = run.started - timedelta(days=DAYS), run.target.kind.dialect
        self._client, self._sql = client, AuditSql(dialect, tables, oldest, _kept_since(run.started))
        self._table = client.make_qualified_table_name(TABLE)
        self._created: dict[Key, datetime] = {}
        """When the first person was created in an interval whose event is missing."""

    def write(self, listening: Mapping[str, datetime]) -> list[AuditedInterval]:
        """Audit the intervals since each account has a webhook, and replace their rows."""
        for statement in self._sql.prepare(listening):
            self._client.execute_sql(statement)
        found = self._intervals()
        self._count(found)
        self._name_hours(found)
        for table in (PEOPLE, RECEIVED, INTERVALS):
            self._client.execute_sql(f"DROP TABLE {table}")
        self._replace(found.values())
        return [*found.values()]

    def _rows(self, statement: str) -> Iterable[Any]:
        return self._client.execute_sql(statement) or []

    def _intervals(self) -> dict[Key, AuditedInterval]:
        rows = [*self._rows(f"SELECT account_id, since, until, until_end FROM {INTERVALS} ORDER BY 1, 3")]
        newest = {account: until for account, _, until, _ in rows}
        old = now() - ON_THE_WAY
        return {
            (account, until): AuditedInterval(account, since, until, settled=until < newest[account] or end < old)
            for account, since, until, end in rows
        }

    def _count(self, found: Mapping[Key, AuditedInterval]) -> None:
        for account, until, kind, changes, missing, first_created in self._rows(self._sql.changes()):
            one = found[account, until]
            one.changes += changes
            one.missing_events += missing
            if missing:
                one.missing_kinds += f"{', ' if one.missing_kinds else ''}{missing} {kind}"
            if kind == CREATED and first_created:
                self._created[account, until] = first_created
        for account, until, unconfirmed in self._rows(self._sql.unconfirmed()):
            found[account, until].unconfirmed_events = unconfirmed
        for account, until, events in self._rows(self._sql.counted()):
            found[account, until].events = events

    def _name_hours(self, found: Mapping[Key, AuditedInterval]) -> None:
        """Set the first missing hour of each interval with missing events."""
        missing = {key: one for key, one in found.items() if one.missing_events}
        if not missing:
            return
        hours: dict[str, dict[int, int]] = {account: {} for account, _ in missing}
        for account, hour, events in self._rows(self._sql.hours([*hours])):
            hours[account][hour] = events
        for key, one in missing.items():
            one.first_missing_hour = first_missing_hour(
                one.interval_start, one.interval_end, self._created.get(key), hours[one.account_id]
            )

    def _replace(self, intervals: Iterable[AuditedInterval]) -> None:
        names = ", ".join(COLUMNS)
        places = ", ".join(["%s"] * len(COLUMNS))
        for one in intervals:
            loss = one.loss
            values = {name: getattr(one, name, None) for name in COLUMNS}
            values |= {"loss": loss and loss.share, "loss_low": loss and loss.low, "loss_high": loss and loss.high}
            delete = f"DELETE FROM {self._table} WHERE account_id = %s AND interval_end = %s"
            self._client.execute_sql(delete, one.account_id, one.interval_end)
            self._client.execute_sql(f"INSERT INTO {self._table} ({names}) VALUES ({places})", *values.values())
