"""Keeping count of the requests that the API still grants to a token."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from flows.source.errors import BudgetSpent, Stopped

Say = Callable[[str], None]
Lease = Callable[[int], float]
"""Takes so many requests from a count that other processes take from too: 0, or the seconds to wait first."""
LEASE_BLOCK = 36
"""Most requests leased at once: asking takes some milliseconds, whatever the number."""
SAFETY = 0.05
"""Seconds added to a wait, so that clocks that differ a little do not cost a refused request."""
POLL = 0.02
"""Seconds between two looks at a budget of which the requests under way may use up the rest."""
ABANDONED = 900.0
"""Seconds after which a request counts as answered: longer than one takes, unless the process that sent it is gone."""
WORTH_SAYING = 0.2
"""Seconds; a shorter wait is nothing that a user has to know of."""


class RateLimit:
    """The requests of one token in one process, counted by the API's headers and by our own clock.

    A thread takes a request before it sends one and waits, openly, where none is left. The API counts a request at some
    moment until it answers, so here it leaves the window one window after its answer. The API names no time at which a
    spent budget comes back, so it is taken to be when our own oldest request leaves the window.

    Args:
        limit: requests that the API grants in a window.
        window: seconds.
        longest_wait: seconds; a longer one raises BudgetSpent.
        say: is told, in a sentence, when a wait begins.
        stop: ends a wait early when set.

    Attributes:
        lease: where the requests are shared with other processes, asked before they are sent, in blocks.
        waiting: is told that sentence as well, and "" when requests are sent again.
        reason: what `stop` is set for, in words.
    """

    def __init__(self, limit: int, window: float, longest_wait: float, say: Say, stop: threading.Event) -> None:
        self.limit, self.window, self.longest_wait = limit, window, longest_wait
        self.say, self.stop = say, stop
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
        """Wait until one more request may be sent, and count it. Raises BudgetSpent, Stopped."""
        while (seconds := self.try_take()) > 0:
            if seconds < WORTH_SAYING:
                self.stop.wait(seconds)
            else:
                self._wait(seconds)
        if self.stop.is_set():
            raise Stopped(self.reason)
        self.go_on()

    def plan(self, what: str, requests: int) -> None:
        """Note how many more requests a list needs; say so where all together need more than are left.

        Said again only when it means one pause more.
        """
        with self._lock:
            self._planned[what] = requests
            needed = sum(self._planned.values())
        left = self.left()
        pauses = math.ceil((needed - left) / self.limit)
        if pauses > self._pauses:
            self._pauses = pauses
            granted = f"{left:,} are left of {self.limit:,} in {self.window:,.0f} s"
            times = f"{pauses} time{'s' * (pauses != 1)}"
            self.say(
                f"{needed:,} more requests are needed, {requests:,} of them for {what}, and {granted}: "
                f"the sync will wait {times} for more"
            )

    def done(self) -> None:
        """A request that was taken has been answered, or never will be."""
        with self._lock:
            if self._under_way:
                self._under_way.popleft()
                self._answered.append(time.monotonic())

    def count(self) -> None:
        """Count a request that was not waited for: a retry. The try before it has been answered, or never will be."""
        with self._lock:
            self._answered.append(time.monotonic())
            self._count()

    def take_back(self) -> None:
        """Uncount a retry that was not made after all: the tries were used up."""
        with self._lock:
            self._answered.pop()
            self.requests -= 1
            self._leased += 1

    def observe(self, remaining: int | None) -> None:
        """Note the API's own count; at zero the next request would be refused, so none is sent."""
        with self._lock:
            self.remaining = remaining
            if remaining == 0:
                self._close(SAFETY)

    def spent(self) -> None:
        """The API refused a request for want of budget: nothing more is sent until it comes back."""
        with self._lock:
            self._close(self.window / 20)

    def left(self) -> int:
        """Requests that may be sent now without waiting, as far as we know."""
        with self._lock:
            self._forget_old(time.monotonic())
            ours = self.limit - self._in_window()
            return max(0, ours if self.remaining is None else min(ours, self.remaining))

    def try_take(self) -> float:
        """Count one more request if it may be sent now: 0, or the seconds after which to ask again."""
        with self._lock:
            now = time.monotonic()
            self._forget_old(now)
            wait = max(self._reopens - now, 0.0)
            if self._in_window() >= self.limit:
                wait = max(wait, self._answered[0] + self.window - now + SAFETY if self._answered else POLL)
            if wait == 0.0 and self._may_be_one_too_many():
                return POLL
            if wait == 0.0:
                wait = self._lease()
            if wait == 0.0:
                self._under_way.append(now)
                self._count()
            return wait

    def _may_be_one_too_many(self) -> bool:
        """Whether those under way may use up what the API said is left; one alone asks it anew."""
        return self.remaining is not None and 0 < len(self._under_way) >= self.remaining

    def _lease(self) -> float:
        """Have a leased request at hand; retries, which do not wait for one, are made up for."""
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
        now = time.monotonic()
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
                f"the request budget is spent and comes back in {seconds:.0f} s, longer "
                f"than SOURCES__DRIP__MAX_WAIT ({self.longest_wait:.0f} s); run again then, it goes "
                "on from what landed"
            )
        self.announce(seconds)
        if self.stop.wait(seconds):
            raise Stopped(f"{self.reason} (it waited for the request budget)")

    def announce(self, seconds: float) -> None:
        """Say once that requests wait for so long, though every thread does."""
        with self._lock:
            until = time.monotonic() + seconds
            news = until - self._said > 1.0
            self._said = max(self._said, until)
            self._is_waiting = True
        if news:
            clock = datetime.now().astimezone() + timedelta(seconds=seconds)
            sentence = f"request budget spent; going on at {clock:%H:%M:%S} (in {seconds:.0f} s)"
            self.say(sentence)
            self.waiting(sentence)

    def go_on(self) -> None:
        """Say once that the wait is over."""
        with self._lock:
            waited, self._is_waiting = self._is_waiting, False
        if waited:
            self.waiting("")
