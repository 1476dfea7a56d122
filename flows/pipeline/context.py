"""What one run of the sync is: its names, its folders, its client. Shared by the flow and its tasks.

A sync has a run for each named connection, all of them in one flow run and one load; one run where none is named.
"""

import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa

from flows.common.events import EventListener, emit, tell
from flows.common.list_key import ListKey
from flows.destinations.target import Target
from flows.pipeline.sync_log import FULL
from flows.source.client import DripClient
from flows.source.decoding.decoder import Decoder
from flows.source.endpoints import ENDPOINTS
from flows.source.landing.landed_list import LandedList
from flows.source.landing.storage import Folder, remove
from flows.source.landing.zone import Landing
from flows.source.settings import (
    load_settings,
)

# Arrow's own allocator keeps what it was given: 120 MB more, measured, at the end of a list of 100,000.
pa.set_memory_pool(pa.system_memory_pool())

PRIVATE_UMASK = 0o077
DEFAULT_DATASET = "drip"
MAX_CONNECTIONS = 16
"""Runs whose tools a process that reads for many flows keeps."""


@dataclass(frozen=True)
class ReadMode:
    """How one account's subscribers are read.

    Attributes:
        mode: full or incremental.
        why: for people.
        since: of the incremental: who was created after it (ISO 8601, UTC) is asked for.
    """

    mode: str = FULL
    why: str = ""
    since: str = ""


FULL_READ = ReadMode()


@dataclass(frozen=True)
class ConnectionRun:
    """Names and places of what one token syncs. It travels to every task as a parameter, so it holds no secret.

    Attributes:
        target: where to.
        resources: names of the resources that are synced, in the order of the table.
        landing: the landing zone for this token, base URL, destination and dataset.
        columns: by resource, the columns that fields which the reference does not know have already.
        id: unique; the name of the pipeline folder.
        started: when, with time zone.
        history: names of those resources whose history is kept.
        read_modes: by account, how its subscribers are read; whole where nothing is said.
        connection: the name of the connection; empty where none is named.
        accounts: ids of those that are synced; None until they are known, and where the API did not tell.
        coordinator: URL at which what is read away from the flow asks for its budget; empty where all is read in it.
    """

    target: Target
    resources: tuple[str, ...]
    landing: Landing
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    history: tuple[str, ...] = ()
    read_modes: dict[str, ReadMode] = field(default_factory=dict)
    connection: str = ""
    accounts: tuple[str, ...] | None = None
    coordinator: str = ""

    def key(self, resource: str, account_id: str | None) -> ListKey:
        """A list that this connection reads."""
        return ListKey(self.connection, resource, account_id)

    def landed_list(self, key: ListKey) -> LandedList:
        """The pages of a list in the landing zone."""
        return self.landing.landed_list(ENDPOINTS[key.resource], key.account_id, self.read_mode(key).since)

    def read_mode(self, key: ListKey) -> ReadMode:
        """Whether a list is read in full or in part."""
        return self.read_modes.get(key.account_id or "", FULL_READ) if ENDPOINTS[key.resource].freezable else FULL_READ

    @property
    def pipeline_folder(self) -> Folder:
        """dlt's working folder of this run alone: a package that failed to load never meets another run."""
        return self.landing.work / "pipelines" / self.id


@dataclass(frozen=True)
class SyncRun:
    """The runs of one sync: one for each connection, in the order of the setting; a single one where none is named.

    All have the same id, start, target, resources, columns and history.
    """

    each: tuple[ConnectionRun, ...]

    @property
    def common(self) -> ConnectionRun:
        """Any of them, for what is the same in all."""
        return self.each[0]

    @property
    def known(self) -> list[ConnectionRun]:
        """Those whose accounts are known."""
        return [run for run in self.each if run.accounts is not None]

    def of(self, connection: str) -> ConnectionRun:
        """The run of one connection."""
        return next(run for run in self.each if run.connection == connection)

    def landed_list(self, key: ListKey) -> LandedList:
        """The pages of a list in the landing zone."""
        return self.of(key.connection).landed_list(key)

    def with_columns(self, columns: dict[str, dict[str, str]]) -> "SyncRun":
        """The same, with the columns that the destination has."""
        return SyncRun(tuple(replace(run, columns=columns) for run in self.each))


class Connection:
    """What the tasks of a run share within a process: the client with its budget, the decoders.

    Args:
        connection: whose; empty where none is named.

    Attributes:
        emit: passes an event of the progress on.
    """

    def __init__(self, connection: str) -> None:
        self.settings = load_settings(connection)
        self.client = DripClient(self.settings, say=partial(_tell, connection))
        self.emit: EventListener = emit
        self._decoders: dict[str, Decoder] = {}
        self._making = threading.Lock()

    def decoder(self, resource: str, known: Iterable[str] = ()) -> Decoder:
        """The decoder of a resource, which has learned from all its lists so far, and starts with `known` fields."""
        with self._making:
            if resource not in self._decoders:
                endpoint = ENDPOINTS[resource].of(self.settings.connection)
                self._decoders[resource] = Decoder(endpoint, known=known)
            return self._decoders[resource]


_connections: dict[tuple[str, str], Connection] = {}
_making = threading.Lock()


def connection_of(run: ConnectionRun, make: Callable[[ConnectionRun], Connection] | None = None) -> Connection:
    """The tools of a run in this process, made when first asked for.

    Args:
        run: whose.
        make: makes them, in a process that is not the run's own; called where there are none yet.
    """
    name = (run.id, run.connection)
    with _making:
        if name not in _connections:
            _connections[name] = make(run) if make else Connection(run.connection)
            for old in list(_connections)[:-MAX_CONNECTIONS] if make else ():  # nobody tells a worker of a run's end
                del _connections[old]
        return _connections[name]


@contextmanager
def private_files() -> Iterator[None]:
    """Have every file that is made in the block readable by the user alone: databases, their logs, what landed."""
    before = os.umask(PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def clean_up(runs: SyncRun) -> None:
    """Forget the tools and dlt's working folder of runs that have ended, well or not."""
    with _making:
        for run in runs.each:
            _connections.pop((run.id, run.connection), None)
    remove(runs.common.pipeline_folder)


def _tell(connection: str, text: str) -> None:
    """Say a sentence of the client, with the connection's name before it if it has one."""
    tell(f"{connection}: {text}" if connection else text)
