"""Reading one list of one account: page after page, again if it moved, until it is proven whole."""

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
"""Until the server's clock shows another one: a new attempt keeps out who arrived in the same second as it began."""


class PageMark(msgspec.Struct):
    """What a page's Arrow schema metadata says of it: enough to go on from it after a crash.

    Attributes:
        attempt: the how-manieth reading of the list it belongs to; pages of an earlier one are void.
        facts: what the page said and held.
        frozen_before: arrivals from here on are kept out of the pages after the first, if set.
        read_at: the server's clock.
    """

    attempt: int
    facts: PageCounts
    frozen_before: str | None
    read_at: datetime


@dataclass
class Page:
    """One page of a list: its mark, its rows, and the records that fit no table."""

    mark: PageMark
    table: pa.Table
    quarantine: list[Quarantined] = field(default_factory=list)


class ListReader:
    """Reads one list whole. Iterate `pages()`, then look at `outcome`.

    Args:
        client: of the token.
        endpoint: whose list.
        account_id: of which account; None for a list that the token has one of.
        decoder: of the endpoint, shared between its lists.
    """

    def __init__(self, client: DripClient, endpoint: Endpoint, account_id: str | None, decoder: Decoder) -> None:
        self.client, self.endpoint, self.account_id, self.decoder = client, endpoint, account_id, decoder
        self.outcome: ListOutcome | None = None
        self.attempt = 1
        self._reading = ScanPaginator()
        self._frozen_before: str | None = None
        self._previous: Any = None

    def resume(self, landed: Iterator[tuple[PageMark, list[str]]]) -> None:
        """Go on after pages that an interrupted reading left, given in order with the keys of their rows."""
        for mark, keys in landed:
            self.attempt, self._frozen_before = mark.attempt, mark.frozen_before
            self._reading.add(mark.facts, keys)

    def pages(self) -> Iterator[Page]:
        """The pages that come. One with a higher `attempt` makes all before it void.

        Raises:
            RequestFailed, Unreachable, UnreadableReply, BudgetSpent, Stopped: see `DripClient.get`.
        """
        while self.outcome is None:
            yield from self._attempt()
            self._judge()

    def rows(self) -> int:
        """Distinct rows that came so far."""
        return self._reading.rows()

    def _at_once(self) -> int:
        """Pages asked for at once; one in the last attempt.

        Counts of pages asked for together come in no order: where rows arrive, some look as if the list shrank.
        """
        return 1 if self._is_last_attempt else self.client.settings.parallel

    @property
    def _is_last_attempt(self) -> bool:
        return self.attempt >= self.client.settings.max_scans

    def _plan(self) -> None:
        """Let the budget know what the rest of a list of several pages will need."""
        if self._reading.pages[0].total_pages != 1:
            name = f"{self.endpoint.resource} of {self.account_id or 'the token'}"
            self.client.budget.plan(name, self._reading.pages_left())

    def _attempt(self) -> Iterator[Page]:
        """The pages of one attempt in order, as many asked for ahead of the one that is due as may be under way.

        They are decoded here, one after another. Where the threads that fetch them did it, sharing the one
        interpreter, all were through at the same moment, and the next ones were asked for all at once, and late.
        """
        with self.client.ahead(self._get) as ahead:
            while numbers := self._reading.next_pages(self._at_once()):
                yield from self._take(numbers[0], ahead.next(numbers))
                self._plan()

    def _take(self, number: int, reply: Reply) -> Iterator[Page]:
        decoded = self.decoder.decode(reply.body, self.account_id, reply.url, reply.fields)
        facts = _facts(number, decoded)
        if number == 1:
            self._freeze(reply.server_time)
        belongs = self._reading.add(facts, decoded.keys)
        mark = PageMark(self.attempt, facts, self._frozen_before, reply.server_time)
        if number == 1 or (belongs and facts.received):
            yield Page(mark, _marked(decoded.table, mark), decoded.quarantine)

    def _get(self, number: int) -> Reply:
        return self.client.get(self.endpoint.url_path(self.account_id), self._params(number))

    def _params(self, number: int) -> dict[str, Any]:
        params: dict[str, Any] = dict(self.endpoint.params)
        if self.endpoint.paginated or number > 1:
            params["page"] = number
        if self.endpoint.per_page:
            params["per_page"] = self.endpoint.per_page
        if number > 1 and self._frozen_before:
            params["subscribed_before"] = self._frozen_before
        return params

    def _freeze(self, server_time: datetime) -> None:
        """Keep arrivals out from now on, by the server's clock, whose second has begun.

        An arrival that later pages counted would make up for a deletion, and the row that this moved to a page
        already read would never be missed. One in this second before the first page was read costs a new attempt.

        The first page is read without the filter: a list of one page is then simply all there is, and a
        count that differs on the second page tells of rows that the filter hides. The last attempt does
        without, for a list with such rows.
        """
        freezing = self.endpoint.freezable and not self._is_last_attempt
        self._frozen_before = server_time.strftime(ISO) if freezing else None

    def _judge(self) -> None:
        """Accept the attempt as proven, give up on it as incomplete, or start another."""
        problem, signature = self._reading.problem(), self._reading.signature()
        settled = not problem or signature == self._previous
        if settled or self._is_last_attempt:
            complete = not problem or (settled and self._reading.only_repeats())
            self.outcome = self._reading.outcome(complete, self.attempt, "" if complete else problem)
            return
        self._previous = signature
        self.attempt += 1
        self._reading = ScanPaginator()
        if self.endpoint.freezable:
            self.client.stop.wait(A_SECOND)


def page_mark(schema: pa.Schema) -> PageMark:
    """The mark of a page, from the schema of its table or file."""
    return msgspec.json.decode((schema.metadata or {})[PAGE_METADATA], type=PageMark)


def _marked(table: pa.Table, mark: PageMark) -> pa.Table:
    return table.replace_schema_metadata({PAGE_METADATA: msgspec.json.encode(mark)})


def _facts(number: int, decoded: Decoded) -> PageCounts:
    return PageCounts(
        page=number,
        rows=decoded.table.num_rows,
        received=decoded.received,
        repeated=decoded.repeated,
        quarantined=len(decoded.quarantine),
        total_count=decoded.meta.total_count if decoded.meta else None,
        total_pages=decoded.meta.total_pages if decoded.meta else None,
    )
