"""The spool: accepted deliveries in an SQLite file, from the moment they are answered until they are loaded.

The receiver appends; loaders read, note how far they have loaded, and delete what is old. Ids only grow and are never
used twice, so that a destination can keep the last id that it has as a single number.
"""

import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from flows.common.clock import now

FILE = "spool.sqlite"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
BUSY_SECONDS = 2.0
"""Wait for another process that writes to the spool."""
RESERVED_BYTES, RESERVED_SHARE = 100 << 20, 0.02
"""Free space that is never used: the smaller of so many bytes and this share of the disk."""
READ_AT_ONCE, READ_BYTES = 20_000, 64 << 20
"""Deliveries, and bytes of their bodies, that are loaded together."""
DELETED_AT_ONCE = 2_000
"""Rows per transaction: the receiver waits while rows are deleted."""
SECONDS_OF_DAY, MICROSECONDS = 86_400, 1_000_000
TABLES = (
    "CREATE TABLE IF NOT EXISTS spool (id TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS deliveries (id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL,"
    " received INTEGER NOT NULL, body BLOB NOT NULL, mask TEXT NOT NULL DEFAULT '', event TEXT NOT NULL DEFAULT '')",
    "CREATE TABLE IF NOT EXISTS loads (destination TEXT PRIMARY KEY, last INTEGER NOT NULL, at REAL NOT NULL)",
)
ADDED = ("mask", "event")
"""Columns that a spool of an earlier version lacks."""
ADD = "ALTER TABLE deliveries ADD COLUMN {} TEXT NOT NULL DEFAULT ''"
INSERT = "INSERT INTO deliveries (account, received, body, mask, event) VALUES (?, ?, ?, ?, ?)"
COPY = "INSERT INTO deliveries (id, account, received, body, mask, event) VALUES (?, ?, ?, ?, ?, ?)"
FIRST_ID = (
    "INSERT INTO sqlite_sequence (name, seq) SELECT 'deliveries', 0"
    " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'deliveries')"
)
LAST_ID = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'deliveries'"
FIELDS = "id, account, received, body, mask, event"
SELECT = f"SELECT {FIELDS} FROM deliveries WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
SELECT_UNMASKED = f"SELECT {FIELDS} FROM deliveries WHERE id > ? AND mask = '' ORDER BY id LIMIT ?"


class Delivery(NamedTuple):
    """One accepted POST.

    Attributes:
        id: its number in the spool.
        account: whose secret it came with.
        received: microseconds since 1970, UTC.
        body: as it came, or masked.
        mask: fingerprint of the mask of the body; empty if it is as it came.
        event: id of the event, computed before its body was masked; empty if the body is as it came or no event.
    """

    id: int
    account: str
    received: int
    body: bytes
    mask: str = ""
    event: str = ""


class Arrived(NamedTuple):
    """A delivery to be kept: its fields as in `Delivery`."""

    account: str
    received: int
    body: bytes
    mask: str = ""
    event: str = ""


class Totals(NamedTuple):
    """What a spool holds.

    Attributes:
        rows: deliveries in it.
        last: the highest id that was ever given.
        newest: when the newest delivery came, in microseconds since 1970; None without one.
    """

    rows: int
    last: int
    newest: int | None


class DiskShort(OSError):
    """So little space is left that nothing more is accepted."""


