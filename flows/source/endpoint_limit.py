"""The requests that an endpoint grants apart from the token's, counted in a file that all processes share.

A run uses the requests that are left and the next one continues, so the count has to outlast the process. The file is
in the landing zone if that is a folder, and in dlt's data folder if it is a bucket.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dlt.common.pipeline import get_dlt_pipelines_dir

from flows.common.errors import DripError
from flows.source.landing.storage import folder_at, is_local, make_private

FILE = "limits.sqlite"
TABLES = """
    CREATE TABLE IF NOT EXISTS requests (name TEXT, id INTEGER PRIMARY KEY AUTOINCREMENT, expires REAL);
    CREATE TABLE IF NOT EXISTS closed (name TEXT PRIMARY KEY, until REAL);
"""
LOCK_SECONDS = 30.0
SAFETY = 0.05
"""Seconds that a request counts longer than the window, so that clocks that differ a little cost no refused request."""
UNANSWERED = 60.0
"""Maximum seconds until the API counts a request that was never answered."""


def now() -> float:
    """The clock that all processes of a machine share, in seconds."""
    return time.time()


class LimitReached(DripError):
    """The endpoint grants no more requests for now.

    Attributes:
        seconds: until it does.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the requests that the endpoint grants are used up for {seconds:.0f} s")


class EndpointLimit:
    """So many requests in any window, for one account. The API counts a request at some moment until it answers.

    Args:
        file: the count of all limits.
        purpose: what the limit is of: base URL, account, endpoint.
        limit: requests in a window.
        window: seconds.
    """

    def __init__(self, file: Path, purpose: tuple[str, ...], limit: int, window: float) -> None:
        self.file, self.limit, self.window = file, limit, window
        self.name = hashlib.blake2b("\0".join(purpose).encode(), digest_size=10).hexdigest()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count the request that is sent in the block. Raises LimitReached."""
        number = self._take()
        try:
            yield
        finally:
            self._answered(number)

    def left(self) -> int:
        """Requests that may be sent now."""
        with self._open() as con:
            return 0 if self._closed(con) > 0 else max(self.limit - self._count(con), 0)

    def close(self, seconds: float) -> None:
        """The API refused a request: none may be sent for so long, by any process."""
        with self._open() as con:
            con.execute("INSERT OR REPLACE INTO closed VALUES (?, ?)", (self.name, now() + seconds + SAFETY))

    def _take(self) -> int:
        with self._open() as con:
            seconds = self._closed(con)
            if seconds <= 0 and self._count(con) >= self.limit:
                (first,) = con.execute("SELECT min(expires) FROM requests WHERE name = ?", (self.name,)).fetchone()
                seconds = max(first - now(), SAFETY)
            if seconds > 0:
                raise LimitReached(seconds)
            expires = now() + self.window + min(UNANSWERED, self.window)
            row = con.execute("INSERT INTO requests (name, expires) VALUES (?, ?)", (self.name, expires))
            return int(row.lastrowid or 0)

    def _answered(self, number: int) -> None:
        with self._open() as con:
            expires = now() + self.window + SAFETY
            con.execute("UPDATE requests SET expires = ? WHERE id = ?", (expires, number))

    def _count(self, con: sqlite3.Connection) -> int:
        con.execute("DELETE FROM requests WHERE name = ? AND expires <= ?", (self.name, now()))
        (count,) = con.execute("SELECT count(*) FROM requests WHERE name = ?", (self.name,)).fetchone()
        return int(count)

    def _closed(self, con: sqlite3.Connection) -> float:
        row = con.execute("SELECT until FROM closed WHERE name = ?", (self.name,)).fetchone()
        return float(row[0] - now()) if row else 0.0

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other process can be in at the same time."""
        with closing(sqlite3.connect(self.file, timeout=LOCK_SECONDS, isolation_level=None)) as con:
            con.executescript(TABLES)
            con.execute("BEGIN IMMEDIATE")
            try:
                yield con
            except BaseException:
                con.execute("ROLLBACK")
                raise
            con.execute("COMMIT")


def limits_file(landing: str) -> Path:
    """Where the limits are counted for a landing zone. Its folder is made, private to the user."""
    root = folder_at(landing)
    folder = root if is_local(root) else folder_at(get_dlt_pipelines_dir())
    if not folder.exists():
        make_private(folder)
    return Path(str(folder)) / FILE
