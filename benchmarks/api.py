"""The sandbox in a process of its own, so that what it costs can be told from what its clients cost.

It makes its people before anything is measured and keeps them encoded: a page is then joined from bytes, which takes
a thirtieth of the time that making its records does. Filters, counts, headers and short lists are the sandbox's own.
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

from flows.sandbox import Account, World, serve
from flows.sandbox.generator.draws import Indices
from flows.sandbox.generator.people import People
from flows.sandbox.server import Server

T = TypeVar("T")
PROJECT = Path(__file__).parent.parent
PLENTY = 10_000_000
"""Requests in an hour: no contender waits for its budget."""
SEED = 1
CHUNK = 10_000


class EncodedPeople(People):
    """The people of an account, all of them made at once: their records are JSON already."""

    def __init__(self, account: Account, now: int) -> None:
        lazy, arrived = account.subscribers.people, len(account.subscribers.lives().created)
        super().__init__(lazy.account_id, lazy.population, lazy.tags, lazy.fields)
        self._encoded: list[msgspec.Raw] = []
        for start in range(0, arrived, CHUNK):
            records = lazy.records(np.arange(start, min(start + CHUNK, arrived)), now)
            self._encoded += [msgspec.Raw(msgspec.json.encode(record)) for record in records]

    def records(self, indices: Indices, now: int) -> list[Any]:
        """The records of these people as JSON, whenever."""
        return [self._encoded[index] for index in indices.tolist()]


class Answered(NamedTuple):
    """What a sandbox answered since it was last asked.

    Attributes:
        requests: of all kinds.
        pages: of subscribers.
        reading: seconds between the first request for a page of subscribers and the last.
    """

    requests: int
    pages: int
    reading: float


class Started(msgspec.Struct):
    """What a sandbox says first: base of the API, the key that it wants, subscribers of all accounts together."""

    url: str
    api_key: str
    subscribers: int


class Api:
    """A sandbox in a process of its own. Raises RuntimeError where it does not start."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._usage = psutil.Process(process.pid)
        self._ask, self._told = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        started = self._line(Started)
        self.url, self.api_key, self.subscribers = started.url, started.api_key, started.subscribers

    def cpu_seconds(self) -> float:
        """Processor time that it has used so far."""
        times = self._usage.cpu_times()
        return times.user + times.system

    def answered(self) -> Answered:
        """What it answered since this was last called."""
        self._ask.write(b"\n")
        self._ask.flush()
        return self._line(Answered)

    def _line(self, kind: type[T]) -> T:
        line = self._told.readline()
        if not line:
            raise RuntimeError("the process of the sandbox has ended")
        return msgspec.json.decode(line, type=kind)


@contextmanager
def running(sizes: Mapping[str, int], latency: float = 0.0) -> Iterator[Api]:
    """Serve accounts of these sizes until the block ends; `latency` is in seconds a request."""
    words = [sys.executable, "-m", "benchmarks.api", msgspec.json.encode((sizes, latency)).decode()]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=PROJECT, stdin=pipe, stdout=pipe) as process:  # noqa: S603 - our own
        try:
            yield Api(process)
        finally:
            process.kill()


def main(sizes: dict[str, int], latency: float) -> None:
    """Serve, and answer every line on the standard input with what was answered since the last one."""
    world = World(SEED, sizes, rate_limit=PLENTY)
    encode(world)
    gc.freeze()  # what is kept is not looked through again while somebody is measured
    there = sum(len(world.account(name).subscribers) for name in world.account_ids)
    with serve(world, latency=latency) as server:
        _say(Started(server.url, world.api_key, there))
        for _ in sys.stdin:
            _say(_answered(server))


def encode(world: World) -> None:
    """Make everything that a world has once; it must not change any more."""
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
    main(*msgspec.json.decode(sys.argv[1], type=tuple[dict[str, int], float]))
