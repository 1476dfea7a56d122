"""Which pages are requested, and whether a list is complete, for any list and any wrong counts."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.source import ENDPOINTS
from flows.source.client import Reply
from flows.source.decoding.decoder import Decoder
from flows.source.key_set import KeySet
from flows.source.list_reader import ListReader, Page
from flows.source.prefetch import FEWEST, Prefetch
from flows.source.rate_limit import RateLimit

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SLOW = 0.01
"""Seconds of a request that the caller has to wait for."""


@dataclass
class Settings:
    parallel: int = 1
    max_scans: int = 3


class AtOnce(Executor):
    """Runs each call when it is submitted, so that the order of requests is deterministic."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **words: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*args, **words))
        return future


@dataclass
class FakeClient:
    """Returns pages of `rows` with the given `meta`, calling `change` before each page."""

    rows: list[str]
    selector: str = "subscribers"
    per_page: int = 10
    meta: Callable[[int, int], Mapping[str, Any] | None] = lambda total, pages: {
        "total_count": total,
        "total_pages": pages,
    }
    change: Callable[[FakeClient], None] = lambda client: None
    ignores_page: bool = False
    settings: Settings = field(default_factory=Settings)
    asked: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    stop: Event = field(default_factory=Event)
    limit: int = 3_600

    def __post_init__(self) -> None:
        self.stop.set()  # do not wait for the next second
        self.budget = RateLimit(self.limit, 3_600, 0, say=self.said.append, stop=self.stop)

    def get(self, path: str, params: Mapping[str, Any]) -> Reply:
        page = int(params.get("page", 1))
        self.asked.append(page)
        self.change(self)
        start = 0 if self.ignores_page else (page - 1) * self.per_page
        records: list[Any] = [{"id": key} for key in self.rows[start : start + self.per_page]]
        if self.selector == "tags":
            records = self.rows[start : start + self.per_page]
        body = {self.selector: records}
        meta = self.meta(len(self.rows), math.ceil(len(self.rows) / self.per_page))
        if meta is not None:
            body["meta"] = meta  # type: ignore[assignment]
        return Reply("http://test", json.dumps(body).encode(), NOW)

    def ahead(self, function: Callable[[int], Any]) -> Prefetch[Any]:
        return Prefetch(function, AtOnce())


def most_at_once(pool: Executor, most: int) -> int:
    """The most requests that are under way at once, for pages that are taken at once. They come in order."""
    begun, taken = 0, 1
    lead = 0

    def fetch(number: int) -> int:
        nonlocal begun, lead
        with counting:
            begun = max(begun, number)
            lead = max(lead, begun - taken)
        time.sleep(SLOW * isinstance(pool, ThreadPoolExecutor))
        return number

    counting = Lock()
    with pool, Prefetch(fetch, pool) as ahead:
        for number in range(2, 31):
            assert ahead.next(range(number, number + most)) == number
            taken = number
    return lead


def test_as_many_pages_are_requested_at_once_as_the_caller_needs() -> None:
    assert most_at_once(ThreadPoolExecutor(8), most=8) == 8
    assert most_at_once(ThreadPoolExecutor(8), most=3) == 3
    assert most_at_once(AtOnce(), most=8) == FEWEST


def read(client: FakeClient, resource: str = "subscribers") -> tuple[ListReader, list[str]]:
    """The reader after reading, and the keys of its last attempt."""
    endpoint = ENDPOINTS[resource]
    reader = ListReader(client, endpoint, "1", Decoder(endpoint))  # type: ignore[arg-type]
    pages: list[Page] = list(reader.pages())
    last = max(page.mark.attempt for page in pages)
    return reader, [k for p in pages if p.mark.attempt == last for k in p.table[endpoint.key].to_pylist()]


def keys(count: int) -> list[str]:
    return [f"k{number}" for number in range(count)]


@given(st.integers(0, 95), st.integers(1, 30), st.integers(1, 5))
def test_every_row_once_and_no_page_too_many(count: int, per_page: int, parallel: int) -> None:
    client = FakeClient(keys(count), per_page=per_page, settings=Settings(parallel))
    reader, came = read(client)
    assert came == keys(count)
    assert reader.outcome is not None
    assert reader.outcome.complete
    assert reader.outcome.api_rows == count
    assert client.asked == list(range(1, max(1, math.ceil(count / per_page)) + 1))


LIES: dict[str, Callable[[int, int], Mapping[str, Any] | None]] = {
    "total_pages too few": lambda total, pages: {"total_count": total, "total_pages": 1},
    "total_pages too many": lambda total, pages: {"total_count": total, "total_pages": pages + 7},
    "total_pages absent": lambda total, pages: {"total_count": total},
    "total_pages text": lambda total, pages: {"total_count": total, "total_pages": "many"},
    "total_pages negative": lambda total, pages: {"total_count": total, "total_pages": -1},
    "total_count absent": lambda total, pages: {"total_pages": pages},
    "total_count text": lambda total, pages: {"total_count": "all", "total_pages": pages},
}


