"""Simulated time: a clock that moves only when it is told to, and waits that move it instead of waiting."""

import threading
import time

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


class SimulatedStop(threading.Event):
    """The event that ends the waits of a client; its waits let time pass on the simulated clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Advance the clock by `timeout` seconds, unless the event is set."""
        if not self.is_set():
            time.sleep(YIELD_SECONDS)
            self._clock.advance(timeout or 0.0)
        return self.is_set()
