"""Charts of how far the data can be trusted."""

import altair as alt
import pandas as pd

from flows.charts.drawing import (
    BAR_HEIGHT,
    LABEL_WIDTH,
    SHARE,
    UTC,
    WHOLE,
    WIDTH,
    bars,
    colours,
    heat,
    largest,
    moment,
    sentence,
)

NEVER_SYNCED = "No sync has been recorded yet, so there is nothing to draw."
NO_ROWS = "The table has no rows in these accounts, so there is nothing to draw."
NO_FIELDS = "Nobody in these accounts has a custom field, so there is nothing to draw."
CLEAN = "Every record fitted its table: the quarantine is empty."
PANEL_WIDTH, PANEL_HEIGHT, PANELS = 190, 90, 3


def freshness(fresh: pd.DataFrame) -> alt.Chart | alt.LayerChart | alt.FacetChart:
    """Hours since each list last arrived whole. Args: `metrics.freshness`, with the column `account`."""
    if fresh.empty:
        return sentence(NEVER_SYNCED)
    places = {
        "x": alt.X("resource:N", title=None, axis=alt.Axis(labelAngle=-45)),
        "y": alt.Y("account:N", title=None, axis=alt.Axis(labelLimit=LABEL_WIDTH)),
    }
    title = alt.Title("Age of each list", subtitle="Hours since it last arrived whole; blank where there is no list")
    squares = heat(
        fresh,
        title=title,
        color=alt.Color("hours:Q", title="Hours", scale=alt.Scale(scheme="viridis", reverse=True, domainMin=0)),
        tooltip=["account:N", "resource:N", alt.Tooltip("hours:Q", format=".1f"), moment("finished")],
        **places,
    )
    never = alt.Chart(fresh[fresh["hours"].isna()]).mark_text(text="never").encode(**places)
    return squares if fresh["hours"].notna().all() else alt.layer(squares, never, title=title)


def table_growth(growth: pd.DataFrame) -> alt.Chart:
    """Rows of each table after each sync, a panel per table. Args: `metrics.table_growth`."""
    if growth.empty:
        return sentence(NEVER_SYNCED)
    chart: alt.Chart = (
        alt.Chart(growth)
        .mark_line(point=True, color=colours(["rows"]).range[0])
        .encode(
            x=alt.X("finished:T", title="Sync (UTC)", scale=UTC),
            y=alt.Y("rows:Q", title="Rows", axis=WHOLE, scale=alt.Scale(zero=False)),
            tooltip=["resource:N", moment("finished"), alt.Tooltip("rows:Q", format=",")],
        )
        .properties(width=PANEL_WIDTH, height=PANEL_HEIGHT)
        .facet(facet=alt.Facet("resource:N", title=None), columns=PANELS, title="Rows of each table after each sync")
        .resolve_scale(y="independent")
    )
    return chart


def column_coverage(coverage: pd.DataFrame, table: str) -> alt.Chart:
    """Share of rows with a value, a bar per column. Args: `metrics.column_coverage`, and the table's name."""
    if coverage.empty or not coverage["filled"].any():
        return sentence(NO_ROWS)
    chart: alt.Chart = (
        alt.Chart(coverage, title=f"How much of {table} is filled in")
        .mark_bar(color=colours(["share"]).range[0])
        .encode(
            x=alt.X("share:Q", title="Rows with a value", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("column:N", title="Column", sort="-x"),
            tooltip=["column:N", alt.Tooltip("filled:Q", format=","), alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(width=WIDTH, height=alt.Step(BAR_HEIGHT // 1.5))
    )
    return chart


def custom_field_coverage(coverage: pd.DataFrame) -> alt.Chart:
    """Share of people that have each custom field. Args: `metrics.custom_field_coverage`, with `account`."""
    if coverage.empty:
        return sentence(NO_FIELDS)
    shown, subtitle = largest(coverage, "field", "people", "custom fields")
    return heat(
        shown,
        title=alt.Title("Who has which custom field", subtitle=subtitle),
        x=alt.X("field:N", title="Custom field", axis=alt.Axis(labelAngle=-45)),
        y=alt.Y("account:N", title=None, axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        color=alt.Color(
            "share:Q", title="Share of people", legend=SHARE, scale=alt.Scale(domain=[0, 1], scheme="viridis")
        ),
        tooltip=["account:N", "field:N", "people:Q", alt.Tooltip("share:Q", format=".1%")],
    )


def quarantined(records: pd.DataFrame) -> alt.Chart:
    """Records that fit no table, by table and reason. Args: `metrics.quarantined`."""
    if records.empty:
        return sentence(CLEAN)
    return bars(
        records,
        title="Records that fit no table",
        x=alt.X("records:Q", title="Records", axis=WHOLE),
        y=alt.Y("resource:N", title="List"),
        color=alt.Color("reason:N", title="Reason", scale=colours(sorted(records["reason"].unique()))),
        tooltip=["account_id:N", "resource:N", "reason:N", "records:Q"],
    )
