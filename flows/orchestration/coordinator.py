"""The HTTP server in the flow that counts requests for extractions in other processes or on other machines.

Each extraction asks it for permission before a request, and reports the rate limit headers of the response and the
progress of its list. A token therefore has one rate limit, one counter and one progress, however many processes use it.
"""

import hmac
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flows.common.errors import SettingsError
from flows.common.events import PageLanded, emit
from flows.common.http_server import serving
from flows.orchestration.remote_rate_limit import LANDED, RemoteRateLimit, key_of
from flows.pipeline.context import ConnectionRun, connection_of
from flows.source.rate_limit import RateLimit
from flows.source.settings import common_settings, variable

OPERATIONS = {name for name in vars(RemoteRateLimit).keys() & vars(RateLimit).keys() if not name.startswith("_")}
"""Methods of `RateLimit` that can be called remotely."""


PROGRESS = msgspec.json.Decoder(PageLanded)


@dataclass
class Coordinator:
    """Serves the rate limits of a sync.

    Args:
        budgets: the rate limits, by the key that a connection's extractions authenticate with.
    """

    budgets: Mapping[str, RateLimit]

    async def answer(self, request: Request) -> Response:
        """Call a method of a rate limit, or emit the event that a page has landed."""
        budget, what = self._budget(request.headers.get("Authorization", "")), request.path_params["what"]
        if budget is None:
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        if budget.stop.is_set():
            return Response(budget.reason, status_code=HTTPStatus.GONE)
        if what == LANDED:
            emit(PROGRESS.decode(await request.body()))
            return Response()
        if what not in OPERATIONS:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        arguments = msgspec.json.decode(await request.body(), type=list[Any])
        return Response(msgspec.json.encode(await run_in_threadpool(getattr(budget, what), *arguments)))

    def _budget(self, shown: str) -> RateLimit | None:
        return next((one for key, one in self.budgets.items() if hmac.compare_digest(shown, f"Bearer {key}")), None)


@contextmanager
def coordinating(runs: Sequence[ConnectionRun]) -> Iterator[str]:
    """Serve the extractions of these runs while the block runs. Yields the server's URL.

    Raises:
        SettingsError: the server cannot listen on the configured address.
    """
    budgets = {key_of(connection_of(run).settings, run.id): connection_of(run).client.budget for run in runs}
    application = Starlette(routes=[Route("/{what}", Coordinator(budgets).answer, methods=["POST"])])
    host, _, port = common_settings().coordinator.partition(":")
    with ExitStack() as stack:
        try:
            url = stack.enter_context(serving(application, "coordinator", host, int(port or 0)))
        except (OSError, ValueError) as error:
            raise SettingsError(f"cannot listen on the address in {variable('coordinator')}: {error}") from None
        yield url
