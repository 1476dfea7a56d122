"""Which accounts each connection sees, and which connection reads those that several see."""

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
    """The list of accounts of one connection, in memory: it is asked for before anything is locked or landed.

    Attributes:
        pages: as they came.
        outcome: whether they are all.
        seconds: that it took.
    """

    pages: Sequence[Page]
    outcome: ListOutcome
    seconds: float

    @property
    def ids(self) -> list[str]:
        """The ids of the accounts."""
        return [key for page in self.pages for key in texts(page.table, ACCOUNTS.key)]


@dataclass(frozen=True)
class Discovery:
    """What the connections answered when they were asked for their accounts.

    Attributes:
        seen: by connection, the accounts of those that answered.
        failures: one for each connection that could not be asked.
    """

    seen: Mapping[str, SeenAccounts]
    failures: Sequence[ExtractFailure] = field(default_factory=list)

    def land(self, runs: SyncRun) -> list[Extracted]:
        """Write the lists to the landing zone, in place of those of an earlier run."""
        return [_land(runs.of(connection), seen) for connection, seen in self.seen.items()]


Ask = Callable[[ConnectionRun], SeenAccounts]
"""Asks a connection for its accounts."""


def ask(run: ConnectionRun) -> SeenAccounts:
    """Read the accounts that a connection sees. Raises DripError."""
    started, connection = time.monotonic(), connection_of(run)
    reader = ListReader(connection.client, ACCOUNTS, None, connection.decoder(ACCOUNTS.resource))
    pages = list(reader.pages())
    if reader.outcome is None:
        raise Stopped("the list of accounts was not read to its end")
    return SeenAccounts(pages, reader.outcome, time.monotonic() - started)


def discover(runs: SyncRun, asking: Ask = ask) -> Discovery:
    """Ask all connections for their accounts at once.

    Raises:
        DripError: of the one connection, where none can be used.
        SettingsError: naming what is wrong with each, where none of several can be used.
    """
    answers: dict[str, SeenAccounts | BaseException] = {}
    with ThreadPoolExecutor(len(runs.each), thread_name_prefix="drip-accounts") as pool:
        pending = {run.connection: pool.submit(copy_context().run, asking, run) for run in runs.each}
        for connection, one in pending.items():
            error = one.exception()
            answers[connection] = own_error(error) if error else one.result()
    return _judged(answers)


def _land(run: ConnectionRun, seen: SeenAccounts) -> Extracted:
    key = run.key(ACCOUNTS.resource, None)
    landed = run.landed_list(key)
    landed.clear()
    for page in seen.pages:
        landed.write(page)
    landed.finish(seen.outcome)
    return Extracted(key, seen.outcome, seen.seconds)


def with_accounts(runs: SyncRun, found: Discovery, wanted: Sequence[str] | None) -> SyncRun:
    """The runs, each with the accounts that it syncs: the wanted ones that no connection before it sees.

    A connection that could not be asked keeps none from the others; what of the wanted it alone sees is missing then.

    Raises:
        SettingsError: a wanted account is visible to none.
    """
    seen = {connection: one.ids for connection, one in found.seen.items()}
    everything = list(dict.fromkeys(account for accounts in seen.values() for account in accounts))
    left = _chosen(everything, wanted, found.failures)
    each: list[ConnectionRun] = []
    for run in runs.each:
        own = tuple(account for account in left if account in seen.get(run.connection, ()))
        each.append(replace(run, accounts=own if run.connection in seen else None))
        left = [account for account in left if account not in own]
    return SyncRun(tuple(each))


def seen_by_several(runs: SyncRun, found: Discovery) -> list[str]:
    """In words, for each account that several connections see: who reads it, and who does not."""
    seen = {connection: set(one.ids) for connection, one in found.seen.items()}
    several = {account for account, times in Counter(a for ids in seen.values() for a in ids).items() if times > 1}
    return [
        f"{account} is read by {run.connection}, and seen by "
        + ", ".join(other for other in seen if other != run.connection and account in seen[other])
        for run in runs.known
        for account in run.accounts or ()
        if account in several
    ]


def _judged(answers: Mapping[str, SeenAccounts | BaseException]) -> Discovery:
    """Raises what went wrong where no connection answered."""
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
    """The wanted accounts. One that nobody sees may be that of a connection that failed, if others are there."""
    there = [account for account in wanted or () if account in seen]
    try:
        return chosen_accounts(seen, there if failures and there else wanted)
    except SettingsError as error:
        reasons = [f"{failure.key.connection}: {failure.message}" for failure in failures]
        raise SettingsError("; ".join([str(error), *reasons])) from None
