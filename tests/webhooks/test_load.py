"""From the spool into `subscriber_events`: each event once, with the number of its deliveries, and nothing lost."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.common.errors import DripError, SettingsError
from flows.maintenance.forget import forget
from flows.pipeline.event_batch import EventBatch
from flows.pipeline.events import EventsLoaded
from flows.pipeline.load_errors import LoadFailed
from flows.source.deliveries import spool as spools
from flows.source.deliveries.spool import FILE, Spool, opened
from flows.webhooks import load as webhook_load
from tests.command import assert_plain_error, drip_flows
from tests.conftest import Warehouse, both_destinations
from tests.webhooks.conftest import ACCOUNT, event

Deliver = Callable[..., None]
NOON = 1_777_636_800
"""Of the events, in seconds since 1970."""
DAY = 86_400_000_000
TYPES = {
    "duckdb": {"occurred_at": "TIMESTAMP WITH TIME ZONE", "properties": "JSON", "deliveries": "BIGINT"},
    "postgres": {"occurred_at": "timestamp with time zone", "properties": "jsonb", "deliveries": "bigint"},
}


@pytest.fixture
def deliver(spool_folder: Path) -> Deliver:
    """Put deliveries into the spool, as the receiver does."""
    start = time.time_ns() // 1000 - DAY

    def put(*bodies: Any, account: str = ACCOUNT, days_ago: int = 0) -> None:
        raw = [body if isinstance(body, bytes) else msgspec.json.encode(body) for body in bodies]
        with closing(Spool(spool_folder)) as spool:
            first = start + 1_000_000 * spool.last() - days_ago * DAY
            spool.append([(account, first + 1_000_000 * place, body) for place, body in enumerate(raw)])

    return put


@pytest.fixture
def load(warehouse: Warehouse) -> Callable[[], EventsLoaded]:
    """Load into the warehouse."""
    return lambda: webhook_load.load(warehouse.destination)  # type: ignore[arg-type]


def numbered(count: int) -> Iterator[dict[str, Any]]:
    return (event(person=f"p{number}") for number in range(count))


@both_destinations
def test_an_event_is_one_row_whatever_came_of_it(
    warehouse: Warehouse, deliver: Deliver, load: Callable[[], EventsLoaded]
) -> None:
    first, second = event(person="p1"), event("clicked_email", person="p1")
    deliver(first, second, first)
    assert load() == EventsLoaded(3, 2, 0)
    assert load() == EventsLoaded()
    snapshot = first | {"data": {**first["data"], "subscriber": {"id": "p1", "email": "new@example.com"}}}
    deliver(snapshot, account=ACCOUNT)
    assert load() == EventsLoaded(1, 0, 0)
    rows = warehouse.rows(
        "SELECT account_id, event, subscriber_id, email, deliveries FROM subscriber_events ORDER BY 2"
    )
    assert rows == [
        (ACCOUNT, "subscriber.clicked_email", "p1", "p1@example.com", 1),
        (ACCOUNT, "subscriber.opened_email", "p1", "p1@example.com", 3),
    ]
    opened_email = "FROM subscriber_events WHERE event = 'subscriber.opened_email'"
    spread = warehouse.value(f"SELECT CAST(extract(epoch FROM last_received_at - received_at) AS INT) {opened_email}")
    assert spread == 3
    assert json.loads(warehouse.value(f"SELECT properties {opened_email}")) == first["data"]["properties"]
    assert json.loads(warehouse.value(f"SELECT subscriber {opened_email}"))["tags"] == ["vip"]
    types = warehouse.columns("subscriber_events")
    assert {name: types[name] for name in TYPES[warehouse.destination]} == TYPES[warehouse.destination]
    assert not [name for name in types if name.endswith("__v_json")]


@both_destinations
def test_what_does_not_fit_is_kept_for_as_long_as_is_set(
    warehouse: Warehouse, deliver: Deliver, load: Callable[[], EventsLoaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = event("invented", person=7, version=3, occurred_at="yesterday")
    strange["data"] |= {"properties": {"a\0b": [1.50, 1e3], "": ""}, "more": [None]}
    strange["data"]["subscriber"]["email"] = ["x@example.com"]
    old = event(person="old", occurred_at="1970-01-02T00:00:00Z")
    deliver(event(occurred_at="2026-05-01T14:00:00+02:00", person='q"\n,'), strange, old)
    assert load() == EventsLoaded(3, 3, 0)
    monkeypatch.setenv("SOURCES__DRIP__EVENT_DAYS", "10000")
    assert load() == EventsLoaded()
    when = "CAST(extract(epoch FROM occurred_at) AS BIGINT)"
    plain = warehouse.rows(f"SELECT email, {when} FROM subscriber_events WHERE subscriber_id <> '7'")
    assert plain == [('q"\n,@example.com', NOON)], "the old event was kept"
    columns = "email, email__v_json, occurred_at, occurred_at__v_json, properties, properties__v_json, other_fields"
    (row,) = warehouse.rows(f"SELECT {columns} FROM subscriber_events WHERE subscriber_id = '7'")
    assert (row[0], row[2], row[4]) == (None, None, None)
    assert json.loads(row[1]) == ["x@example.com"]
    assert json.loads(row[3]) == "yesterday"
    assert json.loads(row[5]) == strange["data"]["properties"]
    assert json.loads(row[6]) == {"version": 3, "data": {"more": [None]}}


QUARANTINED = {
    "not JSON": b'{"event": "a"',
    "not a JSON object": b"[]",
    "no event": b'{"event": "", "data": {}}',
    "of another account than the secret": msgspec.json.encode(event(account="1000002")),
    "text that is not valid Unicode": b'{"event": "a\xff"}',
    "nested too deep": b'{"event": "a", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "an event or id with a NUL character, which not every database can hold": b'{"event": "a\\u0000"}',
}


def test_every_sync_loads_what_was_delivered_since(
    warehouse: Warehouse, deliver: Deliver, plain_sync: Any, spool_folder: Path
) -> None:
    report = plain_sync(resources=["tags"])
    assert (report.exit_code, report.events) == (0, None)
    assert "subscriber_events" not in warehouse.column("SELECT table_name FROM information_schema.tables")
    assert not spool_folder.exists()

    deliver(*QUARANTINED.values(), *QUARANTINED.values(), b"\0", *numbered(5))
    report = plain_sync(resources=["tags"])
    assert (report.exit_code, report.events) == (0, EventsLoaded(20, 5, 15))
    query = "SELECT reason, record FROM _quarantine WHERE account = '1000001' AND resource = 'subscriber_events'"
    kept = {reason: record for reason, record in warehouse.rows(query) if record != r"\u0000"}
    assert set(kept) == set(QUARANTINED)
    assert kept["not JSON"] == '{"event": "a"'

    deliver(event(person="late"))
    assert plain_sync(resources=["tags"]).events == EventsLoaded(1, 1, 0)
    assert warehouse.value("SELECT count(*) FROM subscriber_events") == 6
    assert len(warehouse.rows(query)) == len(QUARANTINED) + 1, "a sync emptied the quarantine"


@both_destinations
def test_a_load_of_several_batches_that_breaks_off_has_not_taken_place(
    warehouse: Warehouse, deliver: Deliver, load: Callable[[], EventsLoaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spool.read, "__defaults__", (4, 1 << 16))
    deliver(*numbered(10), *numbered(3), event(person="x" * 100_000), *numbered(1))
    merge = EventBatch._merge

    def broken(self: EventBatch, rows: Any) -> int:
        merge(self, rows)
        raise ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(EventBatch, "_merge", broken)
        for _ in range(2):
            with pytest.raises(LoadFailed, match="gone"):
                load()
    assert warehouse.value("SELECT count(*) FROM subscriber_events") == 0
    assert load() == EventsLoaded(15, 11, 0)
    assert warehouse.rows("SELECT deliveries, count(*) FROM subscriber_events GROUP BY 1 ORDER BY 1") == [
        (1, 8),
        (2, 2),
        (3, 1),
    ]


def test_what_was_loaded_is_loaded_again_only_by_a_replay_into_an_empty_table(
    warehouse: Warehouse, deliver: Deliver, load: Callable[[], EventsLoaded], spool_folder: Path
) -> None:
    deliver(*numbered(4))
    older = (spool_folder / FILE).read_bytes()
    deliver(*numbered(2))
    load()
    words = ("webhooks", "replay", "--destination", warehouse.destination)
    assert_plain_error(drip_flows(*words), "4 rows", "counted twice")
    warehouse.execute("DELETE FROM drip.subscriber_events")
    assert load() == EventsLoaded()
    result = drip_flows(*words)
    assert (result.exit_code, result.stdout) == (0, "6 deliveries loaded, 4 new events\n")
    assert warehouse.rows("SELECT count(*), sum(deliveries) FROM subscriber_events") == [(4, 6)]
    assert load() == EventsLoaded()
    (spool_folder / FILE).write_bytes(older)
    with pytest.raises(DripError, match="older copy"):
        load()


def test_the_spool_keeps_what_is_young_or_not_loaded_everywhere(
    warehouse: Warehouse, deliver: Deliver, load: Callable[[], EventsLoaded], spool_folder: Path
) -> None:
    deliver(*numbered(3), days_ago=20)
    now = int(time.time() * 1_000_000)
    with closing(Spool(spool_folder)) as spool:
        assert spool.prune(14) == 0, "nothing is loaded yet"
        spool.append([(ACCOUNT, now, b"{}")])
        spool.loaded("another destination", 2)
    assert load().pruned == 2
    with closing(Spool(spool_folder)) as spool:
        assert [one.id for one in spool.read(0, 100)] == [3, 4]
        spool._connection.execute("UPDATE loads SET at = 0 WHERE destination = 'another destination'")
        assert spool.prune(14) == 1, "a destination that nothing is loaded into any more does not count"
        assert [one.id for one in spool.read(0, 100)] == [4]
        spool.append([(ACCOUNT, now, b"{}")])
        assert spool.last() == 5, "no id is used twice"


def test_rows_are_deleted_a_few_at_a_time(spool_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "DELETED_AT_ONCE", 3)
    with closing(Spool(spool_folder)) as spool:
        spool.append([(ACCOUNT, 0, b"secret words")] * 7)
        spool.loaded("x", 7)
        assert spool.prune(1) == 7
        spool.compact()
    assert b"secret words" not in (spool_folder / FILE).read_bytes()


def test_without_a_spool(warehouse: Warehouse, spool_folder: Path) -> None:
    assert_plain_error(drip_flows("webhooks", "load"), "no deliveries", "SOURCES__DRIP__WEBHOOKS")
    with opened(spool_folder) as spool:
        assert spool is None


def test_somebody_else_s_table(warehouse: Warehouse, deliver: Deliver, load: Callable[[], EventsLoaded]) -> None:
    warehouse.execute("CREATE SCHEMA drip; CREATE TABLE drip.subscriber_events (mine INT)")
    deliver(event())
    with pytest.raises(SettingsError, match="not one that drip-flows made"):
        load()


def test_another_load_at_the_same_time(warehouse: Warehouse, deliver: Deliver, load: Any, monkeypatch: Any) -> None:
    deliver(*numbered(2))
    last = iter([0, 1])
    monkeypatch.setattr(EventBatch, "last", lambda self: next(last))
    with pytest.raises(DripError, match="another load"):
        load()
    assert warehouse.value("SELECT count(*) FROM subscriber_events") == 0


@pytest.mark.parametrize("destination", ["delta", "motherduck"])
def test_a_destination_without_events(spool_folder: Path, tmp_path: Path, destination: str) -> None:
    settings = {"DESTINATION__FILESYSTEM__BUCKET_URL": str(tmp_path), "DESTINATION__MOTHERDUCK__CREDENTIALS": "md:x"}
    result = drip_flows("webhooks", "load", "--destination", destination, **settings)
    assert_plain_error(result, "does not support events of webhooks")


@both_destinations
def test_forgetting_a_person(
    warehouse: Warehouse, deliver: Deliver, load: Callable[[], EventsLoaded], spool_folder: Path
) -> None:
    nameless = event(person=None)
    nameless["data"]["subscriber"]["email"] = "P1@Example.com"
    renamed = event("bounced", person="p1")
    renamed["data"]["subscriber"]["email"] = "another@example.com"
    about = event(person="p2")
    about["data"]["properties"] = {"referred": "p1@example.com"}
    of_them = [event(person="p1"), nameless, renamed, b"broken p1@example.com"]
    deliver(*of_them, about, event(person="p3"))
    load()
    deliver(event("clicked_email", person="p1"))
    forgotten = forget("p1@example.com", warehouse.destination)  # type: ignore[arg-type]
    removed = {(one.table, one.rows) for one in forgotten.removed}
    assert {("drip._quarantine", 1), ("webhook spool", 5)} <= removed
    assert sum(rows for table, rows in removed if table == "drip.subscriber_events") == 3
    assert forgotten.remains == ()
    assert sorted(warehouse.column("SELECT subscriber_id FROM subscriber_events")) == ["p2", "p3"]
    assert [mention.rows for mention in forgotten.mentions] == [1]
    left = b"".join(path.read_bytes() for path in spool_folder.iterdir())
    assert b"another@example.com" not in left
    assert b"broken" not in left
    assert load() == EventsLoaded()
