"""The landing zone: a folder where every page of every list lands as a Parquet file before it is loaded.

`<landing>/<what it is for>/<resource>/<account>/a01-p000001.parquet`. It is personal data: private to the user, and
removed when its load is reconciled.
"""

import hashlib
import re
import shutil
from pathlib import Path

from flows.source.endpoints import Endpoint
from flows.source.units import PRIVATE, UNOWNED, Unit, unit_in

KEPT = "kept"
"""Folder of what was loaded and is kept all the same; no resource has that name."""


class Landing:
    """The part of the landing zone that belongs to one token, base URL, destination and dataset.

    Args:
        root: the landing zone.
        purpose: what tells this part from others; only a hash of it shows.
    """

    def __init__(self, root: Path, purpose: tuple[str, ...]) -> None:
        digest = hashlib.blake2b("\0".join(purpose).encode(), digest_size=10).hexdigest()
        self.root = root
        self.folder = root / digest

    def prepare(self) -> None:
        """Make the folders, private to the user. Raises OSError where that is impossible."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.root, self.folder):
            folder.chmod(PRIVATE)

    def remove(self) -> None:
        """Remove everything that landed for this purpose."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self, unit: Unit, run: str) -> None:
        """Put a list that has been loaded aside, as what a run read, instead of removing it."""
        place = self.folder / KEPT / run / unit.folder.relative_to(self.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        unit.folder.rename(place)

    def unit(self, endpoint: Endpoint, account_id: str | None, since: str = "") -> Unit:
        """The folder of one list of one account, or of its part since a moment, which never meets the whole.

        `account_id` has been checked to be digits, `since` is ISO 8601 in UTC.
        """
        name = account_id or UNOWNED
        if since:
            name, endpoint = f"{name}-since-{re.sub('[^0-9]', '', since)}", endpoint.since(since)
        return unit_in(self.folder / endpoint.resource / name, endpoint, account_id)
