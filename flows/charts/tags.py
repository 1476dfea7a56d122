"""Charts of tags."""

import altair as alt
import pandas as pd

from flows.charts.accounts import with_accounts
from flows.charts.drawing import ACCOUNT, ALL_PEOPLE, account_bars, heat, largest, ranked, sentence, shade
from flows.charts.theme import TEXT, WHOLE

UNTAGGED = "Nobody in these accounts carries a tag, so there is nothing to draw."


def tag_sizes(sizes: pd.DataFrame) -> alt.Chart:
    """People by tag, divided by account. Args: `metrics.tag_sizes`."""
    if sizes.empty:
        return sentence(UNTAGGED)
    shown, subtitle = largest(with_accounts(sizes, "people"), "tag", "people", "tags")
    return account_bars(
        shown,
        title=alt.Title("People by tag", subtitle=subtitle),
        x=alt.X("sum(people):Q", title="People", axis=WHOLE),
        y=alt.Y("tag:N", title=None, sort=ranked(shown, "tag", "people")),
        tooltip=[ACCOUNT, "tag:N", ALL_PEOPLE],
    )


def tag_overlap(overlap: pd.DataFrame) -> alt.Chart | alt.LayerChart:
    """Of the people with the tag of a row, the share with that of a column too. Args: `metrics.tag_overlap`.

    A tag with itself is a number of people and has no colour: its 100 % would flatten the other shares.
    """
    if overlap.empty:
        return sentence(UNTAGGED)
    itself = overlap["tag"] == overlap["other"]
    order = list(overlap[itself].sort_values("people", ascending=False, kind="stable")["tag"])
    title = alt.Title(
        "Tags that go together", subtitle="The largest tags of all accounts together; on the diagonal, their people"
    )
    places = {
        "x": alt.X("other:N", title="... who also carry", sort=order, axis=alt.Axis(labelAngle=-45, labelLimit=130)),
        "y": alt.Y("tag:N", title="Of the people with", sort=order),
    }
    pairs = heat(
        overlap[~itself],
        title=title,
        color=shade("share", "Share", format="%"),
        tooltip=["tag:N", "other:N", "people:Q", alt.Tooltip("share:Q", format=".1%")],
        **places,
    )
    people = alt.Chart(overlap[itself]).mark_text(color=TEXT).encode(text=alt.Text("people:Q", format=","), **places)
    return alt.layer(pairs, people, title=title)
