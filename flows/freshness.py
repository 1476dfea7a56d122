"""The freshness check as a Prefect flow; the check itself is in `flows.reporting.freshness`."""

from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed, Failed

from flows.common.error_message import nothing_started
from flows.common.errors import SettingsError
from flows.common.output_guard import without_secrets
from flows.orchestration.parameters import (
    EVERY,
    AccountIds,
    Dataset,
    Destination,
    EventLoss,
    Hours,
    Resources,
    Shrinkage,
    name_of_check,
)
from flows.orchestration.secret_blocks import use_secret_blocks
from flows.pipeline.context import DEFAULT_DATASET
from flows.reporting.freshness import (
    EVENT_LOSS,
    HOURS,
    SHRINK,
    FreshnessReport,
    Limits,
    check_freshness,
    freshness_markdown,
)
from flows.reporting.markdown import escaped
from flows.source.dlt_run_context import in_project

ARTIFACT_KEY = "drip-freshness"
TIMEOUT = 900
"""Time limit of the check, in seconds. It may wait for a sync, then reads one small table."""


class NotFresh(FreshnessReport, Exception):
    """The report of a check that found problems. An exception, because Prefect raises a failed state's data."""

    def __str__(self) -> str:
        return self.summary()


@flow(
    name="drip-freshness",
    flow_run_name=name_of_check,
    timeout_seconds=TIMEOUT,
    persist_result=False,
)
@without_secrets
def freshness(
    hours: Hours = HOURS,
    shrink: Shrinkage = SHRINK,
    event_loss: EventLoss = EVENT_LOSS,
    accounts: AccountIds = EVERY,
    resources: Resources = EVERY,
    destination: Destination = "duckdb",
    dataset: Dataset = DEFAULT_DATASET,
) -> Any:
    """Fail if a list is older than `hours` or lost more than the share `shrink` of its rows, or events are missing.

    Returns:
        A state whose data is a `FreshnessReport`.
    """
    try:
        with nothing_started(), in_project():
            use_secret_blocks(destination)
            report = check_freshness(Limits(hours, shrink, event_loss), accounts, resources, destination, dataset)
    except SettingsError as error:
        return Failed(message=str(error), data=error)
    create_markdown_artifact(freshness_markdown(report), key=ARTIFACT_KEY, description=escaped(report.summary()))
    if report.problems:
        return Failed(message=report.summary(), data=NotFresh(**vars(report)))
    return Completed(message=report.summary(), data=report)
