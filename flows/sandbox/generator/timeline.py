"""Creation times: increasingly dense over three years, up to the default day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from flows.sandbox.generator.draws import Indices, uniform

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 86_400
SPAN = 3 * 365 * DAY
END = int(AS_OF.timestamp())
START = END - SPAN


def day_of(text: str) -> datetime:
    """Parse an ISO date, with an optional time, or a number of days since the world's start. Raises ValueError."""
    if text.isascii() and text.isdigit():
        return datetime.fromtimestamp(START, UTC) + timedelta(days=int(text))
    day = datetime.fromisoformat(text)
    return day if day.tzinfo else day.replace(tzinfo=UTC)


def iso(moment: int) -> str:
    """Epoch seconds as `2026-06-01T00:00:00Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_all(moments: Indices) -> list[str]:
    """`iso` for many times."""
    stamps = np.datetime_as_string(moments.astype("datetime64[s]"), unit="s", timezone="UTC")
    return list(stamps.tolist())


@dataclass(frozen=True)
class Timeline:
    """The times at which items 0, 1, 2, ... appear, `total` of them before `END`.

    A `power` above 1 makes later times denser. Times never decrease with the index.
    """

    key: int
    total: int
    power: float

    def moments(self, indices: Indices) -> Indices:
        """Epoch seconds per index."""
        place = (indices + uniform(self.key, indices)) / max(self.total, 1)
        return START + np.floor(SPAN * place ** (1 / self.power)).astype(np.int64)

    def reach(self, now: int) -> int:
        """The number of items that appeared before `now` (epoch seconds)."""
        if now <= START or not self.total:
            return 0
        guess = int(self.total * ((now - START) / SPAN) ** self.power)
        low = max(guess - 2, 0)
        near = np.arange(low, guess + 3, dtype=np.int64)
        return low + int(np.count_nonzero(self.moments(near) < now))
