"""The short lists of an account: broadcasts, campaigns, workflows, goals, webhooks, forms, events."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from flows.sandbox.generator.draws import Dice, key_of
from flows.sandbox.generator.people import API
from flows.sandbox.generator.timeline import DAY, Timeline, iso
from flows.sandbox.generator.wording import (
    CAMPAIGNS,
    GOALS,
    ORIENTATIONS,
    OWN_EVENTS,
    SHARED_EVENTS,
    SUBJECTS,
    TOPICS,
    TRIGGER_TYPES,
    WEBHOOK_EVENTS,
    WORKFLOWS,
)

GROWTH = 1.3
NUMBERS = {
    "broadcasts": 1,
    "campaigns": 2,
    "workflows": 3,
    "conversions": 4,
    "webhooks": 5,
    "forms": 6,
    "triggers": 7,
    "segments": 8,
}
PATHS = {"conversions": "goals"}

SENT, CANCELED, DELETED = 0.7, 0.08, 0.1
HOUR = 3_600
MASKS = ("0111110", "1111111", "0101010", "0000001", "1000001")
CAMPAIGN_DRAFT, CAMPAIGN_PAUSES = 5 * DAY, 0.35
WORKFLOW_DRAFT, WORKFLOW_PAUSES = 8 * DAY, 0.3

Json = dict[str, Any]


@dataclass(frozen=True)
class Book:
    """The input for an account's short lists; `counts` has their lengths on the default day."""

    seed: int
    account_id: str
    counts: dict[str, int]
    sender: str

    def moments(self, resource: str, now: int) -> list[int]:
        """The creation times of all items that exist at `now`, oldest first."""
        key = key_of(self.seed, self.account_id, resource, "times")
        timeline = Timeline(key, self.counts[resource], GROWTH)
        moments: list[int] = timeline.moments(np.arange(timeline.reach(now))).tolist()
        return moments

    def dice(self, resource: str, index: int) -> Dice:
        return Dice(self.seed, self.account_id, resource, index)

    def identity(self, resource: str, index: int, created: int) -> Json:
        """The fields that every item has. Ids contain the account id, so they are unique across accounts."""
        number = f"{self.account_id}{NUMBERS[resource]}{index:05d}"
        path = PATHS.get(resource, resource)
        return {
            "id": number,
            "created_at": iso(created),
            "href": f"{API}/{self.account_id}/{path}/{number}",
            "links": {"account": self.account_id},
        }

    def sending(self) -> Json:
        """The fields that broadcasts and campaigns have in common."""
        return {
            "from_name": self.sender,
            "from_email": f"hello{self.account_id}@example.com",
            "postal_address": f"{self.sender}\n1 Example Quay\n00501 Holtsville NY",
        }


def index_in(book: Book, resource: str, record_id: str) -> int | None:
    """The index of an item with a generated id of this account, or None."""
    start = f"{book.account_id}{NUMBERS[resource]}"
    tail = record_id.removeprefix(start)
    known = record_id.startswith(start) and len(tail) == 5 and tail.isdigit()
    return int(tail) if known else None


def broadcasts(book: Book, now: int) -> list[Json]:
    """The broadcasts, oldest first, including deleted ones."""
    return [_broadcast(book, i, created, now) for i, created in enumerate(book.moments("broadcasts", now))]


def _broadcast(book: Book, index: int, created: int, now: int) -> Json:
    dice = book.dice("broadcasts", index)
    subject = dice.pick(SUBJECTS).format(dice.pick(TOPICS))
    send_at = created + DAY + dice.between(0, 20 * 24) * HOUR
    status = _broadcast_status(dice.number(), created, send_at, now)
    identity = book.identity("broadcasts", index, created)
    body = f"<h1>{subject}</h1><p>Bonjour {{{{ subscriber.first_name }}}}, we thought of you.</p>"
    return {
        **identity,
        **book.sending(),
        "status": status,
        "name": f"{iso(created)[:7]} {subject}",
        "localize_sending_time": dice.chance(0.3),
        "send_at": iso(send_at) if status in ("scheduled", "sending", "sent", "canceled") else None,
        "bcc": "archive@example.com" if dice.chance(0.1) else None,
        "preview_url": f"{identity['href']}/preview",
        "subject": subject,
        "html_body": f"<html><body>{body}</body></html>",
        "text_body": None if dice.chance(0.2) else f"{subject}\n\nWe thought of you.",
        "derived": {"status": f"{status.capitalize()}: {subject}"},
    }


