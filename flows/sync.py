"""The sync as a Prefect flow, with one task per stage; the stages are in `flows.pipeline`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from prefect import flow
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.common.errors import SettingsError
from flows.common.output_guard import without_secrets
from flows.orchestration.artifacts import failures_published, publish
from flows.orchestration.deployed_run import check_accounts, prepare_in_prefect
from flows.orchestration.fan_out import fan_out
from flows.orchestration.parameters import (
    CONFIGURED,
    EVERY,
    AccountIds,
    Dataset,
    Destination,
    History,
    MaxHours,
    Rebuild,
    Resources,
    SyncMode,
    history_of,
    name_of_sync,
)
from flows.orchestration.progress_artifact import progress_shown
from flows.orchestration.shared_rate_limit import budgets_in_prefect
from flows.orchestration.tasks import ask, load, report
from flows.pipeline import sync as pipeline
from flows.pipeline.context import DEFAULT_DATASET
from flows.pipeline.report import SyncReport
from flows.pipeline.threads import LISTS_AT_ONCE
from flows.reporting.summary import state_message
from flows.source.client import DripClient


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
    flow_run_name=name_of_sync,
    task_runner=ThreadPoolTaskRunner(max_workers=LISTS_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,
)
@without_secrets
def sync(
    accounts: AccountIds = EVERY,
    resources: Resources = EVERY,
    destination: Destination = "duckdb",
    dataset: Dataset = DEFAULT_DATASET,
    history: History = CONFIGURED,
    mode: SyncMode = "full",
    max_hours: MaxHours = 0.0,
    rebuild: Rebuild = False,
) -> Any:
    """Mirror all accounts that the API keys have access to into the destination.

    The flow run fails if a list is incomplete, and names each such list; all other lists are loaded.

    Returns:
        A state whose data is a `SyncReport`.
    """
    try:
        check_accounts(accounts)
        with failures_published():
            kept, limit = history_of(history), max_hours or None
            result = pipeline.sync(accounts, resources, destination, dataset, kept, mode, limit, IN_PREFECT, rebuild)
            publish(result)
    except SettingsError as error:
        return Failed(message=str(error), data=error)
    if result.exit_code:
        return Failed(message=state_message(result), data=SyncFailed(**vars(result)))
    return Completed(message=state_message(result), data=result)
