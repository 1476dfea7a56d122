"""The plan of a sync: the lists it would read, how, and what that costs. It writes nothing to the destination."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path

import msgspec

from flows.common.error_message import nothing_started
from flows.common.errors import DripError
from flows.common.list_key import ListKey
from flows.destinations.catalogue import DestinationName
from flows.destinations.target import resolve_target
from flows.pipeline.accounts import Discovery, discover, with_accounts
from flows.pipeline.context import DEFAULT_DATASET, ConnectionRun, SyncRun, clean_up, connection_of
from flows.pipeline.extract import failure_of
from flows.pipeline.planning.estimate import Estimate, estimate, waits_for
from flows.pipeline.planning.read_only import ReadOnlyDataset, read_only
from flows.pipeline.sync import lists_to_read
from flows.pipeline.sync_log import FULL, SYNCS_TABLE
from flows.pipeline.sync_mode import SUBSCRIBERS, Mode, Seen, modes_of, seen_accounts
from flows.pipeline.threads import LISTS_AT_ONCE
from flows.source.dlt_run_context import in_project
from flows.source.endpoints import ACCOUNTS, ENDPOINTS
from flows.source.landing.storage import folder_at
from flows.source.landing.zone import Landing, part_for
from flows.source.mask_check import check_table_masks
from flows.source.settings import common_settings, every_settings
from flows.source.source import chosen_endpoints


class ListPlan(msgspec.Struct):
    """One list of one account in a plan.

    Attributes:
        account: the account; None for a list that belongs to the token.
        resource: the resource.
        connection: the connection that reads it; empty if no connections are named.
        api_rows: rows that would be read, according to the API; None if unknown.
        rows: rows of the list in the destination; None if it cannot be read.
        mode: full or incremental.
        why: why it is read in this mode.
        requests: requests that it takes.
        exact: whether it takes exactly that many, unless the list changes meanwhile.
        bytes: estimated size of the replies.
        note: why it cannot be read.
        added, changed, removed: rows that a sync would add, change and remove; None if not compared.
    """

    account: str | None
    resource: str
    connection: str = ""
    api_rows: int | None = None
    rows: int | None = None
    mode: str = FULL
    why: str = ""
    requests: int = 0
    exact: bool = True
    bytes: int = 0
    note: str = ""
    added: int | None = None
    changed: int | None = None
    removed: int | None = None


class TokenPlan(msgspec.Struct):
    """The requests of one token: needed, left now, the number of waits for the rate limit, seconds in all."""

    connection: str
    requests: int
    left: int
    waits: int
    seconds: float


class SyncPlan(msgspec.Struct):
    """What a sync would do.

    Attributes:
        location: location of the destination, without secrets.
        dataset: name of the dataset.
        lists: a line for each list.
        tokens: the requests of each token.
        spent: requests that the plan itself took.
        account_names: names of the accounts by id.
    """

    location: str
    dataset: str
    lists: list[ListPlan]
    tokens: list[TokenPlan]
    spent: int = 0
    account_names: dict[str, str] = {}

    @property
    def requests(self) -> int:
        """Requests of all tokens."""
        return sum(token.requests for token in self.tokens)

    @property
    def exact(self) -> bool:
        """Whether the sync takes exactly that many requests, unless lists change meanwhile."""
        return all(line.exact for line in self.lists)

    @property
    def failures(self) -> list[ListPlan]:
        """The lists that cannot be read."""
        return [line for line in self.lists if line.note]


Compare = Callable[[SyncRun, Discovery, ReadOnlyDataset | None, Sequence[ListPlan]], None]
"""Reads the lists of a plan and fills in what a sync would change."""


def make_plan(
    accounts: Sequence[str] | None = None,
    resources: Sequence[str] | None = None,
    destination: DestinationName = "duckdb",
    dataset: str = DEFAULT_DATASET,
    mode: Mode = "full",
    compare: Compare | None = None,
) -> SyncPlan:
    """Find out what a sync with the same arguments would do. Each list takes one request at most.

    Args:
        accounts: ids of the accounts; None for all.
        resources: names of the resources; None for all but the optional ones.
        destination: the dlt destination, which is only read.
        dataset: the schema that the tables are in.
        mode: how subscribers are read: full, incremental or auto.
        compare: reads all lists in full and compares them with the destination; None for no comparison.

    Raises:
        SettingsError, DripError: a sync could not start.
    """
    with ExitStack() as stack:
        stack.enter_context(nothing_started())
        stack.enter_context(in_project())
        runs = stack.enter_context(_prepared(resources, destination, dataset))
        started = time.monotonic()
        discovery = discover(runs)
        runs = with_accounts(runs, discovery, accounts)
        existing = stack.enter_context(read_only(runs.common.target, common_settings().lock_wait))
        if existing:
            check_table_masks(
                existing.schema_tables(), runs.common.mask, f"{runs.common.target.location}, dataset {dataset}"
            )
        runs = modes_of(runs, mode, _seen(runs, existing))
        lists = [*_account_lists(runs, discovery, existing), *_planned(runs, existing)]
        plan = SyncPlan(runs.common.target.location, dataset, lists, [], account_names=runs.account_names)
        plan.spent = sum(connection_of(run).client.budget.requests for run in runs.each)
        latency = (time.monotonic() - started) / max(plan.spent, 1)
        plan.tokens = [_token(run, lists, latency) for run in runs.each]
        if compare:
            compare(runs, discovery, existing, lists)
        return plan


@contextmanager
def _prepared(resources: Sequence[str] | None, destination: DestinationName, dataset: str) -> Iterator[SyncRun]:
    """The runs of a plan, whose landing zone is a temporary folder."""
    each, common, target = every_settings(), common_settings(), resolve_target(destination, dataset)
    chosen = tuple(one.resource for one in chosen_endpoints(resources, common.optional_resources))
    with tempfile.TemporaryDirectory(prefix="drip-plan-") as folder:
        Path(folder).chmod(0o700)
        root = folder_at(folder)
        first = ConnectionRun(target, chosen, Landing(root, part_for("")), mask=common.masking.fingerprint)
        runs = SyncRun(
            tuple(
                replace(first, landing=Landing(root, part_for(one.connection)), connection=one.connection)
                for one in each
            )
        )
        try:
            yield runs
        finally:
            clean_up(runs)


def _seen(runs: SyncRun, existing: ReadOnlyDataset | None) -> dict[str, Seen]:
    if existing is None or not {SYNCS_TABLE, SUBSCRIBERS} <= existing.tables:
        return {}
    return seen_accounts(existing, runs.common.target.kind.dialect)


def _account_lists(runs: SyncRun, discovery: Discovery, existing: ReadOnlyDataset | None) -> Iterator[ListPlan]:
    """The lists of accounts, which have been read."""
    counts = existing.row_counts(ACCOUNTS) if existing else {}
    for run in runs.each:
        line = ListPlan(
            None, ACCOUNTS.resource, run.connection, rows=counts.get(None, 0) if existing else None, requests=1
        )
        if run.connection in discovery.seen:
            line.api_rows = discovery.seen[run.connection].outcome.api_rows
        yield line
    for failure in discovery.failures:
        yield ListPlan(None, ACCOUNTS.resource, failure.key.connection, note=failure.message)


def _planned(runs: SyncRun, existing: ReadOnlyDataset | None) -> list[ListPlan]:
    """A line for each list, each with at most one request."""
    keys = lists_to_read(runs)
    with ThreadPoolExecutor(LISTS_AT_ONCE * len(runs.each), thread_name_prefix="drip-plan") as pool:
        pages = {
            key: pool.submit(copy_context().run, _estimated, runs.of(key.connection), key, existing)
            for key in keys
            if not ENDPOINTS[key.resource].parent
        }
        found = {key: future.result() for key, future in pages.items()}
    for key in keys:
        if ENDPOINTS[key.resource].parent:
            found[key] = _estimated(runs.of(key.connection), key, existing, found)
    counts = {name: existing.row_counts(ENDPOINTS[name]) for name in runs.common.resources} if existing else None
    return [_line(runs.of(key.connection), key, found[key], counts) for key in keys]


def _estimated(
    run: ConnectionRun,
    key: ListKey,
    existing: ReadOnlyDataset | None,
    others: dict[ListKey, Estimate | DripError] | None = None,
) -> Estimate | DripError:
    try:
        return estimate(run, key, existing, others or {})
    except DripError as error:
        return error


def _line(
    run: ConnectionRun,
    key: ListKey,
    found: Estimate | DripError,
    counts: dict[str, dict[str | None, int]] | None,
) -> ListPlan:
    mode = run.read_mode(key)
    rows = counts[key.resource].get(key.account_id, 0) if counts else None
    line = ListPlan(key.account_id, key.resource, key.connection, rows=rows, mode=mode.mode, why=mode.why)
    if isinstance(found, DripError):
        line.note, line.requests = failure_of(key, found).message, 1
        return line
    line.api_rows, line.requests, line.exact, line.bytes = found.rows, found.requests, found.exact, found.bytes
    return line


def _token(run: ConnectionRun, lists: Sequence[ListPlan], latency: float) -> TokenPlan:
    """The requests of a token, and how long they take with `latency` seconds each, as the plan's own took."""
    client = connection_of(run).client
    needed = sum(line.requests for line in lists if line.connection == run.connection)
    left, settings = client.budget.left(), client.settings
    waits = waits_for(needed, left, settings.rate_limit)
    seconds = waits * settings.rate_window + needed * latency
    return TokenPlan(run.connection, needed, left, waits, round(seconds, 1))
