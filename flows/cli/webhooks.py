"""The commands of `drip-flows webhooks`."""

from typing import Annotated

import typer

from flows.cli.exits import plain_errors

ACCOUNT_HELP = "Id of the account."
DESTINATION_HELP = "duckdb or postgres, configured as dlt documents it."
DATASET_HELP = "The schema that the tables are in."
YES_HELP = "Write without asking."
SHIP_HELP = "Ship deliveries to the landing zone every half minute, for a load on another machine."
PUBLIC_URL_HELP = "Where Drip reaches the receiver, such as https://hooks.example.com."

webhooks = typer.Typer(no_args_is_help=True, help="Receive webhook events: opens, clicks, bounces.")


@webhooks.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65_535)] = 8788,
    ship: Annotated[bool, typer.Option("--ship", help=SHIP_HELP)] = False,
) -> None:
    """Receive deliveries and keep them on disk, until Ctrl-C.

    It opens no database and calls no API.

    Exit codes: 0 it was stopped; 2 it could not start.
    """
    with plain_errors():
        from flows.cli.webhook_commands import run_serve

        run_serve(host, port, ship)


@webhooks.command()
def ship(
    again: Annotated[bool, typer.Option("--again", help="Ship all that the spool holds once more.")] = False,
) -> None:
    """Ship deliveries to the landing zone, for another machine.

    The other machine loads them. `serve --ship` does so every half minute.

    Exit codes: 0 they are shipped; 2 they are not.
    """
    with plain_errors():
        from flows.cli.webhook_commands import run_ship

        run_ship(again)


@webhooks.command()
def url(
    account: Annotated[str, typer.Option(help=ACCOUNT_HELP)],
    public_url: Annotated[str, typer.Option(help=PUBLIC_URL_HELP)],
) -> None:
    """Print the delivery URL of an account.

    The URL contains the account's secret, which is created if there is none. Nothing is registered in Drip.

    Exit codes: 0 it is printed; 2 it is not.
    """
    with plain_errors():
        from flows.cli.webhook_commands import show_url

        show_url(account, public_url)


@webhooks.command()
def register(
    account: Annotated[str, typer.Option(help=ACCOUNT_HELP)],
    public_url: Annotated[str, typer.Option(help=PUBLIC_URL_HELP)],
    received_email: Annotated[
        bool, typer.Option("--received-email", help="Deliver an event for each email sent, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help=YES_HELP)] = False,
) -> None:
    """Create the webhook of an account in Drip.

    The webhook posts every event to the receiver. Does nothing if the account already has it, and changes no other
    webhook. Needs a key with write rights.

    Exit codes: 0 there is a webhook; 2 you declined, or Drip refused or did not respond.
    """
    with plain_errors():
        from flows.cli.webhook_commands import registrar, say

        say(registrar(account, yes).register(public_url_of(public_url), received_email))


@webhooks.command()
def rotate(
    account: Annotated[str, typer.Option(help=ACCOUNT_HELP)],
    public_url: Annotated[str, typer.Option(help=PUBLIC_URL_HELP + " Default: as registered.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help=YES_HELP)] = False,
) -> None:
    """Give the webhook of an account a new secret.

    The old secret is accepted for four more days, since Drip repeats deliveries for three.

    Exit codes: 0 it has a new secret; 2 you declined, or Drip refused or did not respond.
    """
    with plain_errors():
        from flows.cli.webhook_commands import registrar, say

        say(registrar(account, yes).rotate(public_url_of(public_url)))


@webhooks.command()
def unregister(
    account: Annotated[str, typer.Option(help=ACCOUNT_HELP)],
    public_url: Annotated[str, typer.Option(help=PUBLIC_URL_HELP + " Default: as registered.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help=YES_HELP)] = False,
) -> None:
    """Remove the webhook of an account from Drip.

    Touches no other webhook.

    Exit codes: 0 it is removed; 2 you declined, or Drip refused or did not respond.
    """
    with plain_errors():
        from flows.cli.webhook_commands import registrar, say

        say(registrar(account, yes).unregister(public_url_of(public_url)))


@webhooks.command()
def status() -> None:
    """Show what is registered and what waits to be loaded.

    Shows the last delivery of each account and the free disk space, too.

    Exit codes: 0 no problem was found; 1 the problems are listed; 2 nothing can be shown.
    """
    with plain_errors():
        from flows.cli.webhook_status import show_status

        raise typer.Exit(show_status())


def public_url_of(text: str) -> str:
    """The URL, checked, where one is given."""
    from flows.cli.webhook_commands import checked_public_url

    return checked_public_url(text) if text else ""


@webhooks.command()
def load(
    destination: Annotated[str, typer.Option(help=DESTINATION_HELP)] = "duckdb",
    dataset: Annotated[str, typer.Option(help=DATASET_HELP)] = "drip",
) -> None:
    """Load new deliveries into subscriber_events.

    Every sync does so, too.

    Exit codes: 0 they are loaded; 2 they are not.
    """
    with plain_errors(pandas=False):
        from flows.cli.webhook_commands import run_load

        run_load(destination, dataset)


@webhooks.command()
def replay(
    destination: Annotated[str, typer.Option(help=DESTINATION_HELP)] = "duckdb",
    dataset: Annotated[str, typer.Option(help=DATASET_HELP)] = "drip",
) -> None:
    """Load all deliveries in the spool into an empty table.

    The table is subscriber_events.

    Exit codes: 0 they are loaded; 2 they are not.
    """
    with plain_errors(pandas=False):
        from flows.cli.webhook_commands import run_load

        run_load(destination, dataset, replay=True)
