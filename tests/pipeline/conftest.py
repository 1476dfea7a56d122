"""Fixtures for tests of the flow: the command in a child process, a sandbox with a low rate limit."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.sandbox import Server, World, serve
from tests.conftest import Warehouse

GONE = {"match": {"account": "1000001", "resource": "tags"}, "action": {"kind": "status", "status": 404}}
"""A fault of the sandbox: an account has no list of tags."""


@contextmanager
def serve_limited(world: World, monkeypatch: pytest.MonkeyPatch, limit: int, window: float) -> Iterator[Server]:
    """The sandbox of `world`, which the settings point to, with the same rate limit as in the settings."""
    with serve(world) as server:
        for name, value in (("BASE_URL", server.url), ("RATE_LIMIT", limit), ("RATE_WINDOW", window)):
            monkeypatch.setenv(f"SOURCES__DRIP__{name}", str(value))
        yield server


def refused(log: Iterable[Any]) -> int:
    """The number of requests answered with 429."""
    return sum(request.status == 429 for request in log)


@pytest.fixture
def command(warehouse: Warehouse, tmp_path: Path) -> Any:
    """Start the command line and return the process."""

    def start() -> subprocess.Popen[str]:
        environment = os.environ | {"SOURCES__DRIP__LOCK_WAIT": "30", "PREFECT_API_URL": ""}
        words = [str(Path(sys.executable).parent / "drip-flows"), "sync", "--destination", warehouse.destination]
        pipe = subprocess.PIPE
        return subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True)

    return start
