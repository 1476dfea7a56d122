"""The plan of a sync predicts its requests and its changes, and does not touch the database."""

import hashlib
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.common.events import Event, listening
from flows.pipeline import sync as pipeline
from flows.pipeline.planning.changes import compare
from flows.pipeline.planning.plan import make_plan
from flows.sandbox import Server, World, serve
from flows.source import ENDPOINTS
from tests.command import drip_flows
from tests.conftest import Warehouse, both_destinations

FIRST, SECOND = "1000001", "1000002"


@pytest.fixture
def world() -> World:
    return World(seed=7, sizes={FIRST: 1_100, SECOND: 20})


def digests(folder: Path) -> dict[str, str]:
    """A digest of each file, and so of the database and its write-ahead log."""
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir() if one.is_file()}


@pytest.mark.parametrize("seed", range(int(os.environ.get("PLAN_SETUPS", "2"))))
def test_requests_of_the_next_sync_are_predicted(
    seed: int, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In random set-ups (more of them with PLAN_SETUPS), compared with the requests that the API has counted."""
    dice = random.Random(seed)
    names = [name for name in ENDPOINTS if name != "email_metrics"]
    chosen = dice.sample(names, dice.randint(1, 5))
    sizes = {
        str(1_000_001 + place): dice.choice([1, 40, 100, 999, 1_000, 1_001]) for place in range(dice.randint(1, 3))
    }
    world = World(seed=seed, sizes=sizes)
    with serve(world) as server:
        monkeypatch.setenv("SOURCES__DRIP__BASE_URL", server.url)
        monkeypatch.setenv("SOURCES__DRIP__API_KEY", world.api_key)
        plan = make_plan(resources=chosen)
        before = len(server.log)
        report = pipeline.sync(resources=chosen)
    assert not plan.failures
    assert report.exit_code == 0
    assert plan.requests == report.requests == len(server.log) - before
    assert plan.spent <= len(plan.lists)


@both_destinations
def test_changes_are_those_of_the_next_sync(
    sync: Any, world: World, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = ["subscribers", "tags", "users", "accounts"]
    assert sync(resources=resources).exit_code == 0
    people = world.account(FIRST).subscribers
    ids = people.ids()
    people.delete(ids[:3])
    people.update(ids[5], first_name="Changed")
    world.account(SECOND).arrive(2)
    before = digests(tmp_path)
    hashes = dict(warehouse.rows("SELECT id, _row_hash FROM subscribers"))
    plan = make_plan(resources=resources, destination=warehouse.destination, compare=compare)  # type: ignore[arg-type]
    assert digests(tmp_path) == before
    assert dict(warehouse.rows("SELECT id, _row_hash FROM subscribers")) == hashes
    found = {(one.account, one.resource): (one.added, one.changed, one.removed) for one in plan.lists}
    assert found[FIRST, "subscribers"] == (0, 1, 3)
    assert found[SECOND, "subscribers"] == (2, 0, 0)
    unchanged = {counts for (_, name), counts in found.items() if name != "subscribers"}
    assert unchanged == {(0, 0, 0)}
    said: list[Event] = []
    with listening(said.append):
        assert sync(resources=resources).exit_code == 0
    assert f"needs about {plan.requests - 1} more requests, going by the last sync" in str(said)
    now = dict(warehouse.rows("SELECT id, _row_hash FROM subscribers"))
    assert (len(now.keys() - hashes.keys()), len(hashes.keys() - now.keys())) == (2, 3)
    assert sum(now[key] != hash for key, hash in hashes.items() if key in now) == 1

    modes = {one.account: one for one in make_plan(None, ["subscribers"], warehouse.destination, mode="auto").lists}  # type: ignore[arg-type]
    assert modes[FIRST].mode == "incremental"
    assert (modes[FIRST].requests, modes[SECOND].rows) == (1, 22)
    assert "last read in full" in modes[FIRST].why


def test_the_command(server: Server, world: World, warehouse: Warehouse, tmp_path: Path) -> None:
    world.faults = [{"match": {"resource": "tags"}, "action": {"kind": "status", "status": 403}}]
    result = drip_flows("plan", "--resource", "subscribers", "--resource", "tags", "--json", folder=tmp_path)
    assert result.exit_code == 1, result.stderr
    plan = msgspec.json.decode(result.stdout.encode())
    assert plan["requests"] == 1 + 2 + 1 + 2
    assert {one["resource"] for one in plan["lists"] if "HTTP 403" in one["note"]} == {"tags"}
    assert not warehouse.path.exists()
    shown = drip_flows("plan", "--resource", "subscribers", folder=tmp_path)
    assert "takes 4 requests" in " ".join(shown.stdout.split())
    assert "without waiting" in shown.stdout
