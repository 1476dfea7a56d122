"""The members of a campaign (active, unsubscribed or removed) at any time."""

import numpy as np

from flows.sandbox.generator.catalogue import Book, index_in
from flows.sandbox.generator.draws import Indices, key_of, uniform
from flows.sandbox.generator.subscribers import Subscribers
from flows.sandbox.generator.timeline import DAY

MEMBER_STATUSES = ("active", "unsubscribed", "removed")
MOST, JOINING = 4_000, 0.5
JOINED_WITHIN, LEFT_WITHIN = 120 * DAY, 700 * DAY
UNSUBSCRIBING, REMOVED = 0.15, 0.1


def members(book: Book, subscribers: Subscribers, campaign_id: str, now: int) -> dict[str, Indices]:
    """The members of a campaign by their status in it; none for a campaign that was not generated."""
    campaign = index_in(book, "campaigns", campaign_id)
    moments = book.moments("campaigns", now)
    if campaign is None or campaign >= len(moments):
        return {status: np.array([], dtype=np.int64) for status in MEMBER_STATUSES}
    key = key_of(book.seed, book.account_id, "members", campaign)
    people = _joined(key, campaign, moments[campaign], subscribers, now)
    return _by_status(key, people, subscribers, now)


def _joined(key: int, campaign: int, began: int, subscribers: Subscribers, now: int) -> Indices:
    """Those who joined, out of a sample, so that campaigns of huge accounts have a few thousand members at most."""
    created = subscribers.lives().created
    stride = max(2, subscribers.people.population.size // MOST)
    asked = np.arange(campaign % stride, len(created), stride, dtype=np.int64)
    joined = np.maximum(created[asked], began) + uniform(key_of(key, "joined"), asked) * JOINED_WITHIN
    willing = uniform(key_of(key, "willing"), asked) < JOINING
    return asked[willing & (joined < now) & subscribers.present(asked)]


def _by_status(key: int, people: Indices, subscribers: Subscribers, now: int) -> dict[str, Indices]:
    lives = subscribers.lives()
    luck = uniform(key_of(key, "leaving"), people)
    leaves_at = lives.created[people] + uniform(key_of(key, "left"), people) * LEFT_WITHIN
    removed = (luck < REMOVED) & (leaves_at < now)
    unsubscribing = (luck < REMOVED + UNSUBSCRIBING) & (leaves_at < now)
    unsubscribed = (unsubscribing | lives.gone(now)[people]) & ~removed
    masks = (~(removed | unsubscribed), unsubscribed, removed)
    return {status: people[mask] for status, mask in zip(MEMBER_STATUSES, masks, strict=True)}
