"""Deployment: the work pool, its queue, and the deployments described in `prefect.yaml`."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, FlowFilter, WorkPoolFilter
from prefect.exceptions import ObjectNotFound
from prefect.utilities.asyncutils import run_coro_as_sync
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from flows.common.errors import SettingsError, unknown
from flows.common.project import PROJECT_SETTING
from flows.destinations.catalogue import READING, warehouse
from flows.orchestration.schedule_text import schedule_text

QUEUE = "sync"
ONE_RUN = 1
QUEUE_STEP = "flows.orchestration.deploy.one_run_at_a_time"
FRESHNESS = "freshness"
"""The deployment that only reads the destination."""
REPORT = "report"
"""The deployment that runs the notebooks, which read DuckDB."""
FILE = "prefect.yaml"
MANAGED = "prefect:managed"
PUSH = ("cloud-run:push", "ecs:push", "azure-container-instance:push", "modal:push")
"""Types of work pools of Prefect Cloud, whose runs need no worker: in Prefect's infrastructure, or in yours."""
GIT = "git+https://"
JOB_VARIABLES: dict[str, dict[str, Any]] = {
    "process": {},
    "docker": {"image_pull_policy": "IfNotPresent", "auto_remove": True},
    "kubernetes": {"image_pull_policy": "IfNotPresent", "finished_job_ttl": 86_400},
    MANAGED: {"env": {PROJECT_SETTING: "/tmp/drip-flows"}},  # noqa: S108 - the container is that of one run
    **{kind: {} for kind in PUSH},
}
"""Job variables by work pool type, without image and package. They must not contain secrets, since Prefect displays
them."""


@dataclass(frozen=True)
class Deployed:
    """What `prefect deploy` did.

    Attributes:
        exit_code: of `prefect deploy`.
        output: what it printed.
        schedules: by deployment, such as `drip-sync/sync`, when it runs, in words. Empty if the command failed.
    """

    exit_code: int
    output: str
    schedules: dict[str, str]


