"""What a dataset holds already under the names of our tables and views: refused where it is somebody else's."""

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
"""Destinations whose catalogue is read here; of the others dlt knows more."""


def check_relations(run: ConnectionRun) -> None:
    """Make sure that a run may write to the tables, and replace the views, of its dataset. Raises SettingsError."""
    if run.target.name in CATALOGUES:
        columns, views = run.target.contents(common_settings().lock_wait)
        _check_tables(run, columns)
        _check_views(run, columns, views)
        if run.target.name == "postgres":
            _check_owner(run)


def _check_tables(run: ConnectionRun, columns: Columns) -> None:
    """Each table of a sync has columns that no other table would."""
    marks = {resource: {ROW_HASH} for resource in run.resources}
    marks |= {history_table(resource): {ROW_HASH, OPENED_AS} for resource in run.history}
    marks |= {QUARANTINE: {HASH}, SYNCS_TABLE: {"run", "resource"}}
    for table, mark in marks.items():
        if not mark <= columns.get(table, mark):
            raise SettingsError(_taken(run, table, "a table"))


def _check_views(run: ConnectionRun, columns: Columns, views: set[str]) -> None:
    """Our views are views, with our columns."""
    for view in view_queries(run, quoted):
        if view in columns and not (view in views and columns[view] == {*VIEW_COLUMNS[view]}):
            raise SettingsError(_taken(run, view, "a view"))


def _taken(run: ConnectionRun, name: str, kind: str) -> str:
    place = f"{run.target.dataset}.{name} in {run.target.location}"
    return f"{place} is {kind} of the sync by its name, but not one that it made: rename it, or change --dataset"


def _check_owner(run: ConnectionRun) -> None:
    """Refuse where a view has to change and this user may not replace it. Raises SettingsError."""
    from flows.destinations import postgres, postgres_connection  # an extra

    with closing(postgres_connection.connect()) as connection, connection.cursor() as cursor:

        def ask(statement: str) -> Any:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

        for view, query in view_queries(run, lambda name: quoted(run.target.dataset, name)).items():
            owner = postgres.owner_of_view(ask, run.target.dataset, view)
            if owner and not is_current(ask, run.target.dataset, view, query):
                raise SettingsError(
                    f"the view {run.target.dataset}.{view} in {run.target.location} has to be replaced, which only "
                    f"its owner may: sync as {owner} once, or drop the view; or change {postgres_connection.SETTING}"
                )
