"""Webhook deliveries of a simulation: each event comes at least once, and has one row that counts its deliveries."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from flows.sandbox import World
from flows.source.deliveries.spool import Arrived, Spool
from tests.simulation.expectation import check
from tests.simulation.rows import Row, plain
from tests.simulation.steps import Step

MICROSECONDS = 1_000_000


class Deliveries:
    """What was delivered so far: by the number of each event, its account, its moment and its deliveries."""

    def __init__(self, folder: Path, world: World) -> None:
        self._folder, self._world = folder, world
        self._events: dict[int, tuple[str, str, int]] = {}

    def arrive(self, step: Step) -> None:
        """Deliver an event, or an earlier one again; some several times at once."""
        number = step.place % len(self._events) if self._events and step.value % 4 == 0 else len(self._events)
        account, moment, times = self._events.get(number, (step.account, self._world.now().isoformat(), 0))
        copies = 1 + step.value % 3 // 2
        self._events[number] = (account, moment, times + copies)
        received = int(self._world.now().timestamp() * MICROSECONDS)
        with closing(Spool(self._folder)) as spool:
            spool.append([Arrived(account, received, _body(number, account, moment))] * copies)

    def check(self, rows: list[Row]) -> None:
        """After a load: one row per event, with all of its deliveries."""
        found = {
            row["properties"]["number"]: (row["account_id"], row["occurred_at"], row["deliveries"]) for row in rows
        }
        expected = {number: (one, plain(moment), times) for number, (one, moment, times) in self._events.items()}
        check(len(rows) == len(found) and found == expected, f"events are {found} instead of {expected}")


def _body(number: int, account: str, moment: str) -> bytes:
    person: dict[str, Any] = {"id": f"p{number % 3}", "email": f"p{number % 3}@example.com"}
    data = {"account_id": account, "subscriber": person, "properties": {"number": number}}
    return msgspec.json.encode({"event": "subscriber.opened_email", "data": data, "occurred_at": moment})
