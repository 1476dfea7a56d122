"""The sandbox's accounts: a pure function of (seed, sizes, as_of), plus changes made by tests."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path
from threading import RLock
from typing import Any
from zoneinfo import ZoneInfo

from flows.sandbox.faults import FaultPlan, RuleLike
from flows.sandbox.generator import catalogue, segmentation, steps
from flows.sandbox.generator.catalogue import Book
from flows.sandbox.generator.draws import Dice
from flows.sandbox.generator.membership import members
from flows.sandbox.generator.people import API, People
from flows.sandbox.generator.population import Population
from flows.sandbox.generator.records import Record, Records, ShortList
from flows.sandbox.generator.subscribers import Selection, Subscribers
from flows.sandbox.generator.timeline import AS_OF, START, iso
from flows.sandbox.generator.traits import CustomFields, Tags
from flows.sandbox.generator.wording import COMPANIES
from flows.sandbox.metrics import Email, MetricsRules, emails_of
from flows.sandbox.rate_limit import Budget

DEFAULT_SIZES = {"1000001": 2_600, "1000002": 1_180, "1000003": 240, "1000004": 25}
ROOTS = {"broadcasts": 2.6, "campaigns": 0.5, "workflows": 0.4, "events": 2.9, "tags": 0.8}
ROOTS |= {"custom_fields": 0.2, "conversions": 0.2, "webhooks": 0.06, "forms": 0.12}
ROOTS |= {"segments": 0.5}
BOUNDS = {
    "broadcasts": (8, 400),
    "campaigns": (3, 120),
    "workflows": (3, 120),
    "events": (8, 600),
    "tags": (10, 100),
    "custom_fields": (6, 16),
    "conversions": (3, 40),
    "webhooks": (2, 8),
    "forms": (3, 20),
    "segments": (3, 130),
}
USER = {"email": "owner@example.com", "name": "Sam Example", "time_zone": "America/Chicago"}


class Account:
    """An account. If `forbidden` is set, all its lists return 403."""

    def __init__(self, seed: int, account_id: str, size: int, world: "World") -> None:
        self.id = account_id
        self.size = size
        self.forbidden = False
        self._world = world
        counts = _counts(size)
        self._company = Dice(seed, account_id, "company").pick(COMPANIES)
        self.book = Book(seed, account_id, counts, self._company[0])
        self._tags = Tags(seed, account_id, counts["tags"])
        self._fields = CustomFields(seed, account_id, counts["custom_fields"])
        people = People(account_id, Population(seed, account_id, size), self._tags, self._fields)
        self.subscribers = Subscribers(people, self._now, world.lock)
        self._emails: tuple[Any, list[Email]] | None = None
        self.records: dict[str, Records] = {"subscribers": self.subscribers, **self._short_lists()}

    def describe(self) -> dict[str, Any]:
        """The account as `/accounts` lists it."""
        name, host, _ = self._company
        return {
            "id": self.id,
            "name": f"{name} {self.id[-2:]}",
            "url": f"https://{host}.example.com",
            "default_from_name": name,
            "default_from_email": f"hello{self.id}@example.com",
            "default_postal_address": f"{name}\n1 Example Quay\n00501 Holtsville NY",
            "primary_email": f"owner{self.id}@example.com",
            "enable_third_party_cookies": Dice(self.id, "cookies").chance(0.5),
            "phone_number": None,
            "created_at": iso(START),
            "href": f"{API}/accounts/{self.id}",
        }

    def campaign_subscribers(self, campaign_id: str, status: str) -> Selection:
        """The subscribers with this status in a campaign."""
        with self._world.lock:
            people = members(self.book, self.subscribers, campaign_id, self._now())[status]
            return self.subscribers.pick(people)

    def triggers(self, workflow_id: str) -> list[Record]:
        return catalogue.triggers(self.book, workflow_id)

    def details(self, workflow: Record) -> Record:
        """A workflow with its steps."""
        return steps.details(self.book, workflow, self.triggers(workflow["id"]))

    def running(self, workflow: Record) -> tuple[int, int | None]:
        """From when to when a workflow sends, in epoch seconds; None where it does not end."""
        created = workflow.get("created_at")
        moment = int(datetime.fromisoformat(created).timestamp()) if created else START
        index = catalogue.index_in(self.book, "workflows", workflow["id"])
        return (moment, None) if index is None else catalogue.workflow_span(self.book, index, moment)

    def emails(self, zone: ZoneInfo) -> list[Email]:
        """Every email that it has sent so far, or sends; made once a day, and again where a list has changed."""
        lists = [self.records[name].all() for name in ("broadcasts", "workflows")]
        stamp = (self._now(), [len(records) for records in lists], [id(records[-1]) for records in lists if records])
        if self._emails is None or self._emails[0] != stamp:
            self._emails = (stamp, emails_of(self, zone))
        return self._emails[1]

    def arrive(self, count: int) -> list[Record]:
        """Append new subscribers to the list, created at the world's current second."""
        created_at = iso(int(self._world.now().timestamp()))
        people = self.subscribers.strangers(count)
        for record in people:
            self.subscribers.add({**record, "status": "active", "created_at": created_at})
        return people

    def _now(self) -> int:
        return int(self._world.as_of.timestamp())

    def _short_lists(self) -> dict[str, ShortList]:
        book, now = self.book, self._now
        makers = {
            "broadcasts": lambda: catalogue.broadcasts(book, now()),
            "campaigns": self._campaigns,
            "workflows": lambda: catalogue.workflows(book, now()),
            "custom_fields": lambda: self._fields.known(now()),
            "conversions": lambda: catalogue.goals(book, now()),
            "events": lambda: catalogue.event_actions(book, now()),
            "tags": lambda: self._tags.known(now()),
            "webhooks": lambda: catalogue.webhooks(book, now()),
            "forms": lambda: catalogue.forms(book, now()),
            "segments": lambda: segmentation.segments(book, now()),
        }
        stamps = {"campaigns": lambda: (now(), self.subscribers.version)}
        return {name: ShortList(make, stamps.get(name, now), self._world.lock) for name, make in makers.items()}

    def _campaigns(self) -> list[Record]:
        return [self._counted(campaign) for campaign in catalogue.campaigns(self.book, self._now())]

    def _counted(self, campaign: dict[str, Any]) -> dict[str, Any]:
        people = members(self.book, self.subscribers, campaign["id"], self._now())
        return {
            **campaign,
            "active_subscriber_count": len(people["active"]),
            "unsubscribed_subscriber_count": len(people["unsubscribed"]),
        }


