"""The landing zone: a local folder or a bucket, where every page of every list is saved as a Parquet file.

Paths are `<landing>/<part>/<resource>/<account>/a01-p000001.parquet`. The pages are personal data: local folders are
private to the user, and pages are deleted after they are loaded and reconciled.
"""

import hashlib
import re

from dlt.common.pipeline import get_dlt_pipelines_dir

from flows.source.endpoints import Endpoint
from flows.source.landing.kinds import landed_list_in
from flows.source.landing.landed_list import LandedList
from flows.source.landing.storage import Folder, folder_at, is_local, make_private, move, remove, write_atomically

PART = re.compile(r"[0-9a-f]{20}")
"""Matches the name of a part. Other files in the landing zone's folder do not belong to this project."""
PROBE = "probe"
PIPELINES = "pipelines"
"""The folder of dlt's files of each run."""
MASK_MARKER = "mask"
"""A file with the fingerprint of the mask of the landed pages; missing if they are not masked."""
WORK = "drip-flows"
DLT_TEMPLATE = "%"
"""dlt formats file paths with `%`, so they must not contain one."""
KEPT = "kept"
"""Folder of loaded lists that are kept; no resource has this name."""


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
        """The local folder for dlt's files: the part itself, if it is local and dlt can use its path."""
        usable = is_local(self.folder) and DLT_TEMPLATE not in str(self.folder)
        return self.folder if usable else folder_at(get_dlt_pipelines_dir()) / WORK / self.part

    def prepare(self) -> None:
        """Create the local folders, private to the user, and check that a bucket is writable.

        Raises:
            Exception: they are not writable; the type depends on the kind of bucket.
        """
        if not is_local(self.root):
            write_atomically(self.folder / PROBE, b"")
        if is_local(self.root) and not self.root.exists():
            make_private(self.root)
        for folder in (self.folder, self.work):
            make_private(folder)

    def use_mask(self, fingerprint: str) -> None:
        """Delete every list that landed with another mask. No other run may use the part."""
        marker = self.folder / MASK_MARKER
        known = marker.read_text() if marker.exists() else ""
        if known != fingerprint:
            self.clear()
            write_atomically(marker, fingerprint.encode())

    def clear(self) -> None:
        """Delete every list that landed, kept ones included. No other run may use the part."""
        for landed in self.folder.iterdir() if self.folder.exists() else ():
            if landed.name not in (PIPELINES, MASK_MARKER):
                remove(landed)

    def remove(self) -> None:
        """Delete everything in this part."""
        remove(self.folder)
        remove(self.work)

    def keep(self, landed: LandedList, run: str) -> None:
        """Move a loaded list into the folder of kept lists, by run, instead of deleting it."""
        move(landed.folder, self.folder / KEPT / run / landed.folder.parent.name / landed.folder.name)

    def landed_list(self, endpoint: Endpoint, account_id: str | None, since: str = "") -> LandedList:
        """The landed list of one endpoint and account.

        A list of records since a time (`since`, ISO 8601 in UTC) has a separate folder from the complete list.
        `account_id` must have been checked to be digits.
        """
        if not since:
            return landed_list_in(self.folder, endpoint, account_id)
        name = f"{account_id}-since-{re.sub('[^0-9]', '', since)}"
        return landed_list_in(self.folder, endpoint.since(since), account_id, name)


def part_for(*purpose: str) -> str:
    """The name of the part for a token, base URL, destination and dataset: a hash that does not reveal them."""
    return hashlib.blake2b("\0".join(purpose).encode(), digest_size=10).hexdigest()
