"""What webhooks tell of an account's people between two moments: how their lives change, and what they do with emails.

Changes are read off the records that the lists show, so whoever compares the lists of two days finds what was told.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from flows.sandbox.generator import catalogue
from flows.sandbox.generator.catalogue import Book
from flows.sandbox.generator.draws import Dice
from flows.sandbox.generator.steps import email_id
from flows.sandbox.generator.timeline import DAY, iso
from flows.sandbox.generator.wording import USER_AGENTS

Json = dict[str, Any]
HOUR = 3600
SHOWN = ("id", "status", "email", "time_zone", "utc_offset", "custom_fields", "tags", "created_at", "lead_score")
"""The fields of a subscriber that a delivery holds: fewer than the list has."""
STATUS_EVENTS = {
    ("active", "unsubscribed"): ("unsubscribed_all", {}),
    ("active", "undeliverable"): ("marked_as_undeliverable", {"source": "bounce"}),
    ("unsubscribed", "active"): ("reactivated", {}),
    ("undeliverable", "active"): ("marked_as_deliverable", {"source": "api"}),
}
OPENED, CLICKED, BOUNCED, COMPLAINED = 0.4, 0.1, 0.01, 0.002
SCANNED = 0.03
LINKS = tuple(f"https://www.example.com/{page}" for page in ("", "offer", "guide", "shop", "preferences"))
"""Of every email, in their order."""
PERSON_ADDRESS, SCANNER_ADDRESS = "203.0.113.9", "198.51.100.7"
SCANNER_AGENTS = (
    USER_AGENTS[0],
    "Barracuda Sentinel (EE)",
    "Mozilla/5.0 (compatible; LinkBot/2.1)",
    "python-requests/2.32",
)
BUSY = 0.02
"""Share of the people who do something else on a day."""


class Happened(NamedTuple):
    """An event of a person, at a second since 1970."""

    at: int
    name: str
    person: Json
    properties: Json | None

    def body(self, account: str) -> Json:
        """As it is delivered."""
        data: Json = {"account_id": account, "subscriber": {name: self.person.get(name) for name in SHOWN}}
        if self.properties is not None:
            data["properties"] = self.properties
        return {"event": f"subscriber.{self.name}", "data": data, "occurred_at": iso(self.at)}


def happened(book: Book, people: Any, start: int, end: int) -> list[Happened]:
    """All that happened after one moment, up to and including another, in its order.

    Args:
        book: the short lists of the account.
        people: its subscribers, as `People`.
        start: seconds since 1970.
        end: seconds since 1970.
    """
    arrived = np.arange(people.population.timeline.reach(end), dtype=np.int64)
    lives = people.population.lives(arrived)
    there = (lives.created <= end) & (lives.deleted > start)
    before, after = (people.records(arrived[there], moment) for moment in (start, end))
    moments = zip(
        *(getattr(lives, name)[there].tolist() for name in ("created", "left", "back", "deleted")), strict=True
    )
    sent = _sent(book, start, end)
    found: list[Happened] = []
    for old, new, (created, left, back, deleted) in zip(before, after, moments, strict=True):
        dice = Dice(book.seed, new["id"], start, end)
        if created > start:
            found.append(Happened(created, "created", new, None))
        else:
            found += _status(old, new, [one for one in (left, back) if start < one <= end], end)
            found += _changes(old, new, partial(dice.between, start + 1, end))
        found += _emails(sent, new, dice)
        found += _deeds(book, new, dice, start, end)
        if deleted <= end:
            found.append(Happened(deleted, "deleted", new, None))
    return sorted(found, key=lambda one: one.at)


def _status(old: Json, new: Json, moments: list[int], end: int) -> Iterator[Happened]:
    if (name := STATUS_EVENTS.get((old["status"], new["status"]))) is not None:
        yield Happened(max(moments, default=end), name[0], new, dict(name[1]))


def _changes(old: Json, new: Json, moment: Callable[[], int]) -> Iterator[Happened]:
    """What differs between two records of a person."""
    for tag in sorted({*new["tags"]} - {*old["tags"]}):
        yield Happened(moment(), "applied_tag", new, {"tag": tag})
    for tag in sorted({*old["tags"]} - {*new["tags"]}):
        yield Happened(moment(), "removed_tag", new, {"tag": tag})
    fields = {**old["custom_fields"], **new["custom_fields"]}
    for name in fields:
        was, now = old["custom_fields"].get(name), new["custom_fields"].get(name)
        if was != now:
            values = {"identifier": name, "value": now, "previous_value": was, "source": "api"}
            yield Happened(moment(), "updated_custom_field", new, values)
    for name, event in (("lifetime_value", "updated_lifetime_value"), ("email", "updated_email_address")):
        if old[name] != new[name]:
            values = {"value": new[name], "previous_value": old[name], "source": "api"}
            yield Happened(moment(), event, new, values)
    if old["lead_score"] != new["lead_score"]:
        scores = {"lead_score": new["lead_score"], "previous_lead_score": old["lead_score"]}
        yield Happened(moment(), "updated_lead_score", new, scores)


class _Email(NamedTuple):
    """A broadcast and when it was sent. `id` is that of the email, as in its figures."""

    at: int
    email: str
    id: str
    subject: str


def _sent(book: Book, start: int, end: int) -> list[_Email]:
    """The broadcasts whose sending began in the time."""
    rows = [one for one in catalogue.broadcasts(book, end) if one["status"] in ("sending", "sent")]
    moments = [(int(datetime.fromisoformat(one["send_at"]).timestamp()), one) for one in rows]
    return [
        _Email(at, one["id"], str(email_id(book.account_id, one["id"])), one["subject"])
        for at, one in moments
        if start < at <= end
    ]


def _emails(sent: list[_Email], person: Json, dice: Dice) -> Iterator[Happened]:
    """What came of the broadcasts that were sent to a person, within the hour of each."""
    for email in sent if person["status"] == "active" else ():
        base = {"delivery_id": f"{email.email}{person['id'][-6:]}", "email_id": email.id}
        base |= {"email_subject": email.subject}
        at = email.at + dice.between(0, 300)
        if dice.chance(BOUNCED):
            yield Happened(at, "bounced", person, base)
            continue
        yield Happened(at, "received_email", person, base)
        if dice.chance(OPENED):
            at += dice.between(5, HOUR)
            yield Happened(at, "opened_email", person, base)
        if dice.chance(SCANNED):
            yield from _scanner_clicks(email.at + 300, person, base, dice)
        if dice.chance(CLICKED):
            agent, at = dice.pick(USER_AGENTS), at + 7
            for link in LINKS[: 1 + dice.between(0, 1) * dice.between(0, len(LINKS) - 1)]:
                yield Happened(at, "clicked_email", person, base | _click(link, agent, PERSON_ADDRESS))
                at += dice.between(4, 120)
        if dice.chance(COMPLAINED):
            yield Happened(at + 60, "complained", person, base)


def _scanner_clicks(at: int, person: Json, base: Json, dice: Dice) -> Iterator[Happened]:
    """A gateway that follows the links of an email: some tell who they are, the others follow several at once."""
    agent = dice.pick(SCANNER_AGENTS)
    count = len(LINKS) if agent in USER_AGENTS else dice.between(1, len(LINKS))
    for link in LINKS[:count]:
        yield Happened(at, "clicked_email", person, base | _click(link, agent, SCANNER_ADDRESS))
        at += dice.between(0, 1)


def _click(url: str, agent: str, address: str) -> Json:
    return {"url": url, "user_agent": agent, "ip_address": address}


def _deeds(book: Book, person: Json, dice: Dice, start: int, end: int) -> Iterator[Happened]:
    """What some people do on a day, of all the other kinds."""
    if not dice.chance(min(1.0, BUSY * (end - start) / DAY)):
        return
    order = {"action": "Placed an order", "amount": dice.between(500, 90_000), "ratio": 0.25}
    link = {"url": "https://t.example.com/x", "ip_address": "203.0.113.7", "trigger_id": 4711, "source": "email"}
    campaign = {"campaign_id": f"{book.account_id}1", "campaign_name": "Welcome"}
    score = dice.between(1, 90)
    deeds: tuple[tuple[str, Json | None], ...] = (
        ("performed_custom_event", order),
        ("visited_page", {"url": f"https://www.example.com/?page={dice.between(1, 9)}"}),
        ("clicked_trigger_link", link),
        ("became_lead", {"lead_score": score}),
        ("became_non_prospect", None),
        ("subscribed_to_email_marketing", None),
        ("subscribed_to_campaign", campaign),
        ("removed_from_campaign", campaign),
        ("unsubscribed_from_campaign", campaign),
        ("completed_campaign", campaign),
        ("updated_time_zone", {"value": person["time_zone"], "previous_value": "Etc/UTC"}),
        ("updated_alias", {"identifier": "user_id", "value": "u1", "previous_value": None, "source": "api"}),
    )
    name, properties = dice.pick(deeds)
    yield Happened(dice.between(start + 1, end), name, person, properties)
