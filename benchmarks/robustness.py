"""Rehearses kills, faults, a low rate limit, deletions during a read, and growth. Run by `make rehearse`.

Each run is the command against the sandbox over HTTP, into a new DuckDB file, which is compared with the sandbox's
records. All runs share one Prefect server.
"""

import math
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness
from rich.console import Console
from rich.table import Table

from benchmarks.command import Place, Running
from benchmarks.findings import Finding, shown
from flows.orchestration.settings import DEFAULTS
from flows.sandbox import Server, World, serve
from flows.sandbox.faults import PASSING_FAULTS

FIRST = 1_000_001
ACCOUNT = str(FIRST)
PAID_TWICE = 1.3
"""Maximum requests of a killed sync and the run that resumes it, relative to an undisturbed sync."""
FAULTY = 0.02
LIMIT, WINDOW, REFUSED, OVER_IDEAL = 50, 10.0, 3, 1.5
GROWTH = 1.3
"""Maximum memory for ten times as many subscribers, relative to the smaller sync."""
LOOK_SECONDS = 0.005


def kills(tries: int, dice: random.Random) -> Iterator[Finding]:
    """`kill -9` at a random moment of a sync of 50,000 subscribers, then the same command again."""
    world = World(seed=5, sizes={ACCOUNT: 50_000})
    with serve(world, latency=0.05) as server:
        with place() as ours:
            running = ours.start(server.url, world.api_key)
            seconds = _after_first_request(running, server, lambda: running.wait())
        undisturbed = len(server.log)
        for number in range(1, tries + 1):
            server.log.clear()
            moment = dice.uniform(0, seconds)
            with place() as ours:
                code, differing = _killed_once(ours, server, world, moment)
            share = len(server.log) / undisturbed
            yield Finding(
                f"kill -9, {number} of {tries}: {moment:.2f} s of {seconds:.2f} s after the first request",
                f"{len(server.log)} requests, {share:.2f} times the undisturbed; {differing} rows differ",
                code == differing == 0 and share <= PAID_TWICE,
            )


def faults(tries: int, dice: random.Random) -> Iterator[Finding]:
    """2 % of all requests fail, each in one of eight random ways."""
    for number in range(1, math.ceil(tries / 4) + 1):
        chances = [
            {"probability": FAULTY / len(PASSING_FAULTS), "seed": dice.randrange(1 << 30)} for _ in PASSING_FAULTS
        ]
        rules = [{"when": when, "action": kind} for when, kind in zip(chances, PASSING_FAULTS, strict=True)]
        world = World(seed=number, sizes=_accounts(30, 200), faults=rules)
        with serve(world) as server, place(BACKOFF_FACTOR="0.05", TASK_RETRY_DELAY="0") as ours:
            cost, differing = ours.start(server.url, world.api_key).wait(), ours.differing(world)
        figures = f"{sum(world.faults.fired)} of {len(server.log)} requests failed; {differing} rows differ"
        yield Finding(f"random faults, {number}", f"{figures}; exit {cost.code}", cost.code == differing == 0)


def budget(tries: int, dice: random.Random) -> Iterator[Finding]:
    """300 requests with a rate limit of 50 requests in 10 seconds."""
    world = World(seed=1, sizes=_accounts(33, 30), rate_limit=LIMIT, rate_window=WINDOW)
    with serve(world) as server, place(RATE_LIMIT=str(LIMIT), RATE_WINDOW=str(WINDOW)) as ours:
        cost, differing = ours.start(server.url, world.api_key).wait(), ours.differing(world)
    requests, refused = len(server.log), sum(one.status == 429 for one in server.log)
    seconds = server.log[-1].time - server.log[0].time
    ideal = (math.ceil(requests / LIMIT) - 1) * WINDOW
    yield Finding(
        f"{LIMIT} requests in {WINDOW:.0f} s",
        f"{requests} requests, {refused} refused, {seconds:.1f} s, ideal {ideal:.0f} s; {differing} rows differ",
        cost.code == differing == 0 and refused <= REFUSED and seconds <= OVER_IDEAL * ideal,
    )


