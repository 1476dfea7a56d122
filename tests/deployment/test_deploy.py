"""`prefect.yaml` can be deployed unchanged, and its deployments sync on a worker."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import psutil
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, State, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_engine import run_flow
from prefect.server.api import collections_data
from prefect.states import Cancelled, Pending, Running
from prefect.utilities.templating import apply_values

from flows.orchestration.deploy import description
from flows.sandbox import Server, World
from flows.sync import sync as flow
from tests import command
from tests.conftest import PREFECT_API_URL, PROJECT, Warehouse
from tests.deployment.commands import COMMAND_SECONDS, RUN_SECONDS, filled_in, pause, prefect, start
from tests.mirror import assert_mirrors
from tests.pipeline.conftest import refused, serve_limited

POOL, QUEUE = "drip", "sync"
SCHEDULES = {"sync": [("17 * * * *", True)], "full-refresh": [("37 2 * * *", True)], "sync-account": []}
EXTRACTION = "drip-extract/extract-account"
CHECK, CHECKED_AT = "drip-freshness/freshness", [("47 * * * *", True)]
CANCEL_NEW, ENQUEUE = ConcurrencyLimitStrategy.CANCEL_NEW, ConcurrencyLimitStrategy.ENQUEUE
WORKER_TEMPLATES = Path(collections_data.__path__[0]) / "views" / "aggregate-worker-metadata.json"
SECRET_VALUES = {
    "SOURCES__DRIP__API_KEY": "nobody-may-read-this",
    "DESTINATION__POSTGRES__CREDENTIALS": "postgresql://me:nobody-may-read-this@db/drip",
}
SOONEST = 10
"""Shortest wait, in seconds, that Prefect allows in an automation."""
OFTEN = IntervalSchedule(interval=timedelta(seconds=10))
SLOW_TAGS = [{"match": {"resource": "tags"}, "action": {"kind": "slow", "seconds": 60}}]


@pytest.fixture
def sync(sync_flow: Any) -> Any:
    """The flow, because these tests are about Prefect."""
    return sync_flow


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """The output of the command that `deployments` runs."""
    return []


@pytest.fixture(scope="module")
def deployments(
    client: SyncPrefectClient, checkout: Path, printed: list[str]
) -> Iterator[dict[str, DeploymentResponse]]:
    """All deployments by name, deployed by `prefect deploy` into a pool that exists."""
    command.prefect("work-pool", "create", POOL, "--type", "process", "--overwrite", folder=checkout)
    with pytest.MonkeyPatch.context() as patch:
        for setting, value in SECRET_VALUES.items():
            patch.setenv(setting, value)
        printed.append(prefect("--no-prompt", "deploy", "--all", cwd=checkout))
    deployed = {name: client.read_deployment_by_name(f"drip-sync/{name}") for name in SCHEDULES}
    deployed |= {name: client.read_deployment_by_name(name) for name in (CHECK, EXTRACTION)}
    yield deployed
    for one in deployed.values():
        client.delete_deployment(one.id)


@pytest.fixture(scope="module")
def deployment(deployments: dict[str, DeploymentResponse]) -> DeploymentResponse:
    """The hourly sync."""
    return deployments["sync"]


def test_the_freshness_check_is_deployed(deployments: dict[str, DeploymentResponse]) -> None:
    one = deployments[CHECK]
    assert one.entrypoint == "flows/freshness.py:freshness"
    assert one.work_pool_name == POOL
    assert one.work_queue_name != QUEUE  # so that it can report a sync that hangs
    assert set(one.parameter_openapi_schema["properties"]) == set(one.parameters)
    assert [(schedule.schedule.cron, schedule.active) for schedule in one.schedules] == CHECKED_AT
    assert one.global_concurrency_limit.limit == 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_what_is_deployed(deployments: dict[str, DeploymentResponse], name: str) -> None:
    one = deployments[name]
    assert one.entrypoint == "flows/sync.py:sync"
    assert (one.work_pool_name, one.work_queue_name) == (POOL, QUEUE)
    assert one.tags == ["drip"]
    assert one.version == version("drip-flows")
    assert one.description
    narrow = {"accounts": [], "resources": [], "history": ["as configured"]}
    mode, hours = ("auto", 3) if name == "sync" else ("full", 8)
    chosen = {"destination": "duckdb", "dataset": "drip", "mode": mode, "max_hours": hours, "rebuild": False}
    assert one.parameters == narrow | chosen
    assert set(one.parameter_openapi_schema["properties"]) == set(one.parameters)
    assert [(schedule.schedule.cron, schedule.active) for schedule in one.schedules] == SCHEDULES[name]
    assert not one.paused
    assert one.job_variables == {}
    assert one.global_concurrency_limit.limit == 1
    assert one.concurrency_options.collision_strategy == (CANCEL_NEW if name == "sync" else ENQUEUE)


@pytest.mark.usefixtures("prefect_server")
def test_what_prefect_refuses_is_shown(tmp_path: Path) -> None:
    described = yaml.safe_load((PROJECT / "prefect.yaml").read_text())
    (described["deployments"],) = [[one] for one in described["deployments"] if one["name"] == CHECK.split("/")[1]]
    described["deployments"][0]["entrypoint"] = "flows/not_there.py:freshness"
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(described))
    (tmp_path / "flows").symlink_to(PROJECT / "flows")
    result = command.drip_flows("deploy", "--pool", "refusing", folder=tmp_path, PREFECT_API_URL=PREFECT_API_URL)
    assert result.exit_code == 1
    assert "not_there.py" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("`prefect deploy` failed with exit code 1: correct")
    assert "Deployed to" not in result.stdout


def test_a_worker_gets_one_sync_at_a_time(client: SyncPrefectClient, deployment: DeploymentResponse) -> None:
    assert client.read_work_queue_by_name(QUEUE, work_pool_name=POOL).concurrency_limit == 1


def test_a_run_that_finds_another_at_work_is_cancelled(
    client: SyncPrefectClient, deployment: DeploymentResponse
) -> None:
    first, second = (client.create_flow_run_from_deployment(deployment.id) for _ in range(2))
    client.set_flow_run_state(first.id, Pending())
    client.set_flow_run_state(second.id, Pending())
    state = client.read_flow_run(second.id).state
    assert state is not None
    assert state.is_cancelled(), state
    client.set_flow_run_state(first.id, Cancelled(), force=True)


def test_a_parameter_that_is_wrong_is_refused(client: SyncPrefectClient, deployment: DeploymentResponse) -> None:
    with pytest.raises(PrefectHTTPStatusError, match="does not match"):
        client.create_flow_run_from_deployment(deployment.id, parameters={"accounts": ["1 OR 1=1"]})


@pytest.mark.parametrize(("kind", "package"), [("docker", "prefect-docker"), ("kubernetes", "prefect-kubernetes")])
def test_containers(kind: str, package: str, tmp_path: Path) -> None:
    """The deployments provide everything that Prefect's template for this type of work pool needs."""
    shutil.copy(PROJECT / "prefect.yaml", tmp_path)
    described = description(tmp_path, "containers", kind, "registry.example.com/drip-flows:1")
    template = json.loads(WORKER_TEMPLATES.read_text())[package][kind]["default_base_job_configuration"]
    for one in described["deployments"]:
        variables = one["work_pool"]["job_variables"]
        assert set(variables) <= set(template["variables"]["properties"])
        jsonschema.validate(variables, template["variables"])
        defaults = {k: v["default"] for k, v in template["variables"]["properties"].items() if "default" in v}
        job = json.dumps(apply_values(template["job_configuration"], defaults | variables))
        assert '"image": "registry.example.com/drip-flows:1"' in job
        assert '"IfNotPresent"' in job


