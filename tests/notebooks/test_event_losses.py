"""Missing webhook events in notebook 01: the losses of each account, and their chart."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from flows.charts import events as charts
from flows.metrics import events as metrics
from flows.metrics import name_accounts
from flows.pipeline.event_loss import AuditedInterval

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
AUDIT = [
    AuditedInterval("1", NOON, NOON, changes=100, missing_events=0),
    AuditedInterval("2", NOON, NOON, changes=60, missing_events=3, unconfirmed_events=1, first_missing_hour=NOON),
    AuditedInterval("2", NOON, NOON, changes=40, missing_events=2, first_missing_hour=NOON.replace(hour=14)),
    AuditedInterval("3", NOON, NOON),
]


@pytest.fixture
def losses() -> pd.DataFrame:
    """The losses of each account."""
    rows = [{name: getattr(one, name) for name in AuditedInterval.__struct_fields__} for one in AUDIT]
    return metrics.event_losses(pd.DataFrame(rows))


def test_the_loss_of_each_account(losses: pd.DataFrame) -> None:
    assert losses["account_id"].tolist() == ["2", "1"], "an account without changes, or not the greatest loss first"
    worst = losses.iloc[0]
    assert (worst["intervals"], worst["changes"], worst["missing_events"], worst["unconfirmed_events"]) == (
        2,
        100,
        5,
        1,
    )
    assert worst["first_missing_hour"] == NOON
    assert worst["loss"] == 0.05
    assert worst["low"] < 0.05 < worst["high"] < losses.iloc[1]["high"] + 0.1
    assert pd.isna(losses.iloc[1]["first_missing_hour"])


def test_the_chart(losses: pd.DataFrame) -> None:
    accounts = pd.DataFrame({"id": ["1", "2"], "name": ["Shop", "Blog"]})
    spec = charts.event_losses(name_accounts(losses, accounts)).to_dict()
    assert spec["title"] == {"text": charts.TITLE, "subtitle": "No event for 5 of 200 changes in the history"}
    (rows,) = spec["datasets"].values()
    assert [row["account"] for row in rows] == ["Blog (2)", "Shop (1)"]
    for nothing in (None, losses.iloc[:0]):
        (rows,) = charts.event_losses(nothing).to_dict()["datasets"].values()
        assert "docs/webhooks.md" in rows[0]["text"]
