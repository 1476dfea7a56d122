"""What the notebooks draw: a frame of `flows.metrics` in, an Altair chart out."""

import altair as alt
import pandas as pd

from flows.metrics import STATUSES

WIDTH, LINE_HEIGHT, BAR_HEIGHT = 640, 320, 22
MOST_LINES = 10
"""More lines than this cannot be told apart by their colour."""
NOBODY = "No subscribers in these accounts yet, so there is nothing to draw."


def audience_growth(growth: pd.DataFrame) -> alt.Chart:
    """Total audience by month, a line per account; of many accounts, the largest.

    Args:
        growth: of `metrics.audience_growth`, with the column `account` of `metrics.name_accounts`.
    """
    if growth.empty:
        return sentence(NOBODY)
    largest = growth.groupby("account")["total"].max().nlargest(MOST_LINES).index
    shown = growth[growth["account"].isin(largest)]
    everyone = growth["account"].nunique()
    subtitle = f"The {MOST_LINES} largest of {everyone} accounts" if everyone > MOST_LINES else "All accounts"
    chart: alt.Chart = (
        alt.Chart(shown, title=alt.Title("Today's subscribers by the month they arrived", subtitle=subtitle))
        .mark_line(interpolate="step-after", point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("month:T", title="Month (UTC)"),
            y=alt.Y("total:Q", title="People who had arrived by then"),
            color=alt.Color("account:N", title="Account", sort=list(largest)),
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
    chart: alt.Chart = (
        alt.Chart(mix, title="Status of today's subscribers")
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="Share of the account's people", stack="zero", axis=alt.Axis(format="%")),
            y=alt.Y("account:N", title=None, sort=order, axis=alt.Axis(labelLimit=WIDTH // 2)),
            color=alt.Color("status:N", title="Status", scale=alt.Scale(domain=[*STATUSES, *others])),
            tooltip=[
                "account:N",
                "status:N",
                alt.Tooltip("people:Q", format=","),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(width=WIDTH, height=alt.Step(BAR_HEIGHT))
    )
    return chart


def sentence(text: str) -> alt.Chart:
    """A chart that says why there is none."""
    chart: alt.Chart = alt.Chart(pd.DataFrame({"text": [text]})).mark_text(size=14).encode(text="text:N")
    return chart
