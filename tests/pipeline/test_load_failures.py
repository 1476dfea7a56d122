"""After a failed or killed load, the landed pages are kept and the next run succeeds."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.pipeline.context import SyncRun
from flows.pipeline.load_errors import LoadFailed
from flows.pipeline.sync import Runner
from flows.pipeline.threads import Submit, in_threads
from flows.sandbox import Server, World, serve
from tests.conftest import Warehouse, both_destinations
from tests.mirror import assert_mirrors
from tests.processes import holding

FIRST = "1000001"


def landed_files(warehouse: Warehouse) -> list[Path]:
    return list((warehouse.path.parent / "landing").glob("**/*.parquet"))


def test_a_reader_at_load_time_is_named_and_nothing_is_paid_twice(
    sync: Any, world: World, warehouse: Warehouse, server: Server
) -> None:
    sync(resources=["tags"])
    world.account(FIRST).records["tags"].add("Fresh")
    with ExitStack() as stack:
        readers = list[str]()

        @contextmanager
        def read_afterwards(run: SyncRun) -> Iterator[Submit]:
            with in_threads(run) as submit:
                yield submit
            readers.append(str(stack.enter_context(holding(warehouse.path, read_only=True)).pid))

        report = sync(resources=["tags"], runner=Runner(fan_out=read_afterwards))
    assert report.exit_code == 2
    assert "Close what has it open" in report.stopped
    assert readers[0] in report.stopped
    assert warehouse.value("SELECT count(*) FROM tags WHERE tag = 'Fresh'") == 0
    server.log.clear()
    assert sync(resources=["tags"]).exit_code == 0
    assert_mirrors(warehouse, world, ["tags"])
    assert len(server.log) <= 1


def test_a_row_is_not_lost_where_what_replaces_it_cannot_be_written(
    sync: Any, world: World, warehouse: Warehouse
) -> None:
    sync(resources=["subscribers"])
    people = world.account(FIRST).records["subscribers"]
    before = warehouse.rows("SELECT * FROM subscribers ORDER BY ALL")
    people.update(people.all()[0]["id"], status=None)
    warehouse.execute("ALTER TABLE drip.subscribers ALTER COLUMN status SET NOT NULL")
    with pytest.raises(LoadFailed, match=r"NOT NULL constraint failed: subscribers\.status"):
        sync(resources=["subscribers"])
    assert warehouse.rows("SELECT * FROM subscribers ORDER BY ALL") == before
    warehouse.execute("ALTER TABLE drip.subscribers ALTER COLUMN status DROP NOT NULL")
    assert sync(resources=["subscribers"]).exit_code == 0
    assert_mirrors(warehouse, world, ["subscribers"])
    assert warehouse.value("SELECT count(*) FROM subscribers WHERE status IS NULL") == 1


@both_destinations
def test_a_load_that_fails_half_way_is_done_again(
    sync: Any, world: World, warehouse: Warehouse, server: Server
) -> None:
    few = ["subscribers", "workflows"]
    sync(resources=few)
    people = world.account(FIRST).records["subscribers"]
    people.delete([person["id"] for person in people.all()[:7]])
    broken = "CREATE VIEW drip.workflows AS SELECT 1 AS odd, '' AS _row_hash"
    warehouse.execute(f"ALTER TABLE drip.workflows RENAME TO kept; {broken}")
    with pytest.raises(LoadFailed):
        sync(resources=few)
    warehouse.execute("DROP VIEW drip.workflows; ALTER TABLE drip.kept RENAME TO workflows")
    server.log.clear()
    assert sync(resources=few).exit_code == 0
    assert_mirrors(warehouse, world, few)
    assert len(server.log) <= 1
    assert not landed_files(warehouse)


def test_what_landed_broken_is_read_again(sync: Any, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one account a page, in another the outcome, in a third both; the fourth one is as it landed."""
    page, outcome, both, whole = (str(1_000_001 + place) for place in range(4))
    world = World(seed=7, sizes={page: 30, outcome: 20, both: 10, whole: 5})
    with serve(world) as server:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        warehouse.execute("CREATE SCHEMA drip; CREATE VIEW drip.subscribers AS SELECT 1 AS odd, '' AS _row_hash")
        with pytest.raises(LoadFailed):
            sync(resources=["subscribers"])
        (landed,) = (warehouse.path.parent / "landing").glob("*/subscribers")
        for account in (page, both):
            (file,) = (landed / account).glob("*.parquet")
            file.write_bytes(file.read_bytes()[:100])
        for account in (outcome, both):
            assert (landed / account / "outcome.json").read_bytes()
            (landed / account / "outcome.json").write_bytes(b"")
        warehouse.execute("DROP VIEW drip.subscribers")
        server.log.clear()
        assert sync(resources=["subscribers"]).exit_code == 0
        asked = {one.path.split("/")[2] for one in server.log if one.path.endswith("/subscribers")}
        assert asked == {page, outcome, both}
    assert_mirrors(warehouse, world, ["subscribers"])


