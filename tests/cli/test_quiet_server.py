"""Prefect's own log and warnings do not reach the console of a command."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW, temporary_settings

from tests.conftest import PROJECT
from tests.prefect_server import create_database

CODE = """
import sqlite3, sys
from flows.orchestration.settings import apply_prefect_settings
apply_prefect_settings()
import httpx
from flows.orchestration.console_log import mute_console
from prefect.server.api.server import SubprocessASGIServer
mute_console()
with SubprocessASGIServer() as server:
    with sqlite3.connect(sys.argv[1]) as con:
        con.executescript("DROP TABLE artifact; DROP TABLE log; DROP TABLE events;")
    for path in ("artifacts/filter", "logs/filter"):
        print(httpx.post(f"{server.api_url}/{path}", json={}).status_code)
"""
"""Breaks the server's database, so that it logs tracebacks for each request and from its services."""


def test_what_the_server_logs(tmp_path: Path) -> None:
    create_database(tmp_path / "prefect.db")
    words = [sys.executable, "-c", CODE, str(tmp_path / "prefect.db")]
    environment = os.environ | {"PREFECT_HOME": str(tmp_path)}
    result = subprocess.run(
        words, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert result.stdout.split() == ["500", "500"], result.stderr
    assert result.stderr == ""


@pytest.mark.parametrize("name", ["flows.source.client", "flows.orchestration.coordinator"])
@pytest.mark.parametrize("setting", ["warn", None])
def test_records_that_belong_to_no_run(name: str, setting: str | None, recwarn: pytest.WarningsRecorder) -> None:
    """Prefect warns of each by default. The project's settings turn that off."""
    updates = {PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: setting} if setting else {}
    with temporary_settings(updates):
        APILogHandler().emit(logging.makeLogRecord({"name": name, "levelno": logging.WARNING, "msg": "waiting"}))
    warned = [one for one in recwarn if "without a flow run id" in str(one.message)]
    assert bool(warned) == (setting == "warn")
