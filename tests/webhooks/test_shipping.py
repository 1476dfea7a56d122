"""Receiver and load on different machines: deliveries go through the landing zone, each exactly once."""

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.common.errors import DripError
from flows.maintenance.forget_deliveries import forget_deliveries
from flows.pipeline.event_batch import EventBatch
from flows.pipeline.events import EventsLoaded
from flows.pipeline.load_errors import LoadFailed
from flows.reporting.summary import events as in_words
from flows.source.deliveries import shipping
from flows.source.deliveries.shipping import batches, shipped_spools
from flows.source.deliveries.spool import FILE, Spool
from flows.source.landing.storage import Folder, folder_at
from flows.webhooks import load as webhook_load
from flows.webhooks.ship import ship
from tests.command import drip_flows
from tests.conftest import Warehouse
from tests.webhooks.conftest import ACCOUNT, event

Append = Callable[..., None]
Load = Callable[[], EventsLoaded]


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """The folder of the receiver, on its own machine."""
    return tmp_path / "receiver"


@pytest.fixture
def landing(warehouse: Warehouse) -> Folder:
    """The landing zone of both machines."""
    return folder_at(os.environ["SOURCES__DRIP__LANDING"])


@pytest.fixture
def append(remote: Path) -> Append:
    """Have the receiver keep the events of some people, by their numbers."""

    def put(*people: int) -> None:
        bodies = [msgspec.json.encode(event(person=f"p{number}")) for number in people]
        with closing(Spool(remote)) as spool:
            spool.append([(ACCOUNT, int(time.time() * 1e6), body) for body in bodies])

    return put


@pytest.fixture
def load(warehouse: Warehouse, spool_folder: Path) -> Load:
    """Load on a machine without a receiver."""
    return lambda: webhook_load.load(warehouse.destination)  # type: ignore[arg-type]


def counts(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return warehouse.rows("SELECT subscriber_id, deliveries FROM subscriber_events ORDER BY subscriber_id")


def files(landing: Folder) -> list[str]:
    return [batch.path.name for spool in shipped_spools(landing) for batch in batches(landing, spool)]


def test_each_delivery_is_loaded_once(
    warehouse: Warehouse, remote: Path, landing: Folder, append: Append, load: Load, spool_folder: Path
) -> None:
    append(1, 2, 1)
    assert ship(remote, landing, 14) == 3
    assert ship(remote, landing, 14) == 0
    assert files(landing) == [f"{0:018d}-{3:018d}.parquet"]
    merge = EventBatch._merge
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventBatch, "_merge", lambda *_: 1 / 0)
        with pytest.raises(LoadFailed):
            load()
    assert EventBatch._merge is merge
    assert files(landing), "a file was deleted before its deliveries were loaded"
    assert load() == EventsLoaded(3, 2, 0)
    assert counts(warehouse) == [("p1", 2), ("p2", 1)]
    assert (files(landing), load()) == ([], EventsLoaded())
    for path in (spool_folder / "webhooks").rglob(f"{FILE}*"):
        path.unlink()  # the loading machine is a container
    assert load() == EventsLoaded()
    append(3)
    ship(remote, landing, 14)
    assert load() == EventsLoaded(1, 1, 0)


def test_a_shipment_that_broke_off_is_repeated(
    warehouse: Warehouse, remote: Path, landing: Folder, append: Append, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(shipping.Spool, "loaded", lambda *_: 1 / 0)
        write = shipping.write_durably
        patch.setattr(shipping, "write_durably", lambda path, text: path.name == "shipped" or write(path, text))
        with pytest.raises(ZeroDivisionError):
            ship(remote, landing, 14)
    append(3)
    ship(remote, landing, 14)
    assert files(landing) == [f"{0:018d}-{2:018d}.parquet", f"{0:018d}-{3:018d}.parquet"]
    assert load() == EventsLoaded(3, 3, 0)
    assert [deliveries for _, deliveries in counts(warehouse)] == [1, 1, 1]


def test_a_file_that_is_lost_is_reported_and_waited_for(
    warehouse: Warehouse, remote: Path, landing: Folder, append: Append, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(1)
    ship(remote, landing, 14)
    load()
    for person in (2, 3):
        append(person)
        ship(remote, landing, 14)
    lost, _ = (batch.path for batch in batches(landing, shipped_spools(landing)[0]))
    lost.unlink()
    loaded = load()
    assert (loaded.deliveries, loaded.missing) == (0, 1)
    assert "up to 1 deliveries that were shipped are not in the landing zone" in in_words(loaded)
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOKS", str(remote))
    result = drip_flows("webhooks", "ship", "--again")
    assert (result.exit_code, result.stdout.split(" to ")[0]) == (0, "3 deliveries shipped")
    monkeypatch.setenv("SOURCES__DRIP__WEBHOOKS", str(remote.with_name("webhooks")))
    assert load() == EventsLoaded(2, 2, 0)
    assert counts(warehouse) == [("p1", 1), ("p2", 1), ("p3", 1)]


def test_a_spool_from_an_older_copy_is_not_shipped(remote: Path, landing: Folder, append: Append) -> None:
    append(1)
    copy = (remote / FILE).read_bytes()
    append(2)
    ship(remote, landing, 14)
    (remote / FILE).write_bytes(copy)
    with pytest.raises(DripError, match="restored from an older copy"):
        ship(remote, landing, 14)


def test_a_forgotten_person_is_removed_from_the_landing_zone(
    warehouse: Warehouse, remote: Path, landing: Folder, append: Append, load: Load
) -> None:
    append(1, 2, 1)
    ship(remote, landing, 14)
    assert forget_deliveries("p1@example.com", "0" * 32, [(ACCOUNT, "p1")]) == (2, "")
    assert load() == EventsLoaded(1, 1, 0)
    append(3)
    ship(remote, landing, 14)
    assert load() == EventsLoaded(1, 1, 0), "the deliveries that were forgotten were waited for"
    assert (counts(warehouse), files(landing)) == ([("p2", 1), ("p3", 1)], [])
