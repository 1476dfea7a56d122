"""The performance of each email on each day: within the few requests that the endpoint grants, and adding up."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dlt
import pytest

from flows.reporting.summary import facts
from flows.sandbox import Server, World, serve
from flows.sandbox.generator.steps import emails
from flows.sandbox.messages import Call
from flows.sandbox.metrics import Email, report
from flows.source import drip_source
from flows.source.email_records import COUNTS
from tests.conftest import Warehouse

ACCOUNT = "1000001"
PATH = f"/v2/{ACCOUNT}/metrics/email"
ALL = ", ".join(f"sum({name})" for name in COUNTS)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TODAY = NOON.date()
HOUR = 3_600.0
NOT_READY = {"kind": "status", "status": 503, "code": "unavailable_error"}


@pytest.fixture
def world() -> World:
    return World(seed=7, sizes={ACCOUNT: 400}, as_of=NOON)


@pytest.fixture
def metrics(sync: Any, server: Server, world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sync the metrics alone, of so many days, within a limit that the API and the settings agree on."""

    def run(days: int, limit: int = 1_000, refresh_days: int = 14, rate_window: float = HOUR) -> Any:
        configure(monkeypatch, world, days, limit, refresh_days, rate_window)
        return sync(resources=["email_metrics"])

    return run


def configure(
    monkeypatch: pytest.MonkeyPatch, world: World, days: int, limit: int, refresh_days: int, window: float
) -> None:
    names = {"DAYS": days, "RATE_LIMIT": limit, "REFRESH_DAYS": refresh_days, "RATE_WINDOW": window}
    for name, value in names.items():
        monkeypatch.setenv(f"SOURCES__DRIP__EMAIL_METRICS_{name}", str(value))
    world.metrics.limit, world.metrics.window = limit, window


