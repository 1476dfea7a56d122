"""Plays the steps of a story with real syncs, and compares the warehouse with the model after each of them."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from flows.pipeline.report import SyncReport
from flows.sandbox import Server, World, serve
from flows.sandbox.generator.timeline import AS_OF
from flows.source import endpoints, records
from flows.source.mask_setting import mask_of
from tests.conftest import PostgresWarehouse, Warehouse
from tests.postgres import new_database
from tests.simulation.clock import Clock
from tests.simulation.deliveries import Deliveries
from tests.simulation.expectation import Deviation, Expectation, ListName, Reading, check
from tests.simulation.faults import Faults, wrongly_counted
from tests.simulation.rows import Row, Rows, Tables, api_rows
from tests.simulation.steps import ACCOUNTS, LISTS, Step, lists_of
from tests.simulation.syncs import Syncs
from tests.simulation.world_changes import Changes

START = AS_OF - timedelta(days=120)
LARGEST_PAGE = 5
DECLARED_LATER = "initial_status"
"""A field of subscribers that the record type of an earlier version lacks."""
RULES = {"email": "hmac", "first_name": "redact"}
MASK_KEY = "the key of the simulation"
PASSES = (60, 600, 4_000, 20_000, 90_000, 300_000)
"""Seconds that may pass between two steps."""
NOTHING: Rows = {}
RESUME_MAX_AGE = 3_600.0
"""The default of the setting, in seconds."""
TAILS = {endpoints.ENDPOINTS[name].path.rpartition("/")[2]: name for name in LISTS}
"""Resources by the last part of their paths."""


class Simulation:
    """A world, a warehouse, and the model of it.

    Args:
        warehouse: the warehouse, empty.
        server: the sandbox of the world.
        world: the world.
        clock: its clock.
        seed: decides on threads, a mask, and the record type that the story begins with.
    """

    def __init__(self, warehouse: Warehouse, server: Server, world: World, clock: Clock, seed: int) -> None:
        self.warehouse, self.server, self.world, self.clock = warehouse, server, world, clock
        self.mask = mask_of(RULES, MASK_KEY) if seed % 3 == 1 else mask_of({}, None)
        self.syncs = Syncs(world, clock, threads=seed % 4 == 3)
        self.changes, self.faults, self.expected = Changes(world), Faults(), Expectation()
        self.deliveries = Deliveries(warehouse.path.parent / "webhooks", world)
        self.tables = Tables(warehouse)
        self._unfinished: dict[ListName, list[tuple[float, Rows]]] = {}

    def play(self, step: Step) -> None:
        """Play a step. Raises Deviation if the warehouse or a report is not as it must be."""
        match step.kind:
            case "time passes":
                self._pass(PASSES[step.value % len(PASSES)])
            case "person" | "list" | "new field" | "bad record" | "account":
                getattr(self.changes, step.kind.replace(" ", "_"))(step)
            case "passing faults" | "lasting fault" | "moving list" | "spent rate limit":
                getattr(self.faults, FAULTS[step.kind])(step)
            case "wrong count":
                self.faults.wrong_count(step)
                self.changes.delete_one(wrongly_counted(step), step)
            case "events":
                self.deliveries.arrive(step)
            case "upgrade":
                endpoints.ENDPOINTS["subscribers"] = CURRENT  # type: ignore[index]
            case _:
                self._sync(step)

    def _pass(self, seconds: float) -> None:
        """Let time pass for the world and for the files in the landing zone."""
        self.clock.advance(seconds)
        self.world.move_to(self.world.now())
        for path in (self.warehouse.path.parent / "landing").rglob("*"):
            if path.is_file():
                moment = path.stat().st_mtime - seconds
                os.utime(path, (moment, moment))

    def _sync(self, step: Step) -> None:
        self._pass(61)
        parameters = self._parameters(step)
        if parameters is None:
            return
        self.world.faults, self.server.log[:] = self.faults.rules, []  # type: ignore[assignment]
        before, started = self._states(parameters), self.clock()
        report = second = None
        match step.kind:
            case "killed sync":
                report = self.syncs.killed(step.place % 40, **parameters)
            case "two syncs at once":
                report, second = self.syncs.two(step.place % 20, **parameters)
            case "killed process":
                words = (self.warehouse.destination, *parameters["resources"])
                self.syncs.killed_process(self.server, step.place, words)
            case _:
                report = self.syncs.run(**parameters)
        readings = self._readings(before, self._states(parameters), started)
        must_fail, self.faults = self.faults.must_fail(self.world), Faults()
        self.world.faults = None  # type: ignore[assignment]
        if report is None:
            self._after_kill(readings)
            self._later(step)
        else:
            self._after_sync(report, second, readings, must_fail, parameters)

    def _parameters(self, step: Step) -> dict[str, Any] | None:
        """The parameters of a sync; None if it cannot start, since its account is hidden."""
        common: dict[str, Any] = {"destination": self.warehouse.destination, "resources": list(lists_of(step))}
        match step.kind:
            case "sync of all":
                return common | {"resources": None}
            case "sync of an account":
                seen = any(account["id"] == step.account for account in self.world.accounts)
                return common | {"accounts": [step.account]} if seen else None
            case "incremental sync":
                return common | {"resources": ["subscribers"], "mode": "auto" if step.value % 2 else "incremental"}
            case "sync without history":
                return common | {"history": False}
            case _:
                return common

    def _states(self, parameters: dict[str, Any]) -> dict[ListName, Rows]:
        """What the API has now of the lists of a sync."""
        lists, accounts = parameters["resources"] or LISTS, parameters.get("accounts") or ACCOUNTS
        return {(name, one): api_rows(self.world, name, one, self.mask) for name in lists for one in accounts}

    def _readings(
        self, before: dict[ListName, Rows], after: dict[ListName, Rows], started: float
    ) -> dict[ListName, Reading]:
        """How each list may have been read. One that resumed may hold what the API had when earlier pages landed."""
        log = [
            (TAILS.get(one.path.rpartition("/")[2], ""), one.path.split("/")[2], one.query) for one in self.server.log
        ]
        since = {(name, one): query["subscribed_after"] for name, one, query in log if "subscribed_after" in query}
        fresh, readings = {(name, one) for name, one, query in log if query.get("page", "1") == "1"}, {}
        for name in before:
            young = [one for one in self._unfinished.get(name, ()) if started - one[0] <= RESUME_MAX_AGE]
            landed = [] if name in fresh else [rows for _, rows in young]
            self._unfinished[name] = [*young, *((self.clock(), one[name]) for one in (before, after))]
            arrived = {*after[name]} - {*before[name]}
            states = [*landed, before[name], after[name]]
            readings[name] = Reading(states, arrived, since.get(name, ""), resumed=bool(landed))
        return readings

    def _after_kill(self, readings: dict[ListName, Reading]) -> None:
        tables = self._read()
        self.expected.survive(tables, readings)
        self.expected.survive_history(tables["subscribers_history"])

    def _later(self, step: Step) -> None:
        """Let time pass and a person change, so that the landed pages of a killed sync may be outdated or too old."""
        self._pass(PASSES[step.value % len(PASSES)])
        if step.place % 2:
            self.changes.person(step)

    def _after_sync(
        self,
        report: SyncReport,
        second: SyncReport | None,
        readings: dict[ListName, Reading],
        must_fail: set[ListName],
        parameters: dict[str, Any],
    ) -> None:
        if second is not None:
            check(second.exit_code == 2 and "another sync" in second.stopped, f"a second sync ran: {second.summary()}")
        check(
            report.exit_code == (1 if must_fail else 0), f"exit {report.exit_code}: {report.stopped} {report.failures}"
        )
        lines = [line for line in report.lists if line.account]
        failed = {(line.resource, line.account or "") for line in lines if not line.complete}
        check(failed == must_fail, f"the report names {failed} as incomplete, but {must_fail} are")
        check(all(line.note for line in report.failures), "a failure without a reason")
        tables = self._read(report.run)
        self.expected.move_on(tables, lines, readings)
        self._check_counts(report, second, tables)
        if parameters.get("history") is False or not any(line.resource == "subscribers" for line in lines):
            self.expected.check_history(tables["subscribers_history"])
        else:
            self.expected.keep_history(tables["subscribers_history"], report.started)
        self.deliveries.check(tables["subscriber_events"])
        self._check_accounts(tables["accounts"], parameters)
        for line in lines:
            if line.complete:
                self._unfinished.pop((line.resource, line.account or ""), None)

    def _check_counts(self, report: SyncReport, second: SyncReport | None, tables: dict[str, list[Row]]) -> None:
        """The report counts the requests that the API served, and the rows that the tables have."""
        served = len(self.server.log) - (second.requests if second else 0)
        check(report.requests == served, f"the report counts {report.requests} requests, the API {served}")
        logged = len(tables["_syncs"])
        check(logged == len(report.lists), f"_syncs has {logged} rows of {len(report.lists)} lists")
        for line in report.lists:
            rows = len(self.expected.mirror.get((line.resource, line.account or ""), NOTHING))
            check(not line.account or line.total == rows, f"{line.resource}: the report counts {line.total} of {rows}")

    def _check_accounts(self, rows: list[Row], parameters: dict[str, Any]) -> None:
        """Every account that the token sees is there. One that it saw before stays, since another token may see it."""
        seen, found = {account["id"] for account in self.world.accounts}, {row["id"] for row in rows}
        if not parameters.get("accounts") and parameters["resources"] is None:
            check(seen <= found <= {*ACCOUNTS}, f"accounts are {found}, without some of {seen}")

    def _read(self, run: str = "") -> dict[str, list[Row]]:
        """The tables, and the rows of a run in `_syncs`."""
        names = (*LISTS, "subscribers_history", "accounts", "subscriber_events")
        queries = {name: f"SELECT * FROM {name}" for name in names}
        return self.tables.read(queries | {"_syncs": f"SELECT * FROM _syncs WHERE run = '{run}'"})


FAULTS = {
    "passing faults": "passing",
    "lasting fault": "lasting",
    "moving list": "moving",
    "spent rate limit": "spent",
}
CURRENT = endpoints.ENDPOINTS["subscribers"]


def earlier_endpoint() -> endpoints.Endpoint:
    """The endpoint of subscribers as an earlier version declares it, without one of the fields."""
    fields = [
        (f.name, f.type, f.default) for f in msgspec.structs.fields(records.Subscriber) if f.name != DECLARED_LATER
    ]
    earlier = msgspec.defstruct("Earlier", fields, bases=(records.Record,), kw_only=True)
    return replace(CURRENT, record=earlier)  # type: ignore[arg-type]


@contextmanager
def simulation(seed: int, folder: Path, postgres: str = "") -> Iterator[Simulation]:
    """A new simulation in an empty folder, and the settings for it.

    Args:
        seed: see `Simulation`.
        folder: where files go.
        postgres: URL of a PostgreSQL server to load into; DuckDB if empty.
    """
    clock, path = Clock(), folder / "warehouse.duckdb"
    world = World(sizes=ACCOUNTS, as_of=START, clock=clock, largest_page=LARGEST_PAGE)
    url = new_database(postgres) if postgres else ""
    warehouse = PostgresWarehouse(path, url=url) if url else Warehouse(path)
    with ExitStack() as stack:
        server = stack.enter_context(serve(world))
        stack.enter_context(_settings(seed, folder, server, world, url))
        yield Simulation(warehouse, server, world, clock, seed)


@contextmanager
def _settings(seed: int, folder: Path, server: Server, world: World, url: str) -> Iterator[None]:
    ours = {"BASE_URL": server.url, "API_KEY": world.api_key, "LANDING": str(folder / "landing"), "COMMENTS": "false"}
    ours |= {"BACKOFF_FACTOR": "0", "TASK_RETRY_DELAY": "0", "PARALLEL": "4" if seed % 4 == 3 else "1"}
    ours |= {"WEBHOOKS": str(folder / "webhooks"), "LOCK_WAIT": "20"}
    if seed % 3 == 1:
        ours |= {"MASK": msgspec.json.encode(RULES).decode(), "MASK_KEY": MASK_KEY}
    databases = {"DUCKDB": str(folder / "warehouse.duckdb"), "POSTGRES": url}
    before = dict(os.environ)
    os.environ.update({f"SOURCES__DRIP__{name}": value for name, value in ours.items()})
    os.environ.update({f"DESTINATION__{name}__CREDENTIALS": value for name, value in databases.items() if value})
    if seed % 4 == 1:
        endpoints.ENDPOINTS["subscribers"] = earlier_endpoint()  # type: ignore[index]
    try:
        yield
    finally:
        endpoints.ENDPOINTS["subscribers"] = CURRENT  # type: ignore[index]
        os.environ.clear()
        os.environ.update(before)


class Failure(msgspec.Struct):
    """The step at which a story failed, by its number, and why; `seconds` that it took."""

    step: int
    reason: str
    seconds: float


def play(seed: int, steps: Sequence[Step], folder: Path, postgres: str = "") -> Failure | None:
    """Play a story in an empty folder. Returns its failure, if there is one."""
    started = time.monotonic()
    with simulation(seed, folder, postgres) as story:
        for number, step in enumerate(steps):
            try:
                story.play(step)
            except Exception as error:
                reason = str(error) if isinstance(error, Deviation) else f"{type(error).__name__}: {error}"
                return Failure(number, reason, time.monotonic() - started)
    return None
