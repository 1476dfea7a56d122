"""Who is on the lists: growth, status, cohorts, where people come from, what they are worth."""

from itertools import pairwise
from typing import Any

import pandas as pd

from flows.metrics.counting import CENTS, UNKNOWN, month_of, shares

STATUSES = ("active", "unsubscribed", "undeliverable", UNKNOWN)
"""The statuses of the reference, in the order in which they are shown; others come after them."""
ACTIVE = "active"
DELETED_AT = "deleted_at"
"""Column of `subscribers_all`."""
NO_SCORE, NO_VALUE, DIRECT = "no score", "no purchases", "direct or unknown"
SCORE_EDGES = (20, 40, 60, 80, 100)
VALUE_EDGES = (50, 100, 250, 500, 1_000, 2_500)
HOST = r"^[a-zA-Z][a-zA-Z0-9+.-]*://(?:www\.)?([^/:?#]+)"


def audience_growth(subscribers: pd.DataFrame) -> pd.DataFrame:
    """How many people arrived in each month, how many were deleted, and how many that leaves.

    Args:
        subscribers: a row per person with `account_id` and `created_at` (with zone, may be missing): `subscribers`, or
            `subscribers_all`, whose `deleted_at` tells who has left.

    Returns:
        A row per account and month (UTC), from the account's first arrival to the last month of any account,
        months without arrivals included: `account_id`, `month` (its first day, without zone), `arrived` and `left` in
        that month, `total` at its end. People without a date are in no row: see `undated`.
    """
    dated = subscribers.dropna(subset=["created_at", "account_id"])
    arrived = _by_month(dated, dated["created_at"])
    if DELETED_AT in dated:
        gone = dated.dropna(subset=[DELETED_AT])
        left = _by_month(gone, gone[["created_at", DELETED_AT]].max(axis=1))
    else:
        left = arrived.iloc[:0]
    if len(arrived):
        last = max(months.index.max() for months in (arrived, left) if len(months))
        span = pd.period_range(arrived.index.min(), last, name="month")
        arrived = arrived.reindex(span, fill_value=0)
        left = left.reindex(index=span, columns=arrived.columns, fill_value=0)
    so_far = arrived.cumsum()
    counts = {"arrived": arrived, "left": left, "total": so_far - left.cumsum(), "so_far": so_far}
    rows = pd.DataFrame({name: months.T.stack() for name, months in counts.items()}).reset_index()
    growth = rows[rows["so_far"] > 0].reset_index(drop=True)
    return pd.DataFrame(
        {
            "account_id": growth["account_id"].astype("string"),
            "month": pd.PeriodIndex(growth["month"], freq="M").to_timestamp(),
            "arrived": growth["arrived"].astype("Int64"),
            "left": growth["left"].astype("Int64"),
            "total": growth["total"].astype("Int64"),
        }
    )


def _by_month(people: pd.DataFrame, moments: "pd.Series[Any]") -> pd.DataFrame:
    """The number of people by month and account, a column per account."""
    return people.groupby([month_of(moments), "account_id"]).size().unstack(fill_value=0)


def undated(subscribers: pd.DataFrame) -> int:
    """People whose date of arrival is not known."""
    return int(subscribers["created_at"].isna().sum())


def status_mix(subscribers: pd.DataFrame) -> pd.DataFrame:
    """How many people of each account have which status today.

    Args:
        subscribers: a row per person with `account_id` and `status` (missing counts as `unknown`).

    Returns:
        A row per account and status that occurs in it: `account_id`, `status`, `people`, and `share` of the
        account's people, between 0 and 1.
    """
    return shares(subscribers, "status")


def cohorts(subscribers: pd.DataFrame) -> pd.DataFrame:
    """How many of those who joined in a month can still be reached.

    Args:
        subscribers: a row per person with `account_id`, `status` and `created_at`.

    Returns:
        A row per account and month (UTC) in which somebody joined who is still listed: `account_id`, `month` (its
        first day), `joined`, `active` of them today, and their `share`, between 0 and 1.
    """
    dated = subscribers.dropna(subset=["created_at", "account_id"])
    is_active = dated["status"].eq(ACTIVE).fillna(False).astype("Int64").rename("active")
    groups = is_active.groupby([dated["account_id"], month_of(dated["created_at"])])
    counted = groups.agg(["size", "sum"]).reset_index()
    return pd.DataFrame(
        {
            "account_id": counted["account_id"].astype("string"),
            "month": pd.PeriodIndex(counted["month"], freq="M").to_timestamp(),
            "joined": counted["size"].astype("Int64"),
            "active": counted["sum"].astype("Int64"),
            "share": (counted["sum"] / counted["size"]).astype("Float64"),
        }
    )


def sources(subscribers: pd.DataFrame) -> pd.DataFrame:
    """Where people came from: the host of `original_referrer`, per account with `people` and `share`."""
    host = subscribers["original_referrer"].astype("string").str.extract(HOST, expand=False).str.lower()
    return shares(subscribers.assign(source=host.fillna(DIRECT)), "source")


def time_zones(subscribers: pd.DataFrame) -> pd.DataFrame:
    """Where people are: `time_zone` (missing counts as `unknown`), per account with `people` and `share`."""
    return shares(subscribers, "time_zone")


def lead_scores(subscribers: pd.DataFrame) -> pd.DataFrame:
    """Lead scores in bands: `band`, `place` (its order), per account with `people` and `share`."""
    return _banded(subscribers, subscribers["lead_score"], SCORE_EDGES, NO_SCORE)


def lifetime_values(subscribers: pd.DataFrame) -> pd.DataFrame:
    """Lifetime values in bands, in the currency's unit: `band`, `place`, per account with `people` and `share`.

    Args:
        subscribers: a row per person with `account_id` and `lifetime_value`, in cents.
    """
    return _banded(subscribers, subscribers["lifetime_value"] / CENTS, VALUE_EDGES, NO_VALUE)


def band_labels(edges: tuple[int, ...], nothing: str) -> list[str]:
    """The names of the bands in their order, first the one of people without a value."""
    between = [f"{low:,} to {high:,}" for low, high in pairwise(edges)]
    return [nothing, f"under {edges[0]:,}", *between, f"{edges[-1]:,} and more"]


def _banded(subscribers: pd.DataFrame, values: "pd.Series[Any]", edges: tuple[int, ...], nothing: str) -> pd.DataFrame:
    labels = band_labels(edges, nothing)
    place = (1 + sum(values.ge(edge).fillna(False).astype("Int64") for edge in edges)) * values.notna().astype("Int64")
    banded = subscribers.assign(band=place.map(dict(enumerate(labels))).astype("string"))
    counted = shares(banded, "band")
    return counted.assign(place=counted["band"].map({name: at for at, name in enumerate(labels)}).astype("Int64"))
