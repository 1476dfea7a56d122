"""Which days of figures are asked for."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.source.email_metrics.plan import Span, days_due
from flows.source.landing.daily_list import KnownDay

TODAY = date(2026, 6, 1)
ages = st.integers(0, 40)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def read(age: int, listed: bool = True) -> KnownDay:
    return KnownDay(datetime.combine(ago(age), datetime.min.time(), UTC), listed)


def test_a_fresh_account_is_asked_for_all_days_newest_first() -> None:
    assert days_due(TODAY, Span(5, 14), {}) == [ago(age) for age in range(5)]


@pytest.mark.parametrize(("refresh", "again"), [(0, 2), (1, 2), (2, 2), (3, 3), (14, 14)])
def test_recent_days_are_asked_for_again_the_next_day(refresh: int, again: int) -> None:
    known = {ago(age): read(1) for age in range(1, 60)}
    assert days_due(TODAY, Span(60, refresh), known) == [ago(age) for age in range(again)]


def test_no_day_is_asked_for_twice_on_a_day() -> None:
    assert days_due(TODAY, Span(60, 14), {ago(age): read(0) for age in range(60)}) == []


def test_a_day_that_was_last_read_while_it_lasted_is_asked_for_once_more() -> None:
    known = {ago(age): read(0 if age != 30 else 30) for age in range(60)}
    assert days_due(TODAY, Span(60, 14), known) == [ago(30)]


def test_days_that_were_cut_short_come_last() -> None:
    known = {ago(age): read(1, listed=age != 20) for age in range(1, 30)}
    assert days_due(TODAY, Span(40, 2), known) == [ago(0), ago(1), *(ago(age) for age in range(30, 40)), ago(20)]


@given(st.dictionaries(ages, ages), st.integers(1, 40), st.integers(0, 20))
def test_each_day_once_and_recent_ones_first(when_read: dict[int, int], days: int, refresh: int) -> None:
    known = {ago(age): read(min(age, read_age)) for age, read_age in when_read.items()}
    due = days_due(TODAY, Span(days, refresh), known)
    assert len(due) == len(set(due))
    assert due == sorted(due, reverse=True)
    assert {ago(age) for age in range(days)} - known.keys() <= set(due)
    assert not [day for day in due if day in known and known[day].read_at.date() == TODAY]
