"""A list in the landing zone: a Parquet file per page, and `outcome.json` once the last page was read.

Files are written atomically, so a killed run leaves no partial files, and the next run resumes from the landed pages.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from flows.common.duckdb_in_memory import in_memory
from flows.source.decoding.decoder import Quarantined
from flows.source.endpoints import ENDPOINTS, Endpoint
from flows.source.landing.storage import Folder, age, local_copies, parquet, remove, write_atomically
from flows.source.list_reader import Page, PageMark, page_mark
from flows.source.paginator import ListOutcome
from flows.source.schema import is_outdated, texts

UNOWNED = "one"
"""Folder name of a list that belongs to no account. Folders of accounts are digits, so the names do not conflict."""
PARENTS = "parents"
FIT_ID = re.compile(r"[A-Za-z0-9_-]+")
"""Ids that need no encoding in API paths; in the reference, ids are digits."""
BATCH_ROWS = 10_000


OUTCOME, QUARANTINE = msgspec.json.Decoder(ListOutcome), msgspec.json.Decoder(list[Quarantined])


class LandedList:
    """The landed pages of one list of one account.

    Args:
        folder: the folder of this list.
        endpoint: the endpoint of the list.
        account_id: the account; None for a list that belongs to the token.
    """

    is_part = False
    """Only a part of the list is read, that which may have changed."""

    def __init__(self, folder: Folder, endpoint: Endpoint, account_id: str | None) -> None:
        self.folder, self.endpoint, self.account_id = folder, endpoint, account_id

    def write(self, page: Page) -> None:
        """Write a page. The first page of an attempt removes the pages of earlier attempts."""
        stem = f"a{page.mark.attempt:02}-p{page.mark.facts.page:06}"
        if page.quarantine:
            write_atomically(self.folder / f"{stem}.quarantine.json", msgspec.json.encode(page.quarantine))
        write_atomically(self.folder / f"{stem}.parquet", _parquet(page.table))
        if page.mark.facts.page == 1:
            self._remove_other_attempts(page.mark.attempt)

    def finish(self, outcome: ListOutcome) -> None:
        """Write the outcome of the list, after its last page."""
        write_atomically(self.folder / "outcome.json", msgspec.json.encode(outcome))

    def outcome(self) -> ListOutcome | None:
        """The outcome of the list; None if its last page was not read yet."""
        path = self.folder / "outcome.json"
        return OUTCOME.decode(path.read_bytes()) if path.exists() else None

    def landed(self) -> Iterator[tuple[PageMark, list[str]]]:
        """The mark and the row keys of each page, from the first page up to the first gap."""
        for number, path in enumerate(self.files(), start=1):
            file = parquet(path)
            mark = page_mark(file.schema_arrow)
            if mark.facts.page != number:
                return
            yield mark, texts(file.read(columns=[self.endpoint.key]), self.endpoint.key)

    def files(self) -> list[Folder]:
        """The Parquet files of the latest attempt, in page order."""
        paths = sorted(self.folder.glob("a*.parquet"), key=str)
        return [path for path in paths if path.name[:3] == paths[-1].name[:3]]

    def tables(self) -> Iterator[pa.Table]:
        """The landed rows in batches, each key once."""
        outcome = self.outcome()
        if outcome and outcome.overlap:
            yield from self._without_overlap()
            return
        for path in self.files():
            yield parquet(path).read(use_threads=False)  # for one page, threads cost more than they save

    def quarantine(self) -> Iterator[Quarantined]:
        """The quarantined records."""
        for path in sorted(self.folder.glob("*.quarantine.json")):
            yield from QUARANTINE.decode(path.read_bytes())

    def is_sound(self) -> bool:
        """Whether all landed files can be used. They may be damaged by a power failure or outdated by an upgrade."""
        try:
            schemas = [parquet(path).schema_arrow for path in self.files()]
            for schema in schemas:
                page_mark(schema)
            self.outcome()
        except (pa.ArrowException, OSError, KeyError, msgspec.MsgspecError):
            return False
        return not any(is_outdated(self.endpoint, schema) for schema in schemas)

    def may_resume(self, max_age: float) -> bool:
        """Whether to go on from what landed: the first page is not older than so many seconds, and all can be used."""
        return self.age() <= max_age and self.is_sound() and not self.is_unproven()

    def scope(self, whole: bool, in_files: bool) -> str:
        """A condition in SQL for the rows that are gone if they did not come, where only a part was read.

        Args:
            whole: whether that part was proven whole.
            in_files: see `stored`.
        """
        return ""

    def is_unproven(self) -> bool:
        """Whether the list was read to its end but not proven complete, so that it cannot be resumed."""
        outcome = self.outcome()
        return outcome is not None and not outcome.complete

    def age(self) -> float:
        """Seconds since the first page landed; infinite if none did."""
        files = self.files()
        return age(files[0]) if files else float("inf")

    def clear(self) -> None:
        """Delete all files of this list."""
        remove(self.folder)

    def _remove_other_attempts(self, attempt: int) -> None:
        for path in self.folder.glob("a*"):
            if not path.name.startswith(f"a{attempt:02}-"):
                path.unlink()

    def _without_overlap(self) -> Iterator[pa.Table]:
        """The rows, keeping only the last one of keys that are on several pages. Rare: it needs all pages at once."""
        key = self.endpoint.key
        query = (
            "SELECT * EXCLUDE filename FROM read_parquet(?, union_by_name=true, filename=true) "
            f'QUALIFY filename = max(filename) OVER (PARTITION BY "{key}")'
        )
        with local_copies(self.files()) as paths, in_memory() as con:
            con.execute(query, [paths])
            while batch := con.fetchmany(BATCH_ROWS):
                yield self._table(con.description or [], batch)

    def _table(self, description: list[Any], rows: list[Any]) -> pa.Table:
        """Rows from DuckDB as a table with the pages' column types."""
        fields = {f.name: f for path in self.files() for f in parquet(path).schema_arrow}
        schema = pa.schema([fields[column[0]] for column in description])
        columns = [pa.array(values, type=f.type) for f, values in zip(schema, zip(*rows, strict=True), strict=True)]
        return pa.Table.from_arrays(columns, schema=schema)


