"""Bugs to plant in the product, to see that a simulation finds them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc
import requests

from flows.destinations.target import Target
from flows.pipeline import reconcile
from flows.pipeline.event_batch import EventBatch
from flows.pipeline.extract import Extracted
from flows.pipeline.history import Step
from flows.source import client, tables
from flows.source.client import DripClient, Reply
from flows.source.decoding import decoder
from flows.source.decoding.decoder import Decoder
from flows.source.endpoints import ENDPOINTS
from flows.source.landing.landed_list import LandedList
from flows.source.paginator import ScanPaginator
from flows.source.rate_limit import RateLimit


@contextmanager
def page_off_by_one() -> Iterator[None]:
    """The last page is not requested, and nobody counts."""
    asked = ScanPaginator.next_pages

    def next_pages(self: ScanPaginator, limit: int = 1) -> list[int]:
        last = self.pages[-1].total_pages if self.pages else None
        return [number for number in asked(self, limit) if number == 1 or number != last]

    with patch.object(ScanPaginator, "next_pages", next_pages), patch.object(ScanPaginator, "problem", lambda _: ""):
        yield


@contextmanager
def lost_delete() -> Iterator[None]:
    """Rows that are gone from the API stay."""
    mirror = tables.mirror
    with patch.object(tables, "mirror", lambda endpoint, scope, *rest: mirror(endpoint, (), *rest)):
        yield


@contextmanager
def stale_scope() -> Iterator[None]:
    """Rows are deleted for each account that was ever read completely, not only for those read now."""
    mirror, seen = tables.mirror, dict[str, set[str]]()

    def stale(endpoint: Any, scope: Any, *rest: Any) -> Any:
        seen.setdefault(endpoint.resource, set()).update(scope)
        return mirror(endpoint, seen[endpoint.resource], *rest)

    with patch.object(tables, "mirror", stale):
        yield


@contextmanager
def swallowed_429() -> Iterator[None]:
    """A list that is refused for the rate limit counts as empty."""
    checked = DripClient._checked

    def lenient(self: DripClient, response: requests.Response, path: str) -> Reply:
        if response.status_code != 429:
            return checked(self, response, path)
        tail = path.rpartition("/")[2]
        selector = next(one.selector for one in ENDPOINTS.values() if one.path.rpartition("/")[2] == tail)
        return Reply(response.url, f'{{"{selector}": []}}'.encode(), client._server_time(response))

    with patch.object(DripClient, "_checked", lenient), patch.object(client, "_is_spent", lambda response: False):
        yield


@contextmanager
def double_count() -> Iterator[None]:
    """A retry counts as two requests."""
    count = RateLimit.count

    def twice(self: RateLimit) -> None:
        count(self)
        self.requests += 1

    with patch.object(RateLimit, "count", twice):
        yield


@contextmanager
def wrong_time_zone() -> Iterator[None]:
    """Moments are an hour late in summer."""
    to_table = decoder.to_table

    def shifted(*arguments: Any) -> pa.Table:
        table = to_table(*arguments)
        for place, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type):
                column: Any = table[field.name]
                is_summer = pc.is_in(pc.month(column), pa.array([4, 5, 6, 7, 8, 9]))  # type: ignore[attr-defined]
                late = pc.add(column, pa.scalar(timedelta(hours=1)))  # type: ignore[attr-defined]
                table = table.set_column(place, field, pc.if_else(is_summer, late, column))  # type: ignore[attr-defined]
        return table

    with patch.object(decoder, "to_table", shifted):
        yield


@contextmanager
def outdated_pages() -> Iterator[None]:
    """A list resumes from pages of any age."""
    with patch.object(LandedList, "age", lambda self: 0.0 if self.files() else float("inf")):
        yield


@contextmanager
def pages_kept() -> Iterator[None]:
    """Landed pages are not deleted after the load, so the next sync takes them for its own."""
    with patch.object(reconcile, "_delete_landed", lambda *_: None):
        yield


@contextmanager
def event_counted_twice() -> Iterator[None]:
    """The last delivery of a load is loaded again by the next one."""
    last = EventBatch.last
    with patch.object(EventBatch, "last", lambda self: max(last(self) - 1, 0)):
        yield


@contextmanager
def mask_skipped() -> Iterator[None]:
    """Records with an unknown field are not masked."""
    masked = Decoder._masked

    def lenient(self: Decoder, rows: Any, odd: Any) -> Any:
        return odd if rows and type(rows[0]) is not self.endpoint.record else masked(self, rows, odd)

    with patch.object(Decoder, "_masked", lenient):
        yield


@contextmanager
def history_not_closed() -> Iterator[None]:
    """The versions of people who are gone stay open."""
    close = Step._close

    def lenient(self: Step) -> str:
        there = f"SELECT 1 FROM {self.mirror} AS here WHERE {self._same('here', 'version')}"
        return f"{close(self)} AND EXISTS ({there})"

    with patch.object(Step, "_close", lenient):
        yield


@contextmanager
def unproven_deletes() -> Iterator[None]:
    """A list that was not proven complete deletes rows as well."""
    with patch.object(Extracted, "whole", property(lambda self: not self.part)):
        yield


@contextmanager
def no_lock() -> Iterator[None]:
    """Two syncs write to one dataset at once."""
    with patch.object(Target, "lock", lambda self, wait: nullcontext()):
        yield


BUGS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "page off by one": page_off_by_one,
    "lost delete": lost_delete,
    "stale scope": stale_scope,
    "swallowed 429": swallowed_429,
    "double count": double_count,
    "wrong time zone": wrong_time_zone,
    "outdated pages resumed": outdated_pages,
    "landed pages kept": pages_kept,
    "event counted twice": event_counted_twice,
    "mask skipped": mask_skipped,
    "history not closed": history_not_closed,
    "unproven list deletes": unproven_deletes,
    "no lock": no_lock,
}
"""Each bug with what plants it while a block runs."""
