"""Charts of who is on the lists."""

import altair as alt
import pandas as pd

from flows.charts.drawing import (
    LABEL_WIDTH,
    LINE_HEIGHT,
    MOST_LINES,
    SHARE,
    WHOLE,
    WIDTH,
    bars,
    colours,
    few_accounts,
    heat,
    largest,
    sentence,
)
from flows.metrics.audience import NO_SCORE, NO_VALUE, SCORE_EDGES, STATUSES, VALUE_EDGES, band_labels

NOBODY = "No subscribers in these accounts yet, so there is nothing to draw."


def audience_growth(growth: pd.DataFrame) -> alt.Chart:
    """Total audience by month, a line per account; of many accounts, the largest.

    Args:
        growth: of `metrics.audience_growth`, with the column `account` of `metrics.name_accounts`.
    """
    if growth.empty:
        return sentence(NOBODY)
    accounts = growth.groupby("account")["total"].max().nlargest(MOST_LINES).index
    shown = growth[growth["account"].isin(accounts)]
    everyone = growth["account"].nunique()
    subtitle = f"The {MOST_LINES} largest of {everyone} accounts" if everyone > MOST_LINES else "All accounts"
    chart: alt.Chart = (
        alt.Chart(shown, title=alt.Title("Today's subscribers by the month they arrived", subtitle=subtitle))
        .mark_line(interpolate="step-after", point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("month:T", title="Month (UTC)"),
            y=alt.Y("total:Q", title="People who had arrived by then", axis=WHOLE),
            color=alt.Color("account:N", title="Account", scale=colours(accounts)),
            tooltip=["account:N", alt.Tooltip("month:T", format="%B %Y"), "arrived:Q", "total:Q"],
        )
        .properties(width=WIDTH, height=LINE_HEIGHT)
    )
    return chart


def status_mix(mix: pd.DataFrame) -> alt.Chart:
    """Share of each status, a bar per account, the largest account first.

    Args:
        mix: of `metrics.status_mix`, with the column `account` of `metrics.name_accounts`.
    """
    if mix.empty:
        return sentence(NOBODY)
    order = list(mix.groupby("account")["people"].sum().sort_values(ascending=False).index)
    others = sorted(set(mix["status"]) - set(STATUSES))
    return bars(
        mix,
        title="Status of today's subscribers",
        x=alt.X("share:Q", title="Share of the account's people", stack="zero", axis=alt.Axis(format="%")),
        y=alt.Y("account:N", title=None, sort=order, axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        color=alt.Color("status:N", title="Status", scale=colours([*STATUSES, *others])),
        tooltip=[
            "account:N",
            "status:N",
            alt.Tooltip("people:Q", format=","),
            alt.Tooltip("share:Q", format=".1%"),
        ],
    )


def cohorts(cohorts: pd.DataFrame) -> alt.Chart:
    """Share still active by month of joining, a row per account.

    Args:
        cohorts: of `metrics.cohorts`, with the column `account` of `metrics.name_accounts`.
    """
    if cohorts.empty:
        return sentence(NOBODY)
    return heat(
        cohorts,
        title="Who joined in a month and can still be reached",
        x=alt.X("yearmonth(month):O", title="Month of joining (UTC)"),
        y=alt.Y("account:N", title=None, axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        color=alt.Color(
            "share:Q", title="Still active", legend=SHARE, scale=alt.Scale(domain=[0, 1], scheme="viridis")
        ),
        tooltip=["account:N", alt.Tooltip("month:T", format="%B %Y"), "joined:Q", "active:Q"],
    )


def sources(sources: pd.DataFrame) -> alt.Chart:
    """People by the site that they came from. Args: `metrics.sources` with the column `account`."""
    return _people_by(sources, "source", "Where people came from", "Referring site")


def time_zones(zones: pd.DataFrame) -> alt.Chart:
    """People by time zone. Args: `metrics.time_zones` with the column `account`."""
    return _people_by(zones, "time_zone", "Where people are", "Time zone")


def lead_scores(bands: pd.DataFrame) -> alt.Chart:
    """People by lead score. Args: `metrics.lead_scores` with the column `account`."""
    return _banded(bands, "Lead scores", "Lead score (points)", band_labels(SCORE_EDGES, NO_SCORE))


def lifetime_values(bands: pd.DataFrame) -> alt.Chart:
    """People by lifetime value. Args: `metrics.lifetime_values` with the column `account`."""
    return _banded(bands, "Lifetime values", "Lifetime value (currency units)", band_labels(VALUE_EDGES, NO_VALUE))


def _people_by(frame: pd.DataFrame, column: str, title: str, label: str) -> alt.Chart:
    if frame.empty:
        return sentence(NOBODY)
    shown, subtitle = largest(few_accounts(frame, "people"), column, "people", label.lower() + "s")
    order = list(shown.groupby(column)["people"].sum().sort_values(ascending=False).index)
    return bars(
        shown,
        title=alt.Title(title, subtitle=subtitle),
        x=alt.X("people:Q", title="People", axis=WHOLE),
        y=alt.Y(f"{column}:N", title=label, sort=order),
        color=alt.Color("account:N", title="Account", scale=colours(sorted(shown["account"].unique()))),
        tooltip=["account:N", f"{column}:N", alt.Tooltip("people:Q", format=",")],
    )


def _banded(bands: pd.DataFrame, title: str, label: str, order: list[str]) -> alt.Chart:
    if bands.empty:
        return sentence(NOBODY)
    shown = few_accounts(bands, "people")
    return bars(
        shown,
        title=title,
        height=LINE_HEIGHT,
        x=alt.X("band:N", title=label, sort=order, axis=alt.Axis(labelAngle=-30)),
        y=alt.Y("people:Q", title="People", axis=WHOLE),
        color=alt.Color("account:N", title="Account", scale=colours(sorted(shown["account"].unique()))),
        tooltip=["account:N", "band:N", alt.Tooltip("people:Q", format=","), alt.Tooltip("share:Q", format=".1%")],
    )
