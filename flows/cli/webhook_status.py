"""What `drip-flows webhooks status` prints."""

from flows.cli.output import plain_table
from flows.cli.webhook_commands import console, secret_store
from flows.common.console import marked
from flows.common.program import program
from flows.common.project import project_path
from flows.pipeline.report import counted
from flows.source.settings import common_settings
from flows.webhooks.api import Webhook
from flows.webhooks.status import AccountStatus, Status, status_of

GIGABYTE = 1e9


def show_status() -> int:
    """Print it. Returns the exit code. Raises SettingsError."""
    folder = project_path(common_settings().webhooks)
    status = status_of(folder, secret_store())
    table = plain_table("account", "webhook", "enabled", "event types", "last delivery", title="Webhooks")
    for one in status.accounts:
        table.add_row(*_cells(one))
    console.print(table if status.accounts else f"No account has a secret yet: {program()} webhooks register")
    for one in status.accounts:
        if one.problem:
            console.print(marked(one.account, f": {one.problem}"), soft_wrap=True)
    for line in _lines(status):
        console.print(line, soft_wrap=True)
    return 1 if any(one.problem for one in status.accounts) else 0


def _cells(one: AccountStatus) -> list[str]:
    last = f"{one.newest:%Y-%m-%d %H:%M:%S} UTC" if one.newest else "none in the spool"
    if one.webhooks is None:
        return [one.account, "not known", "", "", last]
    names = ", ".join(webhook.key for webhook in one.webhooks) or "none"
    enabled = ("no" if any(webhook.is_disabled for webhook in one.webhooks) else "yes") if one.webhooks else ""
    return [one.account, names, enabled, _events(one.webhooks), last]


def _events(webhooks: list[Webhook]) -> str:
    if not webhooks:
        return ""
    events = webhooks[0].events
    return "all" if events is None else f"{len(events)}"


def _lines(status: Status) -> list[str]:
    if status.totals is None:
        spool = ["No delivery has come: there is no spool yet."]
    else:
        spool = [f"The spool holds {counted(status.totals.rows, 'delivery', 'deliveries')}."]
        if not status.waiting and status.totals.rows:
            spool.append(f"None is loaded anywhere: {program()} webhooks load")
    waiting = [f"{number:,} wait to be loaded into {place}." for place, number in status.waiting.items()]
    return [*spool, *waiting, f"{status.free / GIGABYTE:.1f} GB are free on its disk."]
