"""How the receiver is doing: what is registered, what came last, what waits to be loaded, and the disk."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from flows.common.errors import DripError
from flows.source.deliveries.registrations import registrations
from flows.source.deliveries.spool import MICROSECONDS, Totals, opened
from flows.webhooks.api import Webhook, api_of
from flows.webhooks.secret_store import SecretStore, delivery_url


class AccountStatus(NamedTuple):
    """The webhook of an account.

    Attributes:
        account: its id.
        webhooks: of the receiver, in Drip; None where that is not known.
        problem: what is wrong, in words; empty where nothing is.
        newest: when its last delivery that is still in the spool came.
    """

    account: str
    webhooks: list[Webhook] | None
    problem: str
    newest: datetime | None


class Status(NamedTuple):
    """All there is to know.

    Attributes:
        accounts: those with a secret or a registration.
        totals: of the spool; None where there is none.
        waiting: by destination, the deliveries that it does not have yet.
        free: bytes on the disk.
    """

    accounts: list[AccountStatus]
    totals: Totals | None
    waiting: dict[str, int]
    free: int


def status_of(folder: Path, secrets: SecretStore) -> Status:
    """Ask the API, the spool and the disk. Raises SettingsError."""
    known = registrations(folder)
    accounts = sorted({*secrets.accounts(), *known})
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    with opened(folder) as spool:
        newest = spool.newest() if spool else {}
        found = [
            _account(one, secrets, known[one].public_url if one in known else "", newest.get(one)) for one in accounts
        ]
        if spool is None:
            return Status(found, None, {}, free)
        last = spool.last()
        waiting = {destination: max(last - loaded, 0) for destination, loaded in spool.loads().items()}
        return Status(found, spool.totals(), waiting, free)


def _account(account: str, secrets: SecretStore, public_url: str, newest: int | None) -> AccountStatus:
    moment = datetime.fromtimestamp(newest / MICROSECONDS, UTC) if newest else None
    try:
        _, there = api_of(account)
    except DripError as error:
        return AccountStatus(account, None, str(error), moment)
    urls = {delivery_url(public_url, secret) for secret in secrets.known(account)} if public_url else set()
    own = [one for one in there if one.post_url in urls]
    return AccountStatus(account, own, _problem(own), moment)


def _problem(own: Sequence[Webhook]) -> str:
    if not own:
        return "no webhook posts to this receiver: drip-flows webhooks register"
    if any(one.is_disabled for one in own):
        return "Drip has disabled the webhook: unregister it and register it again"
    return "each event is delivered several times: several webhooks post to this receiver" if len(own) > 1 else ""
