"""Metrics and charts of engagement and deliverability."""

from typing import Any

import pandas as pd
import pytest

from flows.charts import deliverability as deliverability_charts
from flows.charts import engagement as engagement_charts
from flows.metrics import deliverability, engagement
from tests.notebooks.rendering import rows_of

PEOPLE = pd.DataFrame(
    {
        "account_id": ["1", "1", "1", "2"],
        "subscriber_id": ["a", "b", "c", "d"],
        "created_at": pd.to_datetime(["2026-01-05", "2026-01-09", "2026-02-01", None], utc=True),
        "is_reachable": pd.array([True, True, False, True], dtype="boolean"),
        "recency_band": ["30", "older", "older", "180"],
        "days_since_click": [3, 400, 200, 100],
        "lifetime_value": [100, 200, 900, 300],
    }
)


def test_recency_counts_people_who_can_be_reached() -> None:
    found = engagement.recency(PEOPLE).to_dict("records")
    assert {(row["account_id"], row["recency_band"], row["people"]) for row in found} == {
        ("1", "30", 1), ("1", "older", 1), ("2", "180", 1)
    }  # fmt: skip


def test_cohorts_are_shares_of_their_month() -> None:
    found = engagement.recency_by_cohort(PEOPLE)
    assert found.groupby("month")["share"].sum().tolist() == [1, 1]
    assert found["people"].sum() == 3


def test_the_most_valuable_of_those_who_lapsed() -> None:
    assert engagement.win_back(PEOPLE)["subscriber_id"].tolist() == ["d", "b"]
    assert engagement.win_back(PEOPLE, most=1)["subscriber_id"].tolist() == ["d"]


def test_reaction_times_are_of_deliveries_with_a_reaction() -> None:
    minutes = pd.DataFrame(
        {"account_id": ["1"] * 4, "minutes_to_open": [1.0, 2.0, 3.0, None], "minutes_to_click": [None, None, None, 8.0]}
    )
    opened, clicked = engagement.reaction_times(minutes).to_dict("records")
    assert (opened["reaction"], opened["deliveries"], opened["median"]) == ("open (inflated)", 3, 2.0)
    assert (clicked["reaction"], clicked["deliveries"], clicked["first_quartile"]) == ("click", 1, 8.0)


def test_a_sentence_says_why_there_is_no_table() -> None:
    nobody = engagement_charts.win_back(engagement.win_back(PEOPLE.iloc[:1]))
    unsent = pd.DataFrame({"account_id": ["1"], "minutes_to_open": [float("nan")], "minutes_to_click": float("nan")})
    nothing = engagement_charts.reaction_times(engagement.reaction_times(unsent))
    texts = [rows_of(chart.to_dict())[0]["text"].replace("\n", " ") for chart in (nobody, nothing)]
    assert texts == [engagement_charts.NOBODY_LAPSED, engagement_charts.NO_SENDING_TIMES]


def test_links_are_of_people() -> None:
    clicks = pd.DataFrame(
        {
            "account_id": "1",
            "subscriber_id": ["a", "a", "b", "c"],
            "url": ["x", "x", "y", "y"],
            "is_scanner": pd.array([False, False, False, True], dtype="boolean"),
        }
    )
    assert engagement.links(clicks).to_dict("records") == [
        {"url": "x", "people": 1, "clicks": 2}, {"url": "y", "people": 1, "clicks": 1}
    ]  # fmt: skip


def test_earnings_are_of_attributed_events() -> None:
    events = pd.DataFrame(
        {
            "account_id": "1",
            "event_id": ["1", "2", "3"],
            "email_id": ["e", "e", "f"],
            "value_in_cents": [100, 250, 999],
            "is_attributed": pd.array([True, True, False], dtype="boolean"),
        }
    )
    emails = pd.DataFrame({"account_id": ["1"], "email_id": ["e"], "title": ["News"]})
    (row,) = engagement.earnings(events, emails).to_dict("records")
    assert (row["title"], row["orders"], row["revenue"]) == ("News", 2, 3.5)


def test_losses_are_relative_to_what_was_sent() -> None:
    days = pd.DataFrame(
        {
            "mailbox_domain": ["a", "a", "b"],
            "deliveries": [10, 30, 5],
            "bounces": [1, 1, 5],
            "complaints": 0,
            "unsubscribes": 0,
        }
    )
    (row,) = deliverability.by_domain(days, least=10).to_dict("records")
    assert (row["mailbox_domain"], row["deliveries"], row["bounces_rate"]) == ("a", 40, 0.05)
    emails = pd.DataFrame(
        {"account_id": "1", "email_id": ["e", "f"], "title": "x", "source": "webhooks", "sends": [10, 100],
         "bounces": [1, 2], "complaints": [0, 1], "unsubscribes": [1, 1]}
    )  # fmt: skip
    assert deliverability.by_email(emails)["loss_rate"].astype(float).round(3).tolist() == [0.2, 0.04]


@pytest.mark.parametrize(
    "chart",
    [
        engagement_charts.recency(engagement.recency(PEOPLE.iloc[:0])),
        engagement_charts.recency_by_cohort(PEOPLE.iloc[:0]),
        engagement_charts.links(pd.DataFrame()),
        engagement_charts.earnings(pd.DataFrame()),
        deliverability_charts.by_domain(pd.DataFrame()),
        deliverability_charts.by_email(pd.DataFrame()),
    ],
)
def test_an_empty_chart_says_why(chart: Any) -> None:
    assert len(rows_of(chart.to_dict())[0]["text"]) > 40
