"""How emails did, day by day: sends, opens that fade over the days after, clicks of people and bots, orders.

The figures of a day are what happened on it, by the calendar of the account's owner. So the days of a range add up,
those of all emails add up to the summary, and only the day that is not over yet still moves.
"""

import math
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from flows.sandbox.generator.draws import Dice, key_of

COUNTS = ("sends", "deliveries", "opens", "clicks", "bot_clicks", "unsubscribes", "hard_bounces", "complaints",
          "orders", "revenue_in_cents")  # fmt: skip
RATED = {"opens": "open_rate", "clicks": "click_rate", "bot_clicks": "bot_click_rate", "complaints": "complaint_rate",
         "unsubscribes": "unsubscribe_rate", "hard_bounces": "hard_bounce_rate", "orders": "order_rate"}  # fmt: skip
LATER = {"opens": (0.25, 0.55), "clicks": (0.02, 0.09), "bot_clicks": (0.004, 0.02), "unsubscribes": (0.001, 0.006),
         "complaints": (0.0001, 0.0012), "orders": (0.002, 0.012)}  # fmt: skip
"""What comes of an email over the days after it was sent, as shares of its deliveries: the lowest, the highest."""
BOUNCING, ORDER_CENTS = (0.002, 0.02), (1_900, 18_000)
FADING = 0.45
"""Share of what is still to come that is left after each day."""
TAIL_DAYS = 12
Counts = dict[str, int]


class Rates(NamedTuple):
    """What holds for all that is sent of an email."""

    key: int
    bounces: float
    later: dict[str, float]
    order_cents: int


@lru_cache(maxsize=4_096)
def rates_of(seed: int, account_id: str, email_id: int) -> Rates:
    """The same ones for the same email."""
    dice = Dice(seed, account_id, "performance", email_id)

    def within(span: tuple[float, float]) -> float:
        return span[0] + (span[1] - span[0]) * dice.number()

    later = {name: within(span) for name, span in LATER.items()}
    key = key_of(seed, account_id, "cohorts", email_id)
    return Rates(key, within(BOUNCING), later, dice.between(*ORDER_CENTS))


def counts_on(rates: Rates, sent: Iterable[tuple[date, int]], day: date, share: float) -> Counts:
    """What happened on a day with an email of which so many were sent on these days.

    Args:
        rates: of the email.
        sent: days, and what was sent on them; those more than TAIL_DAYS ago count for nothing.
        day: which.
        share: how much of the day is over, 0 to 1.
    """
    total = dict.fromkeys(COUNTS, 0)
    for sent_on, sends in sent:
        age = (day - sent_on).days
        if sends and 0 <= age <= TAIL_DAYS:
            for name, count in _cohort(rates, sent_on, sends, age, share).items():
                total[name] += count
    return total


def _cohort(rates: Rates, sent_on: date, sends: int, age: int, share: float) -> Counts:
    """What came, on one day, of what was sent on another. Luck decides where whole people begin."""
    luck = _luck(rates.key, sent_on.toordinal())
    bounced = math.floor(sends * rates.bounces)
    before, after = 1 - FADING**age, 1 - FADING ** (age + 1)
    until = before + (after - before) * share
    whole = {name: (sends - bounced) * rate for name, rate in rates.later.items()}
    counts = {
        name: math.floor(all_of * until + luck[name]) - math.floor(all_of * before + luck[name])
        for name, all_of in whole.items()
    }
    counts["revenue_in_cents"] = counts["orders"] * rates.order_cents
    if age == 0:
        counts |= {"sends": sends, "deliveries": sends - bounced, "hard_bounces": bounced}
    return counts


@lru_cache(maxsize=65_536)
def _luck(key: int, day: int) -> dict[str, float]:
    dice = Dice(key, day)
    return {name: dice.number() for name in LATER}


@lru_cache(maxsize=65_536)
def sent_on(seed: int, email_id: int, day: int, most: int) -> int:
    """How many of an email are sent on a day (its ordinal) that has at most so many."""
    return Dice(seed, email_id, day).between(0, most)


def added(parts: Iterable[Counts]) -> Counts:
    """The sum of counts."""
    total = dict.fromkeys(COUNTS, 0)
    for part in parts:
        for name in COUNTS:
            total[name] += part[name]
    return total


def with_rates(counts: Counts) -> dict[str, int | float]:
    """An `email_metric`: counts, and rates relative to `sends`, rounded to four places."""
    sends, orders, revenue = counts["sends"], counts["orders"], counts["revenue_in_cents"]
    rates = {name: round(counts[count] / sends, 4) if sends else 0.0 for count, name in RATED.items()}
    money = {
        "revenue_per_person_in_cents": revenue // sends if sends else 0,
        "average_order_value_in_cents": revenue // orders if orders else 0,
    }
    return {**counts, **rates, **money}


def days_between(first: date, last: date) -> list[date]:
    """The days from the first to the last, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