def deploy(folder: Path, pool: str, kind: str, image: str, destination: str, package: str = "") -> Deployed:
    """Deploy everything in `prefect.yaml` to a work pool, which is created if missing.

    Args:
        folder: the project folder.
        pool: name of the work pool.
        kind: type of the work pool.
        image: container image with the project installed, for types that run in containers.
        destination: destination of the deployments; empty for the one in the file.
        package: requirement by which runs in Prefect's infrastructure install the project: a git URL, or a name in an
            index.

    Raises:
        SettingsError: unknown type or destination, no `prefect.yaml`, no image or package, a destination that is lost
            with the run, or a pool of another type.
    """
    if destination:
        warehouse(destination)
    if kind not in JOB_VARIABLES:
        raise unknown("type of work pool", kind, JOB_VARIABLES)
    check_kind(kind, image, package, destination)
    described = description(folder, pool, kind, image, destination, package)
    with get_client(sync_client=True) as client:
        _make_pool(client, pool, kind)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(described, file)
        file.flush()
        prefect = str(Path(sys.executable).with_name("prefect"))
        words = [prefect, "--no-prompt", "deploy", "--all", "--prefect-file", file.name]
        ended = subprocess.run(  # noqa: S603
            words, cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    names = [one["name"] for one in described["deployments"]]
    return Deployed(ended.returncode, ended.stdout, {} if ended.returncode else _schedules(pool, names))


def _schedules(pool: str, names: list[str]) -> dict[str, str]:
    """When the deployments with these names in a work pool run, as Prefect has them, in the order of the names."""
    with get_client(sync_client=True) as client:
        found = client.read_deployments(
            deployment_filter=DeploymentFilter.model_validate({"name": {"any_": names}}),
            work_pool_filter=WorkPoolFilter.model_validate({"name": {"any_": [pool]}}),
        )
        flow_ids = [one.flow_id for one in found]
        flows = client.read_flows(flow_filter=FlowFilter.model_validate({"id": {"any_": flow_ids}}))
    flow_names = {flow.id: flow.name for flow in flows}
    ordered = sorted(found, key=lambda one: names.index(one.name))
    return {f"{flow_names[one.flow_id]}/{one.name}": schedule_text(one.schedules) for one in ordered}


def check_kind(kind: str, image: str, package: str, destination: str) -> None:
    """Check what a type of work pool needs. Raises SettingsError."""
    if (kind not in ("process", MANAGED)) != bool(image):
        raise SettingsError(f"a work pool of type {kind} {'takes no' if image else 'needs an'} --image")
    if (kind == MANAGED) != bool(package):
        raise SettingsError(f"a work pool of type {kind} {'takes no' if package else 'needs a'} --package")
    if package:
        _check_package(package)
    if kind in (MANAGED, *PUSH) and (destination in ("", "duckdb") or warehouse(destination).is_files):
        raise SettingsError(
            f"runs in a work pool of type {kind} lose their files when they end: set --destination to a database"
        )


def _check_package(package: str) -> None:
    """Check that a package can be installed elsewhere, and that its URL has no credentials. Raises SettingsError."""
    url = package.partition("@ ")[2] or package
    try:
        valid = url.startswith(GIT) if ":" in url or "/" in url else bool(Requirement(package))
    except InvalidRequirement:
        valid = False
    if not valid:
        raise SettingsError(f"--package {package!r} is neither a git URL ({GIT}host/path@tag) nor a name in an index")
    if urlsplit(url.removeprefix("git+")).username:
        raise SettingsError("--package contains credentials, which Prefect would display: use a public URL or an index")


def description(
    folder: Path, pool: str, kind: str, image: str, destination: str = "", package: str = ""
) -> dict[str, Any]:
    """The contents of `prefect.yaml`, adapted to this pool and destination. Raises SettingsError if it is missing."""
    path = folder / FILE
    if not path.is_file():
        raise SettingsError(f"no {FILE} in {folder}: deploy from the project folder")
    described: dict[str, Any] = yaml.safe_load(path.read_text())
    described["build"] = [{QUEUE_STEP: {"pool": pool, "queue": QUEUE}}]
    if destination and READING in warehouse(destination).without:
        described["deployments"] = [one for one in described["deployments"] if one["name"] != FRESHNESS]
    if destination not in ("", "duckdb"):
        described["deployments"] = [one for one in described["deployments"] if one["name"] != REPORT]
    variables = JOB_VARIABLES[kind] | ({"image": image} if image else {})
    variables |= {"pip_packages": [package]} if package else {}
    for deployment in described["deployments"]:
        deployment["work_pool"] = deployment["work_pool"] | {"name": pool, "job_variables": variables}
        if destination and deployment["name"] != REPORT:
            deployment["parameters"] = deployment["parameters"] | {"destination": destination}
    return described


def _make_pool(client: SyncPrefectClient, name: str, kind: str) -> None:
    try:
        found = client.read_work_pool(name).type
    except ObjectNotFound:
        if kind in PUSH:
            create = f"prefect work-pool create {name} --type {kind} --provision-infra"
            raise SettingsError(f"no work pool {name}: create it with your cloud's credentials ({create})") from None
        template = run_coro_as_sync(get_default_base_job_template_for_infrastructure_type(kind))
        client.create_work_pool(WorkPoolCreate(name=name, type=kind, base_job_template=template or {}))
        return
    if found != kind:
        raise SettingsError(f"the work pool {name} is of type {found}, not {kind}: change --type or --pool")


def one_run_at_a_time(pool: str, queue: str) -> None:
    """A build step that limits the sync queue, which is created if missing, to one run at a time."""
    with get_client(sync_client=True) as client:
        try:
            found = client.read_work_queue_by_name(queue, work_pool_name=pool)
        except ObjectNotFound:
            found = client.create_work_queue(queue, work_pool_name=pool)
        client.update_work_queue(found.id, concurrency_limit=ONE_RUN)
