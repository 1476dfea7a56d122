"""Deliveries on their way from a receiver to a load on another machine, through the landing zone.

The receiver ships batches of its spool as files `<landing>/webhooks/<spool>/<after>-<last>.parquet`, with the
deliveries whose ids are above `after`, up to and including `last`. The load copies them into a spool of the same id in
its own folder, loads this as any other spool, and deletes a file only when the destination has its deliveries. A
delivery that comes twice is recognized by its id.
"""

import io
import os
import re
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from flows.common.errors import DripError
from flows.source.deliveries.spool import Delivery, Spool
from flows.source.landing.storage import Folder, make_private, write_atomically

FOLDER = "webhooks"
"""In the landing zone, and in the folder of a loading machine."""
SHIPPED = "shipped"
"""File with the last id that was shipped."""
NAME = re.compile(r"(\d{18})-(\d{18})\.parquet")
SPOOL_ID = re.compile(r"[0-9a-f]{32}")
COLUMNS: list[tuple[str, pa.DataType]] = [
    ("id", pa.int64()),
    ("account", pa.string()),
    ("received", pa.int64()),
    ("body", pa.binary()),
    ("mask", pa.string()),
    ("event", pa.string()),
]
SCHEMA = pa.schema(COLUMNS)


class Batch(NamedTuple):
    """A file with the deliveries above `after`, up to and including `last`."""

    after: int
    last: int
    path: Folder


class Shipper:
    """Ships the deliveries of a spool.

    Args:
        spool: of the receiver.
        landing: the landing zone.

    Raises:
        DripError: the spool is older than what was shipped from it.
    """

    def __init__(self, spool: Spool, landing: Folder) -> None:
        self._spool, self._folder = spool, landing / FOLDER / spool.id
        self._destination = f"landing zone {landing}"
        marker = self._folder / SHIPPED
        marked = int(marker.read_bytes()) if marker.exists() else 0
        self.last = max(marked, spool.loads().get(self._destination, 0))
        if self.last > spool.last():
            raise DripError(
                f"{spool.path} ends with delivery {spool.last():,} and {self.last:,} were shipped from it: it was "
                "restored from an older copy. Stop the receiver, move the file away, and start the receiver"
            )

    def begin_again(self) -> None:
        """Ship all that the spool holds once more."""
        self.last = 0

    def ship(self) -> int:
        """Ship what is new. Returns the number of deliveries. Raises OSError."""
        shipped, up_to = 0, self._spool.last()
        while deliveries := self._spool.read(self.last, up_to):
            last = deliveries[-1].id
            write_durably(self._folder / f"{self.last:018d}-{last:018d}.parquet", _file_of(deliveries))
            write_durably(self._folder / SHIPPED, str(last).encode())
            self.last, shipped = last, shipped + len(deliveries)
        self._spool.loaded(self._destination, self.last)
        return shipped


def shipped_spools(landing: Folder) -> list[str]:
    """The ids of the spools that deliveries were shipped from."""
    folder = landing / FOLDER
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    return sorted(name for name in names if SPOOL_ID.fullmatch(name))


def batches(landing: Folder, spool: str) -> list[Batch]:
    """The files of a spool, in the order of their deliveries."""
    found, folder = [], landing / FOLDER / spool
    for path in folder.iterdir() if folder.exists() else ():
        if name := NAME.fullmatch(path.name):
            found.append(Batch(int(name[1]), int(name[2]), path))
    return sorted(found)


def copy_batches(landing: Folder, spool_id: str, folder: Path, loaded: int) -> int:
    """Copy the shipped deliveries of a spool into a spool in a local folder, which may have been lost since.

    Args:
        landing: the landing zone.
        spool_id: the id of the spool.
        folder: of the copy.
        loaded: the last id that the destination has.

    Returns:
        The number of ids, at least that of deliveries, of which no file is there. The copy ends before them.
    """
    with closing(Spool(folder, spool_id)) as spool:
        last = spool.last() or loaded
        for batch in batches(landing, spool_id):
            if last and batch.after > last:
                return batch.after - last
            deliveries = [one for one in read_batch(batch.path) if one.id > last]
            last = max(last, batch.last)
            spool.copy(deliveries, last)
    return 0


def delete_batches(landing: Folder, spool: str, last: int) -> None:
    """Delete the files whose deliveries are loaded: all with ids up to and including `last`, oldest first."""
    for batch in batches(landing, spool):
        if batch.last <= last:
            batch.path.unlink()


def read_batch(path: Folder) -> list[Delivery]:
    """The deliveries of a file."""
    table = pq.read_table(pa.BufferReader(path.read_bytes()))  # one of an earlier version lacks the last columns
    return [Delivery(**row) for row in table.to_pylist()]


def write_batch(path: Folder, deliveries: list[Delivery]) -> None:
    """Replace the deliveries of a file."""
    write_durably(path, _file_of(deliveries))


def write_durably(path: Folder, content: bytes) -> None:
    """Write a file atomically and, to a local folder, synced to the disk."""
    if not isinstance(path, Path):
        write_atomically(path, content)
        return
    make_private(path.parent)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    number = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(number)  # the name of the file too
    finally:
        os.close(number)


def _file_of(deliveries: list[Delivery]) -> bytes:
    columns = {name: [getattr(one, name) for one in deliveries] for name in SCHEMA.names}
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pydict(columns, schema=SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()
