"""The freshness check: whether each list arrived recently, and whether a table lost too many rows.

It reads `_syncs` and counts the rows of the tables listed there. It needs no API key, sends no requests, and waits for
a sync that is writing. Unlike the notebooks, it never falls back to the demo database.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from flows.common import clock
from flows.common.duration import HOUR, duration
from flows.common.errors import SettingsError
from flows.common.labels import account_label
from flows.dataset.reader import has_column, query
from flows.destinations.catalogue import DestinationName
from flows.pipeline.context import DEFAULT_DATASET
from flows.pipeline.event_sources import spool_folder
from flows.pipeline.sync_log import LOOK_BACK_DAYS, NO_ACCOUNT, ListTimes
from flows.pipeline.webhook_check import STATES, WEBHOOKS, webhook_problems, webhook_query
from flows.reporting.event_loss_problems import lost_events
from flows.reporting.markdown import table
from flows.reporting.problem import Problem
from flows.reporting.status import account_names, list_times
from flows.reporting.summary import MOST_NAMED, number
from flows.source.deliveries.registrations import registrations
from flows.source.endpoints import ACCOUNT_ID, ENDPOINTS
from flows.source.settings import common_settings
from flows.source.source import chosen_endpoints

HOURS, SHRINK, EVENT_LOSS = 3.0, 0.2, 0.01
SUBSCRIBERS = "subscribers"
"""The list whose history shows which webhook events are missing."""
EVERY = "every"
"""Used instead of an account id for tables whose rows belong to no account."""
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = $dataset"
Counts = dict[str, dict[str, int]]
"""Row counts by resource and account."""


class Limits(msgspec.Struct):
    """Limits of the check.

    Attributes:
        hours: maximum age of a list, in hours.
        shrink: maximum share of its rows, between 0 and 1, that a list may lose from one sync to the next.
        event_loss: maximum share of webhook events, between 0 and 1, that may be missing; see `_event_audit`.
    """

    hours: float = HOURS
    shrink: float = SHRINK
    event_loss: float = EVENT_LOSS

    def check(self) -> None:
        """Check the ranges of the limits. Raises SettingsError."""
        if not self.hours > 0:
            raise SettingsError("hours, the maximum age of a list, must be above 0")
        if not 0 <= self.shrink <= 1:
            raise SettingsError("shrink, a share of the rows, must be between 0 and 1")
        if not 0 <= self.event_loss <= 1:
            raise SettingsError("event loss, a share of the events, must be between 0 and 1")


@dataclass(eq=False)
class FreshnessReport:
    """The result of the check.

    Attributes:
        oldest: age, in hours, of the list whose last complete read is oldest.
        names: names of the accounts by id.
    """

    problems: list[Problem]
    lists: list[ListTimes]
    now: datetime
    oldest: float | None
    names: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """The result on one line, naming the first problems."""
        if not self.problems:
            return f"{len(self.lists)} lists are fresh; the oldest arrived {duration((self.oldest or 0) * HOUR)} ago"
        more = len(self.problems) - MOST_NAMED
        named = [str(problem) for problem in self.problems[:MOST_NAMED]]
        return "; ".join([*named, *([f"and {more} more"] if more > 0 else [])])


def check_freshness(
    limits: Limits,
    accounts: Sequence[str] | None = None,
    resources: Sequence[str] | None = None,
    destination: DestinationName = "duckdb",
    dataset: str = DEFAULT_DATASET,
) -> FreshnessReport:
    """Check every list that a sync tried to read within a week of the newest sync.

    Raises:
        SettingsError: a limit is out of range, or there is no data.
    """
    limits.check()
    chosen = [one.resource for one in chosen_endpoints(resources, common_settings().optional_resources)]
    known = list_times(destination, dataset, or_demo=False)
    lists = [one for one in known if one.resource in chosen and (not accounts or one.account in accounts)]
    now, names = clock.now(), account_names(destination, dataset, or_demo=False)
    counts = table_counts({one.resource for one in lists}, destination, dataset)
    wrong = [(one, text) for one in lists for text in _wrong(one, limits, now)]
    wrong += [(one, text) for one in lists for text in _gone(one, limits, counts)]
    problems = [Problem(_owner(one, names), one.resource, text) for one, text in wrong]
    problems += _webhooks(lists, destination, dataset)
    if SUBSCRIBERS in {one.resource for one in lists}:
        problems += lost_events(limits.event_loss, accounts, names, destination, dataset)
    ages = [_age(one.whole, now) for one in lists if one.whole]
    missing = _never_tried(lists, accounts, resources)
    return FreshnessReport([*missing, *problems], lists, now, max(ages, default=None), names)


def _webhooks(lists: Sequence[ListTimes], destination: DestinationName, dataset: str) -> list[Problem]:
    """What is wrong with the webhooks that were registered for our receiver."""
    read = {one.account or "" for one in lists if one.resource == WEBHOOKS and one.whole}
    known = registrations(spool_folder()) if read else {}
    if not known:
        return []
    columns = [name for name in STATES if has_column(WEBHOOKS, name, destination, dataset, or_demo=False)]
    frame = query(webhook_query(WEBHOOKS, columns), destination=destination, dataset=dataset, or_demo=False)
    found = webhook_problems(known, frame.itertuples(index=False, name=None), read)
    return [Problem(account, WEBHOOKS, text) for account, text in found.items()]


def table_counts(resources: Collection[str], destination: DestinationName, dataset: str) -> Counts:
    """The current number of rows of each table, by account if its rows belong to accounts. Skips missing tables."""
    named = query(TABLES, {"dataset": dataset}, destination, dataset)["table_name"]
    there = sorted({*resources} & {*named})
    parts = [f"SELECT '{name}' AS resource, {_counted_by(name)} AS account FROM \"{name}\"" for name in there]
    if not parts:
        return {}
    frame = query(
        f"SELECT resource, account, count(*) AS n FROM ({' UNION ALL '.join(parts)}) AS every GROUP BY 1, 2",
        None,
        destination,
        dataset,
    )
    counts: Counts = {name: {} for name in there}
    for resource, account, n in frame.itertuples(index=False):
        counts[resource][account] = int(n)
    return counts


def _counted_by(resource: str) -> str:
    return ACCOUNT_ID if ENDPOINTS[resource].per_account else f"'{EVERY}'"


def _gone(one: ListTimes, limits: Limits, counts: Counts) -> list[str]:
    """Problems with rows lost since the last complete sync of the list.

    `shrink` applies here too, since people may have been forgotten since then.
    """
    if one.resource not in counts:
        return ["its table does not exist"] if one.rows is not None else []
    there = counts[one.resource].get(one.account or EVERY, 0)
    if one.rows and one.rows - there > limits.shrink * one.rows:
        return [f"the table has {there:,} of the {one.rows:,} rows it had after the last sync"]
    return []


def _owner(one: ListTimes, names: Mapping[str, str]) -> str:
    """The account of a list, or else its connection, or else `NO_ACCOUNT`."""
    return account_label(one.account, names) if one.account else one.connection or NO_ACCOUNT


def _wrong(one: ListTimes, limits: Limits, now: datetime) -> list[str]:
    """Problems with the age and the row count of a list."""
    if one.whole is None:
        texts = [f"was never complete in the {LOOK_BACK_DAYS} days before the last sync; see its note in _syncs"]
    elif (age := _age(one.whole, now)) > limits.hours:
        texts = [f"was last complete {age:.1f} h ago, more than {limits.hours:g} h"]
    else:
        texts = []
    lost = (one.rows_before or 0) - (one.rows or 0)
    if one.rows is not None and one.rows_before and lost > limits.shrink * one.rows_before:
        share = f"{lost / one.rows_before:.0%}, more than {limits.shrink:.0%}"
        texts.append(f"shrank from {one.rows_before:,} to {one.rows:,} rows, by {share}")
    return texts


def _never_tried(
    lists: Sequence[ListTimes], accounts: Sequence[str] | None, resources: Sequence[str] | None
) -> list[Problem]:
    """Requested accounts and resources that no recent sync tried to read. Otherwise a check of nothing would pass."""
    text = f"no sync tried to read it in the {LOOK_BACK_DAYS} days before the last one"
    tried = {one.account for one in lists}, {one.resource for one in lists}
    of_accounts = [Problem(account, "all lists", text) for account in accounts or () if account not in tried[0]]
    of_resources = [Problem("all accounts", name, text) for name in resources or () if name not in tried[1]]
    if not lists and not of_accounts and not of_resources:
        return [Problem("all accounts", "all lists", text)]
    return [*of_accounts, *of_resources]


def _age(moment: datetime, now: datetime) -> float:
    return (now - moment).total_seconds() / HOUR


def freshness_markdown(report: FreshnessReport) -> str:
    """The report as Markdown: the problems, then every list."""
    parts = ["# Some data is stale or has shrunk" if report.problems else "# All data is fresh"]
    if report.problems:
        parts += [table(["account", "resource", "problem"], [msgspec.structs.astuple(p) for p in report.problems])]
    rows = [
        (_owner(one, report.names), one.resource, f"{_age(one.whole, report.now):.1f}" if one.whole else "never",
         number(one.rows_before), number(one.rows))
        for one in report.lists
    ]  # fmt: skip
    headings = ["account", "resource", "age in hours", "rows before", "rows now"]
    return "\n\n".join([*parts, "## Every list", table(headings, rows)]) + "\n"
