"""An account's subscribers as a lazy list: only the requested rows are generated."""

from collections.abc import Callable, Iterable
from datetime import datetime
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.sandbox.generator.draws import Indices, draw, key_of
from flows.sandbox.generator.people import People
from flows.sandbox.generator.population import STATUSES, Lives
from flows.sandbox.generator.records import Record, id_of

Mask = NDArray[np.bool_]

STRANGERS_FROM = 2**36
ACTIVE_OR_UNSUBSCRIBED = "active_or_unsubscribed"
STATUS_GROUPS = {
    **{status: (status,) for status in STATUSES},
    ACTIVE_OR_UNSUBSCRIBED: ("active", "unsubscribed"),
}


class Filter(NamedTuple):
    """A filter for subscribers.

    They must have one of the `statuses` and one of the `tags`, unless these are empty, and be created strictly `after`
    and `before` (epoch seconds).
    """

    statuses: tuple[str, ...] = ()
    after: float | None = None
    before: float | None = None
    tags: tuple[str, ...] = ()

    def admits(self, record: Record) -> bool:
        """Whether a record passes the filter; values that are not dicts always do."""
        if not isinstance(record, dict):
            return True
        fitting = not self.statuses or record.get("status") in self.statuses
        tagged = not self.tags or not set(self.tags).isdisjoint(record.get("tags") or ())
        return fitting and tagged and self._timely(record.get("created_at"))

    def _timely(self, created_at: Any) -> bool:
        if not isinstance(created_at, str):
            return True
        created = datetime.fromisoformat(created_at).timestamp()
        return (self.after is None or created > self.after) and (self.before is None or created < self.before)


EVERYONE = Filter()


class Selection:
    """The subscribers that pass a filter, in order; rows are generated when sliced."""

    def __init__(self, indices: Indices, added: list[Record], rows: Callable[[Indices], list[Record]]) -> None:
        self.indices = indices
        self._added = added
        self._rows = rows

    def __len__(self) -> int:
        return len(self.indices) + len(self._added)

    def slice(self, start: int, stop: int) -> list[Record]:
        """The records from `start` up to, not including, `stop`."""
        made = self._rows(self.indices[start:stop])
        inside = len(self.indices)
        return made + self._added[max(start - inside, 0) : max(stop - inside, 0)]


