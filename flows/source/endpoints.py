"""The table of endpoints. Every resource, key, column, request and line of documentation derives from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flows.source import records
from flows.source.records import Record

ACCOUNT_ID = "account_id"
ROW_HASH = "_row_hash"
CONNECTION = "connection"
"""The column, in tables whose rows no account owns, with the named connection that a row came by."""


@dataclass(frozen=True)
class Endpoint:
    """One list of the API and the table it fills.

    Attributes:
        resource: name of the dlt resource and of the table.
        path: below the base URL; `{account_id}` where there is one list per account.
        selector: the key of the list in the reply.
        record: the type of its records.
        key: the column that, with the account where there is one, identifies a row.
        strings: the list holds plain strings, one row each.
        paginated: the reference gives the list pages and a `meta` object.
        per_page: rows asked for in a page; None where the reference names no such parameter.
        params: filters, without which the API leaves rows out.
        linked: what stands under a record's `links`, beside the account, and becomes a JSON column.
        freezable: the list knows `subscribed_before`, which keeps arrivals out while it is read.
        optional: synced only where it is named: it costs requests that not everybody wants to spend.
        parent: the resource that has one such list per record, `{parent_id}` in `path`; empty for none.
        parent_column: the column with the parent's id, part of the key.
        sweep: statuses that are asked for one after the other, since the API has no way to ask for all at once.
        sweep_column: the column with the status by which a row was found.
        historic: a history of its rows can be kept.
        ignored_in_history: columns whose change alone makes no new version: they change without meaning.
        connection: the named connection that marks the rows; empty where they are not marked.
    """

    resource: str
    path: str
    selector: str
    record: type[Record]
    key: str = "id"
    strings: bool = False
    paginated: bool = False
    per_page: int | None = None
    params: Mapping[str, str] = field(default_factory=dict, hash=False)
    linked: tuple[str, ...] = ()
    freezable: bool = False
    optional: bool = False
    parent: str = ""
    parent_column: str = ""
    sweep: tuple[str, ...] = ()
    sweep_column: str = ""
    historic: bool = False
    ignored_in_history: tuple[str, ...] = ()
    connection: str = ""

    @property
    def per_account(self) -> bool:
        """Whether each account has such a list, or the token has one."""
        return "{account_id}" in self.path

    @property
    def primary_key(self) -> list[str]:
        """Key columns; the account first, since ids and names repeat between accounts."""
        owners = [ACCOUNT_ID, self.parent_column] if self.parent else [ACCOUNT_ID]
        return [*owners, self.key] if self.per_account else [self.key]

    @property
    def alone(self) -> "Endpoint":
        """The list as the API gives it: nothing in it says which parent it is of, or which status was asked for."""
        return replace(self, parent="", sweep=()) if self.parent else self

    def child(self, parent_id: str, status: str | None) -> "Endpoint":
        """The list of one parent, in one status of the sweep; `parent_id` has been checked to be fit for a path."""
        asked = {**self.params, "status": status} if status else self.params
        return replace(self.alone, path=self.path.replace("{parent_id}", parent_id), params=asked)

    def since(self, moment: str) -> "Endpoint":
        """The part of a freezable list that was created after a moment (ISO 8601)."""
        return replace(self, params={**self.params, "subscribed_after": moment})

    def of(self, connection: str) -> "Endpoint":
        """The list as a named connection reads it: rows that no account owns are marked with its name."""
        return self if self.per_account else replace(self, connection=connection)

    def url_path(self, account_id: str | None) -> str:
        """The path of the list of one account; `account_id` has been checked to be digits."""
        return self.path.format(account_id=account_id)


ALL = {"status": "all"}

ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.resource: endpoint
    for endpoint in (
        Endpoint("accounts", "/accounts", "accounts", records.Account),
        Endpoint("users", "/user", "users", records.User, key="email"),
        Endpoint(
            "broadcasts", "/{account_id}/broadcasts", "broadcasts", records.Broadcast,
            paginated=True, per_page=100, params=ALL, historic=True, ignored_in_history=("preview_url",),
        ),
        Endpoint(
            "campaigns", "/{account_id}/campaigns", "campaigns", records.Campaign,
            paginated=True, linked=("forms",), historic=True,
        ),
        Endpoint(
            "workflows", "/{account_id}/workflows", "workflows", records.Workflow, paginated=True, historic=True,
        ),
        Endpoint(
            "subscribers", "/{account_id}/subscribers", "subscribers", records.Subscriber,
            paginated=True, per_page=1000, params=ALL, freezable=True,
            historic=True, ignored_in_history=("utc_offset",),  # daylight saving moves it for everybody
        ),
        Endpoint(
            "custom_fields", "/{account_id}/custom_field_identifiers", "custom_field_identifiers",
            records.CustomField, key="custom_field_identifier", strings=True,
        ),
        Endpoint("conversions", "/{account_id}/goals", "goals", records.Conversion),
        Endpoint(
            "events", "/{account_id}/event_actions", "event_actions", records.Event,
            key="event_action", strings=True, paginated=True, per_page=1000,
        ),
        Endpoint("tags", "/{account_id}/tags", "tags", records.Tag, key="tag", strings=True),
        Endpoint("webhooks", "/{account_id}/webhooks", "webhooks", records.Webhook),
        Endpoint("forms", "/{account_id}/forms", "forms", records.Form, optional=True),
        Endpoint(
            "campaign_subscribers", "/{account_id}/campaigns/{parent_id}/subscribers", "subscribers",
            records.CampaignSubscriber, paginated=True, per_page=1000, optional=True,
            parent="campaigns", parent_column="campaign_id",
            sweep=("active", "unsubscribed", "removed"), sweep_column="subscription_status",
        ),
        Endpoint(
            "workflow_triggers", "/{account_id}/workflows/{parent_id}/triggers", "triggers",
            records.WorkflowTrigger, optional=True, parent="workflows", parent_column="workflow_id",
        ),
    )
}  # fmt: skip

ACCOUNTS = ENDPOINTS["accounts"]

HISTORIC = tuple(name for name, endpoint in ENDPOINTS.items() if endpoint.historic)
"""What a history can be kept of."""

DEFAULT_RESOURCES = tuple(name for name, endpoint in ENDPOINTS.items() if not endpoint.optional)
"""What is synced where nothing is named."""
