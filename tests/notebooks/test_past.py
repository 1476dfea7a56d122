"""Reading with names, conditions and parameters; the dataset at other moments; a person; churn and net growth."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from flows import metrics
from flows.dataset import DatasetError, as_of, changed_for, diff, load, moments, person, query
from flows.sandbox import World, serve

FIRST, SECOND = "1000001", "1000002"
GONE, CHANGED, OTHER = 0, 1, 2
"""Places of people in the first account: who leaves, who changes, who is as before."""


@pytest.fixture(scope="module")
def two_syncs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A database after two syncs with known differences, the moments of both, the people before."""
    from flows.pipeline.sync import sync

    folder, world = tmp_path_factory.mktemp("past"), World(sizes={FIRST: 30, SECOND: 5})
    people = world.account(FIRST).records["subscribers"]
    with serve(world) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        patch.setenv("SOURCES__DRIP__API_KEY", world.api_key)
        patch.setenv("SOURCES__DRIP__LANDING", str(folder / "landing"))
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "past.duckdb"))
        # Active people first: they are those who leave and change.
        before = sorted((dict(one) for one in people.all()), key=lambda one: one["status"] != "active")
        first = sync(resources=["accounts", "subscribers"])
        people.update(before[CHANGED]["id"], email="new@example.com", status="unsubscribed")
        people.delete([before[GONE]["id"]])
        (arrived,) = world.account(SECOND).arrive(1)
        second = sync(resources=["accounts", "subscribers"])
        assert (first.exit_code, second.exit_code) == (0, 0)
        yield {
            "path": folder / "past.duckdb",
            "before": before,
            "arrived": arrived["id"],
            "first": first.started,
            "second": second.started,
            "names": {account["id"]: account["name"] for account in world.accounts},
        }


@pytest.fixture
def past(two_syncs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(two_syncs["path"]))
    return two_syncs


def test_accounts_by_name_or_id(past: dict[str, Any]) -> None:
    name = past["names"][SECOND]
    assert len(load("subscribers", name)) == len(load("subscribers", name.upper())) == len(load("subscribers", SECOND))
    assert set(load("subscribers", [name, FIRST])["account_id"]) == {FIRST, SECOND}
    for wrong, near in ((f"{name}s", name), ("1000003", "100000")):
        with pytest.raises(DatasetError, match=f"unknown account .*did you mean '{near}"):
            load("subscribers", wrong)


def test_conditions_columns_and_limits(past: dict[str, Any]) -> None:
    frame = load("subscribers", FIRST, where="status = $status", params={"status": "unsubscribed"}, columns=["email"])
    assert list(frame) == ["email"]
    assert "new@example.com" in set(frame["email"])
    assert len(load("subscribers", limit=3)) == 3
    assert load("subscribers", limit=0).empty
    assert "_row_hash" not in load("subscribers", where="true")
    with pytest.raises(DatasetError, match="stat"):
        load("subscribers", where="stat = 1")


def test_named_parameters(past: dict[str, Any]) -> None:
    sql = "SELECT count(*) AS n FROM subscribers WHERE account_id = $account AND email LIKE '%@%'"
    assert query(sql, {"account": FIRST})["n"][0] == 29
    with pytest.raises(DatasetError, match="account"):
        query(sql)


def test_a_table_as_of_a_moment(past: dict[str, Any]) -> None:
    before, now = as_of("subscribers", past["first"]), as_of("subscribers", past["second"])
    assert set(before[before["account_id"] == FIRST]["id"]) == {one["id"] for one in past["before"]}
    assert list(now) == list(load("subscribers"))
    assert set(now["id"]) == set(load("subscribers")["id"])
    changed = past["before"][CHANGED]
    emails = as_of("subscribers", past["first"], FIRST, columns=["id", "email"]).set_index("id")["email"]
    assert emails[changed["id"]] == changed["email"]
    with pytest.raises(DatasetError, match=r"subscribers_history begins at .* UTC, after 2020-01-01"):
        as_of("subscribers", "2020-01-01")


def test_tables_without_history_name_the_setting(past: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match="history of campaigns is not kept: name it in SOURCES__DRIP__HISTORY"):
        as_of("campaigns", past["first"])
    with pytest.raises(DatasetError, match="tags has no history; histories that are kept: subscribers"):
        as_of("tags", past["first"])


def test_what_differs_between_two_moments(past: dict[str, Any]) -> None:
    found = diff("subscribers", past["first"], past["second"])
    people, changed = past["before"], past["before"][CHANGED]
    assert list(found[found["change"] == "left"]["id"]) == [people[GONE]["id"]]
    assert list(found[found["change"] == "arrived"][["account_id", "id"]].iloc[0]) == [SECOND, past["arrived"]]
    cells = found[found["change"] == "changed"].set_index(["id", "column"])
    assert set(cells.index) == {(changed["id"], "email"), (changed["id"], "status")}
    assert list(cells.loc[(changed["id"], "email"), ["from_value", "to_value"]]) == [
        changed["email"],
        "new@example.com",
    ]
    assert diff("subscribers", past["second"], past["second"]).empty