def deletions(tries: int, dice: random.Random) -> Iterator[Finding]:
    """300 subscribers are deleted in the API while a random page of 20 is read."""
    for number in range(1, tries + 1):
        after, first = dice.randrange(1, 20), dice.random() < 0.5
        rule = {
            "match": {"account": ACCOUNT, "resource": "subscribers"},
            "when": {"after": after, "times": 1},
            "action": {"kind": "delete", "count": 300, "first": first},
        }
        world = World(seed=number, sizes={ACCOUNT: 20_000}, faults=[rule])
        with serve(world) as server, place() as ours:
            cost, differing = ours.start(server.url, world.api_key).wait(), ours.differing(world)
        yield Finding(
            f"300 {'oldest' if first else 'random'} ones deleted after page {after}, {number} of {tries}",
            f"{len(server.log)} requests; {differing} rows differ",
            cost.code == differing == 0 and world.faults.fired == [1],
        )


def memory(tries: int, dice: random.Random) -> Iterator[Finding]:
    """Maximum memory of a sync of 100,000 and of 1,000,000 subscribers."""
    few = 0.0
    for size in (100_000, 1_000_000):
        world = World(seed=1, sizes={ACCOUNT: size})
        with serve(world) as server, place() as ours:
            cost, differing = ours.start(server.url, world.api_key).wait(), ours.differing(world)
        few = few or cost.peak_mb
        figures = f"{cost.peak_mb:,.0f} MB, {cost.peak_mb / few:.2f} times that of the first; {cost.seconds:.0f} s"
        holds = cost.code == differing == 0 and cost.peak_mb <= GROWTH * few
        yield Finding(f"{size:,} subscribers", f"{figures}; {differing} rows differ", holds)


REHEARSALS: dict[str, Callable[[int, random.Random], Iterator[Finding]]] = {
    "kills": kills,
    "faults": faults,
    "budget": budget,
    "deletions": deletions,
    "memory": memory,
}


@contextmanager
def place(**settings: str) -> Iterator[Place]:
    """A temporary place with these settings of the source."""
    with tempfile.TemporaryDirectory(prefix="drip-rehearsal-") as folder:
        yield Place(Path(folder), {f"SOURCES__DRIP__{name}": value for name, value in settings.items()})


def _accounts(number: int, size: int) -> dict[str, int]:
    return {str(FIRST + place): size for place in range(number)}


def _after_first_request(running: Running, server: Server, act: Callable[[], Any]) -> float:
    """Call `act` after the first request. Returns its duration in seconds."""
    while not server.log and not running.is_over:
        time.sleep(LOOK_SECONDS)
    began = time.monotonic()
    act()
    return time.monotonic() - began


def _killed_once(ours: Place, server: Server, world: World, moment: float) -> tuple[int, int]:
    """Kill a sync and run it again. Returns the second exit code and the number of differing rows."""
    running = ours.start(server.url, world.api_key)
    _after_first_request(running, server, lambda: time.sleep(moment))
    running.kill()
    running.wait()
    cost = ours.start(server.url, world.api_key).wait()
    return cost.code, ours.differing(world)


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Rehearsals: {', '.join(REHEARSALS)}. Default: all.")
    ] = None,
    tries: Annotated[int, typer.Option(help="Runs with kills and with deletions; faults get a quarter.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the random choices.")] = 1,
) -> None:
    """Run the rehearsals and print their results. Exits with 1 if a target is missed."""
    os.environ.update(DEFAULTS)
    console = Console()
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    table = Table("rehearsal", "runs", "broken")
    with prefect_test_harness(server_startup_timeout=180):
        os.environ["PREFECT_API_URL"] = PREFECT_API_URL.value() or ""
        for name in names or REHEARSALS:
            findings = [shown(console, one) for one in REHEARSALS[name](tries, random.Random(seed))]  # noqa: S311
            table.add_row(name, str(len(findings)), str(sum(not one.holds for one in findings)))
    console.print(table)
    raise SystemExit(int(any(cell != "0" for cell in table.columns[2].cells)))


if __name__ == "__main__":
    typer.run(main)
