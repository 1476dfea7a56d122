"""The audit of events against the history: nothing is found where nothing was lost, and losses are estimated."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.common.clock import clock_set_to
from flows.destinations.target import resolve_target
from flows.pipeline import event_audit
from flows.pipeline.context import ConnectionRun
from flows.pipeline.dlt_pipeline import opened_pipeline, release_pipeline
from flows.pipeline.event_loss import by_account, loss
from flows.reporting.freshness import Limits, check_freshness
from flows.reporting.summary import facts
from flows.sandbox import World
from flows.sandbox.generator.events import happened
from flows.sandbox.generator.timeline import AS_OF
from flows.source.deliveries.registrations import FILE, Registration, keep_registration
from flows.source.deliveries.spool import Spool
from flows.source.landing.storage import folder_at
from flows.source.landing.zone import Landing, part_for
from tests.command import drip_flows
from tests.conftest import Warehouse, both_destinations
from tests.webhooks.audited_days import BEGIN, DAY, Days, audited, keep_syncs, receive, time_of
from tests.webhooks.conftest import ACCOUNT

Audited = tuple[Any, ConnectionRun]
KINDS = {
    "tag removed": "removed_tag",
    "deleted": "deleted",
    "created": "created",
    "address changed": "updated_email_address",
    "unsubscribed": "unsubscribed_all",
}
"""Changes, and the event that tells of each."""


@pytest.fixture
def tables(warehouse: Warehouse, plain_sync: Any, spool_folder: Path, tmp_path: Path) -> Iterator[Audited]:
    """The tables of a sync, as a pipeline and a run; a webhook has been registered since the first day."""
    assert plain_sync(resources=["subscribers"]).exit_code == 0
    spool_folder.mkdir()
    keep_registration(spool_folder, ACCOUNT, Registration("1", "x", "x", BEGIN - timedelta(days=1)))
    target = resolve_target(warehouse.destination, "drip")  # type: ignore[arg-type]
    run = ConnectionRun(target, ("subscribers",), Landing(folder_at(str(tmp_path / "landing")), part_for("test")))
    with opened_pipeline(run) as pipeline:
        pipeline.sync_destination()
        yield pipeline, run
    release_pipeline(run)


@pytest.fixture
def keep_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audit all days again, not only those of the last week."""
    monkeypatch.setattr(event_audit, "DAYS", 60.0)


def delete_events(pipeline: Any, condition: str) -> None:
    with pipeline.sql_client() as client:
        client.execute_sql(f"DELETE FROM {client.make_qualified_table_name('subscriber_events')} WHERE {condition}")


def test_random_days(tables: Audited, keep_days: None) -> None:
    days = Days(seed=11, days=12, people=300, daily=300)
    keep_syncs(*tables, days.syncs)
    receive(*tables, days.happened)
    found = audited(*tables, days.syncs)
    assert len(found) == 12
    assert [(one.missing_events, one.unconfirmed_events, one.first_missing_hour) for one in found] == [
        (0, 0, None)
    ] * 12
    assert min(one.changes for one in found) > 120
    for percent in (1, 5, 20):
        delete_events(tables[0], f"hash(event_id) % 100 < {percent}")
        (one,) = by_account(audited(*tables, days.syncs))
        assert one.loss
        assert abs(one.loss.share - percent / 100) < percent / 500, (percent, one)
        assert one.loss.low < percent / 100 < one.loss.high
        assert one.unconfirmed_events > 0
        assert one.exceeds(percent / 150)
        assert not one.exceeds(percent / 75)


@both_destinations
def test_a_few_days(tables: Audited, keep_days: None, warehouse: Warehouse) -> None:
    pipeline, run = tables
    days = Days(seed=5, days=4, people=60, daily=120)
    keep_syncs(pipeline, run, days.syncs)
    outage = [one for one in days.happened if not 2.25 * DAY <= one.at < 2.5 * DAY]
    receive(pipeline, run, outage)
    found = audited(pipeline, run, days.syncs)
    assert [one.missing_events > 0 for one in found] == [False, False, True, False]
    assert found[2].first_missing_hour == time_of(2.25 * DAY)
    receive(pipeline, run, days.happened)
    found = audited(pipeline, run, days.syncs)
    assert [one.missing_events + one.unconfirmed_events for one in found] == [0, 0, 0, 0], "late events are not missing"
    for kind, event in KINDS.items():
        receive(pipeline, run, [one for one in days.happened if one.name != event])
        missing = [one.missing_kinds for one in audited(pipeline, run, days.syncs)]
        assert all(text.endswith(f" {kind}") and "," not in text for text in missing), (kind, missing)
    columns = "changes, missing_events, loss, loss_low < loss AND loss < loss_high"
    with pipeline.sql_client() as client:
        rows = client.execute_sql(f"SELECT {columns} FROM {client.make_qualified_table_name('_event_audit')}")
    assert [(missing / changes, True) for changes, missing, _, _ in rows] == [row[2:] for row in rows]
    assert len(rows) == 4


