"""Where lists are read: in threads of the run, on Dask, or in separate flow runs."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

from flows.common.errors import SettingsError
from flows.common.list_key import ListKey
from flows.orchestration.tasks import extract_with_delay
from flows.pipeline.context import ConnectionRun, SyncRun, connection_of
from flows.pipeline.extract import Extracted
from flows.pipeline.threads import LISTS_AT_ONCE, Submit, stop_clients
from flows.source.endpoints import ENDPOINTS
from flows.source.settings import common_settings, variable

THREADS, DASK, DEPLOYMENT = "threads", "dask", "deployment"
SCHEDULER = ("tcp://", "tls://", "ws://", "wss://")
THREADS_PER_PROCESS = 4
WORKER_TTL = "60s"
"""Time without a heartbeat after which Dask replaces a worker process; its own default is five minutes."""
ACCOUNTS_AT_ONCE = 64
"""Maximum number of account flow runs waited for at once; the work pool's limit determines how many run."""


def fan_out(runs: SyncRun) -> AbstractContextManager[Submit]:
    """A context manager that yields the function to submit a list with, as configured.

    Raises:
        SettingsError: the setting is invalid, the extra is not installed, or no scheduler answers at the address.
    """
    how = common_settings().fan_out
    if how == THREADS:
        return _threads(runs)
    if how == DEPLOYMENT:
        return _deployment(runs)
    if how == DASK or how.startswith(SCHEDULER):
        return _dask(runs, how)
    raise SettingsError(f"{variable('fan_out')} is {how!r}: use {THREADS}, {DASK}, tcp://host:port or {DEPLOYMENT}")


@contextmanager
def _threads(runs: SyncRun) -> Iterator[Submit]:
    """Submit to the flow's threads. With several connections, each has its own pool, so that none blocks the others."""
    if len(runs.known) == 1:
        yield _in_a_thread
        return
    with ExitStack() as stack:
        pools: dict[str, Any] = {run.connection: ThreadPoolTaskRunner(max_workers=LISTS_AT_ONCE) for run in runs.known}
        for pool in pools.values():
            stack.enter_context(pool)
        stack.push(partial(_stop, runs))

        def submit(run: ConnectionRun, key: ListKey) -> Any:
            return pools[run.connection].submit(_task(run), {"run": run, "key": key})

        yield submit


def _stop(runs: SyncRun, kind: type[BaseException] | None, *_: object) -> None:
    """End the threads if the run is interrupted. They are joined, and may be waiting for their rate limit."""
    if kind:
        stop_clients(runs)


def _task(run: ConnectionRun) -> Any:
    """The extraction task, with the configured delay before its retry."""
    return extract_with_delay(connection_of(run).settings.task_retry_delay)


def _in_a_thread(run: ConnectionRun, key: ListKey) -> Any:
    return _task(run).submit(run, key)


@contextmanager
def _dask(runs: SyncRun, how: str) -> Iterator[Submit]:
    from flows.orchestration.coordinator import coordinating

    with coordinating(runs.known) as url, _dask_runner(how) as runner:

        def submit(run: ConnectionRun, key: ListKey) -> Any:
            return runner.submit(_task(run), {"run": replace(run, coordinator=url), "key": key})

        yield submit


@contextmanager
def _dask_runner(how: str) -> Iterator[Any]:
    try:
        import dask
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError:
        raise SettingsError("reading with Dask needs the extra: pip install 'drip-flows[dask]'") from None
    local = {"n_workers": os.cpu_count(), "threads_per_worker": THREADS_PER_PROCESS, "dashboard_address": None}
    make = partial(DaskTaskRunner, cluster_kwargs=local) if how == DASK else partial(DaskTaskRunner, address=how)
    with dask.config.set({"distributed.scheduler.worker-ttl": WORKER_TTL}), make() as runner:
        try:
            _ = runner.client
        except OSError as error:
            raise SettingsError(f"no Dask scheduler at {how}: {error}; see {variable('fan_out')}") from None
        yield runner


@contextmanager
def _deployment(runs: SyncRun) -> Iterator[Submit]:
    """Submit to one flow run per account, on a work pool. Lists that belong to no account are read in this run."""
    from flows.orchestration.coordinator import coordinating
    from flows.orchestration.remote_accounts import extract_elsewhere

    started: dict[tuple[str, str], Any] = {}
    pool: Any = ThreadPoolTaskRunner(max_workers=ACCOUNTS_AT_ONCE)
    with coordinating(runs.known) as url, pool as runner:

        def submit(run: ConnectionRun, key: ListKey) -> Any:
            if key.account_id is None:
                return _in_a_thread(run, key)
            name = (key.connection, key.account_id)
            if name not in started:
                lists = [one for one in run.resources if ENDPOINTS[one].per_account]
                parameters = {"run": replace(run, coordinator=url), "account": key.account_id, "resources": lists}
                started[name] = runner.submit(extract_elsewhere, parameters)
            return ListOfAccount(started[name], key.resource)

        yield submit


@dataclass
class ListOfAccount:
    """The future of one list; all lists of its account are read in one flow run."""

    account: Any
    resource: str

    def result(self) -> Extracted:
        """Wait for the flow run. Raises the error of the list, or of the flow run."""
        result = self.account.result()[self.resource]
        if isinstance(result, Exception):
            raise result
        return result  # type: ignore[no-any-return]
