"""What all metrics share: counting, shares, months, the names of accounts."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pandas as pd

Day = str | date
UNKNOWN = "unknown"
CENTS = 100
"""In the unit of a currency."""
IN_CENTS = frozenset({"lifetime_value", "default_value"})
"""The columns of tables that are in cents and do not say so."""


def count(frame: pd.DataFrame, by: Sequence[str], name: str) -> pd.DataFrame:
    """Rows per combination of the columns `by` that occurs, as the column `name`."""
    counted = frame.groupby(list(by), dropna=False, observed=True).size().rename(name).reset_index()
    return counted.astype({name: "Int64"})


def shares(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """People per account and value of a column, a missing one as `unknown`.

    Returns:
        `account_id`, the column, `people`, and `share` of the account's people, between 0 and 1.
    """
    known = frame[["account_id", column]].astype("string").fillna({column: UNKNOWN})
    counted = count(known, ["account_id", column], "people")
    everyone = counted["people"].groupby(counted["account_id"]).transform("sum")
    return counted.assign(share=(counted["people"] / everyone).astype("Float64"))


def month_of(moments: "pd.Series[Any]") -> "pd.Series[Any]":
    """The month (UTC) of each moment."""
    months: pd.Series[Any] = moments.dt.tz_convert("UTC").dt.tz_localize(None).dt.to_period("M").rename("month")
    return months


def between(frame: pd.DataFrame, column: str, since: Day | None, until: Day | None) -> pd.DataFrame:
    """The rows whose moment or month in a column is in a range of days (UTC), both included; None for no limit.

    Rows without a value are in none but the range without limits.
    """
    values = frame[column]
    zone = values.dt.tz
    wanted = pd.Series(True, index=frame.index)
    if since is not None:
        wanted &= values >= pd.Timestamp(since, tz=zone)
    if until is not None:
        wanted &= values < pd.Timestamp(until, tz=zone) + pd.Timedelta(days=1)
    return frame[wanted.fillna(False)]


def name_accounts(frame: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """`frame` with a first column `account`: the account's name and id, or its id alone where it has no name.

    Args:
        frame: any frame with `account_id`.
        accounts: a row per account with `id` and `name`.
    """
    named = accounts.dropna(subset=["id", "name"]).drop_duplicates("id")
    labels = dict(zip(named["id"], named["name"] + " (" + named["id"] + ")", strict=True))
    ids = frame["account_id"]
    named_frame = frame.drop(columns="account", errors="ignore")
    named_frame.insert(0, "account", ids.map(labels).astype("string").fillna(ids))
    return named_frame
