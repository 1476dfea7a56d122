"""The requests, rows and size of a list, estimated from its first page and from what the destination has."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flows.common.errors import DripError
from flows.common.list_key import ListKey
from flows.pipeline.context import ConnectionRun, connection_of
from flows.pipeline.planning.read_only import ReadOnlyDataset
from flows.pipeline.planning.requests import Expected, pages_after, pages_of, sweep_requests
from flows.source.email_metrics.plan import Span, days_due
from flows.source.endpoints import ENDPOINTS, Endpoint
from flows.source.known_rows import known_rows
from flows.source.landing.daily_list import Known
from flows.source.list_reader import ListReader
from flows.source.settings import DripSettings

CANDIDATES = ("broadcasts", "workflows")
"""Lists that email_metrics reads first, unless they are synced as well."""
COUNTED = {"active": "active_subscriber_count", "unsubscribed": "unsubscribed_subscriber_count"}
"""Columns of a campaign with the sizes of its lists of subscribers."""


class Estimate(NamedTuple):
    """What reading a list takes.

    Attributes:
        rows: rows according to the API; None if unknown.
        requests: requests that it takes.
        exact: whether it takes exactly that many, unless the list changes meanwhile.
        bytes: estimated size of the replies.
        first: the rows of its first page.
    """

    rows: int | None
    requests: int
    exact: bool = True
    bytes: int = 0
    first: tuple[Mapping[str, Any], ...] = ()


Others = Mapping[ListKey, "Estimate | DripError"]
"""The estimates of other lists."""


def estimate(run: ConnectionRun, key: ListKey, existing: ReadOnlyDataset | None, others: Others) -> Estimate:
    """The estimate of a list, which takes at most one request.

    Args:
        run: the run of its connection.
        key: the list.
        existing: the dataset; None if there is none that can be read.
        others: the estimates of the lists that it may depend on.

    Raises:
        DripError: the list cannot be read.
    """
    endpoint = ENDPOINTS[key.resource]
    if endpoint.daily:
        return _of_days(run, key, existing)
    if endpoint.parent:
        return _of_dependents(run, key, existing, others)
    return _of_first_page(run, key)


def _of_first_page(run: ConnectionRun, key: ListKey) -> Estimate:
    connection, since = connection_of(run), run.read_mode(key).since
    endpoint = ENDPOINTS[key.resource].since(since) if since else ENDPOINTS[key.resource]
    decoder = connection.decoder(key.resource)
    reader = ListReader(connection.client, endpoint, key.account_id, decoder)
    reply = reader.first_reply()
    decoded = decoder.decode(reply.body, key.account_id, reply.url, reply.fields)
    expected = pages_after(decoded)
    total = decoded.meta.total_count if decoded.meta else None
    rows = total if total is not None else decoded.received if expected.requests == 1 else None
    size = len(reply.body) * (rows or decoded.received) // max(decoded.received, 1)
    return Estimate(rows, expected.requests, expected.exact, size, tuple(decoded.table.to_pylist()))


def _of_dependents(run: ConnectionRun, key: ListKey, existing: ReadOnlyDataset | None, others: Others) -> Estimate:
    """The lists of the records of a parent list. If that is not synced itself, its pages are read as well."""
    endpoint = ENDPOINTS[key.resource]
    parent_key = run.key(endpoint.parent, key.account_id)
    parents = others.get(parent_key) or _of_first_page(run, parent_key)
    if isinstance(parents, DripError):
        raise parents
    own = 0 if parent_key in others else parents.requests
    count = parents.rows if parents.rows is not None else len(parents.first)
    if endpoint.version:
        expected = _of_versions(endpoint, key, existing, count)
    else:
        known = _known_sizes(endpoint, key, existing)
        rows = [_sizes(row, known.get(str(row[ENDPOINTS[endpoint.parent].key]), {})) for row in parents.first]
        unseen = max(count - len(rows), 0)
        expected = Expected(sweep_requests(endpoint, [*rows, *[{}] * unseen]), not unseen)
    return Estimate(None, own + expected.requests, parents.exact and expected.exact)


def _of_versions(endpoint: Endpoint, key: ListKey, existing: ReadOnlyDataset | None, count: int) -> Expected:
    """Records with an ETag are all asked for; otherwise only those that are new, if no parent has changed."""
    if endpoint.version == "etag" or existing is None:
        return Expected(count)
    known = known_rows(existing, existing.tables, endpoint).get(key.account_id or "", {})  # type: ignore[arg-type]
    return Expected(max(count - len(known), 0), exact=bool(known))


def _known_sizes(endpoint: Endpoint, key: ListKey, existing: ReadOnlyDataset | None) -> dict[str, dict[str, int]]:
    """By parent and status, the rows in the destination."""
    if existing is None or endpoint.resource not in existing.tables:
        return {}
    status, table = endpoint.sweep_column or "''", existing.make_qualified_table_name(endpoint.resource)
    columns = f"{endpoint.parent_column}, {status}"
    query = f"SELECT {columns}, count(*) FROM {table} WHERE account_id = %s GROUP BY 1, 2"
    found: dict[str, dict[str, int]] = {}
    for parent, one, rows in existing.execute_sql(query, key.account_id):
        found.setdefault(parent, {})[one] = rows
    return found


def _sizes(parent: Mapping[str, Any], known: Mapping[str, int]) -> dict[str, int]:
    """By status, the rows of a parent's lists: as the API counts them, or as the destination has them."""
    counted = {status: parent[column] for status, column in COUNTED.items() if parent.get(column) is not None}
    return {**known, **counted}


def _of_days(run: ConnectionRun, key: ListKey, existing: ReadOnlyDataset | None) -> Estimate:
    """The days that are due, as far as the limit of the endpoint allows. Which emails they have is not known yet."""
    settings = connection_of(run).settings
    dataset: Any = existing
    known = known_rows(dataset, dataset.tables, ENDPOINTS[key.resource]).get(key.account_id or "") if dataset else None
    due = _due(settings, known or Known())
    others = sum(pages_of(ENDPOINTS[name], 0) for name in CANDIDATES if name not in run.resources)
    return Estimate(None, min(due, settings.email_metrics_rate_limit) + others, exact=False)


def _due(settings: DripSettings, known: Known) -> int:
    span = Span(settings.email_metrics_days, settings.email_metrics_refresh_days)
    return len(days_due(datetime.now(UTC).date(), span, known.days))


def waits_for(needed: int, left: int, limit: int) -> int:
    """How often a sync has to wait for its rate limit."""
    return max(0, math.ceil((needed - left) / limit))
