"""Extracts lists in threads of this process."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from flows.common.list_key import ListKey
from flows.pipeline.context import ConnectionRun, SyncRun, connection_of
from flows.pipeline.extract import Pending, extract_with_retry

LISTS_AT_ONCE = 8
"""Threads per connection. The number of concurrent requests is limited separately, by a setting."""

Submit = Callable[[ConnectionRun, ListKey], Pending]
"""Starts the extraction of a list of a run."""


@contextmanager
def in_threads(runs: SyncRun) -> Iterator[Submit]:
    """Each connection has its own threads, so that one waiting for its rate limit does not block the others."""
    pools = {run.connection: ThreadPoolExecutor(LISTS_AT_ONCE, f"drip-{run.connection}") for run in runs.known}
    try:
        yield lambda run, key: pools[run.connection].submit(extract_with_retry, run, key)
    except BaseException:
        stop_clients(runs)  # `shutdown` waits for the threads, which may be waiting for their rate limit
        raise
    finally:
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)


def stop_clients(runs: SyncRun) -> None:
    """Stop reading. Lists in progress end with their current request."""
    for run in runs.known:
        connection_of(run).client.give_up("the run was interrupted")
