"""What one run of the sync is: its names, its folders, its client. Shared by the flow and its tasks."""

import os
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from flows.destinations import Target, resolve_target
from flows.landing import Landing
from flows.progress import tell
from flows.source.client import DripClient
from flows.source.decode import Decoder
from flows.source.drip import chosen_endpoints
from flows.source.endpoints import ENDPOINTS
from flows.source.errors import SettingsError
from flows.source.settings import DEFAULT_HISTORY, DripSettings, check_history, load_settings
from flows.source.units import Unit
from flows.syncs import FULL
from flows.warehouses import HISTORY, DestinationName

# Arrow's own allocator keeps what it was given: 120 MB more, measured, at the end of a list of 100,000.
pa.set_memory_pool(pa.system_memory_pool())

PRIVATE_UMASK = 0o077
DEFAULT_DATASET = "drip"
NO_HISTORY = "sync with --no-history (history: false in Prefect), or set SOURCES__DRIP__HISTORY='[]'"


@dataclass(frozen=True)
class Choice:
    """How one account's subscribers are read.

    Attributes:
        mode: full or incremental.
        why: for people.
        since: of the incremental: who was created after it (ISO 8601, UTC) is asked for.
    """

    mode: str = FULL
    why: str = ""
    since: str = ""


WHOLE = Choice()


@dataclass(frozen=True)
class Run:
    """Names and places of one run. It travels to every task as a parameter, so it holds no secret.

    Attributes:
        target: where to.
        resources: names of the resources that are synced, in the order of the table.
        landing: the landing zone for this token, base URL, destination and dataset.
        columns: by resource, the columns that fields which the reference does not know have already.
        id: unique; the name of the pipeline folder.
        started: when, with time zone.
        history: names of those resources whose history is kept.
        choices: by account, how its subscribers are read; whole where nothing is said.
    """

    target: Target
    resources: tuple[str, ...]
    landing: Landing
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    history: tuple[str, ...] = ()
    choices: dict[str, Choice] = field(default_factory=dict)

    def unit(self, resource: str, account_id: str | None) -> Unit:
        """Where the list of one account lands."""
        return self.landing.unit(ENDPOINTS[resource], account_id, self.choice(resource, account_id).since)

    def choice(self, resource: str, account_id: str | None) -> Choice:
        """How the list of one account is read."""
        return self.choices.get(account_id or "", WHOLE) if ENDPOINTS[resource].freezable else WHOLE

    @property
    def pipeline_folder(self) -> Path:
        """dlt's working folder of this run alone: a package that failed to load never meets another run."""
        return self.landing.folder / "pipelines" / self.id


class Tools:
    """What the tasks of a run share within a process: the client with its budget, the decoders."""

    def __init__(self) -> None:
        self.settings = load_settings()
        self.client = DripClient(self.settings, say=tell)
        self._decoders: dict[str, Decoder] = {}
        self._making = threading.Lock()

    def decoder(self, resource: str, known: Iterable[str] = ()) -> Decoder:
        """The decoder of a resource, which has learned from all its lists so far, and starts with `known` fields."""
        with self._making:
            if resource not in self._decoders:
                self._decoders[resource] = Decoder(ENDPOINTS[resource], known=known)
            return self._decoders[resource]


_tools: dict[str, Tools] = {}
_making = threading.Lock()


def tools_of(run: Run) -> Tools:
    """The tools of a run in this process, made when first asked for."""
    with _making:
        if run.id not in _tools:
            _tools[run.id] = Tools()
        return _tools[run.id]


def prepare(
    resources: Sequence[str] | None,
    destination: DestinationName,
    dataset: str,
    history: bool | Sequence[str] | None = None,
) -> Run:
    """Check everything that can be checked without a request.

    Args:
        resources: that are wanted; the usual ones where empty.
        destination: the name of the dlt destination.
        dataset: the schema that the tables are in.
        history: whose history is kept; True and None: of those in the settings, False: of none.

    Raises:
        SettingsError: naming the setting to change.
    """
    settings = load_settings()
    chosen = tuple(endpoint.resource for endpoint in chosen_endpoints(resources))
    target = resolve_target(destination, dataset)
    historic = _historic(chosen, history, settings)
    if historic:
        target.kind.refuse(HISTORY, NO_HISTORY)
    landing = _landing(settings, target)
    target.check(settings)
    return Run(target, chosen, landing, history=historic)


@contextmanager
def private_files() -> Iterator[None]:
    """Have every file that is made in the block readable by the user alone: databases, their logs, what landed."""
    before = os.umask(PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def clean_up(run: Run) -> None:
    """Forget the tools and dlt's working folder of a run that has ended, well or not."""
    with _making:
        _tools.pop(run.id, None)
    shutil.rmtree(run.pipeline_folder, ignore_errors=True)


def _historic(resources: Sequence[str], wanted: bool | Sequence[str] | None, settings: DripSettings) -> tuple[str, ...]:
    """The resources of a run whose history is kept. Raises SettingsError."""
    if isinstance(wanted, bool):
        names: Sequence[str] = (settings.history or DEFAULT_HISTORY) if wanted else ()
    else:
        names = settings.history if wanted is None else wanted
    check_history(names, "history")
    return tuple(name for name in resources if name in names)


def _landing(settings: DripSettings, target: Target) -> Landing:
    root = Path(settings.landing).expanduser().absolute()
    landing = Landing(root, (settings.base_url, settings.token, target.location, target.dataset))
    try:
        landing.prepare()
    except OSError as error:
        raise SettingsError(f"cannot write to {root} ({error.strerror}): change SOURCES__DRIP__LANDING") from None
    return landing
