"""Extraction of lists from the API into the landing zone."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from flows.common.errors import DripError, SettingsError
from flows.common.events import ListRead, PageLanded, emit
from flows.common.list_key import ListKey
from flows.common.scrubbing import scrub
from flows.pipeline.context import ConnectionRun, connection_of
from flows.pipeline.sync_log import INCREMENTAL
from flows.source.endpoints import ENDPOINTS
from flows.source.errors import BudgetSpent, RequestFailed, Stopped
from flows.source.list_landing import land
from flows.source.mask_setting import MASK, MASK_KEY
from flows.source.paginator import ListOutcome


class Extracted(msgspec.Struct):
    """A list that has landed. `part` is set if only a part of the list was requested."""

    key: ListKey
    outcome: ListOutcome
    seconds: float
    resumed_pages: int = 0
    part: bool = False

    @property
    def whole(self) -> bool:
        """Whether it was read in full and proven complete, so that missing rows can be deleted."""
        return self.outcome.complete and self.outcome.available and not self.part


class ExtractFailure(msgspec.Struct):
    """A list that could not be read, with the reason."""

    key: ListKey
    message: str
    status: int | None = None


class Pending(Protocol):
    """The pending extraction of a list."""

    def result(self) -> Extracted:
        """Wait until the list has landed. Raises the error if it could not be read."""


def worth_retrying(error: BaseException) -> bool:
    """Whether to retry a list after the client's own retries failed; never for 401, 403, 404, 422."""
    error = own_error(error)
    if isinstance(error, RequestFailed):
        return error.status == 429 or error.status >= 500
    return isinstance(error, DripError) and not isinstance(error, SettingsError | Stopped | BudgetSpent)


def own_error(raised: BaseException) -> BaseException:
    """The first DripError in the chain of causes of `raised`; `raised` itself if there is none."""
    error: BaseException | None = raised
    while error is not None and not isinstance(error, DripError):
        error = error.__cause__ or error.__context__
    return error or raised


def extract(run: ConnectionRun, key: ListKey) -> Extracted:
    """Read one list into the landing zone, resuming from the landed pages.

    Raises:
        DripError: the list could not be read. The landed pages are kept for the next attempt.
    """
    started, connection, landed = time.monotonic(), connection_of(run), run.landed_list(key)
    part = run.read_mode(key).mode == INCREMENTAL
    if connection.settings.masking.fingerprint != run.mask:
        raise SettingsError(f"{MASK} or {MASK_KEY} is not the same here as where the sync was started")
    if not landed.may_resume(connection.settings.resume_max_age):
        landed.clear()
    if (outcome := landed.outcome()) is not None:
        return Extracted(key, outcome, 0.0, len(landed.files()), part)
    resumed = len(landed.files())
    for progress in land(connection.client, landed, lambda name: connection.decoder(name, run.columns.get(name, ()))):
        connection.emit(PageLanded(key, *progress))
    outcome = landed.outcome()
    if outcome is None:
        raise Stopped("the list was not read completely")
    return Extracted(key, outcome, time.monotonic() - started, resumed, part)


def extract_with_retry(run: ConnectionRun, key: ListKey) -> Extracted:
    """As `extract`, retried once after `SOURCES__DRIP__TASK_RETRY_DELAY` if that may help."""
    try:
        return extract(run, key)
    except Exception as error:
        if not worth_retrying(error):
            raise
    connection = connection_of(run)
    connection.client.stop.wait(connection.settings.task_retry_delay)
    return extract(run, key)


def submit_all(keys: Sequence[ListKey], submit: Callable[[ListKey], Pending]) -> dict[ListKey, Pending]:
    """Start the extraction of all lists.

    Dependent lists start after the list of their parents has been read, if it is among the keys, and copy it.
    """
    pending = {key: submit(key) for key in keys if not ENDPOINTS[key.resource].parent}
    for key in keys:
        if parent := ENDPOINTS[key.resource].parent:
            parents = pending.get(ListKey(key.connection, parent, key.account_id))
            with suppress(Exception):  # `gather` reports it
                _ = parents and parents.result()
            pending[key] = submit(key)
    return pending


def gather(pending: Mapping[ListKey, Pending]) -> tuple[list[Extracted], list[ExtractFailure]]:
    """Wait for all extractions. A failed one does not affect the others."""
    landed: list[Extracted] = []
    failures: list[ExtractFailure] = []
    for key, extraction in pending.items():
        failed = False
        try:
            landed.append(extraction.result())
        except Exception as error:
            failed = True
            failures.append(failure_of(key, own_error(error)))
        emit(ListRead(key, failed))
    return landed, failures


def failure_of(key: ListKey, error: BaseException) -> ExtractFailure:
    """The failure of a list, with the error on one line."""
    message = str(error) if isinstance(error, DripError) else f"{type(error).__name__}: {error}"
    return ExtractFailure(key, scrub(message), getattr(error, "status", None))


def without_refused(
    landed: Sequence[Extracted], failures: Sequence[ExtractFailure], connections: Sequence[str]
) -> tuple[list[Extracted], list[ExtractFailure]]:
    """Turn all lists of a connection into failures if its token was rejected during the run, so that none is loaded.

    Args:
        landed: the landed lists.
        failures: the failed lists.
        connections: names of the connections in use.

    Raises:
        SettingsError: the tokens of all connections were rejected.
    """
    message = "the API key was rejected during the run: {}; the landed pages are kept"
    refused = {failure.key.connection: message.format(failure.message) for failure in failures if failure.status == 401}
    if refused and refused.keys() >= set(connections):
        raise SettingsError("; ".join(refused.values()))
    kept = [one for one in landed if one.key.connection not in refused]
    rest = [one for one in failures if one.key.connection not in refused]
    lists: list[Extracted | ExtractFailure] = [*landed, *failures]
    lost = [ExtractFailure(one.key, refused[one.key.connection], 401) for one in lists if one.key.connection in refused]
    return kept, [*rest, *lost]
