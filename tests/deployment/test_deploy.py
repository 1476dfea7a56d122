"""`prefect.yaml` deploys as it is, and what it deploys syncs on a worker."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL

from flows.sandbox import Server, World
from tests.conftest import PROJECT, Warehouse

NAME, POOL = "drip-sync/sync", "drip"
COMMAND_SECONDS, RUN_SECONDS = 120, 180


def prefect(*arguments: str, cwd: Path, timeout: float = COMMAND_SECONDS) -> str:
    """What a `prefect` command printed, which has to succeed; it and all that it started end in time."""
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("prefect")), *arguments],
        cwd=cwd,
        env=os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"prefect {' '.join(arguments)} took too long:\n{process.communicate()[0]}")
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    """Of the session's server."""
    with get_client(sync_client=True) as speaking:
        yield speaking


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another copy of the project than the one installed, as on the machine of whoever deploys."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("prefect.yaml", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    shutil.copytree(PROJECT / "flows", folder / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def deployment(client: SyncPrefectClient, checkout: Path) -> Iterator[DeploymentResponse]:
    """Deployed as the comment in `prefect.yaml` says; twice, since a change is deployed over what is there."""
    prefect("work-pool", "create", POOL, "--type", "process", cwd=checkout)
    for _ in range(2):
        prefect("--no-prompt", "deploy", "--all", cwd=checkout)
    deployed = client.read_deployment_by_name(NAME)
    yield deployed
    client.delete_deployment(deployed.id)


def test_what_is_deployed(deployment: DeploymentResponse) -> None:
    assert deployment.entrypoint == "flows/sync.py:sync"
    assert deployment.work_pool_name == POOL
    assert deployment.tags == ["drip"]
    assert deployment.description
    narrow = {"accounts": None, "resources": None, "history": None}
    assert deployment.parameters == narrow | {"destination": "duckdb", "dataset": "drip", "mode": "auto"}
    assert set(deployment.parameter_openapi_schema["properties"]) == set(deployment.parameters)
    (schedule,) = deployment.schedules
    assert schedule.active
    assert schedule.schedule.cron == "17 * * * *"
    assert not deployment.paused
    assert deployment.global_concurrency_limit.limit == 1
    assert deployment.concurrency_options.collision_strategy == ConcurrencyLimitStrategy.CANCEL_NEW


def test_it_runs_wherever_the_project_is_installed(deployment: DeploymentResponse, checkout: Path) -> None:
    assert deployment.pull_steps == [{"flows.project.enter": {}}]
    stored = deployment.model_dump_json()
    for of_this_machine in (checkout, PROJECT, Path.home(), Path(sys.prefix)):
        assert str(of_this_machine) + "/" not in stored
        assert f'"{of_this_machine}"' not in stored


def test_no_secret_is_deployed(
    client: SyncPrefectClient, checkout: Path, deployment: DeploymentResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__API_KEY", "nobody-may-read-this")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://me:nobody-may-read-this@db/drip")
    output = prefect("--no-prompt", "deploy", "--all", cwd=checkout)
    stored = client.read_deployment_by_name(NAME).model_dump_json()
    assert "nobody-may-read-this" not in stored + output
    assert deployment.job_variables == {}


def test_a_worker_syncs(
    client: SyncPrefectClient,
    deployment: DeploymentResponse,
    server: Server,
    warehouse: Warehouse,
    world: World,
    tmp_path: Path,
) -> None:
    (schedule,) = client.read_deployment(deployment.id).schedules
    prefect("deployment", "schedule", "pause", NAME, str(schedule.id), cwd=tmp_path)
    run = client.create_flow_run_from_deployment(deployment.id)
    prefect("worker", "start", "--pool", POOL, "--run-once", cwd=tmp_path, timeout=RUN_SECONDS)
    state = client.read_flow_run(run.id).state
    assert state is not None
    assert state.is_completed(), state.message
    for account in world.account_ids:
        expected = {person["id"] for person in world.account(account).records["subscribers"].all()}
        assert set(warehouse.column(f"SELECT id FROM subscribers WHERE account_id = '{account}'")) == expected
    assert warehouse.value("SELECT count(*) FROM _syncs WHERE complete") == 2 + 9 * len(world.account_ids)
