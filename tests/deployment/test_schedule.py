"""The deployed sync is started by its schedule, with a server and a worker."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule

from flows.sandbox import Server, World
from tests.command import drip_flows
from tests.conftest import PREFECT_API_URL, Warehouse
from tests.deployment.commands import pause, start
from tests.mirror import assert_mirrors
from tests.prefect_server import run_scheduler

OFTEN = IntervalSchedule(interval=timedelta(seconds=10))
WAIT_SECONDS = 180


@pytest.fixture
def deployment(client: SyncPrefectClient, checkout: Path) -> Iterator[DeploymentResponse]:
    """The hourly sync, scheduled every ten seconds instead."""
    result = drip_flows("deploy", folder=checkout, PREFECT_API_URL=PREFECT_API_URL)
    assert result.exit_code == 0, result.output
    deployed = client.read_deployments()
    for one in deployed:
        pause(client, one.id)
    (sync,) = (one for one in deployed if one.name == "sync")
    client.create_deployment_schedules(sync.id, [(OFTEN, True)])
    yield sync
    for one in deployed:
        client.delete_deployment(one.id)


@contextmanager
def worker(folder: Path) -> Iterator[None]:
    """Run a worker for the pool while the block runs."""
    process = start("prefect", "worker", "start", "--pool", "drip", cwd=folder)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def first_to_reach(client: SyncPrefectClient, deployment: DeploymentResponse, *states: str) -> FlowRun:
    """Wait for the first run of the deployment that reaches one of these states, and return it."""
    deadline = time.monotonic() + WAIT_SECONDS
    of_it = FlowRunFilter(deployment_id={"any_": [deployment.id]}, state={"type": {"any_": states}})
    while time.monotonic() < deadline:
        if runs := client.read_flow_runs(flow_run_filter=of_it):
            return min(runs, key=lambda run: run.expected_start_time or run.created)
        time.sleep(0.5)
    pytest.fail(f"no scheduled run is {' or '.join(states)}; the server has {client.read_flow_runs()}")


def test_a_scheduled_sync_begins_and_ends_by_itself(
    client: SyncPrefectClient,
    deployment: DeploymentResponse,
    prefect_folder: Path,
    server: Server,
    warehouse: Warehouse,
    world: World,
    tmp_path: Path,
) -> None:
    with worker(tmp_path):
        with run_scheduler(prefect_folder):
            first_to_reach(client, deployment, "PENDING", "RUNNING")
            pause(client, deployment.id)
        run = first_to_reach(client, deployment, "COMPLETED", "FAILED", "CRASHED")
    assert run.auto_scheduled
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    assert_mirrors(warehouse, world)