class Subscribers:
    """An account's subscribers at the world's moment, oldest first: generated records plus changes."""

    def __init__(self, people: People, now: Callable[[], int], lock: RLock) -> None:
        self.people = people
        self.version = 0
        self._now = now
        self._lock = lock
        self._removed: set[int] = set()
        self._changed: dict[int, dict[str, Any]] = {}
        self._added: list[Record] = []
        self._from = 0
        self._strangers = 0
        self._lives: tuple[int, Lives] | None = None
        self._selections: dict[Filter, tuple[tuple[int, int], Indices]] = {}

    @property
    def made(self) -> int:
        """The number of records generated so far."""
        return self.people.made

    def __len__(self) -> int:
        return len(self.select(EVERYONE))

    def all(self) -> list[Record]:
        """All current records, oldest first, generated on each call."""
        selection = self.select(EVERYONE)
        return selection.slice(0, len(selection))

    def ids(self) -> list[str]:
        """All current ids, oldest first, without generating the records."""
        with self._lock:
            return self.people.population.ids(self.select(EVERYONE).indices) + [id_of(r) for r in self._added]

    def sample(self, count: int) -> list[str]:
        """The ids of random generated subscribers; the same ones until the list is changed."""
        with self._lock:
            indices = self.select(EVERYONE).indices
            order = np.argsort(draw(key_of(self.people.population.key, "sample", self.version), indices))
            return self.people.population.ids(indices[order[:count]])

    def get(self, record_id: str) -> Record:
        """The record with this id; raises KeyError."""
        with self._lock:
            index = self._index(record_id)
            if index is not None:
                return self._rows(np.array([index]))[0]
            for record in self._added:
                if id_of(record) == record_id:
                    return record
        raise KeyError(record_id)

    def delete(self, ids: Iterable[str]) -> None:
        """Delete these subscribers; unknown ids are ignored."""
        with self._lock:
            gone = set(ids)
            found = (self.people.population.index(one) for one in gone if isinstance(one, str))
            self._removed |= {index for index in found if index is not None}
            self._added = [record for record in self._added if id_of(record) not in gone]
            self.version += 1

    def update(self, record_id: str, **changes: Any) -> None:
        """Set fields of a subscriber, whatever moment the world moves to; raises KeyError."""
        with self._lock:
            self.get(record_id)
            index = self._index(record_id)
            if index is not None:
                self._changed.setdefault(index, {}).update(changes)
            self._added = [{**r, **changes} if id_of(r) == record_id else r for r in self._added]
            self.version += 1

    def add(self, record: Record) -> None:
        """Append a record unchanged."""
        with self._lock:
            self._added.append(record)
            self.version += 1

    def clear(self) -> None:
        """Empty the list for good; records added later are kept."""
        with self._lock:
            self._from, self._added = 2**40, []
            self.version += 1

    def select(self, wanted: Filter) -> Selection:
        """The subscribers that currently pass the filter."""
        with self._lock:
            stamp = (self._now(), self.version)
            made_for, indices = self._selections.get(wanted, (None, None))
            if indices is None or made_for != stamp:
                indices = np.nonzero(self._present() & self._passing(wanted))[0]
                self._remember(wanted, stamp, indices)
            return Selection(indices, [r for r in self._added if wanted.admits(r)], self._rows)

    def pick(self, indices: Indices) -> Selection:
        """These subscribers, in this order."""
        return Selection(indices, [], self._rows)

    def strangers(self, count: int) -> list[Record]:
        """New people, different on each call, who are not part of the list until they are added."""
        with self._lock:
            first = STRANGERS_FROM + self._strangers
            self._strangers += count
            return self.people.records(np.arange(first, first + count, dtype=np.int64), self._now())

    def present(self, indices: Indices) -> Mask:
        """Which of these subscribers are present now; the indices must be of people who have arrived."""
        with self._lock:
            return self._present()[indices]

    def lives(self) -> Lives:
        """The life cycles of everybody who has arrived so far, including deleted people."""
        now = self._now()
        if self._lives is None or self._lives[0] != now:
            population = self.people.population
            arrived = np.arange(population.timeline.reach(now), dtype=np.int64)
            self._lives = (now, population.lives(arrived))
        return self._lives[1]

    def _remember(self, wanted: Filter, stamp: tuple[int, int], indices: Indices) -> None:
        self._selections = {f: kept for f, kept in self._selections.items() if kept[0] == stamp}
        if len(self._selections) < 16:
            self._selections[wanted] = (stamp, indices)

    def _present(self) -> Mask:
        mask: Mask = self.lives().deleted > self._now()
        mask[[index for index in self._removed if index < len(mask)]] = False
        mask[: self._from] = False
        return mask

    def _passing(self, wanted: Filter) -> Mask:
        lives, now = self.lives(), self._now()
        mask = np.ones(len(lives.created), dtype=np.bool_)
        if wanted.statuses:
            mask &= np.isin(lives.status(now), [STATUSES.index(status) for status in wanted.statuses])
        if wanted.after is not None:
            mask &= lives.created > wanted.after
        if wanted.before is not None:
            mask &= lives.created < wanted.before
        if wanted.tags:
            mask &= self._tagged(wanted.tags, lives.created, now)
        return self._amend(mask, wanted)

    def _tagged(self, tags: tuple[str, ...], created: Indices, now: int) -> Mask:
        everyone = np.arange(len(created), dtype=np.int64)
        carried = [self.people.tags.carry(tag, everyone, created, now) for tag in tags]
        mask: Mask = np.logical_or.reduce(carried)
        return mask

    def _amend(self, mask: Mask, wanted: Filter) -> Mask:
        changed = np.array([index for index in self._changed if index < len(mask)], dtype=np.int64)
        for index, record in zip(changed.tolist(), self._rows(changed), strict=True):
            mask[index] = wanted.admits(record)
        return mask

    def _rows(self, indices: Indices) -> list[Record]:
        with self._lock:
            records = self.people.records(indices, self._now())
            if not self._changed:
                return records
            pairs = zip(indices.tolist(), records, strict=True)
            return [{**record, **self._changed.get(index, {})} for index, record in pairs]

    def _index(self, record_id: str) -> int | None:
        index = self.people.population.index(record_id)
        if index is None or index >= len(self.lives().created):
            return None
        return index if self._present()[index] else None
