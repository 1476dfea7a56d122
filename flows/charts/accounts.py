"""Which account has which name and colour: the same in all charts of a session."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from flows.charts.theme import NEUTRAL, PALETTE

OTHERS = "all other accounts"
LONGEST, ENDING = 30, 12
"""Characters of an account that are shown, and how many of them are its last, which are the id."""


@dataclass
class _Accounts:
    """Labels by id, and the ids in the order of their colours."""

    labels: dict[str, str] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)

    def place(self, account: str) -> int:
        """The place of an account, which from now on is its own."""
        return self.places.setdefault(account, len(self.places))


_known = _Accounts()


def use_accounts(accounts: pd.DataFrame, subscribers: pd.DataFrame | None = None) -> None:
    """Name and colour the accounts of all charts from now on.

    The ten accounts with the most subscribers get colours of their own, the others share one. An account that is not
    named here gets the next place when a chart first shows it.

    Args:
        accounts: a row per account with `id` and `name`.
        subscribers: a row per person with `account_id`; without it, the order of the accounts decides.
    """
    named = accounts.dropna(subset=["id"]).drop_duplicates("id").set_index("id")["name"]
    sizes = {} if subscribers is None else subscribers["account_id"].value_counts().to_dict()
    ids = sorted(named.index, key=lambda account: (-sizes.get(account, 0), account) if sizes else 0)
    _known.labels = {one: f"{named[one]} ({one})" for one in ids if pd.notna(named[one])}
    _known.places = {one: place for place, one in enumerate(ids)}


def with_accounts(frame: pd.DataFrame, number: str | None = None) -> pd.DataFrame:
    """A frame with what charts show of each account.

    Args:
        frame: with `account_id`, or with the `account` of `metrics.name_accounts`, or with both.
        number: accounts that have no place yet get theirs in the order of the sum of this column.

    Returns:
        The frame with `account` (name and id), `label` (the same, shortened), `place` (its order), and `legend`: the
        label, or "all other accounts" where the account has no colour of its own.
    """
    key = frame["account_id" if "account_id" in frame else "account"].astype("string")
    sizes = frame[number].groupby(key).sum() if number else pd.Series(0, key.unique())
    for account in sizes.sort_index().sort_values(ascending=False, kind="stable").index:
        _known.place(account)
    full = frame["account"] if "account" in frame else key.map(_known.labels).astype("string").fillna(key)
    places = key.map(_known.places).astype("Int64")
    label = full.map(_shortened(full)).astype("string")
    legend = label.where(places < len(PALETTE), OTHERS)
    return frame.assign(account=full, label=label, place=places, legend=legend)


def in_order(shown: pd.DataFrame) -> list[str]:
    """The labels of the accounts in a frame of `with_accounts`, in the order of their places."""
    return list(shown.sort_values("place", kind="stable")["label"].unique())


def account_colours(shown: pd.DataFrame) -> dict[str, str]:
    """The colours of the legend's labels in a frame of `with_accounts`, in the order of their places."""
    first = shown.sort_values("place", kind="stable").drop_duplicates("legend")
    colours = [PALETTE[place] if place < len(PALETTE) else NEUTRAL for place in first["place"]]
    return dict(zip(first["legend"], colours, strict=True))


def _shortened(accounts: "pd.Series[Any]") -> dict[str, str]:
    """Short forms that keep the end, which is the id, and the full ones where two would be the same."""
    each = {account: shortened(account) for account in accounts.dropna().unique()}
    return each if len(set(each.values())) == len(each) else {account: account for account in each}


def shortened(text: str) -> str:
    """A text without its middle where it is long."""
    return text if len(text) <= LONGEST else text[: LONGEST - ENDING - 1].rstrip() + "…" + text[-ENDING:]
