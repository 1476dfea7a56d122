"""How fast the sync is beside the limit and others, how it grows, and what it costs to start. `make bench`.

Every figure is of a command in a process of its own, against a sandbox in another: the median of several runs, in which
all take turns. One Prefect server serves them all, and stands apart.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import api, published, targets
from benchmarks.command import COMMAND
from benchmarks.comparison import Comparison
from benchmarks.contenders import LIMIT, SYNC, Contender, contenders, sync
from benchmarks.findings import Finding, shown
from benchmarks.machine import machine, versions
from benchmarks.measuring import Failed, Run, checked, in_turns, place
from benchmarks.published import Each, Published
from benchmarks.targets import at_least, at_most
from flows.orchestration.settings import DEFAULTS

FIRST = 1_000_001
START = 100
"""Subscribers of the sync that measures start-up."""
PEOPLE, LISTS = 20, 9
WIDTH = 150
LATENCY, ONE_BY_ONE = 0.1, "one page after another"
HELP, EMPTY_FLOW = [COMMAND, "--help"], [sys.executable, str(Path(__file__).parent / "empty_flow.py")]
IMPORTS = [sys.executable, "-c", "import dlt, duckdb, pyarrow"]
NO_PREFECT = {"PREFECT_API_URL": ""}
STARTS: list[tuple[list[str], Mapping[str, str]]] = [
    (HELP, {}),
    (EMPTY_FLOW, {}),
    ([COMMAND, "sync"], {}),
    ([COMMAND, "sync"], NO_PREFECT),
    (IMPORTS, {}),
]
"""The commands whose start is measured, with their settings."""


def wide() -> Console:
    """A console that is wide enough for the tables, also if the output goes to a file."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


@dataclass
class Bench:
    """The options of a measurement, and its results.

    Attributes:
        runs: runs of each contender.
        sizes: numbers of subscribers for the comparison of all contenders.
        growth: numbers of subscribers for the comparison of the sync with the limit.
        accounts: numbers of accounts, of 20 subscribers each.
        slow: subscribers that are read at 100 ms per request.
        peers: whether other tools are measured too.
    """

    runs: int = 3
    sizes: Sequence[int] = (100_000,)
    growth: Sequence[int] = (10_000, 100_000, 1_000_000)
    accounts: Sequence[int] = (1, 10, 100, 200)
    slow: int = 200_000
    peers: bool = True
    console: Console = field(default_factory=wide)
    side_by_side: Comparison = field(default_factory=Comparison)
    each: list[Each] = field(default_factory=list)

    def compare(self, chosen: list[Contender], sizes: Sequence[int]) -> Comparison:
        """Measure contenders at each size and at start-up, and print the tables."""
        found = Comparison(self.in_turns(chosen, {size: {str(FIRST): size} for size in sorted({START, *sizes})}))
        for size in sizes:
            self.console.print(found.table(size))
        return found

    def in_turns(
        self,
        chosen: list[Contender],
        worlds: Mapping[int, Mapping[str, int]],
        latency: float = 0.0,
        gzip: bool = False,
    ) -> dict[int, dict[str, Run | str]]:
        """The medians of each contender against sandboxes with accounts of these sizes."""
        with ExitStack() as stack:
            apis = {size: stack.enter_context(api.running(sizes, latency, gzip)) for size, sizes in worlds.items()}
            return in_turns(chosen, apis, self.runs, self.done)

    def done(self, subscribers: int, name: str, run: Run) -> None:
        """Keep a run, and print a line of progress."""
        self.each.append(Each(subscribers, name, run))
        text = f"{subscribers:,} subscribers, {name}: {run.seconds:.2f} s"
        self.console.print(text, style="dim", highlight=False)


def beside(bench: Bench) -> Iterator[Finding]:
    """Compare all contenders on subscribers."""
    bench.side_by_side = bench.compare(list(contenders(bench.peers)), bench.sizes)
    for size in bench.sizes:
        yield from targets.beside_others(bench.side_by_side, size)


def growth(bench: Bench) -> Iterator[Finding]:
    """Compare the sync with the limit for growing numbers of subscribers."""
    yield from targets.growing(bench.compare([LIMIT, SYNC], bench.growth), bench.growth)


def accounts(bench: Bench) -> Iterator[Finding]:
    """Measure the sync of growing numbers of accounts, with nine short lists each."""
    table, seconds = Table("accounts", "seconds", "seconds a task", "requests", "peak MB"), {}
    worlds = {number: {str(FIRST + one): PEOPLE for one in range(number)} for number in bench.accounts}
    for number, by_name in bench.in_turns([SYNC], worlds).items():
        found = by_name[SYNC.name]
        if isinstance(found, str):
            yield Finding(f"{number} accounts", found, False)
            continue
        seconds[number] = found.seconds
        a_task, requests = f"{found.seconds / (number * LISTS):.3f}", f"{found.requests:,.0f}"
        table.add_row(f"{number}", f"{found.seconds:.1f}", a_task, requests, f"{found.peak_mb:,.0f}")
    bench.console.print(table)
    yield from targets.of_accounts(seconds, LISTS)


