"""Charts of tags."""

import altair as alt
import pandas as pd

from flows.charts.drawing import SHARE, WHOLE, bars, colours, few_accounts, heat, largest, sentence

UNTAGGED = "Nobody in these accounts carries a tag, so there is nothing to draw."


def tag_sizes(sizes: pd.DataFrame) -> alt.Chart:
    """People by tag. Args: `metrics.tag_sizes`, with the column `account` of `metrics.name_accounts`."""
    if sizes.empty:
        return sentence(UNTAGGED)
    shown, subtitle = largest(few_accounts(sizes, "people"), "tag", "people", "tags")
    return bars(
        shown,
        title=alt.Title("People by tag", subtitle=subtitle),
        x=alt.X("people:Q", title="People", axis=WHOLE),
        y=alt.Y("tag:N", title="Tag", sort=alt.EncodingSortField("people", op="sum", order="descending")),
        color=alt.Color("account:N", title="Account", scale=colours(sorted(shown["account"].unique()))),
        tooltip=["account:N", "tag:N", alt.Tooltip("people:Q", format=",")],
    )


def tag_overlap(overlap: pd.DataFrame) -> alt.Chart:
    """Of the people with the tag of a row, the share with that of a column too. Args: `metrics.tag_overlap`."""
    if overlap.empty:
        return sentence(UNTAGGED)
    order = list(overlap[overlap["tag"] == overlap["other"]].sort_values("people", ascending=False)["tag"])
    return heat(
        overlap,
        title=alt.Title("Tags that go together", subtitle="The largest tags of all accounts together"),
        x=alt.X("other:N", title="... who also carry", sort=order, axis=alt.Axis(labelAngle=-45)),
        y=alt.Y("tag:N", title="Of the people with", sort=order),
        color=alt.Color("share:Q", title="Share", legend=SHARE, scale=alt.Scale(domain=[0, 1], scheme="viridis")),
        tooltip=["tag:N", "other:N", "people:Q", alt.Tooltip("share:Q", format=".1%")],
    )
