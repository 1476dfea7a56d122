"""Where the lists of a sync are read: in threads of the run, or by Dask in other processes, here or elsewhere."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from prefect.tasks import Task

from flows.extract import extract
from flows.run import Run, Runs, tools_of
from flows.source.errors import SettingsError
from flows.source.settings import common_settings, variable

THREADS, DASK = "threads", "dask"
SCHEDULER = ("tcp://", "tls://", "ws://", "wss://")
THREADS_PER_PROCESS = 4

Submit = Callable[[Run, str, str | None], Any]
"""Has a list of a run read: a resource and an account; returns a Prefect future."""


@contextmanager
def fan_out(runs: Runs) -> Iterator[Submit]:
    """A way to have lists read, as the settings say, for as long as the block lasts.

    Raises:
        SettingsError: the setting is wrong, the extra is missing, or nobody is at the address.
    """
    how = common_settings().fan_out
    if how == THREADS:
        yield lambda run, resource, account: _patient(run).submit(run, resource, account)
        return
    from flows.coordinator import coordinating

    with coordinating(runs.known) as url, _dask(how) as runner:

        def submit(run: Run, resource: str, account: str | None) -> Any:
            parameters = {"run": replace(run, coordinator=url), "resource": resource, "account": account}
            return runner.submit(_patient(run), parameters)

        yield submit


def _patient(run: Run) -> Task[Any, Any]:
    return extract.with_options(retry_delay_seconds=tools_of(run).settings.task_retry_delay)


@contextmanager
def _dask(how: str) -> Iterator[Any]:
    if how != DASK and not how.startswith(SCHEDULER):
        raise SettingsError(f"{variable('fan_out')} is {how!r}: use {THREADS}, {DASK} or tcp://host:port")
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError:
        raise SettingsError("reading with Dask needs the extra: pip install 'drip-flows[dask]'") from None
    local = {"n_workers": os.cpu_count(), "threads_per_worker": THREADS_PER_PROCESS, "dashboard_address": None}
    try:
        with DaskTaskRunner(address=None if how == DASK else how, cluster_kwargs=local if how == DASK else None) as one:
            _ = one.client
            yield one
    except OSError as error:
        raise SettingsError(f"no Dask scheduler at {how}: {error}; see {variable('fan_out')}") from None
