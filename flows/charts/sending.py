"""Charts of what is sent."""

import altair as alt
import pandas as pd

from flows.charts.accounts import in_order, with_accounts
from flows.charts.drawing import bars, heat, largest, named, ranked, sentence, shade, status_colours
from flows.charts.theme import LINE_HEIGHT, MONTH_TOOLTIP, WHOLE, WHOLE_LABEL, months
from flows.metrics.sending import BROADCAST_STATUSES, RUNNING_STATUSES, WEEKDAYS

NOT_SENT = "No broadcast of these accounts was sent yet, so there is nothing to draw."
NO_BROADCASTS = "No broadcasts in these accounts yet, so there is nothing to draw."
NO_SERIES = "No series in these accounts yet, so there is nothing to draw."
NOTHING_RUNS = "Neither series nor workflows in these accounts yet, so there is nothing to draw."
NO_CONVERSIONS = "No conversions are defined in these accounts, so there is nothing to draw."
SERIES_STATES = ("active", "unsubscribed")
BAR_LABEL = 280
"""Pixels of an account with a kind."""
HOURS = alt.X(
    "hour:O",
    title="Hour of the day (UTC)",
    scale=alt.Scale(domain=list(range(24))),
    axis=alt.Axis(labelAngle=0),
)
DAYS = alt.Y("weekday:N", title=None, scale=alt.Scale(domain=list(WEEKDAYS)))


def calendar(sent: pd.DataFrame) -> alt.Chart:
    """Broadcasts by weekday and hour. Args: `metrics.calendar`."""
    if sent.empty:
        return sentence(NOT_SENT)
    return heat(
        sent,
        title="When broadcasts were sent",
        x=HOURS,
        y=DAYS,
        color=shade("broadcasts", "Broadcasts", labelExpr=WHOLE_LABEL),
        tooltip=["weekday:N", "hour:O", "broadcasts:Q"],
    )


def broadcast_fates(fates: pd.DataFrame) -> alt.Chart:
    """What became of the broadcasts of each month. Args: `metrics.broadcast_fates`."""
    if fates.empty:
        return sentence(NO_BROADCASTS)
    return bars(
        fates,
        title="What became of the broadcasts of each month",
        by="status",
        colours=status_colours(fates["status"], BROADCAST_STATUSES),
        by_title="Status today",
        height=LINE_HEIGHT,
        x=alt.X("yearmonth(month):T", title="Month of creation (UTC)", axis=months(fates["month"])),
        y=alt.Y("broadcasts:Q", title="Broadcasts", axis=WHOLE),
        tooltip=[MONTH_TOOLTIP, "status:N", "broadcasts:Q"],
    )


def running(numbers: pd.DataFrame) -> alt.Chart:
    """Series and workflows by status, a bar for each account and kind. Args: `metrics.running`."""
    if numbers.empty:
        return sentence(NOTHING_RUNS)
    shown = with_accounts(numbers, "number")
    shown = shown.assign(bar=shown["label"] + ", " + shown["kind"]).sort_values(["place", "kind"])
    order = list(shown["bar"].unique())
    return bars(
        shown,
        title="Series and workflows by status",
        by="status",
        colours=status_colours(shown["status"], RUNNING_STATUSES),
        x=alt.X("number:Q", title="Series or workflows", axis=WHOLE),
        y=alt.Y("bar:N", title=None, sort=order, axis=alt.Axis(labelLimit=BAR_LABEL)),
        tooltip=["account:N", "kind:N", "status:N", "number:Q"],
    )


def series_sizes(sizes: pd.DataFrame) -> alt.Chart:
    """People in the largest series today. Args: `metrics.series_sizes`."""
    if sizes.empty:
        return sentence(NO_SERIES)
    labelled = sizes.assign(series=named(sizes["name"], sizes["id"]))
    shown, subtitle = largest(labelled, "series", "people", "series")
    return bars(
        shown,
        title=alt.Title("People in each series today", subtitle=subtitle),
        by="state",
        colours=status_colours(shown["state"], SERIES_STATES),
        by_title="In the series",
        x=alt.X("people:Q", title="People", axis=WHOLE),
        y=alt.Y("series:N", title=None, sort=ranked(shown, "series", "people")),
        tooltip=["name:N", "id:N", "state:N", alt.Tooltip("people:Q", format=",")],
    )


def conversions(conversions: pd.DataFrame) -> alt.Chart:
    """Conversions that are defined, by account and status. Args: `metrics.conversions`."""
    if conversions.empty:
        return sentence(NO_CONVERSIONS)
    shown = with_accounts(conversions, "conversions")
    return bars(
        shown,
        title="Conversions that are defined",
        by="status",
        colours=status_colours(shown["status"], RUNNING_STATUSES),
        by_title="Status",
        x=alt.X("conversions:Q", title="Conversions", axis=WHOLE),
        y=alt.Y("label:N", title=None, sort=in_order(shown)),
        tooltip=["account:N", "status:N", "conversions:Q", alt.Tooltip("value:Q", title="sum of default values")],
    )
