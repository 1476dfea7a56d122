"""A chart of webhook events that are missing."""

from typing import Any

import altair as alt
import pandas as pd

from flows.charts.accounts import with_accounts
from flows.charts.drawing import sentence
from flows.charts.theme import BAR_HEIGHT, BLUE, WIDTH, moment

NO_AUDIT = (
    "No webhook events were compared with the history. It takes the receiver of docs/webhooks.md, the history of "
    "subscribers, and two full syncs."
)
TITLE = "Missing webhook events"
PERCENT = ".2%"


def event_losses(losses: pd.DataFrame | None) -> alt.Chart | alt.LayerChart:
    """The share of changes without an event, by account. Args: `metrics.events.event_losses`."""
    if losses is None or losses.empty:
        return sentence(NO_AUDIT)
    missing, changes = losses["missing_events"].sum(), losses["changes"].sum()
    places = alt.Y("label:N", title=None, sort=None)
    shown: list[Any] = ["account:N", "intervals:Q", "changes:Q", "missing_events:Q", "unconfirmed_events:Q",
             alt.Tooltip("loss:Q", format=PERCENT), alt.Tooltip("low:Q", format=PERCENT),
             alt.Tooltip("high:Q", format=PERCENT), moment("first_missing_hour")]  # fmt: skip
    base = alt.Chart(with_accounts(losses)).encode(y=places, tooltip=shown)
    axis = alt.Axis(format="%")
    interval = base.mark_rule(strokeWidth=2, color=BLUE).encode(
        x=alt.X("low:Q", title="Changes without an event, with the 95% confidence interval", axis=axis), x2="high:Q"
    )
    point = base.mark_point(filled=True, size=70, color=BLUE).encode(x="loss:Q")
    title = alt.Title(TITLE, subtitle=f"No event for {missing:,} of {changes:,} changes in the history")
    chart: alt.LayerChart = alt.layer(interval, point, title=title).properties(width=WIDTH, height=alt.Step(BAR_HEIGHT))
    return chart
