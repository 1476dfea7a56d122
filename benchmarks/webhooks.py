"""What the webhook receiver withstands, and how fast it is: `python -m benchmarks.webhooks [kills|speed|crowd]`."""

import asyncio
import os
import platform
import random
import resource
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import duckdb
import msgspec
import psutil
import psycopg2
import typer
from rich.console import Console

from benchmarks.findings import Finding, shown
from benchmarks.webhook_processes import ended, free_port, kill, start_load, start_receiver
from benchmarks.webhook_sender import Sender, Sent, shuffled
from flows.source.deliveries.spool import Spool, opened
from flows.webhooks.secret_store import SecretStore, delivery_url

ACCOUNT = "1000001"
CONNECTIONS = 32
RATE, SECONDS, SLOWEST = 1_000, 60, 0.250
CROWD = 5_000
QUERY = "SELECT CAST(properties AS VARCHAR), deliveries FROM drip.subscriber_events"
LONGEST_LOAD = 0.6
"""Seconds until a load is killed, at most: some are killed before they begin, some at work, some come to their end."""


class Rehearsal(NamedTuple):
    """What a rehearsal of kills left behind.

    Attributes:
        sent: what was answered.
        spooled: by number of the delivery, how often it is in the spool.
        loaded: by number, its deliveries by the destination; a number with two rows has both in the list.
        receivers: how many were killed.
        loads: how many were killed.
    """

    sent: Sent
    spooled: Counter[int]
    loaded: dict[int, list[int]]
    receivers: int
    loads: int

    def problems(self) -> list[str]:
        """What is lost, extra, or counted wrong."""
        numbers, kept, tried = {*self.sent.tried, *self.loaded}, self.spooled, self.sent.tried
        rows = {number: self.loaded.get(number, []) for number in numbers}
        return [
            *(f"{n}: {len(own)} rows" for n, own in rows.items() if len(own) != 1),
            *(f"{n}: {own} deliveries of {kept[n]}" for n, own in rows.items() if sum(own) != kept[n]),
            *(f"{n}: {kept[n]} kept of {m} answered" for n, m in self.sent.answered.items() if kept[n] < m),
            *(f"{n}: {kept[n]} kept of {m} sent" for n, m in tried.items() if kept[n] > m),
        ]


def rehearse_kills(
    folder: Path, destination: str, settings: Mapping[str, str], count: int, receivers: int, loads: int, seed: int
) -> Rehearsal:
    """Send deliveries, a fifth of them repeats, while receivers and loads are killed at random moments; then load."""
    dice = random.Random(seed)  # noqa: S311
    spool, port = folder / "webhooks", free_port()
    settings = {**settings, "SOURCES__DRIP__WEBHOOKS": str(spool), "SOURCES__DRIP__LANDING": str(folder / "landing")}
    Spool(spool).close()  # a load refuses to start without one
    sender = Sender(delivery_url(f"http://127.0.0.1:{port}", SecretStore(spool).current_or_new(ACCOUNT)), CONNECTIONS)
    numbers, over = shuffled(count, 0.2, dice), threading.Event()
    moments = sorted(dice.uniform(0, 0.95 * count) for _ in range(receivers))

    def send() -> None:
        asyncio.run(sender.send(numbers, ACCOUNT))
        over.set()

    sending = threading.Thread(target=send)
    killer = threading.Thread(target=_kill_receivers, args=(spool, port, moments, sender, over))
    for thread in (killer, sending):
        thread.start()
    killed = _kill_loads(destination, settings, loads, dice)
    for thread in (sending, killer):
        thread.join()
    process = start_load(destination, settings)
    process.join()
    if process.exitcode:
        raise RuntimeError("the last load failed")
    return Rehearsal(sender.sent, spooled(spool), loaded(settings), receivers, killed)


def _kill_receivers(spool: Path, port: int, moments: list[float], sender: Sender, over: threading.Event) -> None:
    """Kill the receiver whenever so many deliveries were answered, and start another at once."""
    for moment in moments:
        with ended(start_receiver(spool, port)):
            while sum(sender.sent.answered.copy().values()) < moment:
                time.sleep(0.002)
    with ended(start_receiver(spool, port)):
        over.wait()


def _kill_loads(destination: str, settings: Mapping[str, str], loads: int, dice: random.Random) -> int:
    killed = 0
    while killed < loads:
        process = start_load(destination, settings)
        process.join(dice.uniform(0, LONGEST_LOAD) * (1 + 4 * dice.random()))
        killed += process.is_alive()
        kill(process)
    return killed


def spooled(folder: Path) -> Counter[int]:
    """By number, how often a delivery is in the spool."""
    with opened(folder) as spool:
        deliveries = spool.read(0, spool.last(), 1 << 40, 1 << 50) if spool else []
    return Counter(_number(msgspec.json.decode(one.body)["data"]["properties"]) for one in deliveries)


def loaded(settings: Mapping[str, str]) -> dict[int, list[int]]:
    """By number, the deliveries of each of its rows."""
    found: dict[int, list[int]] = {}
    for properties, deliveries in _rows(settings):
        found.setdefault(_number(msgspec.json.decode(properties)), []).append(deliveries)
    return found


def _number(properties: dict[str, str]) -> int:
    return int(properties["delivery_id"])


def _rows(settings: Mapping[str, str]) -> list[tuple[str, int]]:
    if url := settings.get("DESTINATION__POSTGRES__CREDENTIALS"):
        with closing(psycopg2.connect(url)) as con, con.cursor() as cursor:
            cursor.execute(QUERY)
            return [(properties, deliveries) for properties, deliveries in cursor.fetchall()]
    with duckdb.connect(settings["DESTINATION__DUCKDB__CREDENTIALS"], read_only=True) as database:
        return database.execute(QUERY).fetchall()


