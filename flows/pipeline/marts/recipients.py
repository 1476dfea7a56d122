"""The table with the rows of the mart `recipients`, refreshed for the people whose events have changed.

A load of events notes whose events it changed in `_outdated_recipients`, in its own transaction. The refresh computes
the rows of these people and empties that table, in one transaction too. So nobody is missed if a process is killed.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import dlt
from dlt.common.schema.utils import new_column

from flows.destinations.relations import Relation
from flows.destinations.schemas import quoted
from flows.destinations.sql import literal
from flows.pipeline.declared_tables import declare_table
from flows.pipeline.event_batch import OUTDATED
from flows.pipeline.event_batch import TABLE as EVENTS
from flows.pipeline.marts.files import marts
from flows.pipeline.marts.queries import RECIPIENTS, STORED, recipients_query

MARK = "drip-flows "
"""Precedes a fingerprint in the comment of a mart or of its table, which shows that it is up to date."""
DESCRIPTION = "The rows of the view recipients, refreshed after each load of events."
PERSON = "account_id, coalesce(subscriber_id, '')"
INDEX = "CREATE INDEX IF NOT EXISTS {name} ON {table} (account_id, (coalesce(subscriber_id, '')))"
"""With it, PostgreSQL finds the rows of a few people without reading all events."""


def declare_recipients(pipeline: dlt.Pipeline) -> None:
    """Add both tables to the schema. `create_declared` creates them."""
    columns: list[Any] = [new_column(name, kind) for name, kind in marts()[RECIPIENTS].types.items()]  # type: ignore[arg-type]
    declare_table(pipeline, STORED, columns)
    declare_table(pipeline, OUTDATED, [new_column(name, "text") for name in ("account_id", "subscriber_id")])


def refresh_recipients(client: Any, dialect: str, dataset: str, found: Mapping[str, Relation]) -> None:
    """Compute the rows of the people whose events have changed, or all rows if the query has changed.

    All are computed, too, if the user has emptied the table of events. Without new events, nothing is written.

    Args:
        client: an SQL client of dlt.
        dialect: duckdb or postgres.
        dataset: the schema of the tables.
        found: the relations there are.
    """
    outdated = quoted(dataset, OUTDATED)
    query = recipients_query(dialect, dataset, found)
    mark = f"{DESCRIPTION} ({MARK}{_digest(query)})"
    with client.begin_transaction():
        if dialect == "postgres":
            client.execute_sql(f"LOCK TABLE {outdated} IN SHARE ROW EXCLUSIVE MODE")
        if found[STORED].comment != mark or _are_emptied(client, dataset):
            _replace(client, dataset, query)
            client.execute_sql(f"COMMENT ON TABLE {quoted(dataset, STORED)} IS {literal(mark)}")
            if dialect == "postgres":
                _make_indexes(client, dataset)
        elif client.execute_sql(f"SELECT 1 FROM {outdated} LIMIT 1"):
            people = f"({PERSON}) IN (SELECT {PERSON} FROM {outdated})"
            _replace(client, dataset, recipients_query(dialect, dataset, found, people), people)


def invalidate_recipients(client: Any, dataset: str) -> None:
    """Delete all rows, so that the next refresh computes them anew. Needed after the table of events was replaced."""
    client.execute_sql(f"DELETE FROM {quoted(dataset, STORED)}")
    client.execute_sql(f"COMMENT ON TABLE {quoted(dataset, STORED)} IS NULL")


def _are_emptied(client: Any, dataset: str) -> bool:
    """Whether there are rows, but no events."""
    events, rows = (client.execute_sql(f"SELECT 1 FROM {quoted(dataset, name)} LIMIT 1") for name in (EVENTS, STORED))
    return bool(rows and not events)


def _replace(client: Any, dataset: str, query: str, people: str = "TRUE") -> None:
    """Replace the rows of some people by those of a query."""
    table, names = quoted(dataset, STORED), ", ".join(map(quoted, marts()[RECIPIENTS].columns))
    client.execute_sql(f"DELETE FROM {table} WHERE {people}")
    client.execute_sql(f"INSERT INTO {table} ({names}) SELECT {names} FROM ({query}) AS computed")
    client.execute_sql(f"DELETE FROM {quoted(dataset, OUTDATED)}")


def _make_indexes(client: Any, dataset: str) -> None:
    for table in (EVENTS, STORED):
        client.execute_sql(INDEX.format(name=quoted(f"{table}_person"), table=quoted(dataset, table)))


def _digest(query: str) -> str:
    return hashlib.blake2b(query.encode(), digest_size=6).hexdigest()
