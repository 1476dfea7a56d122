"""What history has seen: arrivals and departures, movement of tags, series over time.

Whatever needs history takes None where the database has none, and answers None.
"""

from datetime import datetime
from typing import Any

import pandas as pd

from flows.metrics.counting import count

ARRIVED, LEFT, RETURNED = "arrived", "left", "returned"
UNSUBSCRIBED, UNDELIVERABLE, REACTIVATED = "unsubscribed", "undeliverable", "active again"
TAG_ADDED, TAG_REMOVED = "tag added", "tag removed"
STATUS, ACTIVE = "status", "active"
KINDS = (ARRIVED, RETURNED, REACTIVATED, LEFT, UNSUBSCRIBED, UNDELIVERABLE)
"""Of movements, in the order in which they are shown."""
LOSSES = (LEFT, UNSUBSCRIBED, UNDELIVERABLE, TAG_REMOVED)


def movements(changes: pd.DataFrame | None) -> pd.DataFrame | None:
    """Who came, who went, and whose status changed, by the sync that saw it.

    Args:
        changes: the view `subscriber_changes`; None where there is no history.

    Returns:
        A row per account, sync and kind: `account_id`, `seen_at`, `change` (one of `KINDS`), `people`, and `net`, the
        same number below zero for losses. People who become unsubscribed, undeliverable or active again count by their
        new status; a change between two statuses without mail counts as well.
    """
    if changes is None:
        return None
    moved = _plain(changes)
    moved = moved.assign(change=moved["change"].mask(moved["change"] == STATUS, _new_status(moved)))
    counted = count(moved[moved["change"].isin(KINDS)], ["account_id", "seen_at", "change"], "people")
    return _netted(counted)


def _new_status(moved: pd.DataFrame) -> "pd.Series[Any]":
    """What a change of status is called: by the new status."""
    return moved["to_value"].astype("string").replace({ACTIVE: REACTIVATED})


def tag_movements(changes: pd.DataFrame | None) -> pd.DataFrame | None:
    """Which tags were given and taken away, by account.

    Returns:
        `account_id`, `tag`, `change` (tag added or tag removed), `people`, and `net` as above.

    Args:
        changes: the view `subscriber_changes`; None where there is no history.
    """
    if changes is None:
        return None
    counted = _tags_moved(changes)
    return _netted(counted)


def _tags_moved(changes: pd.DataFrame) -> pd.DataFrame:
    """People by account, tag and kind of change."""
    moved = _plain(changes)
    moved = moved[moved["change"].isin((TAG_ADDED, TAG_REMOVED))]
    tagged = moved.assign(tag=moved["to_value"].fillna(moved["from_value"]))
    return count(tagged, ["account_id", "tag", "change"], "people")


def tag_growth(changes: pd.DataFrame, since: datetime) -> pd.DataFrame:
    """How many people each tag won or lost since a moment, by account, the largest growth first.

    Args:
        changes: the view `subscriber_changes`.
        since: changes that were seen later than this count.

    Returns:
        `account_id`, `tag`, `added`, `removed`, `net`.
    """
    moved = _tags_moved(changes[changes["seen_at"] > since])
    wide = moved.pivot_table(index=["account_id", "tag"], columns="change", values="people", aggfunc="sum")
    counted = wide.reindex(columns=[TAG_ADDED, TAG_REMOVED]).fillna(0).astype("Int64").reset_index()
    named = counted.rename(columns={TAG_ADDED: "added", TAG_REMOVED: "removed"}).rename_axis(columns=None)
    named = named.assign(net=named["added"] - named["removed"])
    return named.sort_values(["net", "added"], ascending=False, ignore_index=True)


def series_over_time(history: pd.DataFrame | None) -> pd.DataFrame | None:
    """Active people of each series, at every sync that saw their number change.

    Args:
        history: the table `campaigns_history`, a row per version; None where there is no history of series.

    Returns:
        `account_id`, `id`, `name`, `seen_at`, `active`; in their order in time.
    """
    if history is None:
        return None
    named = {"valid_from": "seen_at", "active_subscriber_count": "active"}
    return history.rename(columns=named)[["account_id", "id", "name", "seen_at", "active"]].sort_values(
        "seen_at", ignore_index=True
    )


def _netted(counted: pd.DataFrame) -> pd.DataFrame:
    """With `net`: the people, below zero where the change is a loss."""
    sign = counted["change"].isin(LOSSES).map({True: -1, False: 1}).astype("Int64")
    return counted.assign(net=counted["people"] * sign)


def _plain(changes: pd.DataFrame) -> pd.DataFrame:
    return changes.assign(change=changes["change"].astype("string").str.replace("_", " "))
