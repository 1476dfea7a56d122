"""Who was lost and who was won between two moments: churn and net growth, by account."""

import pandas as pd

ACTIVE = "active"
KEY = ["account_id", "id"]


def churn(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """How many of the active people were lost between two moments.

    Args:
        before: `as_of("subscribers", moment)` of the first moment, with `account_id`, `id`, `status`.
        after: the same of the second.

    Returns:
        A row per account: `account_id`; `active`, at the first moment; of these `left`, who are gone, and
        `deactivated`, who are no longer active; `lost`, both together; `share` of the active, between 0 and 1.
    """
    active = before[before["status"] == ACTIVE][KEY]
    now = active.merge(after[[*KEY, "status"]], on=KEY, how="left", indicator=True)
    gone = now["_merge"].eq("left_only")
    marks = now.assign(active=1, left=gone, deactivated=~gone & now["status"].ne(ACTIVE).fillna(True))
    counted = marks.groupby("account_id")[["active", "left", "deactivated"]].sum().astype("Int64").reset_index()
    lost = counted["left"] + counted["deactivated"]
    return counted.assign(lost=lost, share=(lost / counted["active"]).astype("Float64"))


def net_growth(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """How the number of active people changed between two moments; the arguments are those of `churn`.

    Returns:
        A row per account: `account_id`, `active_before`, `active_after`, `net`, and `share` of those before; NA where
        there were none.
    """
    counts = [
        frame[frame["status"] == ACTIVE].groupby("account_id").size().rename(name)
        for frame, name in ((before, "active_before"), (after, "active_after"))
    ]
    counted = pd.concat(counts, axis=1).fillna(0).astype("Int64").rename_axis("account_id").reset_index()
    net = counted["active_after"] - counted["active_before"]
    share = (net / counted["active_before"]).astype("Float64").mask(counted["active_before"] == 0)
    return counted.assign(net=net, share=share).sort_values("account_id", ignore_index=True)


def deactivated(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The people who were active at the first moment and are not at the second; the arguments are those of `churn`.

    Returns:
        The rows of `before`, with `status_now`: NA for those who are gone.
    """
    now = after[[*KEY, "status"]].rename(columns={"status": "status_now"})
    both = before[before["status"] == ACTIVE].merge(now, on=KEY, how="left")
    return both[both["status_now"].ne(ACTIVE).fillna(True)].reset_index(drop=True)
