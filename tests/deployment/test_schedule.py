"""The deployed sync is started by its schedule, with a server and a worker."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun

from flows.sandbox import Server, World
from tests.conftest import PROJECT, Warehouse
from tests.mirror import assert_mirrors
from tests.prefect_server import free_api_url, serve_prefect
from tests.processes import command

HOURLY, OFTEN = 'cron: "17 * * * *"\n        timezone: UTC', "interval: 10"
SCHEDULER = {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1"}
WAIT_SECONDS = 180


@pytest.fixture
def api(prefect_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API URL of a server with all services, as a user starts it."""
    url = free_api_url()
    with serve_prefect(url, prefect_template, tmp_path_factory.mktemp("scheduling"), SCHEDULER):
        yield url


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which the hourly sync is scheduled every ten seconds."""
    folder = tmp_path / "checkout"
    shutil.copytree(PROJECT / "flows", folder / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", folder)
    text = (PROJECT / "prefect.yaml").read_text()
    assert HOURLY in text
    (folder / "prefect.yaml").write_text(text.replace(HOURLY, OFTEN))
    return folder


@contextmanager
def worker(api: str, folder: Path) -> Iterator[None]:
    """Run a worker for the pool while the block runs."""
    words = [str(Path(sys.executable).with_name("prefect")), "worker", "start", "--pool", "drip"]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=os.environ | {"PREFECT_API_URL": api},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


def first_to_reach(client: SyncPrefectClient, *states: str) -> FlowRun:
    """Wait for the first scheduled run that reaches one of these states, and return it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(state={"type": {"any_": states}}))
        if runs:
            return min(runs, key=lambda run: run.expected_start_time or run.created)
        time.sleep(0.5)
    pytest.fail(f"no scheduled run is {' or '.join(states)}; the server has {client.read_flow_runs()}")


def test_a_scheduled_sync_begins_and_ends_by_itself(
    api: str, checkout: Path, server: Server, warehouse: Warehouse, world: World
) -> None:
    deployed = command("deploy", folder=checkout, PREFECT_API_URL=api)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    with worker(api, checkout), SyncPrefectClient(api) as client:
        first_to_reach(client, "PENDING", "RUNNING")
        for deployment in client.read_deployments():
            for schedule in deployment.schedules:
                client.update_deployment_schedule(deployment.id, schedule.id, active=False)
        run = first_to_reach(client, "COMPLETED", "FAILED", "CRASHED")
    assert run.auto_scheduled
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    assert_mirrors(warehouse, world)
