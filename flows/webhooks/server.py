"""Serving the receiver until Ctrl-C or SIGTERM, which finish what was accepted."""

import asyncio
import resource
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import uvicorn

from flows.common.errors import SettingsError, first_line
from flows.common.http_server import listen_on
from flows.source.decoding.masking import NO_MASK, Mask
from flows.source.deliveries.spool import Arrived, Spool
from flows.webhooks.committer import Committer
from flows.webhooks.connections import KEEP_ALIVE_SECONDS, BoundedProtocol, Connections
from flows.webhooks.receiver import Receiver
from flows.webhooks.secret_store import SecretStore

MOST_CONNECTIONS = 10_000
OTHER_FILES = 100
"""Open files of the process that are no connections."""
SHUTDOWN_SECONDS = 5
"""For requests under way; a delivery is answered sooner."""
BACKLOG = 2048
TICKS = 10
"""Of uvicorn's loop, ten a second, between two looks at the connections."""


class ReceiverServer(uvicorn.Server):
    """uvicorn, with the receiver's own start, limits and end."""

    def __init__(self, config: uvicorn.Config, receiver: Receiver, folder: Path, mask: Mask) -> None:
        super().__init__(config)
        self.receiver, self._folder, self._mask = receiver, folder, mask

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the committer, then accept connections."""
        self.receiver.committer = Committer(self._folder, arrived=_arrived(self._mask))
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Close connections that are overdue."""
        if counter % TICKS == 0:
            self.receiver.connections.sweep()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was accepted; further deliveries on open connections get 429."""
        self.receiver.closing = True
        await super().shutdown(sockets)
        if self.receiver.committer:
            await self.receiver.committer.close()


def serve(
    folder: Path,
    secrets: SecretStore,
    host: str,
    port: int,
    started: Callable[[str], None],
    mask: Mask = NO_MASK,
) -> int:
    """Receive deliveries until the process is told to end.

    Args:
        folder: of the spool.
        secrets: of the accounts.
        host: address to listen on.
        port: to listen on; 0 takes a free one.
        started: is told the address, `http://host:port`, once connections are accepted.
        mask: masks deliveries before they are written.

    Returns:
        How many deliveries were kept.

    Raises:
        SettingsError: the address cannot be listened on, or the spool cannot be used.
    """
    _check_spool(folder, mask)
    server = receiver_server(folder, secrets, mask)
    try:
        listener = listen_on(host, port)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port or --host"
        ) from None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    with listener:
        started(f"http://{host}:{listener.getsockname()[1]}")
        asyncio.run(server.serve([listener]))
    return server.receiver.kept


@contextmanager
def serving(folder: Path, secrets: SecretStore) -> Iterator[str]:
    """Receive deliveries on a free port of this machine, in a thread, until the block ends. Returns the address."""
    server = receiver_server(folder, secrets)
    with listen_on("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="receiver", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def receiver_server(folder: Path, secrets: SecretStore, mask: Mask = NO_MASK) -> ReceiverServer:
    """The server of a receiver that keeps deliveries in a folder."""
    receiver = Receiver(secrets, Connections(_most_connections()))
    config = uvicorn.Config(
        receiver,
        http=BoundedProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        backlog=BACKLOG,
    )
    return ReceiverServer(config, receiver, folder, mask)


def _arrived(mask: Mask) -> Callable[[str, int, bytes], Arrived]:
    """Makes deliveries as they are written. The modules that read events are only imported for a mask."""
    if not mask.actions:
        return Arrived
    from flows.source.deliveries.masking import masked_delivery

    return partial(masked_delivery, mask)


def _check_spool(folder: Path, mask: Mask) -> None:
    """Refuse a spool that will never work, and mask what it holds already.

    If it only cannot be written to now, deliveries are answered with 429, and tried again.
    """
    try:
        with closing(Spool(folder)) as spool:
            if mask.actions:
                from flows.source.deliveries.masking import mask_spool

                mask_spool(spool, mask)
    except sqlite3.OperationalError:
        pass
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise SettingsError(f"cannot keep deliveries in {folder} ({reason}): change SOURCES__DRIP__WEBHOOKS") from None


def _most_connections() -> int:
    """As many connections as the process may have files open, once it has asked for more of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return max(min(MOST_CONNECTIONS, soft - OTHER_FILES), 1)
