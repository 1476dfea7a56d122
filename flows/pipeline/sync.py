"""A complete sync: discover the accounts, extract all lists into the landing zone in parallel, load once, report.

It does not depend on Prefect. A `Runner` decides how the stages run: directly in this process, or as tasks of a flow.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from itertools import zip_longest

import dlt

from flows.common.clock import now
from flows.common.error_message import nothing_started
from flows.common.errors import DripError
from flows.common.events import ListsPlanned, emit, tell
from flows.common.list_key import ListKey
from flows.destinations.catalogue import DestinationName
from flows.pipeline.accounts import Ask, Discovery, ask, discover, seen_by_several, with_accounts
from flows.pipeline.context import DEFAULT_DATASET, ConnectionRun, SyncRun, clean_up, connection_of, private_files
from flows.pipeline.dataset_mask import check_dataset_mask
from flows.pipeline.dlt_pipeline import opened_pipeline, release_pipeline
from flows.pipeline.extract import Extracted, ExtractFailure, Pending, gather, submit_all, without_refused
from flows.pipeline.load import Loaded, load_with_retry
from flows.pipeline.partial_lists import begin_partial_lists
from flows.pipeline.planning.start import expectation
from flows.pipeline.preparation import prepare
from flows.pipeline.rebuild import check_rebuild, empty_dataset
from flows.pipeline.reconcile import report, stopped_report
from flows.pipeline.report import SyncReport
from flows.pipeline.sync_mode import Mode, with_modes
from flows.pipeline.threads import Submit, in_threads
from flows.pipeline.time_limit import time_limit
from flows.source.client import DripClient
from flows.source.dlt_run_context import in_project
from flows.source.endpoints import ACCOUNTS, ENDPOINTS
from flows.source.settings import common_settings
from flows.source.settings_cache import settings_kept
from flows.source.tables import known_columns


@dataclass(frozen=True)
class Runner:
    """How the stages of a sync are run. By default in threads of this process, without Prefect.

    Attributes:
        prepare: checks everything that needs no request; see `prepare`.
        observe: a context manager around the run, given the clients, for example to share their rate limit.
        ask: reads the accounts of a connection.
        fan_out: a context manager that provides the function to submit lists for extraction.
        load: merges the landed lists into the destination.
        report: reconciles the rows and records the result.
    """

    prepare: Callable[..., SyncRun] = prepare
    observe: Callable[[Sequence[DripClient]], AbstractContextManager[None]] = lambda clients: nullcontext()
    ask: Ask = ask
    fan_out: Callable[[SyncRun], AbstractContextManager[Submit]] = in_threads
    load: Callable[[SyncRun, Sequence[Extracted]], Loaded] = load_with_retry
    report: Callable[[SyncRun, Sequence[Extracted], Sequence[ExtractFailure], Loaded, Sequence[str]], SyncReport] = (
        report
    )


def sync(
    accounts: Sequence[str] | None = None,
    resources: Sequence[str] | None = None,
    destination: DestinationName = "duckdb",
    dataset: str = DEFAULT_DATASET,
    history: bool | Sequence[str] | None = None,
    mode: Mode = "full",
    max_hours: float | None = None,
    runner: Runner | None = None,
    rebuild: bool = False,
) -> SyncReport:
    """Mirror all accounts that the API keys have access to into the destination.

    Args:
        accounts: ids of the accounts; None for all.
        resources: names of the resources; None for all but the optional ones.
        destination: the dlt destination.
        dataset: the schema that the tables are in.
        history: resources whose history is kept; None for those in the settings.
        mode: how subscribers are read: full, incremental or auto.
        max_hours: time limit for reading; the lists read by then are loaded. None for no limit.
        runner: how the stages are run; by default, in this process.
        rebuild: empty the dataset first, its history included.

    Returns:
        The report. Its `exit_code` tells whether all lists arrived completely.

    Raises:
        SettingsError: nothing could start.
        LoadFailed: the load failed.
    """
    asked, runner = now(), runner or Runner()
    with ExitStack() as stack:
        with nothing_started():
            stack.enter_context(in_project())
            runs = runner.prepare(resources, destination, dataset, history)
            stack.enter_context(settings_kept())
            if rebuild:
                check_rebuild(runs)
        result = _reported(runs, accounts, mode, max_hours, runner, rebuild)
    result.asked = asked
    return result


def _reported(
    runs: SyncRun,
    accounts: Sequence[str] | None,
    mode: Mode,
    max_hours: float | None,
    runner: Runner,
    rebuild: bool,
) -> SyncReport:
    try:
        with ExitStack() as stack:
            with nothing_started():
                clients = [connection_of(run).client for run in runs.each]
                stack.enter_context(private_files())
                stack.enter_context(runner.observe(clients))
                discovery = discover(runs, runner.ask)
                runs = with_accounts(runs, discovery, accounts)
                stack.enter_context(runs.common.target.lock(common_settings().lock_wait))
                if rebuild:
                    empty_dataset(runs)
            stack.enter_context(time_limit(clients, max_hours))
            return _stages(runs, discovery, mode, runner)
    except DripError as error:
        return stopped_report(runs, str(error))
    finally:
        release_pipeline(runs.common)
        clean_up(runs)


def _stages(runs: SyncRun, discovery: Discovery, mode: Mode, runner: Runner) -> SyncReport:
    with nothing_started():
        with opened_pipeline(runs.common) as pipeline:
            runs = _planned(runs, pipeline, mode)
        known = discovery.land(runs)
    with runner.fan_out(runs) as submit:
        landed, failures = gather(_submitted(runs, submit))
    landed, failures = without_refused([*known, *landed], failures, [run.connection for run in runs.known])
    tell("loading")
    with runs.common.target.held_open(common_settings().lock_wait):
        loaded = runner.load(runs, landed)
        return runner.report(runs, landed, [*discovery.failures, *failures], loaded, seen_by_several(runs, discovery))


def _planned(runs: SyncRun, pipeline: dlt.Pipeline, mode: Mode) -> SyncRun:
    """Decide by what the destination has how each list is read, and say how long that will take."""
    pipeline.sync_destination()
    check_dataset_mask(runs.common, pipeline)
    for run in runs.each:
        run.landing.use_mask(run.mask)
    runs = with_modes(runs.with_columns(known_columns(pipeline)), pipeline, mode)
    begin_partial_lists(runs, pipeline)
    if words := expectation(runs, lists_to_read(runs), pipeline):
        tell(words)
    return runs


def _submitted(runs: SyncRun, submit: Submit) -> dict[ListKey, Pending]:
    """Start the extraction of every list."""
    keys = lists_to_read(runs)
    emit(ListsPlanned(len(keys), sum(len(run.accounts or ()) for run in runs.known), runs.account_names))
    return submit_all(keys, lambda key: submit(runs.of(key.connection), key))


def lists_to_read(runs: SyncRun) -> list[ListKey]:
    """The lists to read: first the parents of dependent lists, then paginated lists, which take longest.

    Within a resource, connections alternate, since each has its own rate limit.
    """
    keys: list[ListKey] = []
    parents = {ENDPOINTS[name].parent for name in runs.common.resources}
    for resource in sorted(
        runs.common.resources, key=lambda name: (name not in parents, not ENDPOINTS[name].paginated)
    ):
        if resource != ACCOUNTS.resource:
            by_run = [[run.key(resource, owner) for owner in _owners(run, resource)] for run in runs.known]
            keys += [key for turn in zip_longest(*by_run) for key in turn if key]
    return keys


def _owners(run: ConnectionRun, resource: str) -> Sequence[str | None]:
    """The owners of a resource's lists: the accounts, or None for a list that belongs to the token."""
    return (run.accounts or ()) if ENDPOINTS[resource].per_account else (None,)
