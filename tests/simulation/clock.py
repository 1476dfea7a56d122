"""Simulated time: a clock that moves only when it is told to, and waits that move it instead of waiting."""

import threading
import time
from collections.abc import Callable

YIELD_SECONDS = 0.001
"""Real pause of a simulated wait, so that the requests of other threads can end."""


class Clock:
    """Seconds that only increase. Call it for the current ones."""

    def __init__(self) -> None:
        self._seconds, self._lock = 0.0, threading.Lock()

    def __call__(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._seconds += seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass, after a short real pause."""
        time.sleep(YIELD_SECONDS)
        self.advance(seconds)


class SimulatedStop(threading.Event):
    """The event that ends the waits of a client, on simulated time.

    Args:
        sleep: lets so many seconds of it pass.
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        super().__init__()
        self._sleep = sleep

    def wait(self, timeout: float | None = None) -> bool:
        """Let `timeout` seconds pass, unless the event is set. Returns whether it is set."""
        if not self.is_set():
            self._sleep(timeout or 0.0)
        return self.is_set()