@pytest.fixture
def half_read(sync: Any, world: World) -> World:
    """A world of whose subscribers a sync has landed the first of two pages."""
    world.largest_page = 100
    world.faults = [{"match": {"resource": "subscribers", "page": 2}, "action": {"kind": "status", "status": 403}}]
    assert sync(resources=["subscribers"]).exit_code == 1
    world.faults = None
    return world


def test_what_landed_for_another_database_or_from_another_url_is_not_used(
    sync: Any, half_read: World, warehouse: Warehouse, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, dataset = warehouse.path, warehouse.dataset
    for name, other in ((path.name, "second"), ("other.duckdb", dataset)):
        warehouse.path, warehouse.dataset = path.with_name(name), other
        monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(warehouse.path))
        server.log.clear()
        assert sync(resources=["subscribers"], dataset=other).exit_code == 0
        assert pages_of_first(server) == ["1", "2"]
        assert_mirrors(warehouse, half_read, ["subscribers"])
    warehouse.path, warehouse.dataset = path, dataset
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
    elsewhere = World(seed=8, sizes={FIRST: 150, "1000009": 3})
    with serve(elsewhere) as second, monkeypatch.context() as patch:
        patch.setenv("SOURCES__DRIP__BASE_URL", second.url)
        assert sync(resources=["subscribers"], accounts=elsewhere.account_ids).exit_code == 0
        assert pages_of_first(second) == ["1"]
    first = elsewhere.account(FIRST).subscribers.ids()
    assert set(warehouse.column(f"SELECT id FROM subscribers WHERE account_id = '{FIRST}'")) == set(first)
    server.log.clear()
    assert sync(resources=["subscribers"]).exit_code == 0
    assert pages_of_first(server) == ["2"], "what landed is still there for the database that it landed for"


def pages_of_first(server: Server) -> list[str]:
    return sorted(one.query["page"] for one in server.log if one.path.endswith(f"/{FIRST}/subscribers"))


MOMENTS = [("duckdb", 0.7), ("postgres", 0.5)]
"""Destinations, and seconds after the start of the load, which takes about one."""


@pytest.mark.parametrize(("warehouse", "delay"), MOMENTS, indirect=["warehouse"])
def test_killed_in_mid_load_the_next_run_ends_right(
    command: Any, sync: Any, world: World, warehouse: Warehouse, server: Server, delay: float
) -> None:
    sync()
    people = world.account(FIRST).records["subscribers"]
    people.delete([person["id"] for person in people.all()[:9]])
    people.update(people.all()[0]["id"], first_name="Changed")
    world.account(FIRST).records["tags"].clear()
    process = command()
    while (line := process.stderr.readline()) and "loading" not in line:
        pass
    time.sleep(delay)
    process.kill()
    process.communicate()
    server.log.clear()
    assert sync().exit_code == 0
    assert_mirrors(warehouse, world)
    assert warehouse.value("SELECT count(*) FROM subscribers WHERE first_name = 'Changed'") == 1
