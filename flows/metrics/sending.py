"""What is sent: broadcasts, series, workflows, and the conversions they are for."""

import pandas as pd

from flows.metrics.counting import CENTS, UNKNOWN, count, month_of

SENT = "sent"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
BROADCAST_STATUSES = ("draft", "scheduled", "sending", "sent", "canceled", "deleted")
RUNNING_STATUSES = ("active", "paused", "draft")


def calendar(broadcasts: pd.DataFrame) -> pd.DataFrame:
    """When broadcasts went out: `weekday`, `hour` (UTC, 0 to 23), `broadcasts`; only the times that occur.

    Args:
        broadcasts: with `status` and `send_at`.
    """
    sent = broadcasts[broadcasts["status"].eq(SENT).fillna(False)].dropna(subset=["send_at"])
    at = sent["send_at"].dt.tz_convert("UTC")
    weekday = at.dt.weekday.map(dict(enumerate(WEEKDAYS))).astype("string")
    return count(sent.assign(weekday=weekday, hour=at.dt.hour.astype("Int64")), ["weekday", "hour"], "broadcasts")


def broadcast_fates(broadcasts: pd.DataFrame) -> pd.DataFrame:
    """What became of the broadcasts of each month: `month` (first day, UTC) of creation, `status`, `broadcasts`.

    Args:
        broadcasts: with `status` and `created_at`; those without a date are left out.
    """
    dated = broadcasts.dropna(subset=["created_at"])
    status = dated["status"].fillna(UNKNOWN)
    fates = count(dated.assign(month=month_of(dated["created_at"]), status=status), ["month", "status"], "broadcasts")
    return fates.assign(month=pd.PeriodIndex(fates["month"], freq="M").to_timestamp())


def running(campaigns: pd.DataFrame, workflows: pd.DataFrame) -> pd.DataFrame:
    """Series and workflows by status: `account_id`, `kind` (series or workflows), `status`, `number`."""
    kinds = [("series", campaigns), ("workflows", workflows)]
    both = pd.concat([frame[["account_id", "status"]].assign(kind=kind) for kind, frame in kinds], ignore_index=True)
    return count(both.fillna({"status": UNKNOWN}), ["account_id", "kind", "status"], "number")


def series_sizes(campaigns: pd.DataFrame) -> pd.DataFrame:
    """People in each series today: `account_id`, `id`, `name`, `state` (active or unsubscribed), `people`.

    Args:
        campaigns: with the two subscriber counts; a missing one counts nobody.
    """
    columns = {"active_subscriber_count": "active", "unsubscribed_subscriber_count": "unsubscribed"}
    wide = campaigns.rename(columns=columns)
    long = wide.melt(["account_id", "id", "name"], [*columns.values()], "state", "people")
    return long.assign(people=long["people"].astype("Int64").fillna(0), state=long["state"].astype("string"))


def conversions(goals: pd.DataFrame) -> pd.DataFrame:
    """Conversions that are defined: `account_id`, `status`, `conversions`, and `value`, the sum of their defaults.

    Args:
        goals: the table `conversions`; `default_value` is in cents, `value` in the currency's unit.
    """
    known = goals.fillna({"status": UNKNOWN})
    groups = known.groupby(["account_id", "status"])
    sums = groups["default_value"].sum().astype("Float64") / CENTS
    return pd.DataFrame({"conversions": groups.size().astype("Int64"), "value": sums}).reset_index()