def test_it_runs_wherever_the_project_is_installed(deployment: DeploymentResponse, checkout: Path) -> None:
    assert deployment.pull_steps == [{"flows.common.project.enter": {}}]
    stored = deployment.model_dump_json()
    for of_this_machine in (checkout, PROJECT, Path.home(), Path(sys.prefix)):
        assert str(of_this_machine) + "/" not in stored
        assert f'"{of_this_machine}"' not in stored


def test_no_secret_is_deployed(deployments: dict[str, DeploymentResponse], printed: list[str]) -> None:
    stored = [one.model_dump_json() for one in deployments.values()]
    assert "nobody-may-read-this" not in "".join(stored + printed)
    assert all(one.job_variables == {} for one in deployments.values())


@pytest.fixture
def nothing_scheduled(client: SyncPrefectClient, deployments: dict[str, DeploymentResponse]) -> None:
    """Pause all schedules, so that a worker only finds the runs of the test."""
    for one in deployments.values():
        pause(client, one.id)


@contextmanager
def ended_soon(client: SyncPrefectClient, after: str) -> Iterator[None]:
    """The example automation that ends runs with no other event than this one, with the shortest possible wait."""
    automations = yaml.safe_load(filled_in(uuid4()))["automations"]
    (one,) = [one for one in automations if after in one["trigger"].get("after", ())]
    one["trigger"] |= {"within": SOONEST, "after": [after]}
    automation = client.create_automation(AutomationCore.model_validate(one))
    try:
        yield
    finally:
        client.delete_automation(automation)


