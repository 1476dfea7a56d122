"""Which pages of a list to ask for, when it has ended, and whether what came is all there is.

No input or output here: a `ScanPaginator` is told what each page held and decides. The API's counts are evidence,
not truth: `total_pages` may be missing, wrong or no number, and rows move between pages while they are read.
"""

import math
from collections.abc import Iterable

import msgspec

from flows.source.key_set import KeySet

FULL_HUNDRED = 100
"""A list without `meta` that answers a multiple of this many rows may have been cut there."""
SPARE_PAGES = 10
PAGES_WITHOUT_COUNT = 10_000


class PageCounts(msgspec.Struct):
    """What one page said and held.

    Attributes:
        page: its number, from 1.
        rows: rows that go to the table, distinct within the page.
        received: records in the reply: rows, repeated and quarantined ones.
        repeated: records whose key came again within the page.
        quarantined: records that fit no table.
        total_count: rows of the whole list by the API, if it said.
        total_pages: pages of the whole list by the API, if it said.
    """

    page: int
    rows: int
    received: int
    repeated: int = 0
    quarantined: int = 0
    total_count: int | None = None
    total_pages: int | None = None


class ListOutcome(msgspec.Struct):
    """The verdict on a list that has been read.

    Attributes:
        complete: what came was proven to be all there is; only then may rows be deleted.
        api_rows: rows by the API: its `total_count`, or the length of the list.
        rows: distinct rows that came and go to the table.
        repeated: records that came more than once; the last one counts.
        quarantined: records that fit no table.
        overlap: rows that came on more than one page, which the load has to take apart.
        attempts: how often the list was read.
        note: why it is not complete; empty where it is.
    """

    complete: bool
    api_rows: int
    rows: int
    repeated: int = 0
    quarantined: int = 0
    overlap: int = 0
    attempts: int = 1
    note: str = ""


class ScanPaginator:
    """One attempt at reading one list from its first page to its last."""

    def __init__(self) -> None:
        self.pages: list[PageCounts] = []
        self.shrank = ""
        self._keys = KeySet()
        self._last_was_news = True

    def add(self, facts: PageCounts, keys: Iterable[str]) -> bool:
        """Take note of the next page: its facts and the keys of its rows.

        Returns:
            Whether it belongs to the list: a list without counts that ignores `page` answers the same again.
        """
        self._last_was_news = self._keys.add(keys) > 0 or facts.quarantined > 0
        if self.pages and not self._last_was_news and facts.total_count is None:
            return False
        if self.pages:
            self._note_shrinking(self.pages[-1].total_count, facts.total_count)
        self.pages.append(facts)
        return True

    def next_pages(self, limit: int = 1) -> list[int]:
        """The pages to ask for next, at most `limit`; none at the end of the list."""
        if not self.pages:
            return [1]
        last = self.pages[-1]
        if self.shrank or last.received == 0 or not self._last_was_news or not self._expects_more():
            return []
        following = last.page + 1
        if following > self._most_pages():
            return []
        until = self._trusted_pages() if limit > 1 else following
        return list(range(following, max(following, min(until, following + limit - 1)) + 1))

    def problem(self) -> str:
        """Why what came is not proven to be all there is; empty where it is."""
        if self.shrank:
            return self.shrank
        last, total = self.pages[-1], self.total_count
        if last.page >= self._most_pages():
            return "it does not end"
        if total is None and last.total_pages is not None and last.page < last.total_pages:
            return f"the API says {last.total_pages} pages and the list ended on page {last.page}"
        if total is not None and total != self._accounted_for():
            return f"the API counts {total} rows and {self._accounted_for()} different ones came"
        return ""

    def pages_left(self) -> int:
        """Pages that the API's counts have still to come; 0 where they cannot be trusted."""
        return max(0, self._trusted_pages() - self.pages[-1].page)

    def rows(self) -> int:
        """Distinct rows that came so far."""
        return len(self._keys)

    def signature(self) -> tuple[int, int, int | None]:
        """Two attempts with the same one met the same list: reading it again is of no use."""
        return len(self._keys), self._received(), self.total_count

    def outcome(self, complete: bool, attempts: int, note: str) -> ListOutcome:
        """The verdict with the counts of this attempt."""
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
        """The newest count of the whole list by the API."""
        return next((f.total_count for f in reversed(self.pages) if f.total_count is not None), None)

    def only_repeats(self) -> bool:
        """Whether as many records came as the API counts, some of them more than once."""
        return not self.shrank and self._received() == self.total_count

    def _note_shrinking(self, before: int | None, now: int | None) -> None:
        if before is not None and now is not None and now < before:
            self.shrank = f"it shrank from {before} to {now} rows while it was read"

    def _expects_more(self) -> bool:
        last, total = self.pages[-1], self.total_count
        if total is None and last.total_pages is None:
            return last.received % FULL_HUNDRED == 0
        missing = total is not None and self._accounted_for() < total
        return missing or (last.total_pages is not None and last.page < last.total_pages)

    def _trusted_pages(self) -> int:
        """The last page, where the API's counts agree with each other and with the first page."""
        first, total = self.pages[0], self.total_count
        if total is None or first.total_pages is None or not first.received:
            return 0
        return first.total_pages if first.total_pages == math.ceil(total / first.received) else 0

    def _most_pages(self) -> int:
        total, first = self.total_count, self.pages[0]
        if total is None or not first.received:
            return PAGES_WITHOUT_COUNT
        return 2 * math.ceil(total / first.received) + SPARE_PAGES

    def _accounted_for(self) -> int:
        return len(self._keys) + sum(facts.repeated + facts.quarantined for facts in self.pages)

    def _quarantined(self) -> int:
        return sum(facts.quarantined for facts in self.pages)

    def _received(self) -> int:
        return sum(facts.received for facts in self.pages)
