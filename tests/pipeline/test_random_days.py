"""Random changes in two accounts over several days, with real syncs: history can restore the state of each day."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flows.pipeline.report import SyncReport
from flows.sandbox import World, serve
from flows.sandbox.generator.timeline import AS_OF
from tests.conftest import PostgresWarehouse, Warehouse
from tests.postgres import new_database

FIRST, SECOND = "1000001", "1000002"
SIZES = {FIRST: 8, SECOND: 5}
KINDS = ["full", "one account", "forbidden", "not proven", "incremental", "no history"]
EXAMPLES = {"duckdb": 1, "postgres": 1}
NO_PART_OF_HISTORY = {"_row_hash", "utc_offset"}
VALID_AT = "valid_from <= '{moment}' AND (valid_to > '{moment}' OR valid_to IS NULL)"
OVERLAPPING = """
    SELECT one.account_id, one.id FROM subscribers_history AS one JOIN subscribers_history AS other
    ON one.account_id = other.account_id AND one.id = other.id
    AND one.valid_from < other.valid_from AND (one.valid_to > other.valid_from OR one.valid_to IS NULL)
"""

ACCOUNT = st.sampled_from([FIRST, SECOND])
WHAT = st.one_of(
    st.tuples(st.just("status"), st.sampled_from(["active", "unsubscribed"])),
    st.tuples(st.just("tags"), st.lists(st.sampled_from("abc"), max_size=3)),
    st.tuples(st.just("custom_fields"), st.dictionaries(st.sampled_from("xy"), st.none() | st.integers(0, 1))),
    st.tuples(st.sampled_from(["leave", "return", "arrive", "everybody leaves"]), st.none()),
)
CHANGE = st.tuples(ACCOUNT, st.integers(0, 9), WHAT)
DAY = st.tuples(ACCOUNT, st.lists(CHANGE, max_size=6))
DAYS = st.tuples(st.permutations(KINDS), st.lists(DAY, min_size=len(KINDS), max_size=len(KINDS)))


@dataclass
class Story:
    """A world and its syncs so far.

    Attributes:
        mirrors: contents of the mirror after each sync with history, by the sync's start.
        last: contents of the mirror after the last sync.
        left: people who left, by account.
    """

    warehouse: Warehouse
    world: World
    mirrors: dict[datetime, list[Any]] = field(default_factory=dict)
    last: list[Any] = field(default_factory=list)
    left: dict[str, list[Any]] = field(default_factory=lambda: {FIRST: [], SECOND: []})

    def change(self, account: str, place: int, what: str, value: Any) -> None:
        """Change the person at this position of an account's list."""
        people = self.world.account(account).subscribers
        ids = people.ids()
        one = ids[place % len(ids)] if ids else None
        if what == "arrive":
            self.world.account(account).arrive(1)
        elif what == "everybody leaves":
            people.clear()
        elif what == "return":
            if self.left[account]:
                people.add(self.left[account].pop())
        elif one and what == "leave":
            self.left[account].append(people.get(one))
            people.delete([one])
        elif one:
            people.update(one, **{what: value})

    def day(self, kind: str, account: str) -> None:
        """Sync another day, with a fault of this `kind` for `account`, and check the results."""
        self.world.move_to(self.world.as_of + timedelta(days=1))
        before = self.last
        report = self.sync(kind, account)
        assert (report.exit_code == 1) == (kind in ("forbidden", "not proven")), report.lists
        after = self.last = self.rows("subscribers")
        unseen = {"one account": {FIRST, SECOND} - {account}, "forbidden": {account}}.get(kind, set())
        assert [row for row in after if row[0] in unseen] == [row for row in before if row[0] in unseen]
        if kind in ("full", "no history"):
            assert [(*row[:3], row[self.email]) for row in after] == self.server_has()
        if kind != "no history":
            self.mirrors[report.started] = after

    def sync(self, kind: str, account: str) -> SyncReport:
        from flows.pipeline.sync import sync

        wrong_count = {"kind": "meta", "values": {"total_count": 1_000}}
        self.world.faults = [{"match": {"account": account}, "action": wrong_count}] if kind == "not proven" else None
        self.world.account(account).forbidden = kind == "forbidden"
        result = sync(
            accounts=[account] if kind == "one account" else None,
            resources=["subscribers"],
            destination=self.warehouse.destination,  # type: ignore[arg-type]
            history=kind != "no history",
            mode="incremental" if kind == "incremental" else "full",
        )
        self.world.account(account).forbidden = False
        return result

    def server_has(self) -> list[tuple[Any, ...]]:
        people = [
            (one, person) for one in self.world.account_ids for person in self.world.account(one).subscribers.all()
        ]
        return sorted((account, person["id"], person["status"], person["email"]) for account, person in people)

    @property
    def email(self) -> int:
        """The place of the address in `rows`."""
        return self.names().index("email")

    def names(self) -> list[str]:
        """The columns that history compares."""
        return [name for name in self.warehouse.columns("subscribers") if name not in NO_PART_OF_HISTORY]

    def rows(self, table: str, which: str = "TRUE") -> list[tuple[Any, ...]]:
        """The columns that history keeps, of rows of the mirror or of versions."""
        return self.warehouse.rows(
            f"SELECT {', '.join(self.names())} FROM {table} WHERE {which} ORDER BY account_id, id"
        )

    def check_history(self) -> None:
        """Check that each earlier mirror can be restored, no versions overlap, and none repeats the one before."""
        assert self.warehouse.rows(OVERLAPPING) == []
        before: list[Any] = []
        changes = 0
        for moment, mirror in self.mirrors.items():
            assert self.rows("subscribers_history", VALID_AT.format(moment=moment)) == mirror, moment
            changes += len(set(mirror) - set(before))
            before = mirror
        assert self.warehouse.value("SELECT count(*) FROM subscribers_history") == changes


@contextmanager
def story(destination: str, folder: Path, server: str) -> Iterator[Story]:
    """A `Story` with a separate database."""
    folder.mkdir()
    path, url = folder / "warehouse.duckdb", new_database(server) if server else ""
    world = World(sizes=SIZES, as_of=AS_OF - timedelta(days=len(KINDS)))
    with serve(world) as api, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCES__DRIP__BASE_URL", api.url)
        patch.setenv("SOURCES__DRIP__API_KEY", world.api_key)
        patch.setenv("SOURCES__DRIP__LANDING", str(folder / "landing"))
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
        patch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)
        yield Story(PostgresWarehouse(path, url=url) if url else Warehouse(path), world)


@pytest.mark.parametrize("destination", EXAMPLES)
def test_every_day_can_be_told(destination: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres_server") if destination == "postgres" else ""
    folders = (tmp_path / str(number) for number in range(1_000))

    @settings(
        max_examples=EXAMPLES[destination],
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(DAYS)
    def play(days: tuple[list[str], list[Any]]) -> None:
        with story(destination, next(folders), server) as told:
            for kind, (account, changes) in zip(*days, strict=True):
                for one, place, (what, value) in changes:
                    told.change(one, place, what, value)
                told.day(kind, account)
            told.day("full", FIRST)
            told.check_history()

    play()
