"""Creates the marts in a dataset, and replaces those whose query or sources have changed."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import dlt
from dlt.destinations.exceptions import DatabaseException

from flows.common.errors import first_line
from flows.destinations.relations import DIALECTS, Relation, relations
from flows.destinations.schemas import quoted
from flows.destinations.sql import literal
from flows.destinations.sql_clients import sql_client
from flows.destinations.target import Target
from flows.pipeline.declared_tables import create_declared
from flows.pipeline.event_batch import OUTDATED
from flows.pipeline.marts.files import Mart, marts
from flows.pipeline.marts.queries import RECIPIENTS, STORED, has_events, mart_queries
from flows.pipeline.marts.recipients import MARK, declare_recipients, refresh_recipients


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
        problems: dict[str, str] = {}
        if has_events(found):
            if not {STORED, OUTDATED} <= found.keys():
                declare_recipients(pipeline)
                create_declared(pipeline)
                found = relations(client.execute_sql, target.name, target.dataset)
            if {STORED, OUTDATED} <= found.keys():  # otherwise, the view computes the rows itself
                problems = _refreshed(client, target, found)
        queries = mart_queries(target.name, target.dataset, found)
        problems |= dict(_refused(queries, found))
        outdated = {
            name: query
            for name, query in queries.items()
            if name not in problems and fingerprint(name, query) not in (found[name].comment if name in found else "")
        }
        return problems | _replace_all(client, target.dataset, outdated, found)


def _refreshed(client: Any, target: Target, found: Mapping[str, Relation]) -> dict[str, str]:
    """Refresh the table of `recipients`. Returns the problem by the name of the mart."""
    try:
        refresh_recipients(client, target.name, target.dataset, found)
    except DatabaseException as error:
        return {RECIPIENTS: first_line(error)}
    return {}


def fingerprint(name: str, query: str) -> str:
    """What the comment of a mart ends with when it has this query and its present description."""
    text = "\n".join([query, repr(marts()[name])])
    return f"({MARK}{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()})"


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
