"""A Prefect server for the tests, on a database made from a dump, since Prefect's migrations take twenty seconds.

`python -m tests.prefect_server` writes the dump again. A newer Prefect adds what is missing when its server starts.
"""

import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

HOST = "127.0.0.1"
START_SECONDS = 180
NOT_NEEDED = ("CANCELLATION_CLEANUP", "CLEANUP_RECONCILER", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS", "SCHEDULER")
SERVICES_OFF = {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in NOT_NEEDED}
"""Background services that most tests do not need; each polls the database."""
DUMP = Path(__file__).with_name("prefect.sql")
DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


@dataclass
class RunningServer:
    """A server that can be suspended while nobody uses it: idle, it takes 2 % of a core.

    Attributes:
        process: its process; it may have children.
        suspended: whether it is suspended.
    """

    process: psutil.Process
    suspended: bool = False

    def suspend(self) -> None:
        """Suspend it if it is running."""
        if not self.suspended:
            self.suspended = True
            for process in self._processes():
                process.suspend()

    def resume(self) -> None:
        """Resume it if it is suspended."""
        if self.suspended:
            self.suspended = False
            for process in self._processes():
                process.resume()

    def _processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def create_database(path: Path) -> None:
    """Create an empty Prefect database."""
    with closing(sqlite3.connect(path)) as con:
        con.executescript(DUMP.read_text())


@contextmanager
def serve_prefect(url: str, folder: Path) -> Iterator[RunningServer]:
    """Run a server with its API at `url`, on a new database in `folder`, while the block runs."""
    database, log = folder / "prefect.db", folder / "server.log"
    create_database(database)
    words = ("server", "start", "--no-ui", "--host", HOST, "--port", str(urlsplit(url).port))
    server = _prefect(*words, database=database, log=log, **SERVICES_OFF)
    running = RunningServer(psutil.Process(server.pid))
    try:
        _wait_for(f"{url}/health", server, log)
        yield running
    finally:
        running.resume()
        server.terminate()
        server.wait(timeout=30)


def free_api_url() -> str:
    """A URL for a server started later. Its port is below 32768: the system only assigns higher ones by itself."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return f"http://{HOST}:{port}/api"
    raise RuntimeError("no port is free")


def _prefect(*words: str, database: Path, log: Path | None = None, **settings: str) -> subprocess.Popen[bytes]:
    environment = os.environ | settings | {DATABASE: f"sqlite+aiosqlite:///{database}"}
    with (log or Path(os.devnull)).open("ab") as output:
        command = [str(Path(sys.executable).with_name("prefect")), *words]
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the Prefect server did not start: {log.read_text()[-2000:]}")


def _dump() -> None:
    """Write the dump of a database that the installed Prefect has created."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "prefect.db"
        if _prefect("server", "database", "upgrade", "--yes", database=database).wait(START_SECONDS):
            sys.exit("prefect server database upgrade failed")
        with closing(sqlite3.connect(database)) as con:
            DUMP.write_text("\n".join(con.iterdump()) + "\n")


if __name__ == "__main__":
    _dump()
