"""How far the data can be trusted: freshness, reconciliation, growth of tables, what columns hold."""

import pandas as pd

from flows.metrics.counting import count
from flows.pipeline.sync_log import FULL, NO_ACCOUNT
from flows.source.endpoints import CONNECTION, ENDPOINTS

HOUR = 3_600
LIST = ["account_id", "resource"]
IN_PARTS = [name for name, endpoint in ENDPOINTS.items() if endpoint.daily]
"""Lists that a sync never reads in full: days that do not change any more are not read again."""


def last_whole_sync(syncs: pd.DataFrame, resource: str) -> pd.DataFrame:
    """When each account's list was last read whole: how fresh the numbers are.

    Args:
        syncs: the table `_syncs`, with `account`, `resource`, `finished`, `mode` and `complete`.
        resource: the list, such as `subscribers`.

    Returns:
        `account_id` and `finished` (UTC), the stalest first. An account whose list never arrived whole is absent.
    """
    whole = syncs[(syncs["resource"] == resource) & _whole(syncs)]
    last = whole.groupby("account")["finished"].max().rename_axis("account_id").reset_index()
    return last.sort_values("finished", ignore_index=True)


def freshness(syncs: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """How old each list is.

    Args:
        syncs: the table `_syncs`.
        now: with zone.

    Returns:
        A row per list that a sync ever tried: `account_id`, `resource`, `finished` (UTC) of its last whole sync
        and `hours` since then, both missing where it never arrived whole.
    """
    owned = _owned(syncs)
    whole = owned[_whole(owned)].groupby(LIST)["finished"].max()
    lists = owned[LIST].drop_duplicates().sort_values(LIST, ignore_index=True)
    fresh = lists.merge(whole.reset_index(), how="left", on=LIST)
    age = (now - fresh["finished"]).dt.total_seconds() / HOUR
    return fresh.assign(hours=age.astype("Float64"))


def reconciliation(syncs: pd.DataFrame) -> pd.DataFrame:
    """The last try at each list against what the API has.

    Returns:
        A row per list, those that did not arrive whole first: `account_id`, `resource`, `finished`, `api_rows`,
        `loaded_rows`, `difference` (rows that the API has and the table has not), `complete`, `note`.
    """
    last = _owned(syncs).sort_values("finished").drop_duplicates(LIST, keep="last")
    last = last.assign(
        difference=last["api_rows"] - last["loaded_rows"], complete=last["complete"].fillna(False).astype("boolean")
    ).sort_values(["complete", *LIST], ignore_index=True)
    return last[[*LIST, "finished", "api_rows", "loaded_rows", "difference", "complete", "note"]]


def table_growth(syncs: pd.DataFrame) -> pd.DataFrame:
    """Rows of each table after each full sync; an account that it left out keeps its last count.

    Returns:
        `resource`, `finished` (UTC), `rows`; in their order in time.
    """
    owned = _owned(syncs[syncs["mode"] == FULL]).dropna(subset=["loaded_rows"])
    wide = owned.pivot_table(index="finished", columns=LIST, values="loaded_rows", aggfunc="last").astype("Float64")
    totals = wide.ffill().T.groupby(level="resource").sum(min_count=1).T
    long = totals.reset_index().melt("finished", var_name="resource", value_name="rows").dropna(subset=["rows"])
    ordered = long.sort_values(["finished", "resource"], ignore_index=True)
    return ordered.astype({"rows": "Int64", "resource": "string"})[["resource", "finished", "rows"]]


def column_coverage(frame: pd.DataFrame) -> pd.DataFrame:
    """How many rows of a table have a value in each column: `column`, `filled`, and their `share`, between 0 and 1."""
    filled = frame.notna().sum()
    share = filled / len(frame) if len(frame) else filled * 0.0
    return pd.DataFrame(
        {
            "column": pd.Series(filled.index, dtype="string"),
            "filled": filled.to_numpy(),
            "share": share.to_numpy(),
        }
    ).astype({"filled": "Int64", "share": "Float64"})


def custom_field_coverage(subscribers: pd.DataFrame) -> pd.DataFrame:
    """Which custom fields people have.

    Args:
        subscribers: a row per person with `account_id` and `custom_fields`, decoded.

    Returns:
        A row per account and field: `account_id`, `field`, `people` that have it with a value, and their `share` of the
        account's people, between 0 and 1.
    """
    fields = [
        (account, field)
        for account, values in zip(subscribers["account_id"], subscribers["custom_fields"], strict=True)
        for field, value in (values.items() if isinstance(values, dict) else ())
        if value is not None
    ]
    people = count(
        pd.DataFrame(fields, columns=["account_id", "field"], dtype="string"), ["account_id", "field"], "people"
    )
    everyone = subscribers.groupby("account_id").size()
    return people.assign(
        share=(people["people"] / people["account_id"].map(everyone).astype("Float64")).astype("Float64")
    )


def quarantined(quarantine: pd.DataFrame) -> pd.DataFrame:
    """Records that fit no table: `account_id`, `resource`, `reason`, `records`.

    Args:
        quarantine: the table `_quarantine`.
    """
    owned = quarantine.assign(account_id=quarantine["account"].fillna("").replace("", NO_ACCOUNT))
    return count(owned, [*LIST, "reason"], "records")


def _whole(syncs: pd.DataFrame) -> "pd.Series[bool]":
    """Which lists were read whole: an incremental sync proves only its part, unless there is no other."""
    return syncs["complete"].fillna(False) & ((syncs["mode"] == FULL) | syncs["resource"].isin(IN_PARTS))


def _owned(syncs: pd.DataFrame) -> pd.DataFrame:
    """With a column `account_id` that is never missing; a token's own lists go by the name of its connection."""
    owner = syncs["account"]
    if CONNECTION in syncs:  # not so in a dataset from before there were any
        owner = owner.fillna(syncs[CONNECTION])
    return syncs.assign(account_id=owner.fillna(NO_ACCOUNT))
