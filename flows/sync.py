"""The sync: accounts, then every list of every account at once into the landing zone, then one load."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from typing import Annotated, Any

from prefect import flow
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows.common.error_message import nothing_started
from flows.common.errors import DripError, SettingsError
from flows.common.events import ListsPlanned, emit, tell
from flows.common.output_guard import without_secrets
from flows.destinations.catalogue import DestinationName
from flows.orchestration.artifacts import failures_published, publish
from flows.orchestration.deployed_run import prepare_in_prefect
from flows.orchestration.fan_out import LISTS_AT_ONCE, Submit, fan_out
from flows.orchestration.progress_artifact import progress_shown
from flows.orchestration.shared_rate_limit import budgets_in_prefect
from flows.orchestration.time_limit import time_limit
from flows.pipeline.accounts import discover, seen_by_several, with_accounts
from flows.pipeline.context import DEFAULT_DATASET, Run, Runs, clean_up, private_files, tools_of
from flows.pipeline.extract import gather, without_refused
from flows.pipeline.load import known_columns, load, pipeline_of
from flows.pipeline.report import SyncReport, report, stopped_report
from flows.pipeline.sync_log import ListName
from flows.pipeline.sync_mode import Mode, with_modes
from flows.reporting.summary import state_message
from flows.source.endpoints import ACCOUNTS, DEFAULT_RESOURCES, ENDPOINTS, HISTORIC
from flows.source.project_context import in_project
from flows.source.settings import common_settings

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
    asked = datetime.now(UTC)
    try:
        with failures_published(), ExitStack() as stack:
            with nothing_started():
                stack.enter_context(in_project())
                runs = prepare_in_prefect(resources, destination, dataset, history)
            result = _reported(runs, accounts, mode, max_hours)
            result.asked = asked
            publish(result)
    except SettingsError as error:
        return Failed(message=str(error), data=error)
    if result.exit_code:
        return Failed(message=state_message(result), data=SyncFailed(**vars(result)))
    return Completed(message=state_message(result), data=result)


def _reported(runs: Runs, accounts: list[str] | None, mode: Mode, max_hours: float | None) -> SyncReport:
    try:
        with ExitStack() as stack:
            with nothing_started():
                clients = [tools_of(run).client for run in runs.each]
                for one in (private_files(), _lock(runs), budgets_in_prefect(clients), progress_shown()):
                    stack.enter_context(one)
            stack.enter_context(time_limit(clients, max_hours))
            return _sync(runs, accounts, mode)
    except DripError as error:
        return stopped_report(runs, str(error))
    finally:
        clean_up(runs)


def _lock(runs: Runs) -> AbstractContextManager[None]:
    return runs.common.target.lock(common_settings().lock_wait)


def _sync(runs: Runs, wanted: list[str] | None, mode: Mode) -> SyncReport:
    with nothing_started():
        found = discover(runs)
        pipeline = pipeline_of(runs.common)
        pipeline.sync_destination()
        runs = with_accounts(runs.with_columns(known_columns(pipeline)), found, wanted)
        runs = with_modes(runs, pipeline, mode)
    with fan_out(runs) as read:
        landed, failures = gather(submitted(runs, read))
    connections = [run.connection for run in runs.known]
    landed, failures = without_refused([*found.landed, *landed], failures, connections)
    tell("loading")
    loaded = load(runs, landed)
    return report(runs, landed, [*found.failures, *failures], loaded, seen_by_several(runs))


def submitted(runs: Runs, read: Submit) -> dict[ListName, Any]:
    """A future for each list that is to be read."""
    futures = {
        (run.connection, resource, account): read(run, resource, account) for run, resource, account in plan(runs)
    }
    emit(ListsPlanned(len(futures), sum(len(run.accounts or ()) for run in runs.known)))
    return futures


def plan(runs: Runs) -> list[tuple[Run, str, str | None]]:
    """The lists to read, by run, resource and account: the longest kinds first so that none is left over at the end.

    Within a kind the connections take turns, since each has a budget of its own.
    """
    names: list[tuple[Run, str, str | None]] = []
    for resource in sorted(runs.common.resources, key=lambda name: not ENDPOINTS[name].paginated):
        if resource != ACCOUNTS.resource:
            turns = [(turn, run, a) for run in runs.known for turn, a in enumerate(_owners(run, resource))]
            names += [(run, resource, a) for _, run, a in sorted(turns, key=lambda one: one[0])]
    return names


def _owners(run: Run, resource: str) -> Sequence[str | None]:
    """Whose lists of a resource there are: each account's, or None for the one of the token."""
    return (run.accounts or ()) if ENDPOINTS[resource].per_account else (None,)
