"""The report of a sync: a line per list, the number of requests, the exit code."""

from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from flows.pipeline.drift import REFUSED, Drift
from flows.pipeline.event_loss import AccountLoss
from flows.pipeline.events import EventsLoaded
from flows.pipeline.report_line import ListReport
from flows.pipeline.sync_log import FULL
from flows.source.quarantine import TABLE as QUARANTINE


class Spent(msgspec.Struct):
    """Requests of one token: `spent` in the run, and `left` according to the API (None if unknown)."""

    connection: str
    spent: int
    left: int | None


@dataclass(eq=False)
class SyncReport:
    """The results of a run.

    Attributes:
        run: id of the run.
        started: when it started.
        finished: when it ended.
        location: location of the destination, without secrets.
        dataset: name of the dataset.
        lists: a line for each list.
        budgets: the requests of each token.
        seconds_before: duration of the last sync with the same number of lists; None if there was none.
        stopped: why the run could not do its work at all, on one line; empty if it could.
        shared: a sentence for each account that several connections have access to.
        account_names: names of the accounts by id; without those that have no name.
        asked: when the run was requested. It may have waited since then for the database or for Prefect.
        events: what was loaded of webhook deliveries; None if there is no spool.
        webhook_problems: by account, what is wrong with the webhook that was registered for the receiver.
        event_losses: by account, the webhook events that are missing according to the history, of the last days.
        view_problems: by view, why it could not be created or replaced.
        drift: how the API's data differs in form from the previous sync.
        destination: name of the destination.
        newest: by resource, when the newest record in the destination was created, of those that say so.
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
    account_names: dict[str, str] = field(default_factory=dict)
    events: EventsLoaded | None = None
    webhook_problems: dict[str, str] = field(default_factory=dict)
    event_losses: list[AccountLoss] = field(default_factory=list)
    view_problems: dict[str, str] = field(default_factory=dict)
    drift: list[Drift] = field(default_factory=list)
    destination: str = "duckdb"
    newest: dict[str, datetime] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """Requests sent, of all tokens."""
        return sum(budget.spent for budget in self.budgets)

    @property
    def seconds(self) -> float:
        """Duration, including the wait before the start."""
        return (self.finished - self.started).total_seconds() + self.waited

    @property
    def waited(self) -> float:
        """Seconds between the request for the run and its start."""
        return (self.started - (self.asked or self.started)).total_seconds()

    @property
    def failures(self) -> list[ListReport]:
        """The incomplete lists."""
        return [line for line in self.lists if not line.complete]

    @property
    def exit_code(self) -> int:
        """0: all lists arrived; 1: some are incomplete, or have unknown fields that a frozen schema refuses.

        2: nothing could start, or the token was rejected.
        """
        if self.stopped:
            return 2
        return 1 if self.failures or self.refused else 0

    @property
    def refused(self) -> list[Drift]:
        """The unknown fields that were not loaded, since the schema is frozen."""
        return [one for one in self.drift if one.kind == REFUSED]

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
        text = f"{text}; {bad} of {lists} lists are incomplete" if bad else text
        fields = ", ".join(sorted({f"{one.table}.{one.column}" for one in self.refused}))
        return f"{text}; unknown fields in {QUARANTINE}: {fields}" if fields else text

    def _part(self) -> str:
        """The number of rows read, if some lists were read in part; otherwise empty."""
        if all(line.mode == FULL for line in self.lists):
            return ""
        return f", {sum(line.landed or 0 for line in self.lists):,} of them read this time"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with a noun, in the plural if needed."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
