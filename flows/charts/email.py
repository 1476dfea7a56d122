"""Charts of how emails did. Each takes a frame of `flows.metrics.email`, or None where there is no such table."""

import altair as alt
import pandas as pd

from flows.charts.drawing import (
    LABEL_WIDTH,
    LINE_HEIGHT,
    MOST_BARS,
    MOST_LINES,
    UTC,
    WIDTH,
    bars,
    colours,
    heat,
    largest,
    sentence,
)
from flows.metrics.email import BEST, WORST
from flows.metrics.sending import WEEKDAYS

HOW_TO = "No email metrics here yet. `drip-flows sync --resource email_metrics` reads 20 days per account and hour."
NO_BROADCASTS = "None of the days that were read has figures of a broadcast."
NO_STEPS = "None of the days that were read has figures of a step of a workflow."
NOT_ENOUGH = "No two subject lines were sent often enough to be compared."
MACHINES = "Opens include those by mail programs; clicks exclude those by bots"
CEILINGS = pd.DataFrame({"ceiling": [0.001, 0.003], "name": ["0.1 %: keep below", "0.3 %: never reach"]})
"""Complaints per send that the large mailbox providers ask bulk senders to stay below, and never to reach."""
RATE = alt.Axis(format=".1%")
RATES_SHOWN = [
    alt.Tooltip("sends:Q", format=","),
    alt.Tooltip("open_rate:Q", format=".1%", title="opens (inflated)"),
    alt.Tooltip("click_rate:Q", format=".2%", title="clicks"),
    alt.Tooltip("click_to_open:Q", format=".1%", title="clicks per open"),
    alt.Tooltip("unsubscribe_rate:Q", format=".2%", title="unsubscribes"),
    alt.Tooltip("complaint_rate:Q", format=".3%", title="complaints"),
    alt.Tooltip("revenue:Q", format=",.2f"),
]


def broadcasts(performance: pd.DataFrame | None) -> alt.Chart:
    """Click rates of the broadcasts sent last. Args: `broadcast_performance`."""
    if performance is None:
        return sentence(HOW_TO)
    if performance.empty:
        return sentence(NO_BROADCASTS)
    latest = performance.sort_values("send_at", ascending=False).head(MOST_BARS)
    return bars(
        latest.assign(email=latest["subject"].fillna("unnamed") + " (" + latest["broadcast_id"] + ")"),
        title=alt.Title("How the latest broadcasts did", subtitle=MACHINES),
        x=alt.X("click_rate:Q", title="Clicks per send", axis=RATE),
        y=alt.Y("email:N", title=None, sort=None, axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        color=alt.Color("open_rate:Q", title="Opens per send", legend=alt.Legend(format=".0%")),
        tooltip=["email:N", "send_at:T", *RATES_SHOWN],
    )


def steps(performance: pd.DataFrame | None) -> alt.Chart:
    """Click rates of the steps of workflows that send most. Args: `step_performance`."""
    if performance is None:
        return sentence(HOW_TO)
    if performance.empty:
        return sentence(NO_STEPS)
    most = performance.sort_values("sends", ascending=False).head(MOST_BARS)
    return bars(
        most.assign(step=most["workflow"] + ", " + most["node_id"]),
        title=alt.Title("How the steps of workflows did", subtitle=MACHINES),
        x=alt.X("click_rate:Q", title="Clicks per send", axis=RATE),
        y=alt.Y("step:N", title=None, sort="-x", axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        color=alt.Color("open_rate:Q", title="Opens per send", legend=alt.Legend(format=".0%")),
        tooltip=["step:N", "title:N", *RATES_SHOWN],
    )


def by_time(performance: pd.DataFrame | None) -> alt.Chart:
    """Click rates by weekday and hour of sending. Args: `performance_by_time`."""
    if performance is None:
        return sentence(HOW_TO)
    if performance.empty:
        return sentence(NO_BROADCASTS)
    return heat(
        performance,
        title=alt.Title("Clicks by the time of sending", subtitle="Few broadcasts in a square say little"),
        x=alt.X("hour:O", title="Hour of the day (UTC)", scale=alt.Scale(domain=list(range(24)))),
        y=alt.Y("weekday:N", title=None, scale=alt.Scale(domain=list(WEEKDAYS))),
        color=alt.Color("click_rate:Q", title="Clicks per send", legend=alt.Legend(format=".1%")),
        tooltip=["weekday:N", "hour:O", "broadcasts:Q", *RATES_SHOWN],
    )


def subject_lines(ranked: pd.DataFrame | None, least_sends: int) -> alt.Chart:
    """The best and the worst subject lines with their intervals. Args: `subject_lines`, and its `least_sends`."""
    if ranked is None:
        return sentence(HOW_TO)
    if ranked.empty:
        return sentence(NOT_ENOUGH)
    base = alt.Chart(ranked).encode(
        y=alt.Y("subject:N", title=None, sort=None, axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        color=alt.Color("rank:N", title=None, scale=colours([BEST, WORST])),
    )
    shown = ["subject:N", "sends:Q", alt.Tooltip("click_rate:Q", format=".2%"), alt.Tooltip("low:Q", format=".2%"),
             alt.Tooltip("high:Q", format=".2%")]  # fmt: skip
    interval = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title="Clicks per send, with the 95 % interval", axis=RATE), x2="high:Q", tooltip=shown
    )
    point = base.mark_point(filled=True, size=70).encode(x="click_rate:Q", tooltip=shown)
    chart: alt.Chart = (interval + point).properties(
        width=WIDTH, title=alt.Title("Best and worst subject lines", subtitle=f"With at least {least_sends:,} sends")
    )
    return chart


def revenue(monthly: pd.DataFrame | None) -> alt.Chart:
    """Revenue per thousand sends over time. Args: `revenue_per_thousand`, with `account`."""
    if monthly is None or monthly.empty:
        return sentence(HOW_TO)
    return _lines(monthly, "Revenue per thousand sends", "revenue_per_thousand:Q", alt.Axis(format=",.2f"))


def complaints(monthly: pd.DataFrame | None) -> alt.Chart:
    """Complaints over time, with the usual ceilings. Args: `deliverability`, with `account`."""
    if monthly is None or monthly.empty:
        return sentence(HOW_TO)
    lines = _lines(monthly, "Complaints per send", "complaint_rate:Q", alt.Axis(format=".2%"))
    ceilings = alt.Chart(CEILINGS).mark_rule(strokeDash=[4, 4]).encode(y="ceiling:Q", tooltip=["name:N"])
    names = alt.Chart(CEILINGS).mark_text(align="left", dy=-6).encode(y="ceiling:Q", x=alt.value(4), text="name:N")
    chart: alt.Chart = (lines + ceilings + names).properties(
        title=alt.Title("Complaints per send", subtitle="With the usual ceilings")
    )
    return chart


def _lines(monthly: pd.DataFrame, title: str, value: str, axis: alt.Axis) -> alt.Chart:
    shown, subtitle = largest(monthly, "account", "sends", "accounts", MOST_LINES)
    chart: alt.Chart = (
        alt.Chart(shown, title=alt.Title(title, subtitle=subtitle))
        .mark_line(point=True)
        .encode(
            x=alt.X("month:T", title="Month", scale=UTC),
            y=alt.Y(value, title=title, axis=axis),
            color=alt.Color("account:N", title="Account", scale=colours(sorted(shown["account"].unique()))),
            tooltip=["account:N", alt.Tooltip("month:T", format="%B %Y"), "sends:Q", alt.Tooltip(value, format=".4f")],
        )
        .properties(width=WIDTH, height=LINE_HEIGHT)
    )
    return chart
