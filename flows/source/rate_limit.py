"""The rate limit of a token: counts requests and waits when none are left."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from flows.source.errors import BudgetSpent, Stopped

Say = Callable[[str], None]
Lease = Callable[[int], float]
"""Takes this many requests from a limit shared between processes. Returns 0, or the seconds to wait before retrying."""
LEASE_BLOCK = 36
"""Maximum number of requests leased at once. A lease takes some milliseconds, regardless of the number."""
SAFETY = 0.05
"""Seconds added to a wait, so that small differences between clocks do not cause a 429."""
POLL = 0.02
"""Seconds between checks while the requests in progress may use up the rest of the limit."""
ABANDONED = 900.0
"""Seconds after which a request counts as answered. Requests take less, unless their process was killed."""
WORTH_SAYING = 0.2
"""Shortest wait, in seconds, that is reported."""


class RateLimit:
    """The rate limit of a token in this process, counted from the API's headers and from the requests sent.

    Threads call `take` before each request, which waits, and reports the wait, if no request is left. The API counts a
    request at some time before it answers, so a request leaves the window one window after its answer. The API does not
    say when a used-up limit is available again; it is assumed to be when the oldest request leaves the window.

    Args:
        limit: requests per window.
        window: length of the window in seconds.
        longest_wait: maximum wait in seconds; a longer one raises BudgetSpent.
        say: called with a message when a wait begins.
        stop: ends a wait early when set; every wait goes through its `wait` method.

    Attributes:
        clock: seconds that only increase; a simulation hands in its own, along with `stop`.
        lease: leases requests, in blocks, from a limit shared with other processes; None if it is not shared.
        waiting: called with the same message, and with "" when the wait ends.
        reason: why `stop` is set.
    """

    def __init__(self, limit: int, window: float, longest_wait: float, say: Say, stop: threading.Event) -> None:
        self.limit, self.window, self.longest_wait = limit, window, longest_wait
        self.say, self.stop = say, stop
        self.clock: Callable[[], float] = time.monotonic
        self.lease: Lease | None = None
        self.waiting: Say = lambda sentence: None
        self.reason = "stopped"
        self.requests = 0
        self.remaining: int | None = None
        self._answered: deque[float] = deque()
        self._reopens = 0.0
        self._under_way: deque[float] = deque()
        self._lock = threading.Lock()
        self._said = 0.0
        self._is_waiting = False
        self._leased = 0
        self._planned: dict[str, int] = {}
        self._pauses = 0

    def take(self) -> None:
        """Wait until a request may be sent, and count it. Raises BudgetSpent, Stopped."""
        while (seconds := self.try_take()) > 0:
            if seconds < WORTH_SAYING:
                self.stop.wait(seconds)
            else:
                self._wait(seconds)
        if self.stop.is_set():
            raise Stopped(self.reason)
        self.go_on()

    def plan(self, what: str, requests: int) -> None:
        """Record how many more requests a list needs, and report if all lists together need more than are left.

        Reported again only if the number of waits increases.
        """
        with self._lock:
            self._planned[what] = requests
            needed = sum(self._planned.values())
        left = self.left()
        pauses = math.ceil((needed - left) / self.limit)
        if pauses > self._pauses:
            self._pauses = pauses
            available = f"{left:,} are left of {self.limit:,} per {self.window:,.0f} s"
            times = f"{pauses} time{'s' * (pauses != 1)}"
            self.say(
                f"{needed:,} more requests are needed, {requests:,} of them for {what}, and {available}: "
                f"the sync will wait {times}"
            )

    def done(self) -> None:
        """Record that a request taken with `take` was answered or failed."""
        with self._lock:
            if self._under_way:
                self._under_way.popleft()
                self._answered.append(self.clock())

    def count(self) -> None:
        """Count a retry, which does not wait. The request before it was answered or failed."""
        with self._lock:
            self._answered.append(self.clock())
            self._count()

    def take_back(self) -> None:
        """Undo `count` for a retry that was not sent, because no retries were left."""
        with self._lock:
            self._answered.pop()
            self.requests -= 1
            self._leased += 1

    def observe(self, remaining: int | None) -> None:
        """Record the API's count of remaining requests. At zero, no more requests are sent until the next window."""
        with self._lock:
            self.remaining = remaining
            if remaining == 0:
                self._close(SAFETY)

    def spent(self) -> None:
        """Record that the API rejected a request because the limit is used up. Requests wait for the next window."""
        with self._lock:
            self._close(self.window / 20)

    def left(self) -> int:
        """Estimated number of requests that may be sent now without waiting."""
        with self._lock:
            self._forget_old(self.clock())
            ours = self.limit - self._in_window()
            return max(0, ours if self.remaining is None else min(ours, self.remaining))

    def try_take(self) -> float:
        """Count a request if it may be sent now. Returns 0, or the seconds after which to try again."""
        with self._lock:
            now = self.clock()
            self._forget_old(now)
            wait = max(self._reopens - now, 0.0)
            if self._in_window() >= self.limit:
                wait = max(wait, self._answered[0] + self.window - now + SAFETY if self._answered else POLL)
            if wait == 0.0 and self._may_exceed_remaining():
                return POLL
            if wait == 0.0:
                wait = self._lease()
            if wait == 0.0:
                self._under_way.append(now)
                self._count()
            return wait

    def _may_exceed_remaining(self) -> bool:
        """Whether the requests in progress may use up what the API said is left. A single request is always allowed."""
        return self.remaining is not None and 0 < len(self._under_way) >= self.remaining

    def _lease(self) -> float:
        """Lease a block of requests if none is left, and make up for retries. Returns 0, or the seconds to wait."""
        if self.lease is None or self._leased > 0:
            return 0.0
        block = min(LEASE_BLOCK, max(self.limit // 10, 1))
        wait = self.lease(min(block - self._leased, self.limit))
        if wait == 0.0:
            self._leased = block
        return wait

    def _in_window(self) -> int:
        return len(self._answered) + len(self._under_way)

    def _count(self) -> None:
        self.requests += 1
        self._leased -= 1

    def _close(self, at_least: float) -> None:
        now = self.clock()
        oldest = self._answered[0] if self._answered else now
        self._reopens = max(self._reopens, now + max(oldest + self.window + SAFETY - now, at_least))

    def _forget_old(self, now: float) -> None:
        while self._answered and self._answered[0] <= now - self.window - SAFETY:
            self._answered.popleft()
        while self._under_way and self._under_way[0] <= now - ABANDONED:
            self._under_way.popleft()

    def _wait(self, seconds: float) -> None:
        if seconds > self.longest_wait:
            raise BudgetSpent(
                f"the rate limit is used up for {seconds:.0f} s, longer than SOURCES__DRIP__MAX_WAIT "
                f"({self.longest_wait:.0f} s); run again after that to resume from the landed pages"
            )
        self.announce(seconds)
        if self.stop.wait(seconds):
            raise Stopped(f"{self.reason} (while waiting for the rate limit)")

    def announce(self, seconds: float) -> None:
        """Report a wait once, although all threads wait."""
        with self._lock:
            until = self.clock() + seconds
            news = until - self._said > 1.0
            self._said = max(self._said, until)
            self._is_waiting = True
        if news:
            clock = datetime.now().astimezone() + timedelta(seconds=seconds)
            sentence = f"rate limit used up; waiting until {clock:%H:%M:%S} ({seconds:.0f} s)"
            self.say(sentence)
            self.waiting(sentence)

    def go_on(self) -> None:
        """Report once that the wait is over."""
        with self._lock:
            waited, self._is_waiting = self._is_waiting, False
        if waited:
            self.waiting("")
