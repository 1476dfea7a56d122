"""Which days to ask for, in which order."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from flows.source.landing.daily_list import KnownDay


class Span(NamedTuple):
    """How many days back to go, and how many of them to ask for again."""

    days: int
    refresh: int


def days_due(today: date, span: Span, known: Mapping[date, KnownDay]) -> list[date]:
    """The days to ask for: recent ones newest first, then those before newest first, then those that were cut short.

    A day is asked for again once a day while it is recent, and once more where it was last read before its figures had
    settled: clicks and orders come late, and so does the end of a day that was read while it lasted.
    """
    wanted = [today - timedelta(days=age) for age in range(span.days)]
    due = [day for day in wanted if day not in known or not _is_settled(day, known[day].read_at, today, span)]
    cut_short = [day for day in wanted if day in known and not known[day].listed and known[day].read_at.date() < today]
    return [*due, *(day for day in cut_short if day not in due)]


def _is_settled(day: date, read_at: datetime, today: date, span: Span) -> bool:
    """Whether there is no need to ask for a day again, at least not today."""
    age_when_read = (read_at.date() - day).days
    return read_at.date() >= today or age_when_read >= max(span.refresh - 1, 1)
