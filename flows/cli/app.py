"""The command line. Imports wait until a command needs them, so that `--help` answers at once."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli import exits
from flows.cli.command_order import InOrderOfUse
from flows.cli.encoding import accept_any_text
from flows.cli.exits import Failed, fail, leave, plain_errors
from flows.cli.options import (
    Account,
    AsJson,
    Dataset,
    Destination,
    Quiet,
    Resource,
    SyncMode,
    show_version,
)
from flows.cli.output import activity, silence
from flows.cli.prefect_commands import prefect_commands
from flows.cli.reading import reading
from flows.cli.startup import begin_process
from flows.cli.webhooks import webhooks
from flows.common.output_guard import scrub_logs, scrub_output
from flows.orchestration.settings import api_is_configured, apply_prefect_settings

DATABASE_HELP = "The DuckDB file to fill; a relative path starts at the project."
PREFECT_HELP = "Run as a Prefect flow, or without Prefect. Default: as a flow if a Prefect API is configured."
REBUILD_HELP = "Empty the dataset first, its history included: needed after another SOURCES__DRIP__MASK."
DELIVER_HELP = "Deliver webhook events of the first account to this URL; repeat it for the next accounts."
SANDBOX_DAY, SANDBOX_PORT = "2026-06-01", 8787

app = typer.Typer(
    name="drip-flows",
    cls=InOrderOfUse,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich keeps the line breaks of docstrings, and adds the type of each flag
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(reading)
app.add_typer(prefect_commands)
app.add_typer(webhooks, name="webhooks")


@app.callback()
def options_of_all_commands(
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the traceback of an unexpected error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Sync all your Drip accounts into your database."""
    exits.verbose = verbose


@app.command()
def sync(
    account: Account = None,
    resource: Resource = None,
    destination: Destination = "duckdb",
    dataset: Dataset = "drip",
    history: Annotated[
        bool | None, typer.Option("--history/--no-history", help="Keep history. Default: as in the settings.")
    ] = None,
    mode: SyncMode = "full",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show a line per list, and the logs of dlt and Prefect.")
    ] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help=REBUILD_HELP)] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    prefect: Annotated[bool | None, typer.Option("--prefect/--no-prefect", help=PREFECT_HELP)] = None,
) -> None:
    """Sync your accounts into your database.

    Needs SOURCES__DRIP__API_KEY, in the environment or in .dlt/secrets.toml. Progress is shown on stderr, the report
    on stdout.

    Exit codes: 0 everything arrived; 1 some lists did not, and are named, or the load failed; 2 nothing could start;
    130 or 143 interrupted.
    """
    silence(quiet)
    with_prefect = api_is_configured() if prefect is None else prefect
    with plain_errors(verbose, starting="Starting the sync", pandas=False):
        with activity("Starting the sync"):
            apply_prefect_settings()
            from flows.cli.commands import Shown, run_sync

        shown = Shown(verbose, as_json, quiet)
        raise typer.Exit(run_sync(account, resource, destination, dataset, history, mode, shown, with_prefect, rebuild))


@app.command()
def forget(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The person's address.")],
    destination: Destination = "duckdb",
    dataset: Dataset = "drip",
) -> None:
    """Delete a person from all data, in every account.

    This deletes them from the tables, the history, the quarantine, the landing zone and the webhook spool. Delete them
    in Drip first: the next sync restores whoever is still there.

    Exit codes: 0 done, also if nobody has the address; 2 nothing could start.
    """
    with plain_errors():
        apply_prefect_settings()
        from flows.cli.commands import run_forget

        run_forget(email, destination, dataset)


@app.command()
def accounts(as_json: AsJson = False) -> None:
    """List the accounts that your API keys can see.

    Exit codes: 0 all are listed; 1 a connection does not respond, and is named; 2 none responds.
    """
    with plain_errors():
        apply_prefect_settings()
        from flows.cli.commands import show_accounts

        raise typer.Exit(show_accounts(as_json))


