"""The sandbox in a terminal."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
import requests

from flows.sandbox import World, serve
from tests.command import drip_flows

START = """
from datetime import UTC, datetime
from pathlib import Path
from flows.sandbox.cli import run
run("127.0.0.1", {port}, 7, [30, 5], datetime(2026, 6, 1, tzinfo=UTC), {faults}, 100, 60.0, 0.0)
"""


def start(port: int = 0, faults: str = "None") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START.format(port=port, faults=faults)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "120"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_from_start_to_ctrl_c():
    with start() as process:
        message = ""
        while "Ctrl-C" not in message:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            message += line
        url = re.search(r"SOURCES__DRIP__BASE_URL=(\S+)", message)[1]
        key = re.search(r"SOURCES__DRIP__API_KEY=(\S+)", message)[1]
        accounts = requests.get(f"{url}/accounts", auth=(key, ""), timeout=5).json()["accounts"]
        process.send_signal(signal.SIGINT)
        closing, problems = process.communicate(timeout=10)
    assert all(account["id"] in message for account in accounts)
    assert len(accounts) == 2
    assert closing.strip() == "Sandbox stopped after 1 requests: 0 failed, 0 were retries."
    assert process.returncode == 0
    assert re.fullmatch(r"\d\d:\d\d:\d\d   200 GET /v2/accounts  99 left\n", problems)


def test_the_log_shows_faults_and_retries() -> None:
    lines: list[str] = []
    world = World(sizes={"1000001": 5})
    world.faults = [{"when": {"times": 1}, "action": {"kind": "status", "status": 503}}]
    with serve(world, watch=lambda logged: lines.append(str(logged))) as server:
        for _ in range(3):
            requests.get(f"{server.url}/1000001/tags", params={"page": 1}, auth=(world.api_key, ""), timeout=5)
    assert [line[9:] for line in lines] == [
        "  503 GET /v2/1000001/tags?page=1  3,599 left  [fault: status]",
        "  200 GET /v2/1000001/tags?page=1  3,598 left  [retry]",
        "  200 GET /v2/1000001/tags?page=1  3,597 left",
    ]
    assert [(one.failed, one.retry) for one in server.log] == [(True, False), (False, True), (False, False)]


def test_a_port_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with start(port=taken.getsockname()[1]) as process:
            _, problems = process.communicate(timeout=10)
    assert process.returncode == 2
    assert len(problems.splitlines()) == 1


def test_a_plan_that_is_not_understood_is_one_line(tmp_path: Path):
    (tmp_path / "plan.json").write_text('[{"action": {"kind": "explode"}}]')
    with start(faults=f"Path({str(tmp_path / 'plan.json')!r})") as process:
        _, problems = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "explode" in problems
    assert len(problems.splitlines()) == 1


def test_a_day_that_is_none_is_one_line():
    problem = drip_flows("sandbox", "--as-of", "soon")
    assert problem.exit_code == 2
    assert problem.stderr == "--as-of 'soon' is neither a day, such as 2026-03-01, nor a number of days\n"


def test_the_limits_of_the_email_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds: list[World] = []

    def kept(world: World, *_: Any) -> NoReturn:
        worlds.append(world)
        raise OSError("the test serves it")

    monkeypatch.setattr("flows.sandbox.cli.serve", kept)
    limits = ("--metrics-rate-limit", "2", "--metrics-rate-window", "60", "--metrics-cap", "1")
    assert drip_flows("sandbox", "--subscribers", "300", *limits).exit_code == 2
    (world,) = worlds
    with serve(world) as server:
        url, days = f"{server.url}/1000001/metrics/email", {"start_date": "2026-05-20", "end_date": "2026-05-30"}
        answers = [requests.get(url, days, auth=(world.api_key, ""), timeout=5) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [len(answer.json()["emails"]) for answer in answers[:2]] == [1, 1]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    refused = drip_flows("sandbox", "--metrics-cap", "0")
    assert (refused.exit_code, "--metrics-cap 0 is not above 0" in refused.stderr) == (2, True)
