"""The command line. Imports wait until a command needs them, so that `--help` answers at once."""

import gc
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from flows.leaks import scrub_logs, scrub_output
from flows.prefect_settings import apply_prefect_settings
from flows.scrubbing import scrub

CANNOT_START = 2
INTERRUPTED, TERMINATED = 130, 143
GRACE_SECONDS = 5.0
"""For an interrupted run to tell Prefect of its end; its threads may wait for the network much longer."""
COLLECT_AFTER = 100_000
"""Objects made until the garbage collector looks for circles; after every 700, a short sync spent 0.7 s there."""
STOPPED = "stopped; what landed is kept: run the same command again to go on from there"
RESOURCE_HELP = "A resource; may be repeated. Default: all but those that the README calls optional."
DESTINATION_HELP = "duckdb, postgres or another that the README lists, configured as dlt has it."
DATASET_HELP = "The schema that the tables are in."
MODE_HELP = "full; incremental: only new subscribers; auto: incremental until a full one is due."
SANDBOX_DAY = "2026-06-01"

app = typer.Typer(
    name="drip-flows",
    help="Every Drip account you run, complete and right, in your database.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def sync(
    account: Annotated[list[str] | None, typer.Option(help="Id of an account; may be repeated. Default: all.")] = None,
    resource: Annotated[list[str] | None, typer.Option(help=RESOURCE_HELP)] = None,
    destination: Annotated[str, typer.Option(help=DESTINATION_HELP)] = "duckdb",
    dataset: Annotated[str, typer.Option(help=DATASET_HELP)] = "drip",
    history: Annotated[
        bool | None, typer.Option("--history/--no-history", help="Keep history. Default: as in the settings.")
    ] = None,
    mode: Annotated[str, typer.Option(help=MODE_HELP)] = "full",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's own log as well.")] = False,
) -> None:
    """Mirror the accounts that your API key sees into your database.

    Needs SOURCES__DRIP__API_KEY, in the environment or in .dlt/secrets.toml. Exit codes: 0 everything
    arrived; 1 some lists did not, and are named; 2 nothing could start.
    """
    apply_prefect_settings()
    from flows.terminal import run_sync

    with _plain_errors():
        raise typer.Exit(run_sync(account, resource, destination, dataset, history, mode, verbose))


@app.command()
def forget(
    email: Annotated[str, typer.Argument(help="The person's address.")],
    destination: Annotated[str, typer.Option(help=DESTINATION_HELP)] = "duckdb",
    dataset: Annotated[str, typer.Option(help=DATASET_HELP)] = "drip",
) -> None:
    """Remove a person from every table, the history and what landed, in every account.

    Delete them in Drip first: the next sync brings back whoever is still there.
    """
    apply_prefect_settings()
    from flows.terminal import run_forget

    with _plain_errors():
        run_forget(email, destination, dataset)


@app.command()
def accounts() -> None:
    """Show the accounts that your API key sees, or those of all connections.

    Exit codes: 0 all is shown; 1 some connection could not be asked, and is named; 2 none could.
    """
    from flows.terminal import show_accounts

    with _plain_errors():
        raise typer.Exit(show_accounts())


@app.command()
def freshness(
    hours: Annotated[float, typer.Option(help="Hours that a list may be old.")] = 3.0,
    shrink: Annotated[
        float, typer.Option(help="Share of its rows that a list may lose from a sync to the next.")
    ] = 0.2,
    account: Annotated[list[str] | None, typer.Option(help="Id of an account; may be repeated. Default: all.")] = None,
    resource: Annotated[list[str] | None, typer.Option(help=RESOURCE_HELP)] = None,
    destination: Annotated[str, typer.Option(help=DESTINATION_HELP)] = "duckdb",
    dataset: Annotated[str, typer.Option(help="The schema that the tables are in.")] = "drip",
) -> None:
    """Check that your data is fresh and no table has shrunk, without asking the API.

    Exit codes: 0 all is well; 1 something is not, and is named; 2 nothing can be checked.
    """
    apply_prefect_settings()
    from flows.freshness import Limits
    from flows.freshness_terminal import show_freshness

    with _plain_errors():
        raise typer.Exit(show_freshness(Limits(hours, shrink), account, resource, destination, dataset))


@app.command()
def copy_to_postgres(
    dataset: Annotated[str, typer.Option(help="The schema that the tables are in, in both.")] = "drip",
    replace: Annotated[bool, typer.Option(help="Replace the tables of the dataset if it is there already.")] = False,
) -> None:
    """Copy all that your DuckDB file holds into your PostgreSQL, and compare every value.

    Exit codes: 0 both hold the same; 1 they do not; 2 nothing could start.
    """
    from flows.terminal import run_copy

    with _plain_errors():
        raise typer.Exit(run_copy(dataset, replace))


