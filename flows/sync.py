"""The sync: accounts, then every list of every account at once into the landing zone, then one load."""

from dataclasses import replace
from typing import Annotated, Any

from prefect import flow
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows.artifacts import failures_published, publish
from flows.budget import budget_in_prefect
from flows.deployed import prepare_in_prefect
from flows.extract import Landed, ListName, extract, gather, own_error, root_cause
from flows.load import known_columns, load, pipeline_of
from flows.modes import Mode, with_modes
from flows.progress import ListsPlanned, emit, tell
from flows.progress_artifact import progress_shown
from flows.report import SyncReport, report, stopped_report
from flows.run import DEFAULT_DATASET, Run, clean_up, private_files, tools_of
from flows.source.drip import chosen_accounts
from flows.source.endpoints import ACCOUNTS, DEFAULT_RESOURCES, ENDPOINTS, HISTORIC
from flows.source.errors import DripError, SettingsError
from flows.source.schema import texts
from flows.summary import state_message
from flows.time_limit import time_limit
from flows.warehouses import DestinationName

THREADS = 8
"""Lists read at once. How many requests are under way at once is a setting of the source."""

AccountIds = Annotated[
    list[Annotated[str, Field(pattern=r"^\d+$")]] | None,
    Field(description="Ids of the accounts to sync. All that the API key sees where empty."),
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


@flow(
    name="drip-sync",
    flow_run_name="sync into {destination} {dataset}",
    task_runner=ThreadPoolTaskRunner(max_workers=THREADS),  # type: ignore[arg-type]
    persist_result=False,
)
def sync(
    accounts: AccountIds = None,
    resources: Resources = None,
    destination: Destination = "duckdb",
    dataset: Dataset = DEFAULT_DATASET,
    history: History = None,
    mode: SyncMode = "full",
    max_hours: MaxHours = None,
) -> Any:
    """Mirror every account that the API key sees into the destination.

    The flow run fails, naming each, where a list did not arrive whole; everything else has arrived then.

    Returns:
        A state with a `SyncReport` in it.
    """
    with failures_published():
        result = _reported(prepare_in_prefect(resources, destination, dataset, history), accounts, mode, max_hours)
        publish(result)
    return (Failed if result.exit_code else Completed)(message=state_message(result), data=result)


def _reported(run: Run, accounts: list[str] | None, mode: Mode, max_hours: float | None) -> SyncReport:
    try:
        settings, client = tools_of(run).settings, tools_of(run).client
        lock = run.target.lock(settings.lock_wait)
        with private_files(), lock, budget_in_prefect(client), progress_shown(), time_limit(client, max_hours):
            return _sync(run, accounts, mode)
    except DripError as error:
        return stopped_report(run, str(error))
    finally:
        clean_up(run)


def _sync(run: Run, wanted: list[str] | None, mode: Mode) -> SyncReport:
    discovered = discover(run)
    pipeline = pipeline_of(run)
    pipeline.sync_destination()
    run = replace(run, columns=known_columns(pipeline))
    accounts = chosen_accounts(visible(run), wanted)
    run = with_modes(run, pipeline, accounts, mode)
    patient = extract.with_options(retry_delay_seconds=tools_of(run).settings.task_retry_delay)
    futures = {name: patient.submit(run, *name) for name in plan(run, accounts)}
    emit(ListsPlanned(len(futures), len(accounts)))
    landed, failures = gather(futures)
    if refused := next((failure for failure in failures if failure.status == 401), None):
        raise SettingsError(f"the API key was refused in mid-run: {refused.message}; what landed is kept")
    tell("loading")
    landed.append(discovered)
    loaded = load(run, landed, accounts)
    return report(run, accounts, landed, failures, loaded)


def discover(run: Run) -> Landed:
    """Read the list of accounts. Nothing can start without it: its error is the run's."""
    state = extract(run, ACCOUNTS.resource, None, return_state=True)
    if not state.is_completed():
        raise root_cause(state)
    landed: Landed = state.result()
    return landed


def check_accounts(run: Run, wanted: list[str] | None) -> None:
    """Ask for the accounts before Prefect starts, which takes long; the flow finds the answer where it landed.

    Raises:
        DripError: nobody answers, the token is refused, or a wanted account is not visible to it.
    """
    try:
        with private_files(), run.target.lock(tools_of(run).settings.lock_wait):
            extract.fn(run, ACCOUNTS.resource, None)
            if not set(wanted or ()) <= set(visible(run)):  # what landed a minute ago may not know it yet
                run.unit(ACCOUNTS.resource, None).clear()
                extract.fn(run, ACCOUNTS.resource, None)
            chosen_accounts(visible(run), wanted)
    except Exception as error:
        raise own_error(error) from None
    finally:
        clean_up(run)


def visible(run: Run) -> list[str]:
    """The ids of the accounts that landed."""
    return [key for table in run.unit(ACCOUNTS.resource, None).tables() for key in texts(table, ACCOUNTS.key)]


def plan(run: Run, accounts: list[str]) -> list[ListName]:
    """The lists to read, the longest kinds first so that none is left over at the end."""
    names: list[ListName] = []
    for resource in sorted(run.resources, key=lambda name: not ENDPOINTS[name].paginated):
        if resource != ACCOUNTS.resource:
            names += [(resource, a) for a in (accounts if ENDPOINTS[resource].per_account else [None])]
    return names
