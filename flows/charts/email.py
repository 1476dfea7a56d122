"""Charts of how emails did. Each takes a frame of `flows.metrics.email`, or None where there is no such table."""

from typing import Any

import altair as alt
import pandas as pd

from flows.charts.accounts import with_accounts
from flows.charts.drawing import account_lines, heat, legend, named, plain_bars, sentence, shade, status_colours
from flows.charts.sending import DAYS, HOURS
from flows.charts.theme import BAR_HEIGHT, LABEL_WIDTH, MONTH_TOOLTIP, MOST_BARS, TEXT, WIDTH, months
from flows.metrics.email import BEST, WORST

HOW_TO = "No email metrics here yet. `drip-flows sync --resource email_metrics` reads 20 days per account and hour."
NO_BROADCASTS = "None of the days that were read has figures of a broadcast."
NO_STEPS = "None of the days that were read has figures of a step of a workflow."
NOT_ENOUGH = "No two subject lines were sent often enough to be compared."
MACHINES = "Opens include those by mail programs; clicks exclude those by bots"
CEILINGS = pd.DataFrame({"ceiling": [0.001, 0.003], "name": ["0.1%: keep below", "0.3%: never reach"]})
"""Complaints per send that the large mailbox providers ask bulk senders to stay below, and never to reach."""
EMAIL_WIDTH = 340
"""Pixels of the name of a step, which is that of its workflow, the workflow's id and its own."""
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
    if performance is None or performance.empty:
        return sentence(HOW_TO if performance is None else NO_BROADCASTS)
    latest = performance.sort_values("send_at", ascending=False).head(MOST_BARS)
    latest = latest.assign(email=named(latest["subject"], latest["broadcast_id"]))
    sent = alt.Tooltip("send_at:T", format="%Y-%m-%d %H:%M", formatType="utc", title="sent (UTC)")
    return _click_rates(latest, "email", "How the latest broadcasts did", sent)


def steps(performance: pd.DataFrame | None) -> alt.Chart:
    """Click rates of the steps of workflows that send most. Args: `step_performance`."""
    if performance is None or performance.empty:
        return sentence(HOW_TO if performance is None else NO_STEPS)
    most = performance.sort_values("sends", ascending=False).head(MOST_BARS)
    step = named(most["workflow"], most["workflow_id"]) + " " + most["node_id"]
    most = most.assign(step=step).sort_values("click_rate", ascending=False)
    return _click_rates(most, "step", "How the steps of workflows did", alt.Tooltip("title:N"))


def _click_rates(shown: pd.DataFrame, name: str, title: str, tooltip: alt.Tooltip) -> alt.Chart:
    """A bar per email, in the order of the rows: its length are the clicks, its colour the opens."""
    return plain_bars(
        shown,
        title=alt.Title(title, subtitle=MACHINES),
        width=WIDTH + LABEL_WIDTH - EMAIL_WIDTH,
        x=alt.X("click_rate:Q", title="Clicks per send", axis=RATE),
        y=alt.Y(f"{name}:N", title=None, sort=list(shown[name]), axis=alt.Axis(labelLimit=EMAIL_WIDTH)),
        color=shade("open_rate", "Opens per send", format=".0%"),
        tooltip=[f"{name}:N", tooltip, *RATES_SHOWN],
    )


def by_time(performance: pd.DataFrame | None) -> alt.Chart:
    """Click rates by weekday and hour of sending. Args: `performance_by_time`."""
    if performance is None or performance.empty:
        return sentence(HOW_TO if performance is None else NO_BROADCASTS)
    return heat(
        performance,
        title=alt.Title("Clicks by the time of sending", subtitle="Few broadcasts in a square say little"),
        x=HOURS,
        y=DAYS,
        color=shade("click_rate", "Clicks per send", format=".1%"),
        tooltip=["weekday:N", "hour:O", "broadcasts:Q", *RATES_SHOWN],
    )


def subject_lines(ranked: pd.DataFrame | None, least_sends: int) -> alt.Chart | alt.LayerChart:
    """The best and the worst subject lines with their intervals. Args: `subject_lines`, and its `least_sends`."""
    if ranked is None or ranked.empty:
        return sentence(HOW_TO if ranked is None else NOT_ENOUGH)
    base = alt.Chart(ranked).encode(
        y=alt.Y("subject:N", title=None, sort=list(ranked["subject"])),
        color=alt.Color("rank:N", **legend(None, status_colours(ranked["rank"], (BEST, WORST)))),
    )
    shown = ["subject:N", "sends:Q", alt.Tooltip("click_rate:Q", format=".2%"), alt.Tooltip("low:Q", format=".2%"),
             alt.Tooltip("high:Q", format=".2%")]  # fmt: skip
    interval = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title="Clicks per send, with the 95% interval", axis=RATE), x2="high:Q", tooltip=shown
    )
    point = base.mark_point(filled=True, size=70).encode(x="click_rate:Q", tooltip=shown)
    title = alt.Title("Best and worst subject lines", subtitle=f"With at least {least_sends:,} sends")
    return alt.layer(interval, point).properties(width=WIDTH, height=alt.Step(BAR_HEIGHT), title=title)


def revenue(monthly: pd.DataFrame | None) -> alt.Chart:
    """Revenue per thousand sends over time. Args: `revenue_per_thousand`."""
    if monthly is None or monthly.empty:
        return sentence(HOW_TO)
    return _monthly(monthly, "Revenue per thousand sends", "revenue_per_thousand", ",.2~f")


def complaints(monthly: pd.DataFrame | None) -> alt.Chart | alt.LayerChart:
    """Complaints over time, with the usual ceilings. Args: `deliverability`."""
    if monthly is None or monthly.empty:
        return sentence(HOW_TO)
    title = alt.Title("Complaints per send", subtitle="With the usual ceilings")
    lines = _monthly(monthly, title, "complaint_rate", ".2%")
    ceilings = alt.Chart(CEILINGS).mark_rule(strokeDash=[4, 4], color="#888").encode(y="ceiling:Q", tooltip=["name:N"])
    names = alt.Chart(CEILINGS).mark_text(color=TEXT, align="left", dy=-7)
    return alt.layer(lines, ceilings, names.encode(y="ceiling:Q", x=alt.value(4), text="name:N"), title=title)


def _monthly(monthly: pd.DataFrame, title: Any, value: str, form: str) -> alt.Chart:
    """A line per account. `form` is the format of the value."""
    return account_lines(
        with_accounts(monthly, "sends"),
        title=title,
        x=alt.X("month:T", title="Month (UTC)", axis=months(monthly["month"])),
        y=alt.Y(f"{value}:Q", title=title if isinstance(title, str) else title.text, axis=alt.Axis(format=form)),
        tooltip=[MONTH_TOOLTIP, alt.Tooltip("sends:Q", format=","), alt.Tooltip(f"{value}:Q", format=form)],
    )
