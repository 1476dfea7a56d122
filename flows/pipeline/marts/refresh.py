"""Creates the marts in a dataset, and replaces those whose query or sources have changed."""

import hashlib
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

import dlt
from dlt.destinations.exceptions import DatabaseException

from flows.common.errors import first_line
from flows.destinations.duckdb_file import literal
from flows.destinations.relations import DIALECTS, Relation, relations
from flows.destinations.schemas import quoted
from flows.destinations.sql import written_for
from flows.destinations.sql_clients import sql_client
from flows.destinations.target import Target
from flows.pipeline.marts.files import Mart, marts, subscriber_columns
from flows.pipeline.marts.sources import NO_ROWS, no_rows, source, sql_type
from flows.pipeline.workflow_emails import COLUMNS as WORKFLOW_EMAILS_COLUMNS
from flows.pipeline.workflow_emails import TABLE as WORKFLOW_DETAILS
from flows.pipeline.workflow_emails import VIEW as WORKFLOW_EMAILS
from flows.pipeline.workflow_emails import workflow_emails_query
from flows.source.settings import common_settings

MARK = "drip-flows "
"""Precedes the fingerprint of its statement in the comment of a mart, which shows that it is up to date."""
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


def make_marts(pipeline: dlt.Pipeline, target: Target) -> dict[str, str]:
    """Create the marts that are missing, and replace those that are not up to date.

    A relation of the same name that this project did not create is left as it is, and so is a view of another owner.

    Returns:
        By name, why a mart could not be created or replaced.
    """
    if target.name not in DIALECTS:
        return {}
    with sql_client(pipeline) as client:
        found = relations(client.execute_sql, target.name, target.dataset)
        queries = mart_queries(target.name, target.dataset, found)
        problems = dict(_refused(queries, found))
        outdated = {
            name: query
            for name, query in queries.items()
            if name not in problems and fingerprint(name, query) not in (found[name].comment if name in found else "")
        }
        return problems | _replace_all(client, target.dataset, outdated, found)


def mart_queries(dialect: str, dataset: str, found: Mapping[str, Relation]) -> dict[str, str]:
    """The SELECT of each mart.

    A mart that builds on another one contains its query, so that it never reads a relation of the user's.

    Args:
        dialect: duckdb or postgres.
        dataset: the schema of the tables.
        found: the relations there are.
    """
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
            parts = {one: _part(one, needed, queries, dialect, dataset, found) for one in tables}
            if any(not part.endswith(f"{NO_ROWS})") for part in parts.values()):
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
) -> str:
    """The subquery for a placeholder of a mart: another mart, or a table with those of the needed columns it has."""
    if name in queries:
        return f"({queries[name]})"
    if name == WORKFLOW_EMAILS:
        return f"({_workflow_emails(dialect, dataset, found)})"
    return source(name, dataset, _columns(found.get(name)), dialect, needed)


def _workflow_emails(dialect: str, dataset: str, found: Mapping[str, Relation]) -> str:
    """The query of the view of that name, which exists only in datasets with `workflow_details`."""
    there = _columns(found.get(WORKFLOW_DETAILS))
    if not there:
        return no_rows(dict.fromkeys(WORKFLOW_EMAILS_COLUMNS, "text"), dialect)
    rows = source(WORKFLOW_DETAILS, dataset, there, dialect, DETAILS)
    return workflow_emails_query(dialect, f"{rows} AS details")


def fingerprint(name: str, query: str) -> str:
    """What the comment of a mart ends with when it has this query and its present description."""
    text = "\n".join([query, repr(marts()[name])])
    return f"({MARK}{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()})"


def _columns(relation: Relation | None) -> dict[str, str]:
    """The columns of a table with their types; empty for a view and for none."""
    if relation is None or relation.is_view:
        return {}
    return {name: column.data_type for name, column in relation.columns.items()}


def _refused(names: Iterable[str], found: Mapping[str, Relation]) -> Iterator[tuple[str, str]]:
    """The marts that cannot be created because of what is there, with the reason."""
    for name in names:
        there = found.get(name)
        if there and not is_ours(marts()[name], there):
            yield (
                name,
                "the dataset has a relation of this name that drip-flows did not create: rename it to get the view",
            )


def is_ours(mart: Mart, there: Relation) -> bool:
    """Whether a relation is a mart that this project created: it has the mark, or exactly the columns."""
    return there.is_view and (MARK in there.comment or list(there.columns) == list(mart.columns))


def _replace_all(
    client: Any, dataset: str, queries: Mapping[str, str], found: Mapping[str, Relation]
) -> dict[str, str]:
    """Replace the marts in one transaction; if that fails, each in one of its own. Returns the problems by name."""
    if not queries:
        return {}
    statements = {name: _statement(name, dataset, query, found.get(name)) for name, query in queries.items()}
    try:
        _execute(client.begin_transaction, client.execute_sql, statements.values())
    except DatabaseException:
        return dict(_replace_each(client, statements, found))
    return {}


def _replace_each(
    client: Any, statements: Mapping[str, str], found: Mapping[str, Relation]
) -> Iterator[tuple[str, str]]:
    for name, statement in statements.items():
        try:
            _execute(client.begin_transaction, client.execute_sql, [statement])
        except DatabaseException as error:
            owner = found[name].owner if name in found else ""
            yield name, f"its owner {owner} has to sync once, or drop it" if owner else first_line(error)


def _execute(begin: Callable[[], Any], execute: Callable[[str], Any], statements: Iterable[str]) -> None:
    with begin():
        execute(";\n".join(statements))


def _statement(name: str, dataset: str, query: str, there: Relation | None) -> str:
    """Create or replace a mart. PostgreSQL replaces a view only by one with the same columns."""
    view, mart = quoted(dataset, name), marts()[name]
    drop = f"DROP VIEW {view}; " if there and list(there.columns) != list(mart.columns) else ""
    comment = literal(f"{mart.description} {fingerprint(name, query)}")
    return f"{drop}CREATE OR REPLACE VIEW {view} AS {query}; COMMENT ON VIEW {view} IS {comment}"