def test_a_person_by_any_address_or_id(past: dict[str, Any]) -> None:
    changed = past["before"][CHANGED]
    for name in (changed["id"], changed["email"].upper()):
        known = person(name)
        assert list(known["subscribers"]["email"]) == ["new@example.com"]
        assert set(known["subscribers_history"]["email"]) == {changed["email"], "new@example.com"}
        assert "status" in set(known["subscriber_changes"]["change"])
        assert {one for frame in known.values() for one in frame["account_id"]} == {FIRST}
    gone = person(past["before"][GONE]["email"])
    assert set(gone) >= {"subscribers_history", "subscriber_changes"}
    assert "subscribers" not in gone
    with pytest.raises(DatasetError, match="nobody has or had"):
        person("stranger@example.org")


def test_churn_and_net_growth_of_two_syncs(past: dict[str, Any]) -> None:
    before, now = as_of("subscribers", past["first"]), as_of("subscribers", past["second"])
    lost = metrics.churn(before, now).set_index("account_id")
    assert list(lost.loc[FIRST, ["left", "deactivated"]]) == [1, 1]
    assert lost.loc[SECOND, "lost"] == 0
    grown = metrics.net_growth(before, now).set_index("account_id")
    assert grown.loc[SECOND, "net"] == 1
    assert grown.loc[FIRST, "net"] == -2
    inactive = metrics.deactivated(before, now).set_index("id")["status_now"]
    assert set(inactive.index) == {past["before"][place]["id"] for place in (GONE, CHANGED)}
    assert inactive[past["before"][CHANGED]["id"]] == "unsubscribed"
    assert pd.isna(inactive[past["before"][GONE]["id"]])


def frame_of(*people: tuple[str, str, str | None]) -> pd.DataFrame:
    return pd.DataFrame(people, columns=["account_id", "id", "status"]).astype("string")


def test_churn_counts_who_left_and_who_is_no_longer_active() -> None:
    before = frame_of(("1", "a", "active"), ("1", "b", "active"), ("1", "c", "active"), ("1", "d", "unsubscribed"))
    after = frame_of(("1", "a", "active"), ("1", "b", None), ("1", "d", "active"), ("2", "a", "active"))
    (row,) = metrics.churn(before, after).to_dict("records")
    assert row == {
        "account_id": "1",
        "active": 3,
        "left": 1,
        "deactivated": 1,
        "lost": 2,
        "share": pytest.approx(2 / 3),
    }
    grown = metrics.net_growth(before, after).to_dict("records")
    assert [(one["account_id"], one["net"], pd.isna(one["share"])) for one in grown] == [
        ("1", -1, False),
        ("2", 1, True),
    ]
    assert metrics.churn(before.head(0), after).empty


def test_movements_of_tags_keep_the_account() -> None:
    rows = [("1", "tag_added", None, "VIP"), ("2", "tag_added", None, "VIP"), ("2", "tag_removed", "VIP", None)]
    changes = pd.DataFrame(rows, columns=["account_id", "change", "from_value", "to_value"]).astype("string")
    moved = metrics.tag_movements(changes)
    assert moved is not None
    assert list(moved[["account_id", "change", "net"]].itertuples(index=False, name=None)) == [
        ("1", "tag added", 1), ("2", "tag added", 1), ("2", "tag removed", -1)
    ]  # fmt: skip


def test_the_moments_to_compare(past: dict[str, Any]) -> None:
    assert moments() == (past["second"], past["first"], past["first"])


def test_daily_syncs_that_begin_at_other_seconds_are_a_day_apart(
    past: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shutil.copy(past["path"], tmp_path / "daily.duckdb")
    started = "TIMESTAMPTZ '2026-05-20 00:00:09Z' + to_days(n::INTEGER) - to_seconds(n)"
    with duckdb.connect(file) as con:
        con.execute(
            f"CREATE OR REPLACE TABLE drip._syncs AS SELECT 'subscribers' AS resource, {started} AS started "
            "FROM range(9) AS days (n)"
        )
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(file))
    assert [f"{moment:%d %H:%M:%S}" for moment in moments()] == ["28 00:00:01", "27 00:00:02", "21 00:00:08"]


def test_what_changed_for_one_person(past: dict[str, Any]) -> None:
    changed = past["before"][CHANGED]
    found = changed_for("new@example.com")
    assert set(found["subscriber_id"]) == {changed["id"]}
    assert ("active", "unsubscribed") in set(
        found[found["change"] == "status"][["from_value", "to_value"]].itertuples(index=False, name=None)
    )
    assert not changed_for().empty
    untouched = changed_for(past["before"][OTHER]["id"])
    assert untouched.empty
    assert "change" in untouched


def test_growth_of_tags_since_a_moment() -> None:
    rows = [
        ("1", "tag_added", None, "VIP", 1), ("1", "tag_added", None, "VIP", 3), ("1", "tag_removed", "VIP", None, 3),
        ("2", "tag_added", None, "VIP", 3), ("2", "tag_added", None, "VIP", 3), ("2", "status", "a", "b", 3),
    ]  # fmt: skip
    changes = pd.DataFrame(rows, columns=["account_id", "change", "from_value", "to_value", "day"])
    changes = changes.assign(seen_at=pd.Timestamp("2026-05-01", tz="UTC") + pd.to_timedelta(changes["day"], unit="D"))
    grown = metrics.tag_growth(changes, pd.Timestamp("2026-05-03", tz="UTC"))
    assert [tuple(row) for row in grown.itertuples(index=False)] == [("2", "VIP", 2, 0, 2), ("1", "VIP", 1, 1, 0)]
    assert metrics.tag_growth(changes, pd.Timestamp("2026-06-03", tz="UTC")).empty
