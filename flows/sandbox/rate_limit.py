"""The request budget of one token: so many requests in any window of so many seconds."""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock


class Budget:
    """A rolling window: a request is refused while `limit` others were served in the last `window` seconds.

    Refused requests cost nothing.
    """

    def __init__(self, limit: int, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.window = window
        self._clock = clock
        self._served: deque[float] = deque()
        self._lock = Lock()

    @property
    def remaining(self) -> int:
        """Requests that may still be served now."""
        with self._lock:
            self._forget()
            return max(self.limit - len(self._served), 0)

    def take(self) -> bool:
        """Count one request; False where the budget is spent."""
        with self._lock:
            self._forget()
            if len(self._served) >= self.limit:
                return False
            self._served.append(self._clock())
            return True

    def spend(self) -> None:
        """Nothing is left, until a whole window from now."""
        with self._lock:
            self._served = deque([self._clock()] * self.limit)

    def reset(self) -> None:
        """Everything is left."""
        with self._lock:
            self._served.clear()

    def _forget(self) -> None:
        before = self._clock() - self.window
        while self._served and self._served[0] <= before:
            self._served.popleft()
