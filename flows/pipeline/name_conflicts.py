"""Checks that existing tables and views with the names of the sync's were created by it."""

from contextlib import closing
from typing import Any

from flows.common.errors import SettingsError
from flows.destinations.schemas import Columns, quoted
from flows.pipeline.context import ConnectionRun
from flows.pipeline.history import OPENED_AS, history_table
from flows.pipeline.sync_log import SYNCS_TABLE
from flows.pipeline.views import VIEW_COLUMNS, is_current, view_queries
from flows.source.endpoints import ROW_HASH
from flows.source.quarantine import HASH
from flows.source.quarantine import TABLE as QUARANTINE
from flows.source.settings import common_settings

CATALOGUES = ("duckdb", "postgres")
"""Destinations whose catalogue is checked."""


def check_relations(run: ConnectionRun) -> None:
    """Check that a run may write to the tables of its dataset and replace its views. Raises SettingsError."""
    if run.target.name in CATALOGUES:
        columns, views = run.target.contents(common_settings().lock_wait)
        _check_tables(run, columns)
        _check_views(run, columns, views)
        if run.target.name == "postgres":
            _check_owner(run)


def _check_tables(run: ConnectionRun, columns: Columns) -> None:
    """Check that existing tables have the columns that identify tables of a sync."""
    marks = {resource: {ROW_HASH} for resource in run.resources}
    marks |= {history_table(resource): {ROW_HASH, OPENED_AS} for resource in run.history}
    marks |= {QUARANTINE: {HASH}, SYNCS_TABLE: {"run", "resource"}}
    for table, mark in marks.items():
        if not mark <= columns.get(table, mark):
            raise SettingsError(_taken(run, table, "a table"))


def _check_views(run: ConnectionRun, columns: Columns, views: set[str]) -> None:
    """Check that existing views are views, with the expected columns."""
    for view in view_queries(run, quoted):
        if view in columns and not (view in views and columns[view] == {*VIEW_COLUMNS[view]}):
            raise SettingsError(_taken(run, view, "a view"))


def _taken(run: ConnectionRun, name: str, kind: str) -> str:
    place = f"{run.target.dataset}.{name} in {run.target.location}"
    return f"{place} has the name of {kind} of the sync, but was not created by it: rename it, or change --dataset"


def _check_owner(run: ConnectionRun) -> None:
    """Check that this user may replace the views that have changed. Raises SettingsError."""
    from flows.destinations import postgres, postgres_connection  # needs the extra `postgres`

    with closing(postgres_connection.connect()) as connection, connection.cursor() as cursor:

        def ask(statement: str) -> Any:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

        for view, query in view_queries(run, lambda name: quoted(run.target.dataset, name)).items():
            owner = postgres.owner_of_view(ask, run.target.dataset, view)
            if owner and not is_current(ask, run.target.dataset, view, query):
                raise SettingsError(
                    f"the view {run.target.dataset}.{view} in {run.target.location} has to be replaced, which needs "
                    f"its owner: sync as {owner} once, drop the view, or change {postgres_connection.SETTING}"
                )