def _broadcast_status(fate: float, created: int, send_at: int, now: int) -> str:
    if fate > SENT + CANCELED + DELETED or now < created + DAY:
        return "draft"
    if now < send_at:
        return "scheduled"
    if fate < SENT:
        return "sent" if now >= send_at + 2 * HOUR else "sending"
    return "canceled" if fate < SENT + CANCELED else "deleted"


def campaigns(book: Book, now: int) -> list[Json]:
    """The campaigns, oldest first, without the two subscriber counts."""
    return [_campaign(book, i, created, now) for i, created in enumerate(book.moments("campaigns", now))]


def _campaign(book: Book, index: int, created: int, now: int) -> Json:
    dice = book.dice("campaigns", index)
    own_page = dice.chance(0.3)
    forms = [book.identity("forms", place, 0)["id"] for place in range(dice.between(0, 2))]
    identity = book.identity("campaigns", index, created)
    return {
        **identity,
        **book.sending(),
        "status": _running(dice, created, now, CAMPAIGN_DRAFT, CAMPAIGN_PAUSES),
        "name": dice.pick(CAMPAIGNS).format(dice.pick(TOPICS)),
        "minutes_from_midnight": dice.between(0, 95) * 15,
        "localize_sending_time": dice.chance(0.5),
        "days_of_the_week_mask": dice.pick(MASKS),
        "start_immediately": dice.chance(0.7),
        "double_optin": dice.chance(0.4),
        "send_to_confirmation_page": own_page,
        "use_custom_confirmation_page": own_page,
        "confirmation_url": "https://www.example.com/welcome" if own_page else None,
        "post_confirmation_url": "https://www.example.com/thanks" if own_page else None,
        "notify_subscribe_email": "team@example.com" if dice.chance(0.2) else None,
        "notify_unsubscribe_email": None,
        "bcc": None,
        "email_count": dice.between(1, 12),
        "links": {**identity["links"], "forms": forms},
    }


def _running(dice: Dice, created: int, now: int, draft: int, pauses: float) -> str:
    if now < created + draft:
        return "draft"
    paused_at = _paused_at(dice, created + draft, pauses)
    return "paused" if paused_at and now >= paused_at else "active"


def _paused_at(dice: Dice, started: int, pauses: float) -> int | None:
    """When something is paused that runs since a moment; None where it never is."""
    at = started + dice.between(1, 500) * DAY
    return at if dice.chance(pauses) else None


def workflow_span(book: Book, index: int, created: int) -> tuple[int, int | None]:
    """From when to when a workflow runs; None where it does not end."""
    started = created + WORKFLOW_DRAFT
    return started, _paused_at(book.dice("workflows", index), started, WORKFLOW_PAUSES)


def workflows(book: Book, now: int) -> list[Json]:
    """The workflows, oldest first."""
    return [_workflow(book, i, created, now) for i, created in enumerate(book.moments("workflows", now))]


def _workflow(book: Book, index: int, created: int, now: int) -> Json:
    dice = book.dice("workflows", index)
    status = _running(dice, created, now, WORKFLOW_DRAFT, WORKFLOW_PAUSES)
    name = dice.pick(WORKFLOWS).format(dice.pick(TOPICS))
    return {**book.identity("workflows", index, created), "status": status, "name": name}


def triggers(book: Book, workflow_id: str) -> list[Json]:
    """The one to three triggers of a workflow; none for a workflow that was not generated."""
    workflow = index_in(book, "workflows", workflow_id)
    if workflow is None:
        return []
    dice = book.dice("triggers", workflow)
    return [_trigger(book, workflow_id, workflow * 3 + place, dice) for place in range(dice.between(1, 3))]


