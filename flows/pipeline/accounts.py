"""Discovery: which accounts each connection sees, and which connection reads those that several see."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from flows.common.error_message import explain
from flows.common.errors import SettingsError
from flows.pipeline.context import Run, Runs, clean_up, private_files
from flows.pipeline.extract import Failure, Landed, extract, failure_of, own_error, root_cause
from flows.source.endpoints import ACCOUNTS
from flows.source.schema import texts
from flows.source.settings import common_settings
from flows.source.source import chosen_accounts


class Discovery(msgspec.Struct):
    """What the connections answered when they were asked for their accounts.

    Attributes:
        landed: the lists of accounts that came.
        failures: one for each connection that could not be asked.
    """

    landed: list[Landed]
    failures: list[Failure]


def discover(runs: Runs) -> Discovery:
    """Read the accounts of every connection, all at once. Nothing can start without any: its error is the sync's."""
    futures = {run.connection: extract.submit(run, ACCOUNTS.resource, None) for run in runs.each}
    answers: dict[str, Landed | BaseException] = {}
    for connection, future in futures.items():
        future.wait()
        state = future.state
        answers[connection] = state.result() if state.is_completed() else root_cause(state)
    return _judged(answers)


def check_accounts(runs: Runs, wanted: Sequence[str] | None) -> None:
    """Ask for the accounts before Prefect starts, which takes long; the flow finds the answers where they landed.

    Raises:
        DripError: no connection can be used, or a wanted account is visible to none.
    """
    try:
        with private_files(), runs.common.target.lock(common_settings().lock_wait):
            found = _ask(runs)
            if not set(wanted or ()) <= {account for run in runs.each for account in visible(run)}:
                for run in runs.each:  # what landed a minute ago may not know it yet
                    run.unit(ACCOUNTS.resource, None).clear()
                clean_up(runs)  # a client that was refused has stopped
                found = _ask(runs)
            with_accounts(runs, found, wanted)
    finally:
        clean_up(runs)


def with_accounts(runs: Runs, found: Discovery, wanted: Sequence[str] | None) -> Runs:
    """The runs, each with the accounts that it syncs: the wanted ones that no connection before it sees.

    A connection that could not be asked keeps none from the others; what of the wanted it alone sees is missing then.

    Raises:
        SettingsError: a wanted account is visible to none.
    """
    seen = {one.connection: visible(runs.of(one.connection)) for one in found.landed}
    everything = list(dict.fromkeys(account for accounts in seen.values() for account in accounts))
    left = _chosen(everything, wanted, found.failures)
    each: list[Run] = []
    for run in runs.each:
        own = tuple(account for account in left if account in seen.get(run.connection, ()))
        each.append(replace(run, accounts=own if run.connection in seen else None))
        left = [account for account in left if account not in own]
    return Runs(tuple(each))


def seen_by_several(runs: Runs) -> list[str]:
    """In words, for each account that several connections see: who reads it, and who does not."""
    seen = {run.connection: set(visible(run)) for run in runs.known}
    several = {account for account, times in Counter(a for ids in seen.values() for a in ids).items() if times > 1}
    return [
        f"{account} is read by {run.connection}, and seen by "
        + ", ".join(other for other in seen if other != run.connection and account in seen[other])
        for run in runs.known
        for account in run.accounts or ()
        if account in several
    ]


def visible(run: Run) -> list[str]:
    """The ids of the accounts that landed."""
    return [key for table in run.unit(ACCOUNTS.resource, None).tables() for key in texts(table, ACCOUNTS.key)]


def _ask(runs: Runs) -> Discovery:
    """As `discover`, without Prefect."""
    answers: dict[str, Landed | BaseException] = {}
    for run in runs.each:
        try:
            answers[run.connection] = extract.fn(run, ACCOUNTS.resource, None)
        except Exception as error:
            answers[run.connection] = own_error(error)
    return _judged(answers)


def _judged(answers: Mapping[str, Landed | BaseException]) -> Discovery:
    """Raises what went wrong where no connection answered."""
    landed = [answer for answer in answers.values() if isinstance(answer, Landed)]
    errors = {name: answer for name, answer in answers.items() if isinstance(answer, BaseException)}
    if not landed:
        if len(errors) == 1:
            raise next(iter(errors.values()))
        raise SettingsError(
            "; ".join(["no connection can be used", *(f"{n}: {explain(e)}" for n, e in errors.items())])
        )
    return Discovery(landed, [failure_of(ACCOUNTS.resource, None, e, name) for name, e in errors.items()])


def _chosen(seen: Sequence[str], wanted: Sequence[str] | None, failures: Sequence[Failure]) -> list[str]:
    """The wanted accounts. One that nobody sees may be that of a connection that failed, if others are there."""
    there = [account for account in wanted or () if account in seen]
    try:
        return chosen_accounts(seen, there if failures and there else wanted)
    except SettingsError as error:
        reasons = [f"{failure.connection}: {failure.message}" for failure in failures]
        raise SettingsError("; ".join([str(error), *reasons])) from None
