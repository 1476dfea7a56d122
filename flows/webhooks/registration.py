"""Registering the receiver in Drip: only webhooks whose URL is one of ours, to the letter, are ever touched."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.common.clock import now
from flows.common.errors import DripError, SettingsError
from flows.source.decoding.redaction import redacted_url
from flows.source.deliveries.registrations import Registration, keep_registration, registrations
from flows.webhooks.api import Webhook, WebhookApi, api_of
from flows.webhooks.secret_store import SecretStore, delivery_url

Confirm = Callable[[str], bool]
"""Asks whether something may be written."""


class Declined(DripError):
    """The answer to a question was no: nothing was changed."""


@dataclass(frozen=True)
class Registrar:
    """Registers the webhook of one account.

    Attributes:
        folder: of the spool, the secrets and the registrations.
        secrets: of the accounts.
        account: its id.
        confirm: asks before something is written.
    """

    folder: Path
    secrets: SecretStore
    account: str
    confirm: Confirm

    def register(self, public_url: str, received: bool = False) -> str:
        """Make sure that there is a webhook for the receiver.

        Args:
            public_url: where Drip reaches the receiver.
            received: have it tell of each email that a person was sent, too.

        Returns:
            What was done, in a sentence.

        Raises:
            DripError: the API did not do it, or the answer was no.
        """
        api, there = api_of(self.account)
        url = delivery_url(public_url, self.secrets.current_or_new(self.account))
        if found := [one for one in there if one.post_url == url]:
            self._keep(found[0], public_url)
            return f"webhook {found[0].key} of account {self.account} posts to this receiver already{_twice(found)}"
        self._ask(f"Make a webhook in account {self.account} that posts every event to {redacted_url(url)}?")
        made = api.create(url, received)
        self._keep(made, public_url)
        return f"webhook {made.key} of account {self.account} now posts to {redacted_url(url)}"

    def rotate(self, public_url: str = "") -> str:
        """Move the webhook to a new secret, losing nothing: both are accepted until nothing can come to the old one.

        Returns:
            What was done, in a sentence.

        Raises:
            SettingsError: no webhook is registered, or the secret cannot be changed.
            DripError: the API did not do it; the old webhook stays in use.
        """
        public_url = public_url or self._public_url()
        api, there = api_of(self.account)
        old = self._ours(there, public_url)
        if not old:
            raise SettingsError(f"account {self.account} has no webhook for {public_url}: register it first")
        self._ask(
            f"Replace webhook {', '.join(one.key for one in old)} of account {self.account} by one with a new URL?"
        )
        secret = self.secrets.prepare(self.account)
        made = api.create(delivery_url(public_url, secret), bool(old[0].include_received_email))
        self.secrets.promote(self.account, secret)
        self._keep(made, public_url)
        self._delete(api, [one for one in old if one.key != made.key])
        return (
            f"webhook {made.key} of account {self.account} has taken the place of {', '.join(one.key for one in old)}"
        )

    def unregister(self, public_url: str = "") -> str:
        """Remove the webhook of the receiver. Returns what was done, in a sentence. Raises DripError."""
        public_url = public_url or self._public_url()
        api, there = api_of(self.account)
        ours = self._ours(there, public_url)
        if ours:
            self._ask(f"Remove webhook {_names(ours)} of account {self.account}?")
        self._delete(api, ours)
        keep_registration(self.folder, self.account, None)
        self.secrets.retire(self.account)
        done = f"removed webhook {_names(ours)}" if ours else "there was no webhook to remove"
        return f"account {self.account}: {done}"

    def _ours(self, there: list[Webhook], public_url: str) -> list[Webhook]:
        urls = {delivery_url(public_url, secret) for secret in self.secrets.known(self.account)}
        return [one for one in there if one.post_url in urls]

    def _public_url(self) -> str:
        if known := registrations(self.folder).get(self.account):
            return known.public_url
        raise SettingsError(f"no webhook of account {self.account} was registered from here: give its --public-url")

    def _ask(self, question: str) -> None:
        if not self.confirm(question):
            raise Declined("nothing was changed")

    def _keep(self, webhook: Webhook, public_url: str) -> None:
        post_url = redacted_url(webhook.post_url or "")
        known = registrations(self.folder).get(self.account)
        one = Registration(webhook.key, post_url, public_url, known.at if known else now())
        keep_registration(self.folder, self.account, one)

    def _delete(self, api: WebhookApi, webhooks: list[Webhook]) -> None:
        for one in webhooks:
            api.delete(one)


def _names(webhooks: list[Webhook]) -> str:
    return ", ".join(one.key for one in webhooks)


def _twice(found: list[Webhook]) -> str:
    if len(found) == 1:
        return ""
    return f"; so do {_names(found[1:])}: each event is delivered {len(found)} times"
