"""The numbers add up for all kinds of subscribers."""

from datetime import UTC, date, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import charts, metrics
from flows.charts.accounts import OTHERS

some = settings(max_examples=15)  # an example takes pandas 40 ms
MOMENT = st.datetimes(datetime(2015, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))
PERSON = st.tuples(
    st.sampled_from(["1", "2", "33"]),
    st.one_of(st.none(), st.sampled_from([*metrics.STATUSES, "held", "Ünïcode 😀"])),
    st.one_of(st.none(), MOMENT),
)
ACCOUNTS = pd.DataFrame({"id": ["1", "2"], "name": ["One", None]}, dtype="string")


def frame_of(people: list[tuple[str, str | None, datetime | None]]) -> pd.DataFrame:
    """A frame with the column types of `flows.dataset.load`."""
    frame = pd.DataFrame(people, columns=["account_id", "status", "created_at"])
    return frame.astype({"account_id": "string", "status": "string", "created_at": "datetime64[us, UTC]"})


@some
@given(st.lists(PERSON, max_size=60))
def test_growth_has_every_month_and_everybody_once(
    people: list[tuple[str, str | None, datetime | None]],
) -> None:
    growth = metrics.audience_growth(frame_of(people))
    dated = [(account, when) for account, _, when in people if when]
    assert growth["arrived"].sum() == len(dated)
    assert metrics.undated(frame_of(people)) == len(people) - len(dated)
    for row in growth.itertuples():
        until = row.month + pd.offsets.MonthBegin()
        arrivals = [when.replace(tzinfo=None) for account, when in dated if account == row.account_id]
        assert row.total == sum(when < until for when in arrivals)
        assert row.arrived == sum(row.month <= when < until for when in arrivals)
    for _, rows in growth.groupby("account_id"):
        expected = pd.date_range(rows["month"].min(), growth["month"].max(), freq="MS")
        assert list(rows["month"]) == list(expected), "it has every month"
        assert rows["arrived"].iloc[0] > 0


@some
@given(st.lists(st.tuples(PERSON, st.none() | MOMENT), max_size=60))
def test_growth_leaves_out_who_was_deleted_by_then(
    people: list[tuple[tuple[str, str | None, datetime | None], datetime | None]],
) -> None:
    everybody = frame_of([person for person, _ in people])
    everybody["deleted_at"] = pd.Series([gone for _, gone in people], dtype="datetime64[us, UTC]")
    lives = [(account, when, max(when, gone) if gone else None) for (account, _, when), gone in people if when]
    for row in metrics.audience_growth(everybody).itertuples():
        until = (row.month + pd.offsets.MonthBegin()).tz_localize("UTC")
        there = [gone for account, when, gone in lives if account == row.account_id and when < until]
        assert row.total == sum(gone is None or gone >= until for gone in there)


@some
@given(st.lists(PERSON, max_size=60))
def test_shares_add_up(people: list[tuple[str, str | None, datetime | None]]) -> None:
    mix = metrics.status_mix(frame_of(people))
    assert mix["people"].sum() == len(people)
    assert set(mix["account_id"]) == {account for account, _, _ in people}
    for account, rows in mix.groupby("account_id"):
        assert rows["share"].sum() == pytest.approx(1)
        assert rows["share"].between(0, 1, inclusive="right").all()
        statuses = [status or metrics.UNKNOWN for other, status, _ in people if other == account]
        assert dict(zip(rows["status"], rows["people"], strict=True)) == {s: statuses.count(s) for s in set(statuses)}


@settings(max_examples=5)
@given(st.lists(PERSON, min_size=1, max_size=20))
def test_charts_show_what_was_counted(people: list[tuple[str, str | None, datetime | None]]) -> None:
    growth = metrics.name_accounts(metrics.audience_growth(frame_of(people)), ACCOUNTS)
    mix = metrics.name_accounts(metrics.status_mix(frame_of(people)), ACCOUNTS)
    assert sum(row["people"] for row in data_of(charts.status_mix(mix).to_dict())) == len(people)
    shown = data_of(charts.audience_growth(growth).to_dict())
    assert sum(row.get("arrived", 0) for row in shown) == sum(when is not None for _, _, when in people)


def test_of_many_accounts_the_largest_have_colours_and_the_title_says_so() -> None:
    when = datetime(2026, 1, 5, tzinfo=UTC)
    people = frame_of([(str(account), "active", when) for account in range(15) for _ in range(account + 1)])
    growth = metrics.name_accounts(metrics.audience_growth(people), ACCOUNTS)
    spec = charts.audience_growth(growth).to_dict()
    assert {row["legend"] for row in data_of(spec)} == {*map(str, range(5, 15)), OTHERS}
    assert {row["account_id"] for row in data_of(spec)} == {*map(str, range(15))}
    assert "10 largest of 15" in spec["title"]["subtitle"]


def test_nobody_is_a_sentence() -> None:
    nobody = frame_of([])
    growth = metrics.name_accounts(metrics.audience_growth(nobody), ACCOUNTS)
    mix = metrics.name_accounts(metrics.status_mix(nobody), ACCOUNTS)
    for chart in (charts.audience_growth(growth), charts.status_mix(mix)):
        assert data_of(chart.to_dict()) == [{"text": charts.NOBODY}]


def test_a_range_of_days_holds_both_its_ends() -> None:
    texts = ["2026-01-01", "2026-01-02 23:59", "2026-01-03", None]
    moments = pd.to_datetime(texts, utc=True, format="ISO8601")
    frame = pd.DataFrame({"at": moments, "day": moments.tz_localize(None)})
    for column in ("at", "day"):
        assert list(metrics.between(frame, column, "2026-01-02", "2026-01-02").index) == [1]
        assert list(metrics.between(frame, column, None, "2026-01-01").index) == [0]
        assert list(metrics.between(frame, column, date(2026, 1, 2), None).index) == [1, 2]
        assert len(metrics.between(frame, column, None, None)) == 4


def test_accounts_have_names() -> None:
    named = metrics.name_accounts(pd.DataFrame({"account_id": ["1", "2", "3"]}, dtype="string"), ACCOUNTS)
    assert list(named["account"]) == ["One (1)", "2", "3"]


def test_the_last_whole_sync_of_each_account() -> None:
    first, second, third = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3))
    syncs = pd.DataFrame(
        [
            ("1", "subscribers", first, "full", True),
            ("1", "subscribers", second, "full", True),
            ("1", "subscribers", third, "full", False),
            ("1", "subscribers", third, "incremental", True),
            ("1", "tags", third, "full", True),
            ("2", "subscribers", first, "full", True),
            ("3", "subscribers", first, "full", None),
        ],
        columns=["account", "resource", "finished", "mode", "complete"],
    ).astype({"complete": "boolean"})
    last = metrics.last_whole_sync(syncs, "subscribers")
    assert list(last.itertuples(index=False, name=None)) == [("2", first), ("1", second)]


def data_of(spec: dict) -> list[dict]:
    """The rows in a chart's specification."""
    (rows,) = spec["datasets"].values()
    return rows
