"""Who still reads: recency of clicks, whom to win back, how fast people react, what they click, what it earns."""

from typing import Any

import pandas as pd

from flows.metrics.counting import month_of

BANDS = ("30", "60", "90", "180", "older", "never")
"""Recency bands of the view `people`: days since the last click."""
LAPSED = ("180", "older")
QUARTILES = {"first_quartile": 0.25, "median": 0.5, "third_quartile": 0.75}
REACTIONS = {"open (inflated)": "minutes_to_open", "click": "minutes_to_click"}


def recency(people: pd.DataFrame) -> pd.DataFrame:
    """People who can be reached by account and recency band: `account_id`, `recency_band`, `people`.

    Args:
        people: the view `people`.
    """
    return _counted(people[people["is_reachable"].fillna(False)], ["account_id", "recency_band"])


def recency_by_cohort(people: pd.DataFrame) -> pd.DataFrame:
    """Share of each month's arrivals in each band: `month` (first day), `recency_band`, `people`, `share`.

    Args:
        people: the view `people`; those without `created_at` are left out.
    """
    dated = people.dropna(subset=["created_at"])
    months = pd.PeriodIndex(month_of(dated["created_at"]), freq="M").to_timestamp()
    counts = _counted(dated.assign(month=months), ["month", "recency_band"])
    return counts.assign(share=counts["people"] / counts.groupby("month")["people"].transform("sum"))


def win_back(people: pd.DataFrame, most: int = 20) -> pd.DataFrame:
    """The most valuable people who can be reached and have not clicked for 90 days or more.

    Args:
        people: the view `people`.
        most: rows at most.

    Returns:
        `account_id`, `subscriber_id`, `days_since_click`, `recency_band`, `lifetime_value` in cents.
    """
    lapsed = people[people["is_reachable"].fillna(False) & people["recency_band"].isin(LAPSED)]
    columns = ["account_id", "subscriber_id", "days_since_click", "recency_band", "lifetime_value"]
    return lapsed.sort_values("lifetime_value", ascending=False, kind="stable")[columns].head(most)


def reaction_times(recipients: pd.DataFrame) -> pd.DataFrame:
    """Minutes from sending to the first open and click: `account_id`, `reaction`, `deliveries` and quartiles.

    Args:
        recipients: the view `recipients`.
    """
    parts = []
    for name, column in REACTIONS.items():
        known = recipients.dropna(subset=[column])
        minutes = known.groupby("account_id")[column]
        figures: dict[str, Any] = {quartile: minutes.quantile(share) for quartile, share in QUARTILES.items()}
        parts.append(pd.DataFrame({"reaction": name, "deliveries": minutes.size(), **figures}).reset_index())
    return pd.concat(parts, ignore_index=True)


def links(clicks: pd.DataFrame, most: int = 15) -> pd.DataFrame:
    """The links that most people clicked, without scanners: `url`, `people`, `clicks`.

    Args:
        clicks: the view `email_clicks`.
        most: rows at most.
    """
    human = clicks[~clicks["is_scanner"].fillna(False)].dropna(subset=["url"])
    person = human["account_id"] + "/" + human["subscriber_id"]
    each = human.assign(person=person).groupby("url").agg(people=("person", "nunique"), clicks=("url", "size"))
    return each.sort_values(["people", "clicks"], ascending=False, kind="stable").head(most).reset_index()


def earnings(events: pd.DataFrame, emails: pd.DataFrame, most: int = 15) -> pd.DataFrame:
    """Emails by the value of the custom events attributed to them.

    Args:
        events: the view `attributed_events`.
        emails: the view `emails`.
        most: rows at most.

    Returns:
        `account_id`, `email_id`, `orders`, `title`, `revenue`.
    """
    ours = events[events["is_attributed"].fillna(False)]
    keys = ["account_id", "email_id"]
    each = ours.groupby(keys).agg(orders=("event_id", "size"), cents=("value_in_cents", "sum")).reset_index()
    titled = each.merge(emails[[*keys, "title"]], "left", keys).assign(revenue=each["cents"].astype("Float64") / 100)
    return titled.drop(columns="cents").sort_values("revenue", ascending=False, kind="stable").head(most)


def _counted(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return frame.groupby(keys, observed=True).size().rename("people").astype("Int64").reset_index()
