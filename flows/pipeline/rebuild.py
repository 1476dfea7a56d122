"""Emptying a dataset, so that it can be filled again: with another mask, for example."""

from collections.abc import Sequence
from typing import Any

import dlt
from dlt.destinations.exceptions import DatabaseException

from flows.common.errors import SettingsError, first_line
from flows.common.events import tell
from flows.destinations.compaction import rewrite_duckdb
from flows.destinations.relations import relations
from flows.destinations.schemas import quoted
from flows.destinations.sql_clients import sql_client
from flows.destinations.target import Target
from flows.pipeline.context import SyncRun
from flows.pipeline.dlt_pipeline import opened_pipeline, release_pipeline
from flows.pipeline.marts.files import marts
from flows.pipeline.marts.refresh import is_ours
from flows.pipeline.views import VIEW_COLUMNS
from flows.source.landing.storage import remove
from flows.source.settings import common_settings
from flows.source.tables import tables_of

DESTINATIONS = ("duckdb", "postgres")


def check_rebuild(runs: SyncRun) -> None:
    """Check that the dataset of a sync can be emptied. Raises SettingsError."""
    target = runs.common.target
    if target.name not in DESTINATIONS:
        raise SettingsError(
            f"drop the dataset {target.dataset} in {target.location} yourself, then sync without --rebuild"
        )


def empty_dataset(runs: SyncRun) -> None:
    """Drop all tables and views of the sync in its dataset, which must be locked: the history is lost.

    Other tables in the same schema are kept. What landed for the dataset is deleted too, and a DuckDB file is
    rewritten, so that it does not contain the deleted rows.
    """
    run, target = runs.common, runs.common.target
    with opened_pipeline(run) as pipeline:
        pipeline.sync_destination()
        tables = [*tables_of(pipeline)]
        if tables:
            _drop(pipeline, target, tables)
    if tables:
        tell(f"emptied {target.location}, dataset {target.dataset}: {len(tables)} tables")
    release_pipeline(run)
    remove(run.pipeline_folder)
    for each in runs.each:
        each.landing.clear()
    if tables and target.path is not None and (problem := rewrite_duckdb(target.path, common_settings().lock_wait)):
        tell(problem)


def _views(client: Any, target: Target) -> list[str]:
    """The views of the sync, and those marts that it created: PostgreSQL keeps a table that a view depends on."""
    found = relations(client.execute_sql, target.name, target.dataset)
    return [*VIEW_COLUMNS, *(name for name, mart in marts().items() if name in found and is_ours(mart, found[name]))]


def _drop(pipeline: dlt.Pipeline, target: Target, tables: Sequence[str]) -> None:
    """Drop the views and tables, or none of them. Raises SettingsError."""
    try:
        with sql_client(pipeline) as client, client.begin_transaction():
            for view in _views(client, target):
                client.execute_sql(f"DROP VIEW IF EXISTS {quoted(target.dataset, view)}")
            for table in tables:
                client.execute_sql(f"DROP TABLE IF EXISTS {quoted(target.dataset, table)}")
    except DatabaseException as error:
        raise SettingsError(
            f"cannot empty {target.location}, dataset {target.dataset} ({first_line(error)}): nothing was dropped"
        ) from None
