"""The receiver as an ASGI application: a delivery is on the disk before it is answered 200.

A body is stored as it came and not parsed. Whatever cannot be kept now is answered 429, which Drip repeats for three
days; every other error may lose the delivery, and after three days disables the webhook.
"""

import asyncio
import logging

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from flows.webhooks.committer import Committer, NotNow
from flows.webhooks.connections import Connections
from flows.webhooks.secret_store import SecretStore

MOST_BYTES = 1 << 20
"""Of a body."""
MOST_READING = 64 << 20
"""Bytes of bodies that are being read at once."""
BODY_SECONDS = 10.0
"""For a body to arrive."""
ANSWER_SECONDS = 2.5
"""For a commit; Drip is assumed to wait three seconds."""
RETRY_SECONDS = 30
HEALTH = "health"
logger = logging.getLogger(__name__)


class TooLarge(Exception):
    """A body of more than MOST_BYTES."""


class Gone(Exception):
    """The sender went away before the body was whole."""


class Receiver:
    """Answers deliveries.

    Args:
        secrets: which secret belongs to which account.
        connections: those that are open.

    Attributes:
        committer: keeps deliveries; None before the start and after the end.
        closing: nothing more is accepted.
        kept: deliveries that were answered 200.
    """

    def __init__(self, secrets: SecretStore, connections: Connections) -> None:
        self.secrets, self.connections = secrets, connections
        self.committer: Committer | None = None
        self.closing = False
        self.kept = 0
        self._reading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        try:
            response = await self._response(scope, receive)
        except Gone:
            return
        except Exception:
            logger.exception("a delivery is answered 429, for an unexpected error")
            response = _not_now()
        await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive) -> Response:
        name = str(scope["path"]).rpartition("/")[2]
        if name == HEALTH:
            return self._health()
        account = self.secrets.account_of(name)
        if account is None:
            return Response(status_code=404)
        if scope["method"] != "POST":
            return Response(status_code=405, headers={"allow": "POST"})
        return await self._delivery(account, _length(scope), receive)

    def _health(self) -> Response:
        """200 as long as this process answers: a load balancer without a receiver would answer 5xx itself."""
        trouble = self._trouble()
        return JSONResponse({"status": "ok", "accepting": not trouble, **({"reason": trouble} if trouble else {})})

    def _trouble(self) -> str:
        if self.closing or self.committer is None:
            return "shutting down"
        return self.committer.trouble()

    async def _delivery(self, account: str, length: int, receive: Receive) -> Response:
        if length > MOST_BYTES:
            return Response(status_code=413)
        if self._trouble() or self._reading + length > MOST_READING:
            return _not_now()
        try:
            body = await asyncio.wait_for(self._body(receive), BODY_SECONDS)
            return await self._keep(account, body)
        except TooLarge:
            return Response(status_code=413)
        except (NotNow, TimeoutError):
            return _not_now()

    async def _body(self, receive: Receive) -> bytes:
        """The body. Raises TooLarge, Gone, and NotNow where too much is being read at once."""
        chunks, size = [], 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                chunk = message.get("body", b"")
                size, self._reading = size + len(chunk), self._reading + len(chunk)
                if size > MOST_BYTES:
                    raise TooLarge
                if self._reading > MOST_READING:
                    raise NotNow
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
        finally:
            self._reading -= size

    async def _keep(self, account: str, body: bytes) -> Response:
        if self.committer is None:
            raise NotNow
        await asyncio.wait_for(self.committer.put(account, body), ANSWER_SECONDS)
        self.kept += 1
        return Response(status_code=200)


def _length(scope: Scope) -> int:
    """The length that a request announces, 0 where it announces none. h11 has checked that it is a number."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


def _not_now() -> Response:
    return Response(status_code=429, headers={"retry-after": str(RETRY_SECONDS)})
