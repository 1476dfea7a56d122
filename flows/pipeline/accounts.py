"""Discovers the accounts of each connection, and assigns each account to one connection."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace

from flows.common.error_message import explain
from flows.common.errors import SettingsError
from flows.common.list_key import ListKey
from flows.pipeline.context import ConnectionRun, SyncRun, connection_of
from flows.pipeline.extract import Extracted, ExtractFailure, failure_of, own_error
from flows.source.endpoints import ACCOUNTS
from flows.source.errors import Stopped
from flows.source.list_reader import ListReader, Page
from flows.source.paginator import ListOutcome
from flows.source.schema import texts
from flows.source.source import chosen_accounts


@dataclass(frozen=True)
class SeenAccounts:
    """The list of accounts of one connection. It is kept in memory, since it is read before anything is locked.

    Attributes:
        pages: the pages as received.
        outcome: the outcome of reading the list.
        seconds: how long it took.
    """

    pages: Sequence[Page]
    outcome: ListOutcome
    seconds: float

    @property
    def ids(self) -> list[str]:
        """The ids of the accounts."""
        return [key for page in self.pages for key in texts(page.table, ACCOUNTS.key)]

    @property
    def names(self) -> dict[str, str]:
        """The names of the accounts by id; none for an account that has no name."""
        rows = [row for page in self.pages for row in page.table.select([ACCOUNTS.key, "name"]).to_pylist()]
        return {row[ACCOUNTS.key]: row["name"] for row in rows if row["name"]}


@dataclass(frozen=True)
class Discovery:
    """The accounts of all connections.

    Attributes:
        seen: the accounts by connection, of the connections that could be read.
        failures: a failure for each other connection.
    """

    seen: Mapping[str, SeenAccounts]
    failures: Sequence[ExtractFailure] = field(default_factory=list)

    def land(self, runs: SyncRun) -> list[Extracted]:
        """Write the lists to the landing zone, replacing those of earlier runs."""
        return [_land(runs.of(connection), seen) for connection, seen in self.seen.items()]


Ask = Callable[[ConnectionRun], SeenAccounts]
"""Reads the accounts of a connection."""


def ask(run: ConnectionRun) -> SeenAccounts:
    """Read the accounts that a connection has access to. Raises DripError."""
    started, connection = time.monotonic(), connection_of(run)
    reader = ListReader(connection.client, ACCOUNTS, None, connection.decoder(ACCOUNTS.resource))
    pages = list(reader.pages())
    if reader.outcome is None:
        raise Stopped("the list of accounts was not read completely")
    return SeenAccounts(pages, reader.outcome, time.monotonic() - started)


def discover(runs: SyncRun, asking: Ask = ask) -> Discovery:
    """Read the accounts of all connections concurrently.

    Raises:
        DripError: the only connection cannot be used.
        SettingsError: none of several connections can be used; names the reason for each.
    """
    answers: dict[str, SeenAccounts | BaseException] = {}
    with ThreadPoolExecutor(len(runs.each), thread_name_prefix="drip-accounts") as pool:
        pending = {run.connection: pool.submit(copy_context().run, asking, run) for run in runs.each}
        for connection, future in pending.items():
            error = future.exception()
            answers[connection] = own_error(error) if error else future.result()
    return _discovery(answers)


def _land(run: ConnectionRun, seen: SeenAccounts) -> Extracted:
    key = run.key(ACCOUNTS.resource, None)
    landed = run.landed_list(key)
    landed.clear()
    for page in seen.pages:
        landed.write(page)
    landed.finish(seen.outcome)
    return Extracted(key, seen.outcome, seen.seconds)


def with_accounts(runs: SyncRun, discovery: Discovery, wanted: Sequence[str] | None) -> SyncRun:
    """The runs with the accounts that each syncs: the wanted ones that no earlier connection has access to.

    Accounts that only a failed connection has access to are not synced.

    Raises:
        SettingsError: no connection has access to a wanted account.
    """
    seen = {connection: accounts.ids for connection, accounts in discovery.seen.items()}
    everything = list(dict.fromkeys(account for accounts in seen.values() for account in accounts))
    chosen, claimed = _chosen(everything, wanted, discovery.failures), set[str]()
    each: list[ConnectionRun] = []
    for run in runs.each:
        all_own = tuple(account for account in everything if account in {*seen.get(run.connection, ())} - claimed)
        claimed.update(all_own)
        own = tuple(account for account in chosen if account in all_own) if run.connection in seen else None
        names = discovery.seen[run.connection].names if run.connection in seen else {}
        own_names = {account: names[account] for account in own or () if account in names}
        each.append(replace(run, accounts=own, all_accounts=all_own, account_names=own_names))
    return SyncRun(tuple(each))


def seen_by_several(runs: SyncRun, discovery: Discovery) -> list[str]:
    """A sentence for each account that several connections have access to, naming the one that reads it."""
    seen = {connection: set(accounts.ids) for connection, accounts in discovery.seen.items()}
    several = {account for account, times in Counter(a for ids in seen.values() for a in ids).items() if times > 1}
    return [
        f"{account} is read by {run.connection}, and also visible to "
        + ", ".join(other for other in seen if other != run.connection and account in seen[other])
        for run in runs.known
        for account in run.accounts or ()
        if account in several
    ]


def _discovery(answers: Mapping[str, SeenAccounts | BaseException]) -> Discovery:
    """Separate the results from the failures. Raises if all connections failed."""
    seen = {name: answer for name, answer in answers.items() if isinstance(answer, SeenAccounts)}
    errors = {name: answer for name, answer in answers.items() if isinstance(answer, BaseException)}
    if not seen:
        if len(errors) == 1:
            raise next(iter(errors.values()))
        reasons = [f"{name}: {explain(error)}" for name, error in errors.items()]
        raise SettingsError("; ".join(["no connection can be used", *reasons]))
    failures = [failure_of(ListKey(name, ACCOUNTS.resource, None), error) for name, error in errors.items()]
    return Discovery(seen, failures)


def _chosen(seen: Sequence[str], wanted: Sequence[str] | None, failures: Sequence[ExtractFailure]) -> list[str]:
    """The wanted accounts. If a connection failed, unknown ones are ignored, unless all of them are unknown."""
    visible = [account for account in wanted or () if account in seen]
    try:
        return chosen_accounts(seen, visible if failures and visible else wanted)
    except SettingsError as error:
        reasons = [f"{failure.key.connection}: {failure.message}" for failure in failures]
        raise SettingsError("; ".join([str(error), *reasons])) from None
