"""The load of deliveries as a Prefect flow."""

import time
from pathlib import Path
from typing import Any

import pytest
from prefect.states import State

from flows.destinations.target import resolve_target
from flows.load_events import load_events
from flows.pipeline.events import EventsLoaded
from flows.source.deliveries.spool import Spool
from tests.conftest import Warehouse
from tests.webhooks.conftest import ACCOUNT


def run(destination: str = "duckdb") -> State[Any]:
    state: State[Any] = load_events(destination=destination, return_state=True)
    return state


@pytest.mark.usefixtures("prefect_server")
def test_what_waits_is_loaded_and_otherwise_nothing_is_wrong(
    warehouse: Warehouse, spool_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = run()
    assert (state.is_completed(), "no deliveries" in (state.message or "")) == (True, True)
    spool = Spool(spool_folder)
    spool.append([(ACCOUNT, time.time_ns() // 1000, b'{"event": "subscriber.created"}')])
    spool.close()
    monkeypatch.setenv("SOURCES__DRIP__LOCK_WAIT", "0")
    with resolve_target("duckdb", "drip").lock(0):
        state = run()
    assert (state.is_completed(), "another sync is still writing" in (state.message or "")) == (True, True)
    state = run()
    assert state.message == "1 delivery loaded, 1 new event"
    assert state.result() == EventsLoaded(1, 1, 0)
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", ":memory:")
    assert run().is_failed()
