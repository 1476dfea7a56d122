"""The commands of `drip-flows webhooks`."""

from typing import Annotated

import typer

from flows.cli.exits import plain_errors
from flows.cli.startup import hide_pandas

ACCOUNT_HELP = "Id of the account."
DESTINATION_HELP = "duckdb or postgres, configured as dlt documents it."
DATASET_HELP = "The schema that the tables are in."
YES_HELP = "Write without asking."
SHIP_HELP = "Ship deliveries to the landing zone every half minute, for a load on another machine."
PUBLIC_URL_HELP = "Where Drip reaches the receiver, such as https://hooks.example.com."

webhooks = typer.Typer(no_args_is_help=True, help="Receive what Drip's webhooks tell: opens, clicks, bounces, events.")


@webhooks.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65_535)] = 8788,
    ship: Annotated[bool, typer.Option("--ship", help=SHIP_HELP)] = False,
) -> None:
    """Accept deliveries and keep them on disk, until Ctrl-C or SIGTERM. It opens no database and calls no API."""
    with plain_errors():
        from flows.cli.webhook_commands import run_serve

        run_serve(host, port, ship)


@webhooks.command()
def ship(
    again: Annotated[bool, typer.Option("--again", help="Ship all that the spool holds once more.")] = False,
) -> None:
    """Ship deliveries to the landing zone, for a load on another machine. `serve --ship` does so every half minute."""
    with plain_errors():
        from flows.cli.webhook_commands import run_ship

        run_ship(again)


@webhooks.command()
def url(
    account: Annotated[str, typer.Option(help=ACCOUNT_HELP)],
    public_url: Annotated[str, typer.Option(help=PUBLIC_URL_HELP)],
) -> None:
    """Print the delivery URL of an account, which holds its secret, and make the secret if there is none.

    Nothing is registered in Drip.
    """
    with plain_errors():
        from flows.cli.webhook_commands import show_url

        show_url(account, public_url)


@webhooks.command()
def register(
    account: Annotated[str, typer.Option(help=ACCOUNT_HELP)],
    public_url: Annotated[str, typer.Option(help=PUBLIC_URL_HELP)],
    received_email: Annotated[
        bool, typer.Option("--received-email", help="Have each email that a person was sent told, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help=YES_HELP)] = False,
) -> None:
    """Make a webhook in Drip that posts every event to the receiver, if there is none. Touches no other webhook.

    Needs a key with write rights.
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
    """Give the webhook of an account a new secret. Both are accepted until nothing can come to the old one."""
    with plain_errors():
        from flows.cli.webhook_commands import registrar, say

        say(registrar(account, yes).rotate(public_url_of(public_url)))


@webhooks.command()
def unregister(
    account: Annotated[str, typer.Option(help=ACCOUNT_HELP)],
    public_url: Annotated[str, typer.Option(help=PUBLIC_URL_HELP + " Default: as registered.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help=YES_HELP)] = False,
) -> None:
    """Remove the webhook of the receiver from Drip. Touches no other webhook."""
    with plain_errors():
        from flows.cli.webhook_commands import registrar, say

        say(registrar(account, yes).unregister(public_url_of(public_url)))


@webhooks.command()
def status() -> None:
    """Show what is registered, what came last, what waits to be loaded, and the space on the disk.

    Exit codes: 0 all is well; 1 something is not, and is named.
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
    """Load what was delivered since the last load into subscriber_events. Every sync does so as well."""
    with plain_errors():
        hide_pandas()
        from flows.cli.webhook_commands import run_load

        run_load(destination, dataset)


@webhooks.command()
def replay(
    destination: Annotated[str, typer.Option(help=DESTINATION_HELP)] = "duckdb",
    dataset: Annotated[str, typer.Option(help=DATASET_HELP)] = "drip",
) -> None:
    """Load all that the spool still holds into subscriber_events, which has to be empty."""
    with plain_errors():
        hide_pandas()
        from flows.cli.webhook_commands import run_load

        run_load(destination, dataset, replay=True)
