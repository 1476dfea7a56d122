"""The numbers in a report are correct: totals, changes since the last sync, and durations from the start."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pytest

from flows.cli import commands as terminal
from flows.common.events import ListRead, ListsPlanned, PageLanded
from flows.common.list_key import ListKey
from flows.orchestration.artifacts import LISTS_KEY, SUMMARY_KEY
from flows.orchestration.progress_artifact import Progress
from flows.pipeline.report import SyncReport
from flows.pipeline.sync_log import LATEST, per_list
from flows.reporting.summary import facts
from flows.sandbox import World
from flows.source.endpoints import ACCOUNTS
from tests.conftest import Warehouse
from tests.pipeline.conftest import GONE
from tests.prefect_runs import artifacts, newest_run

FIRST, SECOND = "1000001", "1000002"
RESOURCES = ["subscribers", "tags"]


@pytest.fixture
def sync(sync_flow: Any) -> Any:
    """The flow, because these tests are about Prefect."""
    return sync_flow


def held(warehouse: Warehouse) -> int:
    """The number of rows in the tables that these tests sync."""
    return sum(warehouse.value(f"SELECT count(*) FROM {table}") for table in RESOURCES)


def changed(report: SyncReport) -> str:
    return facts(report)["Changed"]


def test_an_incremental_sync(
    sync: Any, plain_sync: Any, warehouse: Warehouse, world: World, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    plain_sync(resources=RESOURCES)
    world.account(FIRST).arrive(3)
    report = sync(resources=RESOURCES, mode="incremental")
    assert report.summary().startswith(f"{held(warehouse)} rows of 2 accounts ")
    assert changed(report) == "+3 subscribers since the last sync"

    monkeypatch.setenv("COLUMNS", "200")
    capsys.readouterr()
    terminal.show_result(report, terminal.Shown(every_list=True))
    _, _, of_the_account = capsys.readouterr().out.partition(f"{FIRST} (")
    row = next(line for line in of_the_account.splitlines() if line.startswith("subscribers"))
    assert row.split()[3:5] == ["133", "+3"]

    left = artifacts(newest_run())
    assert f"{held(warehouse)} rows of 2 accounts" in str(left[SUMMARY_KEY].data)
    assert "| 153 | +3 |" in str(left[SUMMARY_KEY].data)
    numbers = [(row["rows now"], row["change"]) for row in json.loads(str(left[LISTS_KEY].data))]
    assert (133, 3) in numbers

    world.account(SECOND).arrive(2)
    world.account(FIRST).records["tags"].add("Fresh")
    report = plain_sync(resources=RESOURCES, mode="incremental")
    assert changed(report) == "+2 subscribers, +1 tags since the last sync"
    assert report.summary().startswith(f"{held(warehouse)} rows of 2 accounts ")


def test_a_list_that_did_not_arrive_and_a_part_of_the_accounts(
    plain_sync: Any, warehouse: Warehouse, world: World
) -> None:
    plain_sync(resources=RESOURCES)
    world.faults = [GONE]
    report = plain_sync(resources=RESOURCES)
    assert report.exit_code == 1
    assert report.summary().startswith(f"{held(warehouse)} rows of 2 accounts "), "rows of the failed list were deleted"
    world.faults = None
    world.account(FIRST).records["tags"].add("Fresh")
    report = plain_sync(resources=RESOURCES)
    assert changed(report) == "+1 tags since the last sync"
    assert report.summary().startswith(f"{held(warehouse)} rows of 2 accounts ")

    report = plain_sync(resources=["tags"], accounts=[SECOND])
    assert changed(report) == "no row counts since the last sync"
    tags = len(world.account(SECOND).records["tags"])
    assert report.summary().startswith(f"{tags} rows of 1 account (1 list) in ")


HOLD = """
import sys, time, duckdb
with duckdb.connect(sys.argv[1]):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
HELD_SECONDS = 1.5


@contextmanager
def held_elsewhere(warehouse: Warehouse) -> Iterator[None]:
    """Keep the database open in another process for a while."""
    words = [sys.executable, "-c", HOLD, str(warehouse.path), str(HELD_SECONDS)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield


def seconds(took: str) -> list[float]:
    return [float(number) for number in re.findall(r"([\d.]+) s\b", took)]


def test_runs_that_wait_for_the_database(
    sync: Any,
    plain_sync: Any,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__LOCK_WAIT", "30")
    before = plain_sync(resources=["tags"])
    with held_elsewhere(warehouse):
        report = sync(resources=["tags"])
    whole, waited, work, last = seconds(facts(report)["Duration"])
    assert round(report.seconds, 1) == whole >= waited >= HELD_SECONDS - 0.5
    assert work == pytest.approx(whole - waited, abs=0.11)
    assert last == pytest.approx((before.finished - before.started).total_seconds(), abs=0.06)
    assert f"{whole:.1f} s" in report.summary()

    capsys.readouterr()
    with held_elsewhere(warehouse):
        assert terminal.run_sync(None, ["tags"], "duckdb", "drip") == 0
    (took,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("Duration: "))
    assert "before it could start" in took
    assert seconds(took)[0] >= seconds(took)[1] >= HELD_SECONDS - 0.5


def read(lists: Sequence[ListKey], planned: int, accounts: Sequence[str] = ("",)) -> str:
    """The progress messages after the accounts, and after all planned lists, have been read."""
    progress = Progress()
    for connection in accounts:
        progress.on(PageLanded(ListKey(connection, ACCOUNTS.resource, None), 2, None))
    progress.on(ListsPlanned(planned, 2))
    for key in lists:
        progress.on(PageLanded(key, 10, 10))
        progress.on(ListRead(key, False))
    return progress.sentence()


def test_progress_counts_the_lists_that_it_has_planned() -> None:
    tags = [ListKey("", "tags", FIRST), ListKey("", "tags", SECOND)]
    assert read(tags, 2) == "2 of 2 lists read, 20 rows"
    assert read(tags[:1], 2) == "1 of 2 lists read, 10 rows"
    both = [ListKey("acme", "tags", FIRST), ListKey("zenith", "users", None)]
    assert read(both, 2, ["acme", "zenith"]) == "2 of 2 lists read, 20 rows"


@pytest.mark.parametrize("has_totals", [True, False])
def test_the_last_number_of_a_list_is_that_of_its_last_sync(has_totals: bool) -> None:
    rows = [
        ("1", 1, "full", FIRST, "subscribers", 100, 100),
        ("2", 2, "incremental", FIRST, "subscribers", 5, 103),
        ("1", 1, "full", None, "users", 1, 1),
        ("2", 2, "full", None, "users", None, None),
        ("1", 1, "incremental", SECOND, "subscribers", 5, None),
    ]
    with duckdb.connect() as con:
        con.execute("CREATE TABLE s (run TEXT, finished INT, mode TEXT, account TEXT, resource TEXT, loaded_rows INT)")
        con.execute("ALTER TABLE s ADD COLUMN total_rows INT")
        con.executemany("INSERT INTO s VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        if not has_totals:
            con.execute("ALTER TABLE s DROP COLUMN total_rows")
        found = con.execute(per_list(LATEST, "s", has_connections=False, has_totals=has_totals)).fetchall()
    subscribers = 103 if has_totals else 100
    assert sorted(found, key=str) == [(None, FIRST, "subscribers", subscribers), (None, None, "users", 1)]
