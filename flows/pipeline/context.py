"""The context of a sync: its names, folders and clients, shared by all stages.

A sync has a run for each named connection, or a single run if none are named. All are loaded together.
"""

import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import pyarrow as pa

from flows.common.clock import now
from flows.common.events import EventListener, emit, tell
from flows.common.list_key import ListKey
from flows.destinations.target import Target
from flows.pipeline.sync_log import FULL, INCREMENTAL
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.endpoints import ENDPOINTS
from flows.source.landing.landed_list import LandedList
from flows.source.landing.storage import Folder, remove
from flows.source.landing.zone import PIPELINES, Landing
from flows.source.settings import load_settings

# Arrow's own allocator does not return memory: measured, it uses 120 MB more at the end of a list of 100,000.
pa.set_memory_pool(pa.system_memory_pool())

PRIVATE_UMASK = 0o077
DEFAULT_DATASET = "drip"
MAX_CONNECTIONS = 16
"""Maximum number of connections that a worker process keeps, since it is not told when runs end."""


@dataclass(frozen=True)
class ReadMode:
    """How one account's subscribers are read.

    Attributes:
        mode: full or incremental.
        why: the reason, for the report.
        since: in incremental mode, only subscribers created after this time (ISO 8601, UTC) are read.
    """

    mode: str = FULL
    why: str = ""
    since: str = ""


FULL_READ = ReadMode()
DAILY_READ = ReadMode(INCREMENTAL)
"""Of figures by day, only those days are read that may have changed."""


@dataclass(frozen=True)
class ConnectionRun:
    """The sync of one token. It is a parameter of every task, so it contains no secrets.

    Attributes:
        target: the destination and dataset.
        resources: names of the resources to sync, in the order of `ENDPOINTS`.
        landing: the landing zone for this token, base URL, destination and dataset.
        columns: existing columns of fields that are not in the API reference, by resource.
        id: unique id of the sync, and name of its pipeline folder.
        started: start time, with time zone.
        history: names of the resources whose history is kept.
        read_modes: by account, how its subscribers are read; in full by default.
        connection: the name of the connection; empty if no connections are named.
        accounts: ids of the accounts to sync; None until they are known, and if they could not be read.
        all_accounts: ids of the accounts that this token would sync if none were chosen.
        coordinator: URL where remote workers ask for permission before each request; empty if there are none.
        account_names: names of the accounts by id; without those that have no name.
        mask: fingerprint of the mask; empty if nothing is masked.
    """

    target: Target
    resources: tuple[str, ...]
    landing: Landing
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    started: datetime = field(default_factory=now)
    history: tuple[str, ...] = ()
    read_modes: dict[str, ReadMode] = field(default_factory=dict)
    connection: str = ""
    accounts: tuple[str, ...] | None = None
    coordinator: str = ""
    account_names: dict[str, str] = field(default_factory=dict)
    all_accounts: tuple[str, ...] = ()
    mask: str = ""

    def key(self, resource: str, account_id: str | None) -> ListKey:
        """The key of a list that is read with this connection."""
        return ListKey(self.connection, resource, account_id)

    def landed_list(self, key: ListKey) -> LandedList:
        """The pages of a list in the landing zone."""
        return self.landing.landed_list(ENDPOINTS[key.resource], key.account_id, self.read_mode(key).since)

    def read_mode(self, key: ListKey) -> ReadMode:
        """Whether a list is read in full or in part."""
        if ENDPOINTS[key.resource].daily:
            return DAILY_READ
        if not ENDPOINTS[key.resource].has_created_filter:
            return FULL_READ
        return self.read_modes.get(key.account_id or "", FULL_READ)

    @property
    def pipeline_folder(self) -> Folder:
        """dlt's working folder for this run only, so that no other run loads a package that failed to load."""
        return self.landing.work / PIPELINES / self.id


@dataclass(frozen=True)
class SyncRun:
    """The runs of one sync, one per connection in the order of the setting, or a single one if none are named.

    All have the same id, start, target, resources, columns and history.
    """

    each: tuple[ConnectionRun, ...]

    @property
    def common(self) -> ConnectionRun:
        """The first run, for attributes that are the same in all."""
        return self.each[0]

    @property
    def known(self) -> list[ConnectionRun]:
        """The runs whose accounts are known."""
        return [run for run in self.each if run.accounts is not None]

    @property
    def account_names(self) -> dict[str, str]:
        """The names of all accounts by id."""
        return {account: name for run in self.each for account, name in run.account_names.items()}

    def of(self, connection: str) -> ConnectionRun:
        """The run of one connection."""
        return next(run for run in self.each if run.connection == connection)

    def landed_list(self, key: ListKey) -> LandedList:
        """The pages of a list in the landing zone."""
        return self.of(key.connection).landed_list(key)

    def with_columns(self, columns: dict[str, dict[str, str]]) -> "SyncRun":
        """The runs with the columns of the destination."""
        return SyncRun(tuple(replace(run, columns=columns) for run in self.each))


class Connection:
    """The client, its rate limit and the decoders, shared by the tasks of a run in this process.

    Args:
        connection: the name of the connection; empty if no connections are named.

    Attributes:
        emit: called with progress events.
    """

    def __init__(self, connection: str) -> None:
        self.settings = load_settings(connection)
        self.client = DripClient(self.settings, say=partial(_tell, connection))
        self.emit: EventListener = emit
        self._decoders: dict[str, Decoder] = {}
        self._making = threading.Lock()

    def decoder(self, resource: str, known: Iterable[str] = ()) -> Decoder:
        """The decoder of a resource, shared by its lists. It starts with the `known` fields and adds new ones."""
        with self._making:
            if resource not in self._decoders:
                endpoint = ENDPOINTS[resource].of(self.settings.connection)
                self._decoders[resource] = Decoder(endpoint, known=known, mask=self.settings.masking)
            return self._decoders[resource]


_connections: dict[tuple[str, str], Connection] = {}
_making = threading.Lock()


def connection_of(run: ConnectionRun, make: Callable[[ConnectionRun], Connection] | None = None) -> Connection:
    """The connection of a run in this process, created on first use.

    Args:
        run: the run.
        make: creates the connection, in processes other than the run's own.
    """
    name = (run.id, run.connection)
    with _making:
        if name not in _connections:
            _connections[name] = make(run) if make else Connection(run.connection)
            for old in list(_connections)[:-MAX_CONNECTIONS] if make else ():  # a worker is not told when a run ends
                del _connections[old]
        return _connections[name]


@contextmanager
def private_files() -> Iterator[None]:
    """Make all files created in the block private to the user: databases, their logs, landed pages."""
    before = os.umask(PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def clean_up(runs: SyncRun) -> None:
    """Release the connections and delete dlt's working folder of runs that have ended."""
    with _making:
        for run in runs.each:
            _connections.pop((run.id, run.connection), None)
    remove(runs.common.pipeline_folder)


def _tell(connection: str, text: str) -> None:
    """Emit a message of the client, prefixed with the connection's name if it has one."""
    tell(f"{connection}: {text}" if connection else text)
