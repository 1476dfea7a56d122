"""A sender of webhook deliveries: many connections, each answer noted, and what is not answered 200 repeated."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

PATIENCE = 3.0
"""Seconds until an answer."""
PAUSE = 0.02
"""Seconds before a delivery is repeated."""
EVENTS = ("opened_email", "clicked_email", "applied_tag", "performed_custom_event", "bounced")


@dataclass
class Sent:
    """What became of deliveries.

    Attributes:
        answered: by number of the delivery, how often it was answered 200.
        tried: by number of the delivery, how often it was sent.
        statuses: how often each status came; 0 where no answer did.
        seconds: from the start of a request to its answer.
    """

    answered: dict[int, int] = field(default_factory=dict)
    tried: dict[int, int] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


def delivery(number: int, account: str) -> bytes:
    """The body of an event that no other number has."""
    event = EVENTS[number % len(EVENTS)]
    person = f"{number // 7:020x}"
    minute, second = divmod(number % 3600, 60)
    properties = {"delivery_id": str(number), "email_id": str(number % 31), "email_subject": "News", "tag": "vip"}
    return msgspec.json.encode(
        {
            "event": f"subscriber.{event}",
            "data": {
                "account_id": account,
                "subscriber": {"id": person, "email": f"person{number // 7}@example.com", "tags": ["vip"]},
                "properties": properties,
            },
            "occurred_at": f"2026-05-01T12:{minute:02}:{second:02}Z",
        }
    )


def shuffled(count: int, repeated: float, dice: random.Random) -> list[int]:
    """The numbers of `count` deliveries in random order, a share of which are repeats of others."""
    distinct = round(count * (1 - repeated))
    numbers = [*range(distinct), *(dice.randrange(distinct) for _ in range(count - distinct))]
    dice.shuffle(numbers)
    return numbers


class Sender:
    """Sends deliveries over several connections at once.

    Args:
        url: to post to.
        connections: at once.
        insist: repeat what is not answered 200 until it is.
        keep_alive: use a connection for many requests.
        rate: requests per second, of all connections together; 0 for as many as possible.
    """

    def __init__(self, url: str, connections: int, insist: bool = True, keep_alive: bool = True, rate: float = 0.0):
        parts = urlsplit(url)
        self.host, self.port, self.path = parts.hostname or "", parts.port or 80, parts.path
        self.connections, self.insist, self.keep_alive, self.rate = connections, insist, keep_alive, rate
        self.sent = Sent()

    async def send(self, numbers: Sequence[int], account: str) -> Sent:
        """Send the deliveries of these numbers; returns what became of them."""
        waiting = self._paced(numbers)
        started = time.perf_counter()
        await asyncio.gather(*(self._work(waiting, account, started) for _ in range(self.connections)))
        return self.sent

    def _paced(self, numbers: Sequence[int]) -> Iterator[tuple[float, int]]:
        """Each number with the second at which it is due."""
        for place, number in enumerate(numbers):
            yield (place / self.rate if self.rate else 0.0), number

    async def _work(self, waiting: Iterator[tuple[float, int]], account: str, started: float) -> None:
        connection = _Connection(self)
        for due, number in waiting:
            if (pause := started + due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            body = delivery(number, account)
            while await self._once(connection, number, body) != 200 and self.insist:
                await asyncio.sleep(PAUSE)
        connection.close()

    async def _once(self, connection: "_Connection", number: int, body: bytes) -> int:
        began, status = time.perf_counter(), 0
        self.sent.tried[number] = self.sent.tried.get(number, 0) + 1
        try:
            status = await asyncio.wait_for(connection.post(body), PATIENCE)
        except (OSError, EOFError, TimeoutError, ValueError):
            connection.close()
        if not self.keep_alive:
            connection.close()
        self.sent.seconds.append(time.perf_counter() - began)
        self.sent.statuses[status] = self.sent.statuses.get(status, 0) + 1
        if status == 200:
            self.sent.answered[number] = self.sent.answered.get(number, 0) + 1
        return status


class _Connection:
    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def post(self, body: bytes) -> int:
        """Send a request; returns the status of the answer."""
        sender = self.sender
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(sender.host, sender.port)
        head = f"POST {sender.path} HTTP/1.1\r\nHost: {sender.host}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if length := int(answer.partition("content-length: ")[2].partition("\r\n")[0] or 0):
            await self.reader.readexactly(length)
        if "connection: close" in answer:
            self.close()
        return int(answer.split(" ", 2)[1])

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self.writer:
            with suppress(OSError):
                self.writer.close()
        self.reader = self.writer = None