class DependentList(NamedTuple):
    """The list of one parent, with one status if the endpoint sweeps over statuses."""

    parent_id: str
    status: str | None
    landed: LandedList

    @property
    def name(self) -> str:
        """The display name."""
        return f"{self.parent_id} {self.status}" if self.status else self.parent_id


class DependentLists(LandedList):
    """The landed pages of lists that each belong to a record of a parent list, such as the subscribers of campaigns.

    There is a folder for each list and one for the parents. Reading returns the rows of all lists together, as the
    table needs them. Pages are written to the individual lists.

    Args:
        folder: the folder of these lists.
        endpoint: the endpoint of the lists.
        account_id: the account.
        landed_parents: the folder where the parent list lands if it is extracted as a resource.
    """

    def __init__(self, folder: Folder, endpoint: Endpoint, account_id: str | None, landed_parents: Folder) -> None:
        super().__init__(folder, endpoint, account_id)
        self.parents = LandedList(folder / PARENTS, ENDPOINTS[endpoint.parent], account_id)
        self._landed_parents = LandedList(landed_parents, self.parents.endpoint, account_id)

    def copy_parents(self, max_age: float) -> bool:
        """Copy the parents from their resource's list, if it landed completely at most `max_age` seconds ago."""
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
        """The ids of the landed parents."""
        return [key for table in self.parents.tables() for key in texts(table, self.parents.endpoint.key)]

    def members(self) -> list[DependentList]:
        """The lists of all parents, in reading order."""
        statuses = self.endpoint.sweep or (None,)
        return [self._member(one, status) for one in self.parent_ids() if FIT_ID.fullmatch(one) for status in statuses]

    def unread(self) -> list[DependentList]:
        """The lists that were not read to their end yet."""
        return [member for member in self.members() if member.landed.outcome() is None]

    def problems(self) -> list[str]:
        """Why lists may be missing: the parents are not proven complete, or have ids that cannot be used in a path."""
        outcome, kind = self.parents.outcome(), self.endpoint.parent
        unproven = outcome is None or not outcome.complete
        notes = [f"{kind}: {outcome.note if outcome else 'not read'}"] if unproven else []
        if outcome and outcome.quarantined:
            notes.append(f"{kind}: {outcome.quarantined} without an id")
        return notes + [
            f"{kind}: the id {one[:40]!r} cannot be used in a path"
            for one in self.parent_ids()
            if not FIT_ID.fullmatch(one)
        ]

    def files(self) -> list[Folder]:
        """The Parquet files of all lists."""
        return [path for member in self.members() for path in member.landed.files()]

    def tables(self) -> Iterator[pa.Table]:
        """The landed rows, each parent and key once, with the status that was requested last."""
        taken: set[str] = set()
        parent_id = None
        for member in reversed(self.members()):
            if member.parent_id != parent_id:
                parent_id, taken = member.parent_id, set()
            for table in member.landed.tables():
                keys = texts(table, self.endpoint.key)
                yield table.filter(pa.array([key not in taken for key in keys], pa.bool_()))
                taken.update(keys)

    def quarantine(self) -> Iterator[Quarantined]:
        """The quarantined records of all lists."""
        for member in self.members():
            yield from member.landed.quarantine()

    def is_sound(self) -> bool:
        """Whether all landed files can be read."""
        return self.parents.is_sound() and super().is_sound()

    def age(self) -> float:
        """Seconds since the first page of any list landed; infinite if none did."""
        return max(map(age, self.folder.rglob("*.parquet")), default=float("inf"))

    def _member(self, parent_id: str, status: str | None) -> DependentList:
        digest = hashlib.blake2b(parent_id.encode(), digest_size=10).hexdigest()
        folder = self.folder / f"{digest}-{status or UNOWNED}"
        return DependentList(
            parent_id, status, LandedList(folder, self.endpoint.child(parent_id, status), self.account_id)
        )


def _parquet(table: pa.Table) -> pa.Buffer:
    """A page as a Parquet file, without dictionaries and statistics, which do not pay off for a page."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy", use_dictionary=False, write_statistics=False)
    return sink.getvalue()
