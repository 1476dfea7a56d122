"""Charts of what history has seen."""

import altair as alt
import pandas as pd

from flows.charts.drawing import (
    HISTORY_OFF,
    LINE_HEIGHT,
    MOST_LINES,
    UTC,
    WHOLE,
    WIDTH,
    bars,
    colours,
    largest,
    sentence,
)
from flows.metrics.movements import ARRIVED, LEFT, RETURNED, TAG_ADDED, TAG_REMOVED

NOTHING_MOVED = "No change has been seen yet: two syncs are needed, with something different between them."


def movements(movements: pd.DataFrame | None) -> alt.Chart:
    """Arrivals above the line, departures below it, by the sync that saw them. Args: `metrics.movements`."""
    if movements is None or movements.empty:
        return sentence(HISTORY_OFF if movements is None else NOTHING_MOVED)
    return bars(
        movements,
        title="Arrivals and departures, by the sync that saw them",
        height=LINE_HEIGHT,
        x=alt.X("utcyearmonthdatehoursminutesseconds(seen_at):O", title="Sync (UTC)", axis=alt.Axis(labelAngle=-45)),
        y=alt.Y("sum(net):Q", title="People (departures below zero)", axis=WHOLE),
        color=alt.Color("change:N", title="Change", scale=colours([ARRIVED, LEFT, RETURNED])),
        tooltip=["change:N", alt.Tooltip("sum(people):Q", title="people")],
    )


def tag_movements(movements: pd.DataFrame | None) -> alt.Chart:
    """Tags given and taken away since history began. Args: `metrics.tag_movements`."""
    if movements is None or movements.empty:
        return sentence(HISTORY_OFF if movements is None else NOTHING_MOVED)
    everywhere = movements.groupby(["tag", "change"], as_index=False)[["people", "net"]].sum()
    shown, subtitle = largest(everywhere, "tag", "people", "tags that moved")
    return bars(
        shown,
        title=alt.Title("Tags given and taken away", subtitle=subtitle),
        x=alt.X("net:Q", title="People (taken away below zero)", axis=WHOLE),
        y=alt.Y("tag:N", title="Tag", sort=alt.EncodingSortField("people", op="sum", order="descending")),
        color=alt.Color("change:N", title="Change", scale=colours([TAG_ADDED, TAG_REMOVED])),
        tooltip=["tag:N", "change:N", "people:Q"],
    )


def series_over_time(sizes: pd.DataFrame | None) -> alt.Chart:
    """Active people of the largest series over time. Args: `metrics.series_over_time`."""
    if sizes is None or sizes.empty:
        return sentence(HISTORY_OFF if sizes is None else NOTHING_MOVED)
    newest = sizes.drop_duplicates(["account_id", "id"], keep="last").nlargest(MOST_LINES, "active")
    shown = sizes[sizes["id"].isin(newest["id"])].assign(series=lambda rows: rows["name"] + " (" + rows["id"] + ")")
    chart: alt.Chart = (
        alt.Chart(shown, title=alt.Title("People in the largest series", subtitle=f"At most {MOST_LINES} series"))
        .mark_line(interpolate="step-after", point=True)
        .encode(
            x=alt.X("seen_at:T", title="Seen at (UTC)", scale=UTC),
            y=alt.Y("active:Q", title="Active people", axis=WHOLE),
            color=alt.Color("series:N", title="Series", scale=colours(sorted(shown["series"].dropna().unique()))),
        )
        .properties(width=WIDTH, height=LINE_HEIGHT)
    )
    return chart