def reached(client: SyncPrefectClient, run: UUID, kind: StateType) -> State:
    """Wait until a run reaches a state of this type, and return it."""
    deadline = time.monotonic() + COMMAND_SECONDS
    while not (state := client.read_flow_run(run).state) or state.type != kind:
        assert time.monotonic() < deadline, state
        time.sleep(0.5)
    return state


def assert_found_gone(client: SyncPrefectClient, run: UUID) -> None:
    assert "No heartbeat" in str(reached(client, run, StateType.CRASHED).message)


def worker_at_work(server: Server, folder: Path) -> subprocess.Popen[str]:
    """A worker with a run that has requested most lists."""
    worker = start("prefect", "worker", "start", "--pool", POOL, "--run-once", cwd=folder)
    deadline = time.monotonic() + RUN_SECONDS
    while len(server.log) < 10 and time.monotonic() < deadline:
        time.sleep(0.1)
    return worker


@pytest.mark.usefixtures("nothing_scheduled")
def test_a_run_whose_worker_is_killed_with_it_has_crashed_and_the_next_is_exact(
    client: SyncPrefectClient,
    deployment: DeploymentResponse,
    sync: Any,
    server: Server,
    warehouse: Warehouse,
    world: World,
    tmp_path: Path,
) -> None:
    world.faults = SLOW_TAGS
    with ended_soon(client, "prefect.flow-run.heartbeat"):
        run = client.create_flow_run_from_deployment(deployment.id)
        worker = worker_at_work(server, tmp_path)
        for process in [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]:
            process.kill()
        worker.communicate()
        assert_found_gone(client, run.id)
    world.faults = None
    assert sync().exit_code == 0
    assert_mirrors(warehouse, world)


def test_runs_that_do_not_begin_or_end(client: SyncPrefectClient, deployments: dict[str, DeploymentResponse]) -> None:
    """A run that was taken but never started has crashed; an endless run is cancelled (completed by a worker)."""
    with ended_soon(client, "prefect.flow-run.Pending"), ended_soon(client, "prefect.flow-run.Running"):
        never_began, endless = (
            client.create_flow_run_from_deployment(deployments[name].id) for name in ("sync-account", "full-refresh")
        )
        client.set_flow_run_state(never_began.id, Pending())
        client.set_flow_run_state(endless.id, Running(), force=True)
        assert_found_gone(client, never_began.id)
        assert reached(client, endless.id, StateType.CANCELLING)
    client.set_flow_run_state(endless.id, Cancelled(), force=True)


