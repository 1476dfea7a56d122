"""What charts are made of: bars, lines, squares, legends, and the sentence in place of a chart."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt
import pandas as pd

from flows.charts.accounts import OTHERS, account_colours, shortened
from flows.charts.theme import (
    BAR_HEIGHT,
    LINE_HEIGHT,
    MOST_BARS,
    SCHEME,
    TEXT,
    WIDTH,
    colours_of,
)

# JupyterLab draws these itself; Altair's default is a page that loads its libraries from the internet.
alt.renderers.enable("mimetype")
# Metrics are small, yet months times accounts may be more than the 5,000 rows that Altair takes by default.
alt.data_transformers.disable_max_rows()

LETTER, SYMBOL, GRADIENT = 7, 30, 160
"""Pixels of a letter in a legend, of a symbol with its margins, and of a scale of colours."""
SENTENCE = 90
"""Characters of a line of text in place of a chart."""
ACCOUNT = alt.Tooltip("legend:N", title="account")
ALL_PEOPLE = alt.Tooltip("sum(people):Q", format=",", title="people")
"""What tooltips of `account_bars` show."""
HISTORY_OFF = (
    "This history is not kept in this database, so there is nothing to show. "
    "SOURCES__DRIP__HISTORY names what is kept: subscribers for movements, campaigns for series."
)


def largest(
    frame: pd.DataFrame, column: str, number: str, what: str, most: int = MOST_BARS
) -> tuple[pd.DataFrame, str]:
    """The rows of the largest values of a column by the sum of `number`, and a subtitle that says so."""
    sums = frame.groupby(column)[number].sum().sort_values(ascending=False, kind="stable")
    shown = frame[frame[column].isin(sums.index[:most])]
    return shown, f"The {most} largest of {len(sums):,} {what}" if len(sums) > most else f"All {what}"


def ranked(frame: pd.DataFrame, column: str, number: str) -> list[str]:
    """The values of a column, the one with the largest sum of `number` first."""
    sums = frame.groupby(column)[number].sum().sort_index().sort_values(ascending=False, kind="stable")
    return list(sums.index)


def present(values: "pd.Series[Any]", order: Iterable[str]) -> list[str]:
    """The values that occur, in this order; those that are not in it come last, sorted."""
    there = set(values.dropna())
    known = [value for value in order if value in there]
    return known + sorted(there - set(known))


def legend(title: str | None, colours: Mapping[str, str]) -> dict[str, Any]:
    """A scale and a legend above the plot, in as many columns of labels as the plot has room for."""
    columns = WIDTH // (LETTER * max(map(len, colours), default=0) + SYMBOL)
    return {
        "title": title,
        "scale": alt.Scale(domain=list(colours), range=list(colours.values())),
        "legend": alt.Legend(orient="top", direction="horizontal", columns=max(columns, 1), titleOrient="left"),
    }


def status_colours(values: "pd.Series[Any]", order: Iterable[str]) -> dict[str, str]:
    """The colours of the statuses that occur, in the order of the legend."""
    return colours_of(present(values, order))


def bars(
    frame: pd.DataFrame,
    title: str | alt.Title,
    by: str,
    colours: Mapping[str, str],
    by_title: str | None = None,
    height: int | None = None,
    **encoding: Any,
) -> alt.Chart:
    """Stacked bars, whose parts are in the order of the legend: from the left, or from the top.

    Args:
        frame: a row per part.
        title: of the chart.
        by: the column that the bars are divided by.
        colours: of its values, in the order of the legend.
        by_title: of the legend.
        height: of the whole in pixels, if the bars stand; lying bars are as thick as a line of text.
        encoding: the axes and the tooltip.
    """
    places = {value: place for place, value in enumerate(colours)}
    below = frame["net"].lt(0) if "net" in frame and height else pd.Series(False, frame.index)
    placed = frame.assign(stack_place=frame[by].map(places).astype("Int64") * below.map({True: -1, False: 1}))
    chart: alt.Chart = (
        alt.Chart(placed, title=title)
        .mark_bar()
        .encode(
            color=alt.Color(f"{by}:N", **legend(by_title, colours)),
            order=alt.Order("stack_place:Q", sort="descending" if height else "ascending"),
            **encoding,
        )
        .properties(width=WIDTH, height=height or alt.Step(BAR_HEIGHT))
    )
    return chart


def plain_bars(
    frame: pd.DataFrame, title: str | alt.Title, step: float = BAR_HEIGHT, width: int = WIDTH, **encoding: Any
) -> alt.Chart:
    """Lying bars that are not divided, each `step` pixels thick."""
    chart: alt.Chart = (
        alt.Chart(frame, title=title).mark_bar().encode(**encoding).properties(width=width, height=alt.Step(step))
    )
    return chart


def account_bars(shown: pd.DataFrame, title: str | alt.Title, height: int | None = None, **encoding: Any) -> alt.Chart:
    """Bars that are divided by account. Args: a frame of `with_accounts`, and as for `bars`.

    The accounts that share a colour are one part of a bar, so lengths and tooltips have to be sums.
    """
    return bars(shown, title, "legend", account_colours(shown), "Account", height, **encoding)


def account_lines(
    shown: pd.DataFrame, title: str | alt.Title, x: alt.X, y: alt.Y, tooltip: list[Any], interpolate: Any = "linear"
) -> alt.Chart:
    """A line per account; those without a colour of their own are thin. Args: a frame of `with_accounts`."""
    colours = account_colours(shown)
    chart: alt.Chart = (
        alt.Chart(shown, title=title)
        .mark_line(interpolate=interpolate, point=alt.OverlayMarkDef(size=24))
        .encode(
            x=x,
            y=y,
            color=alt.Color("legend:N", **legend("Account", colours)),
            detail="account:N",
            opacity=alt.condition(alt.datum.legend == OTHERS, alt.value(0.6), alt.value(1)),
            tooltip=["account:N", *tooltip],
        )
        .properties(width=WIDTH, height=LINE_HEIGHT)
    )
    return chart


def coloured(shown: pd.DataFrame) -> str:
    """A subtitle that says how many of the accounts have a colour of their own. Args: a frame of `with_accounts`."""
    own = shown.loc[shown["legend"] != OTHERS, "account"].nunique()
    everyone = shown["account"].nunique()
    return "All accounts" if own == everyone else f"The {own} largest of {everyone} accounts in colours of their own"


def heat(frame: pd.DataFrame, title: str | alt.Title, **encoding: Any) -> alt.Chart:
    """A field of coloured squares."""
    chart: alt.Chart = (
        alt.Chart(frame, title=title)
        .mark_rect(stroke="#888", strokeWidth=0.3)
        .encode(**encoding)
        .properties(width=WIDTH, height=alt.Step(BAR_HEIGHT))
    )
    return chart


def shade(column: str, title: str, most: float | None = None, **legend_options: Any) -> alt.Color:
    """A colour by a number, from zero to `most`, or to the largest."""
    gradient = alt.Legend(orient="top", titleOrient="left", gradientLength=GRADIENT, **legend_options)
    limits = {"domain": [0, most]} if most is not None else {"domainMin": 0}
    return alt.Color(f"{column}:Q", title=title, scale=alt.Scale(scheme=SCHEME, **limits), legend=gradient)


def named(names: "pd.Series[Any]", ids: "pd.Series[Any]") -> "pd.Series[Any]":
    """Labels made of names and ids, shortened to what an axis has room for."""
    return (names.fillna("unnamed") + " (" + ids + ")").map(shortened).astype("string")


def sentence(text: str) -> alt.Chart:
    """A chart that says why there is none."""
    lines = textwrap.wrap(text, SENTENCE)
    frame = pd.DataFrame({"text": ["\n".join(lines)]})
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_text(color=TEXT, fontSize=13, lineHeight=18, align="left", baseline="top", x=0, y=0, lineBreak="\n")
        .encode(text="text:N")
        .properties(width=WIDTH, height=len(lines) * BAR_HEIGHT)
    )
    return chart