@app.command()
def secret(
    setting: Annotated[str, typer.Argument(help="The setting, such as SOURCES__DRIP__API_KEY.")],
) -> None:
    """Keep a secret setting in a Prefect Secret block, from a prompt; workers read it when a run starts."""
    apply_prefect_settings()
    from flows.secret_blocks import block_of, save

    with _plain_errors():
        block = block_of(setting)
        save(setting, typer.prompt(setting, hide_input=True))
        typer.echo(f"{setting} is kept in the Secret block {block}")


@app.command()
def deploy(
    pool: Annotated[str, typer.Option(help="The work pool; made if it is not there.")] = "drip",
    kind: Annotated[str, typer.Option("--type", help="Its type: process, docker or kubernetes.")] = "process",
    image: Annotated[str, typer.Option(help="An image with the project installed, for docker and kubernetes.")] = "",
    destination: Annotated[str, typer.Option(help="Where they sync to. Default: as prefect.yaml says.")] = "",
) -> None:
    """Deploy all that prefect.yaml describes to your Prefect, from the folder of the project."""
    apply_prefect_settings()
    from flows.deploying import deploy as deploy_all

    with _plain_errors():
        raise typer.Exit(deploy_all(Path.cwd(), pool, kind, image, destination))


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8787,
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 7,
    subscribers: Annotated[
        list[int] | None, typer.Option(help="Size of an account, up to 1000000; repeat it for more accounts.")
    ] = None,
    as_of: Annotated[str, typer.Option(help="The day shown: 2026-03-01, or days since the first one.")] = SANDBOX_DAY,
    faults: Annotated[Path | None, typer.Option(help="A plan of what breaks, as JSON.", exists=True)] = None,
    rate_limit: Annotated[int, typer.Option(help="Requests granted in a window.")] = 3600,
    rate_window: Annotated[float, typer.Option(help="Seconds of that window.")] = 3600.0,
    latency_ms: Annotated[float, typer.Option(help="Milliseconds before every answer.")] = 0.0,
) -> None:
    """Serve a stand-in for the Drip API, with invented people, until Ctrl-C."""
    from flows.sandbox.cli import run
    from flows.sandbox.timeline import day_of

    try:
        day = day_of(as_of)
    except (ValueError, OverflowError):
        fail(f"--as-of {as_of!r} is neither a day, such as 2026-03-01, nor a number of days")
    run(host, port, seed, subscribers or [], day, faults, rate_limit, rate_window, latency_ms)


@app.command()
def demo(
    database: Annotated[Path, typer.Option(help="The DuckDB file to fill.")] = Path("data/demo.duckdb"),
) -> None:
    """Start the sandbox, sync several of its days into a DuckDB file, and say what to do next.

    Where the file is there already, its last day is synced once more.
    """
    apply_prefect_settings()
    from flows.terminal import run_demo

    with _plain_errors():
        raise typer.Exit(run_demo(database))


class _plain_errors:  # noqa: N801 - used like a function
    """One line on stderr for what a user can mend, an honest word on Ctrl-C and SIGTERM."""

    def __enter__(self) -> None:
        # Prefect hands a SIGTERM on to whoever had it before.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        from flows.source.errors import DripError

        if isinstance(error, DripError):
            fail(str(error))
        if isinstance(error, KeyboardInterrupt):
            stop_at_once(TERMINATED if isinstance(error, Terminated) else INTERRUPTED)


class Terminated(KeyboardInterrupt):
    """A SIGTERM came: it ends a run as Ctrl-C does."""


def _interrupt(number: int, frame: Any) -> NoReturn:
    terminated = number == signal.SIGTERM
    timer = threading.Timer(GRACE_SECONDS, stop_at_once, (TERMINATED if terminated else INTERRUPTED,))
    timer.daemon = True
    timer.start()
    raise Terminated if terminated else KeyboardInterrupt


def fail(message: str, code: int = CANNOT_START) -> NoReturn:
    """End with one line on stderr."""
    sys.stderr.write(" ".join(scrub(message).split()) + "\n")
    raise SystemExit(code)


def stop_at_once(code: int) -> NoReturn:
    """End an interrupted run, whose threads may still wait for the network."""
    sys.stderr.write(STOPPED + "\n")
    _exit(code)


def _exit(code: int) -> NoReturn:
    """End the process without waiting for threads."""
    sys.stderr.flush()
    sys.stdout.flush()
    _stop_prefect_server()
    os._exit(code)


def _stop_prefect_server() -> None:
    """Stop the server that Prefect started for this process, as it would itself at an orderly exit."""
    if module := sys.modules.get("prefect.server.api.server"):
        for server in list(module.SubprocessASGIServer._instances.values()):
            server.stop()


def main() -> None:
    """Entry point of the `drip-flows` command."""
    gc.set_threshold(COLLECT_AFTER)
    scrub_output()
    scrub_logs()
    try:
        app()
    except SystemExit as ended:
        if ended.code == CANNOT_START:
            _exit(CANNOT_START)
        raise
