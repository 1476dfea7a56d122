"""Random days of an account: what happens to its people, what each sync sees of them, and the events."""

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
from psycopg2.extras import execute_values

from flows.pipeline.context import ConnectionRun
from flows.pipeline.event_audit import audit_events
from flows.pipeline.event_batch import EventBatch
from flows.pipeline.event_loss import AuditedInterval
from flows.pipeline.events import declare_events
from flows.pipeline.history import Step
from flows.source.deliveries.events import events_of
from flows.source.deliveries.spool import Delivery
from flows.source.endpoints import ENDPOINTS
from tests.webhooks.conftest import ACCOUNT

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 86_400
TAGS = ("vip", "new", "it's", "ü")


@dataclass(frozen=True)
class Person:
    """A subscriber at a moment; `created` is in seconds since the first day."""

    id: str
    email: str
    created: float
    status: str = "active"
    tags: frozenset[str] = frozenset()
    is_here: bool = True


class Happened(NamedTuple):
    """An event at a time in seconds since the first day, and the person after it."""

    at: float
    name: str
    properties: dict[str, Any] | None
    person: Person


class Seen(NamedTuple):
    """A full sync: its start and end in seconds since the first day, and the people in the list that it read."""

    started: float
    finished: float
    people: list[Person]


@dataclass
class Days:
    """Days of an account.

    Args:
        seed: of all that is random.
        days: their number; a sync of up to half an hour ends each of them.
        people: that are there at the beginning.
        daily: events per day. A tenth of them happens while a list is read, and a fifth to a few restless people.
    """

    seed: int
    days: int
    people: int
    daily: int
    happened: list[Happened] = field(default_factory=list)
    syncs: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._here = {f"p{n}": Person(f"p{n}", f"p{n}@example.com", -DAY) for n in range(self.people)}
        starts = [day * DAY + self._dice.uniform(0, 3_600) for day in range(self.days + 1)]
        self._windows = [(start, start + self._dice.uniform(5, 1_800)) for start in starts]
        current = dict(self._here)
        self._live()
        place = 0
        for start, end in self._windows:
            while place < len(self.happened) and self.happened[place].at <= start:
                current[self.happened[place].person.id] = self.happened[place].person
                place += 1
            self.syncs.append(Seen(start, end, self._read(current, start, end)))

    def _live(self) -> None:
        moments = [self._dice.uniform(0, self._windows[-1][1]) for _ in range(self.days * self.daily * 9 // 10)]
        moments += [self._dice.uniform(*self._dice.choice(self._windows)) for _ in range(self.days * self.daily // 10)]
        for at in sorted(moments):
            self.happened.append(self._event(at))
            self._here[self.happened[-1].person.id] = self.happened[-1].person

    def _event(self, at: float) -> Happened:
        person = self._someone()
        luck = self._dice.random()
        if luck < 0.15:
            number = len(self._here)
            new = Person(f"p{number}", f"p{number}@example.com", at)
            return Happened(at, "created", None, new)
        if luck < 0.2:
            return Happened(at, "deleted", None, replace(person, is_here=False))
        if luck < 0.3:
            email = f"{self._dice.randrange(10**6)}@Example.com"
            properties = {"value": email, "previous_value": person.email, "source": "api"}
            return Happened(at, "updated_email_address", properties, replace(person, email=email))
        if luck < 0.45:
            now_active = person.status != "active"
            name, status = ("reactivated", "active") if now_active else ("unsubscribed_all", "unsubscribed")
            return Happened(at, name, {}, replace(person, status=status))
        if luck < 0.55:
            return Happened(at, "opened_email", {"email_id": "1"}, person)
        tag = self._dice.choice(TAGS)
        name = "removed_tag" if tag in person.tags else "applied_tag"
        return Happened(at, name, {"tag": tag}, replace(person, tags=person.tags ^ {tag}))

    def _someone(self) -> Person:
        restless = self._dice.random() < 0.2
        while True:
            number = self._dice.randrange(20 if restless else len(self._here))
            if (person := self._here[f"p{number}"]).is_here:
                return person
            restless = False

    def _read(self, people: dict[str, Person], start: float, end: float) -> list[Person]:
        """The list, each person at a moment of their own while it is read; who arrives meanwhile is left out."""
        meanwhile: defaultdict[str, list[Happened]] = defaultdict(list)
        for one in self.happened:
            if start < one.at <= end:
                meanwhile[one.person.id].append(one)
        read = []
        for person in people.values():
            moment = self._dice.uniform(start, end)
            later = [one.person for one in meanwhile[person.id] if one.at <= moment]
            read.append(later[-1] if later else person)
        return [person for person in read if person.is_here]


def time_of(seconds: float) -> datetime:
    """A time as the tables have it."""
    return BEGIN + timedelta(seconds=seconds)


def keep_syncs(pipeline: Any, run: ConnectionRun, syncs: list[Seen]) -> None:
    """Write each sync into `subscribers`, its history by the project's own SQL, and `_syncs`."""
    columns: dict[str, Any] = dict(pipeline.default_schema.get_table_columns("subscribers"))
    with pipeline.sql_client() as client:
        names = ("subscribers", "subscribers_history", "_syncs")
        mirror, history, log = map(client.make_qualified_table_name, names)
        for table in (mirror, history, log):
            client.execute_sql(f"DELETE FROM {table}")
        for number, one in enumerate(syncs):
            client.execute_sql(f"DELETE FROM {mirror}")
            _insert(client, mirror, [_row(person) for person in one.people])
            known = [ACCOUNT] if number else []
            step = Step(ENDPOINTS["subscribers"], mirror, history, columns, time_of(one.started), known,
                        run.target.kind.dialect)  # fmt: skip
            with client.begin_transaction():
                for statement in step.statements():
                    client.execute_sql(statement)
            client.execute_sql(
                f"INSERT INTO {log} (run, started, finished, mode, account, resource, complete, history, "
                "_dlt_load_id, _dlt_id) VALUES (%s, %s, %s, 'full', %s, 'subscribers', TRUE, TRUE, 'x', %s)",
                f"run{number}", time_of(one.started), time_of(one.finished), ACCOUNT, f"sync{number}",
            )  # fmt: skip


def _row(person: Person) -> dict[str, Any]:
    tags = json.dumps(sorted(person.tags))
    values = {"account_id": ACCOUNT, "id": person.id, "status": person.status, "email": person.email, "tags": tags}
    hashed = f"{person.status}{person.email}{tags}"
    return values | {"created_at": time_of(person.created), "_row_hash": hashed}


def _insert(client: Any, table: str, rows: list[dict[str, Any]]) -> None:
    names = ", ".join(rows[0])
    if client.capabilities.sqlglot_dialect == "duckdb":
        client.native_connection.register("these", pa.Table.from_pylist(rows))
        client.execute_sql(f"INSERT INTO {table} ({names}) SELECT {names} FROM these")
        client.native_connection.unregister("these")
        return
    with client.native_connection.cursor() as cursor:
        execute_values(cursor, f"INSERT INTO {table} ({names}) VALUES %s", [tuple(row.values()) for row in rows])


def receive(pipeline: Any, run: ConnectionRun, events: list[Happened], seed: int = 7) -> None:
    """Make these the events of the account: seconds later, some of them hours later, in some disorder."""
    dice = random.Random(seed)
    deliveries = []
    for number, one in enumerate(events, 1):
        late = dice.uniform(0, 60 if dice.random() < 0.98 else 2 * DAY)
        received = int(time_of(one.at + late).timestamp() * 1_000_000)
        subscriber = {"id": one.person.id, "email": one.person.email}
        data = {"account_id": ACCOUNT, "subscriber": subscriber, "properties": one.properties}
        body = {"event": f"subscriber.{one.name}", "data": data, "occurred_at": f"{time_of(one.at):%Y-%m-%dT%H:%M:%SZ}"}
        deliveries.append(Delivery(number, ACCOUNT, received, json.dumps(body).encode()))
    declare_events(pipeline, run.target)
    with pipeline.sql_client() as client:
        client.execute_sql(f"DELETE FROM {client.make_qualified_table_name('subscriber_events')}")
        client.execute_sql(f"DELETE FROM {client.make_qualified_table_name('_event_spools')}")
        EventBatch(client, run.target.kind.dialect, "s", BEGIN).load(events_of(deliveries), 0, len(deliveries))


def audited(pipeline: Any, run: ConnectionRun, syncs: list[Seen]) -> list[AuditedInterval]:
    """The audit right after the last of these syncs."""
    return audit_events(pipeline, replace(run, started=time_of(syncs[-1].started)))
