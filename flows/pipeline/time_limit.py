"""How long a run may take: then it asks the API for nothing more, loads the lists that arrived, and says so."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flows.source.client import DripClient

HOUR_SECONDS = 3_600


@contextmanager
def time_limit(clients: Sequence[DripClient], hours: float | None) -> Iterator[None]:
    """Have the clients give up where the block lasts longer; None is no limit.

    Lists that were not read to their end fail, and go on from what landed in the next run. A request that is under way
    ends by its own limits, and a load is not broken off.
    """
    if hours is None:
        yield
        return
    reason = f"the run took longer than max_hours ({hours:g} h), and what landed is kept: run again, or allow it more"
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
