"""What landed of a list of days: a Parquet file for each day, and the replies of a day that is not finished yet.

A run that resumes never requests a landed day again, however old it is: its mark says when it was read.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from flows.source.decoding.decoder import Quarantined
from flows.source.endpoints import ACCOUNT_ID, DATE, ROW_HASH
from flows.source.landing.landed_list import LandedList
from flows.source.landing.storage import Folder, parquet, remove, write_atomically
from flows.source.schema import is_outdated, stored, texts

DAY_METADATA = b"drip_day"
WORKFLOW_ID, NODE_ID, EMAIL_ID, BROADCAST_ID = "workflow_id", "node_id", "email_id", "broadcast_id"


class Placement(msgspec.Struct, frozen=True):
    """Where the API was asked to place an email: over which days, and the step, None for an email of no workflow."""

    asked_from: date
    asked_to: date
    workflow_id: str | None = None
    node_id: str | None = None


class KnownDay(msgspec.Struct, frozen=True):
    """A day in the destination: when it was read, by the server's clock, and whether all its emails are listed."""

    read_at: datetime
    listed: bool


class Known(msgspec.Struct):
    """What the destination has of an account.

    Attributes:
        days: that were read.
        placements: by email id, of emails that are no broadcasts.
        unplaced: by email id, a day of emails of which nobody has asked.
    """

    days: dict[date, KnownDay] = {}
    placements: dict[str, Placement] = {}
    unplaced: dict[str, date] = {}


class DayMark(msgspec.Struct):
    """What a day's Arrow schema metadata says of it.

    Attributes:
        day: which.
        read_at: the server's clock.
        listed: nothing is left to ask for: what is not listed, the API does not list.
        requests: that it took.
        summary: the API's own counts; None where it did not give one.
        rows: of the table.
        api_rows: emails that the API listed.
        quarantined: records that fit no table.
    """

    day: date
    read_at: datetime
    listed: bool
    requests: int
    summary: dict[str, int | None]
    rows: int
    api_rows: int
    quarantined: int = 0


class Day(NamedTuple):
    """A day that was read."""

    mark: DayMark
    table: pa.Table
    quarantine: list[Quarantined]


class Answer(msgspec.Struct):
    """An answer that has landed, while its day is not finished: the body, or a refusal for too many emails."""

    body: str
    server_time: datetime
    refused: bool = False


PLACEMENTS = msgspec.json.Decoder(dict[str, Placement])
KNOWN = msgspec.json.Decoder(Known)
DAY_MARK = msgspec.json.Decoder(DayMark)
ANSWER = msgspec.json.Decoder(Answer)


