"""Charts of what history has seen."""

from typing import Any

import altair as alt
import pandas as pd

from flows.charts.drawing import HISTORY_OFF, bars, largest, legend, named, ranked, sentence, status_colours
from flows.charts.theme import LINE_HEIGHT, PALETTE, UTC, WHOLE, WIDTH, moment, moments
from flows.metrics.movements import KINDS, TAG_ADDED, TAG_REMOVED

NOTHING_MOVED = "No change has been seen yet: two syncs are needed, with something different between them."
UNITS = {
    pd.Timedelta(hours=2): ("utcyearmonthdatehoursminutes", pd.Timedelta(minutes=1)),
    pd.Timedelta(days=3): ("utcyearmonthdatehours", pd.Timedelta(hours=1)),
    pd.Timedelta(days=120): ("utcyearmonthdate", pd.Timedelta(days=1)),
    pd.Timedelta.max: ("utcyearmonth", pd.Timedelta(days=31)),
}
"""How wide a bar is, by the longest time that all bars together may cover."""
DAY, THINNEST = pd.Timedelta(days=1), 20
"""Bars of less than a day are not taken where the closest two syncs are further apart than this many of them."""
LEAST_BARS = 10
"""A plot has room for as many, so that a single bar does not fill it."""


def movements(movements: pd.DataFrame | None) -> alt.Chart:
    """Gains above the line, losses below it, by the time of the sync that saw them. Args: `metrics.movements`."""
    if movements is None or movements.empty:
        return sentence(HISTORY_OFF if movements is None else NOTHING_MOVED)
    unit, scale = _bins(movements["seen_at"])
    return bars(
        movements,
        title="Arrivals, departures and changes of status",
        by="change",
        colours=status_colours(movements["change"], KINDS),
        by_title="Change",
        height=LINE_HEIGHT,
        x=alt.X(f"{unit}(seen_at):T", title="Seen by a sync at (UTC)", scale=scale, axis=moments(movements["seen_at"])),
        y=alt.Y("sum(net):Q", title="People (losses below zero)", axis=WHOLE),
        tooltip=["change:N", moment("seen_at"), alt.Tooltip("sum(people):Q", title="people")],
    )


def _bins(seen: "pd.Series[Any]") -> tuple[str, alt.Scale]:
    """The time unit of the bars, and a scale with room for a few of them, in milliseconds since 1970."""
    first, last = seen.min(), seen.max()
    apart = seen.drop_duplicates().sort_values().diff().min()
    unit, width = next(
        (unit, width)
        for longest, (unit, width) in UNITS.items()
        if last - first <= longest and (width >= DAY or not apart > THINNEST * width)
    )
    start = min(first, last - LEAST_BARS * width)
    return unit, alt.Scale(type="utc", domain=[round(1_000 * end.timestamp()) for end in (start, last + width)])


def tag_movements(movements: pd.DataFrame | None) -> alt.Chart:
    """Tags given and taken away since history began. Args: `metrics.tag_movements`."""
    if movements is None or movements.empty:
        return sentence(HISTORY_OFF if movements is None else NOTHING_MOVED)
    everywhere = movements.groupby(["tag", "change"], as_index=False)[["people", "net"]].sum()
    shown, subtitle = largest(everywhere, "tag", "people", "tags that moved")
    return bars(
        shown,
        title=alt.Title("Tags given and taken away", subtitle=subtitle),
        by="change",
        colours=status_colours(shown["change"], (TAG_ADDED, TAG_REMOVED)),
        by_title="Change",
        x=alt.X("net:Q", title="People (taken away below zero)", axis=WHOLE),
        y=alt.Y("tag:N", title=None, sort=ranked(shown, "tag", "people")),
        tooltip=["tag:N", "change:N", "people:Q"],
    )


def series_over_time(sizes: pd.DataFrame | None) -> alt.Chart:
    """Active people of the largest series over time. Args: `metrics.series_over_time`."""
    if sizes is None or sizes.empty:
        return sentence(HISTORY_OFF if sizes is None else NOTHING_MOVED)
    most = len(PALETTE)
    newest = sizes.drop_duplicates(["account_id", "id"], keep="last").nlargest(most, "active")
    shown = sizes[sizes["id"].isin(newest["id"])].assign(series=lambda rows: named(rows["name"], rows["id"]))
    order = named(newest["name"], newest["id"])
    chart: alt.Chart = (
        alt.Chart(shown, title=alt.Title("People in the largest series", subtitle=f"At most {most} series"))
        .mark_line(interpolate="step-after", point=True)
        .encode(
            x=alt.X("seen_at:T", title="Seen by a sync at (UTC)", scale=UTC, axis=moments(shown["seen_at"])),
            y=alt.Y("active:Q", title="Active people", axis=WHOLE, scale=alt.Scale(zero=False)),
            color=alt.Color("series:N", **legend("Series", dict(zip(order, PALETTE, strict=False)))),
            tooltip=["name:N", "id:N", moment("seen_at"), alt.Tooltip("active:Q", format=",")],
        )
        .properties(width=WIDTH, height=LINE_HEIGHT)
    )
    return chart
