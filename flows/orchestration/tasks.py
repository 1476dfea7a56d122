"""The Prefect tasks of a sync: accounts, extract, load, report."""

import functools
from collections.abc import Sequence
from typing import Any

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.runtime import task_run as task_run_runtime
from prefect.tasks import Task

from flows.common.labels import account_label
from flows.common.list_key import ListKey
from flows.common.output_guard import without_secrets
from flows.orchestration.remote_rate_limit import RemoteConnection
from flows.pipeline import extract as extraction
from flows.pipeline import load as loading
from flows.pipeline import reconcile as reconciliation
from flows.pipeline.accounts import SeenAccounts
from flows.pipeline.accounts import ask as ask_for_accounts
from flows.pipeline.context import ConnectionRun, SyncRun, connection_of
from flows.pipeline.extract import Extracted, ExtractFailure
from flows.pipeline.load import LOAD_RETRY_SECONDS, Loaded
from flows.pipeline.load_errors import LoadFailed
from flows.pipeline.report import SyncReport
from flows.pipeline.sync_log import NO_ACCOUNT

RETRIES = 1
"""Retries of a task, in addition to the client's. A retried task resumes from the landed pages."""


def extract_is_worth_retrying(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether retrying the task may succeed where the client's retries did not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and extraction.worth_retrying(error)


def load_is_worth_retrying(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether the load failed for a transient reason."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, LoadFailed) and error.transient


def _extract_name() -> str:
    parameters = task_run_runtime.parameters
    key, names = parameters["key"], parameters["run"].account_names
    owner = account_label(key.account_id, names) if key.account_id else key.connection or NO_ACCOUNT
    return f"extract {key.resource} of {owner}"


def _tag(**names: str | None) -> None:
    """Tag the current task run with its account, resource and connection.

    Tags that are set before submission make Prefect request a concurrency slot per task: 20 tasks took 8 s instead of
    1 s (measured). Tags set here reach the server with the next state change.
    """
    if context := TaskRunContext.get():
        context.task_run.tags += [f"{kind}:{name}" for kind, name in names.items() if name]


@task(name="accounts", persist_result=False)
@without_secrets
def ask(run: ConnectionRun) -> SeenAccounts:
    """Request the accounts that a connection has access to. Raises DripError."""
    _tag(resource="accounts", connection=run.connection)
    return ask_for_accounts(run)


@task(
    name="extract",
    task_run_name=_extract_name,
    retries=RETRIES,
    retry_condition_fn=extract_is_worth_retrying,
    persist_result=False,
)
@without_secrets
def extract(run: ConnectionRun, key: ListKey) -> Extracted:
    """Read one list of one account into the landing zone, resuming from its landed pages.

    Raises:
        DripError: the list could not be read; its landed pages are kept for the next attempt.
    """
    _tag(resource=key.resource, account=key.account_id, connection=key.connection)
    if run.coordinator:
        connection_of(run, RemoteConnection)
    return extraction.extract(run, key)


@functools.cache
def extract_with_delay(seconds: float) -> Task[Any, Any]:
    """The extraction task with a retry delay, cached because Prefect inspects the signature of each new task."""
    return extract.with_options(retry_delay_seconds=seconds)


@task(
    name="load",
    retries=RETRIES,
    retry_delay_seconds=LOAD_RETRY_SECONDS,
    retry_condition_fn=load_is_worth_retrying,
    persist_result=False,
)
@without_secrets
def load(runs: SyncRun, landed: Sequence[Extracted]) -> Loaded:
    """Merge the landed lists into the destination. Raises LoadFailed."""
    return loading.load(runs, landed)


@task(name="report", persist_result=False)
@without_secrets
def report(
    runs: SyncRun,
    landed: Sequence[Extracted],
    failures: Sequence[ExtractFailure],
    loaded: Loaded,
    shared: Sequence[str] = (),
) -> SyncReport:
    """Compare the landed rows with those in the destination, and save the result in `_syncs`."""
    return reconciliation.report(runs, landed, failures, loaded, shared)
