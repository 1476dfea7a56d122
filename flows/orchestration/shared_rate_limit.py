"""The rate limit in Prefect: shared between all processes that use a token; waits are shown as the flow run's state."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.base import PrefectHttpxSyncClient
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run
from prefect.states import Running

from flows.common.scrubbing import scrub
from flows.source.client import DripClient
from flows.source.settings import DripSettings

logger = logging.getLogger(__name__)

LIMIT_PREFIX = "drip-requests-"
BUSY_SECONDS = 0.05
WAITING = "WaitingForBudget"
FAILURES = (httpx.HTTPError, PrefectException)
CUT = (httpx.NetworkError, httpx.RemoteProtocolError)
"""A cut connection. Prefect's server closes those that are idle for 5 s, possibly while a request is on its way."""


class SharedRateLimit:
    """A token's requests as a Prefect global concurrency limit with slot decay over the rate window.

    All processes with the same Prefect server take their requests from it, so that they do not use the same remaining
    requests at once. The API's own count, in its response headers, takes precedence.

    Args:
        prefect: an open client.
        settings: the token, whose hash is in the limit's name, and its rate limit.
    """

    def __init__(self, prefect: SyncPrefectClient, settings: DripSettings) -> None:
        self.prefect, self.name = prefect, limit_name(settings)
        self.per_second = settings.rate_limit / settings.rate_window
        prefect.upsert_global_concurrency_limit_by_name(self.name, settings.rate_limit, self.per_second)

    def lease(self, requests: int) -> float:
        """Take requests. Returns 0.0, or the seconds to wait before asking again; 0.0 if Prefect does not answer."""
        try:
            self._increment(requests)
        except FAILURES as error:
            return self._seconds_after(error, requests)
        return 0.0

    def _increment(self, requests: int) -> None:
        """Request slots. Only a cut connection is retried, once.

        Prefect's client sleeps 2 s after a refusal even if retries are disabled.
        """
        client = self.prefect._client
        slots = {"names": [self.name], "slots": requests, "mode": "rate_limit"}
        request = client.build_request("POST", "/v2/concurrency_limits/increment", json=slots)
        if isinstance(client, PrefectHttpxSyncClient) and client.enable_csrf_support:
            client._add_csrf_headers(request)
        try:
            reply = httpx.Client.send(client, request)
        except CUT:
            reply = httpx.Client.send(client, request)
        reply.raise_for_status()

    def _seconds_after(self, error: Exception, requests: int) -> float:
        status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
        if status == httpx.codes.LOCKED:
            return requests / self.per_second
        if status == httpx.codes.SERVICE_UNAVAILABLE:
            return BUSY_SECONDS
        logger.warning("the rate limit in Prefect is not available, so this process counts alone: %s", error)
        return 0.0


class ShownWait:
    """Shows a wait for the rate limit as the state of the flow run."""

    def __init__(self, prefect: SyncPrefectClient, flow_run_id: UUID) -> None:
        self.prefect, self.flow_run_id = prefect, flow_run_id

    def show(self, sentence: str) -> None:
        """Set the state to Running, with the wait as its name and message; plain Running if `sentence` is empty."""
        state: State[Any] = Running(name=WAITING, message=scrub(sentence)) if sentence else Running()
        try:
            # Not forced, so that a cancelled run stays cancelled.
            self.prefect.set_flow_run_state(self.flow_run_id, state)
        except FAILURES as error:
            logger.warning("the wait cannot be shown in Prefect: %s", error)


def limit_name(settings: DripSettings) -> str:
    """The name of the token's global concurrency limit, which does not reveal the token."""
    token = hashlib.blake2b(f"{settings.base_url}\0{settings.token}".encode(), digest_size=6)
    return LIMIT_PREFIX + token.hexdigest()


@contextmanager
def budgets_in_prefect(clients: Sequence[DripClient]) -> Iterator[None]:
    """Share each client's rate limit through Prefect, and show its waits, while the block runs in a flow run."""
    with get_client(sync_client=True) as prefect:
        for client in clients:
            client.budget.lease = SharedRateLimit(prefect, client.settings).lease
            client.budget.waiting = ShownWait(prefect, UUID(flow_run.id)).show
        try:
            yield
        finally:
            for client in clients:
                client.budget.lease = None
