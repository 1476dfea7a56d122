"""What the commands of `drip-flows webhooks` do and print."""

from urllib.parse import urlsplit

import typer

from flows.cli.commands import checked_account, checked_destination
from flows.common.console import mute_dlt, plain_console
from flows.common.errors import SettingsError, first_line
from flows.common.output_guard import print_with_secrets
from flows.common.program import program
from flows.common.project import project_path
from flows.common.scrubbing import scrub
from flows.pipeline.report import counted
from flows.reporting.summary import events
from flows.source.landing.storage import Folder, folder_at
from flows.source.settings import common_settings
from flows.webhooks import load as webhook_load
from flows.webhooks.registration import Registrar
from flows.webhooks.secret_store import SecretStore, delivery_url
from flows.webhooks.server import serve
from flows.webhooks.ship import ship, shipping

console = plain_console()


def run_serve(host: str, port: int, shipped: bool = False) -> None:
    """Serve the receiver until it is told to end, and ship deliveries if that is asked for. Raises SettingsError."""
    settings, secrets = common_settings(), secret_store()
    folder = project_path(settings.webhooks)
    landing = _landing() if shipped else None

    def started(url: str) -> None:
        accounts = ", ".join(secrets.accounts()) or f"none yet: `{program()} webhooks url` makes a secret for one"
        console.print(f"Receiving webhooks at {url} for the accounts {accounts}", soft_wrap=True)
        console.print(f"Deliveries are kept in {folder}. Stop with Ctrl-C.", soft_wrap=True)

    with shipping(folder, landing, settings.webhook_days):
        kept = serve(folder, secrets, host, port, started, settings.masking)
    console.print(f"Stopped; {kept:,} deliveries were kept.", soft_wrap=True)


def run_ship(again: bool) -> None:
    """Ship deliveries to the landing zone, and say how many. Raises DripError."""
    settings, landing = common_settings(), _landing()
    number = ship(project_path(settings.webhooks), landing, settings.webhook_days, again)
    console.print(f"{counted(number, 'delivery', 'deliveries')} shipped to {scrub(settings.landing)}", soft_wrap=True)


def _landing() -> Folder:
    """The landing zone. Raises SettingsError if it cannot be used."""
    place = common_settings().landing
    try:
        return folder_at(place)
    except (ValueError, ImportError) as error:
        raise SettingsError(f"SOURCES__DRIP__LANDING {scrub(place)} cannot be used: {first_line(error)}") from None


def show_url(account: str, public_url: str) -> None:
    """Print the delivery URL of an account. Raises SettingsError."""
    account, public_url = checked_account(account), checked_public_url(public_url)
    print_with_secrets(delivery_url(public_url, secret_store().current_or_new(account)))


def run_load(destination: str, dataset: str, replay: bool = False) -> None:
    """Load deliveries, and say what was loaded. Raises SettingsError, LoadFailed."""
    mute_dlt()
    loaded = (webhook_load.replay if replay else webhook_load.load)(checked_destination(destination, ()), dataset)
    console.print(events(loaded), soft_wrap=True)
    if loaded.pruned:
        pruned = counted(loaded.pruned, "delivery", "deliveries")
        console.print(f"{pruned} older than SOURCES__DRIP__WEBHOOK_DAYS deleted from the spool", soft_wrap=True)


def registrar(account: str, yes: bool) -> Registrar:
    """What registers the webhook of an account, asking first unless told not to. Raises SettingsError."""
    folder = project_path(common_settings().webhooks)
    return Registrar(folder, secret_store(), checked_account(account), lambda text: yes or typer.confirm(text))


def say(sentence: str) -> None:
    """Print what was done."""
    console.print(sentence, soft_wrap=True)


def secret_store() -> SecretStore:
    """The secrets that the settings name. Raises SettingsError."""
    settings = common_settings()
    return SecretStore(project_path(settings.webhooks), settings.webhook_secrets)


def checked_public_url(url: str) -> str:
    """A URL that a secret can be added to. Raises SettingsError."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or "?" in url or "#" in url or "@" in url:
        raise SettingsError(f"--public-url {url!r} is not a URL such as https://hooks.example.com, without a query")
    return url.rstrip("/")
