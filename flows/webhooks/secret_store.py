"""The secrets of the delivery URLs, by account, in a file of mode 600 or in a setting.

Whoever knows a secret can post deliveries for its account. The receiver keeps the digests in memory, and compares a
secret with all of them, so that the time tells nothing.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from filelock import FileLock

from flows.common.errors import SettingsError
from flows.common.scrubbing import remember

FILE = "secrets.json"
SETTING = "SOURCES__DRIP__WEBHOOK_SECRETS"
BYTES = 32
"""Of a secret: 256 random bits."""
FIT = re.compile(r"[A-Za-z0-9_-]{32,}")
"""A secret that can be the end of a URL, and cannot be guessed."""
ACCEPTED_DAYS = 4
"""That a replaced secret is accepted: Drip repeats a delivery for three days."""
PRIVATE, READABLE_BY_OTHERS = 0o600, 0o077


class Secret(msgspec.Struct, omit_defaults=True):
    """A secret, accepted until a moment, or without an end."""

    secret: str
    until: datetime | None = None


Secrets = dict[str, list[Secret]]
"""By account; the one without an end is the account's own."""


SECRETS = msgspec.json.Decoder(Secrets)


class SecretStore:
    """The secrets in a folder, and those of the setting, which go before them.

    Args:
        folder: that the file is in.
        configured: the setting: a JSON object of accounts and their secrets, or lists of them, the present one first.

    Raises:
        SettingsError: the file or the setting cannot be used.
    """

    def __init__(self, folder: Path, configured: str | None = None) -> None:
        self.path = folder / FILE
        self._configured = _parsed(configured) if configured else {}
        self._seen: tuple[int, int] | None = None
        self._digests: list[tuple[str, bytes, datetime | None]] = []
        self._read_again()

    def account_of(self, secret: str) -> str | None:
        """The account that a secret belongs to. A file that has changed is read again, but only for an unknown one."""
        digest = _digest(secret)
        found = self._find(digest)
        if found is None and self._signature() != self._seen:
            self._try_to_read_again()
            found = self._find(digest)
        return found

    def accounts(self) -> list[str]:
        """The accounts that have a secret."""
        return sorted(self._all())

    def current(self, account: str) -> str | None:
        """The secret of an account's delivery URL."""
        return next((one.secret for one in self._all().get(account, ()) if one.until is None), None)

    def current_or_new(self, account: str) -> str:
        """The secret of an account's delivery URL, made if there is none. Raises SettingsError."""
        return self.current(account) or self.promote(account, self.prepare(account))

    def known(self, account: str) -> list[str]:
        """Every secret of an account that is accepted, the present one first."""
        own = sorted(self._all().get(account, ()), key=lambda one: one.until is not None)
        return [one.secret for one in own if one.until is None or one.until > datetime.now(UTC)]

    def prepare(self, account: str) -> str:
        """A further secret for an account, which is accepted for some days, in addition to its own.

        Raises:
            SettingsError: its secrets are in the setting, or the file cannot be written.
        """
        fresh = Secret(secrets.token_urlsafe(BYTES), _in_days())
        self._change(account, lambda own: [*own, fresh])
        return fresh.secret

    def promote(self, account: str, secret: str) -> str:
        """Make a prepared secret the account's own; the one before is accepted for some days more."""
        self._change(account, lambda own: [*_only(own, secret), *(_ending(one) for one in own if one.secret != secret)])
        return secret

    def retire(self, account: str) -> None:
        """Accept the secrets of an account for some days only: deliveries that were refused come again."""
        self._change(account, lambda own: [_ending(one) for one in own])

    def _change(self, account: str, change: Callable[[list[Secret]], list[Secret]]) -> None:
        if account in self._configured:
            raise SettingsError(f"the secret of account {account} is in {SETTING}: change it there")
        with self._locked():
            stored, now = self._stored(), datetime.now(UTC)
            own = [one for one in stored.get(account, []) if one.until is None or one.until > now]
            stored[account] = change(own)
            self._store(stored)
        self._read_again()

    def _find(self, digest: bytes) -> str | None:
        found, now = None, datetime.now(UTC)
        for account, known, until in self._digests:
            if hmac.compare_digest(known, digest) and (until is None or until > now):
                found = account
        return found

    def _all(self) -> Secrets:
        return self._stored() | self._configured

    def _try_to_read_again(self) -> None:
        try:
            self._read_again()
        except SettingsError:  # it is being changed by hand; the secrets before it hold
            self._seen = self._signature()

    def _read_again(self) -> None:
        self._seen, every = self._signature(), self._all()
        self._digests = [(account, _digest(one.secret), one.until) for account, own in every.items() for one in own]
        remember(*(one.secret for own in every.values() for one in own))

    def _signature(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _stored(self) -> Secrets:
        try:
            mode, content = self.path.stat().st_mode, self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SettingsError(f"cannot read {self.path}: {error.strerror}") from None
        if mode & READABLE_BY_OTHERS:
            raise SettingsError(f"{self.path} holds secrets and others can read it: chmod 600 it")
        try:
            return SECRETS.decode(content)
        except msgspec.MsgspecError:
            raise SettingsError(f"{self.path} is damaged or was edited wrongly: restore it from a backup") from None

    def _store(self, every: Secrets) -> None:
        part = self.path.with_name(f".{FILE}.part")
        descriptor = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(every)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        part.rename(self.path)

    def _locked(self) -> FileLock:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return FileLock(self.path.with_name(f".{FILE}.lock"), mode=PRIVATE)
        except OSError as error:
            raise SettingsError(f"cannot write to {self.path.parent}: {error.strerror}") from None


def delivery_url(public_url: str, secret: str) -> str:
    """The URL that Drip posts to."""
    return f"{public_url.rstrip('/')}/{secret}"


def _in_days() -> datetime:
    return datetime.now(UTC) + timedelta(days=ACCEPTED_DAYS)


def _ending(one: Secret) -> Secret:
    return Secret(one.secret, one.until or _in_days())


def _only(own: list[Secret], secret: str) -> list[Secret]:
    """The secret, without an end, if it is among them."""
    return [Secret(one.secret) for one in own if one.secret == secret]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _parsed(text: str) -> Secrets:
    """The secrets of the setting. Raises SettingsError, which holds none of them."""
    remember(text)
    try:
        given = msgspec.json.decode(text, type=dict[str, str | list[str]])
    except msgspec.MsgspecError:
        raise SettingsError(f"{SETTING} has to be a JSON object of account ids and secrets") from None
    return {account: list(_of_account(account, one)) for account, one in given.items()}


def _of_account(account: str, given: str | list[str]) -> Iterator[Secret]:
    for number, secret in enumerate([given] if isinstance(given, str) else given):
        remember(secret)
        if not FIT.fullmatch(secret):
            raise SettingsError(f"{SETTING}: a secret of {account} is not at least 32 letters, digits, - or _")
        yield Secret(secret, datetime.max.replace(tzinfo=UTC) if number else None)
