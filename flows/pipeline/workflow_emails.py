"""`workflow_emails`: the emails that workflows send, found in the trees of their steps.

`automation_email_id` is `email_metrics.email_id`; `node_id` is the step, `depth` its level in the tree, 1 for the steps
of the workflow itself.
"""

VIEW = "workflow_emails"
TABLE = "workflow_details"
COLUMNS = ("account_id", "workflow_id", "workflow", "status", "node_id", "automation_email_id", "depth")

QUERIES = {
    "duckdb": """
        WITH RECURSIVE walk AS (
            SELECT account_id, id AS workflow_id, name AS workflow, status, details AS node, 0 AS depth FROM {table}
            UNION ALL
            SELECT walk.account_id, walk.workflow_id, walk.workflow, walk.status, child.value,
                walk.depth + CASE WHEN json_exists(child.value, '$.id') THEN 1 ELSE 0 END
            FROM walk, json_each(walk.node) AS child
            WHERE json_type(child.value) IN ('OBJECT', 'ARRAY')
        )
        SELECT account_id, workflow_id, workflow, status, node ->> '$.id' AS node_id,
            node ->> '$.properties.automation_email_id' AS automation_email_id, depth
        FROM walk
        WHERE json_type(node) = 'OBJECT' AND (node ->> '$.properties.automation_email_id') IS NOT NULL
    """,
    "postgres": """
        WITH RECURSIVE walk AS (
            SELECT account_id, id AS workflow_id, name AS workflow, status, details::jsonb AS node, 0 AS depth
            FROM {table}
            UNION ALL
            SELECT walk.account_id, walk.workflow_id, walk.workflow, walk.status, child.value,
                walk.depth + CASE WHEN jsonb_exists(child.value, 'id') THEN 1 ELSE 0 END
            FROM walk CROSS JOIN LATERAL (
                SELECT value FROM jsonb_each(
                    CASE WHEN jsonb_typeof(walk.node) = 'object' THEN walk.node ELSE '{{}}' END
                )
                UNION ALL
                SELECT value FROM jsonb_array_elements(
                    CASE WHEN jsonb_typeof(walk.node) = 'array' THEN walk.node ELSE '[]' END
                )
            ) AS child
            WHERE jsonb_typeof(child.value) IN ('object', 'array')
        )
        SELECT account_id, workflow_id, workflow, status, node ->> 'id' AS node_id,
            node #>> '{{properties,automation_email_id}}' AS automation_email_id, depth
        FROM walk
        WHERE jsonb_typeof(node) = 'object' AND (node #>> '{{properties,automation_email_id}}') IS NOT NULL
    """,
}
"""By dialect."""


def workflow_emails_query(dialect: str, details: str) -> str:
    """The SELECT of the view, over a table with that qualified name."""
    return QUERIES[dialect].format(table=details)
