"""What the dlt source loads its tables from: the landed lists, and what is known of the destination."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from flows.source.endpoints import Endpoint
from flows.source.landing.landed_list import LandedList
from flows.source.paginator import ListOutcome


@dataclass(frozen=True)
class TableFormat:
    """How a destination stores tables.

    Attributes:
        json: dlt's data type for JSON columns.
        in_files: whether the tables are files that dlt merges itself, as for Delta, rather than a database.
        table_format: dlt's name for the format of these files.
    """

    json: str = "json"
    in_files: bool = False
    table_format: Any = None


IN_DATABASE = TableFormat()
"""Tables of a database, with JSON columns of the type `json`."""


@dataclass(frozen=True)
class SourceList:
    """A landed list.

    Attributes:
        landed: its landed pages.
        outcome: the outcome of reading it.
        whole: whether it was read in full and proven complete, so that missing rows can be deleted.
        accounts: for the list of accounts, the ids of those to sync.
    """

    landed: LandedList
    outcome: ListOutcome
    whole: bool
    accounts: Sequence[str] = ()


class TableLoad(NamedTuple):
    """What a load is about to merge into a table.

    Attributes:
        endpoint: the endpoint of the table.
        accounts: the accounts whose lists were read in full and proven complete.
        rows: their rows.
        columns: dlt's hints of the columns.
    """

    endpoint: Endpoint
    accounts: Sequence[str]
    rows: pa.Table
    columns: Mapping[str, Any]


class Lists(Protocol):
    """Where a source gets its lists from."""

    @property
    def format(self) -> TableFormat:
        """The format of the destination's tables."""

    @property
    def started(self) -> datetime:
        """When the sync began."""

    @property
    def tokens(self) -> int:
        """The number of tokens that the lists were read with."""

    @property
    def mask(self) -> str:
        """Fingerprint of the mask that the lists were read with; empty for none."""

    @property
    def frozen(self) -> bool:
        """Whether unknown fields get no column."""

    def of(self, resource: str) -> Sequence[SourceList]:
        """The landed lists of a resource."""

    def known_columns(self, resource: str) -> Mapping[str, str]:
        """Existing columns for fields that are not in the API reference, by the API's name of the field."""

    def are_loaded(self, load: TableLoad) -> bool:
        """Whether the destination is known to have these rows, and no others of these accounts."""

    def begin(self, resource: str) -> None:
        """Note that the rows of a resource are loaded."""

    def need_quarantine(self) -> bool:
        """Whether `_quarantine` has to be loaded even if no record is quarantined."""


@dataclass(frozen=True)
class LandedLists:
    """Lists that have already landed, so that the source sends no requests.

    Attributes:
        lists: the lists.
        columns: by resource, the columns of unknown fields in the destination.
        stored: whether the destination has the rows of a load, and no others of its accounts.
        has_quarantined: whether `_quarantine` may have records.
        begun: the resources whose rows are loaded.

    The others are as in `Lists`.
    """

    lists: Sequence[SourceList]
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    format: TableFormat = IN_DATABASE
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    tokens: int = 1
    mask: str = ""
    frozen: bool = False
    stored: Callable[[TableLoad], bool] = lambda load: False
    has_quarantined: Callable[[], bool] = lambda: True
    begun: set[str] = field(default_factory=set)

    def of(self, resource: str) -> Sequence[SourceList]:
        """The lists of a resource."""
        return [source_list for source_list in self.lists if source_list.landed.endpoint.resource == resource]

    def known_columns(self, resource: str) -> Mapping[str, str]:
        """The columns in the destination."""
        return self.columns.get(resource, {})

    def are_loaded(self, load: TableLoad) -> bool:
        """Whether the destination has these rows already."""
        return self.stored(load)

    def begin(self, resource: str) -> None:
        """Note it in `begun`."""
        self.begun.add(resource)

    def need_quarantine(self) -> bool:
        """Whether there may be records to delete, or nothing else is loaded: every sync has a load id."""
        return not self.begun or self.has_quarantined()
