"""What the notebooks count: pandas in, pandas out. Nothing here reads a database or draws."""

import pandas as pd

UNKNOWN = "unknown"
STATUSES = ("active", "unsubscribed", "undeliverable", UNKNOWN)
"""The statuses of the reference, in the order in which they are shown; others come after them."""


def audience_growth(subscribers: pd.DataFrame) -> pd.DataFrame:
    """How many of today's subscribers arrived in each month.

    Args:
        subscribers: a row per person with `account_id` and `created_at` (with zone, may be missing).

    Returns:
        A row per account and month (UTC), from the account's first arrival to the last month of any account,
        months without arrivals included: `account_id`, `month` (its first day, without zone), `arrived` in that
        month, `total` so far. People without a date are in no row: see `undated`.
    """
    dated = subscribers.dropna(subset=["created_at", "account_id"])
    month = dated["created_at"].dt.tz_convert("UTC").dt.tz_localize(None).dt.to_period("M").rename("month")
    arrived = dated.groupby([month, "account_id"]).size().unstack(fill_value=0)
    if len(arrived):
        arrived = arrived.reindex(pd.period_range(arrived.index.min(), arrived.index.max(), name="month"), fill_value=0)
    rows = pd.DataFrame({"arrived": arrived.T.stack(), "total": arrived.cumsum().T.stack()}).reset_index()
    growth = rows[rows["total"] > 0].reset_index(drop=True)
    return pd.DataFrame(
        {
            "account_id": growth["account_id"].astype("string"),
            "month": pd.PeriodIndex(growth["month"], freq="M").to_timestamp(),
            "arrived": growth["arrived"].astype("Int64"),
            "total": growth["total"].astype("Int64"),
        }
    )


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
    status = subscribers["status"].fillna(UNKNOWN).rename("status")
    mix = subscribers.groupby(["account_id", status]).size().rename("people").reset_index()
    people = mix["people"].astype("Int64")
    return pd.DataFrame(
        {
            "account_id": mix["account_id"].astype("string"),
            "status": mix["status"].astype("string"),
            "people": people,
            "share": (people / people.groupby(mix["account_id"]).transform("sum")).astype("Float64"),
        }
    )


def name_accounts(frame: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """`frame` with a column `account`: the account's name and id, or its id alone where it has no name.

    Args:
        frame: any frame with `account_id`.
        accounts: a row per account with `id` and `name`.
    """
    named = accounts.dropna(subset=["id", "name"]).drop_duplicates("id")
    labels = dict(zip(named["id"], named["name"] + " (" + named["id"] + ")", strict=True))
    ids = frame["account_id"]
    return frame.assign(account=ids.map(labels).astype("string").fillna(ids))


def last_whole_sync(syncs: pd.DataFrame, resource: str) -> pd.DataFrame:
    """When each account's list was last read whole: how fresh the numbers are.

    Args:
        syncs: the table `_syncs`, with `account`, `resource`, `finished` and `complete`.
        resource: the list, such as `subscribers`.

    Returns:
        `account_id` and `finished` (UTC), the stalest first. An account whose list never arrived whole is absent.
    """
    whole = syncs[(syncs["resource"] == resource) & syncs["complete"].fillna(False)]
    last = whole.groupby("account")["finished"].max().rename_axis("account_id").reset_index()
    return last.sort_values("finished", ignore_index=True)
