"""The report of a sync: a line per list, the requests spent, how it ended."""

from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from flows.pipeline.sync_log import FULL


class ListReport(msgspec.Struct):
    """One line of the report: one list of one account.

    Attributes:
        api_rows: rows by the API, None where it could not be asked.
        landed: distinct rows that came.
        loaded: rows in the destination now of what was read, None where nothing was loaded.
        total: rows of the whole list in the destination now, None where that is not known.
        before: rows of the whole list after the last sync of it, None where there was none.
        complete: what came was proven to be all there is, and is all there is in the destination.
        note: why not; empty where it is.
        mode: full, or incremental: then `api_rows`, `landed` and `loaded` are of the part that was asked for.
        why: it was read so, where that was chosen.
        saved: requests that reading all of it would have cost more.
        connection: that it was read by; empty where none is named.
    """

    account: str | None
    resource: str
    api_rows: int | None = None
    landed: int | None = None
    loaded: int | None = None
    total: int | None = None
    before: int | None = None
    repeated: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    complete: bool = False
    note: str = ""
    mode: str = FULL
    why: str = ""
    saved: int = 0
    connection: str = ""


class Spent(msgspec.Struct):
    """The requests of one token: `spent` in the run, and `left` by the API, None where it did not say."""

    connection: str
    spent: int
    left: int | None


@dataclass(eq=False)
class SyncReport:
    """What a run did.

    Attributes:
        budgets: of each token.
        seconds_before: that the last sync of as many lists took; None where there was none.
        stopped: why, in a line, the run could not do its work at all; empty where it could.
        shared: a sentence for each account that several connections see.
        asked: when the run was asked for. It may have waited since then, for the database or for Prefect.
    """

    run: str
    started: datetime
    finished: datetime
    location: str
    dataset: str
    lists: list[ListReport] = field(default_factory=list)
    budgets: list[Spent] = field(default_factory=list)
    seconds_before: float | None = None
    stopped: str = ""
    shared: list[str] = field(default_factory=list)
    asked: datetime | None = None

    @property
    def requests(self) -> int:
        """Spent, by all tokens."""
        return sum(budget.spent for budget in self.budgets)

    @property
    def seconds(self) -> float:
        """How long it took, with the wait until it could begin."""
        return (self.finished - self.started).total_seconds() + self.waited

    @property
    def waited(self) -> float:
        """Seconds until it could begin."""
        return (self.started - (self.asked or self.started)).total_seconds()

    @property
    def failures(self) -> list[ListReport]:
        """The lists that did not arrive whole."""
        return [line for line in self.lists if not line.complete]

    @property
    def exit_code(self) -> int:
        """0: all arrived; 1: some lists did not; 2: nothing could start, or the token was refused."""
        if self.stopped:
            return 2
        return 1 if self.failures else 0

    def summary(self) -> str:
        """The run in one line."""
        if self.stopped:
            return self.stopped
        accounts, lists = len({line.account for line in self.lists if line.account}), len(self.lists)
        rows = sum(line.total or 0 for line in self.lists)
        text = (
            f"{rows:,} rows of {counted(accounts, 'account')} ({counted(lists, 'list')}) in {self.location}, "
            f"dataset {self.dataset}{self._part()}; {self.requests} requests, {self.seconds:.1f} s"
        )
        bad = len(self.failures)
        return f"{text}; {bad} of {lists} lists did not arrive whole" if bad else text

    def _part(self) -> str:
        """How many rows were read, where some lists were read in part."""
        if all(line.mode == FULL for line in self.lists):
            return ""
        return f", {sum(line.landed or 0 for line in self.lists):,} of them read this time"


def counted(number: int, noun: str) -> str:
    """So many of something."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
