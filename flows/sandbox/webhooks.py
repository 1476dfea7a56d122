"""Making and removing webhooks: the writes that the sandbox accepts."""

import re
from typing import Any

import msgspec

from flows.sandbox.generator.people import API
from flows.sandbox.generator.timeline import iso
from flows.sandbox.messages import Answer, Call, errors, of_body, of_json
from flows.sandbox.world import Account, World

RESOURCE = "webhooks"
LIST = re.compile(r"/(?P<account>[^/]+)/webhooks")
MEMBER = re.compile(r"/(?P<account>[^/]+)/webhooks/(?P<id>[^/]+)")
FIRST_ID = 7_000_001
RECEIVED = "subscriber.received_email"
EVENTS = tuple(
    f"subscriber.{name}"
    for name in (
        "created", "deleted", "marked_as_deliverable", "marked_as_undeliverable", "subscribed_to_campaign",
        "removed_from_campaign", "unsubscribed_from_campaign", "unsubscribed_all", "reactivated", "completed_campaign",
        "applied_tag", "removed_tag", "updated_custom_field", "updated_email_address", "updated_lifetime_value",
        "updated_time_zone", "updated_alias", "received_email", "opened_email", "clicked_email", "bounced",
        "complained", "clicked_trigger_link", "visited_page", "became_lead", "became_non_prospect",
        "updated_lead_score", "performed_custom_event", "subscribed_to_email_marketing",
    )
)  # fmt: skip
"""All that there are, in the order of the reference."""


class _New(msgspec.Struct):
    post_url: str
    include_received_email: bool = False
    events: list[str] | None = None


class _Request(msgspec.Struct):
    webhooks: list[_New]


def account_of(path: str) -> str | None:
    """The account whose webhooks a path below the base leads to; None for any other path."""
    found = LIST.fullmatch(path) or MEMBER.fullmatch(path)
    return found["account"] if found else None


def change(world: World, account: Account, call: Call, path: str) -> Answer | None:
    """Answer a request that makes or removes a webhook; None for any other."""
    if call.method == "POST" and LIST.fullmatch(path):
        return _make(world, account, call.body)
    if call.method == "DELETE" and (member := MEMBER.fullmatch(path)):
        return _remove(account, member["id"])
    return None


def _make(world: World, account: Account, body: bytes) -> Answer:
    try:
        asked = msgspec.json.decode(body, type=_Request).webhooks
    except msgspec.MsgspecError as problem:
        return errors(422, message=str(problem), attribute="webhooks")
    if len(asked) != 1 or not asked[0].post_url.startswith(("http://", "https://")):
        return errors(422, message="Post url is not a URL", attribute="post_url")
    if unknown := {*(asked[0].events or ())} - {*EVENTS}:
        return errors(422, message=f"Events include {min(unknown)}", attribute="events")
    record = _record(world, account, asked[0])
    account.records[RESOURCE].add(record)
    return of_json(201, {"links": {"webhooks.account": f"{API}/accounts/{{webhooks.account}}"}, RESOURCE: [record]})


def _record(world: World, account: Account, asked: _New) -> dict[str, Any]:
    world.made_webhooks += 1
    number = str(FIRST_ID + world.made_webhooks)
    return {
        "id": number,
        "href": f"{API}/{account.id}/webhooks/{number}",
        "created_at": iso(int(world.now().timestamp())),
        "links": {"account": account.id},
        "post_url": asked.post_url,
        "version": "2",
        "include_received_email": asked.include_received_email,
        "events": asked.events or [one for one in EVENTS if one != RECEIVED or asked.include_received_email],
    }


def _remove(account: Account, webhook: str) -> Answer:
    try:
        account.records[RESOURCE].get(webhook)
    except KeyError:
        return errors(404)
    account.records[RESOURCE].delete([webhook])
    return of_body(204, b"", "application/json")
