"""The rate limit of a token: a maximum number of requests in any window of time."""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock


class Budget:
    """A sliding window: a request is refused if `limit` others were served in the last `window` seconds.

    Refused requests are not counted.
    """

    def __init__(self, limit: int, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.window = window
        self._clock = clock
        self._served: deque[float] = deque()
        self._lock = Lock()

    @property
    def remaining(self) -> int:
        """The number of requests left now."""
        with self._lock:
            self._forget()
            return max(self.limit - len(self._served), 0)

    def take(self) -> bool:
        """Count a request; False if none is left."""
        with self._lock:
            self._forget()
            if len(self._served) >= self.limit:
                return False
            self._served.append(self._clock())
            return True

    def spend(self) -> None:
        """Use up all requests for a whole window from now."""
        with self._lock:
            self._served = deque([self._clock()] * self.limit)

    def returns_at(self) -> float:
        """When, by its clock, the next request may be served."""
        with self._lock:
            self._forget()
            return self._clock() if len(self._served) < self.limit else self._served[0] + self.window

    def reset(self) -> None:
        """Make all requests available again."""
        with self._lock:
            self._served.clear()

    def _forget(self) -> None:
        before = self._clock() - self.window
        while self._served and self._served[0] <= before:
            self._served.popleft()