def test_a_file_in_a_container_is_refused(
    client: SyncPrefectClient, deployment: DeploymentResponse, server: Server, warehouse: Warehouse
) -> None:
    client.create_work_pool(WorkPoolCreate(name="containers", type="prefect:managed"))
    elsewhere = client.create_deployment(
        deployment.flow_id,
        "elsewhere",
        entrypoint=deployment.entrypoint,
        pull_steps=deployment.pull_steps,
        work_pool_name="containers",
    )
    run = client.create_flow_run_from_deployment(elsewhere)
    run_flow(flow, flow_run=run, return_type="state")
    state = client.read_flow_run(run.id).state
    client.delete_deployment(elsewhere)
    assert state is not None
    assert state.is_failed()
    assert "SOURCES__DRIP__FILE_LASTS" in str(state.message)
    assert not server.log


@contextmanager
def worker(folder: Path) -> Iterator[None]:
    """Run a worker for the pool while the block runs."""
    process = start("prefect", "worker", "start", "--pool", POOL, cwd=folder)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=COMMAND_SECONDS)


@pytest.mark.usefixtures("nothing_scheduled")
def test_flow_runs_read_an_account_each_within_one_budget(
    client: SyncPrefectClient, sync: Any, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run the flow here and each account's lists in a separate flow run; a list of one account fails."""
    world = World(seed=7, sizes={"1000001": 30, "1000002": 30}, rate_limit=14, rate_window=5)
    world.faults = [{"match": {"account": "1000002", "resource": "tags"}, "action": {"kind": "status", "status": 403}}]
    monkeypatch.setenv("SOURCES__DRIP__FAN_OUT", "deployment")
    with serve_limited(world, monkeypatch, 14, 5) as server:
        with worker(tmp_path):
            report = sync()
        assert [(line.account, line.resource) for line in report.failures] == [("1000002", "tags")]
        assert "HTTP 403" in report.failures[0].note
        assert report.requests == len(server.log)
        assert refused(server.log) == 0
    read = client.read_flow_runs(flow_filter=FlowFilter(name={"any_": ["drip-extract"]}))
    assert sorted(str(run.state_type.value) for run in read if run.state_type) == ["COMPLETED", "FAILED"]
    for account in world.account_ids:
        rows = warehouse.column(f"SELECT id FROM subscribers WHERE account_id = '{account}'")
        assert sorted(rows) == sorted(world.account(account).subscribers.ids())


@pytest.mark.usefixtures("nothing_scheduled")
def test_a_scheduled_sync_begins_and_ends_by_itself(
    client: SyncPrefectClient,
    deployment: DeploymentResponse,
    server: Server,
    warehouse: Warehouse,
    world: World,
    tmp_path: Path,
) -> None:
    client.create_deployment_schedules(deployment.id, [(OFTEN, True)])
    # The server's scheduler, which is off in the tests, does the same for each deployment.
    one_run = {"max_runs": 1}
    client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment.id}, json=one_run)
    of_it = FlowRunFilter(deployment_id={"any_": [deployment.id]}, state={"type": {"any_": ["SCHEDULED"]}})
    run = client.read_flow_runs(flow_run_filter=of_it, sort=FlowRunSort.EXPECTED_START_TIME_ASC)[0]
    assert run.auto_scheduled
    with worker(tmp_path):
        reached(client, run.id, StateType.RUNNING)
        pause(client, deployment.id)
        reached(client, run.id, StateType.COMPLETED)
    assert_mirrors(warehouse, world)


def test_a_fan_out_to_a_deployment_that_is_not_there_says_so(
    sync: Any, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DRIP__FAN_OUT", "deployment")
    monkeypatch.setattr("flows.orchestration.remote_accounts.DEPLOYMENT", "drip-extract/not-there")
    report = sync(resources=["tags"])
    assert "drip-flows deploy" in report.failures[0].note
