"""What the destination has already of lists that are read in part: a run asks only for what may have changed."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from dlt.destinations.sql_client import SqlClientBase

from flows.source.email_metrics.state_tables import DAYS, PLACEMENTS
from flows.source.endpoints import ACCOUNT_ID, DATE, VERSION, Endpoint
from flows.source.landing.daily_list import DailyList, Known, KnownDay, Placement
from flows.source.landing.landed_list import LandedList
from flows.source.landing.versioned_lists import VersionedLists

UNPLACED = """
    SELECT metric.account_id, metric.email_id, max(metric.date)
    FROM {metrics} AS metric
    LEFT JOIN {placements} AS place ON place.account_id = metric.account_id AND place.email_id = metric.email_id
    WHERE place.email_id IS NULL AND metric.broadcast_id IS NULL AND metric.workflow_id IS NULL
    GROUP BY metric.account_id, metric.email_id
"""
"""Emails that are no broadcasts, and of which nobody has asked whether a workflow sends them."""


def is_read_in_part(endpoint: Endpoint) -> bool:
    """Whether a run has to know what the destination has."""
    return endpoint.daily or bool(endpoint.version)


def known_rows(client: SqlClientBase[Any], tables: Collection[str], endpoint: Endpoint) -> Mapping[str, Any]:
    """By account, what the destination has of a list.

    Args:
        client: of the destination.
        tables: that it has.
        endpoint: whose list.
    """
    if endpoint.daily:
        return _known_days(client, tables)
    versions: dict[str, dict[str, str]] = defaultdict(dict)
    if endpoint.resource in tables:
        columns = f"{ACCOUNT_ID}, {endpoint.key}, {VERSION}"
        table = client.make_qualified_table_name(endpoint.resource)
        for account, key, version in client.execute_sql(f"SELECT {columns} FROM {table}") or ():
            if version:
                versions[account][key] = version
    return versions


def begin(unit: LandedList, known: Any) -> None:
    """Begin a run of a list that is read in part; `known` is what the destination has of its account, if anything."""
    if isinstance(unit, DailyList):
        unit.begin(known or Known())
    elif isinstance(unit, VersionedLists):
        unit.begin(known or {})


def _known_days(client: SqlClientBase[Any], tables: Collection[str]) -> Mapping[str, Known]:
    found: dict[str, Known] = defaultdict(Known)
    if not {DAYS, PLACEMENTS} <= set(tables):
        return found
    table = client.make_qualified_table_name(DAYS)
    for account, day, read_at, listed in (
        client.execute_sql(f"SELECT {ACCOUNT_ID}, {DATE}, read_at, listed FROM {table}") or ()
    ):
        found[account].days[day] = KnownDay(read_at, listed)
    table = client.make_qualified_table_name(PLACEMENTS)
    columns = f"{ACCOUNT_ID}, email_id, asked_from, asked_to, workflow_id, node_id"
    for account, email, *place in client.execute_sql(f"SELECT {columns} FROM {table}") or ():
        found[account].placements[email] = Placement(*place)
    metrics = client.make_qualified_table_name("email_metrics")
    for account, email, day in client.execute_sql(UNPLACED.format(metrics=metrics, placements=table)) or ():
        found[account].unplaced[email] = day
    return found
