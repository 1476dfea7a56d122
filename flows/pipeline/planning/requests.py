"""How many requests a list takes, from its number of rows."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from flows.source.decoding.decoder import Decoded
from flows.source.endpoints import Endpoint
from flows.source.list_reader import page_counts
from flows.source.paginator import FULL_HUNDRED, ScanPaginator

DEFAULT_PAGE = 100
"""Rows of a page of a paginated list whose page size cannot be chosen."""


class Expected(NamedTuple):
    """The requests that a list is expected to take.

    Attributes:
        requests: number of requests.
        exact: whether it takes exactly that many, unless the list changes meanwhile.
    """

    requests: int
    exact: bool = True


def pages_of(endpoint: Endpoint, rows: int) -> int:
    """Requests for a list of so many rows. A list without pages may have been cut at 100, so it is asked twice."""
    if endpoint.paginated:
        return max(1, math.ceil(rows / (endpoint.per_page or DEFAULT_PAGE)))
    return 2 if rows and rows % FULL_HUNDRED == 0 else 1


def pages_after(decoded: Decoded) -> Expected:
    """Requests for a list whose first page was read, the first one included."""
    paginator = ScanPaginator()
    paginator.add(page_counts(1, decoded), decoded.keys)
    if not paginator.next_pages():
        return Expected(1)
    left = paginator.pages_left()
    if left:
        return Expected(1 + left)
    total = paginator.total_count
    return Expected(max(2, math.ceil(total / decoded.received)) if total else 2, exact=total is None)


def sweep_requests(endpoint: Endpoint, parents: list[Mapping[str, int]]) -> int:
    """Requests for dependent lists.

    Args:
        endpoint: the endpoint of the lists.
        parents: for each parent, the rows of its lists by status, as far as they are known.
    """
    statuses = endpoint.sweep or ("",)
    return sum(pages_of(endpoint, rows.get(status, 0)) for rows in parents for status in statuses)
