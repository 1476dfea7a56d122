"""Charts of how far the data can be trusted."""

import altair as alt
import pandas as pd

from flows.charts.accounts import in_order, with_accounts
from flows.charts.drawing import bars, heat, largest, legend, plain_bars, present, sentence, shade
from flows.charts.theme import BLUE, TEXT, UTC, WHOLE, colours_of, moment, moments

NEVER_SYNCED = "No sync has been recorded yet, so there is nothing to draw."
NO_ROWS = "The table has no rows in these accounts, so there is nothing to draw."
NO_FIELDS = "Nobody in these accounts has a custom field, so there is nothing to draw."
CLEAN = "Every record fitted its table: the quarantine is empty."
PANEL_WIDTH, PANEL_HEIGHT, PANELS = 175, 90, 3
FRESH, LATE, NEVER = "fresh", "late", "never"
DAY = 24
THIN = 15
"""Pixels of a bar where there are many."""


def freshness(fresh: pd.DataFrame, limit: float = 3.0) -> alt.Chart | alt.LayerChart:
    """How long ago each list last arrived whole, in each square, and whether that is within a limit.

    Args:
        fresh: of `metrics.freshness`.
        limit: hours; an older list is late.
    """
    if fresh.empty:
        return sentence(NEVER_SYNCED)
    shown = with_accounts(fresh)
    hours = shown["hours"]
    state = hours.gt(limit).map({True: LATE, False: FRESH}).where(hours.notna(), NEVER)
    shown = shown.assign(age=hours.map(_age).astype("string").fillna(NEVER), state=state.astype("string"))
    colours = colours_of(present(shown["state"], (FRESH, LATE, NEVER)))
    places = {
        "x": alt.X("resource:N", title=None, axis=alt.Axis(labelAngle=-45)),
        "y": alt.Y("label:N", title=None, sort=in_order(shown)),
    }
    title = alt.Title("Age of each list", subtitle=_summary(shown, limit))
    tooltip = ["account:N", "resource:N", alt.Tooltip("hours:Q", format=",.1f"), moment("finished"), "state:N"]
    squares = heat(
        shown,
        title=title,
        color=alt.Color("state:N", **legend(None, colours)),
        fillOpacity=alt.value(0.35),
        tooltip=tooltip,
        **places,
    )
    ages = alt.Chart(shown).mark_text(color=TEXT).encode(text="age:N", tooltip=tooltip, **places)
    return alt.layer(squares, ages, title=title)


def _age(hours: float) -> str | None:
    """Hours in the largest unit that makes them at least one."""
    if pd.isna(hours):
        return None
    if hours < 1:
        return f"{max(hours, 0) * 60:.0f}m"
    return f"{hours:.0f}h" if hours < 2 * DAY else f"{hours / DAY:.0f}d"


def _summary(shown: pd.DataFrame, limit: float) -> list[str]:
    """How many lists are fresh, and which is the oldest."""
    good = int((shown["state"] == FRESH).sum())
    text = f"{good} of {len(shown)} lists arrived whole within the last {limit:g} hours"
    if shown["hours"].isna().all():
        return [text]
    oldest = shown.sort_values("hours", ascending=False).iloc[0]
    return [text, f"The oldest: {oldest['resource']} of {oldest['label']}, {oldest['age']} ago"]


def table_growth(growth: pd.DataFrame) -> alt.Chart | alt.FacetChart:
    """Rows of each table after each sync, a panel per table. Args: `metrics.table_growth`."""
    if growth.empty:
        return sentence(NEVER_SYNCED)
    title = alt.Title("Rows of each table after each sync", subtitle="Times in UTC")
    chart: alt.FacetChart = (
        alt.Chart(growth)
        .mark_line(point=True, color=BLUE)
        .encode(
            x=alt.X("finished:T", title=None, scale=UTC, axis=moments(growth["finished"])),
            y=alt.Y("rows:Q", title="Rows", axis=WHOLE, scale=alt.Scale(zero=False)),
            tooltip=["resource:N", moment("finished"), alt.Tooltip("rows:Q", format=",")],
        )
        .properties(width=PANEL_WIDTH, height=PANEL_HEIGHT)
        .facet(facet=alt.Facet("resource:N", title=None), columns=PANELS, title=title)
        .resolve_scale(y="independent")
        .resolve_axis(x="independent")  # a common axis would stand below an empty place too
    )
    return chart


def column_coverage(coverage: pd.DataFrame, table: str) -> alt.Chart:
    """Share of rows with a value, a bar per column. Args: `metrics.column_coverage`, and the table's name."""
    if coverage.empty or not coverage["filled"].any():
        return sentence(NO_ROWS)
    return plain_bars(
        coverage,
        title=f"How much of {table} is filled in",
        step=THIN,
        color=alt.value(BLUE),
        x=alt.X("share:Q", title="Rows with a value", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("column:N", title=None, sort="-x"),
        tooltip=["column:N", alt.Tooltip("filled:Q", format=","), alt.Tooltip("share:Q", format=".1%")],
    )


def custom_field_coverage(coverage: pd.DataFrame) -> alt.Chart:
    """Share of people that have each custom field. Args: `metrics.custom_field_coverage`."""
    if coverage.empty:
        return sentence(NO_FIELDS)
    shown, subtitle = largest(with_accounts(coverage, "people"), "field", "people", "custom fields")
    return heat(
        shown,
        title=alt.Title("Who has which custom field", subtitle=subtitle),
        x=alt.X("field:N", title="Custom field", axis=alt.Axis(labelAngle=-45, labelLimit=130)),
        y=alt.Y("label:N", title=None, sort=in_order(shown)),
        color=shade("share", "Share of people", 1, format="%"),
        tooltip=["account:N", "field:N", "people:Q", alt.Tooltip("share:Q", format=".1%")],
    )


def quarantined(records: pd.DataFrame) -> alt.Chart:
    """Records that fit no table, by table and reason. Args: `metrics.quarantined`."""
    if records.empty:
        return sentence(CLEAN)
    return bars(
        records,
        title="Records that fit no table",
        by="reason",
        colours=colours_of(present(records["reason"], ())),
        by_title="Reason",
        x=alt.X("records:Q", title="Records", axis=WHOLE),
        y=alt.Y("resource:N", title=None),
        tooltip=["account_id:N", "resource:N", "reason:N", "records:Q"],
    )
