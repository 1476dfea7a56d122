"""The lists of an account, with an interface for tests to change them: generated records plus changes."""

from collections.abc import Callable, Hashable, Iterable
from threading import RLock
from typing import Any, Protocol

Record = Any


class Records(Protocol):
    """A list of an account. Records are dicts, or strings in the lists of names.

    Do not change results of `all` and `get` in place; use `update`.
    """

    def __len__(self) -> int: ...
    def all(self) -> list[Record]: ...
    def get(self, record_id: str) -> Record: ...
    def delete(self, ids: Iterable[str]) -> None: ...
    def update(self, record_id: str, **changes: Any) -> None: ...
    def add(self, record: Record) -> None: ...
    def clear(self) -> None: ...


def id_of(record: Record) -> Any:
    """The `id` of a dict; a string itself; None for anything else."""
    if isinstance(record, dict):
        return record.get("id")
    return record if isinstance(record, str) else None


class ShortList:
    """A list that is generated as a whole, and regenerated when the value of `stamp` changes."""

    def __init__(self, make: Callable[[], list[Record]], stamp: Callable[[], Hashable], lock: RLock) -> None:
        self._make = make
        self._stamp = stamp
        self._lock = lock
        self._made: list[Record] | None = None
        self._made_for: Hashable = None
        self._removed: set[Any] = set()
        self._changed: dict[str, dict[str, Any]] = {}
        self._added: list[Record] = []
        self._cleared = False

    def __len__(self) -> int:
        return len(self.all())

    def all(self) -> list[Record]:
        """The current records, in the order the API lists them."""
        with self._lock:
            if self._made is None or self._made_for != self._stamp():
                self._made_for = self._stamp()
                self._made = [*self._base(), *self._added]
            return list(self._made)

    def get(self, record_id: str) -> Record:
        """The record with this id; raises KeyError."""
        for record in self.all():
            if id_of(record) == record_id:
                return record
        raise KeyError(record_id)

    def delete(self, ids: Iterable[str]) -> None:
        """Delete these records; unknown ids are ignored."""
        with self._lock:
            gone = set(ids)
            self._removed |= gone
            self._added = [record for record in self._added if id_of(record) not in gone]
            self._made = None

    def update(self, record_id: str, **changes: Any) -> None:
        """Set fields of a record, whatever moment the world moves to; raises KeyError."""
        with self._lock:
            self.get(record_id)
            self._changed.setdefault(record_id, {}).update(changes)
            self._added = [self._with_changes(record) for record in self._added]
            self._made = None

    def add(self, record: Record) -> None:
        """Append a record unchanged."""
        with self._lock:
            self._added.append(record)
            self._made = None

    def clear(self) -> None:
        """Empty the list, whatever moment the world moves to."""
        with self._lock:
            self._cleared = True
            self._added, self._made = [], None

    def _base(self) -> list[Record]:
        made = [] if self._cleared else self._make()
        return [self._with_changes(record) for record in made if id_of(record) not in self._removed]

    def _with_changes(self, record: Record) -> Record:
        changes = self._changed.get(id_of(record)) if isinstance(record, dict) else None
        return {**record, **changes} if changes else record
