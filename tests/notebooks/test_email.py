"""The metrics and charts of emails follow from the rows of `email_metrics`."""

import math
from typing import Any

import altair as alt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.charts import email as charts
from flows.metrics import email as metrics
from flows.metrics.counting import name_accounts

numbers = st.integers(0, 5_000)
rows = st.fixed_dictionaries(
    {
        "account_id": st.sampled_from(["1", "2"]),
        "date": st.dates(pd.Timestamp(2026, 1, 1).date(), pd.Timestamp(2026, 6, 1).date()),
        "broadcast_id": st.sampled_from([None, "7", "8"]),
        "workflow_id": st.sampled_from([None, "70"]),
        "node_id": st.sampled_from([None, "STEP1", "STEP2"]),
        "title": st.sampled_from([None, "Hello", "Ünïcode 😀"]),
        **dict.fromkeys(metrics.COUNTS, numbers),
    }
)
BROADCASTS = pd.DataFrame(
    {
        "account_id": ["1"],
        "id": ["7"],
        "subject": ["A subject"],
        "send_at": [pd.Timestamp("2026-03-02 15:00", tz="UTC")],
    }
).astype({"account_id": "string", "id": "string", "subject": "string", "send_at": "datetime64[us, UTC]"})
WORKFLOWS = pd.DataFrame({"account_id": ["1"], "id": ["70"], "name": ["Welcome"]}, dtype="string")
ACCOUNTS = pd.DataFrame({"id": ["1", "2"], "name": ["One", None]}, dtype="string")


def frame_of(drawn: list[dict[str, Any]]) -> pd.DataFrame:
    """A frame with the column types of `flows.dataset.load`."""
    texts = dict.fromkeys(("account_id", "broadcast_id", "workflow_id", "node_id", "title"), "string")
    columns = ["date", *texts, *metrics.COUNTS]
    frame = pd.DataFrame(drawn, columns=columns)
    return frame.astype({**texts, **dict.fromkeys(metrics.COUNTS, "Int64"), "date": "datetime64[us]"})


@settings(max_examples=20)
@given(st.lists(rows, max_size=15))
def test_performance_adds_up_and_divides_by_nothing(drawn: list[dict[str, Any]]) -> None:
    done = metrics.performance(frame_of(drawn), ["account_id"])
    for row in done.to_dict("records"):
        ours = [one for one in drawn if one["account_id"] == row["account_id"]]
        sums = {name: sum(one[name] for one in ours) for name in metrics.COUNTS}
        assert {name: row[name] for name in metrics.COUNTS} == sums
        for rate, (part, whole) in metrics.RATES.items():
            assert pd.isna(row[rate]) if not sums[whole] else row[rate] == pytest.approx(sums[part] / sums[whole])
        if sums["sends"]:
            assert row["revenue_per_thousand"] == pytest.approx(10 * sums["revenue_in_cents"] / sums["sends"])
    assert len(done) == len({one["account_id"] for one in drawn})


@settings(max_examples=12)
@given(st.lists(rows, max_size=15))
def test_broadcasts_and_steps_count_their_own_emails_once(drawn: list[dict[str, Any]]) -> None:
    sent = metrics.broadcast_performance(frame_of(drawn), BROADCASTS)
    assert sent["sends"].sum() == sum(one["sends"] for one in drawn if one["broadcast_id"])
    known = sent[(sent["account_id"] == "1") & (sent["broadcast_id"] == "7")]
    assert set(known["subject"]) <= {"A subject"}
    steps = metrics.step_performance(frame_of(drawn), WORKFLOWS)
    assert steps["sends"].sum() == sum(one["sends"] for one in drawn if one["workflow_id"] and one["node_id"])
    assert set(steps.loc[steps["account_id"] == "1", "workflow"]) <= {"Welcome"}
    timed = metrics.performance_by_time(sent)
    assert timed["sends"].sum() == known["sends"].sum()
    assert set(zip(timed["weekday"], timed["hour"], strict=True)) <= {("Monday", 15)}


@settings(max_examples=4)
@given(st.lists(rows, max_size=12))
def test_every_chart_is_drawn_of_any_rows(drawn: list[dict[str, Any]]) -> None:
    figures = frame_of(drawn)
    sent = metrics.broadcast_performance(figures, BROADCASTS)
    drawings = [
        charts.broadcasts(sent),
        charts.steps(metrics.step_performance(figures, WORKFLOWS)),
        charts.by_time(metrics.performance_by_time(sent)),
        charts.subject_lines(metrics.subject_lines(sent, 1), 1),
        charts.revenue(name_accounts(metrics.revenue_per_thousand(figures), ACCOUNTS)),
        charts.complaints(name_accounts(metrics.deliverability(figures), ACCOUNTS)),
    ]
    assert all(one.to_dict() for one in drawings)


def test_without_the_table_a_sentence_says_how_to_get_it() -> None:
    drawings: list[alt.Chart] = [one(None) for one in (charts.broadcasts, charts.steps, charts.by_time)]
    drawings += [charts.subject_lines(None, 100), charts.revenue(None), charts.complaints(None)]
    for one in drawings:
        (rows_drawn,) = one.to_dict()["datasets"].values()
        assert "drip-flows sync --resource email_metrics" in rows_drawn[0]["text"]


@given(st.integers(0, 2_000), st.integers(1, 2_000))
def test_an_interval_holds_the_share_and_narrows_with_the_number(clicks: int, sends: int) -> None:
    clicks = min(clicks, sends)
    low, high = (float(end.iloc[0]) for end in metrics.wilson(pd.Series([clicks]), pd.Series([sends])))
    assert 0 <= low <= clicks / sends + 1e-9
    assert clicks / sends - 1e-9 <= high <= 1
    many_low, many_high = (
        float(end.iloc[0]) for end in metrics.wilson(pd.Series([100 * clicks]), pd.Series([100 * sends]))
    )
    assert many_high - many_low < high - low


def test_the_interval_is_wilsons() -> None:
    """Ten of a hundred, by the textbook."""
    low, high = (float(end.iloc[0]) for end in metrics.wilson(pd.Series([10]), pd.Series([100])))
    assert math.isclose(low, 0.05523, abs_tol=1e-4)
    assert math.isclose(high, 0.17437, abs_tol=1e-4)


def test_subject_lines_with_few_sends_are_not_ranked() -> None:
    subjects = ["best", "good", "poor", "worst", "lucky"]
    sent = pd.DataFrame({"subject": subjects, "sends": [1_000] * 4 + [10], "clicks": [90, 60, 30, 10, 9]})
    sent = sent.astype({"subject": "string", "sends": "Int64", "clicks": "Int64"})
    sent = sent.assign(**{name: pd.array([0] * 5, "Int64") for name in metrics.COUNTS if name not in sent})
    ranked = metrics.subject_lines(sent, 100, most=1)
    assert list(zip(ranked["rank"], ranked["subject"], strict=True)) == [("best", "best"), ("worst", "worst")]
    assert ((ranked["low"] < ranked["click_rate"]) & (ranked["click_rate"] < ranked["high"])).all()
