"""Receivers, shipments and loads are killed at random moments. `python -m benchmarks.webhooks kills` runs more of it.

The processes connect to each other through a socket file of multiprocessing.
"""

import itertools
import os
import random
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from benchmarks.webhook_processes import kill, start_load
from benchmarks.webhooks import rehearse_kills
from flows.source.deliveries.shipping import batches, shipped_spools
from flows.source.deliveries.spool import Spool
from flows.source.landing.storage import folder_at
from flows.webhooks.load import load
from flows.webhooks.ship import ship
from tests.conftest import Warehouse, both_destinations
from tests.webhooks.conftest import ACCOUNT, event
from tests.webhooks.shipper import start_shipping

pytestmark = pytest.mark.block_network(allowed_hosts=["127.0.0.1", ".*pymp.*"])


@both_destinations
def test_what_was_answered_is_one_row_with_the_right_count(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.webhooks.LONGEST_LOAD", 0.3)
    names = ("DESTINATION__POSTGRES__CREDENTIALS", "DESTINATION__DUCKDB__CREDENTIALS")
    settings = {name: os.environ[name] for name in names[warehouse.destination == "duckdb" :] if name in os.environ}
    settings |= {name: os.environ[name] for name in ("DLT_DATA_DIR", "DLT_PROJECT_DIR")} | {
        "SOURCES__DRIP__LOCK_WAIT": "30"
    }
    left = rehearse_kills(tmp_path, warehouse.destination, settings, 2_000, receivers=4, loads=3, seed=5)
    assert not left.problems()
    assert len(left.loaded) == 1_600
    assert len(left.sent.statuses) > 1, "no request was cut off"


def append(folder: Path, people: list[int]) -> None:
    """Have a receiver keep an event of each of these people."""
    bodies = [msgspec.json.encode(event(person=f"p{number}")) for number in people]
    with closing(Spool(folder)) as spool:
        spool.append([(ACCOUNT, int(time.time() * 1e6), body) for body in bodies])


def test_what_was_shipped_is_loaded_once(warehouse: Warehouse, tmp_path: Path, spool_folder: Path) -> None:
    """Receiver and load on different machines, which only share the landing zone."""
    remote, landing = tmp_path / "receiver", folder_at(str(tmp_path / "landing"))
    settings = {
        name: value for name, value in os.environ.items() if name.startswith(("SOURCES__", "DESTINATION__", "DLT_"))
    }
    dice, people = random.Random(3), itertools.count()
    for turn in range(4):
        append(remote, [next(people)])
        shipper = start_shipping(remote, landing)
        until = time.monotonic() + dice.uniform(0.05, 0.3)
        while time.monotonic() < until:
            append(remote, [next(people) for _ in range(20)])
            time.sleep(0.005)
        kill(shipper)
        if turn % 2:
            loader = start_load("duckdb", settings)
            loader.join(dice.uniform(0.1, 0.5))
            kill(loader)
    ship(remote, landing, 14)
    assert load("duckdb").missing == 0
    counts = dict(warehouse.rows("SELECT subscriber_id, deliveries FROM subscriber_events"))
    assert counts == {f"p{number}": 1 for number in range(next(people))}
    assert not [batch for spool in shipped_spools(landing) for batch in batches(landing, spool)]
