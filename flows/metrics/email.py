"""How emails did: opens, clicks, unsubscribes, complaints and revenue, from the table `email_metrics`.

Opens include those by mail programs, which open emails before anybody reads them; clicks exclude those by bots.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from flows.metrics.counting import CENTS, month_of
from flows.metrics.sending import WEEKDAYS

COUNTS = ["sends", "deliveries", "opens", "clicks", "bot_clicks", "unsubscribes", "hard_bounces", "complaints",
          "orders", "revenue_in_cents"]  # fmt: skip
RATES = {"open_rate": ("opens", "sends"), "click_rate": ("clicks", "sends"), "click_to_open": ("clicks", "opens"),
         "unsubscribe_rate": ("unsubscribes", "sends"), "complaint_rate": ("complaints", "sends"),
         "bounce_rate": ("hard_bounces", "sends")}  # fmt: skip
THOUSAND = 1_000
NORMAL_95 = 1.959964
"""Standard deviations on either side of the mean that hold 95 % of a normal distribution."""
BEST, WORST = "best", "worst"


def performance(figures: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Counts, rates and revenue of each combination of the columns `by`.

    Args:
        figures: the table `email_metrics`.
        by: columns of it.

    Returns:
        The columns `by`, the counts (`Int64`), rates between 0 and 1 (`Float64`, missing where they would divide by
        zero), `revenue` in the currency's unit, and `revenue_per_thousand` sends.
    """
    sums = figures.groupby(list(by), dropna=False, observed=True)[COUNTS].sum().astype("Int64").reset_index()
    for rate, (part, whole) in RATES.items():
        sums[rate] = _share(sums[part], sums[whole])
    sums["revenue"] = sums["revenue_in_cents"].astype("Float64") / CENTS
    sums["revenue_per_thousand"] = _share(sums["revenue_in_cents"], sums["sends"]) * THOUSAND / CENTS
    return sums


def broadcast_performance(figures: pd.DataFrame, broadcasts: pd.DataFrame) -> pd.DataFrame:
    """`performance` of each broadcast, with its `subject` and `send_at`.

    Args:
        figures: the table `email_metrics`.
        broadcasts: with `account_id`, `id`, `subject` and `send_at`; one that is gone keeps the title of its email.
    """
    ours = figures.dropna(subset=["broadcast_id"])
    keys = ["account_id", "broadcast_id"]
    titles = ours.groupby(keys)["title"].first().reset_index()
    known = broadcasts[["account_id", "id", "subject", "send_at"]].rename(columns={"id": "broadcast_id"})
    joined = performance(ours, keys).merge(known, "left", keys).merge(titles, "left", keys)
    return joined.assign(subject=joined["subject"].fillna(joined["title"])).drop(columns="title")


def step_performance(figures: pd.DataFrame, workflows: pd.DataFrame) -> pd.DataFrame:
    """`performance` of each step of a workflow: `account_id`, `workflow_id`, `node_id`, `workflow`, `title`.

    Args:
        figures: the table `email_metrics`.
        workflows: with `account_id`, `id` and `name`.
    """
    ours = figures.dropna(subset=["workflow_id", "node_id"])
    keys = ["account_id", "workflow_id", "node_id"]
    titles = ours.groupby(keys)["title"].first().reset_index()
    names = workflows[["account_id", "id", "name"]].rename(columns={"id": "workflow_id", "name": "workflow"})
    joined = performance(ours, keys).merge(names, "left", keys[:2]).merge(titles, "left", keys)
    return joined.assign(workflow=joined["workflow"].fillna(joined["workflow_id"]))


def performance_by_time(broadcasts: pd.DataFrame) -> pd.DataFrame:
    """How broadcasts did by the `weekday` and `hour` (UTC) of their sending: `broadcasts`, `sends`, `click_rate`, ...

    Args:
        broadcasts: `broadcast_performance`.
    """
    sent = broadcasts.dropna(subset=["send_at"])
    at = sent["send_at"].dt.tz_convert("UTC")
    weekday = at.dt.weekday.map(dict(enumerate(WEEKDAYS))).astype("string")
    timed = sent.assign(weekday=weekday, hour=at.dt.hour.astype("Int64"))
    numbers = timed.groupby(["weekday", "hour"]).size().rename("broadcasts").astype("Int64").reset_index()
    return performance(timed, ["weekday", "hour"]).merge(numbers, "left", ["weekday", "hour"])


def subject_lines(broadcasts: pd.DataFrame, least_sends: int, most: int = 5) -> pd.DataFrame:
    """The subject lines with the highest and the lowest click rate, each with the interval that it lies in.

    Args:
        broadcasts: `broadcast_performance`.
        least_sends: minimum number of sends of a subject that is shown.
        most: of the best, and of the worst.

    Returns:
        `rank` (best or worst), `subject`, `sends`, `clicks`, `click_rate`, and `low` and `high`, its 95 % Wilson
        interval. A subject that was sent several times counts once.
    """
    known = broadcasts.dropna(subset=["subject"])
    each = performance(known, ["subject"])
    enough = each[each["sends"] >= least_sends].sort_values("click_rate", ascending=False, kind="stable")
    half = min(most, len(enough) // 2)
    best, worst = enough.head(half), enough.tail(half)
    ranked = pd.concat([best.assign(rank=BEST), worst.assign(rank=WORST)], ignore_index=True)
    low, high = wilson(ranked["clicks"], ranked["sends"])
    columns = ["rank", "subject", "sends", "clicks", "click_rate"]
    return ranked[columns].assign(low=low, high=high).astype({"rank": "string"})


def revenue_per_thousand(figures: pd.DataFrame) -> pd.DataFrame:
    """Revenue per thousand sends: `account_id`, `month` (first day), `sends`, `revenue`, `revenue_per_thousand`."""
    monthly = performance(_with_months(figures), ["account_id", "month"])
    return monthly[["account_id", "month", "sends", "revenue", "revenue_per_thousand"]]


def deliverability(figures: pd.DataFrame) -> pd.DataFrame:
    """Complaints and bounces: `account_id`, `month`, `sends`, `complaints`, `complaint_rate`, `bounce_rate`."""
    monthly = performance(_with_months(figures), ["account_id", "month"])
    return monthly[["account_id", "month", "sends", "complaints", "complaint_rate", "bounce_rate"]]


def wilson(successes: "pd.Series[Any]", trials: "pd.Series[Any]") -> tuple["pd.Series[Any]", "pd.Series[Any]"]:
    """The 95 % Wilson score interval of each share: its lower and its upper end, between 0 and 1."""
    number = trials.astype("float64")
    share = successes.astype("float64").clip(upper=number) / number
    spread = NORMAL_95**2 / number
    middle = (share + spread / 2) / (1 + spread)
    half = np.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return (middle - half).clip(lower=0), (middle + half).clip(upper=1)


def _with_months(figures: pd.DataFrame) -> pd.DataFrame:
    """The figures with the `month` of their day."""
    months = month_of(pd.to_datetime(figures["date"]).dt.tz_localize("UTC"))
    return figures.assign(month=pd.PeriodIndex(months, freq="M").to_timestamp())


def _share(part: "pd.Series[Any]", whole: "pd.Series[Any]") -> "pd.Series[Any]":
    """A part of a whole; missing where the whole is 0."""
    return (part.astype("Float64") / whole.astype("Float64").where(whole > 0)).astype("Float64")
