"""Keeps deliveries in the spool from a thread of its own: those of a few milliseconds share a commit."""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flows.common.clock import now
from flows.common.errors import first_line
from flows.source.deliveries.spool import MICROSECONDS, Arrived, Spool

GATHER_SECONDS = 0.002
"""After the first delivery of a commit, for more to arrive."""
MOST_AT_ONCE = 2_000
"""Deliveries in a commit."""
MOST_WAITING, MOST_WAITING_BYTES = 10_000, 64 << 20
"""Deliveries, and their bytes, that may wait for a commit."""
SLOW_SECONDS = 1.0
"""A delivery that has waited this long for its commit shows that the disk is slow: no more are taken."""
LOG_SECONDS = 60.0
"""Between two log lines on the same kind of trouble."""
logger = logging.getLogger(__name__)


class NotNow(Exception):
    """A delivery cannot be kept at the moment; the sender has to repeat it."""


class _Waiting(NamedTuple):
    account: str
    received: int
    body: bytes
    done: "asyncio.Future[None]"


class Committer:
    """Takes deliveries from the event loop that it is made in, and tells when each is on the disk.

    Args:
        folder: of the spool.
        open_spool: opens it; opened again after an error.
        arrived: makes a delivery as it is written, masked if a mask is set, from its account, time and body.
    """

    def __init__(
        self,
        folder: Path,
        open_spool: Callable[[Path], Spool] = Spool,
        arrived: Callable[[str, int, bytes], Arrived] = Arrived,
    ) -> None:
        self._folder, self._open, self._spool, self._arrived = folder, open_spool, None, arrived
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._since: deque[float] = deque()
        self._bytes = 0
        self._logged = 0.0
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    _spool: Spool | None

    def trouble(self) -> str:
        """Why nothing can be taken now; empty where it can."""
        if len(self._since) >= MOST_WAITING or self._bytes >= MOST_WAITING_BYTES:
            return "too many deliveries are waiting for the disk"
        if self._since and time.monotonic() - self._since[0] > SLOW_SECONDS:
            return "the disk is slow"
        return ""

    def put(self, account: str, body: bytes) -> "asyncio.Future[None]":
        """Have a delivery kept. The future is done once it is on the disk; it raises NotNow if it is not."""
        waiting = _Waiting(account, int(now().timestamp() * MICROSECONDS), body, self._loop.create_future())
        self._since.append(time.monotonic())
        self._bytes += len(body)
        self._queue.put(waiting)
        return waiting.done

    async def close(self) -> None:
        """Commit what was taken, and end the thread."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while batch := self._next():
            error = self._commit(batch)
            self._loop.call_soon_threadsafe(self._settle, batch, error)
        if self._spool:
            self._spool.close()

    def _next(self) -> list[_Waiting]:
        """The deliveries of the next commit; none at the end."""
        first = self._queue.get()
        if first is None:
            return []
        time.sleep(GATHER_SECONDS)
        batch = [first]
        while len(batch) < MOST_AT_ONCE and not self._queue.empty():
            one = self._queue.get()
            if one is None:
                self._queue.put(None)  # after this commit
                break
            batch.append(one)
        return batch

    def _commit(self, batch: list[_Waiting]) -> str:
        """Keep a batch. Returns why it is not kept; empty where it is."""
        try:
            self._spool = self._spool or self._open(self._folder)
            self._spool.append([self._arrived(one.account, one.received, one.body) for one in batch])
        except (sqlite3.Error, OSError) as error:
            self._forget_spool()
            self._log(first_line(error))
            return "the disk does not take it"
        return ""

    def _forget_spool(self) -> None:
        """Close the spool; the next commit opens it again."""
        try:
            if self._spool:
                self._spool.close()
        except sqlite3.Error as error:
            self._log(first_line(error))
        self._spool = None

    def _settle(self, batch: list[_Waiting], error: str) -> None:
        for one in batch:
            self._since.popleft()
            self._bytes -= len(one.body)
            if not one.done.done():  # its request gave up waiting
                one.done.set_exception(NotNow(error)) if error else one.done.set_result(None)

    def _log(self, text: str) -> None:
        if time.monotonic() - self._logged > LOG_SECONDS or not self._logged:
            self._logged = time.monotonic()
            logger.warning("deliveries cannot be kept and are answered with 429: %s", text)
