"""Extraction: one Prefect task per account and resource, from the API into the landing zone."""

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.runtime import task_run as task_run_runtime
from prefect.tasks import Task

from flows.common.errors import DripError, SettingsError
from flows.common.events import ListRead, PageLanded, emit
from flows.common.output_guard import without_secrets
from flows.common.scrubbing import scrub
from flows.pipeline.context import Run, tools_of
from flows.pipeline.sync_log import NO_ACCOUNT, ListName
from flows.source.endpoints import ACCOUNTS
from flows.source.errors import BudgetSpent, RequestFailed, Stopped
from flows.source.paginator import Outcome
from flows.source.resources import land
from flows.source.settings import DripSettings

TASK_RETRIES = 1
ACCOUNTS_MAX_AGE = 180.0
"""Seconds; as long as Prefect may take to start, before which the command line asks for the accounts."""


class Landed(msgspec.Struct):
    """A list that has been read, or the `part` of it that was asked for, and lies in the landing zone."""

    resource: str
    account: str | None
    outcome: Outcome
    seconds: float
    resumed_pages: int = 0
    part: bool = False
    connection: str = ""

    @property
    def whole(self) -> bool:
        """Whether what landed was proven to be the whole list: what is not in it is gone."""
        return self.outcome.complete and not self.part


class Failure(msgspec.Struct):
    """A list that could not be read, and why."""

    resource: str
    account: str | None
    message: str
    status: int | None = None
    connection: str = ""


def worth_retrying(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether the whole task may help where the client's own retries did not: never for 401, 403, 404, 422."""
    error = root_cause(state)
    if isinstance(error, RequestFailed):
        return error.status == 429 or error.status >= 500
    return isinstance(error, DripError) and not isinstance(error, SettingsError | Stopped | BudgetSpent)


def root_cause(state: State[Any]) -> BaseException:
    """Our own error in a failed state."""
    try:
        state.result(raise_on_failure=True)
    except BaseException as raised:
        return own_error(raised)
    return RuntimeError("no error")


def own_error(raised: BaseException) -> BaseException:
    """Our own error in `raised`, itself where there is none; dlt wraps it while it iterates a resource."""
    error: BaseException | None = raised
    while error is not None and not isinstance(error, DripError):
        error = error.__cause__ or error.__context__
    return error or raised


def _task_run_name() -> str:
    parameters = task_run_runtime.parameters
    owner = parameters["account"] or parameters["run"].connection or NO_ACCOUNT
    return f"extract {parameters['resource']} of {owner}"


def _tag(**names: str | None) -> None:
    """Tag the task run from within, so that it is found by account, resource and connection.

    Tags given to Prefect beforehand make it ask the server for a concurrency slot per task: measured, 20 tasks
    took 8 s instead of 1 s. Set here, they reach the server with the next change of state.
    """
    if context := TaskRunContext.get():
        context.task_run.tags += [f"{kind}:{name}" for kind, name in names.items() if name]


@task(
    name="extract",
    task_run_name=_task_run_name,
    retries=TASK_RETRIES,
    retry_condition_fn=worth_retrying,
    persist_result=False,
)
@without_secrets
def extract(run: Run, resource: str, account: str | None) -> Landed:
    """Read one list of one account into the landing zone, going on from the pages that are there.

    Raises:
        DripError: the list could not be read; what landed of it stays for the next try.
    """
    _tag(resource=resource, account=account, connection=run.connection)
    started, tools, unit = time.monotonic(), tools_of(run), run.unit(resource, account)
    part = bool(run.choice(resource, account).since)
    if unit.age() > _max_age(resource, tools.settings) or not unit.is_sound() or unit.is_unproven():
        unit.clear()
    if (outcome := unit.outcome()) is not None:
        return Landed(resource, account, outcome, 0.0, len(unit.files()), part, run.connection)
    resumed = len(unit.files())
    for progress in land(tools.client, unit, lambda name: tools.decoder(name, run.columns.get(name, ()))):
        tools.emit(PageLanded(resource, account, *progress, run.connection))
    outcome = unit.outcome()
    if outcome is None:
        raise Stopped("the list was not read to its end")
    return Landed(resource, account, outcome, time.monotonic() - started, resumed, part, run.connection)


def patient(run: Run) -> Task[Any, Any]:
    """The extraction, with the settings' pause before it is tried once more."""
    return _patient(tools_of(run).settings.task_retry_delay)


@functools.cache
def _patient(seconds: float) -> Task[Any, Any]:
    """One for all lists: Prefect looks a task over whenever its options change."""
    return extract.with_options(retry_delay_seconds=seconds)


def _max_age(resource: str, settings: DripSettings) -> float:
    """The accounts are asked for anew by every later run: who was given one more must not wait an hour for it."""
    return min(settings.resume_max_age, ACCOUNTS_MAX_AGE) if resource == ACCOUNTS.resource else settings.resume_max_age


def gather(futures: Mapping[ListName, Any]) -> tuple[list[Landed], list[Failure]]:
    """Wait for all extractions. One that failed costs its own list only."""
    landed: list[Landed] = []
    failures: list[Failure] = []
    for (connection, resource, account), future in futures.items():
        future.wait()
        state = future.state
        if state.is_completed():
            landed.append(state.result())
        else:
            failures.append(failure_of(resource, account, root_cause(state), connection))
        emit(ListRead(resource, account, not state.is_completed(), connection))
    return landed, failures


def failure_of(resource: str, account: str | None, error: BaseException, connection: str) -> Failure:
    """A list that could not be read, with the error in a line."""
    message = str(error) if isinstance(error, DripError) else f"{type(error).__name__}: {error}"
    return Failure(resource, account, scrub(message), getattr(error, "status", None), connection)


def without_refused(
    landed: Sequence[Landed], failures: Sequence[Failure], connections: Sequence[str]
) -> tuple[list[Landed], list[Failure]]:
    """All lists of a connection whose token was refused in mid-run fail: nothing of them is loaded.

    Args:
        landed: the lists that came.
        failures: the lists that did not.
        connections: those that were asked.

    Raises:
        SettingsError: none of them is left.
    """
    words = "the API key was refused in mid-run: {}; what landed is kept"
    refused = {one.connection: words.format(one.message) for one in failures if one.status == 401}
    if refused and refused.keys() >= set(connections):
        raise SettingsError("; ".join(refused.values()))
    kept = [one for one in landed if one.connection not in refused]
    rest = [one for one in failures if one.connection not in refused]
    lists: list[Landed | Failure] = [*landed, *failures]
    lost = [
        Failure(one.resource, one.account, refused[one.connection], 401, one.connection)
        for one in lists
        if one.connection in refused
    ]
    return kept, [*rest, *lost]
