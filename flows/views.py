"""Views beside the tables. A view is always in step with its table, whatever happens to a load."""

import dlt

from flows.changes import VIEW as SUBSCRIBER_CHANGES
from flows.changes import changes_query
from flows.history import history_table
from flows.run import Run
from flows.warehouses import VIEWS

SUBSCRIBER_TAGS = "subscriber_tags"
SUBSCRIBERS = "subscribers"

TAGS_OF = {
    "duckdb": """
        SELECT DISTINCT person.account_id, person.id AS subscriber_id, tag.value ->> '$' AS tag
        FROM {table} AS person, json_each(person.tags) AS tag
        WHERE json_type(person.tags) = 'ARRAY' AND json_type(tag.value) = 'VARCHAR'
    """,
    "postgres": """
        SELECT DISTINCT person.account_id, person.id AS subscriber_id, tag #>> '{{}}' AS tag
        FROM {table} AS person, jsonb_array_elements(
            CASE WHEN jsonb_typeof(person.tags) = 'array' THEN person.tags ELSE '[]' END
        ) AS tag
        WHERE jsonb_typeof(tag) = 'string'
    """,
}
"""By dialect: one row per subscriber and tag. Anything in `tags` that is no text is left to `subscribers`."""


def make_views(pipeline: dlt.Pipeline, run: Run) -> None:
    """Make `subscriber_tags` over `subscribers`, and `subscriber_changes` over its history if that is kept."""
    if VIEWS in run.target.kind.without:
        return
    with pipeline.sql_client() as client:
        name = client.make_qualified_table_name
        queries = {}
        if SUBSCRIBERS in run.resources:
            queries[SUBSCRIBER_TAGS] = TAGS_OF[run.target.kind.dialect].format(table=name(SUBSCRIBERS))
        if SUBSCRIBERS in run.history:
            queries[SUBSCRIBER_CHANGES] = changes_query(run.target.kind.dialect, name(history_table(SUBSCRIBERS)))
        for view, query in queries.items():
            client.execute_sql(f"CREATE OR REPLACE VIEW {name(view)} AS {query}")
