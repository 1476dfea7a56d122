"""Decides which pages of a list to request, when the list ends, and whether it was read completely.

There is no I/O here: a `ScanPaginator` receives the counts of each page. The API's counts are not trusted blindly,
since `total_pages` may be missing, wrong or not a number, and rows move between pages while they are read.
"""

import math
from collections.abc import Iterable

import msgspec

from flows.source.key_set import KeySet

FULL_HUNDRED = 100
"""A list without `meta` whose length is a multiple of this may have been truncated."""
SPARE_PAGES = 10
PAGES_WITHOUT_COUNT = 10_000


class PageCounts(msgspec.Struct):
    """The counts of one page.

    Attributes:
        page: its number, starting at 1.
        rows: rows for the table, distinct within the page.
        received: records in the reply: rows, repeated records and quarantined records.
        repeated: records with the same key as another one on the page.
        quarantined: records that fit no table.
        total_count: number of rows in the list according to the API; None if not given.
        total_pages: number of pages in the list according to the API; None if not given.
    """

    page: int
    rows: int
    received: int
    repeated: int = 0
    quarantined: int = 0
    total_count: int | None = None
    total_pages: int | None = None


class ListOutcome(msgspec.Struct):
    """The result of reading a list.

    Attributes:
        complete: whether the list was proven complete; only then may rows be deleted.
        api_rows: rows according to the API: its `total_count`, or the length of the list.
        rows: distinct rows for the table.
        repeated: records received more than once; the last one is kept.
        quarantined: records that fit no table.
        overlap: rows received on more than one page, which the load deduplicates.
        attempts: how often the list was read.
        note: why it is incomplete; if it is complete, what else is to be known.
        available: whether the token has the endpoint.
    """

    complete: bool
    api_rows: int
    rows: int
    repeated: int = 0
    quarantined: int = 0
    overlap: int = 0
    attempts: int = 1
    note: str = ""
    available: bool = True


class ScanPaginator:
    """Tracks one attempt to read a list from the first page to the last."""

    def __init__(self) -> None:
        self.pages: list[PageCounts] = []
        self.shrank = ""
        self._keys = KeySet()
        self._last_had_new_rows = True

    def add(self, facts: PageCounts, keys: Iterable[str]) -> bool:
        """Add the counts of the next page and the keys of its rows.

        Returns:
            Whether the page belongs to the list. A list without counts that ignores `page` returns the same page again.
        """
        self._last_had_new_rows = self._keys.add(keys) > 0 or facts.quarantined > 0
        if self.pages and not self._last_had_new_rows and facts.total_count is None:
            return False
        if self.pages:
            self._check_shrinking(self.pages[-1].total_count, facts.total_count)
        self.pages.append(facts)
        return True

    def next_pages(self, limit: int = 1) -> list[int]:
        """The pages to request next, at most `limit`; empty at the end of the list."""
        if not self.pages:
            return [1]
        last = self.pages[-1]
        if self.shrank or last.received == 0 or not self._last_had_new_rows or not self._expects_more():
            return []
        following = last.page + 1
        if following > self._max_pages():
            return []
        until = self._trusted_pages() if limit > 1 else following
        return list(range(following, max(following, min(until, following + limit - 1)) + 1))

    def problem(self) -> str:
        """Why the list is not proven complete; empty if it is."""
        if self.shrank:
            return self.shrank
        last, total = self.pages[-1], self.total_count
        if last.page >= self._max_pages():
            return "the list does not end"
        if total is None and last.total_pages is not None and last.page < last.total_pages:
            return f"the API reports {last.total_pages} pages, but the list ended on page {last.page}"
        if total is not None and total != self._counted_rows():
            return f"the API reports {total} rows, but returned {self._counted_rows()} distinct ones"
        return ""

    def pages_left(self) -> int:
        """Remaining pages by the API's counts; 0 if these are inconsistent."""
        return max(0, self._trusted_pages() - self.pages[-1].page)

    def rows(self) -> int:
        """Number of distinct rows read so far."""
        return len(self._keys)

    def signature(self) -> tuple[int, int, int | None]:
        """Two attempts with the same signature read the same list, so that another attempt would not help."""
        return len(self._keys), self._received(), self.total_count

    def outcome(self, complete: bool, attempts: int, note: str) -> ListOutcome:
        """The outcome, with the counts of this attempt."""
        rows, landed = len(self._keys), sum(facts.rows for facts in self.pages)
        total, quarantined = self.total_count, self._quarantined()
        return ListOutcome(
            complete=complete,
            api_rows=self._received() - (landed - rows) if total is None else total,
            rows=rows,
            repeated=self._received() - rows - quarantined,
            quarantined=quarantined,
            overlap=landed - rows,
            attempts=attempts,
            note=note,
        )

    @property
    def total_count(self) -> int | None:
        """The latest count of rows in the list by the API."""
        return next((f.total_count for f in reversed(self.pages) if f.total_count is not None), None)

    def only_repeats(self) -> bool:
        """Whether as many records were received as the API counts, some of them more than once."""
        return not self.shrank and self._received() == self.total_count

    def _check_shrinking(self, before: int | None, now: int | None) -> None:
        if before is not None and now is not None and now < before:
            self.shrank = f"the list shrank from {before} to {now} rows while it was read"

    def _expects_more(self) -> bool:
        last, total = self.pages[-1], self.total_count
        if total is None and last.total_pages is None:
            return last.received % FULL_HUNDRED == 0
        missing = total is not None and self._counted_rows() < total
        return missing or (last.total_pages is not None and last.page < last.total_pages)

    def _trusted_pages(self) -> int:
        """The last page, if the API's counts are consistent with each other and with the first page; otherwise 0."""
        first, total = self.pages[0], self.total_count
        if total is None or first.total_pages is None or not first.received:
            return 0
        return first.total_pages if first.total_pages == math.ceil(total / first.received) else 0

    def _max_pages(self) -> int:
        total, first = self.total_count, self.pages[0]
        if total is None or not first.received:
            return PAGES_WITHOUT_COUNT
        return 2 * math.ceil(total / first.received) + SPARE_PAGES

    def _counted_rows(self) -> int:
        return len(self._keys) + sum(facts.repeated + facts.quarantined for facts in self.pages)

    def _quarantined(self) -> int:
        return sum(facts.quarantined for facts in self.pages)

    def _received(self) -> int:
        return sum(facts.received for facts in self.pages)
