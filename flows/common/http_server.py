"""An HTTP server for an ASGI application, in a thread of this process."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

START_SECONDS, STOP_SECONDS, TICK = 15, 1, 0.005
BACKLOG = 512


class PromptServer(uvicorn.Server):
    """Stops within milliseconds by aborting open connections."""

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


@contextmanager
def serving(application: Any, name: str, host: str, port: int = 0, **options: Any) -> Iterator[str]:
    """Serve an application while the block runs.

    Args:
        application: an ASGI application.
        name: name of the server's thread.
        host: address to listen on.
        port: port to listen on; 0 for a free port.
        options: options of `uvicorn.Config`.

    Yields:
        `http://host:port`.

    Raises:
        OSError: the port is in use, or the address does not belong to this machine.
    """
    config = uvicorn.Config(
        application,
        loop="asyncio",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
        **options,
    )
    with listen_on(host, port) as listener:
        server = PromptServer(config)
        thread = threading.Thread(target=server.run, args=([listener],), name=name, daemon=True)
        thread.start()
        try:
            _wait_for(server, thread)
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def listen_on(host: str, port: int) -> socket.socket:
    """A socket that listens on an address; port 0 selects a free one. Raises OSError."""
    # asyncio sets TCP_NODELAY only if `proto` is given; without it a request may take 40 ms.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _wait_for(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise RuntimeError("the server did not start")
        time.sleep(TICK)
