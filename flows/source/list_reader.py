"""Reads a list page by page, and again if it changed meanwhile, until it is proven complete."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from flows.source.client import DripClient, Reply
from flows.source.decoding.decoder import Decoded, Decoder, Quarantined
from flows.source.endpoints import Endpoint
from flows.source.paginator import ListOutcome, PageCounts, ScanPaginator

PAGE_METADATA = b"drip_page"
ISO = "%Y-%m-%dT%H:%M:%SZ"
A_SECOND = 1.0
"""Wait before a new attempt, until the server's clock has advanced.

`subscribed_before` also excludes rows created earlier in the second in which an attempt begins.
"""


class PageMark(msgspec.Struct):
    """The Arrow schema metadata of a page: what is needed to resume from it after a crash.

    Attributes:
        attempt: number of the attempt that read it; pages of earlier attempts are invalid.
        facts: the counts of the page.
        created_before: the value of `subscribed_before` for the pages after the first; None if it is not used.
        read_at: when it was read, by the server's clock.
    """

    attempt: int
    facts: PageCounts
    created_before: str | None = msgspec.field(name="frozen_before")
    read_at: datetime


PAGE_MARK = msgspec.json.Decoder(PageMark)


@dataclass
class Page:
    """One page of a list: its mark, its rows, and the records that fit no table."""

    mark: PageMark
    table: pa.Table
    quarantine: list[Quarantined] = field(default_factory=list)


class ListReader:
    """Reads one list completely. Iterate over `pages()`, then read `outcome`.

    Args:
        client: the client for the token.
        endpoint: the endpoint of the list.
        account_id: the account; None for a list that belongs to the token rather than to an account.
        decoder: the decoder of the endpoint, which its lists share.
    """

    def __init__(self, client: DripClient, endpoint: Endpoint, account_id: str | None, decoder: Decoder) -> None:
        self.client, self.endpoint, self.account_id, self.decoder = client, endpoint, account_id, decoder
        self.outcome: ListOutcome | None = None
        self.attempt = 1
        self._reading = ScanPaginator()
        self._created_before: str | None = None
        self._previous: Any = None

    def resume(self, landed: Iterator[tuple[PageMark, list[str]]]) -> None:
        """Resume after the pages of an interrupted run, given in order with the keys of their rows."""
        for mark, keys in landed:
            self.attempt, self._created_before = mark.attempt, mark.created_before
            self._reading.add(mark.facts, keys)

    def pages(self) -> Iterator[Page]:
        """Read the list. A page with a higher `attempt` invalidates all pages before it.

        Raises:
            RequestFailed, Unreachable, UnreadableReply, BudgetSpent, Stopped: see `DripClient.get`.
        """
        while self.outcome is None:
            yield from self._attempt()
            self._judge()

    def first_reply(self) -> Reply:
        """The reply with the first page, without reading the list. Raises as `pages` does."""
        return self._get(1)

    def rows(self) -> int:
        """Number of distinct rows read so far."""
        return self._reading.rows()

    def _at_once(self) -> int:
        """Maximum number of concurrent requests; one in the last attempt.

        The counts of concurrent requests arrive in any order, so a growing list may look as if it shrank.
        """
        return 1 if self._is_last_attempt else self.client.settings.parallel

    @property
    def _is_last_attempt(self) -> bool:
        return self.attempt >= self.client.settings.max_scans

    def _plan(self) -> None:
        """Tell the rate limit how many more requests a list of several pages needs."""
        if self._reading.pages[0].total_pages != 1:
            name = f"{self.endpoint.resource} of {self.account_id or 'the API key'}"
            self.client.budget.plan(name, self._reading.pages_left())

    def _attempt(self) -> Iterator[Page]:
        """The pages of one attempt, in order, with prefetching.

        Pages are decoded here, one after another. If the prefetching threads decoded them, they would compete for the
        interpreter lock, finish at about the same time, and request the next pages late and all at once.
        """
        with self.client.ahead(self._get) as ahead:
            while numbers := self._reading.next_pages(self._at_once()):
                yield from self._take(numbers[0], ahead.next(numbers))
                self._plan()

    def _take(self, number: int, reply: Reply) -> Iterator[Page]:
        decoded = self.decoder.decode(reply.body, self.account_id, reply.url, reply.fields)
        facts = page_counts(number, decoded)
        if number == 1:
            self._exclude_new_rows(reply.server_time)
        belongs = self._reading.add(facts, decoded.keys)
        mark = PageMark(self.attempt, facts, self._created_before, reply.server_time)
        if number == 1 or (belongs and facts.received):
            yield Page(mark, marked(decoded.table, mark), decoded.quarantine)

    def _get(self, number: int) -> Reply:
        return self.client.get(self.endpoint.url_path(self.account_id), self._params(number))

    def _params(self, number: int) -> dict[str, Any]:
        params: dict[str, Any] = dict(self.endpoint.params)
        if self.endpoint.paginated or number > 1:
            params["page"] = number
        if self.endpoint.per_page:
            params["per_page"] = self.endpoint.per_page
        if number > 1 and self._created_before:
            params["subscribed_before"] = self._created_before
        return params

    def _exclude_new_rows(self, server_time: datetime) -> None:
        """Exclude rows created from now on, by the server's clock in whole seconds.

        Otherwise a new row could compensate for a deleted one in the counts, and the row that the deletion moved to a
        page that was read already would be missed. A row created earlier in this second costs a new attempt.

        The first page is read without the filter, so that a list of one page is read as it is, and a different
        count on the second page reveals rows that the filter hides. The last attempt does not use the filter, for
        lists with such rows.
        """
        excluding = self.endpoint.has_created_filter and not self._is_last_attempt
        self._created_before = server_time.strftime(ISO) if excluding else None

    def _judge(self) -> None:
        """Accept the attempt as complete, accept it as incomplete, or start another one."""
        problem, signature = self._reading.problem(), self._reading.signature()
        settled = not problem or signature == self._previous
        if settled or self._is_last_attempt:
            complete = not problem or (settled and self._reading.only_repeats())
            self.outcome = self._reading.outcome(complete, self.attempt, "" if complete else problem)
            return
        self._previous = signature
        self.attempt += 1
        self._reading = ScanPaginator()
        if self.endpoint.has_created_filter:
            self.client.stop.wait(A_SECOND)


def page_mark(schema: pa.Schema) -> PageMark:
    """The mark in the schema of a page's table or file."""
    return PAGE_MARK.decode((schema.metadata or {})[PAGE_METADATA])


def marked(table: pa.Table, mark: PageMark) -> pa.Table:
    """The table of a page with its mark."""
    return table.replace_schema_metadata({PAGE_METADATA: msgspec.json.encode(mark)})


def page_counts(number: int, decoded: Decoded) -> PageCounts:
    """What a page says and holds."""
    return PageCounts(
        page=number,
        rows=decoded.table.num_rows,
        received=decoded.received,
        repeated=decoded.repeated,
        quarantined=len(decoded.quarantine),
        total_count=decoded.meta.total_count if decoded.meta else None,
        total_pages=decoded.meta.total_pages if decoded.meta else None,
    )