@pytest.mark.parametrize("lie", LIES)
@given(count=st.integers(0, 60), parallel=st.integers(1, 4))
def test_a_lie_in_meta_loses_nothing(lie: str, count: int, parallel: int) -> None:
    client = FakeClient(keys(count), meta=LIES[lie], settings=Settings(parallel))
    reader, came = read(client)
    assert came == keys(count)
    assert reader.outcome is not None
    assert reader.outcome.complete, reader.outcome.note
    assert len(client.asked) <= math.ceil(count / 10) + 2


@given(count=st.integers(20, 60), claimed=st.integers(0, 200))
def test_a_wrong_total_is_never_called_complete(count: int, claimed: int) -> None:
    client = FakeClient(keys(count), meta=lambda total, pages: {"total_count": claimed, "total_pages": pages})
    reader, _ = read(client)
    assert reader.outcome is not None
    assert reader.outcome.complete == (claimed == count)
    assert reader.outcome.complete or reader.outcome.note


@given(st.data())
def test_a_list_that_shrinks_while_it_is_read_ends_exact(data: st.DataObject) -> None:
    """A deletion on an early page shifts a row to a page that was already read."""
    deletions = iter(sorted(data.draw(st.lists(st.integers(2, 12), max_size=2))))
    due = [next(deletions, 0)]

    def delete(client: FakeClient) -> None:
        if due[0] and len(client.asked) >= due[0] and client.rows:
            del client.rows[data.draw(st.integers(0, len(client.rows) - 1))]
            due[0] = next(deletions, 0)

    client = FakeClient(keys(data.draw(st.integers(1, 60))), change=delete, settings=Settings(1, max_scans=5))
    reader, came = read(client)
    assert reader.outcome is not None
    if reader.outcome.complete and len(client.asked) >= 1:
        missing = set(client.rows) - set(came)
        assert not missing


def test_a_list_that_keeps_shrinking_is_called_incomplete() -> None:
    client = FakeClient(keys(200), change=lambda client: client.rows.pop(0) and None)
    reader, _ = read(client)
    assert reader.outcome is not None
    assert not reader.outcome.complete
    assert "shrank" in reader.outcome.note


@given(st.integers(0, 350))
def test_a_list_without_meta_that_ignores_page(count: int) -> None:
    client = FakeClient(keys(count), "tags", per_page=1000, meta=lambda *_: None, ignores_page=True)
    reader, came = read(client, "tags")
    assert came == keys(count)
    assert reader.outcome is not None
    assert (reader.outcome.complete, reader.outcome.api_rows, reader.outcome.repeated) == (True, count, 0)
    assert client.asked == ([1, 2] if count and count % 100 == 0 else [1])


@given(st.integers(0, 350))
def test_a_list_without_meta_that_pages_after_all(count: int) -> None:
    client = FakeClient(keys(count), "tags", per_page=100, meta=lambda *_: None)
    reader, came = read(client, "tags")
    assert came == keys(count)
    assert reader.outcome is not None
    assert (reader.outcome.complete, reader.outcome.api_rows) == (True, count)


def test_a_row_that_the_api_lists_on_two_pages_is_counted_once() -> None:
    rows = keys(20)
    rows[15] = rows[3]
    reader, _ = read(FakeClient(rows))
    assert reader.outcome is not None
    assert (reader.outcome.complete, reader.outcome.rows, reader.outcome.repeated) == (True, 19, 1)


def test_a_server_that_answers_the_first_page_for_ever_is_left() -> None:
    client = FakeClient(keys(95), ignores_page=True)
    reader, _ = read(client)
    assert reader.outcome is not None
    assert not reader.outcome.complete
    assert len(client.asked) <= 4


def test_arrivals_are_kept_out_after_the_first_page() -> None:
    asked: list[Mapping[str, Any]] = []

    class Client(FakeClient):
        def get(self, path: str, params: Mapping[str, Any]) -> Reply:
            asked.append(params)
            return super().get(path, params)

    read(Client(keys(25)))
    assert [params.get("subscribed_before") for params in asked] == [None, *["2026-06-01T00:00:00Z"] * 2]
    assert {params["status"] for params in asked} == {"all"}


def test_what_a_list_will_need_is_compared_with_what_is_left() -> None:
    client = FakeClient(keys(95), limit=4)
    read(client)
    (sentence,) = client.said
    assert sentence.startswith("9 more requests are needed, 9 of them for subscribers of 1, and 4 are left of 4")
    assert sentence.endswith("the sync will wait 2 times")


def test_a_list_for_which_enough_is_left_needs_no_word() -> None:
    client = FakeClient(keys(95), limit=9)
    read(client)
    assert not client.said


@given(st.lists(st.lists(st.sampled_from("abcdefghij") | st.text(max_size=3), max_size=30), max_size=12))
def test_keys_are_counted_once(pages: list[list[str]]) -> None:
    keys, seen = KeySet(), set[str]()
    for page in pages:
        assert keys.add(page) == len(set(page) - seen)
        seen |= set(page)
        assert len(keys) == len(seen)
