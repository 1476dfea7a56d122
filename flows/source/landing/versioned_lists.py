"""What landed of records that are read one by one, and only where they have changed."""

from collections.abc import Iterator

import msgspec

from flows.source.endpoints import ACCOUNT_ID
from flows.source.landing.landed_list import DependentList, DependentLists
from flows.source.landing.storage import Folder, write_atomically
from flows.source.schema import sql_list, stored

UNCHANGED = "unchanged.json"


class VersionedLists(DependentLists):
    """The landed records of an endpoint with one record per parent; the key is the id of the parent.

    A record that has not changed since the last load lands as such, with no row.
    """

    is_part = True

    def begin(self, versions: dict[str, str]) -> None:
        """Begin a run, which knows the version of each record in the destination, by key."""
        write_atomically(self._known_file(), msgspec.json.encode(versions))

    def known(self) -> dict[str, str]:
        """The version of each record in the destination when the run began."""
        path = self._known_file()
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else {}

    def keep(self, member: DependentList) -> None:
        """Note that a record has not changed."""
        write_atomically(member.landed.folder / UNCHANGED, b"{}")

    def is_kept(self, member: DependentList) -> bool:
        """Whether a record was found to be unchanged."""
        return (member.landed.folder / UNCHANGED).exists()

    def unread(self) -> list[DependentList]:
        """The records that were neither read nor found to be unchanged."""
        return [member for member in super().unread() if not self.is_kept(member)]

    def kept(self) -> Iterator[str]:
        """The keys of the records that were found to be unchanged."""
        return (member.parent_id for member in self.members() if self.is_kept(member))

    def scope(self, whole: bool, in_files: bool) -> str:
        """All records of the account but those that are unchanged, where all the others were read."""
        if not whole:
            return ""
        owner = f"{stored(ACCOUNT_ID, in_files)} = '{self.account_id}'"
        kept = sql_list(self.kept())
        return f"({owner} AND {stored(self.endpoint.key, in_files)} NOT IN ({kept}))" if kept else f"({owner})"

    def _known_file(self) -> Folder:
        """Beside the folder, which is removed where what landed cannot be read."""
        return self.folder.parent / f"{self.folder.name}.known.json"
