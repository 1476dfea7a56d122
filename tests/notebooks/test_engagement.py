"""Metrics and charts of engagement and deliverability, and their notebooks on a dataset with events and without."""

from typing import Any

import pandas as pd
import pytest

from flows.charts import deliverability as deliverability_charts
from flows.charts import engagement as engagement_charts
from flows.metrics import deliverability, engagement
from tests.conftest import Warehouse
from tests.marts import conftest as marts
from tests.notebooks.conftest import NOTEBOOKS, Kernel
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


filled = marts.filled


@pytest.fixture
def events_kernel(filled: Warehouse, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Kernel:
    """A kernel on the dataset with webhook events."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(filled.path))
    found: Kernel = request.getfixturevalue("kernel")
    return found


@pytest.mark.parametrize("filled", ["duckdb"], indirect=True)
@pytest.mark.parametrize(("notebook", "charts"), [("05-engagement", 5), ("06-deliverability", 3)])
def test_the_notebook_shows_what_the_views_have(
    filled: Warehouse, events_kernel: Kernel, notebook: str, charts: int
) -> None:
    specs = events_kernel.charts(NOTEBOOKS / f"{notebook}.ipynb")
    assert len(specs) == charts
    drawn = {str(spec.get("title", {}) and spec["title"]["text"]): rows_of(spec) for spec in specs if spec.get("title")}
    if notebook == "05-engagement":
        assert engagement_charts.NOBODY_LAPSED.split()[-1] in str(specs)
        reachable = filled.value("SELECT count(*) FROM people WHERE is_reachable")
        assert sum(row["people"] for row in drawn["When people clicked last"]) == reachable
        people = (
            "SELECT count(DISTINCT subscriber_id) FROM email_clicks WHERE NOT is_scanner GROUP BY url ORDER BY 1 DESC"
        )
        assert drawn["Links clicked by most people"][0]["people"] == filled.rows(people)[0][0]
    else:
        domains = filled.value(
            "SELECT count(*) FROM (SELECT 1 FROM deliverability GROUP BY mailbox_domain HAVING sum(deliveries) >= 20)"
        )
        assert len(drawn["What is lost, by mailbox domain"]) == 3 * min(domains, 15)


def test_the_notebooks_run_without_any_optional_part(sync: Any, kernel: Kernel) -> None:
    sync(history=False, resources=["accounts", "subscribers", "broadcasts"])
    for notebook in ("05-engagement", "06-deliverability"):
        specs = kernel.charts(NOTEBOOKS / f"{notebook}.ipynb")
        assert specs
        assert all("text" in rows_of(spec)[0] for spec in specs), notebook
