"""Runs a command in a separate process, as a user does, and measures its cost."""

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import psutil

from flows.sandbox import World

COMMAND = str(Path(sys.executable).parent / "drip-flows")
SAMPLE_SECONDS = 0.05
MEGABYTE = 1_000_000
LONGEST = 3_600
"""Seconds after which a command is killed, for example one that requests the same page forever."""


@dataclass
class Place:
    """A folder for a warehouse and a landing zone, and the settings that point a sync to them.

    Attributes:
        folder: an empty folder.
        settings: further environment variables.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def start(self, url: str, api_key: str, words: Sequence[str] = (COMMAND, "sync")) -> "Running":
        """Start a sync, or another command, from the sandbox into this place."""
        return Running(words, self.folder, self.environment(url, api_key))

    def environment(self, url: str, api_key: str) -> dict[str, str]:
        """The environment of a sync from the sandbox into this place."""
        ours = {
            "SOURCES__DRIP__BASE_URL": url,
            "SOURCES__DRIP__API_KEY": api_key,
            "SOURCES__DRIP__LANDING": str(self.folder / "landing"),
            "DESTINATION__DUCKDB__CREDENTIALS": str(self.warehouse),
        }
        return os.environ | ours | dict(self.settings)

    def differing(self, world: World) -> int:
        """The number of subscribers that are missing, superfluous or duplicated in the database."""
        query = "SELECT account_id, id FROM drip.subscribers"
        with duckdb.connect(self.warehouse, read_only=True) as con:
            ours = con.execute(query).fetchall()
        theirs = {(one, key) for one in world.account_ids for key in world.account(one).subscribers.ids()}
        return len(set(ours) ^ theirs) + len(ours) - len(set(ours))


@dataclass
class Cost:
    """The cost of one run of the command.

    Attributes:
        code: exit code; negative if a signal ended it.
        seconds: duration.
        cpu_seconds: processor time including children; other load affects it less than `seconds`.
        peak_mb: maximum memory including children, in megabytes.
        output: stdout and stderr.
    """

    code: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


class Running:
    """A command that has been started."""

    def __init__(self, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._started, self._before = time.monotonic(), _children_seconds()
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            words,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._peak = 0
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def wait(self) -> Cost:
        """Wait for its end. Kills it and its children if it takes too long or the wait is interrupted."""
        timer = threading.Timer(LONGEST, self._end)
        timer.start()
        try:
            output, _ = self._process.communicate()
        except BaseException:
            self._end()
            raise
        finally:
            timer.cancel()
        seconds = time.monotonic() - self._started
        self._watcher.join()
        used = _children_seconds() - self._before
        return Cost(self._process.returncode, seconds, used, self._peak / MEGABYTE, output)

    def _end(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._process.pid)
            for one in [*process.children(recursive=True), process]:
                one.kill()

    def _watch(self) -> None:
        process = psutil.Process(self._process.pid)
        while not self.is_over:
            try:
                family = [process, *process.children(recursive=True)]
                self._peak = max(self._peak, sum(one.memory_info().rss for one in family))
            except psutil.NoSuchProcess:
                continue
            time.sleep(SAMPLE_SECONDS)


def _children_seconds() -> float:
    """Processor time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
