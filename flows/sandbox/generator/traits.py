"""Tags and custom fields of an account's subscribers, which change over time."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.sandbox.generator.draws import Dice, Hashes, Indices, draw, key_of, mix, uniform
from flows.sandbox.generator.timeline import DAY, START, Timeline
from flows.sandbox.generator.wording import CUSTOM_VALUES, OWN_TAGS, SHARED_TAGS, TOPICS

Mask = NDArray[np.bool_]

BIGGEST_TAG, TAIL = 0.62, 1.15
TAGGED_WITHIN, TAG_KEPT_AT_LEAST, TAG_LOST = 300 * DAY, 30 * DAY, 0.15
CHANGING, FASTEST, SLOWEST = 0.4, 45 * DAY, 400 * DAY
SLICE = np.uint64(0x1FFFFF)
SLICE_UNIT = 2.0**-21


class Tags:
    """The tags of an account, most common first, and who has them at what time."""

    def __init__(self, seed: int, account_id: str, count: int) -> None:
        self.names = _tag_names(Dice(seed, account_id, "tags"), count)
        self._keys = np.array([key_of(seed, account_id, "tag", name) for name in self.names], dtype=np.uint64)
        ranks = np.arange(1, count + 1)
        self._shares = BIGGEST_TAG / ranks**TAIL
        moments = Timeline(key_of(seed, account_id, "tag times"), count, 1.1).moments(np.arange(count))
        self._since = np.where(ranks <= min(3, count), START, moments)

    def known(self, now: int) -> list[str]:
        """The tags that exist by then."""
        return [name for name, since in zip(self.names, self._since.tolist(), strict=True) if since < now]

    def carried(self, indices: Indices, created: Indices, now: int) -> list[list[str]]:
        """Each person's tags, in alphabetical order."""
        held = np.column_stack([self._held(place, indices, created, now) for place in range(len(self.names))])
        lists: list[list[str]] = [[] for _ in range(len(indices))]
        order = np.array(sorted(range(len(self.names)), key=self.names.__getitem__))
        for row, place in zip(*(part.tolist() for part in np.nonzero(held[:, order])), strict=True):
            lists[row].append(self.names[order[place]])
        return lists

    def carry(self, name: str, indices: Indices, created: Indices, now: int) -> Mask:
        """Which of these people have this tag."""
        if name not in self.names:
            return np.zeros(len(indices), dtype=np.bool_)
        return self._held(self.names.index(name), indices, created, now)

    def _held(self, place: int, indices: Indices, created: Indices, now: int) -> Mask:
        drawn = mix(draw(0, indices) + self._keys[place : place + 1])
        luck, delay, end = (_slice(drawn, shift) for shift in (0, 21, 42))
        gained = np.maximum(created + delay**2 * TAGGED_WITHIN, self._since[place])
        lost = gained + TAG_KEPT_AT_LEAST + end * TAGGED_WITHIN
        kept = (end > TAG_LOST) | (lost > now)
        held: Mask = (luck < self._shares[place]) & (gained < now) & kept
        return held


class CustomField(NamedTuple):
    """A custom field of an account; `share` of its people have it."""

    name: str
    share: float
    values: tuple[Any, ...]
    since: int


class CustomFields:
    """The custom fields of an account, and their values per person and time."""

    def __init__(self, seed: int, account_id: str, count: int) -> None:
        dice = Dice(seed, account_id, "custom fields")
        self._key = key_of(seed, account_id, "custom values")
        names = list(CUSTOM_VALUES)
        picked = ["plan", *(name for name in _shuffled(dice, names) if name != "plan")][:count]
        times = Timeline(key_of(self._key, "times"), count, 1.0).moments(np.arange(count)).tolist()
        times[0] = START
        self.fields = [
            CustomField(name, 0.25 + 0.6 * dice.number(), CUSTOM_VALUES[name], since)
            for name, since in zip(picked, times, strict=True)
        ]

    def known(self, now: int) -> list[str]:
        """The identifiers that exist by then."""
        return [field.name for field in self.fields if field.since < now]

    def values(self, indices: Indices, created: Indices, now: int) -> list[dict[str, Any]]:
        """Each person's custom fields. Values are shared between people; do not change them in place."""
        records: list[dict[str, Any]] = [{} for _ in range(len(indices))]
        edition = self._edition(indices, created, now)
        for field in self.fields:
            if field.since < now:
                self._fill(field, indices, edition, records)
        return records

    def _edition(self, indices: Indices, created: Indices, now: int) -> Indices:
        luck = uniform(key_of(self._key, "edition"), indices)
        period = FASTEST + luck / CHANGING * (SLOWEST - FASTEST)
        return np.where(luck < CHANGING, (now - created) // period, 0).astype(np.int64)

    def _fill(self, field: CustomField, indices: Indices, edition: Indices, records: list[dict[str, Any]]) -> None:
        has = uniform(key_of(self._key, field.name, "has"), indices) < field.share
        drawn = draw(key_of(self._key, field.name), indices)
        places = mix(drawn + edition.astype(np.uint64)) % np.uint64(len(field.values))
        for row, place in zip(np.nonzero(has)[0].tolist(), places[has].tolist(), strict=True):
            records[row][field.name] = field.values[place]


def _slice(drawn: Hashes, shift: int) -> NDArray[np.float64]:
    return ((drawn >> np.uint64(shift)) & SLICE).astype(np.float64) * SLICE_UNIT


def _tag_names(dice: Dice, count: int) -> list[str]:
    own = _shuffled(dice, [pattern.format(topic) for topic in TOPICS for pattern in OWN_TAGS])
    return [*SHARED_TAGS, *own][:count]


def _shuffled(dice: Dice, names: list[str]) -> list[str]:
    return [name for _, name in sorted((dice.number(), name) for name in names)]
