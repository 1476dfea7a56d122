"""Tags: how many people carry them, and which go together."""

import pandas as pd

from flows.metrics.counting import count

MOST = 12
"""Tags that are set against each other; more would not fit a picture."""


def tag_sizes(subscriber_tags: pd.DataFrame) -> pd.DataFrame:
    """People per account and tag, the largest first: `account_id`, `tag`, `people`.

    Args:
        subscriber_tags: the view of that name, a row per person and tag.
    """
    sizes = count(subscriber_tags, ["account_id", "tag"], "people")
    return sizes.sort_values(["people", "account_id", "tag"], ascending=[False, True, True], ignore_index=True)


def tag_overlap(subscriber_tags: pd.DataFrame, most: int = MOST) -> pd.DataFrame:
    """How many of the people with a tag also carry another one, of the largest tags of all accounts together.

    Returns:
        A row per ordered pair, a tag with itself included: `tag`, `other`, `people` with both, and their `share` of
        those with `tag`, between 0 and 1. Tags are in the order of their size.
    """
    largest = (
        subscriber_tags["tag"].value_counts().sort_index().sort_values(ascending=False, kind="stable").index[:most]
    )
    shown = subscriber_tags[subscriber_tags["tag"].isin(largest)]
    person = ["account_id", "subscriber_id"]
    pairs = shown[[*person, "tag"]].merge(shown[[*person, "tag"]].rename(columns={"tag": "other"}), on=person)
    both = count(pairs, ["tag", "other"], "people")
    return both.assign(
        share=(both["people"] / both["tag"].map(shown["tag"].value_counts()).astype("Float64")).astype("Float64")
    )
