"""The sandbox in a separate process, so that its cost can be separated from the cost of its clients.

It encodes all subscribers before the measurement; a page is then joined from bytes, thirty times as fast as generating
its records. Filters, counts, headers and short lists are those of the sandbox.
"""

import gc
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar, cast

import msgspec
import numpy as np
import psutil
import requests
from starlette.middleware.gzip import GZipMiddleware

from flows.common.http_server import serving
from flows.sandbox import Account, World
from flows.sandbox.app import BASE, Sandbox
from flows.sandbox.generator.draws import Indices
from flows.sandbox.generator.people import People
from flows.sandbox.server import Server

T = TypeVar("T")
PROJECT = Path(__file__).parent.parent
PLENTY = 10_000_000
"""Requests per hour; no contender reaches this rate limit."""
SEED = 1
CHUNK = 10_000
ONE_IN = 100
LOG, CHANGE = b"log\n", b"change\n"
"""What a sandbox is told: to reply with what it answered, or to change subscribers first."""
FAST = 1
"""Level of compression."""


class EncodedPeople(People):
    """The subscribers of an account, encoded as JSON in advance."""

    def __init__(self, account: Account, now: int) -> None:
        lazy, arrived = account.subscribers.people, len(account.subscribers.lives().created)
        super().__init__(lazy.account_id, lazy.population, lazy.tags, lazy.fields)
        self._encoded: list[msgspec.Raw] = []
        for start in range(0, arrived, CHUNK):
            records = lazy.records(np.arange(start, min(start + CHUNK, arrived)), now)
            self._encoded += [msgspec.Raw(msgspec.json.encode(record)) for record in records]

    def records(self, indices: Indices, now: int) -> list[Any]:
        """The JSON records of these subscribers, at any time."""
        return [self._encoded[index] for index in indices.tolist()]

    def change(self, lead_score: int) -> None:
        """Give one in a hundred another lead score."""
        for index in range(0, len(self._encoded), ONE_IN):
            record = msgspec.json.decode(self._encoded[index]) | {"lead_score": lead_score}
            self._encoded[index] = msgspec.Raw(msgspec.json.encode(record))


class Answered(NamedTuple):
    """What a sandbox answered since the last call.

    Attributes:
        requests: all requests.
        pages: requests for pages of subscribers.
        reading: seconds between the first and the last request for a page of subscribers.
    """

    requests: int
    pages: int
    reading: float


class Started(msgspec.Struct):
    """The first line of a sandbox: base URL of the API, its key, and the number of subscribers of all accounts."""

    url: str
    api_key: str
    subscribers: int


class Api:
    """A sandbox in a separate process. Raises RuntimeError if it does not start."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._usage = psutil.Process(process.pid)
        self._ask, self._told = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        started = self._line(Started)
        self.url, self.api_key, self.subscribers = started.url, started.api_key, started.subscribers

    def cpu_seconds(self) -> float:
        """Its processor time so far."""
        times = self._usage.cpu_times()
        return times.user + times.system

    def answered(self) -> Answered:
        """What it answered since the last call."""
        return self._asked(LOG)

    def change(self) -> None:
        """Change one in a hundred subscribers."""
        self._asked(CHANGE)

    def page_bytes(self, account_id: str) -> int:
        """The size of a full page of an account's subscribers."""
        query = {"status": "all", "per_page": 1_000}
        there = f"{self.url}/{account_id}/subscribers"
        return len(requests.get(there, query, auth=(self.api_key, ""), timeout=60).content)

    def _asked(self, words: bytes) -> Answered:
        self._ask.write(words)
        self._ask.flush()
        return self._line(Answered)

    def _line(self, kind: type[T]) -> T:
        line = self._told.readline()
        if not line:
            raise RuntimeError("the process of the sandbox has ended")
        return msgspec.json.decode(line, type=kind)


@contextmanager
def running(sizes: Mapping[str, int], latency: float = 0.0, gzip: bool = False) -> Iterator[Api]:
    """Serve accounts of these sizes until the block ends.

    Args:
        sizes: the number of subscribers by account.
        latency: seconds per request.
        gzip: whether replies are compressed.
    """
    words = [sys.executable, "-m", "benchmarks.api", msgspec.json.encode((sizes, latency, gzip)).decode()]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=PROJECT, stdin=pipe, stdout=pipe) as process:  # noqa: S603 - our own
        try:
            yield Api(process)
        finally:
            process.kill()


def main(sizes: dict[str, int], latency: float, gzip: bool) -> None:
    """Serve; reply to each line on stdin with an `Answered` for the time since the previous one."""
    world = World(SEED, sizes, rate_limit=PLENTY)
    encode(world)
    gc.freeze()  # so that garbage collection does not scan the records during a measurement
    there = sum(len(world.account(name).subscribers) for name in world.account_ids)
    sandbox = Sandbox(world, latency)
    app = GZipMiddleware(sandbox, compresslevel=FAST) if gzip else sandbox
    with serving(app, "sandbox", "127.0.0.1", 0) as url:
        server = Server(url + BASE, sandbox)
        _say(Started(server.url, world.api_key, there))
        for number, line in enumerate(sys.stdin.buffer):
            if line == CHANGE:
                change(world, number)
            _say(_answered(server))


def change(world: World, lead_score: int) -> None:
    """Change one in a hundred subscribers of every account."""
    for account in map(world.account, world.account_ids):
        cast(EncodedPeople, account.subscribers.people).change(lead_score)


def encode(world: World) -> None:
    """Encode all records of a world, which must not change afterwards."""
    for account in map(world.account, world.account_ids):
        account.subscribers.people = EncodedPeople(account, int(world.as_of.timestamp()))
        for records in account.records.values():
            records.all()


def _say(what: Started | Answered) -> None:
    sys.stdout.write(msgspec.json.encode(what).decode() + "\n")
    sys.stdout.flush()


def _answered(server: Server) -> Answered:
    log = list(server.log)
    server.log.clear()
    times = [one.time for one in log if one.path.endswith("/subscribers")]
    return Answered(len(log), len(times), max(times, default=0.0) - min(times, default=0.0))


if __name__ == "__main__":
    main(*msgspec.json.decode(sys.argv[1], type=tuple[dict[str, int], float, bool]))
