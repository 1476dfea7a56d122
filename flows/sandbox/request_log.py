"""The sandbox's log: a line per request, so that a rehearsed outage can be watched."""

import sys
import threading
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import TextIO
from urllib.parse import urlencode

import msgspec

RETRIED = (429, 500, 502, 503, 504)
UNREADABLE = ("cut", "truncate", "html", "raw")
"""Faults that leave a client with an answer of 200 that it cannot use."""


class Logged(msgspec.Struct, frozen=True):
    """One request as answered.

    Attributes:
        time: in epoch seconds.
        status: None where the connection was reset.
        faults: the kinds of what the plan injected.
        retry: the same request was asked last time with an answer that a client tries again after.
        remaining: requests left in the window.
    """

    time: float
    method: str
    path: str
    query: dict[str, str]
    status: int | None
    user_agent: str
    authorized: bool
    faults: tuple[str, ...] = ()
    retry: bool = False
    remaining: int = 0

    @property
    def failed(self) -> bool:
        """Whether a client would try again after the answer."""
        return self.status is None or self.status in RETRIED or not set(self.faults).isdisjoint(UNREADABLE)

    def __str__(self) -> str:
        """In one line."""
        moment = datetime.fromtimestamp(self.time, UTC).astimezone()
        target = f"{self.path}?{urlencode(self.query)}" if self.query else self.path
        marks = [f"fault: {', '.join(self.faults)}"] * bool(self.faults) + ["retry"] * self.retry
        status = "reset" if self.status is None else str(self.status)
        line = f"{moment:%H:%M:%S} {status:>5} {self.method} {target}  {self.remaining:,} left"
        return f"{line}  [{'; '.join(marks)}]" if marks else line


class LinePrinter:
    """Prints a line per request from a thread of its own: a pipe that nobody reads holds up no answer."""

    def __init__(self, target: TextIO | None = None) -> None:
        self._target = target
        self._lines: SimpleQueue[str] = SimpleQueue()
        threading.Thread(target=self._print, name="request-log", daemon=True).start()

    def __call__(self, logged: Logged) -> None:
        """Print a request."""
        self._lines.put(f"{logged}\n")

    def _print(self) -> None:
        target = self._target or sys.stderr
        while True:
            target.write(self._lines.get())
            target.flush()
