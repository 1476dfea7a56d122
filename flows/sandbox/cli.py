"""Running the sandbox in a terminal."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import msgspec
from rich.table import Table

from flows.common.console import plain_console
from flows.common.program import program
from flows.sandbox.deliveries import Sender, deliver
from flows.sandbox.faults import FaultPlan
from flows.sandbox.metrics import MetricsRules
from flows.sandbox.request_log import LinePrinter, Logged
from flows.sandbox.server import Server, serve
from flows.sandbox.world import World

FIRST_ACCOUNT = 1_000_001
OWN_DATABASE = "DESTINATION__DUCKDB__CREDENTIALS=data/sandbox.duckdb"
"""Keeps the invented people out of the user's own database."""
MISUSE = 2
LAST_PORT = 65_535
MOST_SUBSCRIBERS = 1_000_000


def run(
    host: str,
    port: int,
    seed: int,
    subscribers: Sequence[int],
    as_of: datetime,
    faults: Path | None,
    rate_limit: int,
    rate_window: float,
    latency_ms: float,
    quiet: bool = False,
    deliver_to: Sequence[str] = (),
    deliver_days: float = 1.0,
    metrics: MetricsRules | None = None,
) -> None:
    """Serve invented accounts until Ctrl-C, and log each request on stderr unless `quiet`.

    `subscribers` has the number of subscribers of each account; if empty, the default world is used. `rate_window` is
    in seconds. `metrics` are the limits of `/metrics/email`. The events of the first accounts are delivered to the URLs
    of `deliver_to`, starting with those of the last `deliver_days` days. Exits with 2 and one line on stderr if an
    option is out of range, the port is in use or the fault plan is invalid.
    """
    sizes = {str(FIRST_ACCOUNT + place): size for place, size in enumerate(subscribers)} or None
    try:
        _check_ranges(port, subscribers, rate_limit, rate_window, latency_ms)
        metrics = metrics or MetricsRules()
        _check_metrics(metrics)
        plan = FaultPlan.of(faults)
        world = World(seed, sizes, rate_limit=rate_limit, rate_window=rate_window, faults=plan, as_of=as_of)
        world.metrics = metrics
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends it as Ctrl-C does
        watch = _ignore if quiet else LinePrinter()
        with serve(world, host, port, latency_ms / 1_000, watch) as server, suppress(KeyboardInterrupt):
            plain_console().print(_welcome(world, server), _example(world, server), sep="\n", soft_wrap=True)
            with delivering(world, deliver_to, deliver_days):
                threading.Event().wait()
    except OSError as problem:
        place = f"cannot listen on {host}:{port}: {problem.strerror or problem}; choose another --port or --host"
        _end(f"{problem.strerror}: {problem.filename}" if problem.filename else place)
    except (ValueError, msgspec.DecodeError) as problem:
        _end(str(problem))
    plain_console().print(_farewell(server.log), soft_wrap=True)


def _end(problem: str) -> NoReturn:
    sys.stderr.write(f"The sandbox cannot start: {problem}\n")
    raise SystemExit(MISUSE) from None


@contextmanager
def delivering(world: World, urls: Sequence[str], days: float) -> Iterator[None]:
    """Deliver the events of the first accounts to URLs, for as long as the block lasts, and say what came of it."""
    stop, senders = threading.Event(), [Sender(url) for url in urls]
    threads = [
        threading.Thread(target=deliver, args=(world, account, sender, days, stop), daemon=True)
        for account, sender in zip(world.account_ids, senders, strict=False)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread, sender in zip(threads, senders, strict=False):
            thread.join()
            plain_console().print(_delivered(sender), soft_wrap=True)


def _delivered(sender: Sender) -> str:
    answers = ", ".join(f"{count:,} with {status or 'no answer'}" for status, count in sorted(sender.answers.items()))
    end = "; the webhook would be disabled" if sender.disabled else ""
    return f"Deliveries answered: {answers or 'none'}; {sender.dropped:,} given up, {sender.waiting:,} waiting{end}."


def _check_ranges(
    port: int, subscribers: Sequence[int], rate_limit: int, rate_window: float, latency_ms: float
) -> None:
    """Check the ranges of the options. Raises ValueError naming the option."""
    if not 0 <= port <= LAST_PORT:
        raise ValueError(f"--port {port} is not between 0 and {LAST_PORT}")
    if wrong := [size for size in subscribers if not 0 <= size <= MOST_SUBSCRIBERS]:
        raise ValueError(f"--subscribers {wrong[0]} is not between 0 and {MOST_SUBSCRIBERS}")
    for option, value in (("--rate-limit", rate_limit), ("--rate-window", rate_window)):
        if not value > 0:
            raise ValueError(f"{option} {value} is not above 0")
    if not latency_ms >= 0:
        raise ValueError(f"--latency-ms {latency_ms} is below 0")


def _check_metrics(rules: MetricsRules) -> None:
    """Check the limits of `/metrics/email`. Raises ValueError naming the option."""
    values = {"rate-limit": rules.limit, "rate-window": rules.window, "cap": rules.cap}
    for option, value in values.items():
        if value is not None and not value > 0:
            raise ValueError(f"--metrics-{option} {value} is not above 0")


def _ignore(logged: Logged) -> None:
    """Log nothing."""


def _farewell(log: Sequence[Logged]) -> str:
    failed, retries = sum(one.failed for one in log), sum(one.retry for one in log)
    return f"Sandbox stopped after {len(log):,} requests: {failed:,} failed, {retries:,} were retries."


def _welcome(world: World, server: Server) -> Table:
    table = Table(title=f"Drip sandbox at {server.url}", title_justify="left")
    table.add_column("account")
    table.add_column("name")
    table.add_column("subscribers", justify="right")
    for account in world.accounts:
        table.add_row(account["id"], account["name"], f"{world.account(account['id']).size:,}")
    return table


def _example(world: World, server: Server) -> str:
    budget = world.budget
    settings = f"SOURCES__DRIP__BASE_URL={server.url} SOURCES__DRIP__API_KEY={world.api_key} {OWN_DATABASE}"
    return (
        f"As of {world.as_of:%Y-%m-%d}, {budget.limit:,} requests in {budget.window:g} seconds. Try:\n"
        f"  {settings} {program()} sync\n"
        f"  curl -u {world.api_key}: {server.url}/accounts\n"
        "Stop it with Ctrl-C."
    )
