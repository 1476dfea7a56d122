"""Looks for deviations with random stories of syncs. Run by `make soak`.

- `python -m benchmarks.soak run --seeds 200 --steps 50 --processes 2`: the stories of many seeds, on both databases
- `python -m benchmarks.soak run --seed 7 --keep 0,4,12`: some steps of one story again
- `python -m benchmarks.soak planted`: how soon each planted bug is found
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Annotated, NamedTuple

import psutil
import psycopg2
import typer
from rich.console import Console
from rich.table import Table

from tests.postgres import serve_postgres
from tests.simulation.bugs import BUGS
from tests.simulation.search import played, shrink
from tests.simulation.simulation import Failure
from tests.simulation.steps import Step, shown, story

app = typer.Typer(no_args_is_help=True, help=__doc__)
console = Console(soft_wrap=True)
DESTINATIONS = ("duckdb", "postgres")
KILLS_EVERY = 10
"""One of so many seeds also kills syncs that run in other processes."""
Destination = Annotated[str, typer.Option(help="duckdb, postgres or both, which alternate.")]


@contextmanager
def surroundings(destination: str) -> Iterator[str]:
    """An environment without the user's settings. Yields the URL of a PostgreSQL server; empty if none is needed."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("SOURCES__", "DESTINATION__", "PREFECT_", "DLT_")):
            del os.environ[name]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="drip-soak-"))
        os.environ.update(DLT_DATA_DIR=f"{folder}/dlt", DLT_PROJECT_DIR=folder)
        yield "" if destination == "duckdb" else stack.enter_context(serve_postgres())
    os.environ.clear()
    os.environ.update(before)


def destination_of(seed: int, destination: str) -> str:
    """Where the story of a seed loads into."""
    return DESTINATIONS[seed // 2 % 2] if destination == "both" else destination


def steps_of(seed: int, length: int) -> list[Step]:
    """The story of a seed."""
    return story(seed, length, killed_processes=seed % KILLS_EVERY == 0)


class Played(NamedTuple):
    """A story that was played: its seed, the steps played, processor seconds, and what to print if it failed."""

    seed: int
    steps: int
    seconds: float
    failure: list[str]


@app.command()
def run(
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    seeds: Annotated[int, typer.Option(help="Number of seeds.")] = 1,
    steps: Annotated[int, typer.Option(help="Steps of each story.")] = 50,
    destination: Destination = "both",
    keep: Annotated[str, typer.Option(help="Only these steps, by their numbers: 0,4,12.")] = "",
    minutes: Annotated[float, typer.Option(help="Start no story after so many minutes.")] = 600,
    processes: Annotated[int, typer.Option(help="Stories to play at the same time.")] = 1,
) -> None:
    """Play the stories of some seeds. Prints failures with how to repeat them; exits with 1 if there are any."""
    started = time.monotonic()
    with surroundings(destination) as server:
        play = partial(_play, steps, destination, keep, server, time.time() + minutes * 60)
        done = list(_shown(_in_processes(play, range(seed, seed + seeds), processes)))
        seconds = sum(one.seconds for one in done) + server_seconds(server)
    played_steps, failed = sum(one.steps for one in done), sum(bool(one.failure) for one in done)
    console.print(
        f"{len(done)} stories, {played_steps} steps, {failed} failed; {time.monotonic() - started:.0f} s, "
        f"{seconds:.0f} s of processor time, {seconds / max(played_steps, 1):.2f} s a step"
    )
    raise SystemExit(int(failed > 0))


def _in_processes(
    play: Callable[[int], Played | None], seeds: Iterable[int], processes: int
) -> Iterator[Played | None]:
    """Play each seed, in this process or in several others."""
    if processes == 1:
        yield from map(play, seeds)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(play, seeds)


def _shown(stories: Iterable[Played | None]) -> Iterator[Played]:
    """The stories that were played, after their failures are printed."""
    for one in stories:
        if one:
            console.print("\n".join(one.failure or [f"seed {one.seed}: {one.steps} steps"]), markup=False)
            yield one


def _play(length: int, destination: str, keep: str, server: str, deadline: float, seed: int) -> Played | None:
    """Play the story of a seed; None after the deadline."""
    if time.time() > deadline:
        return None
    before, kind, steps = processor_seconds(), destination_of(seed, destination), steps_of(seed, length)
    chosen = [steps[int(place)] for place in keep.split(",")] if keep else steps
    play = partial(played, seed, postgres=server if kind == "postgres" else "")
    failure = play(chosen)
    words = _failure_lines(seed, kind, length, chosen, failure, None if keep else play) if failure else []
    return Played(seed, failure.step + 1 if failure else len(chosen), processor_seconds() - before, words)


def processor_seconds() -> float:
    """Processor seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


def server_seconds(server: str) -> float:
    """Processor seconds of a PostgreSQL server on this machine, by its URL; 0 if there is none."""
    if not server:
        return 0.0
    with closing(psycopg2.connect(server)) as con:
        main = psutil.Process(psutil.Process(con.info.backend_pid).ppid())
        return sum(sum(one.cpu_times()[:4]) for one in (main, *main.children()))


def _failure_lines(
    seed: int,
    destination: str,
    length: int,
    steps: Sequence[Step],
    failure: Failure,
    play: Callable[[Sequence[Step]], Failure | None] | None,
) -> list[str]:
    """Why a story failed, and the fewest steps found that repeat it."""
    kept = shrink(steps, failure, play) if play else list(range(failure.step + 1))
    lines = [f"seed {seed} on {destination}, step {failure.step}: {failure.reason}"]
    lines.append(shown([steps[number] for number in kept]))
    if play:
        words = f"--seed {seed} --steps {length} --destination {destination} --keep {','.join(map(str, kept))}"
        lines.append(f"again: python -m benchmarks.soak run {words}")
    return lines


@app.command()
def planted(
    names: Annotated[list[str] | None, typer.Argument(help=f"Bugs: {', '.join(BUGS)}. Default: all.")] = None,
    steps: Annotated[int, typer.Option(help="Steps of each story.")] = 50,
    stories: Annotated[int, typer.Option(help="Stories to play at most for each bug.")] = 12,
    destination: Destination = "duckdb",
) -> None:
    """Plant bugs, and play stories until each is found. Exits with 1 if one is not."""
    table = Table("bug", "seed", "steps until found", "processor seconds", "deviation")
    missed = 0
    with surroundings(destination) as server:
        for name in names or BUGS:
            row = _search(name, steps, stories, destination, server)
            console.print(" | ".join(row), markup=False)
            table.add_row(*row)
            missed += row[1] == ""
    console.print(table)
    raise SystemExit(int(missed > 0))


def _search(name: str, length: int, stories: int, destination: str, server: str) -> tuple[str, ...]:
    """Play stories with a planted bug. Returns a line of the table."""
    taken, before, seconds = 0, processor_seconds(), ""
    for seed in range(stories):
        kind = destination_of(seed, destination)
        with BUGS[name]():
            failure = played(seed, story(seed, length), server if kind == "postgres" else "")
        seconds = f"{processor_seconds() - before:.1f}"
        if failure:
            return name, str(seed), str(taken + failure.step + 1), seconds, failure.reason[:160]
        taken += length
    return name, "", f"not in {taken}", seconds, ""


if __name__ == "__main__":
    app()
