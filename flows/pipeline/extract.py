"""Extraction: one list of one account, from the API into the landing zone."""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from flows.common.errors import DripError, SettingsError
from flows.common.events import ListRead, PageLanded, emit
from flows.common.scrubbing import scrub
from flows.pipeline.context import ConnectionRun, connection_of
from flows.pipeline.sync_log import ListName
from flows.source.errors import BudgetSpent, RequestFailed, Stopped
from flows.source.list_landing import land
from flows.source.paginator import ListOutcome


class Extracted(msgspec.Struct):
    """A list that has been read, or the `part` of it that was asked for, and lies in the landing zone."""

    resource: str
    account: str | None
    outcome: ListOutcome
    seconds: float
    resumed_pages: int = 0
    part: bool = False
    connection: str = ""

    @property
    def whole(self) -> bool:
        """Whether what landed was proven to be the whole list: what is not in it is gone."""
        return self.outcome.complete and not self.part


class ExtractFailure(msgspec.Struct):
    """A list that could not be read, and why."""

    resource: str
    account: str | None
    message: str
    status: int | None = None
    connection: str = ""


class Pending(Protocol):
    """A list that is being read."""

    def result(self) -> Extracted:
        """Wait until the list has landed. Raises what it could not be read for."""


def worth_retrying(error: BaseException) -> bool:
    """Whether to try a list again where the client's own retries did not help: never for 401, 403, 404, 422."""
    error = own_error(error)
    if isinstance(error, RequestFailed):
        return error.status == 429 or error.status >= 500
    return isinstance(error, DripError) and not isinstance(error, SettingsError | Stopped | BudgetSpent)


def own_error(raised: BaseException) -> BaseException:
    """The first error of ours in the chain of causes of `raised`; `raised` itself if there is none."""
    error: BaseException | None = raised
    while error is not None and not isinstance(error, DripError):
        error = error.__cause__ or error.__context__
    return error or raised


def extract(run: ConnectionRun, resource: str, account: str | None) -> Extracted:
    """Read one list of one account into the landing zone, resuming from the pages that are there.

    Raises:
        DripError: the list could not be read; what landed of it stays for the next try.
    """
    started, tools, unit = time.monotonic(), connection_of(run), run.unit(resource, account)
    part = bool(run.choice(resource, account).since)
    if unit.age() > tools.settings.resume_max_age or not unit.is_sound() or unit.is_unproven():
        unit.clear()
    if (outcome := unit.outcome()) is not None:
        return Extracted(resource, account, outcome, 0.0, len(unit.files()), part, run.connection)
    resumed = len(unit.files())
    for progress in land(tools.client, unit, lambda name: tools.decoder(name, run.columns.get(name, ()))):
        tools.emit(PageLanded(resource, account, *progress, run.connection))
    outcome = unit.outcome()
    if outcome is None:
        raise Stopped("the list was not read to its end")
    return Extracted(resource, account, outcome, time.monotonic() - started, resumed, part, run.connection)


def extract_with_retry(run: ConnectionRun, resource: str, account: str | None) -> Extracted:
    """As `extract`, retried once after `SOURCES__DRIP__TASK_RETRY_DELAY` if that may help."""
    try:
        return extract(run, resource, account)
    except Exception as error:
        if not worth_retrying(error):
            raise
    tools = connection_of(run)
    tools.client.stop.wait(tools.settings.task_retry_delay)
    return extract(run, resource, account)


def gather(pending: Mapping[ListName, Pending]) -> tuple[list[Extracted], list[ExtractFailure]]:
    """Wait for all extractions; a failed one does not affect the others."""
    landed: list[Extracted] = []
    failures: list[ExtractFailure] = []
    for (connection, resource, account), one in pending.items():
        failed = False
        try:
            landed.append(one.result())
        except Exception as error:
            failed = True
            failures.append(failure_of(resource, account, own_error(error), connection))
        emit(ListRead(resource, account, failed, connection))
    return landed, failures


def failure_of(resource: str, account: str | None, error: BaseException, connection: str) -> ExtractFailure:
    """A list that could not be read, with the error in a line."""
    message = str(error) if isinstance(error, DripError) else f"{type(error).__name__}: {error}"
    return ExtractFailure(resource, account, scrub(message), getattr(error, "status", None), connection)


def without_refused(
    landed: Sequence[Extracted], failures: Sequence[ExtractFailure], connections: Sequence[str]
) -> tuple[list[Extracted], list[ExtractFailure]]:
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
    lists: list[Extracted | ExtractFailure] = [*landed, *failures]
    lost = [
        ExtractFailure(one.resource, one.account, refused[one.connection], 401, one.connection)
        for one in lists
        if one.connection in refused
    ]
    return kept, [*rest, *lost]
