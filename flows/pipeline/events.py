"""`subscriber_events`: webhook events, loaded from the spool exactly once even if a process is killed.

A batch of deliveries, and the number of the last one, are committed together. So a load that was killed has either
taken place or not, and the next one goes on behind the last delivery that the destination has.
"""

from datetime import datetime
from typing import Any

import dlt
import msgspec
from dlt.common.schema.utils import new_column
from dlt.extract import DltSource

from flows.common.clock import now
from flows.common.errors import DripError, SettingsError
from flows.destinations.catalogue import EVENTS
from flows.destinations.schemas import quoted
from flows.destinations.sql_clients import sql_client
from flows.destinations.target import Target
from flows.pipeline.declared_tables import create_declared, declare_quarantine, declare_table
from flows.pipeline.event_batch import OUTDATED, SPOOLS, TABLE, EventBatch, columns_of
from flows.pipeline.event_sources import event_sources
from flows.pipeline.marts.queries import STORED
from flows.pipeline.marts.recipients import declare_recipients
from flows.source.deliveries.events import COLUMNS, KEYS, events_of
from flows.source.deliveries.masking import mask_spool
from flows.source.deliveries.spool import Spool
from flows.source.mask_check import table_hints
from flows.source.settings import common_settings
from flows.source.tables import SCHEMA

ELSEWHERE = "load webhook deliveries into DuckDB or PostgreSQL (drip-flows webhooks load --destination)"
SPOOL_COLUMNS: list[Any] = [
    {"name": "spool", "data_type": "text", "nullable": False},
    {"name": "last", "data_type": "bigint", "nullable": False},
]
COLUMNS_OF = "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
UNIQUE = "CREATE UNIQUE INDEX IF NOT EXISTS subscriber_events_event_id ON {table} (event_id)"


class EventsLoaded(msgspec.Struct):
    """What a load of deliveries did.

    Attributes:
        deliveries: that were loaded.
        events: rows that are new.
        quarantined: deliveries that are no event of their account.
        pruned: deliveries that were deleted from the spool, for they are loaded and old.
        missing: deliveries, at most, that another machine shipped but that are not in the landing zone.
    """

    deliveries: int = 0
    events: int = 0
    quarantined: int = 0
    pruned: int = 0
    missing: int = 0


def load_events(pipeline: dlt.Pipeline, target: Target, started: datetime | None = None) -> EventsLoaded | None:
    """Load the deliveries that the destination does not have yet; None where there is no spool.

    Args:
        pipeline: in step with the destination.
        target: the destination, locked for this process.
        started: when the run began.

    Raises:
        SettingsError: the destination takes no events.
        DripError: the spool is older than what was loaded from it.
    """
    sources, loaded = event_sources(), EventsLoaded()
    if not sources:
        return None
    target.kind.refuse(EVENTS, ELSEWHERE)
    declare_events(pipeline, target)
    settings, moment = common_settings(), started or now()
    with sql_client(pipeline) as client:
        for source in sources:
            batch = EventBatch(client, target.kind.dialect, source.spool_id, moment)
            with source.opened(batch) as (spool, missing):
                last = batch.last()
                if source.landing is None:
                    _check_age(spool, last, spool.last())
                _load(pipeline, target, spool, batch, last, loaded)
                loaded.pruned += spool.prune(settings.webhook_days)
            loaded.missing += missing
            if settings.event_days:
                batch.forget(settings.event_days)
    return loaded


def _load(
    pipeline: dlt.Pipeline, target: Target, spool: Spool, batch: EventBatch, last: int, loaded: EventsLoaded
) -> None:
    """Load what comes after the last delivery that the destination has, and count it."""
    mask_spool(spool, common_settings().masking)
    up_to = spool.last()
    while deliveries := spool.read(last, up_to):
        events = events_of(deliveries, common_settings().masking.fingerprint)
        declare_events(pipeline, target, columns_of(list(events.rows.values())))
        loaded.events += batch.load(events, last, deliveries[-1].id)
        loaded.deliveries += len(deliveries)
        loaded.quarantined += len(events.quarantine)
        last = deliveries[-1].id
    spool.loaded(f"{target.location}, dataset {target.dataset}", last)


def _check_age(spool: Spool, last: int, up_to: int) -> None:
    """Refuse a spool that was put back from a copy: new deliveries would be taken for such as are loaded."""
    if last > up_to:
        raise DripError(
            f"{spool.path} ends with delivery {up_to:,} and {last:,} are loaded from it: it was restored from an older "
            "copy. Stop the receiver, move the file away, start the receiver, and load again"
        )


def replay_events(pipeline: dlt.Pipeline, target: Target) -> EventsLoaded | None:
    """Load every delivery that the spool still holds into an empty table; None where there is no spool.

    Raises:
        SettingsError: the table is not empty: what is there would be counted twice.
    """
    if not event_sources():
        return None
    target.kind.refuse(EVENTS, ELSEWHERE)
    declare_events(pipeline, target)
    with sql_client(pipeline) as client:
        ((rows,),) = client.execute_sql(f"SELECT count(*) FROM {client.make_qualified_table_name(TABLE)}") or [(0,)]
        if rows:
            raise SettingsError(
                f"{target.dataset}.{TABLE} in {target.location} has {rows:,} rows, whose deliveries would be "
                "counted twice: empty it first, or choose another --dataset"
            )
        for table in (SPOOLS, STORED, OUTDATED):
            client.execute_sql(f"DELETE FROM {client.make_qualified_table_name(table)}")
    return load_events(pipeline, target)


def declare_events(pipeline: dlt.Pipeline, target: Target, columns: list[str] | None = None) -> None:
    """Create the tables, and the columns that they do not have yet.

    Args:
        pipeline: in step with the destination.
        target: the destination.
        columns: of the events; those without misfits where None.
    """
    if SCHEMA not in pipeline.schemas:
        pipeline.run(DltSource(dlt.Schema(SCHEMA), SCHEMA, []))
    if is_new := TABLE not in pipeline.schemas[SCHEMA].tables:
        _check_name(pipeline, target)
    names = columns_of([]) if columns is None else columns
    event_columns = [new_column(name, COLUMNS[name], nullable=name not in KEYS) for name in names]  # type: ignore[arg-type]
    declare_table(pipeline, TABLE, event_columns, "parquet", table_hints(common_settings().masking.fingerprint))
    declare_table(pipeline, SPOOLS, SPOOL_COLUMNS)
    declare_recipients(pipeline)
    declare_quarantine(pipeline)
    create_declared(pipeline)
    if is_new and target.kind.dialect == "postgres":
        _make_unique(pipeline, target)


def _check_name(pipeline: dlt.Pipeline, target: Target) -> None:
    """Refuse to write to somebody else's table of the same name. Raises SettingsError."""
    with sql_client(pipeline) as client:
        found = client.execute_sql(COLUMNS_OF, target.dataset, TABLE) or []
    if found and not {*KEYS, "deliveries"} <= {name for (name,) in found}:
        raise SettingsError(
            f"{target.dataset}.{TABLE} in {target.location} is the table of webhook events by its name, but not one "
            "that drip-flows made: rename it, or change --dataset"
        )


def _make_unique(pipeline: dlt.Pipeline, target: Target) -> None:
    """Have PostgreSQL find events by their id; DuckDB reads the column instead."""
    with sql_client(pipeline) as client:
        client.execute_sql(UNIQUE.format(table=quoted(target.dataset, TABLE)))
