"""Commands that change nothing: a query, the state of the data, a browser for the tables, the plan of a sync."""

import sys
from typing import Annotated

import typer

from flows.cli.exits import fail, plain_errors
from flows.cli.options import Account, AsJson, Dataset, Destination, Quiet, Resource, SyncMode
from flows.cli.output import silence
from flows.orchestration.settings import apply_prefect_settings

REPORT = "data/report.html"
CHANGES_HELP = "Read all lists, and show the rows that a sync would add, change and remove."
reading = typer.Typer()


@reading.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A SELECT, or - to read it from stdin.")],
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", metavar="NAME=VALUE", help="Value of $NAME in the SQL, as text; may be repeated."
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all rows as CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all rows as a JSON array of objects.")] = False,
    limit: Annotated[int, typer.Option(metavar="ROWS", help="Rows that the table shows; 0 for all.", min=0)] = 40,
    destination: Destination = "duckdb",
    dataset: Dataset = "drip",
) -> None:
    """Run a SELECT on the synced tables.

    Table names need no schema: drip-flows query "SELECT status, count(*) FROM subscribers GROUP BY status"

    If nothing was synced yet, the demo's database is read.

    Exit codes: 0 there is a result; 2 the database refused the query, or there is no data.
    """
    with plain_errors():
        if as_csv and as_json:
            fail("--csv and --json cannot be combined")
        from flows.cli.query import Form, parameters, show_query

        form: Form = "csv" if as_csv else "json" if as_json else "table"
        text = sys.stdin.read() if sql == "-" else sql
        show_query(text, parameters(param or ()), form, limit, destination, dataset)


@reading.command()
def status(
    destination: Destination = "duckdb",
    dataset: Dataset = "drip",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show a line per list.")] = False,
    offline: Annotated[bool, typer.Option(help="Do not ask the API what is left of the rate limit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how old the data is, and the rate limit.

    Shows the last complete sync of each list, the size of the history, and the last webhook event. Makes a request per
    key, if there is one, for what is left of the rate limit.

    Exit codes: 0 it is shown; 2 there is no data.
    """
    with plain_errors():
        apply_prefect_settings()
        from flows.cli.status import show_status

        show_status(destination, dataset, verbose, offline, as_json)


@reading.command("open")
def open_database(
    dataset: Dataset = "drip",
) -> None:
    """Browse the DuckDB file in DuckDB's UI or Datasette.

    DuckDB's UI reads the file itself, so a sync waits until you close it. Datasette reads a copy.

    Exit codes: 0 you closed it; 1 the program failed; 2 there is no data, or neither is installed.
    """
    with plain_errors():
        from flows.cli.browse import browse

        raise typer.Exit(browse(dataset))


@reading.command()
def report(
    output: Annotated[
        str, typer.Option(metavar="PATH", help="Path in the project, or URL of an object in a bucket.")
    ] = REPORT,
    account: Account = None,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="First day (UTC) that is shown, such as 2026-01-31.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DAY", help="Last day (UTC) that is shown.")] = None,
    quiet: Quiet = False,
) -> None:
    """Write the notebooks' charts as one HTML page.

    The page is for sharing: it has no code, no data about individuals, and needs no network.

    Exit codes: 0 it is written; 2 there is no data, or something failed.
    """
    silence(quiet)
    with plain_errors():
        apply_prefect_settings()
        from flows.cli.report import show_report

        show_report(output, account, since, until)


@reading.command()
def dbt_sources(dataset: Dataset = "drip") -> None:
    """Print a sources.yml for dbt.

    It describes every table, view and column of a dataset. For example:

    drip-flows dbt-sources > models/sources.yml

    Exit codes: 0 it is printed; 2 the dataset has no valid name.
    """
    with plain_errors():
        from flows.destinations.target import check_dataset_name
        from flows.reporting.dbt_sources import dbt_sources as as_yaml

        check_dataset_name(dataset)
        sys.stdout.write(as_yaml(dataset))


@reading.command()
def plan(
    account: Account = None,
    resource: Resource = None,
    destination: Destination = "duckdb",
    dataset: Dataset = "drip",
    mode: SyncMode = "full",
    changes: Annotated[bool, typer.Option("--changes", help=CHANGES_HELP)] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show a line per list.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a sync would read, and its requests.

    Shows the rows and requests of each resource, and how long they take within the rate limit. Nothing is written to
    the database. Without --changes, it takes at most one request per list.

    Exit codes: 0 it is shown; 1 some list cannot be read, and is named; 2 a sync could not start.
    """
    with plain_errors(pandas=False):
        apply_prefect_settings()
        from flows.cli.planning import show_plan

        raise typer.Exit(show_plan(account, resource, destination, dataset, mode, changes, verbose, as_json))