def startup(bench: Bench) -> Iterator[Finding]:
    """Measure start-up, with a Prefect server and without."""
    with api.running({str(FIRST): START}) as served:
        helped, empty, beside, alone, imports = _seconds(bench, served)
    bench.console.print(
        f"A sync of {START} subscribers {alone:.2f} s; on Prefect {beside:.2f} s, an empty flow {empty:.2f} s; "
        f"`import dlt, duckdb, pyarrow` {imports:.2f} s",
        highlight=False,
    )
    sync = f"a sync of {START} subscribers"
    yield at_most("drip-flows --help", helped, targets.HELP_SECONDS, " s")
    yield at_most(f"{sync}, over an empty Prefect flow", beside - empty, targets.OVER_EMPTY_FLOW, " s")
    yield at_most(f"{sync}, without Prefect", alone, targets.ALONE_SECONDS, " s")
    yield at_most(f"{sync}, times `import dlt, duckdb, pyarrow`", alone / imports, targets.OF_IMPORTS)


def _seconds(bench: Bench, served: api.Api) -> list[float]:
    """The median durations of the commands of `STARTS`, which take turns, after a first turn that is not measured."""
    with ExitStack() as stack:
        places = [stack.enter_context(place({**SYNC.settings, **settings})) for _, settings in STARTS]
        turns = [
            [
                checked(there.start(served.url, served.api_key, words).wait()).seconds
                for there, (words, _) in zip(places, STARTS, strict=True)
            ]
            for _ in range(bench.runs + 1)
        ]
    return [median(seconds) for seconds in zip(*turns[1:], strict=True)]


def latency(bench: Bench) -> Iterator[Finding]:
    """Read a long list at 100 ms per request, compressed, its pages in parallel and one by one."""
    only = ("--resource", "subscribers")
    chosen = [sync("in parallel", *only, HISTORY="[]"), sync(ONE_BY_ONE, *only, HISTORY="[]", PARALLEL="1")]
    found = bench.in_turns(chosen, {bench.slow: {str(FIRST): bench.slow}}, LATENCY, gzip=True)[bench.slow]
    table = Table("pages", "number", "seconds of reading", "seconds in all")
    reading = {}
    for name, one in found.items():
        if isinstance(one, str):
            yield Finding(name, one, False)
            continue
        reading[name] = one.reading
        table.add_row(name, f"{one.pages:.0f}", f"{one.reading:.1f}", f"{one.seconds:.1f}")
    bench.console.print(table)
    if len(reading) == len(chosen):
        faster = reading[ONE_BY_ONE] / reading["in parallel"]
        what = f"{LATENCY * 1000:.0f} ms a request, times as fast as {ONE_BY_ONE}"
        yield at_least(what, faster, targets.IN_PARALLEL)


PARTS: dict[str, Callable[[Bench], Iterator[Finding]]] = {
    "beside": beside,
    "growth": growth,
    "startup": startup,
    "latency": latency,
    "accounts": accounts,
}
"""The accounts come last: the Prefect server goes on with their events for a minute."""


def measure(bench: Bench, parts: Sequence[str], busy: float) -> list[Finding]:
    """The findings of these parts, each printed at once."""
    bench.console.print(machine(), *versions(bench.peers), sep="\n", highlight=False)
    bench.console.print(f"{busy:.1f} was the load average at the start", highlight=False)
    # Importing it takes seconds, and the test of this module needs no server.
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        os.environ["PREFECT_API_URL"] = PREFECT_API_URL.value() or ""
        return [shown(bench.console, finding) for part in parts for finding in _findings(bench, part)]


def _findings(bench: Bench, part: str) -> Iterator[Finding]:
    try:
        yield from PARTS[part](bench)
    except Failed as failure:
        yield Finding(part, str(failure), False)


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Parts: {', '.join(PARTS)}. Default: all.")] = None,
    runs: Annotated[int, typer.Option(help="Runs of each; the medians are shown.")] = 3,
    sizes: Annotated[list[int], typer.Option(help="Subscribers in the comparison; repeatable.")] = [100_000],  # noqa: B006
    growth: Annotated[list[int], typer.Option(help="Subscribers for growth.")] = [10_000, 100_000, 1_000_000],  # noqa: B006
    accounts: Annotated[list[int], typer.Option(help="Accounts for growth; repeatable.")] = [1, 10, 100, 200],  # noqa: B006
    slow: Annotated[int, typer.Option(help="Subscribers at 100 ms per request.")] = 200_000,
    peers: Annotated[bool, typer.Option(help="Measure other tools that are installed.")] = True,
    write: Annotated[bool, typer.Option(help="Write docs/benchmarks.md and its chart.")] = False,
) -> None:
    """Measure, and print the results. Exits with 1 if a target is missed."""
    chosen = parts or list(PARTS)
    if unknown := set(chosen) - PARTS.keys():
        raise typer.BadParameter(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if write and "beside" not in chosen:
        raise typer.BadParameter("--write shows all contenders side by side: measure the part `beside` too")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops child processes as Ctrl-C does
    os.environ.update(DEFAULTS)
    busy, bench = os.getloadavg()[0], Bench(runs, sizes, sorted(growth), sorted(accounts), slow, peers)
    findings = measure(bench, chosen, busy)
    if write:
        found = bench.side_by_side.by_size
        published.write(Published(machine(), list(versions(bench.peers)), busy, runs, found, findings, bench.each))
    raise SystemExit(int(not all(finding.holds for finding in findings)))


if __name__ == "__main__":
    typer.run(main)