def _trigger(book: Book, workflow_id: str, index: int, dice: Dice) -> Json:
    identity = book.identity("triggers", index, 0)
    return {
        "id": identity["id"],
        "href": f"{API}/{book.account_id}/workflows/{workflow_id}/triggers/{identity['id']}",
        "type": "trigger",
        "provider": "drip",
        "trigger_type": dice.pick(TRIGGER_TYPES),
        "properties": {"name": dice.pick(TOPICS)},
        "actions_required": [{"code": "reconnect", "message": "Reconnect the form"}] if dice.chance(0.1) else [],
        "links": {"account": book.account_id, "workflow": workflow_id},
    }


def goals(book: Book, now: int) -> list[Json]:
    """The goals, oldest first."""
    return [_goal(book, i, created, now) for i, created in enumerate(book.moments("conversions", now))]


def _goal(book: Book, index: int, created: int, now: int) -> Json:
    dice = book.dice("conversions", index)
    disabled_at = created + dice.between(30, 600) * DAY
    return {
        **book.identity("conversions", index, created),
        "status": "disabled" if dice.chance(0.5) and now >= disabled_at else "active",
        "name": dice.pick(GOALS).format(dice.pick(TOPICS)),
        "url": dice.pick(("/thank-you", "https://www.example.com/booked", None)),
        "default_value": dice.between(0, 30_000) if dice.chance(0.8) else None,
        "counting_method": dice.pick(("one_per_visitor", "all")),
    }


def webhooks(book: Book, now: int) -> list[Json]:
    """The webhooks, oldest first."""
    return [_webhook(book, i, created) for i, created in enumerate(book.moments("webhooks", now))]


def _webhook(book: Book, index: int, created: int) -> Json:
    dice = book.dice("webhooks", index)
    return {
        **book.identity("webhooks", index, created),
        "post_url": f"https://hooks.example.com/drip/{index}",
        "version": "2",
        "include_received_email": dice.chance(0.2),
        "events": [event for event in WEBHOOK_EVENTS if dice.chance(0.5)],
    }


def forms(book: Book, now: int) -> list[Json]:
    """The forms, oldest first."""
    return [_form(book, i, created) for i, created in enumerate(book.moments("forms", now))]


def _form(book: Book, index: int, created: int) -> Json:
    dice = book.dice("forms", index)
    return {
        **book.identity("forms", index, created),
        "headline": dice.pick(("Stay in touch", "Bleiben wir in Kontakt", None)),
        "description": None,
        "button_text": dice.pick(("Sign up", "Go →", "登録")),
        "confirmation_heading": "Thank you",
        "confirmation_text": None,
        "send_ga_event": dice.chance(0.5),
        **_form_widget(dice),
    }


def _form_widget(dice: Dice) -> Json:
    """How and where a form is shown."""
    return {
        "seconds_before_popup": dice.between(0, 60),
        "days_between_popup": dice.between(1, 30),
        "days_between_popup_after_close": dice.between(1, 90),
        "orientation": dice.pick(ORIENTATIONS),
        "opacity": dice.between(0, 20) / 20,
        "show_labels": dice.chance(0.6),
        "primary_color": dice.pick(("#1d3557", "#2a9d8f")),
        "secondary_color": dice.pick(("#ffffff", "#f1faee")),
        "is_widget_enabled": dice.chance(0.7),
        "whitelist": ["/blog/*"] if dice.chance(0.3) else [],
        "blacklist": ["/checkout", "/账户"] if dice.chance(0.3) else [],
        "is_whitelist_enabled": dice.chance(0.3),
        "is_blacklist_enabled": dice.chance(0.3),
        "hide_on_mobile": dice.chance(0.2),
        "is_embeddable": dice.chance(0.5),
    }


def event_actions(book: Book, now: int) -> list[str]:
    """The names of custom events, oldest first; all accounts share the first ones."""
    moments = book.moments("events", now)
    dice = book.dice("events", 0)
    own = [pattern.format(topic) for pattern in OWN_EVENTS for topic in TOPICS]
    own = [name for _, name in sorted((dice.number(), name) for name in own)]
    numbered = [f"Step {place + 1}" for place in range(max(len(moments) - len(own) - len(SHARED_EVENTS), 0))]
    return [*SHARED_EVENTS, *own, *numbered][: len(moments)]
