"""Webhook events of the sandbox: what they tell is what its lists show, and how they are delivered."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from flows.sandbox import World
from flows.sandbox.deliveries import Sender, deliver
from flows.sandbox.generator.events import happened
from flows.sandbox.generator.timeline import AS_OF
from flows.sandbox.webhooks import EVENTS

ACCOUNT = "1000001"


class Target(ThreadingHTTPServer):
    """Takes deliveries, and answers each with the next of some statuses, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self.taking = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        target: Any = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        with target.taking:
            status = target.statuses.pop(0) if target.statuses else 200
            if status == 200:
                target.bodies.append(body)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.send_header("retry-after", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def events_of(world: World, days: float) -> list[Any]:
    account, end = world.account(ACCOUNT), int(AS_OF.timestamp())
    return happened(account.book, account.subscribers.people, int((AS_OF - timedelta(days=days)).timestamp()), end)


def test_what_is_told_is_what_the_lists_show() -> None:
    world = World(seed=3, sizes={ACCOUNT: 900})
    people = world.account(ACCOUNT).subscribers
    world.move_to(AS_OF - timedelta(days=60))
    before = {person["id"]: person for person in people.all()}
    world.move_to(AS_OF)
    after = {person["id"]: person for person in people.all()}
    events = events_of(world, 60)
    told = {(one.name, one.person["id"]) for one in events}
    created = {who for name, who in told if name == "created"}
    deleted = {who for name, who in told if name == "deleted"}
    assert created - deleted == after.keys() - before.keys()
    assert deleted - created == before.keys() - after.keys()
    gained = defaultdict(set)
    for one in events:
        if one.name == "applied_tag":
            gained[one.person["id"]].add(one.properties["tag"])
    for who in before.keys() & after.keys():
        left = before[who]["status"] == "active" and after[who]["status"] == "unsubscribed"
        assert left == (("unsubscribed_all", who) in told)
        assert gained[who] == {*after[who]["tags"]} - {*before[who]["tags"]}
    assert created
    assert deleted


def test_all_29_kinds_in_the_shape_of_the_reference() -> None:
    events = events_of(World(seed=7, sizes={ACCOUNT: 4_000}), 150)
    names = {f"subscriber.{one.name}" for one in events}
    assert names <= {*EVENTS}
    assert {*EVENTS} - names <= {"subscriber.updated_email_address", "subscriber.marked_as_deliverable"}
    start = (AS_OF - timedelta(days=150)).timestamp()
    assert all(start < one.at <= AS_OF.timestamp() + 2 * 3600 for one in events)
    body = events[0].body(ACCOUNT)
    assert set(body) == {"event", "data", "occurred_at"}
    assert body["data"]["account_id"] == ACCOUNT


def test_429_is_repeated_and_other_errors_are_not(target: Target) -> None:
    target.statuses = [429] * 20 + [500] * 3
    sender, stop = Sender(f"http://127.0.0.1:{target.server_port}/x", rate=1_000), threading.Event()
    sender.put([{"number": number} for number in range(60)])
    planned = sender.waiting
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    until = time.monotonic() + 30
    while len(target.bodies) < planned - 3 and time.monotonic() < until:
        time.sleep(0.02)
    stop.set()
    thread.join()
    assert (sender.answers[429], sender.answers[500], sender.dropped) == (20, 3, 3)
    numbers = [json.loads(body)["number"] for body in target.bodies]
    assert len(numbers) == planned - 3 > len(set(numbers))
    assert numbers != sorted(numbers)
    assert not sender.disabled


def test_errors_for_days_disable_it(target: Target) -> None:
    target.statuses = [500] * 1_000
    sender, stop = Sender(f"http://127.0.0.1:{target.server_port}/x", rate=1_000, day=0.05), threading.Event()
    sender.put([{"number": number} for number in range(500)])
    sender.run(stop)
    assert sender.disabled
    assert not target.bodies


def test_an_account_s_day_is_delivered(target: Target) -> None:
    world, stop = World(seed=7, sizes={ACCOUNT: 300}), threading.Event()
    sender = Sender(f"http://127.0.0.1:{target.server_port}/x", rate=5_000)
    expected = {json.dumps(one.body(ACCOUNT)) for one in events_of(world, 3)}
    thread = threading.Thread(target=deliver, args=(world, ACCOUNT, sender, 3, stop))
    thread.start()
    until = time.monotonic() + 60
    while not expected <= {json.dumps(json.loads(body)) for body in target.bodies} and time.monotonic() < until:
        time.sleep(0.1)
    stop.set()
    thread.join()
    assert expected <= {json.dumps(json.loads(body)) for body in target.bodies}
