"""The open connections of the receiver: limits on their number, and on the time that a request may take to arrive."""

import asyncio
import time
from typing import Protocol

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 10.0
"""For the headers and the body of a request to arrive, from the first byte, or from the start of the connection."""
KEEP_ALIVE_SECONDS = 75
"""That a connection may wait for its next request: longer than proxies keep theirs, 60 s in nginx."""


class _HasConnections(Protocol):
    connections: "Connections"


class Connections:
    """Connections that have not sent a whole request, the longest waiting first.

    Args:
        most: open at once; beyond it the longest waiting one is closed.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._waiting: dict[BoundedProtocol, float] = {}

    def waits(self, one: "BoundedProtocol") -> None:
        """Note that a request has to arrive from now on."""
        self._waiting.pop(one, None)
        self._waiting[one] = time.monotonic() + REQUEST_SECONDS

    def rests(self, one: "BoundedProtocol") -> None:
        """Note that it may be silent for a while: its next request has not begun."""
        self._waiting.pop(one, None)
        self._waiting[one] = time.monotonic() + KEEP_ALIVE_SECONDS

    def works(self, one: "BoundedProtocol") -> None:
        """Note that its request is there, or that it is closed."""
        self._waiting.pop(one, None)

    def make_room(self, number: int) -> None:
        """Close the longest waiting connection where there are more than the most."""
        if number > self.most and self._waiting:
            self._close(next(iter(self._waiting)))

    def sweep(self) -> None:
        """Close the connections whose request did not arrive in time."""
        now = time.monotonic()
        for one in [one for one, until in self._waiting.items() if until < now]:
            self._close(one)

    def _close(self, one: "BoundedProtocol") -> None:
        self.works(one)
        one.transport.abort()


class BoundedProtocol(H11Protocol):
    """HTTP whose requests have to arrive in time. uvicorn itself has no limit on that, and answers 503 to too many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._rests = False
        self._registry.waits(self)
        self._registry.make_room(len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        self._registry.works(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._rests:
            self._rests = False
            self._registry.waits(self)
        super().data_received(data)
        if self._is_at_work():
            self._registry.works(self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_at_work():  # on a request that was sent along with the last one
            self._registry.works(self)
            return
        begun, _ = self.conn.trailing_data
        self._rests = not (begun or self.cycle.more_body)
        (self._registry.rests if self._rests else self._registry.waits)(self)

    def _is_at_work(self) -> bool:
        """Whether a whole request waits for its answer."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    @property
    def _registry(self) -> Connections:
        app: _HasConnections = _application(self.config)
        return app.connections


def _application(config: Config) -> "_HasConnections":
    return config.app  # type: ignore[return-value]  # the Receiver that the server was made for
