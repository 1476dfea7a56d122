"""The clock that syncs and deliveries are stamped with: the system's, or one that was set to the day of a sandbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_ahead = timedelta(0)
"""How far the clock is ahead of the system's, in the whole process."""


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC) + _ahead


@contextmanager
def clock_set_to(moment: datetime) -> Iterator[None]:
    """Set the clock of this process to a moment with time zone, from which it goes on, until the block ends."""
    global _ahead
    before, _ahead = _ahead, moment - datetime.now(UTC)
    try:
        yield
    finally:
        _ahead = before
