"""The spools that events are loaded from: the receiver's own on this machine, and copies of those that were shipped."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from flows.common.project import project_path
from flows.pipeline.event_batch import EventBatch
from flows.source.deliveries.shipping import FOLDER, copy_batches, delete_batches, shipped_spools
from flows.source.deliveries.spool import Spool, opened
from flows.source.landing.storage import Folder, folder_at
from flows.source.settings import common_settings


class EventSource(NamedTuple):
    """A spool, in a folder of this machine.

    Attributes:
        folder: that the spool is in.
        spool_id: the id of the spool.
        landing: the landing zone that its deliveries were shipped through; None for the receiver's own spool.
    """

    folder: Path
    spool_id: str
    landing: Folder | None = None

    @contextmanager
    def opened(self, batch: EventBatch) -> Iterator[tuple[Spool, int]]:
        """The spool, with all that was shipped, and the number of deliveries that are missing in the landing zone.

        Shipped files whose deliveries the destination has are deleted when the block ends without an error.

        Args:
            batch: knows up to which delivery the destination has the spool.
        """
        missing = 0
        if self.landing is not None:
            missing = copy_batches(self.landing, self.spool_id, self.folder, batch.last())
        with closing(Spool(self.folder, self.spool_id)) as spool:
            yield spool, missing
        if self.landing is not None:
            delete_batches(self.landing, self.spool_id, batch.last())


def spool_folder() -> Path:
    """Where the settings have deliveries spooled. Raises SettingsError."""
    return project_path(common_settings().webhooks)


def event_sources() -> list[EventSource]:
    """Every spool of this machine, and of the machines that ship to the landing zone. Raises SettingsError."""
    folder, landing = spool_folder(), folder_at(common_settings().landing)
    own: list[EventSource] = []
    with opened(folder) as spool:
        if spool:
            own = [EventSource(folder, spool.id)]
    known = {one.spool_id for one in own}
    copies = folder / FOLDER
    names = {path.name for path in copies.iterdir()} if copies.is_dir() else set()
    shipped = sorted(names | {*shipped_spools(landing)} - known)
    return [*own, *(EventSource(copies / name, name, landing) for name in shipped)]
