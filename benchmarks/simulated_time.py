"""Time that passes only while all threads wait, so that hours of waiting for a rate limit take milliseconds."""

import heapq
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

SHORTEST = 0.001
"""Shortest wait in seconds. Less may not move the clock at all, and the thread that waits would try again forever."""


class SimulatedTime:
    """Seconds since the start. Call it for the current ones.

    Threads that wait are woken one after another, in the order of the times they wait for.
    """

    def __init__(self) -> None:
        self._seconds, self._busy, self._numbers = 0.0, 0, count()
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self._seconds

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A thread that is at work or waits; time passes only when all of these wait."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._one_less()

    def sleep(self, seconds: float) -> None:
        """Wait, in a thread that is `busy`, for at least `SHORTEST`."""
        woken = threading.Event()
        with self._lock:
            heapq.heappush(self._waiting, (self._seconds + max(seconds, SHORTEST), next(self._numbers), woken))
            self._one_less()
        woken.wait()

    def _one_less(self) -> None:
        """One busy thread less. If it was the last one, time passes until the first of the others has to go on."""
        self._busy -= 1
        if not self._busy and self._waiting:
            self._seconds, _, woken = heapq.heappop(self._waiting)
            self._busy += 1
            woken.set()
