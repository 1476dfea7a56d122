"""Lists with several pages that change while they are read, over real HTTP."""

from typing import Any

import pytest

from flows.sandbox import Server, World
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.endpoints import ENDPOINTS
from flows.source.list_reader import ListReader
from flows.source.schema import texts
from flows.source.settings import load_settings
from tests.conftest import Warehouse

ACCOUNT = "1000001"
SUBSCRIBERS = ENDPOINTS["subscribers"]
PEOPLE = {"account": ACCOUNT, "resource": "subscribers"}


@pytest.fixture
def world() -> World:
    """One account whose subscribers take five pages."""
    return World(seed=3, sizes={ACCOUNT: 500}, largest_page=100)


def api_ids(world: World) -> list[str]:
    return sorted(world.account(ACCOUNT).subscribers.ids())


@pytest.mark.parametrize(("page", "first"), [(2, False), (4, True)])
def test_deletions_in_mid_scan_end_exact(sync: Any, world: World, warehouse: Warehouse, page: int, first: bool) -> None:
    delete = {"kind": "delete", "count": 30, "first": first}
    world.faults = [{"match": PEOPLE, "when": {"after": page, "times": 1}, "action": delete}]
    report = sync(resources=["subscribers"])
    assert report.exit_code == 0, report.failures
    assert len(api_ids(world)) == 470
    assert sorted(warehouse.column("SELECT id FROM subscribers")) == api_ids(world)


def test_arrivals_at_every_page_lose_and_repeat_nobody(
    server: Server, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They do not look like a shrinking list either, which would be read again."""
    monkeypatch.setenv("SOURCES__DRIP__MAX_SCANS", "1")
    world.faults = [{"match": PEOPLE, "action": {"kind": "arrive", "count": 7}}]
    for _ in range(5):
        reader = ListReader(DripClient(load_settings()), SUBSCRIBERS, ACCOUNT, Decoder(SUBSCRIBERS))
        pages = list(reader.pages())
        assert reader.outcome is not None
        assert reader.outcome.complete, reader.outcome
        assert sorted(name for page in pages for name in texts(page.table, "id")) == api_ids(world)


def test_a_list_that_is_not_whole_deletes_nothing(
    sync: Any, world: World, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(resources=["subscribers"])
    before = set(warehouse.column("SELECT id FROM subscribers"))
    people = world.account(ACCOUNT).records["subscribers"]
    gone, stays = api_ids(world)[:2]
    people.delete([gone])
    people.update(stays, first_name="Changed")
    world.faults = [{"match": PEOPLE, "action": {"kind": "meta", "values": {"total_count": 600}}}]
    report = sync(resources=["subscribers"])
    assert report.exit_code == 1
    assert "600" in report.failures[0].note
    assert warehouse.value(f"SELECT count(*) FROM subscribers WHERE id = '{gone}'") == 1
    assert warehouse.value(f"SELECT first_name FROM subscribers WHERE id = '{stays}'") == "Changed"
    assert warehouse.rows("SELECT account, complete FROM _syncs WHERE NOT complete") == [(ACCOUNT, False)]

    monkeypatch.setenv("SOURCES__DRIP__PARALLEL", "1")
    world.faults = [{"match": PEOPLE, "action": {"kind": "delete", "count": 10}}]
    report = sync(resources=["subscribers"])
    assert report.exit_code == 1
    assert "shrank" in report.failures[0].note
    assert set(warehouse.column("SELECT id FROM subscribers")) == before


def test_a_list_without_pages_that_ignores_page(sync: Any, world: World, warehouse: Warehouse) -> None:
    tags = world.account(ACCOUNT).records["tags"]
    for number in range(200 - len(tags)):
        tags.add(f"extra {number}")
    assert sync(resources=["tags"]).exit_code == 0
    assert warehouse.value("SELECT count(*) FROM tags") == 200


def test_one_lost_and_one_arrived_in_mid_scan_is_seen(sync: Any, world: World, warehouse: Warehouse) -> None:
    """The count does not change, but a row has moved to a page that was already read."""
    once = {"after": 2, "times": 1}
    world.faults = [
        {"match": PEOPLE, "when": once, "action": action}
        for action in ({"kind": "delete", "count": 1, "first": True}, {"kind": "arrive", "count": 1})
    ]
    report = sync(resources=["subscribers"])
    assert report.exit_code == 0, report.failures
    missing = set(api_ids(world)) - set(warehouse.column("SELECT id FROM subscribers"))
    arrived = {person["id"] for person in world.account(ACCOUNT).subscribers.all()[-1:]}
    assert missing <= arrived