def kills(options: "Options") -> Iterator[Finding]:
    """Kills of receivers and loads, into DuckDB and into PostgreSQL."""
    for destination in ("duckdb", "postgres"):
        with _place(destination) as (folder, settings):
            began = time.monotonic()
            left = rehearse_kills(folder, destination, settings, options.number, 100, 20, options.seed)
            problems = left.problems()
            yield Finding(
                f"{options.number:,} deliveries into {destination}, "
                f"{left.receivers} receivers and {left.loads} loads killed",
                f"{len(left.loaded):,} rows with {sum(map(sum, left.loaded.values())):,} deliveries in "
                f"{time.monotonic() - began:.0f} s; {len(problems)} wrong {problems[:3]}",
                not problems,
            )


def speed(options: "Options") -> Iterator[Finding]:
    """Deliveries at a steady rate for a minute, with the memory of the receiver."""
    for keep_alive in (True, False):
        with _receiver() as (url, process):
            memory = [_megabytes(process)]
            sender = Sender(url, 64, insist=False, keep_alive=keep_alive, rate=RATE)
            asyncio.run(sender.send(range(RATE * 5), ACCOUNT))
            memory.append(_megabytes(process))
            sender.sent = Sent()
            began = time.perf_counter()
            asyncio.run(sender.send(range(RATE * options.seconds), ACCOUNT))
            seconds = time.perf_counter() - began
            memory.append(_megabytes(process))
            yield _speed_finding(sender.sent, seconds, memory, keep_alive, options.seconds)


def _speed_finding(sent: Sent, seconds: float, memory: list[float], keep_alive: bool, planned: int) -> Finding:
    times, kept = sorted(sent.seconds), sent.statuses.get(200, 0)
    rate, slow = kept / seconds, times[int(len(times) * 0.99)]
    return Finding(
        f"{RATE:,} deliveries a second for {planned} s, {'kept' if keep_alive else 'new'} connections",
        f"{rate:,.0f} a second, p50 {times[len(times) // 2] * 1e3:.0f} ms, p99 {slow * 1e3:.0f} ms, "
        f"answers {sent.statuses}, memory {' → '.join(f'{one:.0f}' for one in memory)} MB",
        rate >= 0.98 * RATE and slow <= SLOWEST and kept == len(times) and memory[2] < 1.1 * memory[1],
    )


def crowd(options: "Options") -> Iterator[Finding]:
    """Idle and slow connections beside deliveries."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (CROWD + 1_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with _receiver() as (url, _), ExitStack() as stack:
        port, path = int(url.split(":")[2].split("/")[0]), url.rpartition("/")[2]
        for number in range(CROWD):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            begun = (b"", b"POST /", f"POST /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12".encode())
            connection.sendall(begun[number % 3])
        sender = Sender(url, 32, insist=False)
        began = time.perf_counter()
        asyncio.run(sender.send(range(5_000), ACCOUNT))
        seconds = time.perf_counter() - began
    times = sorted(sender.sent.seconds)
    yield Finding(
        f"5,000 deliveries beside {CROWD:,} idle and slow connections",
        f"{5_000 / seconds:,.0f} a second, p99 {times[int(len(times) * 0.99)] * 1e3:.0f} ms, "
        f"answers {sender.sent.statuses}",
        sender.sent.statuses == {200: 5_000},
    )


@contextmanager
def _receiver() -> Iterator[tuple[str, psutil.Process]]:
    """The delivery URL of a receiver with a spool of its own, and its process."""
    with tempfile.TemporaryDirectory(prefix="drip-webhooks-") as folder:
        port, spool = free_port(), Path(folder)
        secret = SecretStore(spool).current_or_new(ACCOUNT)
        with ended(start_receiver(spool, port)) as process:
            yield delivery_url(f"http://127.0.0.1:{port}", secret), psutil.Process(process.pid)


@contextmanager
def _place(destination: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder, and the settings of an empty destination."""
    from tests.postgres import new_database, serve_postgres

    with tempfile.TemporaryDirectory(prefix="drip-webhooks-") as folder, ExitStack() as stack:
        os.environ["DLT_DATA_DIR"] = os.environ["DLT_PROJECT_DIR"] = folder
        if destination == "postgres":
            url = new_database(stack.enter_context(serve_postgres()))
            yield Path(folder), {"DESTINATION__POSTGRES__CREDENTIALS": url}
        else:
            yield Path(folder), {"DESTINATION__DUCKDB__CREDENTIALS": f"{folder}/webhooks.duckdb"}


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


class Options(NamedTuple):
    """Deliveries of the kills, seconds of the speed, seed of what is random."""

    number: int
    seconds: int
    seed: int


REHEARSALS: dict[str, Callable[[Options], Iterator[Finding]]] = {"kills": kills, "speed": speed, "crowd": crowd}


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(REHEARSALS)}; all without any.")] = None,
    count: Annotated[int, typer.Option(help="Deliveries while processes are killed.")] = 100_000,
    seconds: Annotated[int, typer.Option(help="Of the measured speed.")] = SECONDS,
    seed: Annotated[int, typer.Option(help="Of what is drawn at random.")] = 1,
) -> None:
    """Rehearse and measure; exit 1 where a promise is broken."""
    console = Console()
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    options = Options(count, seconds, seed)
    findings = [shown(console, one) for name in names or REHEARSALS for one in REHEARSALS[name](options)]
    raise SystemExit(int(not all(one.holds for one in findings)))


if __name__ == "__main__":
    typer.run(main)
