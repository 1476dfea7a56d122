"""The sync as a Prefect flow; what it does is in `flows.pipeline`, and each stage is a task."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from prefect import flow
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows.common.errors import SettingsError
from flows.common.output_guard import without_secrets
from flows.destinations.catalogue import DestinationName
from flows.orchestration.artifacts import failures_published, publish
from flows.orchestration.deployed_run import prepare_in_prefect
from flows.orchestration.fan_out import fan_out
from flows.orchestration.progress_artifact import progress_shown
from flows.orchestration.shared_rate_limit import budgets_in_prefect
from flows.orchestration.tasks import ask, load, report
from flows.pipeline import sync as pipeline
from flows.pipeline.context import DEFAULT_DATASET
from flows.pipeline.report import SyncReport
from flows.pipeline.sync_mode import Mode
from flows.pipeline.threads import LISTS_AT_ONCE
from flows.reporting.summary import state_message
from flows.source.client import DripClient
from flows.source.endpoints import DEFAULT_RESOURCES, ENDPOINTS, HISTORIC

AccountIds = Annotated[
    list[Annotated[str, Field(pattern=r"^\d+$")]] | None,
    Field(description="Ids of the accounts to sync. All that the API keys see where empty."),
]
Resources = Annotated[
    list[str] | None,
    Field(description=f"Resources to sync, of {', '.join(ENDPOINTS)}. The first {len(DEFAULT_RESOURCES)} where empty."),
]
Destination = Annotated[DestinationName, Field(description="The dlt destination; its credentials are settings.")]
History = Annotated[
    bool | list[str] | None,
    Field(description=f"Resources whose history is kept, of {', '.join(HISTORIC)}. As the settings say where empty."),
]
SyncMode = Annotated[
    Mode,
    Field(
        description="full: every list whole. incremental: of the subscribers only those who came since the newest "
        "loaded one. auto: incremental for accounts whose subscribers were read whole lately."
    ),
]
MaxHours = Annotated[
    float | None,
    Field(description="Hours after which a run ends with what has arrived until then. No limit where empty.", gt=0),
]
Dataset = Annotated[str, Field(description="The schema that the tables are in.", pattern=r"^[a-z][a-z0-9_]*$")]


class SyncFailed(SyncReport, Exception):
    """The report of a run that failed. Prefect raises what a failed state holds, so it has to be an exception."""

    def __str__(self) -> str:
        return state_message(self)


@contextmanager
def observed(clients: Sequence[DripClient]) -> Iterator[None]:
    """Share the rate limits with other processes and show the progress, in Prefect."""
    with budgets_in_prefect(clients), progress_shown():
        yield


IN_PREFECT = pipeline.Runner(prepare_in_prefect, observed, ask, fan_out, load, report)


@flow(
    name="drip-sync",
    flow_run_name="sync into {destination} {dataset}",
    task_runner=ThreadPoolTaskRunner(max_workers=LISTS_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,
)
@without_secrets
def sync(
    accounts: AccountIds = None,
    resources: Resources = None,
    destination: Destination = "duckdb",
    dataset: Dataset = DEFAULT_DATASET,
    history: History = None,
    mode: SyncMode = "full",
    max_hours: MaxHours = None,
) -> Any:
    """Mirror every account that the API key sees, or the keys of all connections see, into the destination.

    The flow run fails, naming each, where a list did not arrive whole; everything else has arrived then.

    Returns:
        A state with a `SyncReport` in it.
    """
    try:
        with failures_published():
            result = pipeline.sync(accounts, resources, destination, dataset, history, mode, max_hours, IN_PREFECT)
            publish(result)
    except SettingsError as error:
        return Failed(message=str(error), data=error)
    if result.exit_code:
        return Failed(message=state_message(result), data=SyncFailed(**vars(result)))
    return Completed(message=state_message(result), data=result)
