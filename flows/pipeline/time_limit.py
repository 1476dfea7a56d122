"""The time limit of a run. After it, the run sends no requests, loads the lists that arrived, and reports the rest."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flows.source.client import DripClient

HOUR_SECONDS = 3_600


@contextmanager
def time_limit(clients: Sequence[DripClient], hours: float | None) -> Iterator[None]:
    """Stop the clients if the block takes longer than `hours`; None for no limit.

    Unfinished lists fail, and the next run resumes them from the landed pages. Requests in progress are finished, and
    a load is not interrupted.
    """
    if hours is None:
        yield
        return
    reason = f"the run exceeded max_hours ({hours:g} h); the landed pages are kept: run again, or raise the limit"
    timer = threading.Timer(hours * HOUR_SECONDS, _give_up, (clients, reason))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _give_up(clients: Sequence[DripClient], reason: str) -> None:
    for client in clients:
        client.give_up(reason)