class World:
    """All accounts that a token has access to, as of a moment.

    `sizes` maps account ids (digits) to their number of subscribers on the default day. `rate_limit` requests are
    served in any `rate_window` seconds. `faults` is a plan (see `flows.sandbox.faults`), or a file with one.
    `clock` gives seconds that only increase. `largest_page` limits the records per page.
    Changes made through `records`, `accounts` and `user` are kept when the world moves to another moment.
    """

    def __init__(
        self,
        seed: int = 7,
        sizes: Mapping[str, int] | None = None,
        api_key: str = "sandbox-key",
        rate_limit: int = 3_600,
        rate_window: float = 3_600.0,
        faults: FaultPlan | Sequence[RuleLike] | Path | None = None,
        as_of: datetime = AS_OF,
        clock: Callable[[], float] = time.monotonic,
        largest_page: int | None = None,
    ) -> None:
        self.lock = RLock()
        self.clock, self.largest_page = clock, largest_page
        self.seed = seed
        self.api_key = api_key
        self.budget = Budget(rate_limit, rate_window, clock)
        self.metrics = MetricsRules()
        self.faults = faults
        self.move_to(as_of)
        sizes = DEFAULT_SIZES if sizes is None else sizes
        self._accounts = {name: Account(seed, name, size, self) for name, size in sizes.items()}
        self.accounts = [account.describe() for account in self._accounts.values()]
        self.user: dict[str, Any] = dict(USER)
        self.made_webhooks = 0

    @property
    def account_ids(self) -> list[str]:
        """The ids of all accounts, in order."""
        return list(self._accounts)

    @property
    def faults(self) -> FaultPlan:
        """The fault plan; assign a list of rules, a path or None to change it."""
        return self._faults

    @faults.setter
    def faults(self, plan: FaultPlan | Sequence[RuleLike] | Path | None) -> None:
        self._faults = FaultPlan.of(plan)

    def account(self, account_id: str) -> Account:
        """The account with this id; raises KeyError."""
        return self._accounts[account_id]

    def remove_account(self, account_id: str) -> None:
        """Remove an account with all its data; raises KeyError."""
        with self.lock:
            del self._accounts[account_id]
            self.accounts[:] = [account for account in self.accounts if account["id"] != account_id]

    def move_to(self, as_of: datetime) -> None:
        """Move all accounts to this moment, forward or back. A moment without a time zone is UTC."""
        with self.lock:
            self.as_of = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
            self._moved = self.clock()

    def now(self) -> datetime:
        """The world's clock, sent in the `Date` header: `as_of` plus the time since the world was moved there."""
        return self.as_of + timedelta(seconds=self.clock() - self._moved)


def _counts(size: int) -> dict[str, int]:
    return {name: min(max(round(ROOTS[name] * sqrt(size)), low), high) for name, (low, high) in BOUNDS.items()}
