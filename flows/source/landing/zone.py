"""The landing zone: a folder, local or in a bucket, where every page of every list lands as a Parquet file.

`<landing>/<what it is for>/<resource>/<account>/a01-p000001.parquet`. It is personal data: private to the user, and
removed when its load is reconciled.
"""

import hashlib
import re

from dlt.common.pipeline import get_dlt_pipelines_dir

from flows.source.endpoints import Endpoint
from flows.source.landing.landed_list import LandedList, landed_list_in
from flows.source.landing.storage import Folder, folder_at, is_local, make_private, move, remove, write_atomically

PART = re.compile(r"[0-9a-f]{20}")
"""The name of a part. Whatever else is in the folder of the landing zone is somebody else's."""
PROBE = "probe"
WORK = "drip-flows"
DLT_TEMPLATE = "%"
"""dlt takes the path of each file for a template with one placeholder."""
KEPT = "kept"
"""Folder of what was loaded and is kept all the same; no resource has that name."""


class Landing:
    """The part of the landing zone that belongs to one token, base URL, destination and dataset.

    Args:
        root: the landing zone.
        part: name of the part, from `part_for`.
    """

    def __init__(self, root: Folder, part: str) -> None:
        self.root, self.part = root, part
        self.folder = root / part

    @property
    def work(self) -> Folder:
        """The local folder for what dlt makes of what landed: the same one, if dlt can work in it."""
        usable = is_local(self.folder) and DLT_TEMPLATE not in str(self.folder)
        return self.folder if usable else folder_at(get_dlt_pipelines_dir()) / WORK / self.part

    def prepare(self) -> None:
        """Make the folders, private to the user, or try whether the bucket can be written to.

        Raises:
            Exception: it cannot be; each kind of bucket has errors of its own.
        """
        if not is_local(self.root):
            write_atomically(self.folder / PROBE, b"")
        if is_local(self.root) and not self.root.exists():
            make_private(self.root)
        for folder in (self.folder, self.work):
            make_private(folder)

    def remove(self) -> None:
        """Remove everything that landed for this purpose."""
        remove(self.folder)
        remove(self.work)

    def keep(self, unit: LandedList, run: str) -> None:
        """Put a list that has been loaded aside, as what a run read, instead of removing it."""
        move(unit.folder, self.folder / KEPT / run / unit.folder.parent.name / unit.folder.name)

    def unit(self, endpoint: Endpoint, account_id: str | None, since: str = "") -> LandedList:
        """The folder of one list of one account, or of its part since a moment, which never meets the whole.

        `account_id` has been checked to be digits, `since` is ISO 8601 in UTC.
        """
        if not since:
            return landed_list_in(self.folder, endpoint, account_id)
        name = f"{account_id}-since-{re.sub('[^0-9]', '', since)}"
        return landed_list_in(self.folder, endpoint.since(since), account_id, name)


def part_for(*purpose: str) -> str:
    """The name of the part for one token, base URL, destination and dataset: a hash, which tells nothing of them."""
    return hashlib.blake2b("\0".join(purpose).encode(), digest_size=10).hexdigest()