@pytest.fixture
def pass_an_hour(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the clocks that count requests, ours and the API's, jump."""
    passed = [0.0]
    monkeypatch.setattr("flows.source.endpoint_limit.now", lambda: time.time() + passed[0])
    monkeypatch.setattr(world.metrics, "clock", lambda: time.monotonic() + passed[0])

    def jump() -> None:
        passed[0] += HOUR + 1

    return jump


def asked(server: Server, *, placing: bool = False) -> list[date]:
    """The days that all emails were asked for of, in order; or the first days of ranges in which emails were placed."""
    queries = [one.query for one in server.log if one.path == PATH]
    return [
        date.fromisoformat(query["start_date"])
        for query in queries
        if (query["start_date"] != query["end_date"]) == placing
    ]


def statuses(server: Server) -> Counter[Any]:
    return Counter(one.status for one in server.log if one.path == PATH)


def by_the_api(world: World, days: int) -> dict[date, list[Any]]:
    """What the API has on each day, for days that it has anything on: the counts of each email, and of all."""
    limit, cap = world.metrics.limit, world.metrics.cap
    world.metrics.limit, world.metrics.cap = 10**6, None
    world.metrics._budgets.clear()
    found = {}
    for day in (TODAY - timedelta(days=age) for age in range(days)):
        query = {"start_date": str(day), "end_date": str(day)}
        call = Call("GET", PATH, query, account_id=ACCOUNT)
        answer = report(world.account(ACCOUNT), world.now(), world.user["time_zone"], world.metrics, call)
        if answer["emails"]:
            found[day] = [answer["summary"], answer["emails"]]
    world.metrics.limit, world.metrics.cap = limit, cap
    world.metrics._budgets.clear()
    return found


def summaries(world: World, days: int) -> dict[date, tuple[int, ...]]:
    return {day: tuple(all_of[name] for name in COUNTS) for day, (all_of, _) in by_the_api(world, days).items()}


def loaded(warehouse: Warehouse) -> dict[date, tuple[int, ...]]:
    """What the rows of each day add up to."""
    rows = warehouse.rows(f"SELECT date, {ALL} FROM email_metrics GROUP BY date")
    return {day: tuple(map(int, values)) for day, *values in rows}


def line_of(result: Any) -> Any:
    (line,) = result.lists
    return line


def twelve_a_day(world: World, days: int) -> list[Email]:
    """Twelve emails of workflows that are sent every day."""
    account = world.account(ACCOUNT)
    since = TODAY - timedelta(days=days + 50)
    steps = [
        (one["id"], *step) for one in account.records["workflows"].all() for step in emails(account.book, one["id"])
    ]
    assert len(steps) >= 12
    return [
        Email(number, title, since, None, daily=500, workflow_id=workflow, node_id=node)
        for workflow, node, number, title in steps[:12]
    ]


def test_every_day_adds_up_to_the_summary_of_the_api(
    metrics: Any, server: Server, warehouse: Warehouse, world: World
) -> None:
    line = line_of(metrics(days=15))
    assert (line.complete, line.note, line.mode) == (True, "", "incremental")
    assert asked(server) == [TODAY - timedelta(days=age) for age in range(15)]
    assert loaded(warehouse) == summaries(world, 15)
    assert line.landed == line.loaded == line.total == warehouse.value("SELECT count(*) FROM email_metrics") > 100
    keys = "SELECT count(*) FROM (SELECT DISTINCT account_id, date, email_id FROM email_metrics) AS keys"
    assert warehouse.value(keys) == line.total
    (synced,) = warehouse.rows(
        "SELECT api_rows, landed_rows, loaded_rows, complete FROM _syncs WHERE account IS NOT NULL"
    )
    assert synced == (line.total, line.total, line.total, True)
    types = warehouse.columns("email_metrics")
    assert {types[name] for name in COUNTS} == {"BIGINT"}
    assert {types[name] for name in ("open_rate", "order_rate")} == {"DOUBLE"}
    assert [types[name] for name in ("date", "email_id", "broadcast_id")] == ["DATE", "VARCHAR", "VARCHAR"]


def test_a_fresh_account_is_backfilled_in_the_fewest_requests(
    metrics: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch,
    pass_an_hour: Callable[[], None],
) -> None:  # fmt: skip
    days, limit, note = 10, 5, "nothing read yet"
    every = twelve_a_day(world, days)
    monkeypatch.setattr(world.account(ACCOUNT), "emails", lambda zone: every)
    per_run: list[int] = []
    while note:
        server.log.clear()
        result = metrics(days=days, limit=limit)
        assert result.exit_code == 0
        note = line_of(result).note
        per_run.append(sum(statuses(server).values()))
        assert set(statuses(server)) <= {200}
        if len(per_run) == 1:
            assert "read back to 2026-05-29" in note  # today, three days before, and a request that places emails
            assert "6 more days to ask for, in 2 more runs of 5 requests" in facts(result)["Still to come"]
            metrics(days=days, limit=limit)  # uses what is left: nothing
            assert sum(statuses(server).values()) == limit
        pass_an_hour()
    assert sum(per_run) == days + 1, "one request a day, and one that places all emails"
    assert per_run == [limit] * 2 + [1]
    assert loaded(warehouse) == summaries(world, days)
    assert warehouse.value("SELECT count(*) FROM email_metrics WHERE node_id IS NULL") == 0


def test_a_killed_run_pays_for_no_day_twice(
    metrics: Any, warehouse: Warehouse, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, world, days=12, limit=30, refresh_days=14, window=HOUR)
    with serve(world, latency=0.05) as server:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        words = [str(Path(sys.executable).with_name("drip-flows")), "sync", "--resource", "email_metrics"]
        environment = os.environ | {"PREFECT_API_URL": ""}
        with subprocess.Popen(
            words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as run:
            while len(asked(server)) < 4 and run.poll() is None:
                time.sleep(0.005)
            run.kill()
            output, _ = run.communicate(timeout=120)
        assert run.returncode == -signal.SIGKILL, output
        assert len(asked(server)) < 12
        monkeypatch.setenv("SOURCES__DRIP__LOCK_WAIT", "30")
        assert metrics(days=12, limit=30).exit_code == 0
        assert set(statuses(server)) == {200}
        times = Counter(asked(server))
        assert set(times) == {TODAY - timedelta(days=age) for age in range(12)}
        assert sum(times.values()) <= 12 + 1, "but for the request that was under way when it was killed"
        assert loaded(warehouse) == summaries(world, 12)


def test_recent_days_are_read_again_the_next_day_and_older_ones_are_not(
    metrics: Any, server: Server, warehouse: Warehouse, world: World
) -> None:
    metrics(days=10, refresh_days=3)
    before = loaded(warehouse)
    assert_emails_are_in_their_steps(warehouse, world)
    assert len(asked(server, placing=True)) == 1
    server.log.clear()
    world.move_to(NOON + timedelta(hours=6))
    assert line_of(metrics(days=10, refresh_days=3)).complete
    assert asked(server) == [], "at most once a day"
    world.move_to(NOON + timedelta(days=1))
    metrics(days=10, refresh_days=3)
    assert asked(server) == [TODAY + timedelta(days=1), TODAY, TODAY - timedelta(days=1)]
    assert not asked(server, placing=True), "no email is new"
    after = loaded(warehouse)
    assert after[TODAY] != before[TODAY], "the day whose numbers moved"
    assert after[TODAY] == summaries(world, 10)[TODAY]
    server.log.clear()
    world.move_to(NOON + timedelta(days=30))
    metrics(days=10, refresh_days=3)
    assert asked(server) == [TODAY + timedelta(days=30 - age) for age in range(10)]


def assert_emails_are_in_their_steps(warehouse: Warehouse, world: World) -> None:
    expected = {str(one.id): (one.workflow_id, one.node_id) for one in world.account(ACCOUNT).emails(zone(world))}
    rows = warehouse.rows("SELECT email_id, coalesce(workflow_id, ''), coalesce(node_id, '') FROM email_metrics")
    assert {email: (workflow, node) for email, workflow, node in rows} == {email: expected[email] for email, *_ in rows}
    assert any(workflow for _, workflow, _ in rows)


def test_an_email_that_has_left_a_day_leaves_the_table(
    metrics: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = world.account(ACCOUNT)
    every = twelve_a_day(world, 3)
    monkeypatch.setattr(account, "emails", lambda zone: every)
    metrics(days=3)
    gone = str(every.pop(3).id)
    world.move_to(NOON + timedelta(days=1))
    metrics(days=3)
    days = set(warehouse.column(f"SELECT date FROM email_metrics WHERE email_id = '{gone}'"))
    assert days == {TODAY - timedelta(days=2)}, "the one day that is out of the window is left as it was"


def test_a_capped_list_is_split_until_every_email_is_there(
    metrics: Any, server: Server, warehouse: Warehouse, world: World
) -> None:
    world.metrics.cap, world.metrics.most_emails, days = 4, 3, 4
    line = line_of(metrics(days=days))
    assert line.complete
    assert loaded(warehouse) == summaries(world, days)
    assert 400 in statuses(server), "a filter that comes to too many emails"
    of_the_api = by_the_api(world, days)
    assert max(len(listed) for _, listed in of_the_api.values()) > 8
    every = world.account(ACCOUNT).emails(zone(world))
    sizes = Counter(one.workflow_id for one in every)
    few = {name for name, number in sizes.items() if name and number <= world.metrics.most_emails}
    placed = {one.id for one in every if one.broadcast_id or one.workflow_id in few}
    expected = {(day, str(one["email_id"])) for day, (_, listed) in of_the_api.items() for one in listed}
    to_be_found = {row for row in expected if int(row[1]) in placed}
    rows = set(warehouse.rows("SELECT date, email_id FROM email_metrics"))
    assert set() < to_be_found <= rows
    rest = {row for row in rows if row[1] == "other"}
    assert rows - rest <= expected


def test_what_the_api_does_not_list_is_a_row_of_its_own(
    metrics: Any, server: Server, warehouse: Warehouse, world: World
) -> None:
    """The emails of rules and forms come last here: a cap leaves them out, and no filter finds them."""
    account, every = world.account(ACCOUNT), twelve_a_day(world, 5)
    unlisted = [one._replace(workflow_id="", node_id="", id=one.id // 2) for one in every[:2]]
    world.metrics.cap = 4
    account.emails = lambda zone: [*every, *unlisted]  # type: ignore[method-assign]
    line = line_of(metrics(days=5))
    assert line.complete
    assert set(statuses(server)) == {200}
    assert loaded(warehouse) == summaries(world, 5)
    rows = warehouse.rows("SELECT sends, open_rate, title, broadcast_id FROM email_metrics WHERE email_id = 'other'")
    assert len(rows) == 5
    assert all(sends > 0 and (rate, title, broadcast) == (None, None, None) for sends, rate, title, broadcast in rows)
    listed = "SELECT DISTINCT date, email_id FROM email_metrics WHERE email_id <> 'other'"
    days = [TODAY - timedelta(days=age) for age in range(5)]
    assert set(warehouse.rows(listed)) == {(day, str(one.id)) for day in days for one in every}


def test_a_split_that_the_limit_ends_keeps_the_sums_and_is_finished_later(
    metrics: Any, server: Server, warehouse: Warehouse, world: World, pass_an_hour: Callable[[], None]
) -> None:
    world.metrics.cap = 2
    result = metrics(days=2, limit=4)
    assert "could not be told apart yet" in line_of(result).note
    assert set(statuses(server)) == {200}
    assert loaded(warehouse).items() <= summaries(world, 2).items()
    pass_an_hour()
    world.move_to(NOON + timedelta(days=1))
    assert line_of(metrics(days=3, refresh_days=1)).note == ""
    assert loaded(warehouse)[TODAY] == summaries(world, 2)[TODAY]
    assert warehouse.value("SELECT count(*) FROM _email_metrics_days WHERE NOT listed") == 0


def test_a_day_that_is_not_ready_is_left_for_the_next_run_which_waits_for_what_passes(
    metrics: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run finds a report that is not ready twice, and is refused once: the rest fits after the wait."""
    monkeypatch.setenv("SOURCES__DRIP__MAX_RETRIES", "1")
    world.faults = [fault(4, 2, NOT_READY)]
    result = metrics(days=6, limit=20)
    assert result.exit_code == 0
    left = TODAY - timedelta(days=4)
    assert line_of(result).note == f"not ready, left for the next run: {left}"
    assert set(loaded(warehouse)) == {TODAY - timedelta(days=age) for age in range(6)} - {left}

    server.log.clear()
    monkeypatch.setenv("SOURCES__DRIP__MAX_RETRIES", "3")
    monkeypatch.setenv("SOURCES__DRIP__MAX_WAIT", "5")
    refusal = {"kind": "status", "status": 429, "code": "rate_limit_exceeded", "retry_after": 1}
    world.faults = [fault(0, 2, NOT_READY), fault(3, 1, refusal)]
    assert line_of(metrics(days=8, limit=20)).note == ""
    older = [TODAY - timedelta(days=age) for age in (6, 7)]
    assert asked(server) == [left, left, left, older[0], older[0], older[1]]
    assert statuses(server) == {200: 3, 503: 2, 429: 1}
    assert loaded(warehouse) == summaries(world, 8)


def fault(after: int, times: int, action: dict[str, Any]) -> dict[str, Any]:
    return {"match": {"resource": "email_metrics"}, "when": {"after": after, "times": times}, "action": action}


def test_a_refusal_ends_the_run_and_keeps_others_from_asking(
    metrics: Any, server: Server, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has used up the requests of the account."""
    monkeypatch.setenv("SOURCES__DRIP__MAX_WAIT", "60")
    world.metrics.take(ACCOUNT)
    world.metrics._budgets[ACCOUNT].limit = 4
    result = metrics(days=9, limit=8)
    assert result.exit_code == 0
    assert statuses(server) == {200: 3, 429: 1}
    assert "read back to" in line_of(result).note
    metrics(days=9, limit=8)
    assert statuses(server) == {200: 3, 429: 1}
    assert loaded(warehouse).items() <= summaries(world, 9).items()


def zone(world: World) -> ZoneInfo:
    return ZoneInfo(world.user["time_zone"])


def test_a_setting_makes_it_part_of_every_sync(
    sync: Any, server: Server, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__OPTIONAL_RESOURCES", "email_metrics,segments")
    monkeypatch.setenv("SOURCES__DRIP__EMAIL_METRICS_DAYS", "2")
    resources = {line.resource for line in sync(history=False).lists}
    assert {"email_metrics", "segments", "subscribers"} <= resources
    assert len(asked(server)) == 2


def test_the_source_alone_goes_on_where_it_was(
    server: Server, warehouse: Warehouse, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    pass_an_hour: Callable[[], None],
) -> None:  # fmt: skip
    monkeypatch.setenv("SOURCES__DRIP__LANDING", str(tmp_path / "landing"))
    configure(monkeypatch, world, days=4, limit=3, refresh_days=14, window=HOUR)
    destination = dlt.destinations.duckdb(str(warehouse.path))
    for _ in range(2):
        pipeline = dlt.pipeline("x", destination=destination, dataset_name="drip", pipelines_dir=str(tmp_path / "dlt"))
        pipeline.run(drip_source(resources=["email_metrics"]))
        pass_an_hour()
    assert asked(server) == [TODAY - timedelta(days=age) for age in range(4)]
    assert loaded(warehouse) == summaries(world, 4)
