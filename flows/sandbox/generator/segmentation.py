"""The segments of an account, and whom its broadcasts are sent to."""

from flows.sandbox.generator.catalogue import Book, Json
from flows.sandbox.generator.draws import Dice, key_of
from flows.sandbox.generator.timeline import DAY, iso
from flows.sandbox.generator.wording import TOPICS

NAMES = ("Bought {}", "Asked about {}", "No order in 90 days", "Opened {} twice", "VIP: {}", "Neue Leser: {}")
UNSUPPORTED = ("shopify_product", "lead_score_band")


def segments(book: Book, now: int) -> list[Json]:
    """In no order that anybody should rely on."""
    made = [_segment(book, index, created, now) for index, created in enumerate(book.moments("segments", now))]
    return sorted(made, key=lambda one: key_of(book.seed, one["id"]))


def _segment(book: Book, index: int, created: int, now: int) -> Json:
    dice = book.dice("segments", index)
    changed = created + dice.between(0, 400) * DAY
    return {
        **book.identity("segments", index, created),
        "name": dice.pick(NAMES).format(dice.pick(TOPICS)),
        "updated_at": iso(changed if changed < now else created),
    }


def audience(book: Book, broadcast_id: str) -> Json:
    """Whom a broadcast goes to: a filter, or what is known of one that cannot be written as such."""
    dice = Dice(book.seed, book.account_id, "audience", broadcast_id)
    if dice.chance(0.2):
        kinds = [dice.pick(UNSUPPORTED)]
        return {
            "message": "This audience has conditions that cannot be shown here",
            "summary": f"People with {dice.pick(TOPICS)}",
            "unsupported_types": kinds,
        }
    return {"filter": [_group(dice) for _ in range(dice.between(1, 2))]}


def _group(dice: Dice) -> list[Json]:
    """Conditions of which one has to hold."""
    conditions: list[Json] = [{"type": "tag", "properties": {"tag": dice.pick(TOPICS), "operator": "has"}}]
    if dice.chance(0.5):
        conditions.append({"type": "last_open", "properties": {"days": dice.between(7, 180)}})
    return conditions