@app.command()
def freshness(
    hours: Annotated[float, typer.Option(help="Hours that a list may be old.")] = 3.0,
    shrink: Annotated[
        float, typer.Option(help="Share of its rows that a list may lose from a sync to the next.")
    ] = 0.2,
    event_loss: Annotated[
        float, typer.Option(help="Share of webhook events that may be missing, judging by the history.")
    ] = 0.01,
    account: Account = None,
    resource: Resource = None,
    destination: Destination = "duckdb",
    dataset: Dataset = "drip",
    as_json: AsJson = False,
) -> None:
    """Check that the data is fresh, without the API.

    Reports lists that are old or have lost rows, and accounts whose webhook events are missing.

    Exit codes: 0 no problem was found; 1 the problems are listed; 2 nothing can be checked.
    """
    with plain_errors():
        apply_prefect_settings()
        from flows.cli.commands import show_freshness
        from flows.reporting.freshness import Limits

        limits = Limits(hours, shrink, event_loss)
        raise typer.Exit(show_freshness(limits, account, resource, destination, dataset, as_json))


@app.command()
def copy_to_postgres(
    dataset: Annotated[str, typer.Option(help="The schema that the tables are in, in both.")] = "drip",
    replace: Annotated[bool, typer.Option(help="Replace the tables of the dataset if it is there already.")] = False,
) -> None:
    """Copy your DuckDB file into PostgreSQL, and compare.

    Every value is compared.

    Exit codes: 0 both hold the same; 1 they do not; 2 nothing could start.
    """
    with plain_errors():
        apply_prefect_settings()
        from flows.cli.commands import run_copy

        raise typer.Exit(run_copy(dataset, replace))


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = SANDBOX_PORT,
    seed: Annotated[int, typer.Option(help="Seed of the invented people; the same seed, the same people.")] = 7,
    subscribers: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Size of an account, up to 1000000; repeat it for more accounts."),
    ] = None,
    as_of: Annotated[str, typer.Option(help="Current day of the sandbox: a date, or a number of days.")] = SANDBOX_DAY,
    faults: Annotated[Path | None, typer.Option(help="JSON file with the faults to inject.", exists=True)] = None,
    rate_limit: Annotated[int, typer.Option(help="Requests granted in a window.")] = 3600,
    rate_window: Annotated[float, typer.Option(help="Seconds of that window.")] = 3600.0,
    latency_ms: Annotated[float, typer.Option(help="Milliseconds before every answer.")] = 0.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log no requests.")] = False,
    deliver: Annotated[list[str] | None, typer.Option(metavar="URL", help=DELIVER_HELP)] = None,
    deliver_days: Annotated[float, typer.Option(help="Days before --as-of whose events are delivered first.")] = 1.0,
    metrics_rate_limit: Annotated[int, typer.Option(help="Requests for email metrics granted per account.")] = 20,
    metrics_rate_window: Annotated[float, typer.Option(help="Seconds of that window.")] = 3600.0,
    metrics_cap: Annotated[int | None, typer.Option(help="Most emails in an answer. Default: all.")] = None,
) -> None:
    """Serve a stand-in for Drip's API, with invented people.

    It runs until Ctrl-C, and prints the settings of a sync that reads it. Each request is logged in a line on stderr,
    with its status, the fault that the plan injected, and whether it is a retry.

    Exit codes: 0 it was stopped; 2 it could not start.
    """
    with plain_errors(in_project=False):
        from flows.sandbox.cli import run
        from flows.sandbox.generator.timeline import day_of
        from flows.sandbox.metrics import MetricsRules

        try:
            day = day_of(as_of)
        except (ValueError, OverflowError):
            fail(f"--as-of {as_of!r} is neither a day, such as 2026-03-01, nor a number of days")
        metrics = MetricsRules(metrics_rate_limit, metrics_rate_window, metrics_cap)
        run(host, port, seed, subscribers or [], day, faults, rate_limit, rate_window, latency_ms, quiet,
            deliver or [], deliver_days, metrics)  # fmt: skip


@app.command()
def demo(
    database: Annotated[Path, typer.Option(help=DATABASE_HELP)] = Path("data/demo.duckdb"),
) -> None:
    """Sync seven days of the sandbox into a DuckDB file.

    Each sync has the date of the sandbox's day, and a webhook receiver takes the events of one account. If the file
    exists, the day after its last sync is synced.

    Exit codes: as those of sync.
    """
    with plain_errors(starting="Starting the demo"):
        with activity("Starting the demo"):
            apply_prefect_settings()
            from flows.cli.demo import run_demo

        raise typer.Exit(run_demo(database))


def main() -> None:
    """Entry point of the `drip-flows` command, and of `python -m flows`."""
    begin_process()
    accept_any_text(sys.stdout, sys.stderr)
    scrub_output()
    scrub_logs()
    try:
        app()
    except Failed as failed:
        leave(failed.exit_code)
