"""The sandbox in a process of its own, so that what it costs can be told from what its clients cost.

It makes its people before anything is measured and keeps them encoded: a page is then joined from bytes, which takes
a thirtieth of the time that making its records does. Filters, counts, headers and short lists are the sandbox's own.
"""

import gc
import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import msgspec
import numpy as np
import psutil

from flows.sandbox import Account, World, serve
from flows.sandbox.draws import Indices
from flows.sandbox.people import People
from flows.sandbox.server import Server

PLENTY = 10_000_000
"""Requests in an hour: no contender waits for its budget."""
SEED = 1
CHUNK = 10_000
START_SECONDS = 300


class EncodedPeople(People):
    """People made once, all of them: their records are JSON already. For a world that does not change."""

    def __init__(self, account: Account, now: int) -> None:
        made = account.subscribers.people
        super().__init__(made.account_id, made.population, made.tags, made.fields)
        self._encoded: list[msgspec.Raw] = []
        for start in range(0, made.population.timeline.reach(now), CHUNK):
            stop = min(start + CHUNK, made.population.timeline.reach(now))
            records = made.records(np.arange(start, stop, dtype=np.int64), now)
            self._encoded += [msgspec.Raw(msgspec.json.encode(record)) for record in records]

    def records(self, indices: Indices, now: int) -> list[Any]:
        """The records of these people, as JSON."""
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


@dataclass
class Api:
    """A sandbox that runs elsewhere.

    Attributes:
        url: base of the API.
        api_key: that it wants.
        subscribers: of all accounts together.
    """

    url: str
    api_key: str
    subscribers: int
    _process: psutil.Process
    _asking: Connection

    def cpu_seconds(self) -> float:
        """Processor time that it has used so far."""
        times = self._process.cpu_times()
        return times.user + times.system

    def answered(self) -> Answered:
        """What it answered since this was last called."""
        self._asking.send("answered")
        told: Answered = self._asking.recv()
        return told


@contextmanager
def running(sizes: Mapping[str, int], latency: float = 0.0) -> Iterator[Api]:
    """Serve accounts of these sizes until the block ends; `latency` is in seconds a request.

    Raises RuntimeError where the process does not answer in time.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, dict(sizes), latency), daemon=True)
    process.start()
    try:
        if not ours.poll(START_SECONDS):
            raise RuntimeError(f"the sandbox did not start in {START_SECONDS} s")
        url, api_key, subscribers = ours.recv()
        yield Api(url, api_key, subscribers, psutil.Process(process.pid), ours)
    finally:
        process.terminate()
        process.join()


def _serve(asked: Connection, sizes: dict[str, int], latency: float) -> None:
    world = World(SEED, sizes, rate_limit=PLENTY)
    for name in world.account_ids:
        _make(world.account(name), int(world.as_of.timestamp()))
    gc.collect()
    gc.freeze()  # what is kept encoded is not looked through again while somebody is measured
    with serve(world, latency=latency) as server:
        there = sum(len(world.account(name).subscribers) for name in world.account_ids)
        asked.send((server.url, world.api_key, there))
        while asked.recv():
            asked.send(_answered(server))


def _make(account: Account, now: int) -> None:
    account.subscribers.people = EncodedPeople(account, now)
    for records in account.records.values():
        records.all()


def _answered(server: Server) -> Answered:
    log = list(server.log)
    server.log.clear()
    times = [one.time for one in log if one.path.endswith("/subscribers")]
    return Answered(len(log), len(times), max(times, default=0.0) - min(times, default=0.0))
