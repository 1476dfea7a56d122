"""The table of endpoints. All resources, keys, columns, requests and the documentation derive from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from flows.source import email_records, records
from flows.source.records import Record

ACCOUNT_ID = "account_id"
DATE = "date"
ROW_HASH = "_row_hash"
VERSION = "_version"
"""The column with what tells whether a record has changed: an ETag, or a fingerprint of its parent."""
CONNECTION = "connection"
"""The column with the name of the connection, in tables whose rows do not belong to an account."""


@dataclass(frozen=True)
class Endpoint:
    """A list endpoint of the API and the table that it fills.

    Attributes:
        resource: name of the dlt resource and of the table.
        path: path below the base URL; contains `{account_id}` if each account has such a list.
        selector: the key of the list in the reply.
        record: the type of its records.
        key: the column that identifies a row, within an account if the list belongs to accounts.
        strings: whether the list contains plain strings, one row each.
        paginated: whether the API reference documents pages and a `meta` object for the list.
        per_page: rows requested per page; None if the API reference has no such parameter.
        params: filters needed to get all rows.
        linked: keys of a record's `links`, other than the account, that become JSON columns.
        has_created_filter: whether the list supports `subscribed_before`, which excludes new rows while it is read.
        optional: whether it is synced only if named, since it costs extra requests.
        parent: the resource whose records each have such a list (`{parent_id}` in `path`); empty if none.
        parent_column: the column with the parent's id, part of the key.
        sweep: statuses to request separately, since the API cannot return all of them at once.
        sweep_column: the column with the status that was requested.
        historic: whether a history of its rows can be kept.
        ignored_in_history: columns whose changes are meaningless, so that they do not create a new version.
        newer: whether a token may lack the endpoint: 404 for all of it means that it is not available.
        daily: whether it has the figures of days, one request for each (`flows.source.email_metrics`).
        single: whether the reply has one object instead of a list, with the id of the parent as its key.
        version: how unchanged records are recognized, which are not read again: by the `etag` of the reply, or by
            the row of the `parent`; empty to read all of them.
        secret_urls: whether its records contain URLs that let anyone who knows them act; only their hosts are kept.
        connection: the connection name to store in each row; empty for none.
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
    has_created_filter: bool = False
    optional: bool = False
    parent: str = ""
    parent_column: str = ""
    sweep: tuple[str, ...] = ()
    sweep_column: str = ""
    historic: bool = False
    ignored_in_history: tuple[str, ...] = ()
    newer: bool = False
    daily: bool = False
    single: bool = False
    version: Literal["", "etag", "parent"] = ""
    secret_urls: bool = False
    connection: str = ""

    @property
    def per_account(self) -> bool:
        """Whether the list belongs to an account, rather than to the token."""
        return "{account_id}" in self.path

    @property
    def primary_key(self) -> list[str]:
        """Key columns, with the account first, since ids and names are not unique across accounts."""
        owners = [ACCOUNT_ID, *filter(None, [self.parent_column, DATE if self.daily else ""])]
        return [*owners, self.key] if self.per_account else [self.key]

    @property
    def alone(self) -> "Endpoint":
        """The endpoint of a single list, without the columns for the parent and the requested status."""
        return replace(self, parent="", sweep=(), version="") if self.parent else self

    def child(self, parent_id: str, status: str | None) -> "Endpoint":
        """The list of one parent, with one status of the sweep. `parent_id` must be safe to use in a path."""
        asked = {**self.params, "status": status} if status else self.params
        return replace(self.alone, path=self.path.replace("{parent_id}", parent_id), params=asked)

    def since(self, moment: str) -> "Endpoint":
        """The part of a list that was created after `moment` (ISO 8601)."""
        return replace(self, params={**self.params, "subscribed_after": moment})

    def of(self, connection: str) -> "Endpoint":
        """The endpoint for a connection, whose name is stored in rows that do not belong to an account."""
        return self if self.per_account else replace(self, connection=connection)

    def url_path(self, account_id: str | None) -> str:
        """The path of an account's list. `account_id` must consist of digits."""
        return self.path.format(account_id=account_id)


ALL = {"status": "all"}
ASCENDING = {"direction": "asc"}
"""What arrives while a list is read goes to its end, and moves no row to another page."""

ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.resource: endpoint
    for endpoint in (
        Endpoint("accounts", "/accounts", "accounts", records.Account),
        Endpoint("users", "/user", "users", records.User, key="email"),
        Endpoint(
            "broadcasts", "/{account_id}/broadcasts", "broadcasts", records.Broadcast,
            paginated=True, per_page=100, params=ALL | ASCENDING, historic=True,
            ignored_in_history=("preview_url", "derived"),
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
            paginated=True, per_page=1000, params=ALL, has_created_filter=True,
            historic=True, ignored_in_history=("utc_offset",),  # it changes for everybody with daylight saving time
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
        Endpoint("webhooks", "/{account_id}/webhooks", "webhooks", records.Webhook, secret_urls=True),
        Endpoint("forms", "/{account_id}/forms", "forms", records.Form, linked=("campaign",), optional=True),
        Endpoint(
            "campaign_subscribers", "/{account_id}/campaigns/{parent_id}/subscribers", "subscribers",
            records.CampaignSubscriber, paginated=True, per_page=1000, params=ASCENDING, optional=True,
            parent="campaigns", parent_column="campaign_id",
            sweep=("active", "unsubscribed", "removed"), sweep_column="subscription_status",
        ),
        Endpoint(
            "workflow_triggers", "/{account_id}/workflows/{parent_id}/triggers", "triggers",
            records.WorkflowTrigger, optional=True, parent="workflows", parent_column="workflow_id",
        ),
        Endpoint(
            "segments", "/{account_id}/segments", "segments", email_records.Segment,
            paginated=True, per_page=100, optional=True, newer=True, historic=True,
        ),
        Endpoint(
            "broadcast_audiences", "/{account_id}/broadcasts/{parent_id}/audience", "audience",
            email_records.BroadcastAudience, key="broadcast_id", optional=True, newer=True,
            parent="broadcasts", single=True, version="parent", historic=True, ignored_in_history=(VERSION,),
        ),
        Endpoint(
            "workflow_details", "/{account_id}/workflows/{parent_id}/details", "workflows",
            email_records.WorkflowDetails, optional=True, newer=True, parent="workflows", version="etag",
            historic=True, ignored_in_history=(VERSION,),
        ),
        Endpoint(
            "email_metrics", "/{account_id}/metrics/email", "emails", email_records.EmailMetric,
            key="email_id", optional=True, newer=True, daily=True,
        ),
    )
}  # fmt: skip

ACCOUNTS = ENDPOINTS["accounts"]

HISTORIC = tuple(name for name, endpoint in ENDPOINTS.items() if endpoint.historic)
"""Resources whose history can be kept."""

DEFAULT_RESOURCES = tuple(name for name, endpoint in ENDPOINTS.items() if not endpoint.optional)
"""Resources that are synced by default."""
