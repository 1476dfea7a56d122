"""Charts of what is sent."""

import altair as alt
import pandas as pd

from flows.charts.drawing import LABEL_WIDTH, LINE_HEIGHT, WHOLE, WHOLE_LABEL, bars, colours, heat, largest, sentence
from flows.metrics.sending import BROADCAST_STATUSES, RUNNING_STATUSES, WEEKDAYS

NOT_SENT = "No broadcast of these accounts was sent yet, so there is nothing to draw."
NO_BROADCASTS = "No broadcasts in these accounts yet, so there is nothing to draw."
NO_SERIES = "No series in these accounts yet, so there is nothing to draw."
NOTHING_RUNS = "Neither series nor workflows in these accounts yet, so there is nothing to draw."
NO_CONVERSIONS = "No conversions are defined in these accounts, so there is nothing to draw."


def calendar(sent: pd.DataFrame) -> alt.Chart:
    """Broadcasts by weekday and hour. Args: `metrics.calendar`."""
    if sent.empty:
        return sentence(NOT_SENT)
    return heat(
        sent,
        title="When broadcasts were sent",
        x=alt.X(
            "hour:O",
            title="Hour of the day (UTC)",
            scale=alt.Scale(domain=list(range(24))),
            axis=alt.Axis(labelAngle=0),
        ),
        y=alt.Y("weekday:N", title=None, scale=alt.Scale(domain=list(WEEKDAYS))),
        color=alt.Color(
            "broadcasts:Q",
            title="Broadcasts",
            legend=alt.Legend(labelExpr=WHOLE_LABEL),
            scale=alt.Scale(scheme="viridis"),
        ),
        tooltip=["weekday:N", "hour:O", "broadcasts:Q"],
    )


def broadcast_fates(fates: pd.DataFrame) -> alt.Chart:
    """What became of the broadcasts of each month. Args: `metrics.broadcast_fates`."""
    if fates.empty:
        return sentence(NO_BROADCASTS)
    others = sorted(set(fates["status"]) - set(BROADCAST_STATUSES))
    return bars(
        fates,
        title="What became of the broadcasts of each month",
        height=LINE_HEIGHT,
        x=alt.X("yearmonth(month):T", title="Month of creation (UTC)"),
        y=alt.Y("broadcasts:Q", title="Broadcasts", axis=WHOLE),
        color=alt.Color("status:N", title="Status today", scale=colours([*BROADCAST_STATUSES, *others])),
        tooltip=[alt.Tooltip("month:T", format="%B %Y"), "status:N", "broadcasts:Q"],
    )


def running(numbers: pd.DataFrame) -> alt.Chart:
    """Series and workflows by status, a bar for each account and kind. Args: `metrics.running`, with `account`."""
    if numbers.empty:
        return sentence(NOTHING_RUNS)
    others = sorted(set(numbers["status"]) - set(RUNNING_STATUSES))
    return bars(
        numbers.assign(bar=numbers["account"] + ", " + numbers["kind"]),
        title="Series and workflows by status",
        x=alt.X("number:Q", title="Series or workflows", axis=WHOLE),
        y=alt.Y("bar:N", title=None, axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        color=alt.Color("status:N", title="Status", scale=colours([*RUNNING_STATUSES, *others])),
        tooltip=["bar:N", "status:N", "number:Q"],
    )


def series_sizes(sizes: pd.DataFrame) -> alt.Chart:
    """People in the largest series today. Args: `metrics.series_sizes`."""
    if sizes.empty:
        return sentence(NO_SERIES)
    named = sizes.assign(series=sizes["name"].fillna("unnamed") + " (" + sizes["id"] + ")")
    shown, subtitle = largest(named, "series", "people", "series")
    return bars(
        shown,
        title=alt.Title("People in each series today", subtitle=subtitle),
        x=alt.X("people:Q", title="People", axis=WHOLE),
        y=alt.Y(
            "series:N",
            title=None,
            sort=alt.EncodingSortField("people", op="sum", order="descending"),
            axis=alt.Axis(labelLimit=LABEL_WIDTH),
        ),
        color=alt.Color("state:N", title="In the series", scale=colours(["active", "unsubscribed"])),
        tooltip=["series:N", "state:N", "people:Q"],
    )


def conversions(conversions: pd.DataFrame) -> alt.Chart:
    """Conversions that are defined, by account and status. Args: `metrics.conversions`, with `account`."""
    if conversions.empty:
        return sentence(NO_CONVERSIONS)
    return bars(
        conversions,
        title="Conversions that are defined",
        x=alt.X("conversions:Q", title="Conversions", axis=WHOLE),
        y=alt.Y("account:N", title=None, axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        color=alt.Color("status:N", title="Status", scale=colours(sorted(conversions["status"].unique()))),
        tooltip=["account:N", "status:N", "conversions:Q", alt.Tooltip("value:Q", title="sum of default values")],
    )
