"""The steps of a workflow: a tree of delays, decisions and emails, the same one for the same workflow."""

from collections.abc import Iterator
from typing import Any

from flows.sandbox.generator.catalogue import Book, Json
from flows.sandbox.generator.draws import Dice, key_of
from flows.sandbox.generator.people import API
from flows.sandbox.generator.wording import SUBJECTS, TOPICS

MOST_EMAILS = 4
EMAIL_IDS = 10**12
SEND_EMAIL = "send_email"


def email_id(account_id: str, *parts: str | int) -> int:
    """The id of an email, which is a JSON number."""
    return EMAIL_IDS + key_of(account_id, "email", *parts) % EMAIL_IDS


def details(book: Book, workflow: Json, triggers: list[Json]) -> Json:
    """A workflow with its steps, as `/workflows/{id}/details` gives it."""
    steps = _steps(book, str(workflow["id"]))
    return {
        "id": workflow["id"],
        "href": workflow.get("href") or f"{API}/{book.account_id}/workflows/{workflow['id']}",
        "name": workflow.get("name"),
        "description": None,
        "status": workflow.get("status"),
        "created_at": workflow.get("created_at"),
        "updated_at": workflow.get("updated_at") or workflow.get("created_at"),
        "node_count": sum(1 for _ in walk(steps)),
        "details": {
            "type": "workflow",
            "id": "ROOT",
            "triggers": [{"id": one["id"], "type": one["trigger_type"]} for one in triggers],
            "steps": steps,
        },
        "links": {"account": book.account_id},
    }


def walk(steps: list[Json]) -> Iterator[Json]:
    """Every step of a tree, a parent before its own steps."""
    for step in steps:
        yield step
        yield from walk(step.get("steps", []))


def emails(book: Book, workflow_id: str) -> list[tuple[str, int, str]]:
    """Node, email id and subject of each email that a workflow sends."""
    return [
        (step["id"], step["properties"]["automation_email_id"], step["properties"]["subject"])
        for step in walk(_steps(book, workflow_id))
        if step["type"] == SEND_EMAIL
    ]


def _steps(book: Book, workflow_id: str) -> list[Json]:
    """Emails with delays between them; whoever did not open the first one goes another way."""
    dice = Dice(book.seed, book.account_id, "steps", workflow_id)
    first, *rest = [_email(book, workflow_id, dice, number + 1) for number in range(dice.between(1, MOST_EMAILS))]
    delays = [_node("delay", f"DELAY{number + 1}", {"days": dice.between(1, 7)}) for number in range(len(rest))]
    pairs = [step for pair in zip(delays, rest, strict=True) for step in pair]
    if len(rest) < 2:
        return [first, *pairs]
    branches = [_node("branch", f"BRANCH{place}", {}, part) for place, part in enumerate((pairs[:2], pairs[2:]))]
    return [first, _node("decision", "DECISION1", {"condition": "opened the email before"}, branches)]


def _email(book: Book, workflow_id: str, dice: Dice, number: int) -> Json:
    subject = dice.pick(SUBJECTS).format(dice.pick(TOPICS))
    automation_email_id = email_id(book.account_id, workflow_id, number)
    properties = {"automation_email_id": automation_email_id, "subject": subject}
    return _node(SEND_EMAIL, f"SENDEMAILNODE{number}", properties)


def _node(kind: str, node_id: str, properties: dict[str, Any], steps: list[Json] | None = None) -> Json:
    node: Json = {"type": kind, "id": node_id, "properties": properties}
    return node if steps is None else {**node, "steps": steps}
