"""The view `subscriber_changes` over `subscribers_history`: a row per change of a subscriber.

`seen_at` is the start of the sync that detected the change, which happened between that sync and the one before.
"""

from flows.pipeline.history import ARRIVED, CHANGED, RETURNED

VIEW = "subscriber_changes"
SEEN_AT = "seen_at"
COLUMNS = ("account_id", "subscriber_id", SEEN_AT, "change", "field", "from_value", "to_value")

TAGS = {
    "duckdb": """
        SELECT DISTINCT account_id, subscriber_id, valid_from, tag ->> '$' AS tag
        FROM (
            SELECT account_id, subscriber_id, valid_from, unnest(json_extract({column}, '$[*]')) AS tag
            FROM compared WHERE json_type({column}) = 'ARRAY'
        ) AS tagged
        WHERE json_type(tag) = 'VARCHAR'
    """,
    "postgres": """
        SELECT DISTINCT account_id, subscriber_id, valid_from, tag #>> '{{}}' AS tag
        FROM compared, jsonb_array_elements(
            CASE WHEN jsonb_typeof({column}::jsonb) = 'array' THEN {column}::jsonb ELSE '[]' END
        ) AS tag
        WHERE jsonb_typeof(tag) = 'string'
    """,
}
FIELDS = {
    "duckdb": """
        SELECT account_id, subscriber_id, valid_from, field, max(value::VARCHAR) AS value
        FROM (
            SELECT account_id, subscriber_id, valid_from,
                unnest(json_keys({column})) AS field, unnest(json_extract({column}, '$.*')) AS value
            FROM compared WHERE json_type({column}) = 'OBJECT'
        ) AS filled
        WHERE json_type(value) <> 'NULL'
        GROUP BY account_id, subscriber_id, valid_from, field
    """,
    "postgres": """
        SELECT account_id, subscriber_id, valid_from, entry.key AS field, entry.value::text AS value
        FROM compared, jsonb_each(
            CASE WHEN jsonb_typeof({column}::jsonb) = 'object' THEN {column}::jsonb ELSE '{{}}' END
        ) AS entry
        WHERE jsonb_typeof(entry.value) <> 'null'
    """,
}
"""By dialect: the tags that are strings (`TAGS`), and the custom fields that are not null, as JSON (`FIELDS`).

DuckDB has `json_each` only since 1.2, and DuckDB 1.0 has to be able to query the views.
"""

QUERY = f"""
    WITH lives AS (
        SELECT account_id, id AS subscriber_id, valid_from, valid_to, opened_as, status, tags, custom_fields,
            lag(valid_from) OVER life AS old_from, lag(status) OVER life AS old_status,
            lag(tags) OVER life AS old_tags, lag(custom_fields) OVER life AS old_fields,
            lead(opened_as) OVER life AS followed_as
        FROM {{history}}
        WHERE valid_to IS NOT NULL OR opened_as IN ('{CHANGED}', '{RETURNED}')
        WINDOW life AS (PARTITION BY account_id, id ORDER BY valid_from)
    ),
    compared AS (SELECT * FROM lives WHERE old_from IS NOT NULL),
    tags_now AS ({{tags_now}}),
    tags_then AS ({{tags_then}}),
    fields_now AS ({{fields_now}}),
    fields_then AS ({{fields_then}})
    SELECT account_id, id AS subscriber_id, valid_from AS {SEEN_AT}, opened_as AS change,
        CAST(NULL AS VARCHAR) AS field, CAST(NULL AS VARCHAR) AS from_value, CAST(NULL AS VARCHAR) AS to_value
    FROM {{history}} WHERE opened_as IN ('{ARRIVED}', '{RETURNED}')
    UNION ALL
    SELECT account_id, subscriber_id, valid_to, 'left', NULL, NULL, NULL
    FROM lives WHERE valid_to IS NOT NULL AND followed_as IS DISTINCT FROM '{CHANGED}'
    UNION ALL
    SELECT account_id, subscriber_id, valid_from, 'status', NULL, old_status, status
    FROM compared WHERE status IS DISTINCT FROM old_status
    UNION ALL
    SELECT account_id, subscriber_id, valid_from, 'tag_added', NULL, NULL, tag
    FROM (SELECT * FROM tags_now EXCEPT SELECT * FROM tags_then) AS added
    UNION ALL
    SELECT account_id, subscriber_id, valid_from, 'tag_removed', NULL, tag, NULL
    FROM (SELECT * FROM tags_then EXCEPT SELECT * FROM tags_now) AS removed
    UNION ALL
    SELECT account_id, subscriber_id, valid_from, 'custom_field', field, old.value, fresh.value
    FROM fields_now AS fresh FULL JOIN fields_then AS old USING (account_id, subscriber_id, valid_from, field)
    WHERE fresh.value IS DISTINCT FROM old.value
"""


def changes_query(dialect: str, history: str) -> str:
    """The SELECT of the view in a dialect of SQL, for a history table with this qualified name."""
    return QUERY.format(
        history=history,
        tags_now=TAGS[dialect].format(column="tags"),
        tags_then=TAGS[dialect].format(column="old_tags"),
        fields_now=FIELDS[dialect].format(column="custom_fields"),
        fields_then=FIELDS[dialect].format(column="old_fields"),
    )
