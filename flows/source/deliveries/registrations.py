"""Which webhooks of an account are ours: kept beside the spool, so that a sync can tell that one is gone."""

import os
from datetime import datetime
from pathlib import Path

import msgspec

from flows.common.clock import now
from flows.common.errors import SettingsError

FILE = "registrations.json"
PRIVATE = 0o600


class Registration(msgspec.Struct):
    """A webhook that was registered for this receiver.

    Attributes:
        webhook: its id in Drip.
        post_url: its delivery URL, redacted as the table of webhooks has it.
        public_url: where Drip reaches the receiver.
        at: since when the account has had a webhook of this receiver.
        until: when it was unregistered; None if it was not.
    """

    webhook: str
    post_url: str
    public_url: str
    at: datetime
    until: datetime | None = None


REGISTRATIONS = msgspec.json.Decoder(dict[str, Registration])


def registrations(folder: Path) -> dict[str, Registration]:
    """By account, the webhook that is ours. Raises SettingsError where the file cannot be read."""
    return {account: one for account, one in _every(folder).items() if one.until is None}


def unregistered(folder: Path) -> set[str]:
    """The accounts whose webhook was unregistered. Raises SettingsError where the file cannot be read."""
    return {account for account, one in _every(folder).items() if one.until is not None}


def _every(folder: Path) -> dict[str, Registration]:
    path = folder / FILE
    try:
        return REGISTRATIONS.decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"cannot read {path} ({error}): restore it, or remove it and register again") from None


def keep_registration(folder: Path, account: str, registration: Registration | None) -> None:
    """Note the webhook of an account; None where it has none any more."""
    every = _every(folder)
    if registration:
        every[account] = registration
    elif account in every:
        every[account].until = now()
    path = folder / FILE
    part = path.with_name(f".{FILE}.part")
    with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, PRIVATE), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(every)) + b"\n")
    part.rename(path)
