"""Charts of who is on the lists."""

from typing import Any

import altair as alt
import pandas as pd

from flows.charts.accounts import in_order, with_accounts
from flows.charts.drawing import (
    ACCOUNT,
    ALL_PEOPLE,
    account_bars,
    account_lines,
    bars,
    coloured,
    heat,
    largest,
    ranked,
    sentence,
    shade,
    status_colours,
)
from flows.charts.theme import LINE_HEIGHT, MONTH_TOOLTIP, TEXT, WHOLE, months, number_of_months
from flows.metrics import UNKNOWN
from flows.metrics.audience import (
    DIRECT,
    NO_SCORE,
    NO_VALUE,
    SCORE_EDGES,
    STATUSES,
    VALUE_EDGES,
    band_labels,
)

NOBODY = "No subscribers in these accounts yet, so there is nothing to draw."
FEW = 20
"""A share of fewer people than this says little, and is drawn faded."""
MOST_COUNTS = 14
"""Months that leave room for a number in each square."""
PEOPLE = alt.Tooltip("people:Q", format=",")
SHARE = alt.Tooltip("share:Q", format=".1%")


def audience_growth(growth: pd.DataFrame) -> alt.Chart:
    """Total audience by month, a line per account. Args: `metrics.audience_growth`."""
    if growth.empty:
        return sentence(NOBODY)
    shown = with_accounts(growth, "arrived")
    return account_lines(
        shown,
        title=alt.Title("People on the list at the end of each month", subtitle=coloured(shown)),
        x=alt.X("month:T", title="Month (UTC)", axis=months(growth["month"])),
        y=alt.Y("total:Q", title="People", axis=WHOLE),
        tooltip=[MONTH_TOOLTIP, *(alt.Tooltip(f"{name}:Q", format=",") for name in ("arrived", "left", "total"))],
        interpolate="step-after",
    )


def status_mix(mix: pd.DataFrame) -> alt.Chart:
    """Share of each status, a bar per account. Args: `metrics.status_mix`."""
    if mix.empty:
        return sentence(NOBODY)
    shown = with_accounts(mix, "people")
    return bars(
        shown,
        title="Status of today's subscribers",
        by="status",
        colours=status_colours(shown["status"], STATUSES),
        x=alt.X("share:Q", title="Share of the account's people", axis=alt.Axis(format="%")),
        y=alt.Y("label:N", title=None, sort=in_order(shown)),
        tooltip=["account:N", "status:N", PEOPLE, SHARE],
    )


def cohorts(cohorts: pd.DataFrame) -> alt.Chart | alt.LayerChart:
    """Share still active by month of joining, a row per account; faded where few joined. Args: `metrics.cohorts`."""
    if cohorts.empty:
        return sentence(NOBODY)
    shown = with_accounts(cohorts, "joined")
    places: dict[str, Any] = {
        "x": alt.X("yearmonth(month):T", title="Month of joining (UTC)", axis=months(shown["month"])),
        "y": alt.Y("label:N", title=None, sort=in_order(shown)),
    }
    subtitle = f"Faded where fewer than {FEW} joined; no square where nobody did"
    title = alt.Title("Who joined in a month and can still be reached", subtitle=subtitle)
    fading = alt.Scale(domain=[1, FEW], range=[0.15, 1], clamp=True)
    squares = heat(
        shown,
        title=title,
        color=shade("share", "Still active", 1, format="%"),
        fillOpacity=alt.FillOpacity("joined:Q", scale=fading, legend=None),
        tooltip=["account:N", MONTH_TOOLTIP, "joined:Q", "active:Q", SHARE],
        **places,
    )
    if number_of_months(cohorts["month"]) > MOST_COUNTS:
        return squares
    return alt.layer(squares, *_counts(shown, places), title=title)


def _counts(shown: pd.DataFrame, places: dict[str, Any]) -> list[alt.Chart]:
    """How many joined, in each square: like the axes' labels on faded ones, in contrast to the colour on others."""
    x = alt.X("yearmonth(month):T", bandPosition=0.5)
    number = alt.Text("joined:Q", format=",")
    marks = [
        alt.Chart(rows).mark_text(fontSize=10, **options).encode(text=number, x=x, y=places["y"])
        for rows, options in (
            (shown[shown["joined"] < FEW // 2], {"color": TEXT}),
            (shown[(shown["joined"] >= FEW // 2) & (shown["share"] < 0.6)], {"color": "white"}),
            (shown[(shown["joined"] >= FEW // 2) & (shown["share"] >= 0.6)], {"color": "black"}),
        )
        if len(rows)
    ]
    return marks


def sources(sources: pd.DataFrame) -> alt.Chart:
    """People by the site that they came from. Args: `metrics.sources`."""
    return _people_by(sources, "source", "Where people came from", "Referring site", DIRECT)


def time_zones(zones: pd.DataFrame) -> alt.Chart:
    """People by time zone. Args: `metrics.time_zones`."""
    return _people_by(zones, "time_zone", "Where people are", "Time zone", UNKNOWN)


def lead_scores(bands: pd.DataFrame) -> alt.Chart:
    """People by lead score. Args: `metrics.lead_scores`."""
    return _banded(bands, "Lead scores", "Lead score (points)", band_labels(SCORE_EDGES, NO_SCORE))


def lifetime_values(bands: pd.DataFrame) -> alt.Chart:
    """People by lifetime value. Args: `metrics.lifetime_values`."""
    return _banded(bands, "Lifetime values", "Lifetime value (currency units)", band_labels(VALUE_EDGES, NO_VALUE))


def _people_by(frame: pd.DataFrame, column: str, title: str, label: str, nothing: str) -> alt.Chart:
    if frame.empty:
        return sentence(NOBODY)
    known, left_out = _without(frame, column, nothing)
    if known.empty:
        return sentence(f"{title}: {left_out}.")
    shown, subtitle = largest(with_accounts(known, "people"), column, "people", label.lower() + "s")
    return account_bars(
        shown,
        title=alt.Title(title, subtitle=[*filter(None, (subtitle, left_out))]),
        x=alt.X("sum(people):Q", title="People", axis=WHOLE),
        y=alt.Y(f"{column}:N", title=None, sort=ranked(shown, column, "people")),
        tooltip=[ACCOUNT, f"{column}:N", ALL_PEOPLE],
    )


def _banded(bands: pd.DataFrame, title: str, label: str, order: list[str]) -> alt.Chart:
    if bands.empty:
        return sentence(NOBODY)
    known, left_out = _without(bands, "band", order[0])
    if known.empty:
        return sentence(f"{title}: {left_out}.")
    return account_bars(
        with_accounts(known, "people"),
        title=alt.Title(title, subtitle=left_out or "All people"),
        height=LINE_HEIGHT,
        x=alt.X(
            "band:N", title=label, sort=order[1:], scale=alt.Scale(domain=order[1:]), axis=alt.Axis(labelAngle=-30)
        ),
        y=alt.Y("sum(people):Q", title="People", axis=WHOLE),
        tooltip=[ACCOUNT, "band:N", ALL_PEOPLE],
    )


def _without(frame: pd.DataFrame, column: str, nothing: str) -> tuple[pd.DataFrame, str]:
    """The rows with a value, and how many people have none: they would be by far the longest bar."""
    none = frame[column] == nothing
    people, everyone = int(frame.loc[none, "people"].sum()), int(frame["people"].sum())
    return frame[~none], f"{people:,} of {everyone:,} people are not shown: {nothing}" if people else ""
