"""The life cycles of an account's subscribers as vectors: when they arrived, left and were deleted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.sandbox.generator.draws import WORD, Indices, draw, index_of, key_of, uniform
from flows.sandbox.generator.timeline import DAY, END, Timeline

STATUSES = ("active", "unsubscribed", "undeliverable")
GROWTH = 1.8
BLOCK = 50
DELETED_BY_NOW, DELETED_LATER = 25, 10
LEAVING, UNDELIVERABLE, RETURNING = 0.28, 0.2, 0.12
LEAVES_WITHIN, BACK_WITHIN, DELETED_WITHIN = 900 * DAY, 200 * DAY, 240 * DAY
NEVER = 2**62

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
PREFIX, TAIL = 7, 13
SPREAD = 48_271_000_013


@dataclass(frozen=True)
class Lives:
    """One row per person who ever arrived; times are in epoch seconds, NEVER if the event never happens."""

    created: Indices
    left: Indices
    bounced: NDArray[np.bool_]
    back: Indices
    deleted: Indices

    def gone(self, now: int) -> NDArray[np.bool_]:
        """Who has left by then and not come back."""
        away: NDArray[np.bool_] = (self.left <= now) & (self.back > now)
        return away

    def status(self, now: int) -> NDArray[np.int8]:
        """Positions in STATUSES."""
        return np.where(self.gone(now), np.where(self.bounced, 2, 1), 0).astype(np.int8)


class Population:
    """Everybody that an account ever had; on the default day, `size` of them are not deleted."""

    def __init__(self, seed: int, account_id: str, size: int) -> None:
        self.key = key_of(seed, account_id, "people")
        self.size = size
        self.arrived_by_end = _index_of_survivor(size - 1) + 1 if size else 0
        self.timeline = Timeline(key_of(self.key, "created"), self.arrived_by_end, GROWTH)
        self._id_key = key_of(self.key, "id")
        self._prefix = _base36(int(account_id) * SPREAD % 36**PREFIX, PREFIX)

    def lives(self, indices: Indices) -> Lives:
        """The life cycles of these people."""
        created = self.timeline.moments(indices)
        leaves = uniform(key_of(self.key, "leaves"), indices) < LEAVING
        lag = uniform(key_of(self.key, "lag"), indices) ** 2 * LEAVES_WITHIN
        left = np.where(leaves, created + lag.astype(np.int64), NEVER)
        bounced = uniform(key_of(self.key, "bounced"), indices) < UNDELIVERABLE
        return Lives(created, left, bounced, self._back(indices, left, bounced), self._deleted(indices, created))

    def _back(self, indices: Indices, left: Indices, bounced: NDArray[np.bool_]) -> Indices:
        """When people who unsubscribed subscribe again; most never do."""
        luck = uniform(key_of(self.key, "back"), indices)
        returning = (luck < RETURNING) & ~bounced & (left < NEVER)
        after = DAY + (luck / RETURNING * BACK_WITHIN).astype(np.int64)
        return np.where(returning, left + np.where(returning, after, 0), NEVER)

    def _deleted(self, indices: Indices, created: Indices) -> Indices:
        share = uniform(key_of(self.key, "deleted"), indices)
        early = created + (share * (END - created)).astype(np.int64)
        late = np.maximum(created, END) + 1 + (share * DELETED_WITHIN).astype(np.int64)
        place = indices % BLOCK
        by_now = (place == DELETED_BY_NOW) & (indices < self.arrived_by_end)
        doomed = (place == DELETED_BY_NOW) | (place == DELETED_LATER)
        return np.where(by_now, early, np.where(doomed, late, NEVER))

    def ids(self, indices: Indices) -> list[str]:
        """Ids of twenty lower-case alphanumeric characters; each account has its own prefix."""
        drawn = draw(self._id_key, indices)
        tail = np.empty((len(indices), TAIL), dtype=np.uint8)
        for place in range(TAIL - 1, -1, -1):
            tail[:, place] = LETTERS[(drawn % np.uint64(36)).astype(np.intp)]
            drawn = drawn // np.uint64(36)
        text = tail.tobytes().decode()
        return [self._prefix + text[at : at + TAIL] for at in range(0, len(text), TAIL)]

    def index(self, subscriber_id: str) -> int | None:
        """The index of the person with this id, or None if it is not an id of this account."""
        tail = subscriber_id[PREFIX:]
        if not subscriber_id.startswith(self._prefix) or len(tail) != TAIL or not set(tail) <= set(ALPHABET):
            return None
        drawn = int(tail, 36)
        found = index_of(self._id_key, drawn) if drawn < WORD else WORD
        return found if found < 2**40 else None


def _index_of_survivor(nth: int) -> int:
    block, place = divmod(nth, BLOCK - 1)
    return block * BLOCK + place + (place >= DELETED_BY_NOW)


def _base36(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 36)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
