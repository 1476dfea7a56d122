"""Looks for deviations with random stories of syncs. Run by `make soak`.

- `python -m benchmarks.soak run --seeds 200 --steps 50`: the stories of many seeds, on both databases
- `python -m benchmarks.soak run --seed 7 --keep 0,4,12`: some steps of one story again
- `python -m benchmarks.soak planted`: how soon each planted bug is found
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Annotated

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


@app.command()
def run(
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    seeds: Annotated[int, typer.Option(help="Number of seeds.")] = 1,
    steps: Annotated[int, typer.Option(help="Steps of each story.")] = 50,
    destination: Destination = "both",
    keep: Annotated[str, typer.Option(help="Only these steps, by their numbers: 0,4,12.")] = "",
    minutes: Annotated[float, typer.Option(help="Start no story after so many minutes.")] = 600,
) -> None:
    """Play the stories of some seeds. Prints failures with how to repeat them; exits with 1 if there are any."""
    started, played_steps, failed, number = time.monotonic(), 0, 0, 0
    before = os.times()
    with surroundings(destination) as server:
        for number in range(seeds):
            if time.monotonic() - started > minutes * 60:
                break
            one = seed + number
            kind, everything = destination_of(one, destination), steps_of(one, steps)
            chosen = [everything[int(place)] for place in keep.split(",")] if keep else everything
            play = partial(played, one, postgres=server if kind == "postgres" else "")
            failure = play(chosen)
            played_steps += failure.step + 1 if failure else len(chosen)
            failed += failure is not None
            if failure:
                _show_failure(one, kind, steps, chosen, failure, play if not keep else None)
    after = os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    console.print(
        f"{number + 1} stories, {played_steps} steps, {failed} failed; {time.monotonic() - started:.0f} s, "
        f"{cpu:.0f} s of processor time, {cpu / max(played_steps, 1):.2f} s a step"
    )
    raise SystemExit(int(failed > 0))


def _show_failure(
    seed: int,
    destination: str,
    length: int,
    steps: Sequence[Step],
    failure: Failure,
    play: Callable[[Sequence[Step]], Failure | None] | None,
) -> None:
    """Print a failure, and the fewest steps found that repeat it."""
    console.print(f"seed {seed} on {destination}, step {failure.step}: {failure.reason}", markup=False)
    kept = shrink(steps, failure, play) if play else list(range(failure.step + 1))
    console.print(shown([steps[number] for number in kept]), markup=False)
    if play:
        words = f"--seed {seed} --steps {length} --destination {destination} --keep {','.join(map(str, kept))}"
        console.print(f"again: python -m benchmarks.soak run {words}", markup=False)


@app.command()
def planted(
    names: Annotated[list[str] | None, typer.Argument(help=f"Bugs: {', '.join(BUGS)}. Default: all.")] = None,
    steps: Annotated[int, typer.Option(help="Steps of each story.")] = 50,
    stories: Annotated[int, typer.Option(help="Stories to play at most for each bug.")] = 12,
    destination: Destination = "duckdb",
) -> None:
    """Plant bugs, and play stories until each is found. Exits with 1 if one is not."""
    table = Table("bug", "seed", "steps until found", "deviation")
    missed = 0
    with surroundings(destination) as server:
        for name in names or BUGS:
            row = _search(name, steps, stories, destination, server)
            console.print(" | ".join(row), markup=False)
            table.add_row(*row)
            missed += row[1] == ""
    console.print(table)
    raise SystemExit(int(missed > 0))


def _search(name: str, length: int, stories: int, destination: str, server: str) -> tuple[str, str, str, str]:
    """Play stories with a planted bug. Returns a line of the table."""
    taken = 0
    for seed in range(stories):
        kind = destination_of(seed, destination)
        with BUGS[name]():
            failure = played(seed, story(seed, length), server if kind == "postgres" else "")
        if failure:
            return name, str(seed), str(taken + failure.step + 1), failure.reason[:160]
        taken += length
    return name, "", f"not in {taken}", ""


if __name__ == "__main__":
    app()