def test_what_is_not_audited(
    tables: Audited, spool_folder: Path, warehouse: Warehouse, keep_days: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, run = tables
    days = Days(seed=3, days=3, people=30, daily=40)
    keep_syncs(pipeline, run, days.syncs)
    assert [one.missing_events == one.changes > 20 for one in audited(pipeline, run, days.syncs)] == [True] * 3
    (spool_folder / FILE).unlink()
    assert audited(pipeline, run, days.syncs) == [], "no webhook was registered, and no event received"
    receive(pipeline, run, [one for one in days.happened if one.at > 1.5 * DAY])
    assert [one.missing_events for one in audited(pipeline, run, days.syncs)] == [0], "the second day began without it"
    keep_registration(spool_folder, ACCOUNT, Registration("1", "x", "x", time_of(days.syncs[1].started)))
    assert len(audited(pipeline, run, days.syncs)) == 2
    keep_registration(spool_folder, ACCOUNT, None)
    assert audited(pipeline, run, days.syncs) == [], "an unregistered account was audited for its old events"
    keep_registration(spool_folder, ACCOUNT, Registration("1", "x", "x", time_of(days.syncs[1].started)))
    warehouse_rows = "UPDATE drip._syncs SET {} WHERE run = 'run2'"
    with pipeline.sql_client() as client:
        for column in ("history", "complete"):
            client.execute_sql(warehouse_rows.format(f"{column} = FALSE"))
            (one,) = audited(pipeline, run, days.syncs)
            assert one.interval_start == time_of(days.syncs[1].started), "the interval goes on to the next full sync"
            assert one.missing_events > 0
            client.execute_sql(warehouse_rows.format(f"{column} = TRUE"))


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_what_the_sync_and_the_freshness_check_say(
    sync: Any, warehouse: Warehouse, world: World, spool_folder: Path
) -> None:
    account, days = world.account(ACCOUNT), [AS_OF - timedelta(days=10 * ago) for ago in (2, 1, 0)]

    def synced(day: datetime) -> tuple[str, list[str]]:
        world.move_to(day)
        with clock_set_to(day):
            report = sync(resources=["subscribers"])
            limits = Limits(hours=1e6, shrink=1.0, event_loss=0.02)
            problems = check_freshness(limits, None, ["subscribers"], warehouse.destination).problems  # type: ignore[arg-type]
        return facts(report).get("Webhook audit", ""), [str(problem) for problem in problems]

    def deliver(start: datetime, end: datetime) -> int:
        moments = int(start.timestamp()), int(end.timestamp())
        told = happened(account.book, account.subscribers.people, *moments)
        with closing(Spool(spool_folder)) as spool:
            bodies = [(one.at * 1_000_000, msgspec.json.encode(one.body(ACCOUNT))) for one in told]
            spool.append([(ACCOUNT, at, body) for at, body in bodies])
        return len(told)

    world.move_to(days[0])
    with clock_set_to(days[0] - timedelta(hours=1)):
        words = ("webhooks", "register", "--account", ACCOUNT, "--public-url", "https://x.example.com", "--yes")
        assert drip_flows(*words).exit_code == 0
    assert synced(days[0]) == ("", [])
    assert deliver(days[0], days[1]) > 20
    assert synced(days[1]) == ("no event is missing for 12 changes since 2026-05-12 00:00 UTC", [])
    text, problems = synced(days[2])
    assert "no event for 10 of 10 changes since 2026-05-22 00:00 UTC, an estimated loss of 100.0%" in text
    assert [problem.partition(": ")[::2] for problem in problems] == [
        (f"subscriber_events of {ACCOUNT}", text.partition(": ")[2])
    ]


def test_the_confidence_interval() -> None:
    assert loss(0, 0) is None
    nothing, some = loss(1000, 0), loss(1000, 10)
    assert nothing
    assert some
    assert (nothing.share, nothing.low) == (0.0, 0.0)
    assert nothing.high == pytest.approx(0.00383, abs=1e-5)
    assert (some.low, some.high) == (pytest.approx(0.00544, abs=1e-5), pytest.approx(0.01831, abs=1e-5))
    assert str(some) == "1.0% (95% confidence interval 0.5% to 1.8%)"
