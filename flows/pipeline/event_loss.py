"""How many events were lost, judging by an audit: the share with its confidence interval, and since which hour."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from math import sqrt
from statistics import median

import msgspec

HOUR, DAY_HOURS = 3_600, 24
Z = 1.96
"""Standard deviations of a 95% confidence interval."""
EXPECTED_AT_LEAST = 3.0
"""Events that usually occur in a run of hours, before their absence says anything."""


class Loss(msgspec.Struct, frozen=True):
    """The estimated share of lost events, between 0 and 1, with its 95% confidence interval."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        """The share and its interval in percent."""
        return f"{self.share:.1%} (95% confidence interval {self.low:.1%} to {self.high:.1%})"


def loss(changes: int, missing: int) -> Loss | None:
    """The loss, where so many of some changes have no event; None without changes.

    The interval is Wilson's. It takes losses to be independent, so an outage of the receiver may exceed it.
    """
    if not changes:
        return None
    share, spread = missing / changes, Z * Z / changes
    centre = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * sqrt(share * (1 - share) / changes + spread / (4 * changes))
    return Loss(share, max(centre - half, 0.0) if missing else 0.0, min(centre + half, 1.0))


class AuditedInterval(msgspec.Struct):
    """An interval between two full syncs of an account's subscribers.

    Attributes:
        account_id: the account.
        interval_start: start of the first sync.
        interval_end: start of the second sync.
        changes: changes of subscribers in the history that an event should have told of.
        missing_events: those of them that no event told of.
        events: events received that tell of such changes.
        unconfirmed_events: events that the history contradicts, so that a later one is missing.
        first_missing_hour: the hour of the first missing event, as far as it can be told; None if none is missing.
        missing_kinds: the kinds of changes that no event told of, with their numbers.
        settled: whether later events of the interval cannot be on their way any more.
    """

    account_id: str
    interval_start: datetime
    interval_end: datetime
    changes: int = 0
    missing_events: int = 0
    events: int = 0
    unconfirmed_events: int = 0
    first_missing_hour: datetime | None = None
    missing_kinds: str = ""
    settled: bool = True

    @property
    def loss(self) -> Loss | None:
        """The estimated loss; None if nothing changed."""
        return loss(self.changes, self.missing_events)


class AccountLoss(msgspec.Struct):
    """The intervals of an account together. Attributes are as in `AuditedInterval`; `settled` sums settled ones."""

    account_id: str
    since: datetime
    changes: int
    missing_events: int
    unconfirmed_events: int
    first_missing_hour: datetime | None
    settled: tuple[int, int]

    @property
    def loss(self) -> Loss | None:
        """The estimated loss; None if nothing changed."""
        return loss(self.changes, self.missing_events)

    def exceeds(self, limit: float) -> bool:
        """Whether more than a share of the events is lost.

        Events of the newest interval may still be on their way. They count only if the confidence interval of the loss
        is above the limit.
        """
        settled = loss(*self.settled)
        return bool((settled and settled.share > limit) or (self.loss and self.loss.low > limit))


def by_account(intervals: Iterable[AuditedInterval]) -> list[AccountLoss]:
    """The loss of each account over its intervals."""
    ordered = sorted(intervals, key=lambda one: (one.account_id, one.interval_start))
    return [_together(account, [*some]) for account, some in groupby(ordered, key=lambda one: one.account_id)]


def _together(account: str, some: Sequence[AuditedInterval]) -> AccountLoss:
    settled = [one for one in some if one.settled]
    return AccountLoss(
        account,
        some[0].interval_start,
        sum(one.changes for one in some),
        sum(one.missing_events for one in some),
        sum(one.unconfirmed_events for one in some),
        min((one.first_missing_hour for one in some if one.first_missing_hour), default=None),
        (sum(one.changes for one in settled), sum(one.missing_events for one in settled)),
    )


def first_missing_hour(start: datetime, end: datetime, created: datetime | None, hours: Mapping[int, int]) -> datetime:
    """The hour in which the first event of an interval is missing.

    The history only tells in which interval something changed. Two things tell more: the time at which a person was
    created whose event is missing, and hours without any event in which there usually are some.

    Args:
        start: of the interval.
        end: of the interval.
        created: when the first person was created whose event is missing; None if there is none.
        hours: the number of events of any kind in each hour since 1970, before, in and after the interval.
    """
    first, last = _hour(start), _hour(end)
    silent = _silent_hours(first, last, hours)
    if created:
        hour = min(max(_hour(created), first), last)
        while hour - 1 in silent:
            hour -= 1
        return _moment(hour)
    runs = _runs(silent)
    longest = max(runs, key=lambda run: (sum(silent[hour] for hour in run), -run[0]), default=[first])
    return _moment(longest[0])


def _silent_hours(first: int, last: int, hours: Mapping[int, int]) -> dict[int, float]:
    """The hours of an interval without an event, in runs in which events are usual, with the usual number of each."""
    others: defaultdict[int, list[int]] = defaultdict(list)
    if hours:
        for hour in range(min(hours), max(hours) + 1):
            if not first <= hour <= last:
                others[hour % DAY_HOURS].append(hours.get(hour, 0))
    inside = [hours.get(hour, 0) for hour in range(first, last + 1)]
    typical = median(inside)

    def usual(hour: int) -> float:
        same = others[hour % DAY_HOURS]
        return median(same) if same else typical

    silent = {hour: usual(hour) for hour in range(first, max(last, first + 1)) if not hours.get(hour)}
    telling = [run for run in _runs(silent) if sum(silent[hour] for hour in run) >= EXPECTED_AT_LEAST]
    return {hour: silent[hour] for run in telling for hour in run}


def _runs(hours: Iterable[int]) -> list[list[int]]:
    """Consecutive hours together."""
    runs: list[list[int]] = []
    for hour in sorted(hours):
        if runs and runs[-1][-1] == hour - 1:
            runs[-1].append(hour)
        else:
            runs.append([hour])
    return runs


def _hour(moment: datetime) -> int:
    return int(moment.timestamp() // HOUR)


def _moment(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * HOUR, UTC)
