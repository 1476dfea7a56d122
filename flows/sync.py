"""The sync as a Prefect flow, with one task per stage; the stages are in `flows.pipeline`."""

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
    Field(description="Ids of the accounts to sync. Empty: all that the API keys have access to."),
]
Resources = Annotated[
    list[str] | None,
    Field(description=f"Resources to sync, of {', '.join(ENDPOINTS)}. Empty: the first {len(DEFAULT_RESOURCES)}."),
]
Destination = Annotated[DestinationName, Field(description="The destination; its credentials are settings.")]
History = Annotated[
    bool | list[str] | None,
    Field(description=f"Resources whose history is kept, of {', '.join(HISTORIC)}. Empty: those in the settings."),
]
SyncMode = Annotated[
    Mode,
    Field(
        description="full: read every list completely. incremental: read only subscribers created since the newest "
        "loaded one. auto: incremental where the last complete read is newer than SOURCES__DRIP__FULL_EVERY."
    ),
]
MaxHours = Annotated[
    float | None,
    Field(description="Hours after which a run loads what has arrived and ends. Empty: no limit.", gt=0),
]
Dataset = Annotated[str, Field(description="The schema that the tables are in.", pattern=r"^[a-z][a-z0-9_]*$")]


class SyncFailed(SyncReport, Exception):
    """The report of a failed run. An exception, because Prefect raises a failed state's data."""

    def __str__(self) -> str:
        return state_message(self)


@contextmanager
def observed(clients: Sequence[DripClient]) -> Iterator[None]:
    """Share the rate limits through Prefect and show the progress there."""
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
    """Mirror all accounts that the API keys have access to into the destination.

    The flow run fails if a list is incomplete, and names each such list; all other lists are loaded.

    Returns:
        A state whose data is a `SyncReport`.
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