class Spool:
    """An open spool. One thread uses it.

    Args:
        folder: that it is in; made, private to the user, if need be.
        spool_id: its id if it is new; a random one by default.

    Raises:
        OSError, sqlite3.Error: it cannot be opened.
    """

    def __init__(self, folder: Path, spool_id: str = "") -> None:
        self.folder, self.path = folder, folder / FILE
        _make_private(self.folder, self.path)
        self._connection = _connect(self.path)
        try:
            with self.transaction():
                for statement in TABLES:
                    self._connection.execute(statement)
                known = {name for _, name, *_ in self._connection.execute("PRAGMA table_info(deliveries)")}
                for name in ADDED:
                    if name not in known:
                        self._connection.execute(ADD.format(name))
                if not self._connection.execute("SELECT 1 FROM spool").fetchone():
                    self._connection.execute("INSERT INTO spool VALUES (?)", (spool_id or uuid.uuid4().hex,))
            (self.id,) = self._connection.execute("SELECT id FROM spool").fetchone()
        except BaseException:
            self.close()
            raise
        self._inode = self.path.stat().st_ino

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction that is durable when the block ends, or has not taken place."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def append(self, deliveries: Sequence[Arrived | tuple[str, int, bytes]]) -> None:
        """Keep deliveries: when this returns they are on the disk.

        Raises:
            DiskShort: hardly any space is left.
            OSError, sqlite3.Error: they could not be kept.
        """
        arrived = [Arrived(*one) for one in deliveries]
        _check_space(self.folder, sum(len(one.body) for one in arrived))
        if self.path.stat().st_ino != self._inode:
            raise FileNotFoundError(f"{self.path} is no longer the file that was opened")
        with self.transaction():
            self._connection.executemany(INSERT, arrived)

    def copy(self, deliveries: Sequence[Delivery], last: int) -> None:
        """Keep deliveries of another spool with their ids, which are above those that it has. Raises as `append`.

        Args:
            deliveries: of the other spool.
            last: the highest id that is known of it, also if this delivery was deleted.
        """
        _check_space(self.folder, sum(len(one.body) for one in deliveries))
        with self.transaction():
            self._connection.executemany(COPY, deliveries)
            self._connection.execute(FIRST_ID)
            self._connection.execute(LAST_ID, (last,))

    def read(self, after: int, up_to: int, rows: int = READ_AT_ONCE, size: int = READ_BYTES) -> list[Delivery]:
        """The next deliveries with ids above `after`, up to and including `up_to`, in their order.

        Args:
            after: the last id that is not wanted.
            up_to: the last id that is.
            rows: at most so many.
            size: bytes of their bodies, after which no more are read.
        """
        found: list[Delivery] = []
        with closing(self._connection.execute(SELECT, (after, up_to, rows))) as cursor:
            while size > 0 and (row := cursor.fetchone()):
                found.append(Delivery(*row))
                size -= len(found[-1].body)
        return found

    def unmasked(self, after: int, rows: int = DELETED_AT_ONCE) -> list[Delivery]:
        """The next deliveries with ids above `after` whose bodies are as they came."""
        return [Delivery(*row) for row in self._connection.execute(SELECT_UNMASKED, (after, rows))]

    def replace(self, deliveries: Iterable[Delivery]) -> None:
        """Replace the bodies of deliveries by masked ones; the bytes of the old ones are overwritten."""
        with self.transaction():
            self._connection.executemany(
                "UPDATE deliveries SET body = ?, mask = ?, event = ? WHERE id = ?",
                [(one.body, one.mask, one.event, one.id) for one in deliveries],
            )

    def totals(self) -> Totals:
        """What it holds now."""
        rows, newest = self._connection.execute("SELECT count(*), max(received) FROM deliveries").fetchone()
        return Totals(rows, self.last(), newest)

    def newest(self) -> dict[str, int]:
        """By account, when the newest delivery came that it holds, in microseconds since 1970."""
        return dict(self._connection.execute("SELECT account, max(received) FROM deliveries GROUP BY account"))

    def last(self) -> int:
        """The highest id that was ever given; 0 for none."""
        found = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'deliveries'").fetchone()
        return int(found[0]) if found else 0

    def loaded(self, destination: str, last: int) -> None:
        """Note that a destination has every delivery up to and including an id."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO loads VALUES (?, ?, ?)", (destination, last, now().timestamp())
            )

    def loads(self) -> dict[str, int]:
        """By destination, the last id that it has."""
        return dict(self._connection.execute("SELECT destination, last FROM loads ORDER BY destination"))

    def prune(self, days: float) -> int:
        """Delete what is older than so many days and loaded. Returns the number of rows.

        Loaded means: into every destination that anything was loaded into within these days.
        """
        oldest = now().timestamp() - days * SECONDS_OF_DAY
        (last,) = self._connection.execute("SELECT min(last) FROM loads WHERE at >= ?", (oldest,)).fetchone()
        return 0 if last is None else self._delete_up_to(last, int(oldest * MICROSECONDS))

    def _delete_up_to(self, last: int, received: int) -> int:
        chosen = "SELECT id FROM deliveries WHERE id <= ? AND received < ? ORDER BY id LIMIT ?"
        total = 0
        while True:
            ids = [row[0] for row in self._connection.execute(chosen, (last, received, DELETED_AT_ONCE))]
            self.delete(ids)
            total += len(ids)
            if len(ids) < DELETED_AT_ONCE:
                return total

    def delete(self, ids: Iterable[int]) -> None:
        """Delete deliveries; their bytes are overwritten."""
        with self.transaction():
            self._connection.executemany("DELETE FROM deliveries WHERE id = ?", [(one,) for one in ids])

    def compact(self) -> bool:
        """Write the log into the file and empty it. Returns whether other processes allowed it."""
        ((busy, _, _),) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return not busy


@contextmanager
def opened(folder: Path) -> Iterator[Spool | None]:
    """The spool in a folder for as long as the block lasts; None where there is none."""
    if not (folder / FILE).exists():
        yield None
        return
    with closing(Spool(folder)) as spool:
        yield spool


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_private(folder: Path, file: Path) -> None:
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, PRIVATE_FILE))  # SQLite gives its log the same rights


def _check_space(folder: Path, needed: int) -> None:
    usage = shutil.disk_usage(folder)
    reserved = min(RESERVED_BYTES, int(usage.total * RESERVED_SHARE))
    if usage.free - needed < reserved:
        raise DiskShort(f"{usage.free:,} bytes are free in {folder}, and {reserved:,} are kept free")
