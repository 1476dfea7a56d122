"""What a deployed run has to see to before it begins: its secrets, and a place for its data that outlives it."""

from collections.abc import Sequence

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from flows.common.errors import SettingsError
from flows.destinations.catalogue import DestinationName
from flows.orchestration.secret_blocks import use_secret_blocks
from flows.pipeline.context import SyncRun
from flows.pipeline.preparation import prepare
from flows.source.settings import common_settings

LASTING = "process"
"""The type of work pool whose runs share the file system of their worker. Those of others end with their container."""


def prepare_in_prefect(
    resources: Sequence[str] | None,
    destination: DestinationName,
    dataset: str,
    history: bool | Sequence[str] | None = None,
) -> SyncRun:
    """As `prepare`, in a flow run: secrets may stand in Prefect's blocks, and a file must not vanish with the run.

    Raises:
        SettingsError: naming the setting to change.
    """
    use_secret_blocks(destination)
    runs = prepare(resources, destination, dataset, history)
    target = runs.common.target
    kind = _pool_type() if target.is_local and not common_settings().file_lasts else LASTING
    if kind != LASTING:
        raise SettingsError(
            f"a work pool of type {kind} runs the sync in a container, and {target.location} would be lost with "
            "it: sync to PostgreSQL (destination: postgres), or mount a volume there and set SOURCES__DRIP__FILE_LASTS"
        )
    return runs


def _pool_type() -> str:
    """The type of the work pool that this flow run comes from; `process` where it comes from none."""
    context = FlowRunContext.get()
    name = context.flow_run.work_pool_name if context and context.flow_run else None
    if not name:
        return LASTING
    with get_client(sync_client=True) as client:
        return str(client.read_work_pool(name).type)