class DailyList(LandedList):
    """What landed of the days of an account."""

    is_part = True

    def write_day(self, day: Day) -> None:
        """Land a day; the replies that it was made of are removed."""
        name = f"day-{day.mark.day}"
        if day.quarantine:
            write_atomically(self.folder / f"{name}.quarantine.json", msgspec.json.encode(day.quarantine))
        table, sink = (
            day.table.replace_schema_metadata({DAY_METADATA: msgspec.json.encode(day.mark)}),
            pa.BufferOutputStream(),
        )
        pq.write_table(table, sink, compression="snappy")
        write_atomically(self.folder / f"{name}.parquet", sink.getvalue())
        remove(self._replies(day.mark.day))

    def marks(self) -> dict[date, DayMark]:
        """The days that landed, newest first."""
        return {mark.day: mark for mark in map(_mark, self._schemas())}

    def files(self) -> list[Folder]:
        """The Parquet files of the days, newest first."""
        return sorted(self.folder.glob("day-*.parquet"), key=str, reverse=True)

    def tables(self) -> Iterator[pa.Table]:
        """The rows of each day, emails placed where the step they belong to is known."""
        placed = {**self.known().placements, **self.placements()}
        for path in self.files():
            yield _placed(parquet(path).read(use_threads=False), placed)

    def is_sound(self) -> bool:
        """Whether all that landed can be used."""
        try:
            schemas = [*self._schemas()]
            for schema in schemas:
                _mark(schema)
            self.outcome(), self.placements(), self.known()
        except (pa.ArrowException, OSError, KeyError, msgspec.MsgspecError):
            return False
        return not any(is_outdated(self.endpoint, schema) for schema in schemas)

    def _schemas(self) -> Iterator[pa.Schema]:
        return (parquet(path).schema_arrow for path in self.files())

    def may_resume(self, max_age: float) -> bool:
        """Whether to go on from what landed: days do not age, since each says when it was read."""
        return self.is_sound()

    def scope(self, whole: bool, in_files: bool) -> str:
        """The days that landed: their rows that did not come are gone."""
        if not (days := self.marks()):
            return ""
        listed = ", ".join(f"CAST('{day}' AS DATE)" for day in sorted(days))
        owner = f"{stored(ACCOUNT_ID, in_files)} = '{self.account_id}'"
        return f"({owner} AND {stored(DATE, in_files)} IN ({listed}))"

    def answer(self, day: date, query: str) -> Answer | None:
        """The answer to a query that landed while its day was not finished."""
        path = self._reply(day, query)
        return ANSWER.decode(path.read_bytes()) if path.exists() else None

    def keep_answer(self, day: date, query: str, answer: Answer) -> None:
        """Land an answer until its day is finished."""
        write_atomically(self._reply(day, query), msgspec.json.encode(answer))

    def placements(self) -> dict[str, Placement]:
        """The placements that were asked for since the last load, by email id."""
        path = self.folder / "placements.json"
        return PLACEMENTS.decode(path.read_bytes()) if path.exists() else {}

    def place(self, found: Mapping[str, Placement]) -> None:
        """Land placements beside those that have."""
        write_atomically(self.folder / "placements.json", msgspec.json.encode({**self.placements(), **found}))

    def unplaced(self) -> dict[str, date]:
        """By email id, the newest day that landed of emails that are neither broadcasts nor placed."""
        rows = (
            row
            for table in self.tables()
            for row in table.select([DATE, EMAIL_ID, BROADCAST_ID, WORKFLOW_ID]).to_pylist()
        )
        found = [(row[EMAIL_ID], row[DATE]) for row in rows if row[BROADCAST_ID] is None and row[WORKFLOW_ID] is None]
        return dict(sorted(found, key=lambda one: str(one[1])))

    def known(self) -> Known:
        """What the destination had when the run began."""
        path = self._known_file()
        return KNOWN.decode(path.read_bytes()) if path.exists() else Known()

    def begin(self, known: Known) -> None:
        """Start a run with what the destination has; resume from days that an earlier run did not load."""
        write_atomically(self._known_file(), msgspec.json.encode(known))
        (self.folder / "outcome.json").unlink(missing_ok=True)

    def _known_file(self) -> Folder:
        """Beside the folder, which is removed where what landed cannot be read."""
        return self.folder.parent / f"{self.folder.name}.known.json"

    def _replies(self, day: date) -> Folder:
        return self.folder / f"replies-{day}"

    def _reply(self, day: date, query: str) -> Folder:
        return self._replies(day) / f"{hashlib.blake2b(query.encode(), digest_size=10).hexdigest()}.json"


def _mark(schema: pa.Schema) -> DayMark:
    """The mark of the day whose file has this schema."""
    return DAY_MARK.decode((schema.metadata or {})[DAY_METADATA])


def _placed(table: pa.Table, placements: Mapping[str, Placement]) -> pa.Table:
    """The rows with the steps that their emails belong to; where that is news, it changes their hash."""
    found = [placements.get(email) for email in texts(table, EMAIL_ID)]
    columns: dict[str, list[str | None]] = {name: table[name].to_pylist() for name in (WORKFLOW_ID, NODE_ID, ROW_HASH)}
    for row, place in enumerate(found):
        if place and place.workflow_id and columns[WORKFLOW_ID][row] is None:
            columns[WORKFLOW_ID][row], columns[NODE_ID][row] = place.workflow_id, place.node_id
        columns[ROW_HASH][row] = f"{columns[ROW_HASH][row]}-{columns[WORKFLOW_ID][row]}-{columns[NODE_ID][row]}"
    for name, values in columns.items():
        index = table.column_names.index(name)
        table = table.set_column(index, table.field(name), pa.array(values, pa.string()))
    return table
