"""Delivers webhooks as the reference has it: 429 is repeated for three days, and three days of errors disable it.

In disorder, some of them twice, some of them late.
"""

import heapq
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import requests

from flows.sandbox.generator.events import happened
from flows.sandbox.generator.timeline import DAY
from flows.sandbox.webhooks import RESOURCE as WEBHOOKS
from flows.sandbox.world import Account, World

PATIENCE = 3.0
"""Seconds until an answer."""
DAYS = 3
"""That 429 is repeated for, and after which errors without a success disable the webhook."""
TWICE, LATE = 0.05, 0.02
LATE_SECONDS = 20.0
SHUFFLED = 50
"""Deliveries that may overtake each other."""
RETRY_SECONDS = 2.0
"""Between the tries of a delivery, at most: the sandbox has no days to wait."""
THREADS = 8
POLL_SECONDS = 1.0


class Sender:
    """Delivers bodies to a URL.

    Args:
        url: where to.
        rate: deliveries per second.
        seed: of what is drawn at random.
        day: seconds of a day of the reference; fewer have patience end sooner.
        late: seconds by which some deliveries are late, at most.

    Attributes:
        answers: how often each status came, 0 for no answer.
        dropped: deliveries that were given up.
        disabled: whether Drip would have disabled the webhook.
    """

    def __init__(
        self, url: str, rate: float = 200.0, seed: int = 7, day: float = float(DAY), late: float = LATE_SECONDS
    ) -> None:
        self.url, self.rate, self.day, self._late = url, rate, day, late
        self.answers: Counter[int] = Counter()
        self.dropped, self.disabled = 0, False
        self._dice = random.Random(seed)  # noqa: S311
        self._queue: list[tuple[float, int, bytes, float]] = []
        self._numbers, self._lock = iter(range(1 << 62)), threading.Lock()
        self._last_success = time.monotonic()

    def put(self, bodies: Sequence[Any]) -> None:
        """Have bodies delivered, soon and in some disorder."""
        now, slots = time.monotonic(), [place / self.rate for place in range(len(bodies))]
        for place, body in enumerate(bodies):
            raw = msgspec.json.encode(body)
            due = now + slots[place] + self._dice.uniform(0, SHUFFLED / self.rate)
            if self._dice.random() < LATE:
                due += self._dice.uniform(0, self._late)
            self._push(due, raw, now)
            if self._dice.random() < TWICE:
                self._push(due + self._dice.uniform(0, 1), raw, now)

    @property
    def waiting(self) -> int:
        """Deliveries that are still to come."""
        return len(self._queue)

    def run(self, stop: threading.Event) -> None:
        """Deliver what is due, until told to stop."""
        with ThreadPoolExecutor(THREADS) as pool, requests.Session() as session:
            while not stop.is_set() and not self.disabled:
                due = self._due()
                list(pool.map(lambda one: self._deliver(session, *one), due))
                stop.wait(0 if due else 0.02)

    def finish(self) -> None:
        """Deliver all that is waiting, then return."""
        while self.waiting and not self.disabled:
            stop = threading.Event()
            thread = threading.Thread(target=self.run, args=(stop,), name="deliveries", daemon=True)
            thread.start()
            while self.waiting and thread.is_alive():
                stop.wait(0.02)
            stop.set()
            thread.join()

    def _push(self, due: float, body: bytes, since: float) -> None:
        with self._lock:
            heapq.heappush(self._queue, (due, next(self._numbers), body, since))

    def _due(self) -> list[tuple[bytes, float]]:
        now = time.monotonic()
        found: list[tuple[bytes, float]] = []
        with self._lock:
            while self._queue and self._queue[0][0] <= now and len(found) < SHUFFLED:
                _, _, body, since = heapq.heappop(self._queue)
                found.append((body, since))
        return found

    def _deliver(self, session: requests.Session, body: bytes, since: float) -> None:
        status, pause = 0, RETRY_SECONDS
        try:
            answer = session.post(self.url, data=body, headers={"content-type": "application/json"}, timeout=PATIENCE)
            status = answer.status_code
            pause = min(float(answer.headers.get("retry-after", RETRY_SECONDS)), RETRY_SECONDS)
        except requests.RequestException:
            pass
        now = time.monotonic()
        with self._lock:
            self.answers[status] += 1
        if 200 <= status < 300:
            self._last_success = now
        elif status == 429 and now - since < DAYS * self.day:
            self._push(now + pause, body, since)
        else:
            self.dropped += 1
        if status != 429 and now - self._last_success > DAYS * self.day:
            self.disabled = True


def bodies(account: Account, url: str, start: int, end: int) -> list[Any]:
    """What is delivered to a URL of the events of an account between two moments, in seconds since 1970.

    It depends on the events of the webhook with this URL. A URL without a webhook gets all events.
    """
    events = happened(account.book, account.subscribers.people, start, end)
    hooks = [one["events"] for one in account.records[WEBHOOKS].all() if one.get("post_url") == url]
    told = [one.body(account.id) for one in events]
    return [body for body in told if not hooks or body["event"] in hooks[0]]


def deliver(world: World, account_id: str, sender: Sender, days: float, stop: threading.Event) -> None:
    """Deliver the events of the last days of an account, and then what happens as time goes by, until told to stop."""
    account = world.account(account_id)
    began = int(world.now().timestamp() - days * DAY)
    thread = threading.Thread(target=sender.run, args=(stop,), name=f"deliveries-{account_id}", daemon=True)
    thread.start()
    while not stop.is_set():
        now = int(world.now().timestamp())
        if now > began:
            sender.put(bodies(account, sender.url, began, now))
            began = now
        stop.wait(POLL_SECONDS)
    thread.join()
