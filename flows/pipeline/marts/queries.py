"""The SELECT of each mart, over the tables that a dataset has."""

import re
from collections.abc import Container, Mapping

from flows.destinations.relations import Relation
from flows.destinations.schemas import quoted
from flows.destinations.sql import written_for
from flows.pipeline.event_batch import TABLE as EVENTS
from flows.pipeline.marts.files import Mart, marts, subscriber_columns
from flows.pipeline.marts.sources import NO_ROWS, no_rows, source, sql_type
from flows.pipeline.workflow_emails import COLUMNS as WORKFLOW_EMAILS_COLUMNS
from flows.pipeline.workflow_emails import TABLE as WORKFLOW_DETAILS
from flows.pipeline.workflow_emails import VIEW as WORKFLOW_EMAILS
from flows.pipeline.workflow_emails import workflow_emails_query
from flows.source.settings import common_settings

RECIPIENTS = "recipients"
STORED = "_recipients"
"""The table with the rows of the mart `recipients`, which take too long to compute for each query."""
SCANNERS = (
    "bot[/-]", "crawl", "spider", "scanner", "barracuda", "proofpoint", "urldefense", "mimecast", "safelinks",
    "symantec", "messagelabs", "fortimail", "trendmicro", "sophos", "cloudmark", "ironport", "headlesschrome",
    "phantomjs", "python-requests", "python-urllib", "aiohttp", "go-http-client", "curl/", "wget/", "libwww",
    "httpclient", "node-fetch", "axios", "scrapy", "linkcheck", "googleimageproxy", "existence discovery",
)  # fmt: skip
"""Parts of the user agents of link scanners, in lower case, as regular expressions."""
WORD = re.compile(r"\w+")
DETAILS = ("account_id", "id", "name", "status", "details")
"""The columns of workflow_details that its view reads."""
NUMBER = "^-?[0-9]{1,15}([.][0-9]+)?$"
FIELDS = ("delivery_id", "email_id", "email_subject", "url", "user_agent", "ip_address")
EMAIL_FIELDS = {
    "duckdb": f"json_extract_string(properties, {[*FIELDS]})",
    "postgres": "ARRAY[" + ", ".join(f"properties ->> '{name}'" for name in FIELDS) + "]",
}
"""By dialect, the properties of an event about an email as an array. DuckDB parses the JSON once for all of them."""
EACH_DAY = {
    "duckdb": "unnest(generate_series(CAST(first_day AS TIMESTAMP), CAST(last_day AS TIMESTAMP), INTERVAL '1 day'))",
    "postgres": "generate_series(CAST(first_day AS TIMESTAMP), CAST(last_day AS TIMESTAMP), INTERVAL '1 day')",
}


def mart_queries(dialect: str, dataset: str, found: Mapping[str, Relation]) -> dict[str, str]:
    """The SELECT of each mart. That of `recipients` reads the table that stores its rows, if there is one.

    A mart that builds on another one contains its query, so that it never reads a relation of the user's.

    Args:
        dialect: duckdb or postgres.
        dataset: the schema of the tables.
        found: the relations there are.
    """
    stored = f"SELECT * FROM {quoted(dataset, STORED)}"
    is_stored = has_events(found) and bool(_columns(found.get(STORED)))
    return _queries(dialect, dataset, found, {RECIPIENTS: stored} if is_stored else {})


def recipients_query(dialect: str, dataset: str, found: Mapping[str, Relation], where: str = "") -> str:
    """The SELECT that computes the rows of `recipients`.

    Args:
        dialect: duckdb or postgres.
        dataset: the schema of the tables.
        found: the relations there are.
        where: a condition on the events.
    """
    return _queries(dialect, dataset, found, {}, where)[RECIPIENTS]


def has_events(found: Mapping[str, Relation]) -> bool:
    """Whether a dataset has a table of webhook events."""
    return bool(_columns(found.get(EVENTS)))


def _queries(
    dialect: str, dataset: str, found: Mapping[str, Relation], stored: Mapping[str, str], where: str = ""
) -> dict[str, str]:
    """The SELECT of each mart, of those in `stored` from the given SELECT."""
    values = {
        "of_subscriber": ", ".join(map(quoted, subscriber_columns())),
        "scanners": "|".join(SCANNERS),
        "number": NUMBER,
        "email_fields": EMAIL_FIELDS[dialect],
        "each_day": EACH_DAY[dialect],
        "attribution_days": common_settings().attribution_days,
    }
    queries: dict[str, str] = {}
    waiting = dict(marts())
    while waiting:  # a mart after those that it builds on
        for name in [name for name, mart in waiting.items() if not mart.placeholders & waiting.keys()]:
            mart = waiting.pop(name)
            used = {one: str(values[one]) for one in mart.placeholders & values.keys()}
            needed = {*WORD.findall(" ".join([mart.query, *used.values()]))}
            tables = mart.placeholders - used.keys()
            parts = {one: _part(one, needed, queries, dialect, dataset, found, where) for one in tables}
            if name in stored:
                queries[name] = _typed(mart, stored[name], dialect)
            elif any(not part.endswith(f"{NO_ROWS})") for part in parts.values()):
                queries[name] = _typed(mart, written_for(dialect, mart.query, parts, **used), dialect)
            else:
                queries[name] = no_rows(mart.types, dialect)
    return {name: queries[name] for name in marts()}


def _typed(mart: Mart, query: str, dialect: str) -> str:
    """The query of a mart with the columns as described, which PostgreSQL needs to replace one view by another."""
    columns = (
        f"CAST({quoted(name)} AS {sql_type(kind, dialect)}) AS {quoted(name)}" for name, kind in mart.types.items()
    )
    return f"SELECT {', '.join(columns)} FROM ({query}) AS typed"


def _part(
    name: str,
    needed: Container[str],
    queries: Mapping[str, str],
    dialect: str,
    dataset: str,
    found: Mapping[str, Relation],
    where: str,
) -> str:
    """The subquery for a placeholder of a mart: another mart, or a table with those of the needed columns it has."""
    if name in queries:
        return f"({queries[name]})"
    if name == WORKFLOW_EMAILS:
        return f"({_workflow_emails(dialect, dataset, found)})"
    return source(name, dataset, _columns(found.get(name)), dialect, needed, where if name == EVENTS else "")


def _workflow_emails(dialect: str, dataset: str, found: Mapping[str, Relation]) -> str:
    """The query of the view of that name, which exists only in datasets with `workflow_details`."""
    there = _columns(found.get(WORKFLOW_DETAILS))
    if not there:
        return no_rows(dict.fromkeys(WORKFLOW_EMAILS_COLUMNS, "text"), dialect)
    rows = source(WORKFLOW_DETAILS, dataset, there, dialect, DETAILS)
    return workflow_emails_query(dialect, f"{rows} AS details")


def _columns(relation: Relation | None) -> dict[str, str]:
    """The columns of a table with their types; empty for a view and for none."""
    if relation is None or relation.is_view:
        return {}
    return {name: column.data_type for name, column in relation.columns.items()}
