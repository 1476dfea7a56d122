"""Runs the real core of a sync on simulated time, undisturbed, killed, or with a second sync beside it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flows.common.clock import clock_set_to
from flows.common.events import Event, ListsPlanned, listening
from flows.common.list_key import ListKey
from flows.pipeline.context import ConnectionRun, SyncRun
from flows.pipeline.extract import Pending, extract_with_retry
from flows.pipeline.report import SyncReport
from flows.pipeline.sync import Runner, sync
from flows.pipeline.threads import Submit
from flows.sandbox import Server, World
from flows.source.client import DripClient
from tests.simulation.clock import Clock, SimulatedStop

LOCK_WAIT = "SOURCES__DRIP__LOCK_WAIT"
LONGEST_SECONDS = 60.0


class Killed(BaseException):
    """Ends a sync at any event, as a kill does; nothing handles it."""


@contextmanager
def in_order(runs: SyncRun) -> Iterator[Submit]:
    """Read lists one after another, so that a story always takes the same course."""

    def submit(run: ConnectionRun, key: ListKey) -> Pending:
        future: Future[Any] = Future()
        try:
            future.set_result(extract_with_retry(run, key))
        except Exception as error:
            future.set_exception(error)
        return future

    yield submit


class Syncs:
    """Syncs of a world at its time.

    Args:
        world: the world.
        clock: its clock.
        threads: whether lists are read in threads, as usual, rather than in order.
    """

    def __init__(self, world: World, clock: Clock, threads: bool) -> None:
        self.world, self.clock = world, clock
        self._runner = Runner(observe=self._observe) if threads else Runner(observe=self._observe, fan_out=in_order)

    def run(self, **parameters: Any) -> SyncReport:
        """A sync that nothing interrupts."""
        with clock_set_to(self.world.now()):
            return sync(runner=self._runner, **parameters)

    def killed(self, after: int, **parameters: Any) -> SyncReport | None:
        """A sync that is killed at an event, or before its report. None if it was killed."""
        runner = replace(self._runner, report=_killed) if after % 5 == 0 else self._runner
        try:
            with listening(_at_event(after, _killed)), clock_set_to(self.world.now()):
                return sync(runner=runner, **parameters)
        except Killed:
            return None

    def two(self, after: int, **parameters: Any) -> tuple[SyncReport, SyncReport | None]:
        """A sync during which another one is started. The report of the second is None if it was not started."""
        second: list[SyncReport] = []

        def start() -> None:
            if not second:
                before = os.environ.get(LOCK_WAIT, "")
                os.environ[LOCK_WAIT] = "0"
                try:
                    second.append(sync(runner=self._runner, **parameters))
                finally:
                    os.environ[LOCK_WAIT] = before

        with listening(_at_event(after, start, once=True)), clock_set_to(self.world.now()):
            report = sync(runner=self._runner, **parameters)
        return report, second[0] if second else None

    def killed_process(self, server: Server, after: int, words: Sequence[str]) -> None:
        """A sync in another process, killed after so many requests and some milliseconds."""
        module = [sys.executable, "-m", "tests.simulation.victim", self.world.now().isoformat(), *words]
        started, seen = time.monotonic(), len(server.log)
        with subprocess.Popen(module, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while len(server.log) < seen + after % 20 and process.poll() is None:
                time.sleep(0.002)
                if time.monotonic() - started > LONGEST_SECONDS:
                    break
            time.sleep((after % 7) * 0.1)
            process.send_signal(signal.SIGKILL)

    @contextmanager
    def _observe(self, clients: Sequence[DripClient]) -> Iterator[None]:
        """Let the waits of the clients pass on the simulated clock."""
        for client in clients:
            client.stop = client.budget.stop = SimulatedStop(self.clock.sleep)
            client.budget.clock = self.clock
        yield


def _killed(*_: Any) -> Any:
    raise Killed


def _at_event(after: int, act: Callable[[], Any], once: bool = False) -> Callable[[Event], None]:
    """A listener that acts at an event after the lists are planned, and at each later one unless `once`."""
    planned, seen = False, 0

    def listen(event: Event) -> None:
        nonlocal planned, seen
        planned = planned or isinstance(event, ListsPlanned)
        seen += planned
        if seen == after + 1 or (seen > after and not once):
            act()

    return listen
