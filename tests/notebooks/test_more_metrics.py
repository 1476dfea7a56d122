"""For any table, shares add up to one, cohorts never grow, and totals match the table."""

from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import metrics

some = settings(max_examples=15)  # an example takes pandas 40 ms
ACCOUNT = st.sampled_from(["1", "2", "33"])
TEXT = st.one_of(st.none(), st.sampled_from(["a", "b", "Ünïcode 😀"]))
MOMENT = st.one_of(st.none(), st.datetimes(datetime(2020, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)))
NUMBER = st.one_of(st.none(), st.integers(-5, 400_000))
STATUS = st.one_of(st.none(), st.sampled_from(["active", "unsubscribed", "held"]))
URL = st.one_of(st.none(), st.sampled_from(["https://www.a.example/x", "http://B.example", "no url", ""]))
PEOPLE = st.lists(st.tuples(ACCOUNT, STATUS, MOMENT, TEXT, URL, NUMBER, NUMBER), max_size=40)
COLUMNS = ["account_id", "status", "created_at", "time_zone", "original_referrer", "lead_score", "lifetime_value"]
TYPES = dict.fromkeys(COLUMNS, "string") | {"created_at": "datetime64[us, UTC]"}
TYPES |= {"lead_score": "Int64", "lifetime_value": "Int64"}
CARRIED = st.sets(st.tuples(ACCOUNT, st.sampled_from("pqrs"), st.sampled_from("tuvw")), max_size=40)


def people_of(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).astype(TYPES)


@some
@given(PEOPLE)
def test_shares_add_to_one_and_people_to_all(rows: list[tuple]) -> None:
    people = people_of(rows)
    for name in ("sources", "time_zones", "lead_scores", "lifetime_values", "status_mix"):
        counted = getattr(metrics, name)(people)
        assert counted["people"].sum() == len(people), name
        for account, part in counted.groupby("account_id"):
            assert part["share"].sum() == pytest.approx(1), name
            assert part["people"].sum() == (people["account_id"] == account).sum(), name


@some
@given(PEOPLE)
def test_bands_hold_what_they_say(rows: list[tuple]) -> None:
    bands = metrics.lifetime_values(people_of(rows)).groupby("band")["people"].sum()
    values = [row[6] for row in rows]
    assert bands.get("no purchases", 0) == sum(value is None for value in values)
    assert bands.get("under 50", 0) == sum(value is not None and value < 5_000 for value in values)
    assert bands.get("50 to 100", 0) == sum(value is not None and 5_000 <= value < 10_000 for value in values)
    assert bands.get("2,500 and more", 0) == sum(value is not None and value >= 250_000 for value in values)


@some
@given(PEOPLE)
def test_cohorts_never_grow_and_hold_everybody_once(rows: list[tuple]) -> None:
    cohorts = metrics.cohorts(people_of(rows))
    assert (cohorts["active"] <= cohorts["joined"]).all()
    assert cohorts["share"].between(0, 1).all()
    assert cohorts["joined"].sum() == sum(row[2] is not None for row in rows)
    assert cohorts["active"].sum() == sum(row[2] is not None and row[1] == "active" for row in rows)
    left = [(row[0], "unsubscribed", *row[2:]) for row in rows]
    assert metrics.cohorts(people_of(left))["active"].sum() == 0


@some
@given(CARRIED)
def test_tags_are_counted_and_paired(carried: set[tuple[str, str, str]]) -> None:
    frame = pd.DataFrame(sorted(carried), columns=["account_id", "subscriber_id", "tag"], dtype="string")
    assert metrics.tag_sizes(frame)["people"].sum() == len(carried)
    for row in metrics.tag_overlap(frame).itertuples():
        one = {person[:2] for person in carried if person[2] == row.tag}
        other = {person[:2] for person in carried if person[2] == row.other}
        assert row.people == len(one & other) > 0
        assert row.share == pytest.approx(len(one & other) / len(one))


@some
@given(st.lists(st.tuples(STATUS, MOMENT, MOMENT), max_size=40))
def test_broadcasts_are_counted_once(rows: list[tuple]) -> None:
    frame = pd.DataFrame(rows, columns=["status", "send_at", "created_at"])
    frame = frame.astype({"status": "string", "send_at": "datetime64[us, UTC]", "created_at": "datetime64[us, UTC]"})
    sent = frame.assign(status=frame["status"].replace("active", "sent"))
    calendar = metrics.calendar(sent)
    assert calendar["broadcasts"].sum() == sum(status == "active" and at is not None for status, at, _ in rows)
    assert calendar["hour"].between(0, 23).all()
    assert metrics.broadcast_fates(frame)["broadcasts"].sum() == sum(row[2] is not None for row in rows)


@some
@given(st.lists(st.tuples(ACCOUNT, st.integers(1, 4), NUMBER.filter(lambda n: n is None or n >= 0)), max_size=20))
def test_table_growth_ends_with_the_newest_counts(rows: list[tuple]) -> None:
    """An account that a sync did not include keeps its last count."""
    newest: dict[str, int] = {}
    for account, _, count in sorted(rows, key=lambda row: row[1]):
        newest |= {} if count is None else {account: count}
    syncs = pd.DataFrame(sorted(rows, key=lambda row: row[1]), columns=["account", "day", "loaded_rows"])
    syncs = syncs.assign(
        resource="tags", mode="full", finished=pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(syncs["day"], "D")
    )
    growth = metrics.table_growth(syncs.astype({"account": "string", "loaded_rows": "Int64"}))
    assert list(growth["finished"]) == sorted(growth["finished"])
    assert (growth["rows"].iloc[-1] if len(growth) else 0) == sum(newest.values())


def test_no_history_is_none() -> None:
    assert metrics.movements(None) is metrics.tag_movements(None) is metrics.series_over_time(None) is None
