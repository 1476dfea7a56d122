"""The views `subscriber_tags` and `subscriber_changes`, which match their tables even if a load fails half-way."""

from collections.abc import Callable
from typing import Any

import dlt

from flows.destinations.catalogue import VIEWS
from flows.destinations.schemas import TRIAL, quoted
from flows.destinations.sql_clients import sql_client
from flows.pipeline.changes import COLUMNS as SUBSCRIBER_CHANGES_COLUMNS
from flows.pipeline.changes import VIEW as SUBSCRIBER_CHANGES
from flows.pipeline.changes import changes_query
from flows.pipeline.context import ConnectionRun
from flows.pipeline.history import history_table
from flows.pipeline.workflow_emails import COLUMNS as WORKFLOW_EMAILS_COLUMNS
from flows.pipeline.workflow_emails import TABLE as WORKFLOW_DETAILS
from flows.pipeline.workflow_emails import VIEW as WORKFLOW_EMAILS
from flows.pipeline.workflow_emails import workflow_emails_query

SUBSCRIBER_TAGS = "subscriber_tags"
SUBSCRIBERS = "subscribers"
VIEW_COLUMNS = {
    SUBSCRIBER_TAGS: ("account_id", "subscriber_id", "tag"),
    SUBSCRIBER_CHANGES: SUBSCRIBER_CHANGES_COLUMNS,
    WORKFLOW_EMAILS: WORKFLOW_EMAILS_COLUMNS,
}

TAGS_OF = {
    "duckdb": """
        SELECT DISTINCT account_id, subscriber_id, tag ->> '$' AS tag
        FROM (
            SELECT account_id, id AS subscriber_id, unnest(json_extract(tags, '$[*]')) AS tag
            FROM {table} WHERE json_type(tags) = 'ARRAY'
        ) AS tagged
        WHERE json_type(tag) = 'VARCHAR'
    """,
    "postgres": """
        SELECT DISTINCT person.account_id, person.id AS subscriber_id, tag #>> '{{}}' AS tag
        FROM {table} AS person, jsonb_array_elements(
            CASE WHEN jsonb_typeof(person.tags) = 'array' THEN person.tags ELSE '[]' END
        ) AS tag
        WHERE jsonb_typeof(tag) = 'string'
    """,
}
"""By dialect: one row per subscriber and tag. Values in `tags` that are not strings are left out."""


def view_queries(run: ConnectionRun, name: Callable[[str], str]) -> dict[str, str]:
    """The SELECT of each view of a run.

    Args:
        run: the run, whose resources and histories decide which views there are.
        name: returns the qualified name of a table.
    """
    dialect, queries = run.target.kind.dialect, {}
    if SUBSCRIBERS in run.resources:
        queries[SUBSCRIBER_TAGS] = TAGS_OF[dialect].format(table=name(SUBSCRIBERS))
    if WORKFLOW_DETAILS in run.resources:
        queries[WORKFLOW_EMAILS] = workflow_emails_query(dialect, name(WORKFLOW_DETAILS))
    if SUBSCRIBERS in run.history:
        queries[SUBSCRIBER_CHANGES] = changes_query(dialect, name(history_table(SUBSCRIBERS)))
    return queries


def make_views(pipeline: dlt.Pipeline, run: ConnectionRun) -> None:
    """Create `subscriber_tags` over `subscribers`, and `subscriber_changes` over its history if it is kept.

    In PostgreSQL, views that are up to date are not replaced, since only their owner may do that.
    """
    if VIEWS in run.target.kind.without:
        return
    with sql_client(pipeline) as client:
        for view, query in view_queries(run, client.make_qualified_table_name).items():
            if not (run.target.name == "postgres" and is_current(client.execute_sql, run.target.dataset, view, query)):
                client.execute_sql(f"CREATE OR REPLACE VIEW {client.make_qualified_table_name(view)} AS {query}")


def is_current(execute: Callable[[str], Any], dataset: str, view: str, query: str) -> bool:
    """Whether PostgreSQL has a view with this query. It does not store the text, so parsed definitions are compared.

    Args:
        execute: runs a statement outside of a transaction and returns its rows.
        dataset: the schema of the view.
        view: the name of the view.
        query: the expected SELECT.
    """
    there = quoted(dataset, view)
    ((is_there,),) = execute(f"SELECT to_regclass('{there}') IS NOT NULL")
    if not is_there:
        return False
    trial = quoted("pg_temp", TRIAL + "_view")
    execute(f"CREATE OR REPLACE TEMPORARY VIEW {quoted(TRIAL + '_view')} AS {query}")
    ((same,),) = execute(f"SELECT pg_get_viewdef('{trial}'::regclass) = pg_get_viewdef('{there}'::regclass)")
    execute(f"DROP VIEW {trial}")
    return bool(same)
