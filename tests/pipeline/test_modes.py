"""Between full syncs, only new subscribers are requested, and no other rows are changed or lost."""

import time
from typing import Any

import pytest

from flows.pipeline.report import SyncReport
from flows.pipeline.report_line import ListReport
from flows.sandbox import Server, World
from tests.conftest import Warehouse

FIRST, SECOND = "1000001", "1000002"
SUBSCRIBERS = ["subscribers"]
IDS = "SELECT account_id, id FROM subscribers ORDER BY 1, 2"


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """Two pages of subscribers in the first account, of 100 each, or as many as a test chooses."""
    page = getattr(request, "param", 100)
    return World(seed=7, sizes={FIRST: page * 12 // 10, SECOND: 10}, largest_page=page)


def line(report: SyncReport, account: str = FIRST) -> ListReport:
    (found,) = (one for one in report.lists if one.account == account and one.resource == "subscribers")
    return found


def pages(server: Server, account: str = FIRST) -> list[tuple[str, bool]]:
    """The subscriber pages requested since the log was cleared, and whether they were limited to new subscribers."""
    asked = [one.query for one in server.log if one.path.endswith(f"/{account}/subscribers")]
    return [(query.get("page", "1"), "subscribed_after" in query) for query in asked]


def people(world: World) -> list[tuple[str, str]]:
    return sorted((account, one) for account in world.account_ids for one in world.account(account).subscribers.ids())


@pytest.mark.parametrize("world", [1_000], indirect=True, ids=[""])  # as the saved pages are counted
def test_only_those_who_came_are_read(sync: Any, warehouse: Warehouse, world: World, server: Server) -> None:
    world.account(FIRST).subscribers.add("no record")
    sync(resources=SUBSCRIBERS)
    before = warehouse.rows(IDS)
    gone, changed = world.account(FIRST).subscribers.ids()[:2]
    world.account(FIRST).subscribers.delete([gone, "no record"])
    world.account(FIRST).subscribers.update(changed, first_name="Qwertine")
    newcomers = [(FIRST, one["id"]) for one in world.account(FIRST).arrive(30)]
    server.log.clear()

    report = sync(resources=SUBSCRIBERS, mode="incremental")
    assert report.exit_code == 0
    assert pages(server) == [("1", True)]
    assert warehouse.rows(IDS) == sorted(before + newcomers)
    assert warehouse.rows("SELECT count(*) FROM subscribers WHERE first_name = 'Qwertine'") == [(0,)]
    assert warehouse.rows("SELECT count(*) FROM _quarantine") == [(1,)]
    told = line(report)
    assert (told.mode, told.saved, told.complete) == ("incremental", 1, True)
    assert told.api_rows == told.landed == told.loaded
    assert 30 <= told.landed < 100
    modes = "SELECT mode, count(*) FROM _syncs WHERE resource = 'subscribers' GROUP BY mode ORDER BY mode"
    assert warehouse.rows(modes) == [("full", 2), ("incremental", 2)]

    assert sync(resources=SUBSCRIBERS).exit_code == 0
    assert warehouse.rows(IDS) == people(world)
    assert warehouse.rows("SELECT count(*) FROM subscribers WHERE first_name = 'Qwertine'") == [(1,)]
    assert warehouse.rows("SELECT count(*) FROM _quarantine") == [(0,)]


def test_an_account_is_read_whole_where_that_is_needed_or_due(
    sync: Any, warehouse: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = line(sync(resources=SUBSCRIBERS, mode="incremental"))
    assert (first.mode, first.why) == ("full", "never read completely before")
    assert line(sync(resources=SUBSCRIBERS, mode="auto")).mode == "incremental"
    with monkeypatch.context() as patch:
        patch.setenv("SOURCES__DRIP__FULL_EVERY", "0")
        due = line(sync(resources=SUBSCRIBERS, mode="auto"))
        assert due.mode == "full"
        assert "due every 0 s" in due.why
        assert line(sync(resources=SUBSCRIBERS, mode="incremental")).mode == "incremental"

    world.faults = [{"match": {"account": FIRST}, "action": {"kind": "meta", "values": {"total_count": 130}}}]
    world.account(SECOND).subscribers.clear()
    report = sync(resources=SUBSCRIBERS)
    assert [one.account for one in report.failures] == [FIRST]
    world.faults = None
    report = sync(resources=SUBSCRIBERS, mode="incremental")
    assert line(report).why == "the last sync was incomplete"
    assert line(report, SECOND).why == "no subscribers are loaded"
    assert {one.mode for one in report.lists} == {"full"}
    assert warehouse.rows(IDS) == people(world)


def test_a_part_is_gone_on_from_and_never_taken_for_the_whole(
    sync: Any, warehouse: Warehouse, world: World, server: Server
) -> None:
    def broken(page: int) -> None:
        world.faults = [{"match": {"account": FIRST, "page": page}, "action": {"kind": "status", "status": 403}}]

    def arrive() -> None:
        world.account(FIRST).arrive(150)
        time.sleep(1)  # a list whose newest row was created in this second is read again

    sync(resources=SUBSCRIBERS)
    arrive()
    broken(2)
    for mode in ("full", "incremental"):
        assert sync(resources=SUBSCRIBERS, mode=mode).exit_code == 1
    world.faults = None
    server.log.clear()
    assert sync(resources=SUBSCRIBERS, mode="incremental").exit_code == 0
    assert pages(server) == [("2", True)]
    assert warehouse.rows(IDS) == people(world)

    arrive()
    broken(2)
    for mode in ("incremental", "full"):
        assert sync(resources=SUBSCRIBERS, mode=mode).exit_code == 1
    world.faults = None
    server.log.clear()
    assert sync(resources=SUBSCRIBERS).exit_code == 0
    assert sorted(pages(server)) == [("2", False), ("3", False), ("4", False), ("5", False)]
    assert warehouse.rows(IDS) == people(world)
