"""Receivers and loads that are killed at random moments: a small run of `python -m benchmarks.webhooks kills`."""

import os
from pathlib import Path

import pytest

from benchmarks.webhooks import rehearse_kills
from tests.conftest import Warehouse, both_destinations


@pytest.mark.block_network(allowed_hosts=["127.0.0.1", ".*pymp.*"])  # a socket file of multiprocessing
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
    left = rehearse_kills(tmp_path, warehouse.destination, settings, 3_000, receivers=6, loads=4, seed=5)
    assert not left.problems()
    assert len(left.loaded) == 2_400
    assert len(left.sent.statuses) > 1, "no request was cut off"
