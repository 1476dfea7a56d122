"""The flow as the one place that counts requests, for extractions that run in other processes or on other machines.

Each of them asks here, over HTTP, before it sends a request, and tells here what the API answered of the budget and
how far its list is. So a token has one budget, one count and one progress, however many processes use it.
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
"""Of a budget, that are asked for from away."""


@dataclass
class Coordinator:
    """Answers for the budgets of a sync.

    Args:
        budgets: by the key that the extractions of a connection show.
    """

    budgets: Mapping[str, RateLimit]

    async def answer(self, request: Request) -> Response:
        """Call one of a budget's operations, or pass on that a page has landed."""
        budget, what = self._budget(request.headers.get("Authorization", "")), request.path_params["what"]
        if budget is None:
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        if budget.stop.is_set():
            return Response(budget.reason, status_code=HTTPStatus.GONE)
        if what == LANDED:
            emit(msgspec.json.decode(await request.body(), type=PageLanded))
            return Response()
        if what not in OPERATIONS:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        arguments = msgspec.json.decode(await request.body(), type=list[Any])
        return Response(msgspec.json.encode(await run_in_threadpool(getattr(budget, what), *arguments)))

    def _budget(self, shown: str) -> RateLimit | None:
        return next((one for key, one in self.budgets.items() if hmac.compare_digest(shown, f"Bearer {key}")), None)


@contextmanager
def coordinating(runs: Sequence[ConnectionRun]) -> Iterator[str]:
    """Answer the extractions of these runs while the block lasts; the URL at which.

    Raises:
        SettingsError: the address in the settings cannot be listened on.
    """
    budgets = {key_of(connection_of(run).settings, run.id): connection_of(run).client.budget for run in runs}
    application = Starlette(routes=[Route("/{what}", Coordinator(budgets).answer, methods=["POST"])])
    host, _, port = common_settings().coordinator.partition(":")
    with ExitStack() as stack:
        try:
            url = stack.enter_context(serving(application, "coordinator", host, int(port or 0)))
        except (OSError, ValueError) as error:
            raise SettingsError(f"{variable('coordinator')} is no address to listen on here: {error}") from None
        yield url
