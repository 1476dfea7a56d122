"""What landed of a list: every page of it a Parquet file, and `outcome.json` once it was read whole.

A file appears under its name only when it is whole, so a killed run leaves nothing half-read, and the next run goes on
from the pages that are there.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from flows.source.decoding.decoder import Quarantined
from flows.source.endpoints import ENDPOINTS, Endpoint
from flows.source.landing.storage import Folder, age, local_copies, parquet, remove, write_atomically
from flows.source.list_reader import Page, PageMark, page_mark
from flows.source.paginator import ListOutcome
from flows.source.schema import texts

UNOWNED = "one"
"""Folder of a list that the token has one of. Account folders are digits, so the two never meet."""
PARENTS = "parents"
FIT_ID = re.compile(r"[A-Za-z0-9_-]+")
"""Ids that go into a path of the API as they are; the reference says digits."""
BATCH_ROWS = 10_000


class LandedList:
    """What landed of one list of one account.

    Args:
        folder: of this list alone.
        endpoint: whose list.
        account_id: of which account; None for a list that the token has one of.
    """

    def __init__(self, folder: Folder, endpoint: Endpoint, account_id: str | None) -> None:
        self.folder, self.endpoint, self.account_id = folder, endpoint, account_id

    def write(self, page: Page) -> None:
        """Land a page; pages of earlier attempts at the list are void and removed."""
        stem = f"a{page.mark.attempt:02}-p{page.mark.facts.page:06}"
        if page.quarantine:
            write_atomically(self.folder / f"{stem}.quarantine.json", msgspec.json.encode(page.quarantine))
        write_atomically(self.folder / f"{stem}.parquet", _parquet(page.table))
        if page.mark.facts.page == 1:
            self._remove_other_attempts(page.mark.attempt)

    def finish(self, outcome: ListOutcome) -> None:
        """Write down the verdict: the list has been read."""
        write_atomically(self.folder / "outcome.json", msgspec.json.encode(outcome))

    def outcome(self) -> ListOutcome | None:
        """The verdict, None while the list has not been read to its end."""
        path = self.folder / "outcome.json"
        return msgspec.json.decode(path.read_bytes(), type=ListOutcome) if path.exists() else None

    def landed(self) -> Iterator[tuple[PageMark, list[str]]]:
        """The pages from the first up to the first gap: their marks and the keys of their rows."""
        for number, path in enumerate(self.files(), start=1):
            file = parquet(path)
            mark = page_mark(file.schema_arrow)
            if mark.facts.page != number:
                return
            yield mark, texts(file.read(columns=[self.endpoint.key]), self.endpoint.key)

    def files(self) -> list[Folder]:
        """The Parquet files of the newest attempt, in page order."""
        paths = sorted(self.folder.glob("a*.parquet"), key=str)
        return [path for path in paths if path.name[:3] == paths[-1].name[:3]]

    def tables(self) -> Iterator[pa.Table]:
        """The rows that landed, each key once, a page or a few at a time."""
        outcome = self.outcome()
        if outcome and outcome.overlap:
            yield from self._without_overlap()
            return
        for path in self.files():
            yield parquet(path).read(use_threads=False)  # threads cost more than a page takes

    def quarantine(self) -> Iterator[Quarantined]:
        """The records that fit no table."""
        for path in sorted(self.folder.glob("*.quarantine.json")):
            yield from msgspec.json.decode(path.read_bytes(), type=list[Quarantined])

    def is_sound(self) -> bool:
        """Whether all that landed can be read; not so where the machine lost power, or after an upgrade."""
        try:
            for path in self.files():
                page_mark(parquet(path).schema_arrow)
            self.outcome()
        except (pa.ArrowException, OSError, KeyError, msgspec.MsgspecError):
            return False
        return True

    def is_unproven(self) -> bool:
        """Whether the list was read to its end and not proven whole: there is nothing to go on from."""
        outcome = self.outcome()
        return outcome is not None and not outcome.complete

    def age(self) -> float:
        """Seconds since the first page landed; infinite where none did."""
        files = self.files()
        return age(files[0]) if files else float("inf")

    def clear(self) -> None:
        """Remove everything that landed of this list."""
        remove(self.folder)

    def _remove_other_attempts(self, attempt: int) -> None:
        for path in self.folder.glob("a*"):
            if not path.name.startswith(f"a{attempt:02}-"):
                path.unlink()

    def _without_overlap(self) -> Iterator[pa.Table]:
        """Rows that came on several pages, the last one only (rare: the list repeats itself)."""
        key = self.endpoint.key
        query = (
            "SELECT * EXCLUDE filename FROM read_parquet(?, union_by_name=true, filename=true) "
            f'QUALIFY filename = max(filename) OVER (PARTITION BY "{key}")'
        )
        with local_copies(self.files()) as paths, duckdb.connect() as con:
            con.execute(query, [paths])
            while batch := con.fetchmany(BATCH_ROWS):
                yield self._table(con.description or [], batch)

    def _table(self, description: list[Any], rows: list[Any]) -> pa.Table:
        """Rows from DuckDB in the columns of the pages."""
        fields = {f.name: f for path in self.files() for f in parquet(path).schema_arrow}
        schema = pa.schema([fields[column[0]] for column in description])
        columns = [pa.array(values, type=f.type) for f, values in zip(schema, zip(*rows, strict=True), strict=True)]
        return pa.Table.from_arrays(columns, schema=schema)


class DependentList(NamedTuple):
    """One list of a family: of this parent, in this status of the sweep if there is one."""

    parent_id: str
    status: str | None
    unit: LandedList

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.parent_id} {self.status}" if self.status else self.parent_id


class DependentLists(LandedList):
    """The landed pages of all lists that each record of another list, their parent, has one of.

    Each list has a folder, and so has the list of parents. It reads like a single list.

    Args:
        folder: of all these lists.
        endpoint: whose list.
        account_id: of which account.
        landed_parents: where the list of parents lands if it is extracted as a resource of its own.
    """

    def __init__(self, folder: Folder, endpoint: Endpoint, account_id: str | None, landed_parents: Folder) -> None:
        super().__init__(folder, endpoint, account_id)
        self.parents = LandedList(folder / PARENTS, ENDPOINTS[endpoint.parent], account_id)
        self._landed_parents = LandedList(landed_parents, self.parents.endpoint, account_id)

    def copy_parents(self, max_age: float) -> bool:
        """Take the parents from their own list if all of it has landed, `max_age` seconds ago at most."""
        landed = self._landed_parents
        outcome = landed.outcome() if landed.age() <= max_age and landed.is_sound() else None
        if outcome is None or not outcome.complete:
            return False
        self.parents.clear()
        for path in landed.folder.glob("a*"):
            write_atomically(self.parents.folder / path.name, path.read_bytes())
        self.parents.finish(outcome)
        return True

    def parent_ids(self) -> list[str]:
        """The ids of the parents that landed."""
        return [key for table in self.parents.tables() for key in texts(table, self.parents.endpoint.key)]

    def members(self) -> list[DependentList]:
        """The lists of all parents, in the order in which they are read."""
        statuses = self.endpoint.sweep or (None,)
        return [self._member(one, status) for one in self.parent_ids() if FIT_ID.fullmatch(one) for status in statuses]

    def unread(self) -> list[DependentList]:
        """Those that have not been read to their end."""
        return [member for member in self.members() if member.unit.outcome() is None]

    def problems(self) -> list[str]:
        """Why some list may be missing: the parents are not proven whole, or have ids that no path can be made of."""
        outcome, kind = self.parents.outcome(), self.endpoint.parent
        unproven = outcome is None or not outcome.complete
        notes = [f"{kind}: {outcome.note if outcome else 'not read'}"] if unproven else []
        if outcome and outcome.quarantined:
            notes.append(f"{kind}: {outcome.quarantined} without an id")
        return notes + [
            f"{kind}: the id {one[:40]!r} fits no path" for one in self.parent_ids() if not FIT_ID.fullmatch(one)
        ]

    def files(self) -> list[Folder]:
        """The Parquet files of all members."""
        return [path for member in self.members() for path in member.unit.files()]

    def tables(self) -> Iterator[pa.Table]:
        """The rows that landed, each parent and key once: in the status that was asked for last."""
        taken: set[str] = set()
        parent_id = None
        for member in reversed(self.members()):
            if member.parent_id != parent_id:
                parent_id, taken = member.parent_id, set()
            for table in member.unit.tables():
                keys = texts(table, self.endpoint.key)
                yield table.filter(pa.array([key not in taken for key in keys], pa.bool_()))
                taken.update(keys)

    def quarantine(self) -> Iterator[Quarantined]:
        """The records of all members that fit no table."""
        for member in self.members():
            yield from member.unit.quarantine()

    def is_sound(self) -> bool:
        """Whether all that landed can be read."""
        return self.parents.is_sound() and super().is_sound()

    def age(self) -> float:
        """Seconds since the first page of any member landed; infinite where none did."""
        return max(map(age, self.folder.rglob("*.parquet")), default=float("inf"))

    def _member(self, parent_id: str, status: str | None) -> DependentList:
        digest = hashlib.blake2b(parent_id.encode(), digest_size=10).hexdigest()
        folder = self.folder / f"{digest}-{status or UNOWNED}"
        return DependentList(
            parent_id, status, LandedList(folder, self.endpoint.child(parent_id, status), self.account_id)
        )


def landed_list_in(root: Folder, endpoint: Endpoint, account_id: str | None, name: str = "") -> LandedList:
    """The landed pages of one endpoint for one account.

    Args:
        root: holds a folder for each resource, which holds one for each account.
        endpoint: whose list.
        account_id: None for a list that belongs to the token.
        name: of the folder; made of `account_id` by default.
    """
    name = name or account_id or UNOWNED
    folder = root / endpoint.resource / name
    if endpoint.parent:
        return DependentLists(folder, endpoint, account_id, root / endpoint.parent / name)
    return LandedList(folder, endpoint, account_id)


def _parquet(table: pa.Table) -> pa.Buffer:
    """A page as a file; it is too small for dictionaries and statistics to be worth their time."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy", use_dictionary=False, write_statistics=False)
    return sink.getvalue()
