"""Serves a world on localhost from a thread."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from flows.sandbox.app import BASE, Logged, Sandbox
from flows.sandbox.world import World

START_SECONDS, STOP_SECONDS, TICK = 15, 1, 0.005
BACKLOG = 512


class OpenProtocol(H11Protocol):
    """HTTP that shows the application its transport, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class PromptServer(uvicorn.Server):
    """Stops within milliseconds: whoever is still connected is cut off."""

    async def main_loop(self) -> None:
        while not self.should_exit:
            await asyncio.sleep(TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        until = time.monotonic() + STOP_SECONDS
        while self.server_state.tasks and time.monotonic() < until:
            await asyncio.sleep(TICK)


class Server:
    """A running sandbox: `url` is the base of the API, `log` every request so far, oldest first."""

    def __init__(self, url: str, sandbox: Sandbox) -> None:
        self.url = url
        self._sandbox = sandbox

    @property
    def log(self) -> list[Logged]:
        return self._sandbox.log


@contextmanager
def serve(world: World, host: str = "127.0.0.1", port: int = 0, latency: float = 0.0) -> Iterator[Server]:
    """Serve a world until the block ends; port 0 takes a free one, `latency` is in seconds per request.

    Raises OSError where the port is taken.
    """
    sandbox = Sandbox(world, latency)
    with _listening(host, port) as listener:
        server = PromptServer(_config(sandbox))
        thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
        thread.start()
        try:
            _wait_for(server, thread)
            yield Server(f"http://{host}:{listener.getsockname()[1]}{BASE}", sandbox)
        finally:
            server.should_exit = True
            thread.join()


def _listening(host: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is named; without it a request may take 40 ms.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _config(sandbox: Sandbox) -> uvicorn.Config:
    return uvicorn.Config(
        sandbox,
        http=OpenProtocol,
        loop="asyncio",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
    )


def _wait_for(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise RuntimeError("the sandbox did not start")
        time.sleep(TICK)
