"""Serves a world on localhost, in a thread."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from uvicorn.protocols.http.h11_impl import H11Protocol

from flows.common.http_server import serving
from flows.sandbox.app import BASE, Sandbox, Watch
from flows.sandbox.request_log import Logged
from flows.sandbox.world import World


class OpenProtocol(H11Protocol):
    """HTTP protocol that exposes its transport to the application, so that a fault can close the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Server:
    """A running sandbox: `url` is the base URL of the API, `log` has all requests so far, oldest first."""

    def __init__(self, url: str, sandbox: Sandbox) -> None:
        self.url = url
        self._sandbox = sandbox

    @property
    def log(self) -> list[Logged]:
        return self._sandbox.log


@contextmanager
def serve(
    world: World,
    host: str = "127.0.0.1",
    port: int = 0,
    latency: float = 0.0,
    watch: Watch = lambda logged: None,
) -> Iterator[Server]:
    """Serve a world until the block ends; port 0 takes a free one, `latency` is in seconds per request.

    Raises OSError if the port is in use.
    """
    sandbox = Sandbox(world, latency, watch)
    with serving(sandbox, "sandbox", host, port, http=OpenProtocol) as url:
        yield Server(url + BASE, sandbox)
