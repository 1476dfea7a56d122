"""Webhooks by the API: the list with its true URLs, which stay in memory, and the only two writes of this project."""

import msgspec

from flows.common.errors import DripError, SettingsError
from flows.source.client import DripClient
from flows.source.errors import RequestFailed, Unauthorized
from flows.source.settings import every_settings
from flows.source.write_request import send

NOT_SEEN = (403, 404)


class Webhook(msgspec.Struct):
    """A webhook as the API has it, with what is needed here."""

    id: str | int
    post_url: str | None = None
    events: list[str] | None = None
    include_received_email: bool | None = None
    enabled: bool | None = None
    status: str | None = None

    @property
    def key(self) -> str:
        """Its id as text."""
        return str(self.id)

    @property
    def is_disabled(self) -> bool:
        """Whether the API says so. The reference names no such field, so it may say nothing."""
        return self.enabled is False or (self.status or "").lower() in ("disabled", "inactive")


class _Reply(msgspec.Struct):
    webhooks: list[Webhook] = []


REPLY = msgspec.json.Decoder(_Reply)


class WebhookApi:
    """The webhooks of one account.

    Args:
        client: of a token that sees the account.
        account: its id.
    """

    def __init__(self, client: DripClient, account: str) -> None:
        self.client, self.account = client, account
        self._path = f"/{account}/webhooks"

    def all(self) -> list[Webhook]:
        """Every webhook of the account. Raises DripError."""
        return _decoded(self.client.get(self._path, {}).body)

    def create(self, post_url: str, received: bool) -> Webhook:
        """Make a webhook for all events.

        Args:
            post_url: where its deliveries go.
            received: have it tell of each email that a person was sent, too.

        Raises:
            DripError: it was not created, or this could not be verified.
        """
        body = {"webhooks": [{"post_url": post_url, "include_received_email": received}]}
        failure: DripError = DripError(f"account {self.account} does not list the webhook that was made: try again")
        try:
            send(self.client, "POST", self._path, body)
        except Unauthorized:
            raise
        except DripError as error:  # it may have been made all the same
            failure = error
        found = [one for one in self._listed(failure) if one.post_url == post_url]
        if not found:
            raise failure
        return found[0]

    def _listed(self, failure: DripError) -> list[Webhook]:
        """Every webhook of the account. Raises the earlier failure where the API cannot be asked."""
        try:
            return self.all()
        except DripError:
            raise failure from None

    def delete(self, webhook: Webhook) -> None:
        """Remove a webhook; one that is gone already is well. Raises DripError."""
        try:
            send(self.client, "DELETE", f"{self._path}/{webhook.key}")
        except RequestFailed as error:
            if error.status != 404:
                raise


def api_of(account: str) -> tuple[WebhookApi, list[Webhook]]:
    """A client for an account's webhooks, with the first key that has access to it, and their current list.

    Raises:
        SettingsError: there is no key, or none sees the account.
        DripError: the API cannot be asked.
    """
    refused: list[str] = []
    for settings in every_settings():
        api = WebhookApi(DripClient(settings), account)
        try:
            return api, api.all()
        except Unauthorized:
            raise
        except RequestFailed as error:
            if error.status not in NOT_SEEN:
                raise
            refused.append(str(error))
    raise SettingsError(f"no key sees the account {account}: {refused[0]}")


def _decoded(body: bytes) -> list[Webhook]:
    try:
        return REPLY.decode(body).webhooks if body else []
    except msgspec.MsgspecError:
        raise DripError("the API's list of webhooks is not what the reference says: nothing was changed") from None
