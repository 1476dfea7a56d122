"""The look of all charts: colours, sizes, axes of time.

Texts, axes and backgrounds have no colours of their own: JupyterLab and the report draw them dark on white, or white on
dark grey where the page is dark. The colours of the data can be seen on both.
"""

from collections.abc import Iterable
from typing import Any

import altair as alt
import pandas as pd

WIDTH, LINE_HEIGHT, BAR_HEIGHT, LABEL_WIDTH = 500, 300, 22, 220
"""Pixels. A plot and the labels left of it fit beside the file browser in a window of 1280."""
MOST_BARS = 15
PALETTE = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#A569FF", "#A53C0F", "#A5C387", "#A500F0",
)  # fmt: skip
"""Okabe and Ito's colours and four more, which colour-blind readers can tell apart, on white and on dark grey."""
NEUTRAL = "#6E6E6E"
"""For everything that is not singled out. It differs from all colours of the palette."""
BLUE, ORANGE, GREEN, PINK, SKY, RED, PURPLE, BROWN = PALETTE[:8]
STATUSES = {
    "active": BLUE,
    "unsubscribed": ORANGE,
    "undeliverable": RED,
    "draft": SKY,
    "scheduled": PINK,
    "sending": PURPLE,
    "sent": GREEN,
    "paused": BROWN,
    "canceled": ORANGE,
    "deleted": RED,
    "disabled": BROWN,
    "arrived": GREEN,
    "returned": SKY,
    "active again": BLUE,
    "left": BROWN,
    "tag added": BLUE,
    "tag removed": ORANGE,
    "best": BLUE,
    "worst": ORANGE,
    "fresh": BLUE,
    "late": ORANGE,
    "never": RED,
    "unknown": NEUTRAL,
}
"""A colour for each status, which is the same in all charts."""
TEXT = alt.ExprRef("luminance(background) < 0.4 ? 'white' : 'black'")
"""The colour of text in a plot, as the background needs it."""
SCHEME = alt.SchemeParams(name="viridis", extent=[0.1, 0.95])
LEGEND_LABEL = 215

FEW_DAYS = 3
WHOLE_LABEL = "datum.value % 1 ? '' : format(datum.value, ',d')"
WHOLE = alt.Axis(labelExpr=WHOLE_LABEL)
"""There is no half of a person: between two whole numbers the axis has no labels."""
UTC = alt.Scale(type="utc")
"""A browser draws moments in its own time zone unless told otherwise."""
MIDNIGHT = "!(utchours(datum.value) + utcminutes(datum.value) + utcseconds(datum.value))"
MOMENT_LABEL = (
    f"utcFormat(datum.value, {MIDNIGHT} ? '%b %d' : "
    "(datum.index ? '' : '%b %d ') + (utcseconds(datum.value) ? '%H:%M:%S' : '%H:%M'))"
)
DAY_LABEL = (
    "utcFormat(datum.value, datum.index && utcmonth(datum.value) + utcdate(datum.value) > 1 ? '%b %d' : '%Y %b %d')"
)
MONTH_LABEL = "timeFormat(datum.value, datum.index && month(datum.value) ? '%b' : '%b %Y')"
MONTH_TOOLTIP = alt.Tooltip("month:T", format="%B %Y")
MOST_TICKS = 12


def moments(values: "pd.Series[Any]") -> alt.Axis:
    """An axis of moments in UTC: days, and for a few days times of 24 hours, whose first label has the date too."""
    few = (values.max() - values.min()).days < FEW_DAYS
    return alt.Axis(labelExpr=MOMENT_LABEL if few else DAY_LABEL, labelOverlap=True)


def months(values: "pd.Series[Any]") -> alt.Axis:
    """An axis of months, which are dates without a zone; each month has a tick where there are few."""
    ticks: Any = MOST_TICKS if number_of_months(values) > MOST_TICKS else "month"
    return alt.Axis(labelExpr=MONTH_LABEL, labelOverlap=True, tickCount=ticks)


def moment(column: str) -> alt.Tooltip:
    """The tooltip of a moment in UTC."""
    return alt.Tooltip(f"{column}:T", format="%Y-%m-%d %H:%M", formatType="utc", title=f"{column} (UTC)")


def number_of_months(values: "pd.Series[Any]") -> int:
    """Months from the first to the last."""
    first, last = values.min(), values.max()
    return int(1 + 12 * (last.year - first.year) + last.month - first.month)


def colours_of(values: Iterable[str]) -> dict[str, str]:
    """A colour for each status, in this order; one that has no colour yet takes the first that is not used here."""
    values = list(values)
    taken = {STATUSES[value] for value in values if value in STATUSES}
    free = [colour for colour in PALETTE if colour not in taken] or [NEUTRAL]
    others = [value for value in values if value not in STATUSES]
    found = STATUSES | {value: free[at % len(free)] for at, value in enumerate(others)}
    return {value: found[value] for value in values}


@alt.theme.register("drip", enable=True)
def theme() -> Any:
    """The theme of all charts."""
    muted: Any = {"domainColor": "#888", "tickColor": "#888", "gridColor": "#888", "gridOpacity": 0.25}
    return alt.theme.ThemeConfig(
        config={
            "view": {"stroke": None},
            "axisX": {"labelFlush": False, "labelSeparation": 6},
            "axis": muted | {"labelLimit": LABEL_WIDTH, "titleFontWeight": "normal", "labelFontSize": 11},
            "title": {"anchor": "start", "frame": "group", "fontSize": 14, "subtitleFontSize": 11, "offset": 12},
            "legend": {"labelLimit": LEGEND_LABEL, "labelFontSize": 11, "symbolLimit": 0, "titleFontWeight": "normal"},
            "range": {"category": list(PALETTE)},
            "header": {"labelFontWeight": "bold", "labelFontSize": 11},
        }
    )
