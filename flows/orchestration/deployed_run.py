"""Preparation of a deployed run: its secrets, and a check that its data outlives the container."""

from collections.abc import Sequence

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.runtime import deployment

from flows.common.errors import SettingsError
from flows.destinations.catalogue import DestinationName
from flows.orchestration.secret_blocks import use_secret_blocks
from flows.pipeline.context import SyncRun
from flows.pipeline.preparation import prepare
from flows.source.settings import common_settings

CHOSEN_ACCOUNTS = "sync-account"
"""The deployment that syncs the accounts that its run names."""
PROCESS = "process"
"""The work pool type whose runs use the worker's file system. Runs of other types lose theirs with the container."""


def prepare_in_prefect(
    resources: Sequence[str] | None,
    destination: DestinationName,
    dataset: str,
    history: bool | Sequence[str] | None = None,
) -> SyncRun:
    """Call `prepare` in a flow run, with secrets from Prefect's blocks; check that a local file outlives the run.

    Raises:
        SettingsError: names the setting to change.
    """
    use_secret_blocks(destination)
    runs = prepare(resources, destination, dataset, history)
    target = runs.common.target
    kind = _pool_type() if target.is_local and not common_settings().file_lasts else PROCESS
    if kind != PROCESS:
        raise SettingsError(
            f"a work pool of type {kind} runs the sync in a container, and {target.location} would be lost with "
            "it: sync to PostgreSQL (destination: postgres), or mount a volume there and set SOURCES__DRIP__FILE_LASTS"
        )
    return runs


def check_accounts(accounts: Sequence[str]) -> None:
    """Refuse a run of the deployment for chosen accounts that chooses none. Raises SettingsError."""
    if not accounts and deployment.name == CHOSEN_ACCOUNTS:
        raise SettingsError(
            f"the deployment {CHOSEN_ACCOUNTS} syncs chosen accounts: run it with their ids in the parameter accounts, "
            'such as ["1000001"], or run another deployment to sync all of them'
        )


def _pool_type() -> str:
    """The type of this flow run's work pool; `process` if it has none."""
    context = FlowRunContext.get()
    name = context.flow_run.work_pool_name if context and context.flow_run else None
    if not name:
        return PROCESS
    with get_client(sync_client=True) as client:
        return str(client.read_work_pool(name).type)
