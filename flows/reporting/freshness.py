"""The freshness check: did each list arrive lately, and has no table lost more rows than it may?

It reads `_syncs` and counts the rows of the tables listed there: it needs no API key, sends no request, and waits for a
sync that is writing. Unlike a notebook, it never falls back to the demo's database.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from flows.common.errors import SettingsError
from flows.dataset.reader import has_column, query
from flows.destinations.catalogue import DestinationName
from flows.pipeline.context import DEFAULT_DATASET
from flows.pipeline.sync_log import LOOK_BACK_DAYS, NO_ACCOUNT, SYNCS_TABLE, ListTimes, lists_of, lists_query
from flows.reporting.markdown import table
from flows.reporting.summary import MOST_NAMED, number
from flows.source.endpoints import ACCOUNT_ID, CONNECTION, ENDPOINTS
from flows.source.source import chosen_endpoints

HOURS, SHRINK = 3.0, 0.2
HOUR_SECONDS = 3_600
EVERY = "every"
"""In place of an account, where the rows of a table belong to none."""
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = '{dataset}'"
Counts = dict[str, dict[str, int]]
"""By resource and account."""


class Limits(msgspec.Struct):
    """What is still well.

    Attributes:
        hours: that a list may be old.
        shrink: the share of its rows, between 0 and 1, that a list may lose from one sync to the next.
    """

    hours: float = HOURS
    shrink: float = SHRINK

    def check(self) -> None:
        """Refuse limits that tell nothing. Raises SettingsError."""
        if not self.hours > 0:
            raise SettingsError("hours has to be above 0: the age that data may have")
        if not 0 <= self.shrink <= 1:
            raise SettingsError("shrink is a share: it has to be between 0 and 1")


class Problem(msgspec.Struct):
    """A list that is too old, or has shrunk, in words."""

    account: str
    resource: str
    text: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.resource} of {self.account}: {self.text}"


@dataclass(eq=False)
class FreshnessReport:
    """What the check found, over so many lists; `oldest` is the age in hours of the oldest that ever arrived whole."""

    problems: list[Problem]
    lists: list[ListTimes]
    now: datetime
    oldest: float | None

    def summary(self) -> str:
        """In one line, the first problems named."""
        if not self.problems:
            return f"{len(self.lists)} lists are fresh; the oldest arrived {self.oldest or 0:.1f} h ago"
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
    """Judge every list that a sync tried within a week of the newest one.

    Raises:
        SettingsError: nothing can be judged: a limit makes no sense, or there is no data.
    """
    limits.check()
    chosen = [endpoint.resource for endpoint in chosen_endpoints(resources)]
    known = _lists(destination, dataset)
    lists = [one for one in known if one.resource in chosen and (not accounts or one.account in accounts)]
    now = datetime.now(UTC)
    problems = [Problem(_owner(one), one.resource, text) for one in lists for text in _wrong(one, limits, now)]
    counts = table_counts({one.resource for one in lists}, destination, dataset)
    problems += [Problem(_owner(one), one.resource, text) for one in lists for text in _gone(one, limits, counts)]
    ages = [_age(one.whole, now) for one in lists if one.whole]
    missing = _never_tried(lists, accounts, resources)
    return FreshnessReport([*missing, *problems], lists, now, max(ages, default=None))


def _lists(destination: DestinationName, dataset: str) -> list[ListTimes]:
    has_connections = has_column(SYNCS_TABLE, CONNECTION, destination, dataset, or_demo=False)
    frame = query(lists_query(SYNCS_TABLE, has_connections), destination, dataset, or_demo=False)
    return lists_of(list(frame.astype(object).where(frame.notna(), None).itertuples(index=False)))


def table_counts(resources: Collection[str], destination: DestinationName, dataset: str) -> Counts:
    """How many rows each table holds now, of each account where its rows belong to one; no table, no entry."""
    named = query(TABLES.format(dataset=dataset), destination, dataset)["table_name"]
    there = sorted({*resources} & {*named})
    parts = [f"SELECT '{name}' AS resource, {_counted_by(name)} AS account FROM \"{name}\"" for name in there]
    if not parts:
        return {}
    frame = query(
        f"SELECT resource, account, count(*) AS n FROM ({' UNION ALL '.join(parts)}) AS every GROUP BY 1, 2",
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
    """What a table has lost since the last sync that read all of the list, in words; nothing where it has not.

    Somebody may have been forgotten since then, so it may lose as much as from one sync to the next.
    """
    if one.resource not in counts:
        return ["its table is gone"] if one.rows is not None else []
    there = counts[one.resource].get(one.account or EVERY, 0)
    if one.rows and one.rows - there > limits.shrink * one.rows:
        return [f"the table holds {there:,} of the {one.rows:,} rows that the last sync left in it"]
    return []


def _owner(one: ListTimes) -> str:
    """Whose list it is: an account's, or a token's, by the name of its connection if it has one."""
    return one.account or one.connection or NO_ACCOUNT


def _wrong(one: ListTimes, limits: Limits, now: datetime) -> list[str]:
    """What is wrong with a list, in words; nothing where it is well."""
    if one.whole is None:
        texts = [f"did not arrive whole in the {LOOK_BACK_DAYS} days before the last sync; see its note in _syncs"]
    elif (age := _age(one.whole, now)) > limits.hours:
        texts = [f"arrived whole {age:.1f} h ago, more than {limits.hours:g} h"]
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
    """What was asked for, and no sync of the last days has tried: a check of nothing would be well for ever."""
    text = f"no sync has tried it in the {LOOK_BACK_DAYS} days before the last one"
    tried = {one.account for one in lists}, {one.resource for one in lists}
    of_accounts = [Problem(account, "all lists", text) for account in accounts or () if account not in tried[0]]
    of_resources = [Problem("all accounts", name, text) for name in resources or () if name not in tried[1]]
    if not lists and not of_accounts and not of_resources:
        return [Problem("all accounts", "all lists", text)]
    return [*of_accounts, *of_resources]


def _age(moment: datetime, now: datetime) -> float:
    return (now - moment).total_seconds() / HOUR_SECONDS


def freshness_markdown(report: FreshnessReport) -> str:
    parts = ["# Some data is stale, or has shrunk" if report.problems else "# All data is fresh"]
    if report.problems:
        parts += [
            table(["account", "resource", "what is wrong"], [msgspec.structs.astuple(p) for p in report.problems])
        ]
    rows = [
        (_owner(one), one.resource, f"{_age(one.whole, report.now):.1f}" if one.whole else "never",
         number(one.rows_before), number(one.rows))
        for one in report.lists
    ]  # fmt: skip
    headings = ["account", "resource", "hours old", "rows the sync before", "rows now"]
    return "\n\n".join([*parts, "## Every list", table(headings, rows)]) + "\n"
