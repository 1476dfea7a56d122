"""What all charts share: sizes, colours that a colour-blind reader can tell apart, the sentence in place of a chart."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

# JupyterLab draws these itself; Altair's default is a page that loads its libraries from the internet.
alt.renderers.enable("mimetype")
# Metrics are small, yet months times accounts may be more than the 5,000 rows that Altair takes by default.
alt.data_transformers.disable_max_rows()

WIDTH, LINE_HEIGHT, BAR_HEIGHT, LABEL_WIDTH = 560, 320, 22, 220
MOST_LINES = 10
"""More lines than this cannot be told apart by their colour."""
MOST_BARS = 15
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000", "#999999", "#882255")
"""Okabe and Ito's colours, then two more."""
SHARE = alt.Legend(format="%")
UTC = alt.Scale(type="utc")
"""A browser draws moments in its own time zone unless told otherwise."""
WHOLE_LABEL = "datum.value % 1 ? '' : format(datum.value, ',d')"
WHOLE = alt.Axis(labelExpr=WHOLE_LABEL)
"""There is no half of a person: between two whole numbers the axis has no labels."""
OTHERS = "all other accounts"
HISTORY_OFF = (
    "This history is not kept in this database, so there is nothing to draw. "
    "SOURCES__DRIP__HISTORY names what is kept: subscribers for movements, campaigns for series."
)


def colours(domain: Sequence[str] | pd.Index) -> alt.Scale:
    """A colour for each of these, in their order; they repeat after the last."""
    return alt.Scale(domain=list(domain), range=[PALETTE[at % len(PALETTE)] for at in range(len(domain))])


def largest(
    frame: pd.DataFrame, column: str, number: str, what: str, most: int = MOST_BARS
) -> tuple[pd.DataFrame, str]:
    """The rows of the largest values of a column by the sum of `number`, and a subtitle that says so."""
    sums = frame.groupby(column)[number].sum().sort_values(ascending=False, kind="stable")
    shown = frame[frame[column].isin(sums.index[:most])]
    return shown, f"The {most} largest of {len(sums):,} {what}" if len(sums) > most else f"All {what}"


def moment(column: str) -> alt.Tooltip:
    """A moment in UTC, to be read over a mark."""
    return alt.Tooltip(f"{column}:T", timeUnit="utcyearmonthdatehoursminutes", title=f"{column} (UTC)")


def few_accounts(frame: pd.DataFrame, number: str) -> pd.DataFrame:
    """With the largest accounts by the sum of `number`, and the rest as one: as many as have colours of their own."""
    sums = frame.groupby("account")[number].sum().sort_values(ascending=False, kind="stable")
    if len(sums) <= MOST_LINES:
        return frame
    return frame.assign(account=frame["account"].where(frame["account"].isin(sums.index[: MOST_LINES - 1]), OTHERS))


def heat(frame: pd.DataFrame, title: str | alt.Title, **encoding: Any) -> alt.Chart:
    """A field of coloured squares."""
    chart: alt.Chart = (
        alt.Chart(frame, title=title)
        .mark_rect()
        .encode(**encoding)
        .properties(width=WIDTH, height=alt.Step(BAR_HEIGHT))
    )
    return chart


def bars(frame: pd.DataFrame, title: str | alt.Title, height: int | None = None, **encoding: Any) -> alt.Chart:
    """Bars: lying, each as thick as a line of text, or standing where a `height` of the whole in pixels is given."""
    chart: alt.Chart = (
        alt.Chart(frame, title=title)
        .mark_bar()
        .encode(**encoding)
        .properties(width=WIDTH, height=height or alt.Step(BAR_HEIGHT))
    )
    return chart


def sentence(text: str) -> alt.Chart:
    """A chart that says why there is none."""
    frame = pd.DataFrame({"text": [text]})
    chart: alt.Chart = (
        alt.Chart(frame).mark_text(size=14, limit=2 * WIDTH).encode(text="text:N").properties(width=WIDTH)
    )
    return chart
