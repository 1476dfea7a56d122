"""The load: one dlt pipeline run that merges all accounts into each table that has changed."""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dlt
import msgspec

from flows.common.errors import DripError
from flows.pipeline.context import ConnectionRun, SyncRun
from flows.pipeline.declared_tables import create_declared, declare_quarantine
from flows.pipeline.dlt_pipeline import opened_pipeline
from flows.pipeline.drift import Drift, columns_now, new_columns, refused
from flows.pipeline.events import EventsLoaded, load_events
from flows.pipeline.extract import Extracted
from flows.pipeline.history import declare_history, keep_history
from flows.pipeline.load_errors import LoadFailed, load_failed
from flows.pipeline.marts.refresh import make_marts
from flows.pipeline.partial_lists import DaysLoaded, count_days
from flows.pipeline.sync_log import declare_sync_log
from flows.pipeline.sync_mode import count_arrived
from flows.pipeline.unchanged_tables import StoredTables
from flows.pipeline.views import make_views
from flows.source.dlt_lookup_cache import missing_settings_remembered
from flows.source.endpoints import ACCOUNT_ID, ENDPOINTS
from flows.source.frozen import FREEZE
from flows.source.landed_input import LandedLists, SourceList, TableFormat
from flows.source.settings import common_settings
from flows.source.source import drip_source

CREATED_AT = "created_at"
LOAD_RETRY_SECONDS = 5.0
"""Pause before the retry of a load."""
logger = logging.getLogger(__name__)


class Loaded(msgspec.Struct):
    """The contents of the destination after a load.

    Attributes:
        load_id: dlt's id of the load.
        rows: number of rows by resource and account, or by resource and key if the list belongs to the token.
        arrived: by account, the number of subscribers read by an incremental sync that are in the destination.
        days: by account, the rows in the destination of the days that were read, for resources with daily figures.
        events: what was loaded of webhook deliveries; None if there is no spool.
        view_problems: by view, why it could not be created or replaced.
        drift: the columns that appeared.
        newest: by resource, when its newest record was created, of those that say so.
    """

    load_id: str
    rows: dict[str, dict[str | None, int]]
    arrived: dict[str, int] = {}
    days: dict[str, DaysLoaded] = {}
    events: EventsLoaded | None = None
    view_problems: dict[str, str] = {}
    drift: list[Drift] = []
    newest: dict[str, datetime] = {}


def load_with_retry(runs: SyncRun, landed: Sequence[Extracted]) -> Loaded:
    """As `load`, retried once after a transient failure."""
    try:
        return load(runs, landed)
    except LoadFailed as error:
        if not error.transient:
            raise
    time.sleep(LOAD_RETRY_SECONDS)
    return load(runs, landed)


def load(runs: SyncRun, landed: Sequence[Extracted]) -> Loaded:
    """Merge the landed lists into the destination in one dlt pipeline run, update the histories, and count the rows.

    Raises:
        LoadFailed: the load failed.
    """
    try:
        return merge(runs, landed)
    except DripError:
        raise
    except Exception as error:
        logger.error("the load failed", exc_info=error)
        failed = load_failed(error, runs.common.target)
    raise failed


def merge(runs: SyncRun, landed: Sequence[Extracted]) -> Loaded:
    """As `load`, but raises the errors of dlt and of the drivers."""
    run = runs.common
    with opened_pipeline(run) as pipeline, missing_settings_remembered():
        before, lists = columns_now(pipeline), landed_lists(runs, landed, pipeline)
        loads = pipeline.run(source_of(runs, lists), loader_file_format="parquet").loads_ids
        drift = [*new_columns(before, columns_now(pipeline)), *refused(lists)]
        declare_quarantine(pipeline)
        declare_history(pipeline, run)
        declare_sync_log(pipeline, run.target.kind)
        create_declared(pipeline)
        keep_history(pipeline, run)
        make_views(pipeline, run)
        arrived, days = count_arrived(pipeline, runs, landed), count_days(pipeline, runs, landed)
        events = load_events(pipeline, run.target, run.started)
        problems = make_marts(pipeline, run.target)
        counts, newest = count_rows(pipeline, run), newest_records(pipeline, run)
        return Loaded(loads[-1], counts, arrived, days, events, problems, drift, newest)


def landed_lists(runs: SyncRun, landed: Sequence[Extracted], pipeline: dlt.Pipeline) -> LandedLists:
    """The landed lists of all connections, and the tables that they are loaded into."""
    run, kind = runs.common, runs.common.target.kind
    stored = StoredTables(pipeline, run.target, run.mask)
    return LandedLists(
        [_source_list(runs.of(extracted.key.connection), extracted) for extracted in landed],
        run.columns,
        TableFormat(kind.json, kind.is_files, kind.table_format),
        run.started,
        len(runs.each),
        run.mask,
        common_settings().schema == FREEZE,
        stored.hold,
        stored.has_quarantined,
    )


def source_of(runs: SyncRun, lists: LandedLists) -> Any:
    """The dlt source over landed lists."""
    run = runs.common
    return drip_source(resources=run.resources, connection=run.connection, lists=lists)


def _source_list(run: ConnectionRun, extracted: Extracted) -> SourceList:
    return SourceList(run.landed_list(extracted.key), extracted.outcome, extracted.whole, run.accounts or ())


def count_rows(pipeline: dlt.Pipeline, run: ConnectionRun) -> dict[str, dict[str | None, int]]:
    """Number of rows in the destination by table and account, or by key for lists that belong to the token."""
    counts: dict[str, dict[str | None, int]] = {}
    with run.target.reader(pipeline) as client:
        for resource in run.resources:
            owner = ACCOUNT_ID if ENDPOINTS[resource].per_account else ENDPOINTS[resource].key
            table = client.make_qualified_table_name(resource)
            rows = client.execute_sql(f"SELECT {owner}, count(*) FROM {table} GROUP BY 1") or []
            counts[resource] = {row[0]: row[1] for row in rows}
    return counts


def newest_records(pipeline: dlt.Pipeline, run: ConnectionRun) -> dict[str, datetime]:
    """When the newest record of each table was created, if its records say so. With time zone."""
    columns = {name: pipeline.default_schema.get_table_columns(name) for name in run.resources}
    resources = [name for name in run.resources if columns[name].get(CREATED_AT, {}).get("data_type") == "timestamp"]
    newest: dict[str, datetime] = {}
    with run.target.reader(pipeline) as client:
        for resource in resources:
            table = client.make_qualified_table_name(resource)
            ((moment,),) = client.execute_sql(f"SELECT max({CREATED_AT}) FROM {table}") or [(None,)]
            if isinstance(moment, datetime):
                newest[resource] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return newest
